"""Small bundles for tests, and what they are built from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines import boosted_trees, dummy, linear, random_forest
from plumbline.baselines.predictor import Predictor
from plumbline.decision.curves import Isotonic, Line, Platt, Stairs, Temperature
from plumbline.decision.decision import Decision
from plumbline.decision.sets import Conformal
from plumbline.evaluation.evaluate import Evaluation
from plumbline.extract.features import feature_table
from plumbline.extract.labels import LabelCoding
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.release import building
from plumbline.release.description import Release
from plumbline.spec import NetworkSpec, PipelineSpec, Task
from plumbline.spec.metrics import OF_TASK
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

ROWS = 600
VERSIONS = {
    name: f"{name}-1"
    for name in (
        "split_version",
        "normalization_version",
        "model_version",
        "evaluation_version",
        "bundle_version",
    )
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything a bundle is built from but the model."""

    snapshot: Snapshot
    spec: PipelineSpec
    split: Split
    normalization: Normalization


@dataclass(frozen=True, kw_only=True)
class Built:
    folder: Path
    predictor: Predictor
    prepared: Prepared


def raw_table(rows: int = ROWS) -> pa.Table:
    """Every kind of column a model can read, with NULLs and categories that mislead."""
    draw = np.random.default_rng(7)
    age = draw.integers(18, 90, rows)
    amount = draw.normal(50, 20, rows)
    city = draw.choice(["Bonn", "NA", "None", "nan", "", "Köln, am Rhein"], rows)
    label = amount / 20 + (city == "NA") + draw.normal(0, 1, rows) > 3
    return pa.table(
        {
            "id": pa.array(np.arange(rows), pa.int64()),
            "age": pa.array(age, pa.int32(), mask=draw.random(rows) < 0.1),
            "amount": pa.array(amount, pa.float64()),
            "weight": pa.array(draw.normal(70, 9, rows), pa.float32(), mask=age > 80),
            "fee": pa.array([f"{v / 8:g}" for v in draw.integers(0, 400, rows)], pa.string()),
            "member": pa.array(draw.random(rows) < 0.3, pa.bool_()),
            "month": pa.array(draw.integers(1, 13, rows), pa.int16()),
            "city": pa.array(city, pa.string(), mask=draw.random(rows) < 0.1),
            "note": pa.array(["free text"] * rows, pa.string()),
            "label": pa.array(label, pa.bool_()),
        }
    )


def prepare(folder: Path, table: pa.Table | None = None, **source: Any) -> Prepared:
    """A snapshot of `table` (by default `raw_table`), its split and its normalization."""
    types = {"fee": "numeric", "photo": "bytea"}
    label = source.get("label", "label")
    snapshot = snapshot_of(table or raw_table(), folder, label=label, postgres_types=types)
    spec = spec_of(**{"drop": ["note"], **source})
    split = split_of(snapshot, spec)
    version = NormalizationVersion(VERSIONS["normalization_version"])
    normalization = fit(split.train(), feature_table(snapshot, spec), spec.normalization, version)
    return Prepared(snapshot=snapshot, spec=spec, split=split, normalization=normalization)


TASKS: dict[Task, dict[str, Any]] = {
    "binary": {"drop": ["note", "size"]},
    "multiclass": {"label": "size", "drop": ["note", "label"]},
    "multilabel": {"label": "both", "labels": ["member", "label"], "drop": ["note", "size"]},
    "regression": {"label": "amount", "drop": ["note", "size", "label"]},
}
"""What is declared of `sized_table` to have a label of each task."""


def sized_table() -> pa.Table:
    """`raw_table` with a label of three classes, which follows from two of its columns."""
    table = raw_table()
    sizes = np.array(["large", "middle", "small"])
    size = np.digitize(table["amount"].to_numpy(), [40, 60]) ^ table["member"].to_numpy()
    return table.append_column("size", pa.array(sizes[size % 3]))


def prepare_task(task: Task, folder: Path) -> Prepared:
    """`sized_table` with the label of a task."""
    return prepare(folder, sized_table(), task=task, kinds={"month": "category"}, **TASKS[task])


FIT = {
    "dummy": dummy.fit_examples,
    "linear": linear.fit_examples,
    "random_forest": lambda given: random_forest.fit_examples(given, 0),
    "xgboost": lambda given: boosted_trees.fit_examples(given, 0),
}
"""Models by kind, fitted on examples."""


def release_task(prepared: Prepared, kind: str, predictor: Predictor, folder: Path) -> Built:
    """A bundle with all that a decision can have."""
    coding = prepared.split.coding
    evaluation = evaluation_of(kind, folder, coding=coding, decided=decision_of(coding))
    return build(prepared, kind, predictor, folder, evaluation=evaluation)


def decision_of(coding: LabelCoding) -> Decision:
    """All that a decision can have: made up, and of another kind for each task."""
    line, stairs = Line(slope=1.5, intercept=-0.2), Stairs(scores=(0.1, 0.9), shares=(0.05, 0.8))
    parts: dict[Task, dict[str, Any]] = {
        "binary": {"calibration": Platt(curves=(line,)), "threshold": 0.4},
        "multiclass": {"calibration": Temperature(temperature=1.7)},
        "multilabel": {"calibration": Isotonic(curves=(None, stairs)), "thresholds": (0.3, 0.6)},
        "regression": {},
    }
    margins = (0.2,) * (len(coding.classes) if coding.task == "multilabel" else 1)
    return Decision(
        task=coding.task,
        classes=coding.classes,
        conformal=Conformal(coverage=0.9, margins=margins),
        **parts[coding.task],
    )


def undecided(coding: LabelCoding) -> Decision:
    """Scores as they are, and what is likelier than not."""
    threshold = 0.5 if coding.task == "binary" else None
    return Decision(task=coding.task, classes=coding.classes, threshold=threshold)


def evaluation_of(kind: str, folder: Path, **changed: Any) -> Evaluation:
    """An evaluation that chose `kind`; its numbers are made up.

    `coding` and `decided` (a `Decision`) are the candidates'; others go to `Evaluation`.
    """
    coding = changed.pop("coding", LabelCoding(task="binary", classes=("0", "1")))
    decided, task = changed.pop("decided", None) or undecided(coding), coding.task
    measured = {"value": 0.75, "low": 0.7, "high": 0.8}
    metrics = dict.fromkeys(OF_TASK[task], measured)
    candidate = {"decision": decided.to_json(), "val": metrics, "test": metrics}
    facts = {
        "candidates": {
            one: {"model_version": f"{one}-version", **candidate}
            for one in dict.fromkeys(["random_forest", "xgboost", kind])
        },
        "comparison": {"metric": OF_TASK[task][0], "minimum_gain": 0.002},
        "decision": "NETWORK" if kind == "network" else "BASELINE",
        "winner": kind,
        "reason": "made up for a test",
        "confidence": 0.95,
        "reads": {"reading": 1, "allowed": 1, "confidence": 0.95},
        "rows": {"val": 90, "test": 90},
        "folder": folder,
    }
    return Evaluation(**{**facts, **changed})


def build(
    prepared: Prepared, kind: str, predictor: Predictor, folder: Path, **changed: Any
) -> Built:
    """A bundle; `changed` are fields of `Release`."""
    folder.mkdir()
    facts = {
        "spec": prepared.spec,
        "split": prepared.split,
        "normalization": prepared.normalization,
        "predictor": predictor,
        "evaluation": evaluation_of(kind, folder, coding=prepared.split.coding),
        "versions": VERSIONS,
        "test_reads": 1,
        "root": folder.parent,
    }
    building.build(Release(**{**facts, **changed}), folder)
    return Built(folder=folder, predictor=predictor, prepared=prepared)


def random_network(
    normalization: Normalization,
    task: Task = "binary",
    outputs: int = 2,
    size: float = 0.5,
    **options: Any,
) -> Predictor:
    """A network that nobody trained: its weights are drawn, so that its scores vary.

    outputs: classes or labels. size: of the largest weight; deep networks say the same of every
    row where it is large.
    """
    from plumbline.network import architectures, heads
    from plumbline.network.examples import Units
    from plumbline.network.predictor import KerasPredictor
    from plumbline.network.recipe import resolve
    from plumbline.network.table import Table, cardinalities
    from plumbline.network.tasks import objective

    chosen = NetworkSpec(**{"architecture": "dense", "widths": [8], "dropout": [0.0], **options})
    draw = np.random.default_rng(11)
    rows = Matrix(
        numeric=draw.normal(size=(64, len(normalization.numeric_names))).astype(np.float32),
        codes=np.ones((64, len(normalization.categories)), dtype=np.int32),
        numeric_names=normalization.numeric_names,
        category_names=normalization.category_names,
    )
    table, goal = (
        Table.described(rows, cardinalities(normalization)),
        objective(task, outputs, chosen),
    )
    raw = architectures.untrained(table, goal.outputs, resolve(chosen, table, goal))
    units = Units(mean=40.0, scale=20.0) if task == "regression" else Units()
    network = heads.scoring(raw, goal, units)
    network.set_weights([draw.uniform(0.1, 1, w.shape) * size for w in network.get_weights()])
    return KerasPredictor(network=network, names=rows.names)
