"""What a bundle's manifest says, taken from the stages' results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from plumbline.evaluation.evaluate import Evaluation
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.normalization.parameters import Normalization
from plumbline.release import provenance
from plumbline.release.manifest import (
    Element,
    Golden,
    Image,
    Input,
    Interval,
    Kind,
    Manifest,
    Verdict,
    Versions,
)
from plumbline.release.predictors import TOLERANCE
from plumbline.release.treatments import unusual
from plumbline.spec import PipelineSpec


def raw_inputs(snapshot: Snapshot, normalization: Normalization) -> tuple[Input, ...]:
    """The columns of the snapshot that the model reads."""
    return tuple(
        Input(
            name=column.name,
            postgres_type=column.postgres_type,
            arrow_type=column.arrow_type,
            kind=_kind(column.name, normalization),
            element=_element(column, snapshot),
            image=_image(column.name, normalization),
        )
        for column in snapshot.columns
        if column.name in normalization.columns
    )


def _kind(name: str, normalization: Normalization) -> Literal["numeric", "category", "image"]:
    if name in normalization.number_columns:
        return "numeric"
    return "category" if name in normalization.category_names else "image"


def _image(name: str, normalization: Normalization) -> Image | None:
    for one in normalization.images:
        if one.name == name:
            return Image(**{key: value for key, value in vars(one).items() if key != "name"})
    return None


def _element(column: Column, snapshot: Snapshot) -> Element | None:
    if not column.array:
        return None
    together = [one.name for one in snapshot.columns if one.array == column.array]
    place = together.index(column.name) + 1
    return Element(array=column.array, place=place, width=len(together))


def describe(
    spec: PipelineSpec,
    snapshot: Snapshot,
    evaluation: Evaluation,
    versions: Mapping[str, str],
    inputs: tuple[Input, ...],
    *,
    golden_rows: int,
    root: Path,
) -> Manifest:
    """The manifest of a bundle whose files are not there yet."""
    kind = evaluation.winner
    scores = evaluation.candidates[kind]
    return Manifest(
        pipeline=spec.name,
        versions=Versions(
            dataset_version=snapshot.dataset_version, digest=snapshot.digest, **versions
        ),
        kind=cast(Kind, kind),
        task=spec.source.task,
        label=spec.source.label,
        positive_label=spec.source.positive_label,
        threshold=scores["threshold"],
        inputs=inputs,
        unusual_values=unusual(inputs),
        metrics={side: _intervals(scores[side]) for side in ("val", "test")},
        confidence=evaluation.confidence,
        verdict=Verdict(decision=evaluation.decision, reason=evaluation.reason),
        environment=provenance.environment(*_decoders(inputs)),
        git=provenance.commit(root),
        golden=Golden(rows=golden_rows, tolerance=TOLERANCE[kind]),
        files={},
    )


def _decoders(inputs: tuple[Input, ...]) -> list[str]:
    return ["pillow"] if any(one.image for one in inputs) else []


def _intervals(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    return {
        name: Interval(**{end: float(metric[end]) for end in ("value", "low", "high")})
        for name, metric in metrics.items()
    }
