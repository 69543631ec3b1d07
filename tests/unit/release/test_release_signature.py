"""Who signed a bundle: refused unless it is the key that is trusted, and no byte changed since."""

import base64
import json
import logging
import re
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tampered_bundles import reseal

from pipelines.cli import main
from plumbline.errors import BundleError
from plumbline.release import signature
from plumbline.release.archive import opened, pack, signed
from plumbline.release.bundle import load_bundle
from plumbline.release.manifest import MANIFEST
from plumbline.release.signature import PRIVATE, PUBLIC, SIGNATURE

pytest_plugins = ["release_fixtures"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, str]:
    """A private key's file, and its public key."""
    file = tmp_path_factory.mktemp("keys") / "key.pem"
    return file, signature.new_key(file)


@pytest.fixture(scope="module")
def released(forest, keys, tmp_path_factory) -> Path:
    """A signed folder."""
    folder = tmp_path_factory.mktemp("released") / "bundle"
    shutil.copytree(forest.folder, folder)
    signed(folder, signature.private_key(keys[0]))
    return folder


@pytest.fixture
def copy(released, tmp_path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copy"))


def another_key() -> str:
    return signature.public_of(Ed25519PrivateKey.generate())


def refusal(path: Path, public_key: str | None) -> str:
    with pytest.raises(BundleError) as refused:
        load_bundle(path, public_key=public_key)
    return str(refused.value)


def test_a_signed_bundle_loads_as_a_folder_and_as_a_file(released, keys, tmp_path):
    pack(released, tmp_path / "bundle.tar")
    for path in (released, tmp_path / "bundle.tar"):
        load_bundle(path, public_key=keys[1])
        load_bundle(path)


def test_a_file_is_signed_in_its_place(forest, released, keys, tmp_path):
    pack(forest.folder, tmp_path / "bundle.tar")
    pack(released, tmp_path / "signed.tar")
    signed(tmp_path / "bundle.tar", signature.private_key(keys[0]))
    assert (tmp_path / "bundle.tar").read_bytes() == (tmp_path / "signed.tar").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_unsigned_and_signed_by_another_are_refused(forest, released, keys, tmp_path):
    assert "is not signed" in refusal(forest.folder, keys[1])
    assert "is signed by another key" in refusal(released, another_key())
    pack(forest.folder, tmp_path / "bundle.tar")
    with (
        pytest.raises(BundleError, match="is not signed"),
        opened(tmp_path / "bundle.tar", public_key=keys[1]),
    ):
        raise AssertionError


def test_a_bundle_that_was_rewritten_and_sealed_again_is_refused(copy, keys):
    (copy / SIGNATURE).rename(copy.parent / SIGNATURE)
    (copy / "card.md").write_text("another card")
    reseal(copy)
    load_bundle(copy)
    (copy.parent / SIGNATURE).rename(copy / SIGNATURE)
    for key in (keys[1], None):
        assert "was changed after it was signed" in refusal(copy, key)


def rewritten(record: dict, **changed: str) -> str:
    return json.dumps({**record, **changed})


def test_no_part_of_a_signature_may_change(copy, keys):
    path = copy / SIGNATURE
    record = json.loads(path.read_text())
    flipped = bytearray(base64.b64decode(record["signature"]))
    flipped[7] ^= 1
    wrong = {
        rewritten(record, signature=base64.b64encode(flipped).decode()): "does not fit",
        rewritten(record, signature="?"): "does not fit",
        rewritten(record, public_key=another_key()): "does not fit",
        rewritten(record, manifest_sha256="0" * 64): "was changed after it was signed",
        rewritten(record, format="another"): "that is none",
        rewritten(record, more="x"): "that is none",
        "[" * 3000: "that is none",
        "": "that is none",
        " " * 5000 + rewritten(record): "that is none",
        rewritten(record, public_key="short"): "is no public key",
    }
    for text, told in wrong.items():
        path.write_text(text)
        for key in (keys[1], None):
            assert told in refusal(copy, key), text[:80]
    path.unlink()
    path.symlink_to(copy.parent / "elsewhere")
    assert "is a link" in refusal(copy, None)


def test_a_bundle_in_the_store_is_not_signed_in_its_place(forest, keys, tmp_path):
    folder = Path(shutil.copytree(forest.folder, tmp_path / "bundle"))
    (tmp_path / "artifact.json").write_text("{}")
    with pytest.raises(BundleError, match="is an artifact of the store"):
        signed(folder, signature.private_key(keys[0]))
    assert not (folder / SIGNATURE).exists()


def test_a_new_key_is_its_owner_s_alone_and_overwrites_none(keys):
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    with pytest.raises(BundleError, match="is never overwritten"):
        signature.new_key(keys[0])


RSA_LIKE = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


def test_the_commands_sign_and_verify_and_never_show_the_private_key(
    forest, keys, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    folder = Path(shutil.copytree(forest.folder, tmp_path / "bundle"))
    text, runner = keys[0].read_text(), CliRunner()
    monkeypatch.setenv(PRIVATE, text)
    told = [runner.invoke(main, ["bundle", "sign", str(folder)])]
    monkeypatch.setenv(PUBLIC, keys[1])
    told.append(runner.invoke(main, ["bundle", "verify", str(folder)]))
    assert [one.exit_code for one in told] == [0, 0], told
    assert f"signed by {keys[1]}" in told[1].output
    monkeypatch.setenv(PUBLIC, another_key())
    told.append(runner.invoke(main, ["bundle", "verify", str(folder)]))
    for wrong in (text[:-30], text.replace("MC", "MD"), RSA_LIKE.decode()):
        monkeypatch.setenv(PRIVATE, wrong)
        told.append(runner.invoke(main, ["bundle", "sign", str(folder)]))
    assert [one.exit_code for one in told[2:]] == [1] * 4
    secret = "".join(re.findall(r"^[A-Za-z0-9+/=]+$", text, re.MULTILINE))
    for shown in (*(one.output for one in told), caplog.text, (folder / SIGNATURE).read_text()):
        assert secret[-20:] not in shown
        assert "c2VjcmV0" not in shown


def test_a_key_of_another_kind_or_with_a_password_is_refused(keys, tmp_path):
    key = signature.private_key(keys[0])
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    for content in (locked, RSA_LIKE, b"", b"\xff"):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(BundleError, match=r"key\.pem holds no private key") as refused:
            signature.private_key(tmp_path / "key.pem")
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_what_is_signed_is_the_manifest_s_digest_and_nothing_else_s(released, keys):
    record = json.loads((released / SIGNATURE).read_text())
    key = signature.private_key(keys[0]).public_key()
    given = base64.b64decode(record["signature"])
    key.verify(given, f"plumbline.signature.1 {record['manifest_sha256']}".encode())
    assert (released / MANIFEST).exists()
