"""What the registry knows about one dataset version of a pipeline."""

from typing import Any

from plumbline.errors import RegistryError
from plumbline.promotion import events
from plumbline.promotion.events import Event
from plumbline.registry import Registry, Row

Summary = dict[str, Any]

_RENAMED = {"roc_auc": "auc"}
"""Metrics that earlier evaluations recorded under another name."""


def summary(registry: Registry, pipeline: str, dataset_version: str | None = None) -> Summary:
    """Versions, rows, scores, verdicts, the bundle and who is champion, as JSON types.

    Without `dataset_version`: of the one that was frozen last. Where options changed and
    stages were run again, the last verdict and what it was decided on are shown.

    Raises:
        RegistryError: nothing was recorded for it.
    """
    dataset = frozen(registry, pipeline, dataset_version)
    version = dataset["dataset_version"]
    at = {"pipeline": pipeline, "dataset_version": version}
    verdict = _last(registry.rows("verdicts", stage="evaluation", **at))
    normalization = _normalization(registry, at, verdict)
    return {
        "pipeline": pipeline,
        "dataset": _without(dataset, "pipeline"),
        "split": _split(registry, normalization),
        "normalization": _normalization_facts(normalization),
        "gate": _gate(registry, at, verdict),
        "candidates": _candidates(registry, verdict),
        "verdict": _verdict(verdict),
        "test_reads": [
            _without(row, "pipeline", "dataset_version")
            for row in registry.rows("test_reads", **at)
        ],
        "bundle": _bundle(registry, verdict),
        **_standing(registry, pipeline),
    }


def dataset_versions(registry: Registry, pipeline: str) -> list[str]:
    """Names of a pipeline's dataset versions, oldest first."""
    rows = registry.rows("dataset_versions", pipeline=pipeline)
    return [row["dataset_version"] for row in rows]


def frozen(registry: Registry, pipeline: str, version: str | None) -> Row:
    """The registry's row of a dataset version; of the last one where none is named.

    Raises:
        RegistryError: nothing was recorded for it.
    """
    rows = registry.rows("dataset_versions", pipeline=pipeline)
    if version is not None:
        rows = [row for row in rows if row["dataset_version"] == version]
    if not rows:
        known = ", ".join(dataset_versions(registry, pipeline)) or "none"
        raise RegistryError(
            f"nothing is recorded for {pipeline} {version or ''}".rstrip(),
            expected=f"a dataset version that was run; recorded are: {known}",
            remedy=f"plumbline run {pipeline} --dataset-version {version or 'NAME'}",
        )
    return rows[-1]


def _last(rows: Any) -> Row | None:
    return rows[-1] if rows else None


def _without(row: Row, *names: str) -> Row:
    """A row as JSON types, moments in ISO format, but for the columns in `names`."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in row.items()
        if name not in names
    }


def _normalization(registry: Registry, at: Row, verdict: Row | None) -> Row | None:
    if verdict is None:
        return _last(registry.rows("normalization_params", **at))
    version = verdict["normalization_version"]
    return registry.one("normalization_params", normalization_version=version)


def _normalization_facts(row: Row | None) -> Row | None:
    return row and _without(row, "pipeline", "dataset_version", "split_version")


def _split(registry: Registry, normalization: Row | None) -> Row | None:
    if normalization is None:
        return None
    row = registry.one("split_versions", split_version=normalization["split_version"])
    return row and _without(row, "pipeline", "dataset_version")


def _verdict(row: Row | None) -> Row | None:
    return row and _without(row, "pipeline", "dataset_version", "stage")


def _gate(registry: Registry, at: Row, verdict: Row | None) -> Row | None:
    if verdict is not None:
        return _verdict(registry.one("verdicts", verdict_version=verdict["evidence"]["gate"]))
    return _verdict(_last(registry.rows("verdicts", stage="baseline_gate", **at)))


def _candidates(registry: Registry, verdict: Row | None) -> list[Row]:
    """One entry per model that the verdict was about, with its scores by split and metric."""
    if verdict is None:
        return []
    models: dict[str, Row] = {}
    for row in registry.rows("evaluations", evaluation_version=verdict["verdict_version"]):
        version = row["model_version"]
        if version not in models:
            models[version] = {**_model(registry, version), "val": {}, "test": {}}
        metric = _RENAMED.get(row["metric"], row["metric"])
        models[version][row["split"]][metric] = {
            name: row[name] for name in ("value", "low", "high", "confidence", "row_count")
        }
    return list(models.values())


def _model(registry: Registry, version: str) -> Row:
    row = registry.one("model_versions", model_version=version) or {}
    return _without(row, "pipeline", "dataset_version", "split_version", "normalization_version")


def _bundle(registry: Registry, verdict: Row | None) -> Row | None:
    if verdict is None:
        return None
    row = _last(registry.rows("bundles", verdict_version=verdict["verdict_version"]))
    if row is None:
        return None
    promotions = registry.rows("promotions", bundle_version=row["bundle_version"])
    return {
        **_without(row, "pipeline", "dataset_version", "normalization_version", "verdict_version"),
        "promotions": [_without(p, "pipeline", "bundle_version") for p in promotions],
    }


def _standing(registry: Registry, pipeline: str) -> Summary:
    """Of the pipeline, whatever dataset version its champion is of."""
    happened = events.events(registry, pipeline)
    return {
        "champion": _event(events.champion(happened)),
        "challenger": _event(events.challenger(happened)),
    }


def _event(event: Event | None) -> Row | None:
    return event and _without(vars(event), "pipeline", "expired")
