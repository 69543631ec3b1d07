"""Small bundles for tests, and what they are built from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines.predictor import Predictor
from plumbline.evaluation.evaluate import Evaluation
from plumbline.extract.features import feature_table
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.release import bundle
from plumbline.spec import NetworkSpec, PipelineSpec
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
    snapshot = snapshot_of(table or raw_table(), folder, postgres_types=types)
    spec = spec_of(**{"drop": ["note"], **source})
    split = split_of(snapshot, spec)
    version = NormalizationVersion(VERSIONS["normalization_version"])
    normalization = fit(split.train(), feature_table(snapshot, spec), spec.normalization, version)
    return Prepared(snapshot=snapshot, spec=spec, split=split, normalization=normalization)


def evaluation_of(kind: str, folder: Path, **changed: Any) -> Evaluation:
    """An evaluation that chose `kind`; its numbers are made up."""
    measured = {"value": 0.75, "low": 0.7, "high": 0.8}
    metrics = dict.fromkeys(("auc", "average_precision", "log_loss", "brier", "accuracy"), measured)
    candidate = {"threshold": 0.5, "val": metrics, "test": metrics}
    facts = {
        "candidates": {
            one: {"model_version": f"{one}-version", **candidate}
            for one in dict.fromkeys(["random_forest", "xgboost", kind])
        },
        "comparison": {"metric": "auc", "minimum_gain": 0.002},
        "decision": "NETWORK" if kind == "network" else "BASELINE",
        "winner": kind,
        "reason": "made up for a test",
        "confidence": 0.95,
        "rows": {"val": 90, "test": 90},
        "folder": folder,
    }
    return Evaluation(**{**facts, **changed})


def build(
    prepared: Prepared, kind: str, predictor: Predictor, folder: Path, **changed: Any
) -> Built:
    folder.mkdir()
    arguments = {
        "spec": prepared.spec,
        "split": prepared.split,
        "normalization": prepared.normalization,
        "predictor": predictor,
        "evaluation": evaluation_of(kind, folder),
        "versions": VERSIONS,
        "test_reads": 1,
        "root": folder.parent,
        "folder": folder,
    }
    bundle.build(**{**arguments, **changed})
    return Built(folder=folder, predictor=predictor, prepared=prepared)


def random_network(normalization: Normalization) -> Predictor:
    """A network that nobody trained: its weights are drawn, so that its scores vary."""
    from plumbline.network import architectures, heads
    from plumbline.network.examples import Units
    from plumbline.network.predictor import KerasPredictor
    from plumbline.network.recipe import resolve
    from plumbline.network.table import Table, cardinalities
    from plumbline.network.tasks import objective

    options = NetworkSpec(architecture="dense", widths=[8], dropout=[0.0])
    draw = np.random.default_rng(11)
    rows = Matrix(
        numeric=draw.normal(size=(64, len(normalization.numeric_names))).astype(np.float32),
        codes=np.ones((64, len(normalization.categories)), dtype=np.int32),
        numeric_names=normalization.numeric_names,
        category_names=normalization.category_names,
    )
    table, goal = (
        Table.described(rows, cardinalities(normalization)),
        objective("binary", 2, options),
    )
    raw = architectures.untrained(table, goal.outputs, resolve(options, table, goal))
    network = heads.scoring(raw, goal, Units())
    network.set_weights([draw.uniform(0.1, 1, w.shape) * 0.5 for w in network.get_weights()])
    return KerasPredictor(network=network, names=rows.names)
