"""The baselines' leakage proof passes honest fits, and catches each way to cheat."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines import boosted_trees, leakage, linear, random_forest
from plumbline.baselines.fitted import Fitted
from plumbline.extract.features import feature_table
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization.fit import fit
from plumbline.normalization.leakage import LeakageProof
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL, TrainRows
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

KINDS = ("random_forest", "xgboost")
FITS = {
    "random_forest": random_forest.fit,
    "xgboost": boosted_trees.fit,
    "linear": linear.fit,
}
ROWS = 4_000
SPEC = spec_of()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    draw = np.random.default_rng(0)
    x = draw.normal(size=ROWS)
    table = pa.table({
        "id": range(ROWS),
        "x": pa.array(x, mask=draw.random(ROWS) < 0.1),
        "colour": draw.choice(["red", "green", "blue"], ROWS),
        "label": x + draw.normal(size=ROWS) > 2.9,  # about two in a hundred
    })  # fmt: skip
    made = split_of(snapshot_of(table, tmp_path_factory.mktemp("leakage")), SPEC)
    assignment = made.assignment.copy()
    assignment[np.flatnonzero(assignment == VAL)[:20]] = EXCLUDED
    return replace(made, assignment=assignment)


@pytest.fixture(scope="module")
def normalization(split: Split) -> Normalization:
    features = feature_table(split.snapshot, SPEC)
    return fit(split.train(), features, SPEC.normalization, NormalizationVersion("n"))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "SAMPLE_ROWS", 300)


def proof(kind, split, normalization, fitting=None, **options) -> LeakageProof:
    features = feature_table(split.snapshot, SPEC)
    return leakage.prove(kind, split, features, normalization, seed=0, fitting=fitting, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_fit_passes(kind, split, normalization):
    found = proof(kind, split, normalization)
    assert found.passed, found.evidence
    assert found.evidence["files"] == found.evidence["files_again"]
    assert len(found.evidence["files"]) == 1
    assert 300 <= found.evidence["training_rows"] <= 300 + 2 * leakage.ROWS_PER_LABEL
    spoilt = found.evidence["rows_spoilt"]
    assert set(spoilt) == {"val", "test", "excluded"}
    share = (split.assignment != TRAIN).sum() / (split.assignment == TRAIN).sum()
    assert sum(spoilt.values()) == pytest.approx(300 * share, abs=2)
    assert found.told == f"byte-identical with {sum(spoilt.values())} other rows spoilt"


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_proof_takes_every_row(kind, split, normalization):
    found = proof(kind, split, normalization, full=True)
    assert found.passed
    assert found.evidence["training_rows"] == (split.assignment == TRAIN).sum()
    assert sum(found.evidence["rows_spoilt"].values()) == (split.assignment != TRAIN).sum()


def leaking(kind: str, side: int):
    """A fit that takes the rows of another side for training rows, too."""

    def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
        assignment = np.where(train.assignment == side, TRAIN, train.assignment)
        object.__setattr__(train, "assignment", assignment.astype(np.int8))
        return FITS[kind](train, normalization, seed)

    return fit


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("side", [VAL, TEST, EXCLUDED])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_on_rows_of_another_side_is_caught(kind, split, normalization, side, full):
    found = proof(kind, split, normalization, leaking(kind, side), full=full)
    assert not found.passed
    assert len(found.evidence["differing"]) == 1
    assert "it differs in" in found.told


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_looks_at_labels_of_other_rows_only_is_caught(kind, split, normalization):
    def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
        labels = [batch.column(0).to_numpy(False) for batch in train.snapshot.batches(["label"])]
        outside = np.concatenate(labels)[train.assignment != TRAIN]
        assignment = train.assignment.copy()
        assignment[np.flatnonzero(assignment == TRAIN)[: outside.sum()]] = VAL
        object.__setattr__(train, "assignment", assignment)
        return FITS[kind](train, normalization, seed)

    assert not proof(kind, split, normalization, fit).passed


def test_a_fit_that_goes_around_the_rows_to_their_file_is_caught(split, normalization):
    opened = []

    def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
        if opened:
            Snapshot.load(train.snapshot.folder)
        opened.append(train)
        return FITS["xgboost"](train, normalization, seed)

    found = proof("xgboost", split, normalization, fit)
    assert not found.passed
    assert "the fit failed" in found.told


def test_a_fit_of_chance_is_caught(split, normalization):
    seeds = iter(range(2))

    def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
        return FITS["random_forest"](train, normalization, seed + next(seeds))

    assert not proof("random_forest", split, normalization, fit).passed


OTHERS = {
    "multiclass": {"label": "grade", "task": "multiclass", "drop": ["label", "tall", "height"]},
    "multilabel": {
        "label": "both",
        "labels": ["label", "tall"],
        "task": "multilabel",
        "drop": ["grade", "height"],
    },
    "regression": {"label": "height", "task": "regression", "drop": ["label", "tall", "grade"]},
}


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("linear", "regression"),
        ("random_forest", "multilabel"),
        ("xgboost", "multiclass"),
        ("xgboost", "regression"),
    ],
)
def test_other_tasks_are_proved_with_their_weights(kind, task, tmp_path):
    draw = np.random.default_rng(1)
    height = draw.normal(size=1500)
    table = pa.table({
        "id": range(1500),
        "x": height + draw.normal(size=1500),
        "height": height,
        "grade": np.where(height > 2, "rare", np.where(height > 0, "b", "a")),
        "label": height > 2,
        "tall": height > 0,
        "weight": draw.integers(1, 4, 1500),
    })  # fmt: skip
    spec = spec_of(weight="weight", **OTHERS[task])
    split = split_of(snapshot_of(table, tmp_path, label=spec.source.label), spec)
    features = feature_table(split.snapshot, spec)
    normalization = fit(split.train(), features, spec.normalization, NormalizationVersion("n"))
    found = leakage.prove(kind, split, features, normalization, seed=0)
    assert found.passed, found.evidence
    assert 300 <= found.evidence["training_rows"] <= 300 + 4 * leakage.ROWS_PER_LABEL
    train = leakage._chosen(split, 300)[split.assignment == TRAIN]
    if task == "multiclass":
        assert (split.train().labels()[train] == 2).sum() >= 10
    cheating = leakage.prove(
        *(kind, split, features, normalization), seed=0, fitting=leaking(kind, VAL)
    )
    assert not cheating.passed


def test_the_sample_is_the_same_whatever_the_values_and_has_both_labels(split):
    chosen = leakage._chosen(split, 60)
    labels = split.train().labels()[chosen[split.assignment == TRAIN]]
    assert labels.sum() >= leakage.ROWS_PER_LABEL
    assert chosen.sum() < 60 * ROWS / (split.assignment == TRAIN).sum() + 50
    assert leakage._chosen(split, 10**6).all()
    again = leakage._sampled(split, ["x", "label"], 60)
    whole = pa.Table.from_batches(list(split.snapshot.batches(["x", "label"])))
    sampled = pa.Table.from_batches(list(again.snapshot.batches(rows=7)))
    assert sampled.combine_chunks().equals(whole.filter(pa.array(chosen)).combine_chunks())
    assert again.snapshot.rows == len(again.assignment) == chosen.sum()
