"""What features say about the label: chance, copies, and what is known too late."""

import datetime as dt
from math import sqrt
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, findings, of_check, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from plumbline.audit import codes, order
from plumbline.audit.sample import Labels
from plumbline.audit.skill import skill
from plumbline.extract.labels import LabelCoding


def labels_of(values, task="binary"):
    names = () if task == "regression" else tuple(f"c{k}" for k in range(int(max(values)) + 1))
    counts = () if not names else tuple(np.bincount(values, minlength=len(names)).tolist())
    return Labels(
        coding=LabelCoding(task=task, classes=names), counts=counts, sampled=np.asarray(values)
    )


def skill_of(x, y, task="binary", seed=0):
    folds = np.random.default_rng([seed, 1]).random(len(y)) < 0.5
    x = np.asarray(x, dtype=float)
    return skill(codes.of_numbers(x)[0], x, labels_of(y, task), folds)


def many(count):
    """A count of alarms out of 300 that a rate of 5 % exceeds once in a million."""
    return count > 300 * 0.05 + 4.9 * sqrt(300 * 0.05 * 0.95)


@settings(max_examples=8)
@given(
    rows=st.integers(60, 2000),
    rate=st.floats(0.05, 0.95),
    different=st.integers(2, 5000),
    seed=st.integers(0, 2**32 - 1),
)
def test_noise_is_further_from_chance_as_rarely_as_stated(rows, rate, different, seed):
    rng = np.random.default_rng(seed)
    needed = NormalDist().inv_cdf(0.95)
    alarms = 0
    for _ in range(300):
        x = rng.integers(0, different, rows)
        alarms += skill_of(x, (rng.random(rows) < rate).astype(np.int16), seed=seed).z > needed
    assert not many(alarms)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_noise_is_noise_for_other_tasks(task):
    rng = np.random.default_rng(0)
    needed = NormalDist().inv_cdf(1 - 0.05 / (4 if task == "multiclass" else 1))
    alarms = 0
    for _ in range(300):
        y = rng.integers(0, 4, 400).astype(np.int16)
        y = y if task == "multiclass" else rng.lognormal(size=400)
        alarms += skill_of(rng.normal(size=400), y, task).z > needed
    assert not many(alarms)


def test_the_score_is_the_auc_of_the_best_order():
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.3).astype(np.int16)
    x = rng.normal(size=20_000) + y
    assert skill_of(x, y).score == pytest.approx(roc_auc_score(y, x), abs=0.01)
    # A relation that is not monotone counts as well.
    bent = rng.normal(size=20_000) + 3 * y * rng.choice([-1, 1], 20_000)
    assert skill_of(bent, y).score == pytest.approx(roc_auc_score(y, abs(bent)), abs=0.01)


def test_the_score_of_a_regression_is_r2():
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    y = np.sin(x) + rng.normal(size=20_000) / 2
    assert skill_of(x, y, "regression").score == pytest.approx(r2_score(y, np.sin(x)), abs=0.02)
    heavy = rng.lognormal(sigma=2, size=20_000)
    assert skill_of(heavy, heavy * 3 + 1, "regression").copies


def test_missing_values_tell_too():
    y = np.arange(1000).astype(np.int16) % 2
    assert skill_of(np.where(y == 1, np.nan, 1.0), y).copies


@given(st.lists(st.integers(0, 40) | st.none(), min_size=3, max_size=200))
def test_a_code_has_one_value_and_keeps_its_order(values):
    numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
    coded, ordered = codes.of_numbers(numbers)
    known = numbers[~np.isnan(numbers)]
    assert ordered.tolist() == sorted(known.tolist())
    assert coded.exact
    assert coded.codes.max(initial=0) < coded.size
    assert ((coded.codes == 0) == np.isnan(numbers)).all()
    assert len(set(coded.codes[coded.codes > 0])) == len(set(known))
    pairs = sorted(zip(known, coded.codes[~np.isnan(numbers)], strict=True))
    assert [code for _, code in pairs] == sorted(code for _, code in pairs)


def test_many_values_share_codes_evenly():
    coded, _ = codes.of_numbers(np.random.default_rng(0).normal(size=64_000))
    counts = np.bincount(coded.codes)[1:]
    assert len(counts) == codes.BINS
    assert counts.min() > 900
    assert not coded.exact


def test_the_commonest_strings_have_codes_of_their_own():
    values = pa.array([None, *(f"v{i}" for i in range(100)), *["v7"] * 5])
    coded, names = codes.of_categories(values)
    assert names[0] == "v7"
    assert len(names) == codes.BINS - 1
    assert (coded.codes[0], coded.codes[8], coded.size) == (0, 1, codes.BINS + 1)
    assert set(coded.codes) == set(range(codes.BINS + 1))


@given(st.lists(st.integers(0, 5), min_size=3, max_size=100).filter(lambda v: len(set(v)) > 1))
def test_correlation_with_the_order_is_spearmans(values):
    from scipy.stats import spearmanr

    coded, _ = codes.of_numbers(np.array(values, dtype=float))
    expected = spearmanr(values, np.arange(len(values))).statistic
    # The ranks of the rows do not tie, so their spread is that of 1 to n.
    spread = np.std(np.argsort(np.argsort(values, kind="stable"))) if values else 1
    assert spread > 0
    found = order.rank_by_order(coded)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_label_that_follows_the_order():
    rng = np.random.default_rng(0)
    y = (rng.random(5000) < np.linspace(0.2, 0.8, 5000)).astype(np.int16)
    auc, z = order.drift(labels_of(y))
    assert auc == pytest.approx(roc_auc_score(y, np.arange(5000)))
    assert z > 20
    assert order.drift(labels_of(1 - y))[0] == pytest.approx(auc)
    rises = np.arange(100.0)
    assert order.drift(labels_of(rises, "regression"))[0] == pytest.approx(1)


def test_sound_features_give_nothing_away(tmp_path):
    assert findings(table_of(), tmp_path) == ()


@pytest.mark.parametrize(
    "copy",
    [
        lambda label: label,
        lambda label: np.where(label, "yes", "no"),
        lambda label: np.where(label, 7.5, -2),
        lambda label: pa.array([1 if one else None for one in label]),
    ],
)
def test_the_label_under_another_name_blocks(tmp_path, copy):
    table = table_of()
    label = table.column("label").to_numpy(zero_copy_only=False)
    found = of_check(findings(table_of(copy=copy(label)), tmp_path), "target_leakage")
    (finding,) = found
    assert (finding.severity, finding.column) == ("ERROR", "copy")
    assert "the label under another name" in finding.message


def test_a_feature_that_is_too_good_blocks(tmp_path):
    label = table_of().column("label").to_numpy(zero_copy_only=False)
    x = np.random.default_rng(1).random(ROWS) + label * 0.99
    (finding,) = of_check(findings(table_of(x=x), tmp_path), "target_leakage")
    assert (finding.severity, finding.column, finding.threshold) == ("ERROR", "x", "below 0.99")
    assert finding.examples


def test_a_feature_far_ahead_of_all_others(tmp_path):
    label = table_of().column("label").to_numpy(zero_copy_only=False)
    noise = np.random.default_rng(1).normal(size=ROWS)
    (finding,) = findings(table_of(x=noise + 1.3 * label), tmp_path / "a")
    assert (finding.check, finding.severity, finding.column) == ("target_leakage", "WARN", "x")
    assert "known only after the event" in finding.message
    other = np.random.default_rng(2).normal(size=ROWS) + 1.3 * label
    assert findings(table_of(x=noise + 1.3 * label, other=other), tmp_path / "b") == ()
    assert findings(table_of(x=noise + 0.8 * label), tmp_path / "c") == ()


def test_labels_of_regression_and_many_classes(tmp_path):
    table = table_of()
    y = np.random.default_rng(1).lognormal(size=ROWS)
    numbers = table.set_column(1, "label", pa.array(y)).append_column("x", pa.array(y * 2))
    found = of_check(findings(numbers, tmp_path / "a", task="regression"), "target_leakage")
    assert [(one.severity, one.column) for one in found] == [("ERROR", "x")]
    kinds = np.arange(ROWS) % 5
    classes = table.set_column(1, "label", pa.array(kinds)).append_column(
        "x", pa.array([f"kind {k}" for k in kinds])
    )
    found = of_check(findings(classes, tmp_path / "b", task="multiclass"), "target_leakage")
    assert [(one.severity, one.column) for one in found] == [("ERROR", "x")]


def test_shuffled_labels_leave_no_signal(tmp_path):
    rng = np.random.default_rng(3)
    shuffled = rng.permutation(table_of().column("label").to_numpy(zero_copy_only=False))
    table = table_of(x=rng.normal(size=ROWS)).set_column(1, "label", pa.array(shuffled))
    (finding,) = findings(table, tmp_path)
    assert (finding.check, finding.severity, finding.column) == ("signal", "WARN", "label")
    assert "standard deviations from chance" in finding.message


def test_a_counter_of_rows_that_tells_the_label(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.random(ROWS) < np.linspace(0.2, 0.8, ROWS)
    counter = np.arange(ROWS) // 3 / 100
    table = table_of(x=counter).set_column(1, "label", pa.array(label))
    found = of_check(findings(table, tmp_path / "a"), "target_leakage")
    assert [(one.severity, one.column) for one in found] == [("WARN", "x"), ("WARN", "label")]
    assert "counts the rows" in found[0].message
    assert "the label drifts with the order of the key (id)" in found[1].message
    # A counter that tells nothing about the label is left alone.
    assert of_check(findings(table_of(x=counter), tmp_path / "b"), "target_leakage") == []


def hours(offset):
    start = dt.datetime(2024, 1, 1, 12)
    return pa.array([start + dt.timedelta(hours=i + offset) for i in range(ROWS)])


def test_days_are_compared_with_moments_by_day(tmp_path):
    days = hours(0).cast(pa.date32(), safe=False)
    for folder, later, rows in (("a", hours(0), 0), ("b", hours(24), ROWS)):
        table = table_of(happened=days, paid=later)
        found = findings(table, tmp_path / folder, timestamp="happened")
        assert [one.count for one in of_check(found, "target_leakage")] == [rows][: bool(rows)]


@pytest.mark.parametrize(
    ("later", "rows"),
    [
        (hours(1), ROWS),
        (hours(0), 0),
        (hours(-1), 0),
        (hours(30).cast(pa.date32(), safe=False), ROWS),
        (hours(0).cast(pa.date32(), safe=False), 0),
        (hours(1).cast(pa.timestamp("us", "UTC")), ROWS),
        (pa.nulls(ROWS, pa.timestamp("us")), 0),
    ],
)
def test_a_moment_after_the_event(tmp_path, later, rows):
    table = table_of(happened=hours(0), paid=later)
    found = of_check(findings(table, tmp_path, timestamp="happened"), "target_leakage")
    assert [(one.column, one.count) for one in found] == ([("paid", rows)] if rows else [])
    if rows:
        assert "known only after the event" in found[0].message
