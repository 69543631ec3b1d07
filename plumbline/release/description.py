"""What a bundle's manifest says, taken from the stages' results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from plumbline.baselines.predictor import Predictor
from plumbline.decision.decision import Decision
from plumbline.evaluation.evaluate import Evaluation
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.network.diagnosis.findings import Finding
from plumbline.normalization.parameters import Normalization
from plumbline.release import provenance
from plumbline.release.agreement import answer_types
from plumbline.release.manifest import (
    Element,
    Golden,
    Image,
    Input,
    Interval,
    Kind,
    Manifest,
    TestReads,
    Verdict,
    Versions,
)
from plumbline.release.predictors import TOLERANCE
from plumbline.release.treatments import unusual
from plumbline.spec import PipelineSpec, Task
from plumbline.split.split import Split

SCORES: Mapping[Task, str] = {
    "binary": "the probability of label 1",
    "multiclass": "the probability of each class; a row's add up to 1",
    "multilabel": "the probability of each label, by itself",
    "regression": "the label, in the unit that its column has",
}


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a bundle is made of."""

    spec: PipelineSpec
    split: Split
    normalization: Normalization
    predictor: Predictor
    evaluation: Evaluation
    """Its winner is released."""
    versions: Mapping[str, str]
    """split_version, normalization_version, model_version, evaluation_version and
    bundle_version."""
    test_reads: int
    """How often the test rows of this dataset version were opened so far (count)."""
    root: Path
    """The project's, for its git commit and locks."""
    findings: tuple[Finding, ...] | None = None
    """Those of the network's diagnosis; None for a baseline."""

    @property
    def kind(self) -> Kind:
        return cast(Kind, self.evaluation.winner)

    @property
    def scores(self) -> Mapping[str, Any]:
        """What the evaluation says of its winner."""
        return self.evaluation.candidates[self.kind]

    @property
    def decision(self) -> Decision:
        """How the winner's scores become answers."""
        return Decision.from_json(self.scores["decision"])

    @property
    def read(self) -> Normalization:
        """The normalization, as far as the winner reads it."""
        return self.normalization if self.kind == "network" else self.normalization.tabular


def raw_inputs(snapshot: Snapshot, normalization: Normalization) -> tuple[Input, ...]:
    """The columns of the snapshot that the model reads."""
    values = {one.name: one.values for one in normalization.categories}
    return tuple(
        Input(
            name=column.name,
            postgres_type=column.postgres_type,
            arrow_type=column.arrow_type,
            kind=_kind(column.name, normalization),
            element=_element(column, snapshot),
            image=_image(column.name, normalization),
            vocabulary=values.get(column.name),
        )
        for column in snapshot.columns
        if column.name in normalization.columns
    )


def describe(release: Release, *, golden_rows: int) -> Manifest:
    """The manifest of a bundle whose files are not there yet."""
    spec, evaluation, decision = release.spec, release.evaluation, release.decision
    snapshot, coding = release.split.snapshot, release.split.coding
    inputs = raw_inputs(snapshot, release.read)
    return Manifest(
        pipeline=spec.name,
        versions=Versions(
            dataset_version=snapshot.dataset_version, digest=snapshot.digest, **release.versions
        ),
        kind=release.kind,
        task=spec.source.task,
        label=spec.source.label,
        label_types=_types(snapshot, coding.columns(spec.source.label)),
        classes=coding.classes,
        positive_label=spec.source.positive_label,
        scores=SCORES[spec.source.task],
        answers=answer_types(decision),
        threshold=decision.threshold,
        inputs=inputs,
        unusual_values=unusual(inputs),
        metrics={side: _intervals(release.scores[side]) for side in ("val", "test")},
        confidence=evaluation.confidence,
        verdict=Verdict(decision=evaluation.decision, reason=evaluation.reason),
        test_reads=TestReads(**evaluation.reads),
        environment=provenance.environment(*_decoders(inputs)),
        locks=provenance.locks(release.root),
        image=provenance.image(),
        git=provenance.commit(release.root),
        golden=Golden(rows=golden_rows, tolerance=TOLERANCE[release.kind]),
        files={},
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


def _types(snapshot: Snapshot, names: list[str]) -> dict[str, str]:
    return {one.name: one.postgres_type for one in snapshot.columns if one.name in names}


def _decoders(inputs: tuple[Input, ...]) -> list[str]:
    return ["pillow"] if any(one.image for one in inputs) else []


def _intervals(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    return {
        name: Interval(**{end: float(metric[end]) for end in ("value", "low", "high")})
        for name, metric in metrics.items()
    }
