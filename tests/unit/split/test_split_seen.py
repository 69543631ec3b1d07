"""Rows that a model has learned of are told again by digests, exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import SplitError
from plumbline.split import seen
from plumbline.split.keys import DIGEST_BYTES, canonical, digests
from plumbline.split.split import Split


def split(folder: Path, ids: Any, *, name="id", groups=None, seed=0, rows=None) -> Split:
    ids = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.int64())
    labels = pa.array([i % 3 == 0 for i in range(len(ids))])
    columns = {name: ids, "x": pa.array(np.arange(len(ids)) * 1.0), "label": labels}
    if groups is not None:
        columns["who"] = pa.array(groups)
    snapshot = snapshot_of(pa.table(columns), folder, key=name)
    options = {"group": "who"} if groups is not None else {}
    spec = spec_of(key=name, split={"policy": "hash", "seed": seed}, **options)
    return split_of(snapshot, spec)


def kept(old: Split, new: Split, folder: Path) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    seen.write(old, folder)
    return seen.unseen(new, seen.load(folder))


def ids_of(made: Split, *sides: int, column="id") -> list:
    values = pa.concat_arrays([b.column(0) for b in made.snapshot.batches([column])]).to_pylist()
    return [value for value, side in zip(values, made.assignment, strict=True) if side in sides]


@settings(max_examples=8, deadline=None)
@given(shift=st.integers(0, 500), seed=st.integers(0, 3))
def test_what_is_left_is_the_difference_of_the_sets(tmp_path_factory, shift, seed):
    folder = tmp_path_factory.mktemp("seen")
    old = split(folder / "old", np.arange(400))
    new = split(folder / "new", np.arange(shift, shift + 400), seed=seed)
    found = kept(old, new, folder / "digests")
    learned = set(ids_of(old, 0, 1))
    tested = ids_of(new, 2)
    assert [one for one, free in zip(tested, found, strict=True) if free] == [
        one for one in tested if one not in learned
    ]


def test_the_same_split_leaves_all_test_rows_and_another_seed_does_not(tmp_path):
    old = split(tmp_path / "old", np.arange(2000))
    assert kept(old, split(tmp_path / "same", np.arange(1000, 3000)), tmp_path / "a").all()
    found = kept(old, split(tmp_path / "other", np.arange(2000), seed=1), tmp_path / "b")
    assert 0 < found.sum() < len(found) / 2


def test_a_width_makes_no_difference_and_another_key_is_refused(tmp_path):
    old = split(tmp_path / "old", pa.array(range(300), pa.int32()))
    wide = split(tmp_path / "wide", pa.array(range(300), pa.int64()), seed=1)
    found = kept(old, wide, tmp_path / "digests")
    assert 0 < found.sum() < len(found)
    text = split(tmp_path / "text", pa.array([str(i) for i in range(300)]))
    renamed = split(tmp_path / "renamed", range(300), name="number")
    for other in (text, renamed):
        with pytest.raises(SplitError, match="rows are told apart by"):
            seen.unseen(other, seen.load(tmp_path / "digests"))


def test_a_group_that_was_learned_of_is_seen_with_all_its_rows(tmp_path):
    people = [f"p{i % 40}" for i in range(400)]
    old = split(tmp_path / "old", np.arange(400), groups=people)
    later = np.arange(1000, 1400)  # none of the keys is known
    new = split(tmp_path / "new", later, groups=people, seed=3)
    found = kept(old, new, tmp_path / "digests")
    learned = set(ids_of(old, 0, 1, column="who"))
    tested = ids_of(new, 2, column="who")
    assert found.tolist() == [one not in learned for one in tested]
    assert 0 < found.sum() < len(found)


def test_digests_are_stored_without_keys_or_order(tmp_path):
    old = split(tmp_path / "old", np.arange(400))
    (tmp_path / "digests").mkdir()
    seen.write(old, tmp_path / "digests")
    stored = np.load(tmp_path / "digests" / "seen_keys.npy")
    keys = pa.record_batch({"id": pa.array(sorted(ids_of(old, 0, 1)))})
    expected = digests(canonical(keys, ["id"]))
    assert stored.dtype.itemsize == DIGEST_BYTES == 16
    assert stored.tolist() == sorted(expected.tolist())
    assert seen.load(tmp_path / "digests").groups is None


def test_a_model_without_digests_is_told(tmp_path):
    with pytest.raises(SplitError, match="holds no digests"):
        seen.load(tmp_path)
