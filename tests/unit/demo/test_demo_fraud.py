"""The synthetic payments: the same for a seed, balanced, and no feature tells frauds alone."""

import hashlib

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.definitions import ROOT
from plumbline.demo import fraud
from plumbline.metrics.areas import auc

SHA256 = "b844fd34483276cfb847647cdfdb2c66d6c483ff6cbb6074198f81031ecd2378"


@pytest.fixture(scope="module")
def payments() -> fraud.Payments:
    return fraud.draw()


def test_a_seed_gives_the_same_rows_on_every_machine(payments):
    told = payments.vectors.tobytes() + payments.labels.tobytes() + "".join(payments.sides).encode()
    assert hashlib.sha256(told).hexdigest() == SHA256


def test_another_seed_gives_others():
    assert not np.array_equal(fraud.draw(100, 1).vectors, fraud.draw(100, 2).vectors)


def test_sides_have_their_shares_and_half_are_frauds(payments):
    for side, share in fraud.SIDES.items():
        labels = payments.labels[payments.sides == side]
        assert len(labels) == round(share * fraud.ROWS)
        assert labels.mean() == 0.5
    assert set(payments.labels[:50]) == {0, 1}
    assert set(payments.sides[:100]) == set(fraud.SIDES)


@given(st.integers(1, 300), st.integers(0, 5))
def test_any_number_of_rows_is_balanced_to_one(rows, seed):
    drawn = fraud.draw(rows, seed)
    assert len(drawn.vectors) == len(drawn.labels) == len(drawn.sides) == rows
    for side in {*drawn.sides}:
        labels = drawn.labels[drawn.sides == side]
        assert abs(2 * int(labels.sum()) - len(labels)) <= 1


def test_amounts_dwarf_the_other_features(payments):
    amounts, others = payments.vectors[:, 0], payments.vectors[:, 1:]
    assert amounts.min() >= 0
    assert 45_000 < amounts.max() <= 50_000
    assert amounts.std() > 500 * others.std(axis=0).max()
    assert np.isfinite(payments.vectors).all()
    scaled = (payments.vectors - payments.vectors.mean(axis=0)) / payments.vectors.std(axis=0)
    assert np.abs(scaled).max() < 10
    assert len(np.unique(payments.vectors, axis=0)) == fraud.ROWS


def test_no_feature_tells_frauds_alone(payments):
    areas = [auc(payments.labels, values) for values in payments.vectors.T]
    skill = sorted(max(area, 1 - area) for area in areas)
    assert skill[-1] < 0.75
    assert skill[-1] - skill[-2] < 0.08
    assert skill[0] > 0.6


def test_together_they_do(payments):
    import xgboost

    train, test = payments.sides == "train", payments.sides == "test"
    model = xgboost.XGBClassifier(n_estimators=60, nthread=1)
    model.fit(payments.vectors[train], payments.labels[train])
    scores = model.predict_proba(payments.vectors[test])[:, 1]
    assert auc(payments.labels[test], scores) > 0.91


def test_the_declaration_names_the_features():
    declared = yaml.safe_load((ROOT / "pipelines" / "defs" / "fraud" / "defs.yaml").read_text())
    source = declared["attributes"]["source"]
    assert tuple(source["vectors"]["raw_vector"]) == fraud.FEATURES
