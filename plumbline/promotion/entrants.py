"""What is held against each other: a bundle, the champion, or the models of the floor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.baselines import training
from plumbline.errors import BundleError, NotComparable, PlumblineError
from plumbline.normalization import apply
from plumbline.promotion import aliases
from plumbline.registry import Row
from plumbline.release.bundle import load_bundle
from plumbline.release.opened import Bundle
from plumbline.spec import PipelineSpec
from plumbline.split import seen
from plumbline.split.seen import Seen
from plumbline.store import ArtifactStore

CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One of those compared; scores raw rows by itself."""

    name: str
    """challenger, champion, or the kind of a model of the floor."""
    model_version: str
    columns: tuple[str, ...]
    """The raw columns that it reads."""
    score: Callable[[pa.RecordBatch], np.ndarray]
    """Scores as `Bundle.score` gives them."""
    threshold: float | None
    """For the binary task: from which score on a row counts as positive."""
    on_val: dict[str, float]
    """Metrics on its own validation rows."""


def of_bundle(name: str, bundle: Bundle) -> Entrant:
    manifest = bundle.manifest
    return Entrant(
        name=name,
        model_version=manifest.versions.model_version,
        columns=tuple(one.name for one in manifest.inputs),
        score=bundle.score,
        threshold=bundle.decision.threshold,
        on_val={metric: one.value for metric, one in manifest.metrics["val"].items()},
    )


def of_floor(spec: PipelineSpec, store: ArtifactStore, row: Row) -> list[Entrant]:
    """The dummy and the linear model. row: theirs in `model_versions`.

    Raises:
        StoreError: their artifact, or the normalization they were fitted with, is gone.
        BundleError: their files are no models.
    """
    folder = store.get(spec.name, "floor", row["model_version"])
    fitted = store.get(spec.name, "normalization", row["normalization_version"])
    normalization = apply.load(fitted).tabular
    made = []
    for kind in training.FLOOR:
        one = training.load(folder / kind, row["model_version"])
        predictor = one.predictor()

        def score(batch: pa.RecordBatch, predictor: Any = predictor) -> np.ndarray:
            return predictor.predict(apply.transform(normalization, batch))

        made.append(
            Entrant(
                name=kind,
                model_version=one.model_version,
                columns=tuple(normalization.columns),
                score=score,
                threshold=None,
                on_val=one.training["val"]["metrics"],
            )
        )
    return made


def opened(row: Row, spec: PipelineSpec, store: ArtifactStore) -> Bundle:
    """A bundle whose files and golden rows verify. row: its in `bundles`.

    Raises:
        BundleError: its folder is gone or does not verify.
    """
    folder = aliases.location(row, spec.name, store)
    if not folder.is_dir():
        raise BundleError(
            f"the folder {folder} of bundle {row['bundle_version'][:12]} is gone",
            expected="what was released",
            remedy="restore it from a backup, or release the model again",
        )
    return load_bundle(folder)


def learned_of(row: Row, spec: PipelineSpec, store: ArtifactStore) -> Seen:
    """The rows that a bundle's model was trained on and chosen by, as the release kept them.

    Raises:
        SplitError, StoreError: they are not there.
    """
    return seen.load(store.get(spec.name, "release", row["bundle_version"]))


def require_same_question(new: Bundle, old: Bundle) -> None:
    """Raises NotComparable where a champion's task, label or classes are not the new bundle's."""
    pairs = {
        "task": (old.manifest.task, new.manifest.task),
        "label": (old.manifest.label, new.manifest.label),
        "classes": (old.manifest.classes, new.manifest.classes),
        "positive label": (old.manifest.positive_label, new.manifest.positive_label),
    }
    differing = [name for name, (was, now) in pairs.items() if was != now]
    if differing:
        told = "; ".join(f"its {n} is {pairs[n][0]!r}, now {pairs[n][1]!r}" for n in differing)
        raise _incomparable(f"the champion answers another question: {told}", differing=differing)


def unreadable(error: PlumblineError) -> NotComparable:
    """What kept the champion from being compared, and the way out."""
    return _incomparable(f"the champion cannot be held against it: {error.found}")


def _incomparable(found: str, **values: object) -> NotComparable:
    return NotComparable(
        found,
        expected="a champion that scores the new rows, by which a new bundle is judged",
        remedy="promote without a comparison: plumbline promote --override, with its expiry",
        **values,
    )
