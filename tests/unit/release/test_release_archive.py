"""A bundle as one file: the same bytes again, and nothing but what its manifest names."""

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.cli import main
from plumbline.errors import BundleError
from plumbline.release import archive, golden
from plumbline.release.archive import pack, unpack
from plumbline.release.bundle import load_bundle
from plumbline.release.drafts import drafted
from plumbline.release.manifest import MANIFEST
from plumbline.serving.scorer import Scorer

pytest_plugins = ["release_fixtures"]


@pytest.fixture(scope="module")
def packed(forest, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "bundle.tar"
    pack(forest.folder, file)
    return file


def members_of(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file, "r:") as read:
        return [(one, read.extractfile(one).read()) for one in read]


def written(file: Path, members: list[tuple[tarfile.TarInfo, bytes]], **options) -> Path:
    with tarfile.open(file, "w:", format=options.get("format", tarfile.USTAR_FORMAT)) as made:
        for one, content in members:
            one.size = len(content)
            made.addfile(one, io.BytesIO(content))
    # tarfile fills up to 10 KiB; what pack writes ends after two blocks.
    whole = file.read_bytes()
    file.write_bytes(whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512 + 1024))
    return file


def another(name: str, kind: bytes = tarfile.REGTYPE, **changed) -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.mode = kind, 0o644
    for field, value in changed.items():
        setattr(one, field, value)
    return one


def tree_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_packing_twice_gives_equal_bytes_whatever_the_times_and_modes(forest, packed, tmp_path):
    copy = Path(shutil.copytree(forest.folder, tmp_path / "copy"))
    for path in copy.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    pack(copy, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def test_what_is_unpacked_is_the_bundle_and_any_tar_can_read_it(forest, packed, tmp_path):
    unpack(packed, tmp_path / "bundle")
    assert tree_of(tmp_path / "bundle") == tree_of(forest.folder)
    assert members_of(packed)[0][0].name == MANIFEST
    assert {one.name: content for one, content in members_of(packed)} == tree_of(forest.folder)


def test_an_archive_is_loaded_and_served_and_leaves_nothing(forest, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows, expected = golden.read(forest.folder)
    bundle = load_bundle(packed)
    assert bundle.folder == packed
    assert np.array_equal(bundle.score(rows), expected)
    assert np.array_equal(Scorer.load(packed).score(bundle.conformed(rows)), expected)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_an_open_archive_is_private_and_gone_after_a_failure(packed):
    kept = []

    def fail():
        with archive.opened(packed) as folder:
            kept.append((folder.parent, stat.S_IMODE(folder.parent.stat().st_mode)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    ((place, mode),) = kept
    assert mode == 0o700
    assert not place.exists()


def test_predict_takes_the_archive(packed, forest, tmp_path):
    target = tmp_path / "scores.parquet"
    arguments = ["predict", str(packed), str(forest.folder / golden.GOLDEN), str(target)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert target.exists()


def evil(members: list, name: str, kind: bytes = tarfile.REGTYPE, **changed) -> list:
    """The member is the second, behind the manifest."""
    return [members[0], (another(name, kind, **changed), b""), *members[1:]]


HOSTILE = {
    "absolute": (lambda m: evil(m, "/tmp/escaped"), "it holds '/tmp/escaped'"),
    "above": (lambda m: evil(m, "../escaped"), "it holds '../escaped'"),
    "within": (lambda m: evil(m, "model/../../escaped"), "it holds 'model/../../escaped'"),
    "backslash": (lambda m: evil(m, "..\\escaped"), "escaped'; expected paths below"),
    "drive": (lambda m: evil(m, "C:escaped"), "it holds 'C:escaped'"),
    "link": (lambda m: evil(m, "x", tarfile.SYMTYPE, linkname="/etc"), "'x' is a link"),
    "hard link": (lambda m: evil(m, "x", tarfile.LNKTYPE, linkname=MANIFEST), "'x' is a link"),
    "device": (lambda m: evil(m, "x", tarfile.CHRTYPE, devmajor=1), "'x' is a device"),
    "block device": (lambda m: evil(m, "x", tarfile.BLKTYPE), "'x' is a device"),
    "pipe": (lambda m: evil(m, "x", tarfile.FIFOTYPE), "'x' is a pipe"),
    "folder": (lambda m: evil(m, "x", tarfile.DIRTYPE), "'x' is a folder of its own"),
    "sparse": (lambda m: evil(m, "x", tarfile.GNUTYPE_SPARSE), "of type b'S'"),
    "not named": (lambda m: evil(m, "notes.txt"), "it holds 'notes.txt'; expected only what"),
    "pickle": (lambda m: evil(m, "model/model.pkl"), "it holds 'model/model.pkl'"),
    "other case": (lambda m: evil(m, "CARD.md"), "it holds 'CARD.md'"),
    "twice": (lambda m: [*m, m[-1]], "twice"),
    "manifest twice": (lambda m: [m[0], *m], f"it holds '{MANIFEST}' twice"),
    "missing": (lambda m: m[:-1], "is missing"),
    "other order": (lambda m: [m[0], *m[:0:-1]], "stands before"),
    "no manifest": (lambda m: m[1:], "it begins with"),
    "empty": (lambda _: [], "it is empty"),
    "changed": (lambda m: [*m[:-1], (m[-1][0], m[-1][1] + b"x")], "sha256 is"),
    "other mode": (lambda m: [(another(MANIFEST, mode=0o4755), m[0][1]), *m[1:]], "the header of"),
    "owner": (lambda m: [(another(MANIFEST, uname="root"), m[0][1]), *m[1:]], "the header of"),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_archives_are_refused_and_nothing_is_written(packed, tmp_path, attack):
    change, told = HOSTILE[attack]
    file = written(tmp_path / "hostile.tar", change(members_of(packed)))
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(BundleError) as refused:
        unpack(file, place / "bundle")
    assert told in str(refused.value)
    assert list(place.iterdir()) == []
    assert sorted(tmp_path.iterdir()) == [file, place]
    assert not Path("/tmp/escaped").exists()


def test_extended_headers_are_refused(packed, tmp_path):
    members = members_of(packed)
    members[1][0].pax_headers = {"path": "../escaped"}
    file = written(tmp_path / "pax.tar", members, format=tarfile.PAX_FORMAT)
    with pytest.raises(BundleError, match="of type b'x'"):
        unpack(file, tmp_path / "bundle")


def test_a_member_that_claims_more_than_there_is_or_too_much_altogether_is_refused(
    packed, tmp_path, monkeypatch
):
    header = another("card.md", size=2**32).tobuf(tarfile.USTAR_FORMAT)
    content = packed.read_bytes()
    first = 512 + len(members_of(packed)[0][1])
    first += -first % 512
    (tmp_path / "claim.tar").write_bytes(content[:first] + header + b"x")
    with pytest.raises(BundleError, match="it ends too early"):
        unpack(tmp_path / "claim.tar", tmp_path / "bundle")
    monkeypatch.setattr(archive, "MOST_BYTES", len(content) - 1)
    with pytest.raises(BundleError, match="bytes at most"):
        unpack(packed, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7), cut=st.booleans())
def test_no_bit_of_an_archive_may_change_and_none_may_be_missing(packed, tmp_path, place, bit, cut):
    content = bytearray(packed.read_bytes())
    # Headers and fillings too, which lie at the ends of each member.
    place %= len(content)
    content[place] ^= 1 << bit
    file = tmp_path / "changed.tar"
    file.write_bytes(content[:place] if cut else content)
    with pytest.raises(BundleError):
        unpack(file, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_something_behind_the_end_is_refused(packed, tmp_path):
    (tmp_path / "more.tar").write_bytes(packed.read_bytes() + b"\0")
    with pytest.raises(BundleError, match="behind its end"):
        unpack(tmp_path / "more.tar", tmp_path / "bundle")


def test_neither_way_overwrites_what_is_there(forest, packed, tmp_path):
    (tmp_path / "there").write_text("kept")
    for work in (pack, lambda _, place: unpack(packed, place)):
        with pytest.raises(BundleError, match="is there already"):
            work(forest.folder, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "kept"


def test_a_folder_that_is_no_bundle_is_not_packed(forest, tmp_path):
    copy = Path(shutil.copytree(forest.folder, tmp_path / "copy"))
    (copy / "card.md").write_text("another")
    with pytest.raises(BundleError, match=r"card\.md: sha256 is"):
        pack(copy, tmp_path / "bundle.tar")
    assert not (tmp_path / "bundle.tar").exists()


def test_what_a_killed_writer_left_is_removed_by_the_next(packed, tmp_path):
    told = subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"])
    for left in (f".bundle.{int(told)}.1", f".bundle.{os.getpid()}.2"):
        (tmp_path / left).mkdir()
    unpack(packed, tmp_path / "bundle")
    assert {one.name for one in tmp_path.iterdir()} == {"bundle", f".bundle.{os.getpid()}.2"}


def test_a_draft_goes_with_its_error_and_says_what_cannot_be_written(tmp_path):
    def write(place: Path) -> None:
        with drafted(place) as draft:
            draft.write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "x")
    with pytest.raises(BundleError, match="cannot be written"):
        write(tmp_path / "no" / "x")
    assert list(tmp_path.iterdir()) == []
