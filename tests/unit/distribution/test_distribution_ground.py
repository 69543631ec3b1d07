"""A stage that was sent elsewhere refuses ground that is not its run's."""

import json

import pytest

from plumbline.distribution import ground
from plumbline.errors import ClusterError


@pytest.fixture
def sent(monkeypatch, tmp_path) -> dict[str, str]:
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db:5433/plumbline")
    return ground.sent()


def test_the_same_ground_is_taken(sent):
    ground.require_same(sent)
    ground.require_same({})


def test_nothing_secret_is_sent(sent):
    told = json.loads(sent[ground.VARIABLE])
    assert told["database"] == "db:5433/plumbline"
    assert "hunter2" not in str(sent)


@pytest.mark.parametrize(
    ("variable", "value", "differs"),
    [
        ("PLUMBLINE_STORE", "/elsewhere", "store"),
        ("DATABASE_URL", "postgresql://me:hunter2@other/plumbline", "database"),
        ("DATABASE_URL", "", "database"),
    ],
)
def test_another_place_is_refused(sent, monkeypatch, variable, value, differs):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ClusterError, match="as the run that sent this stage") as told:
        ground.require_same(sent)
    assert told.value.values["differ"] == [differs]
    assert "hunter2" not in str(told.value)


def test_other_software_is_refused(sent, monkeypatch):
    monkeypatch.setattr(ground.software, "here", lambda: {"keras": "9.9"})
    with pytest.raises(ClusterError, match=r"keras 9\.9") as told:
        ground.require_same(sent)
    assert "code of plumbline.network" in told.value.expected


def test_an_embedded_server_is_of_its_machine(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    given = ground.sent()
    monkeypatch.setattr(ground.platform, "node", lambda: "another")
    with pytest.raises(ClusterError, match="on another; expected database"):
        ground.require_same(given)
