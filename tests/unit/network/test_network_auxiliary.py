"""Columns that are learned beside the label: read, trained, and left behind."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from network_examples import beside, examples, goal, table
from network_examples import learned as a_column
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import LeakageError, SpecError, TrainingError
from plumbline.extract.features import feature_table
from plumbline.network import feeding, fitting, heads, training
from plumbline.network.auxiliary import MOST_CLASSES, Auxiliary, learned
from plumbline.network.examples import Examples, arrays, weighed
from plumbline.network.fitting import Fitted
from plumbline.network.loop import feed, oom
from plumbline.network.loop.shuffle import Shuffle
from plumbline.network.predictor import KerasPredictor
from plumbline.network.resume import identity
from plumbline.network.targets import Units
from plumbline.network.tasks import objective
from plumbline.network.trainer import Trainer
from plumbline.normalization.fit import fit as normalized
from plumbline.normalization.parameters import Normalization
from plumbline.spec import AuxiliarySpec, NetworkSpec, PipelineSpec
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

pytestmark = [
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ROWS = 320
BESIDE = ("delay", "reason", "diverted", "fare", "when", "constant", "empty", "number")


def table_of(count: int = 600) -> pa.Table:
    rows = np.arange(count)
    amount = rows * 7919 % 1000 / 10
    delay = [None if n % 7 == 0 else n * 7919 % 1000 / 10 - 30 for n in rows.tolist()]
    return pa.table(
        {
            "id": rows,
            "amount": amount,
            "channel": [("web", "shop", "phone")[n % 3] for n in rows.tolist()],
            "counts": (rows % 3).astype(float),
            "label": amount + rows % 3 * 10 > 60,
            "delay": delay,
            "reason": [None if n % 5 == 0 else ("fog", "ice", "crew")[n % 3] for n in rows],
            "diverted": [None if n % 11 == 0 else n % 4 == 0 for n in rows],
            "fare": [f"{n * 31 % 97}.5" for n in rows],
            "when": pa.array(rows, pa.timestamp("us")),
            "constant": np.ones(count),
            "empty": pa.nulls(count, pa.float64()),
            "number": rows,
        }
    )


def made(folder: Path, values: pa.Table, **source: Any) -> tuple[Split, Normalization]:
    spec = spec_of(drop=list(BESIDE), **source)
    frozen = snapshot_of(values, folder, postgres_types={"fare": "numeric"})
    split = split_of(frozen, spec)
    features = feature_table(frozen, spec)
    version = NormalizationVersion("normalization-1")
    return split, normalized(split.train(), features, spec.normalization, version)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Normalization]:
    return made(tmp_path_factory.mktemp("snapshot"), table_of())


def read(prepared: tuple[Split, Normalization], **declared: Any) -> dict[str, Auxiliary]:
    split, normalization = prepared
    options = NetworkSpec(auxiliary=declared)
    return {one.name: one for one in learned(split.train(), normalization, options)}


def raw(prepared: tuple[Split, Normalization], name: str) -> list[Any]:
    parts = [one.column(0).to_pylist() for one in prepared[0].train().batches([name])]
    return [value for part in parts for value in part]


def test_types_say_the_task_and_training_rows_the_units_and_classes(
    prepared: tuple[Split, Normalization],
):
    found = read(prepared, delay={}, reason={"weight": 2}, diverted={}, fare={})
    told = {name: (one.goal.task, one.goal.outputs, one.weight) for name, one in found.items()}
    assert told == {
        "delay": ("regression", 1, 0.3),
        "reason": ("multiclass", 3, 2),
        "diverted": ("binary", 1, 0.3),
        "fare": ("regression", 1, 0.3),
    }
    values = raw(prepared, "delay")
    known = np.array([one for one in values if one is not None])
    there = [one is not None for one in values]
    standardized = found["delay"].targets[there, 0]
    np.testing.assert_allclose(standardized, (known - known.mean()) / known.std(), atol=1e-6)
    assert found["reason"].classes == ("crew", "fog", "ice")
    for value, code in zip(raw(prepared, "reason"), found["reason"].targets[:, 0], strict=True):
        assert value in (None, found["reason"].classes[code])
    for value, code in zip(raw(prepared, "diverted"), found["diverted"].targets[:, 0], strict=True):
        assert value in (None, bool(code))


def test_rows_without_a_value_count_nothing(prepared: tuple[Split, Normalization]):
    found = read(prepared, delay={}, reason={}, fare={})
    for name, one in found.items():
        there = np.array([value is not None for value in raw(prepared, name)])
        np.testing.assert_array_equal(one.weights > 0, there)
        assert one.weights.mean() == pytest.approx(1)
        assert np.isfinite(one.targets).all()
    assert found["delay"].record()["rows"] < found["fare"].record()["rows"]


def test_rows_count_as_the_source_says(tmp_path: Path):
    weighty = made(tmp_path, table_of(), weight="counts")
    (one,) = read(weighty, delay={}).values()
    own = np.array(raw(weighty, "counts")) * [value is not None for value in raw(weighty, "delay")]
    np.testing.assert_allclose(one.weights, own / own.mean(), rtol=1e-6)


def test_only_training_rows_are_read(prepared: tuple[Split, Normalization], tmp_path: Path):
    split, normalization = prepared
    with pytest.raises(LeakageError, match="ValRows were about to be learned"):
        learned(split.validation(), normalization, NetworkSpec())  # type: ignore[arg-type]
    values = table_of()
    held_out = pa.array(split.assignment != 0)
    for name, other in (("delay", 1e6), ("reason", "war"), ("diverted", None)):
        column = values.column(name)
        scalar = pa.scalar(other, column.type)
        changed = pa.compute.if_else(held_out, scalar, column)
        values = values.set_column(values.column_names.index(name), name, changed)
    declared = {"delay": {}, "reason": {}, "diverted": {}}
    before, after = read(prepared, **declared), read(made(tmp_path, values), **declared)
    for name, one in before.items():
        assert one.record() == after[name].record()
        np.testing.assert_array_equal(one.targets, after[name].targets)
        np.testing.assert_array_equal(one.weights, after[name].weights)


@pytest.mark.parametrize(
    ("name", "declared", "words"),
    [
        ("arrival", {}, "'arrival' is not among the extract's columns; expected one of id, amount"),
        ("amount", {}, "'amount' is a feature; .* put it under source.drop"),
        ("label", {}, "'label' is the label"),
        ("when", {}, "'when' holds timestamp"),
        ("reason", {"task": "regression"}, "'reason' holds string .* task is regression"),
        ("reason", {"task": "binary"}, "'reason' holds 3 different values .* at most 2"),
        ("constant", {}, r"'constant' has one value only in the \d+ training rows"),
        ("empty", {}, "'empty' has one value only in the 0 training rows"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_is_trained(
    prepared: tuple[Split, Normalization], name: str, declared: Any, words: str, tmp_path: Path
):
    split, normalization = prepared
    options = NetworkSpec(auxiliary={name: declared})
    with pytest.raises(SpecError, match=words) as caught:
        fitting.fit(split.train(), split.validation(), normalization, options, tmp_path)
    assert caught.value.values["column"] == name
    assert caught.value.remedy


def test_an_identifier_is_no_class(
    prepared: tuple[Split, Normalization], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("plumbline.network.auxiliary.MOST_CLASSES", 100)
    with pytest.raises(SpecError, match=r"'number' holds 4.. different values .* at most 100"):
        read(prepared, number={"task": "multiclass"})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("late", "'late' is the label"),
        ("id", "'id' is part of the key"),
        ("side", "'side' is what says the split"),
        ("weight", "'weight' is the rows' weight"),
        ("delay", "'delay' is not under source.drop"),
        ("main", "'main' names the label's head"),
    ],
)
def test_other_roles_are_refused_when_the_declaration_is_read(name: str, words: str):
    declared = {
        "name": "flights",
        "source": {
            "sql": "flights.sql",
            "key": ["id"],
            "label": "late",
            "weight": "weight",
            "drop": ["minutes", "main", "id", "side"],
        },
        "split": {"policy": "column", "column": "side"},
        "network": {"auxiliary": {"minutes": {}}},
    }
    assert PipelineSpec.model_validate(declared).network.auxiliary["minutes"].weight == 0.3
    declared["network"] = {"auxiliary": {name: {}}}
    with pytest.raises(ValueError, match=words):
        PipelineSpec.model_validate(declared)


def test_a_linear_network_shares_no_layer():
    with pytest.raises(ValueError, match="architecture linear has no layer"):
        NetworkSpec(architecture="linear", auxiliary={"delay": {}})


TRAIN, VAL = examples(ROWS, 1), examples(120, 2)
PLAIN = {"widths": [8], "dropout": 0.0, "learning_rate": 0.02, "batch_size": 32, "max_epochs": 3}


def fit(
    architecture: str,
    auxiliary: tuple[Auxiliary, ...],
    work: Path | None = None,
    **declared: Any,
) -> Fitted:
    options = NetworkSpec(architecture=architecture, **(PLAIN | declared))
    train = replace(TRAIN, auxiliary=auxiliary)
    return fitting.fit_examples(train, VAL, table(train), goal("binary", options), options, work)


OWN = "own_networks:learns_beside"


@pytest.mark.parametrize("architecture", ["dense", pytest.param(OWN, marks=pytest.mark.network)])
def test_every_head_learns_and_the_labels_is_released(architecture: str, tmp_path: Path):
    fitted = fit(architecture, beside(TRAIN, missing=range(100)))
    history = fitted.history
    for name in ("loss", "main_loss", "auxiliary_delay_loss", "auxiliary_a kind/of it_loss"):
        assert history[name][-1] < history[name][0], name
    parts = (
        np.array(history[f"{name}_loss"]) * weight
        for name, weight in (("main", 1), ("auxiliary_delay", 0.5), ("auxiliary_a kind/of it", 0.5))
    )
    if architecture == OWN:  # dense adds a penalty
        np.testing.assert_allclose(sum(parts), history["loss"], rtol=1e-4)
    assert not [name for name in history if name.startswith("val_aux")]
    assert fitted.facts["auxiliary"]["delay"]["rows"] == ROWS - 100
    assert fitted.diagnosis.evidence.loss == history["main_loss"]
    fitted.predictor.save(tmp_path)
    loaded = KerasPredictor.load(tmp_path)
    assert loaded.network.output_shape == (None, 1)
    assert not [one.name for one in loaded.network.layers if one.name.startswith("auxiliary")]
    np.testing.assert_array_equal(loaded.predict(VAL.matrix), fitted.val_scores)


@pytest.mark.parametrize("architecture", ["tabm_mini", "realmlp"])
def test_their_heads_are_layers_like_the_labels(architecture: str):
    declared: dict[str, Any] = {"members": 2, "bins": 4, "learning_rate": None, "max_epochs": 2}
    history = fit(architecture, beside(TRAIN), **declared).history
    assert history["auxiliary_delay_loss"][-1] < history["auxiliary_delay_loss"][0]
    assert history["main_loss"][-1] < history["main_loss"][0]


def noisy(rows: int, seed: int) -> tuple[Examples, np.ndarray]:
    """A label that says little of what it follows from, and that; of 12 numbers 3 matter."""
    found = examples(rows, seed, width=12, codes=())
    first, second, third, *_ = found.matrix.numeric.T
    signal = 2 * first * second + third
    noise = np.random.default_rng(seed).normal(scale=2, size=rows)
    return replace(found, labels=(signal + noise > 0).astype(np.int8)), signal / signal.std()


def test_what_is_known_of_training_rows_alone_helps_the_label():
    (rows, signal), (held_out, _) = noisy(300, 12), noisy(1500, 22)
    told = replace(a_column("signal", "regression", signal), weight=1.0)
    course = PLAIN | {"architecture": "dense", "widths": [32], "max_epochs": 12}
    options = NetworkSpec.model_validate(course)
    without, beside = (
        fitting.fit_examples(
            replace(rows, auxiliary=auxiliary),
            *(held_out, table(rows, ()), goal("binary", options), options, None),
        ).history
        for auxiliary in ((), (told,))
    )
    assert min(beside["val_loss"]) < min(without["val_loss"]) - 0.01
    assert max(beside["val_auc"]) > max(without["val_auc"]) + 0.01


@pytest.fixture(scope="module", autouse=True)
def _pools() -> Iterator[None]:
    """Of at most 128 rows, in blocks of 16."""

    def shuffle(**given: Any) -> Shuffle:
        row = given["row_bytes"]
        return Shuffle(**given, pool_bytes=128 * row, block_bytes=16 * row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "Shuffle", shuffle)
        patch.setattr(feed, "Shuffle", shuffle)
        yield


SHORT = {"batch_normalization": False, "max_epochs": 2}


@cache
def short() -> Fitted:
    return fit("dense", beside(TRAIN, missing=range(50)), **SHORT)


def test_values_that_are_missing_move_no_weight():
    delay, kind = beside(TRAIN, missing=range(50))
    delay.targets[:50] = 1e4
    other = fit("dense", (delay, kind), **SHORT)
    assert other.predictor.weights_sha256() == short().predictor.weights_sha256()


@pytest.mark.network
def test_streamed_rows_bring_the_same_columns(tmp_path: Path):
    stream = fit("dense", beside(TRAIN, missing=range(50)), tmp_path, feeding="stream", **SHORT)
    assert stream.predictor.weights_sha256() == short().predictor.weights_sha256()
    for name in ("loss", "main_loss", "auxiliary_delay_loss", "val_loss"):
        assert stream.history[name] == short().history[name]


@pytest.mark.network
def test_a_step_in_parts_is_the_same_step(monkeypatch: pytest.MonkeyPatch):
    made = oom.Recovering.__init__

    def limited(self: Any, training: Any, make: Any) -> None:
        training.train_step = oom._accumulating(training, 12)
        made(self, training, make)

    monkeypatch.setattr(oom.Recovering, "__init__", limited)
    parts = fit("dense", beside(TRAIN, missing=range(50)), **SHORT)  # 12, 12 and 8 rows
    np.testing.assert_allclose(parts.val_scores, short().val_scores, atol=1e-4)
    np.testing.assert_allclose(parts.history["loss"], short().history["loss"], rtol=1e-3)


def test_classes_weigh_in_the_labels_loss_alone():
    options = NetworkSpec(class_weights={"0": 1, "1": 9})
    one = goal("binary", options)
    train = weighed(replace(TRAIN, auxiliary=beside(TRAIN, missing=[0])), one)
    given = arrays(train, one, Units())
    assert (
        set(given["y"])
        == set(given["weight"])
        == {*("main", "auxiliary_delay", "auxiliary_a kind/of it")}
    )
    assert len(np.unique(given["weight"]["main"])) == 2
    assert given["weight"]["auxiliary_delay"][0] == 0
    assert len(np.unique(given["weight"]["auxiliary_delay"])) == 2
    plain = arrays(replace(TRAIN, auxiliary=beside(TRAIN)), one, Units())
    np.testing.assert_array_equal(plain["weight"]["main"], 1)


def test_other_values_are_another_training():
    options = NetworkSpec(**PLAIN)
    one = Trainer.of(TRAIN, VAL, table(TRAIN), goal("binary", options), options, None)

    def named(auxiliary: tuple[Auxiliary, ...]) -> str:
        return identity(one.recipe, one.goal, replace(TRAIN, auxiliary=auxiliary), VAL, ())

    delay, kind = beside(TRAIN)
    others = [
        (),
        beside(TRAIN, missing=[4]),
        (replace(delay, weight=0.6), kind),
        (replace(delay, targets=delay.targets + 1), kind),
    ]
    assert named(beside(TRAIN)) == named((delay, kind))
    assert named(beside(TRAIN)) not in map(named, others)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("sound", "unnamed outputs; expected one each named 'delay', 'a kind/of it'"),
        ("named_heads", "outputs named 'early', 'main'; expected one each named 'delay'"),
        ("learns_too_wide", r"output 'delay', of shape \(None, 7\); expected shape \(None, 1\)"),
    ],
)
def test_an_own_architecture_has_to_answer_what_was_declared(function: str, words: str):
    with pytest.raises(SpecError, match=words):
        fit(f"own_networks:{function}", beside(TRAIN))


def test_a_head_ends_in_its_tasks_activation_or_in_none():
    with pytest.raises(TrainingError, match="ends in activation 'sigmoid', with mean_squared"):
        fit("own_networks:learns_beside_with_sigmoid", beside(TRAIN)[:1])
    diverted = a_column("diverted", "binary", TRAIN.matrix.codes[:, 0] % 2)
    fitted = fit("own_networks:learns_beside_with_sigmoid", (diverted,))
    history = fitted.history["auxiliary_diverted_loss"]
    assert history[-1] < history[0]


def test_the_loss_is_the_weighted_sum(prepared: tuple[Split, Normalization], tmp_path: Path):
    """From the declaration to the artifact."""
    split, normalization = prepared
    declared = {"delay": {"weight": 0.2}, "reason": {}, "diverted": {}}
    options = NetworkSpec(architecture="dense", auxiliary=declared, **(PLAIN | {"max_epochs": 2}))
    training.build(split.train(), split.validation(), normalization, options, tmp_path)
    trained = training.load(tmp_path, "model-1")
    told = trained.training["auxiliary"]
    assert {name: one["weight"] for name, one in told.items()} == {
        "delay": 0.2,
        "reason": 0.3,
        "diverted": 0.3,
    }
    assert told["reason"]["classes"] == ["crew", "fog", "ice"]
    assert "auxiliary_reason_loss" in trained.history
    assert trained.predictor().network.output_shape == (None, 1)
    assert heads.by_head(trained.predictor().network).keys() == {"main"}


@pytest.mark.parametrize("document", ["tasks", "own-architecture"])
def test_what_the_documents_declare_is_accepted(document: str):
    text = (Path(__file__).parents[3] / "docs" / f"{document}.md").read_text("utf-8")
    blocks = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (declared,) = (one for one in blocks if "auxiliary" in one.get("network", {}))
    source = {"sql": "flights.sql", "key": ["id"], "label": "late", **declared["source"]}
    spec = PipelineSpec.model_validate({**declared, "name": "flights", "source": source})
    assert spec.network.auxiliary["arr_delay"].weight == AuxiliarySpec().weight == 0.3


def test_the_document_tells_the_losses():
    text = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text("utf-8")
    for task in ("regression", "binary", "multiclass"):
        assert f"| `{task}` | " in text
        assert f"| `{objective(task, 3, NetworkSpec()).loss}` | " in text
    assert f"{MOST_CLASSES:,} at most" in text
