"""What verifies is never replaced; what does not is put aside, never deleted."""

from pathlib import Path

import pytest

from plumbline.errors import StoreUnwritable
from plumbline.recomputing import Recomputed, recompute
from plumbline.store import MANIFEST, SET_ASIDE, ArtifactStore, verify

PLACE = "p", "split", "f" * 64
MIB = 1 << 20


def writing(**files: bytes):
    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return write


@pytest.fixture
def published(store: ArtifactStore) -> Path:
    return store.publish(*PLACE, writing(a=b"alpha", b=bytes(MIB + 5)))


def test_equal_bytes_are_told(store, published):
    found = recompute(store, *PLACE, writing(a=b"alpha", b=bytes(MIB + 5)))
    assert found == Recomputed(differing={}, unsound={})
    assert found.told == "identical"


def test_each_file_that_differs_is_told_with_its_bytes(store, published):
    before = {path.name: path.read_bytes() for path in published.iterdir()}
    found = recompute(store, *PLACE, writing(b=bytes(MIB) + b"\1\1", c=b""))
    assert found.differing == {
        "a": "was not made this time",
        "b": f"5 of {MIB + 5:,} bytes differ",
        "c": "was not made before",
    }
    assert {path.name: path.read_bytes() for path in published.iterdir()} == before
    assert [path.name for path in published.parent.iterdir()] == [published.name]


@pytest.mark.parametrize(
    ("tamper", "file"),
    [
        (lambda folder: (folder / "a").write_bytes(b"alphb"), "a"),
        (lambda folder: (folder / MANIFEST).write_text("{"), MANIFEST),
        (lambda folder: (folder / MANIFEST).unlink(), MANIFEST),
    ],
)
def test_what_does_not_verify_is_put_aside_whole(store, published, tamper, file):
    tamper(published)
    left = {path.name: path.read_bytes() for path in published.iterdir()}
    found = recompute(store, *PLACE, writing(a=b"alpha"))
    assert list(found.unsound) == [file]
    assert found.set_aside is not None
    aside = Path(found.set_aside)
    assert aside.parent == store.root / SET_ASIDE / "p" / "split"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == left
    assert found.set_aside in found.told
    verify(published)


def test_what_cannot_be_made_again_leaves_all_as_it_was(store, published):
    (published / "a").write_bytes(b"alphb")

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreUnwritable):
        recompute(store, *PLACE, fail)
    assert (published / "a").read_bytes() == b"alphb"
    assert not (store.root / SET_ASIDE).exists()
