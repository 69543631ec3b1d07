"""Rows that changed sides: none under `hash`, and told apart from those that were excluded."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of, spec_of

from plumbline.chain import Chain
from plumbline.errors import ArtifactMissing
from plumbline.extract.snapshot import Snapshot
from plumbline.history.moves import Moves, moves
from plumbline.history.pair import pair
from plumbline.spec import PipelineSpec
from plumbline.split import split as splits
from plumbline.split.split import ASSIGNMENT, SIDE_COLUMN
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion

ROWS = 400


def _table(ids: range, groups: list[int] | None = None) -> pa.Table:
    x = np.array([number * 7919 % 1000 for number in ids], dtype=float)
    table = pa.table({"id": pa.array(ids), "x": x, "label": [number % 2 > 0 for number in ids]})
    return table.append_column("house", pa.array(groups)) if groups else table


def _publish(spec: PipelineSpec, snapshot: Snapshot, store: ArtifactStore, write) -> None:
    version = DatasetVersion(snapshot.dataset_version)
    address = Chain(spec=spec, dataset_version=version, digest=snapshot.digest).split
    store.publish(spec.name, "split", address, write)


def _built(spec: PipelineSpec, snapshot: Snapshot, store: ArtifactStore) -> None:
    _publish(spec, snapshot, store, lambda folder: splits.build(snapshot, spec, folder))


def _placed(spec: PipelineSpec, snapshot: Snapshot, store: ArtifactStore, sides: list[str]) -> None:
    """A split that no policy made: the sides are as given."""
    keys = pa.Table.from_batches(snapshot.batches(snapshot.key))
    table = keys.append_column(SIDE_COLUMN, pa.array(sides))
    _publish(spec, snapshot, store, lambda folder: pq.write_table(table, folder / ASSIGNMENT))


def _versions(tmp_path, before: pa.Table, after: pa.Table) -> tuple[Snapshot, Snapshot]:
    return (
        snapshot_of(before, tmp_path / "before"),
        snapshot_of(after, tmp_path / "after", dataset_version="v2"),
    )


def test_rows_that_come_and_go_move_no_other_under_hash(tmp_path, store):
    spec = spec_of()
    one, two = _versions(tmp_path, _table(range(ROWS)), _table(range(50, ROWS + 100)))
    _built(spec, one, store)
    _built(spec, two, store)
    found = moves(spec, pair(one, two), store)
    assert sum(place["rows"] for place in found.table) == ROWS - 50
    assert (found.moved, found.problem, found.examples) == (0, "", [])


def test_a_row_that_moved_under_hash_is_an_error(tmp_path, store):
    spec = spec_of()
    one, two = _versions(tmp_path, _table(range(5)), _table(range(1, 6)))
    _placed(spec, one, store, ["train", "train", "val", "test", "excluded"])
    _placed(spec, two, store, ["test", "val", "excluded", "train", "val"])
    found = moves(spec, pair(one, two), store)
    assert found.table == [
        {"before": "excluded", "after": "train", "rows": 1},
        {"before": "test", "after": "excluded", "rows": 1},
        {"before": "train", "after": "test", "rows": 1},
        {"before": "val", "after": "val", "rows": 1},
    ]
    assert (found.moved, found.excluded, found.regrouped) == (1, 2, 0)
    assert found.examples == [{"key": {"id": 1}, "before": "train", "after": "test"}]
    assert "1 rows changed sides under the policy 'hash'" in found.problem


def test_other_policies_may_move_rows(tmp_path, store):
    spec = spec_of(split={"policy": "stratified"})
    one, two = _versions(tmp_path, _table(range(1)), _table(range(2)))
    _placed(spec, one, store, ["train"])
    _placed(spec, two, store, ["test", "val"])
    found = moves(spec, pair(one, two), store)
    assert (found.policy, found.moved, found.problem) == ("stratified", 1, "")


def test_a_row_may_follow_its_group(tmp_path, store):
    spec = spec_of(group="house")
    before = _table(range(ROWS), [number % 100 for number in range(ROWS)])
    after = _table(range(ROWS), [number % 100 + 1000 * (number < 40) for number in range(ROWS)])
    one, two = _versions(tmp_path, before, after)
    _built(spec, one, store)
    _built(spec, two, store)
    found = moves(spec, pair(one, two), store)
    assert found.moved == found.regrouped > 0
    assert found.problem == ""
    assert "hash" in Moves(**{**vars(found), "regrouped": found.moved - 1}).problem


@pytest.mark.parametrize("absent", ["v1", "v2"])
def test_without_a_split_nothing_is_compared(tmp_path, store, absent):
    spec = spec_of()
    one, two = _versions(tmp_path, _table(range(1)), _table(range(2)))
    if absent == "v2":
        _placed(spec, one, store, ["train"])
    # The other one was split, but with options that are no longer declared.
    _placed(spec_of(split={"policy": "hash", "seed": 1}), two, store, ["train", "val"])
    with pytest.raises(ArtifactMissing, match=f"{absent} was not split with the options now"):
        moves(spec, pair(one, two), store)


def test_the_key_may_be_written_in_another_order(tmp_path, store):
    spec = spec_of(key=["a", "b"])
    table = pa.table({"a": [1, 1, 2], "b": [1, 2, 1], "label": [True, False, True]})
    one = snapshot_of(table, tmp_path / "before", key=["a", "b"])
    two = snapshot_of(table, tmp_path / "after", key=["b", "a"], dataset_version="v2")
    _placed(spec, one, store, ["train", "val", "test"])
    _placed(spec, two, store, ["train", "val", "test"])
    assert moves(spec, pair(one, two), store).moved == 0
