"""Rows that lie in files give the models of rows in memory, to the byte, in bounded memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xgboost
from baseline_examples import TASKS, given
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from snapshots import spec_of
from test_baselines_training import SOURCES, VOLATILE, rows_of

from plumbline.baselines import blocks, boosted_trees, early_stopping, leakage, row_blocks, training
from plumbline.baselines.examples import Examples
from plumbline.baselines.feeding import Feeding, Room, chosen, loaded
from plumbline.baselines.row_blocks import Block, Blocks, quantile_matrix
from plumbline.extract.features import feature_table
from plumbline.normalization import prepared
from plumbline.normalization.prepared import PreparedMatrix, copied, row_bytes
from plumbline.spec import BaselinesSpec
from plumbline.store import workplace

GIB = 1 << 30
BINARY = spec_of(**{"weight": "weight", **SOURCES["binary"]})


@pytest.mark.parametrize(
    ("size", "memory", "rows", "quantiles"),
    [
        (10 * GIB, None, "memory", "memory"),
        (GIB // 2, 2 * GIB, "memory", "memory"),
        (GIB // 2 + 1, 2 * GIB, "disk", "memory"),
        (3 * GIB // 4, 2 * GIB, "disk", "memory"),
        (3 * GIB // 4 + 1, 2 * GIB, "disk", "disk"),
        (1, 0, "disk", "disk"),
    ],
)
def test_what_does_not_fit_the_budget_lies_on_disk(size, memory, rows, quantiles):
    found = chosen(size, memory)
    assert (found.rows, found.quantiles, found.bytes, found.budget) == (
        *(rows, quantiles, size, memory),
    )
    assert ("is more than the" in found.why) == (rows == "disk")


@pytest.fixture
def _few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((prepared, "READ_ROWS"), (row_blocks, "READ_ROWS"), (blocks, "_ROWS")):
        monkeypatch.setattr(module, name, 32)


@pytest.mark.usefixtures("_few_at_a_time")
@pytest.mark.parametrize(
    ("kind", "task"),
    [
        *(("xgboost", task) for task in SOURCES),
        *(("linear", task) for task in ("binary", "regression")),
        ("random_forest", "multiclass"),
        ("dummy", "binary"),
    ],
)
def test_an_artifact_is_the_same_from_disk(kind, task, tmp_path, monkeypatch):
    monkeypatch.setattr(boosted_trees, "TREES", 5)
    monkeypatch.setattr(early_stopping, "MOST_TREES", 5)
    split, normalization = rows_of(task, tmp_path / "rows")
    sides = (split.train(), split.validation())
    size = sum(one.count for one in sides) * row_bytes(normalization)
    options, made = BaselinesSpec(early_stopping=task == "binary"), {}
    for memory in (None, int(3 * size), 1):
        made[memory] = folder = tmp_path / str(memory)
        folder.mkdir()
        training.build(kind, *sides, normalization, options, folder, memory=memory)
        assert not list(workplace(folder).glob("*"))
    expected = record(made.pop(None))
    assert expected["feeding"]["rows"] == "memory"
    for folder, quantiles in zip(made.values(), ("memory", "disk"), strict=True):
        found = record(folder)
        assert found.pop("feeding")["quantiles"] == quantiles
        assert found == {k: v for k, v in expected.items() if k != "feeding"}
        for path in (tmp_path / "None").iterdir():
            if path.name != training.TRAINING:
                assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def record(folder: Path) -> dict:
    """Without what is different each time."""
    found = json.loads((folder / training.TRAINING).read_text("utf-8")) | VOLATILE
    found.get("early_stopping", {}).pop("seconds", None)
    return found


def cut(rows: Examples, native: boosted_trees.Native, at: list[int]) -> Blocks:
    """The same rows in blocks that begin at the places given."""
    ends = sorted({0, len(rows.matrix), *(min(one, len(rows.matrix)) for one in at)})
    targets = rows.targets()

    def read() -> Iterator[Block]:
        for start, stop in pairwise(ends):
            here = slice(start, stop)
            yield Block(
                values=native.read(rows.matrix.take(here)),
                labels=targets[here],
                weights=None if rows.weights is None else rows.weights[here],
            )

    return read


@settings(max_examples=25, deadline=None)
@drawn(
    task=st.sampled_from(TASKS),
    rows=st.integers(50, 700),
    seed=st.integers(0, 10**6),
    at=st.lists(st.integers(1, 700), max_size=6),
    weighed=st.booleans(),
    on_disk=st.booleans(),
)
def test_trees_are_those_of_all_rows_at_once(
    task, rows, seed, at, weighed, on_disk, tmp_path_factory
):
    """XGBoost's own matrix of one array in memory is what they are held against."""
    weights = (np.arange(rows) % 4 + 1).astype(np.float32) if weighed else None
    some = given(task, rows, seed, weights=weights)
    native, options = boosted_trees.native_of(some), boosted_trees.parameters(some, 0)
    whole = xgboost.QuantileDMatrix(
        native.read(some.matrix),
        label=some.targets(),
        weight=weights,
        feature_types=native.types,
        enable_categorical=True,
    )
    cache = tmp_path_factory.getbasetemp() if on_disk else None
    matrix = quantile_matrix(cut(some, native, at), native, threads=1, cache=cache)
    made = [xgboost.train(options, one, 3).save_raw("ubj") for one in (whole, matrix)]
    assert made[0] == made[1]


@pytest.mark.usefixtures("_few_at_a_time")
def test_a_broken_file_of_rows_ends_the_training(tmp_path):
    rows = given("binary", 200)
    stored = copied(rows.matrix, tmp_path)
    stored.file.__init__(tmp_path)  # an empty one
    with pytest.raises(OSError, match="the file of transformed rows ends"):
        boosted_trees.fit_examples(given("binary", 200, matrix=stored), 0)


@pytest.mark.parametrize("kind", ["xgboost", "linear"])
def test_the_full_leakage_proof_reads_from_disk(kind, tmp_path):
    split, normalization = rows_of("binary", tmp_path)
    features = feature_table(split.snapshot, BINARY)
    found = [
        leakage.prove(kind, split, features, normalization, seed=0, full=True, room=room)
        for room in (Room(), Room(1, tmp_path / "work"))
    ]
    assert found[1].passed
    assert found[0].evidence == found[1].evidence


def test_both_sides_lie_where_it_was_decided(tmp_path):
    split, normalization = rows_of("binary", tmp_path)
    sides = (split.train(), split.validation(), normalization)
    *found, feeding = loaded(*sides, Room(1, tmp_path / "work"))
    assert isinstance(feeding, Feeding)
    assert all(isinstance(one.matrix, PreparedMatrix) for one in found)
    assert {one.cache for one in found} == {tmp_path / "work"}
    *found, _ = loaded(*sides)
    assert not any(isinstance(one.matrix, PreparedMatrix) for one in found)
    assert {one.cache for one in found} == {None}


ROWS, COLUMNS = 440_000, 40

SCRIPT = f"""
import sys
from pathlib import Path
import numpy as np
from plumbline.baselines import boosted_trees, random_forest, row_blocks
from plumbline.baselines.examples import Examples
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.prepared import written
from plumbline.peak_memory import PeakMemory

kind, folder = sys.argv[1], Path(sys.argv[2])
names = tuple(f"x{{i}}" for i in range({COLUMNS}))
whole = random_forest._ungrown
random_forest._ungrown = lambda *given: whole(*given).set_params(n_estimators=4)
boosted_trees.TREES, random_forest.ROWS, row_blocks.READ_ROWS = 2, 2_000, 8_192
fit = getattr({{"xgboost": boosted_trees, "random_forest": random_forest}}[kind], "fit_examples")

def parts(rows):
    for start in range(0, rows, 20_000):
        x = np.random.default_rng(start).standard_normal((20_000, {COLUMNS}), np.float32)
        none = np.zeros((len(x), 0), np.int32)
        yield Matrix(numeric=x, codes=none, numeric_names=names, category_names=())

def tried(rows):
    matrix = written(parts(rows), rows, (names, ()), folder)
    labels = (np.arange(rows) % 3 == 0).astype(np.int8)
    given = Examples(matrix=matrix, labels=labels, task="binary", cache=folder)
    memory = PeakMemory()
    fit(given, 0).predictor.predict(matrix)
    return memory.measured["peak_memory_mib"]

print(-tried(40_000) + tried({ROWS}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts anew")
@pytest.mark.parametrize(("kind", "most"), [("xgboost", 95), ("random_forest", 40)])
def test_rows_on_disk_are_never_in_memory_together(kind, most, tmp_path):
    """Of 400,000 rows more, which alone are 61 MiB."""
    command = [sys.executable, "-c", SCRIPT, kind, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ran.returncode, ran.stderr
    assert float(ran.stdout) < most
