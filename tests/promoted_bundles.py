"""Released bundles of models with weights set by hand, in a store and a registry, without a run."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from release_bundles import Prepared, evaluation_of
from snapshots import register, snapshot_of, spec_of

from plumbline.baselines.dummy import Dummy
from plumbline.baselines.linear import Linear
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import snapshot_address
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization import apply, parameters
from plumbline.normalization.parameters import Normalization
from plumbline.promotion.field import Place
from plumbline.registry import Registry, Row
from plumbline.release.building import build
from plumbline.release.description import Release
from plumbline.spec import PipelineSpec, Task
from plumbline.split import seen
from plumbline.split import split as splits
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion, NormalizationVersion, SplitVersion

NAME = "tested"


def version(*words: str) -> str:
    """64 digits for a thing of these words, the first two alike."""
    return f"b0{hashlib.sha256('/'.join(words).encode()).hexdigest()[2:]}"


def declared(**options: Any) -> PipelineSpec:
    """The pipeline; `options` replace blocks, and those of the source are of `spec_of`."""
    task = options.pop("task", "binary")
    named = [TASKS[task]["label"], *TASKS[task].get("labels", [])]
    options = {"task": task, **TASKS[task], **options}
    options.setdefault("drop", [name for name in LABELS if name not in named])
    blocks = {k: options.pop(k) for k in ("promotion", "evaluation", "verdict") if k in options}
    dump = spec_of(**options).model_dump(exclude_unset=True)
    return PipelineSpec.model_validate({**dump, "evaluation": {"resamples": 100}, **blocks})


def visits(first: int = 0, rows: int = 2000, **renamed: str) -> pa.Table:
    """Rows with a label of each task, which follows from `signal`, up to noise.

    ids count from `first`.
    """
    draw = np.random.default_rng(first)
    signal, noise = draw.normal(size=(2, rows))
    value = signal + 0.7 * draw.normal(size=rows)
    table = pa.table(
        {
            "id": pa.array(np.arange(first, first + rows), pa.int64()),
            "signal": signal,
            "noise": noise,
            "label": value > 0.3,
            "other": value < -0.3,
            "size": np.array(["large", "middle", "small"])[np.digitize(-value, [-0.5, 0.5])],
            "value": value,
        }
    )
    return table.rename_columns([renamed.get(name, name) for name in table.column_names])


LABELS = ("label", "other", "size", "value")

TASKS: dict[Task, dict[str, Any]] = {
    "binary": {"label": "label"},
    "multiclass": {"label": "size"},
    "multilabel": {"label": "both", "labels": ["label", "other"]},
    "regression": {"label": "value"},
}

WEIGHTS: dict[Task, list[float]] = {
    "binary": [1.0],
    "multiclass": [1.0, 0.0, -1.0],
    "multilabel": [1.0, -1.0],
    "regression": [1.0],
}
"""Of the signal, for each output."""


def weighted(spec: PipelineSpec, normalization: Normalization, noise: float) -> Linear:
    """The more weight the noise has, the worse the model; 0 is the best there is."""
    names, outputs = normalization.numeric_names, np.array(WEIGHTS[spec.source.task])
    weights = np.array([[noise if name.startswith("noise") else 1.0] for name in names])
    return Linear(
        numbers=weights * outputs,
        codes=(),
        intercept=np.zeros(len(outputs)),
        task=spec.source.task,
        names=names,
    )


def place_of(
    registry: Registry,
    store: ArtifactStore,
    spec: PipelineSpec | None = None,
    rule: str = "rule-1",
) -> Place:
    return Place(spec=spec or declared(), registry=registry, store=store, rule=rule)


def frozen(place: Place, table: pa.Table, dataset_version: str = "v1", **options: Any) -> Prepared:
    """A dataset version with its split and normalization, and a floor that knows next to nothing.

    options: of the split.
    """
    spec = place.spec
    if options:
        policy = {**spec.split.model_dump(), **options}
        spec = PipelineSpec.model_validate({**spec.model_dump(exclude_unset=True), "split": policy})
    snapshot = _snapshot(place, spec, table, dataset_version)
    split_version = SplitVersion(version("split", dataset_version))
    folder = place.store.publish(
        NAME, "split", split_version, lambda draft: splits.build(snapshot, spec, draft)
    )
    split = splits.load(folder, snapshot, spec, split_version)
    register(place.registry, split, spec)
    normalization = _normalization(place, spec, split, dataset_version)
    prepared = Prepared(snapshot=snapshot, spec=spec, split=split, normalization=normalization)
    _floor(place, prepared)
    return prepared


def release(
    place: Place, prepared: Prepared, name: str, noise: float = 0.0, predictor: Any = None
) -> Row:
    """A bundle, as the release asset publishes and records it; of a `weighted` model if of no
    other."""
    predictor = predictor or weighted(prepared.spec, prepared.normalization, noise)
    kind = "linear"
    split, snapshot = prepared.split, prepared.snapshot
    versions = {
        "split_version": split.version,
        "normalization_version": prepared.normalization.version,
        "model_version": version("model", name),
        "evaluation_version": version("evaluation", name),
        "bundle_version": version("bundle", name),
    }
    at = {
        "pipeline": NAME,
        "dataset_version": snapshot.dataset_version,
        "normalization_version": versions["normalization_version"],
    }

    def write(folder: Path) -> None:
        (folder / "bundle").mkdir()
        made = Release(
            spec=prepared.spec,
            split=split,
            normalization=prepared.normalization,
            predictor=predictor,
            evaluation=evaluation_of(kind, folder, coding=split.coding),
            versions=versions,
            test_reads=1,
            root=folder,
        )
        build(made, folder / "bundle")
        seen.write(split, folder)

    folder = place.store.publish(NAME, "release", versions["bundle_version"], write)
    _model(place, prepared, "xgboost", versions["model_version"])
    place.registry.record(
        "verdicts",
        verdict_version=versions["evaluation_version"],
        stage="evaluation",
        decision="BASELINE",
        reason="made up",
        evidence={},
        **at,
    )
    place.registry.record(
        "bundles",
        bundle_version=versions["bundle_version"],
        model_version=versions["model_version"],
        verdict_version=versions["evaluation_version"],
        location=str(folder / "bundle"),
        **at,
    )
    return place.registry.one("bundles", bundle_version=versions["bundle_version"]) or {}


def _snapshot(place: Place, spec: PipelineSpec, table: pa.Table, dataset_version: str) -> Snapshot:
    folder = place.store.publish(
        NAME,
        "snapshot",
        snapshot_address(NAME, dataset_version),
        lambda draft: snapshot_of(
            table,
            draft,
            key=spec.source.key,
            label=spec.source.label,
            dataset_version=dataset_version,
            postgres_types={"fee": "numeric"},
        ),
    )
    return Snapshot.load(folder)


def _normalization(place: Place, spec: PipelineSpec, split: Any, dataset: str) -> Normalization:
    made = NormalizationVersion(version("normalization", dataset))
    features = feature_table(split.snapshot, spec)
    folder = place.store.publish(
        NAME,
        "normalization",
        made,
        lambda draft: apply.build(split.train(), features, spec.normalization, made, draft),
    )
    normalization = apply.load(folder)
    row = parameters.row(normalization, NAME, DatasetVersion(dataset), split.version)
    place.registry.record("normalization_params", **row)
    return normalization


def _floor(place: Place, prepared: Prepared) -> None:
    """A dummy, and a linear model that hears more noise than anything else."""
    spec, normalization = prepared.spec, prepared.normalization
    linear = weighted(spec, normalization, 5.0)
    dummy = Dummy(
        values=(1 / 3,) * len(linear.intercept), task=spec.source.task, names=linear.names
    )
    metrics = evaluation_of("dummy", Path(), coding=prepared.split.coding).candidates["dummy"]
    val = {name: one["value"] for name, one in metrics["val"].items()}

    def write(folder: Path) -> None:
        for kind, predictor in (("dummy", dummy), ("linear", linear)):
            (folder / kind).mkdir()
            predictor.save(folder / kind)
            record = {"kind": kind, "val": {"metrics": val}}
            (folder / kind / "training.json").write_text(json.dumps(record))

    made = version("floor", prepared.snapshot.dataset_version)
    place.store.publish(NAME, "floor", made, write)
    _model(place, prepared, "floor", made)


def _model(place: Place, prepared: Prepared, kind: str, model_version: str) -> None:
    place.registry.record(
        "model_versions",
        model_version=model_version,
        pipeline=NAME,
        dataset_version=prepared.snapshot.dataset_version,
        split_version=prepared.split.version,
        normalization_version=prepared.normalization.version,
        kind=kind,
        hyperparameters={},
        environment={},
        training_rows=1,
        training_seconds=1.0,
    )
