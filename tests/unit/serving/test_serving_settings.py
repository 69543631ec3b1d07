"""What the server is held to, and who may ask it."""

import socket

import pytest

from plumbline.errors import ServingError
from plumbline.serving.server import listen
from plumbline.serving.settings import Key, Limits, key_from_environment


@pytest.mark.parametrize(
    "wrong",
    [{"rows": 0}, {"seconds": -1}, {"body_bytes": 0}, {"batch_seconds": -0.1}, {"log_rows": 10}],
)
def test_limits_are_limits(wrong):
    with pytest.raises(ServingError, match="too small"):
        Limits(**wrong)


def test_the_defaults_are_sound():
    assert Limits().batch_seconds == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_may_ask_without_a_key(monkeypatch, host):
    monkeypatch.delenv("PLUMBLINE_API_KEY", raising=False)
    assert key_from_environment(host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org"])
def test_others_may_not_unless_that_is_said(monkeypatch, host):
    monkeypatch.delenv("PLUMBLINE_API_KEY", raising=False)
    with pytest.raises(ServingError, match="PLUMBLINE_API_KEY is not set"):
        key_from_environment(host)
    assert key_from_environment(host, without=True) is None


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_key_is_none(monkeypatch, empty):
    monkeypatch.setenv("PLUMBLINE_API_KEY", empty)
    with pytest.raises(ServingError, match="is empty"):
        key_from_environment("127.0.0.1")


def test_a_key_admits_itself_alone_and_is_not_printed(monkeypatch):
    monkeypatch.setenv("PLUMBLINE_API_KEY", "s3cret-ü")
    key = key_from_environment("0.0.0.0")
    assert isinstance(key, Key)
    # As a server hands headers on: bytes read as Latin-1.
    assert key.admits("s3cret-ü".encode().decode("latin-1"))
    for other in (None, "", "s3cret", "s3cret-ü ", "S3CRET-Ü", "\u20ac"):
        assert not key.admits(other)
    assert "s3cret" not in repr(key)


def test_an_address_that_is_taken_is_refused():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=rf"127\.0\.0\.1:{port}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ServingError, match="cannot listen"):
        listen("192.0.2.1", 0)
    with pytest.raises(ServingError, match="cannot listen"):
        listen("no such host", 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6_where_there_is_one():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with listen("::1", 0) as listening:
        assert listening.family == socket.AF_INET6
