"""A scoring that ends half-way is gone on with, and comes out as if it never had ended."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.csv import write_csv
from release_bundles import ROWS, Built, raw_table

from plumbline.errors import BundleError, ScoringError
from plumbline.release.bundle import load_bundle
from plumbline.scoring import batch, csv_rows, file_target
from plumbline.scoring.batch import Outcome
from plumbline.scoring.file_target import FileTarget
from plumbline.scoring.files import score_file

pytest_plugins = ["release_fixtures"]

PART = 100


class Ended(Exception):
    """What ends a scoring in these tests."""


def spoilt() -> pa.Table:
    """The raw rows, of which four cannot be scored."""
    amount = raw_table()["amount"].to_pylist()
    amount[0] = amount[150] = amount[199] = amount[ROWS - 1] = float("inf")
    return raw_table().set_column(2, "amount", pa.array(amount))


@pytest.fixture
def source(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 1500)
    path = tmp_path / f"rows.{request.param}"
    if request.param == "csv":
        write_csv(spoilt(), path)
        first, *others = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join([first, *others[:250], "1,2\n", "\n", *others[250:], "x\n"]))
    elif request.param == "folder":
        path.mkdir()
        for name, at, rows in (("a", 0, 250), ("b", 250, 0), ("c", 250, 350)):
            pq.write_table(spoilt().slice(at, rows), path / f"{name}.parquet", row_group_size=120)
        (path / "_SUCCESS").touch()
    else:
        pq.write_table(spoilt(), path, row_group_size=170)
    return path


@pytest.fixture
def score(forest: Built, tmp_path: Path) -> Callable[..., Outcome]:
    def run(source: Path, name: str = "scored.parquet", **options: Any) -> Outcome:
        return score_file(forest.folder, source, tmp_path / name, rows=PART, **options)

    return run


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int) -> Iterator[None]:
    """The `call`-th call of a function ends what calls it."""
    true, calls = getattr(module, name), 0

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Ended
        return true(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counted)
        with pytest.raises(Ended):
            yield


def contents(folder: Path, name: str) -> tuple[bytes, bytes]:
    return (folder / name).read_bytes(), (
        folder / f"{name.split('.', maxsplit=1)[0]}.rejects.parquet"
    ).read_bytes()


@pytest.mark.parametrize(
    ("source", "name"),
    [("parquet", "scored.csv"), ("folder", "scored.parquet"), ("csv", "scored.parquet")],
    indirect=["source"],
)
def test_what_is_gone_on_with_is_equal_to_the_last_byte(
    score, source, tmp_path, monkeypatch, caplog, name
):
    whole = score(source, f"whole.{name.split('.')[1]}")
    assert whole.read == ROWS + 2 * (source.suffix == ".csv")
    assert whole.rejected == 4 + 2 * (source.suffix == ".csv")
    kept = 0
    # While a block is scored, while a part is written, while it gets its name, while all is joined.
    for module, function, call in (
        (batch, "judge", 1),
        (batch, "judge", 3),
        (file_target, "flush", 2),
        (file_target, "flush", 7),
        (batch, "judge", 2),
        (file_target, "writing", 1),
        (file_target, "writing", 2),
    ):
        with ending(monkeypatch, module, function, call):
            score(source, name)
        assert not (tmp_path / name).exists()
        parts = sorted(path.name for path in tmp_path.glob(f".{name}.scoring/*"))
        assert kept <= len(parts)
        kept = len(parts)
    with caplog.at_level("INFO", logger="plumbline"):
        outcome = score(source, name)
    assert "going on after row" in caplog.text
    assert (outcome.read, outcome.scored, outcome.resumed) == (whole.read, whole.scored, whole.read)
    assert contents(tmp_path, name) == contents(tmp_path, f"whole.{name.split('.')[1]}")
    assert not list(tmp_path.glob(".*"))


def test_what_changed_is_scored_anew(forest, boosted, score, tmp_path, monkeypatch, caplog):
    source, target = tmp_path / "rows.parquet", tmp_path / "scored.parquet"
    for changed, told in (("source", "source changed"), ("bundle", "bundle changed")):
        pq.write_table(raw_table(), source)
        with ending(monkeypatch, batch, "judge", 4):
            score(source)
        if changed == "source":
            pq.write_table(raw_table().slice(0, 450), source)
        built = boosted if changed == "bundle" else forest
        outcome = score_file(built.folder, source, target, rows=PART)
        assert outcome.resumed == 0
        assert f"{target}: half a scoring is there, but {told}; starting anew" in caplog.text
        found = pq.read_table(target)
        rows = pq.read_table(source).combine_chunks().to_batches()[0]
        assert found["score"].to_pylist() == load_bundle(built.folder).score(rows).tolist()
    with ending(monkeypatch, batch, "judge", 4):
        score(source)
    assert score(source, key=["id"]).resumed == 0
    assert "but options changed" in caplog.text


def test_a_source_that_changes_meanwhile_is_refused(score, tmp_path, monkeypatch):
    source = tmp_path / "rows.parquet"
    pq.write_table(raw_table(), source)
    judge = batch.judge

    def touching(*given: Any) -> Any:
        os.utime(source)
        return judge(*given)

    monkeypatch.setattr(batch, "judge", touching)
    with pytest.raises(ScoringError, match="was changed while it was read"):
        score(source)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_one_process_at_a_time_scores_into_a_file(tmp_path):
    schema, target = pa.schema([("a", pa.int64())]), FileTarget(path=tmp_path / "scored.parquet")
    with target.opened({}, schema, schema):
        with pytest.raises(ScoringError, match="another process is scoring into"):
            target.opened({}, schema, schema).__enter__()
        other = FileTarget(path=tmp_path / "other.parquet")
        with other.opened({}, schema, schema):
            pass
    with target.opened({}, schema, schema) as work:
        work.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["scored.parquet"]


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_parts_that_were_kept(score, tmp_path):
    source, target = tmp_path / "rows.parquet", tmp_path / "scored.parquet"
    pq.write_table(spoilt(), source)
    target.write_bytes(b"what was there before")
    for most, parts in ((2_000, 0), (16_000, 6)):
        with full_disk(most), pytest.raises(ScoringError, match="cannot be written") as refused:
            score(source)
        assert "the same command goes on" in refused.value.remedy
        assert target.read_bytes() == b"what was there before"
        found = list(tmp_path.glob(".scored.parquet.scoring/part-*/scored.parquet"))
        assert len(found) == parts
        assert not list(tmp_path.glob(".scored.parquet.[0-9]*"))
    assert score(source).resumed == ROWS
    assert pq.read_metadata(target).num_rows == ROWS - 4


def test_a_strict_refusal_leaves_nothing_to_go_on_with(score, tmp_path):
    source = tmp_path / "rows.parquet"
    pq.write_table(spoilt().slice(1), source)
    with pytest.raises(BundleError, match=r"rows.parquet, row 150, column 'amount': an infinite"):
        score(source, strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_rejects_of_an_earlier_scoring_do_not_stay(score, tmp_path):
    source = tmp_path / "rows.parquet"
    pq.write_table(spoilt(), source)
    score(source)
    assert (tmp_path / "scored.rejects.parquet").is_file()
    pq.write_table(raw_table(), source)
    score(source)
    assert not (tmp_path / "scored.rejects.parquet").exists()
