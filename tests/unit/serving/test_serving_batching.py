"""Requests scored together: the same scores as alone, and no harm to each other."""

import time
from concurrent.futures import Future
from itertools import pairwise
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_bundles import raw_table

from plumbline.errors import BundleError
from plumbline.release.bundle import load_bundle
from plumbline.release.predictors import TOLERANCE
from plumbline.serving.batching import Batcher
from plumbline.serving.scorer import FEW_ROWS, MANY_ROWS, Scorer

pytest_plugins = ["release_fixtures"]

RAW = raw_table().combine_chunks().to_batches()[0]


@pytest.fixture
def scorer(built) -> Scorer:
    return Scorer.load(built.folder)


class Gate:
    """Scores by the sum of a row's numbers; the first call waits until it is opened."""

    def __init__(self) -> None:
        self.begun, self.open = Event(), Event()
        self.turns: list[int] = []

    def __call__(self, rows: pa.RecordBatch, first_row: int) -> np.ndarray:
        self.begun.set()
        assert self.open.wait(30)
        self.turns.append(rows.num_rows)
        values = rows.column("x").to_numpy()
        if (values < 0).any():
            raise BundleError("negative", row=first_row + int(np.argmax(values < 0)))
        if (values > 1e6).any():
            raise RuntimeError("the model broke")
        return values * 2.0


def rows(*values: float) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(values, pa.float64())})


def held(gate: Gate, batcher: Batcher) -> "Future[np.ndarray]":
    """A request that keeps the model busy until the gate is opened."""
    first = batcher.submit(rows(1.0))
    assert gate.begun.wait(30)
    return first


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 120), max_size=8), most=st.integers(1, 100))
def test_any_grouping_gives_the_same_scores(scorer, cuts, most):
    ends = sorted({0, 120, *cuts})
    parts = [scorer.conform(RAW.slice(a, b - a)) for a, b in pairwise(ends)]
    batcher = Batcher(scorer.score, rows=most)
    scores = np.concatenate([one.result(60) for one in [batcher.submit(part) for part in parts]])
    batcher.close()
    tolerance = TOLERANCE[scorer.bundle.manifest.kind]
    expected = scorer.bundle.score(RAW.slice(0, 120))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)


def test_what_waits_is_scored_together_in_its_order():
    gate = Gate()
    batcher = Batcher(gate, rows=5)
    futures = [held(gate, batcher)]
    futures += [batcher.submit(rows(*range(n))) for n in (2, 0, 3, 4)]
    gate.open.set()
    assert [one.result(30).tolist() for one in futures] == [
        [2],
        [0, 2],
        [],
        [0, 2, 4],
        [0, 2, 4, 6],
    ]
    batcher.close()
    assert gate.turns == [1, 5, 4]


def test_a_large_request_takes_turns_with_others():
    gate = Gate()
    batcher = Batcher(gate, rows=4)
    first = held(gate, batcher)
    large, small = batcher.submit(rows(*range(10))), batcher.submit(rows(7.0))
    gate.open.set()
    assert large.result(30).tolist() == [2.0 * n for n in range(10)]
    assert (small.result(30).tolist(), first.result(30).tolist()) == ([14], [2])
    batcher.close()
    assert gate.turns == [1, 4, 1, 4, 2]


@pytest.mark.parametrize(("bad", "kind"), [(-1.0, BundleError), (1e7, RuntimeError)])
def test_a_request_that_fails_leaves_the_thread_alive(bad, kind):
    gate = Gate()
    gate.open.set()
    batcher = Batcher(gate, rows=4)
    with pytest.raises(kind):
        batcher.submit(rows(bad)).result(30)
    assert batcher.submit(rows(3.0)).result(30).tolist() == [6]
    batcher.close()


def test_a_request_that_is_refused_fails_alone():
    gate = Gate()
    batcher = Batcher(gate, rows=100)
    held(gate, batcher)
    good, bad, other = (batcher.submit(rows(value)) for value in (1.0, -1.0, 2.0))
    gate.open.set()
    assert (good.result(30).tolist(), other.result(30).tolist()) == ([2], [4])
    assert isinstance(bad.exception(30), BundleError)
    batcher.close()


def test_a_row_is_counted_within_its_request():
    gate = Gate()
    batcher = Batcher(gate, rows=4)
    held(gate, batcher)
    other, bad = batcher.submit(rows(1.0)), batcher.submit(rows(*range(9), -1.0))
    gate.open.set()
    error = bad.exception(30)
    assert isinstance(error, BundleError)
    assert error.values["row"] == 10
    assert other.result(30).tolist() == [2]
    batcher.close()


def test_a_request_that_nobody_awaits_is_not_scored():
    gate = Gate()
    batcher = Batcher(gate, rows=4)
    held(gate, batcher)
    forgotten, wanted = batcher.submit(rows(*range(9))), batcher.submit(rows(1.0))
    assert forgotten.cancel()
    gate.open.set()
    assert wanted.result(30).tolist() == [2]
    batcher.close()
    assert sum(gate.turns) == 2


def test_closing_scores_what_was_accepted():
    gate = Gate()
    batcher = Batcher(gate, rows=2)
    futures = [held(gate, batcher), *(batcher.submit(rows(*range(5))) for _ in range(3))]
    gate.open.set()
    batcher.close()
    assert [len(one.result(0)) for one in futures] == [1, 5, 5, 5]
    assert not batcher.alive
    with pytest.raises(RuntimeError):
        batcher.submit(rows(1.0))


def test_a_turn_waits_for_others_as_long_as_it_may():
    gate = Gate()
    gate.open.set()
    batcher = Batcher(gate, rows=3, seconds=30)
    futures = [batcher.submit(rows(1.0))]
    time.sleep(0.05)
    assert not futures[0].done()
    futures += [batcher.submit(rows(2.0, 3.0))]
    assert [one.result(30).tolist() for one in futures] == [[2], [4, 6]]
    assert gate.turns == [3]
    futures = [batcher.submit(rows(4.0))]
    batcher.close()  # what waits for others is not kept waiting at the end
    assert futures[0].result(0).tolist() == [8]


def test_few_and_many_rows_score_alike(scorer):
    """Exactly so for trees; a network is called with other shapes."""
    tolerance = TOLERANCE[scorer.bundle.manifest.kind]
    many = pa.concat_batches([RAW] * (1 + 2 * MANY_ROWS // len(RAW))).slice(3)
    expected = load_bundle(scorer.bundle.folder).score(many)
    for count in (0, 1, FEW_ROWS, FEW_ROWS + 1, MANY_ROWS, 2 * MANY_ROWS + 9):
        found = scorer.score(scorer.conform(many.slice(0, count)))
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=tolerance)
    outputs = scorer.outputs(expected)
    assert outputs["predicted"].to_pylist() == (expected >= 0.5).astype(int).tolist()
