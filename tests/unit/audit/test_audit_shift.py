"""Distances between sides: found where they matter, and rarer than stated where they do not."""

from math import sqrt

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, findings, of_check, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from test_audit_target import labels_of

from plumbline.audit import codes
from plumbline.audit.sample import Sample
from plumbline.audit.shift import distance, shifts
from plumbline.split.rows import TEST, TRAIN, VAL


def sample_of(sides, periods=None, weights=(1.0, 1.0, 1.0)):
    train = int((sides == TRAIN).sum())
    return Sample(
        of=len(sides),
        positions=np.arange(len(sides)),
        sides=np.asarray(sides, dtype=np.int64),
        labels=labels_of(np.arange(train).astype(np.int16) % 2),
        folds=np.zeros(train, dtype=bool),
        periods=periods,
        weights=weights,
    )


def sides_of(train, val, test):
    return np.repeat([TRAIN, VAL, TEST], [train, val, test])


@settings(max_examples=10)
@given(
    sizes=st.tuples(st.integers(20, 1000), st.integers(5, 300), st.integers(5, 300)),
    different=st.integers(2, 3000),
    ordered=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_equal_distributions_lie_apart_as_rarely_as_stated(sizes, different, ordered, seed):
    rng = np.random.default_rng(seed)
    sample = sample_of(sides_of(*sizes))
    alarms = 0
    for _ in range(150):
        values = (rng.pareto(1, len(sample.sides)) * different).astype(np.int64) % different
        if ordered:
            coded, _ = codes.of_numbers(values.astype(float))
        else:
            coded, _ = codes.of_categories(pa.array(values.astype(str)))
        alarms += sum(one.effect > one.chance for one in shifts(coded, sample, 0.05, 5))
    assert alarms <= 300 * 0.05 + 4.9 * sqrt(300 * 0.05 * 0.95)


def test_the_distance_of_numbers_is_that_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    sample = sample_of(sides_of(4000, 2000, 1000))
    values = np.concatenate(
        [rng.normal(size=4000), rng.normal(0.3, 2, 2000), rng.normal(size=1000)]
    )
    val, test = shifts(codes.of_numbers(values)[0], sample, 0.01, 5)
    exact = ks_2samp(values[:4000], values[4000:6000]).statistic
    assert val.effect == pytest.approx(exact, abs=1 / codes.BINS)
    assert val.effect > val.chance
    assert test.effect < test.chance


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_a_distance_is_symmetric_and_at_most_one(one, other):
    a, b = (np.bincount(x, minlength=10).astype(float) for x in (one, other))
    for ordered in (True, False):
        apart = distance(a, b, ordered)
        assert apart == pytest.approx(distance(b, a, ordered))
        assert 0 <= apart <= 1 + 1e-12
        assert distance(a, a, ordered) == 0
    # Of all sets of values, those up to a number are some.
    assert distance(a, b, True) <= distance(a, b, False) + 1e-12


def test_groups_count_instead_of_their_rows():
    sides = sides_of(4000, 1000, 1000)
    coded, _ = codes.of_numbers(np.random.default_rng(0).normal(size=6000))
    rows = shifts(coded, sample_of(sides), 0.01, 5)
    groups = shifts(coded, sample_of(sides, weights=(0.1, 0.1, 0.1)), 0.01, 5)
    assert groups[0].chance == pytest.approx(rows[0].chance * sqrt(10))


def shifted(sides, change):
    x = np.random.default_rng(5).normal(size=ROWS)
    x[sides == VAL] = change(x[sides == VAL])
    return x


@pytest.fixture
def sides():
    return np.random.default_rng(4).choice([TRAIN, VAL, TEST], ROWS, p=[0.6, 0.2, 0.2]).astype("i1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x, False),
        (lambda x: x + 0.1, False),
        (lambda x: x + 1, True),
        (lambda x: x * 8, True),
        (lambda x: np.where(np.arange(len(x)) % 2, np.nan, x), True),
    ],
)
def test_a_shift_is_found_by_its_size(tmp_path, sides, change, told):
    x = pa.array(shifted(sides, change), from_pandas=True)
    listed = of_check(findings(table_of(x=x), tmp_path, assignment=sides), "shift")
    assert [(one.column, one.severity) for one in listed] == ([("x", "WARN")] if told else [])
    for one in listed:
        assert "in val (KS distance" in one.message
        assert "test" not in one.message
        assert {sides[example["id"]] for example in one.examples} == {VAL}


def test_an_effect_that_is_sure_but_small_is_left_alone(tmp_path):
    rng = np.random.default_rng(4)
    sides = rng.choice([TRAIN, VAL, TEST], 30_000).astype("i1")
    for folder, by, told in (("a", 0.15, []), ("b", 0.4, ["x"])):
        table = table_of(rows=30_000, x=rng.normal(size=30_000) + by * (sides == VAL))
        found = of_check(findings(table, tmp_path / folder, assignment=sides), "shift")
        assert [one.column for one in found] == told


def test_values_that_never_come_again_are_no_shift():
    coded, _ = codes.of_categories(pa.array(np.random.default_rng(0).permutation(300).astype(str)))
    assert all(
        one.effect < one.chance
        for one in shifts(coded, sample_of(sides_of(100, 100, 100)), 0.01, 5)
    )


def test_a_category_that_is_new(tmp_path, sides):
    word = np.where((sides == TEST) & (np.arange(ROWS) % 3 == 0), "new", "old")
    word[::2] = "other"
    (finding,) = of_check(findings(table_of(x=word), tmp_path, assignment=sides), "shift")
    assert "in test (total variation" in finding.message


def test_a_small_side_is_not_blamed_for_chance(tmp_path):
    sides = np.full(ROWS, TRAIN, dtype="i1")
    sides[:30], sides[30:60] = VAL, TEST
    table = table_of(x=np.random.default_rng(0).normal(size=ROWS))
    assert of_check(findings(table, tmp_path, assignment=sides), "shift") == []


def seasons(change=lambda x: x):
    """A year of a number with a season, by the hour; val and test are its last months."""
    hours = np.arange(0, 8760, 2)
    rng = np.random.default_rng(0)
    x = 60 - 25 * np.cos(2 * np.pi * hours / 8760) + rng.normal(0, 6, len(hours))
    when = np.datetime64("2023-01-01", "us") + hours.astype("timedelta64[h]")
    val = (when >= np.datetime64("2023-10-01")) & (when < np.datetime64("2023-11-01"))
    x[val] = change(x[val])
    table = table_of(rows=len(hours), x=x, when=pa.array(when))
    split = {"policy": "temporal", "val_from": "2023-10-01", "test_from": "2023-11-01"}
    return table, {"split": split, "timestamp": "when"}


def test_a_season_is_no_shift_but_another_unit_is(tmp_path):
    table, options = seasons()
    assert of_check(findings(table, tmp_path / "a", **options), "shift") == []
    celsius, options = seasons(lambda x: (x - 32) / 1.8)
    (finding,) = of_check(findings(celsius, tmp_path / "b", **options), "shift")
    assert finding.column == "x"
    assert "further than any of 8 parts of train" in finding.message
    # Where the sides do not follow each other in time, they are compared as they are.
    options = {"split": {"policy": "hash"}, "timestamp": "when"}
    assert of_check(findings(table, tmp_path / "c", **options), "shift") == []
