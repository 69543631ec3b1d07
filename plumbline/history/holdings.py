"""What holds something of rows: copies of their values, and what was learned of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from plumbline.evaluation.evaluate import TEST_SCORES
from plumbline.extract.snapshot import DATA
from plumbline.history.diff import DIFFERENCE
from plumbline.history.trace import Trace
from plumbline.scoring.snapshots import PREDICTIONS
from plumbline.split.seen import SEEN_KEYS
from plumbline.split.split import ASSIGNMENT


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One file or table that has something of the rows."""

    what: str
    version: str
    holds: str
    where: str
    """The file, or the table."""
    keys: list[int]
    """Numbers of the keys concerned."""
    folder: str = ""
    """The artifact that has to go; empty for a table."""
    learned: bool = False
    """Whether it has no copy, but what was computed of the rows and others."""
    deleted: bool = True
    """Whether a step deletes it; not what is append-only, or nobody's without the others."""


def holdings(traced: Trace, there: Callable[[str], bool]) -> list[Holding]:
    """Everything there is that holds something of the rows, what was made last first.

    there: whether a file or an artifact is where a trace says.
    """
    found = [
        *_predictions(traced),
        *_bundles(traced, there),
        *_test_scores(traced),
        *_models(traced),
        *_training_features(traced),
        *_normalizations(traced),
        *_examples(traced),
        *_audits(traced),
        *_splits(traced),
        *_snapshots(traced),
    ]
    return [one for one in found if not one.folder or there(one.folder)]


def _predictions(traced: Trace) -> Iterator[Holding]:
    for made in traced.predictions:
        if made["rows"]:
            yield _in_folder(
                made,
                PREDICTIONS,
                what="predictions",
                version=made["predictions"],
                holds="key and score",
                keys=[row["key"] for row in made["rows"]],
            )


def _bundles(traced: Trace, there: Callable[[str], bool]) -> Iterator[Holding]:
    for bundle in traced.bundles:
        if bundle["fitted_on"]:
            yield Holding(
                what="bundle",
                version=bundle["bundle_version"],
                holds="its model and normalization: what was learned of it, with others",
                where=bundle["folder"],
                keys=bundle["fitted_on"],
                folder=_above(bundle["folder"]),
                learned=True,
            )
    for bundle in traced.bundles:
        digests = f"{_above(bundle['folder'])}/{SEEN_KEYS}"
        if (learned := [*bundle["fitted_on"], *bundle["chosen_by"]]) and there(digests):
            yield Holding(
                what="bundle",
                version=bundle["bundle_version"],
                holds="a digest of the key, by which later bundles are compared with it",
                where=digests,
                keys=sorted(learned),
                folder=_above(digests),
            )
    for golden in traced.golden:
        if golden["found"]:
            yield Holding(
                what="bundle",
                version=golden["bundle_version"],
                holds="the values that the model reads and the score, as a golden row",
                where=golden["file"],
                keys=golden["found"],
                folder=_above(_above(golden["file"])),
            )


def _test_scores(traced: Trace) -> Iterator[Holding]:
    for evaluation in traced.evaluations:
        if evaluation["judged_by"]:
            yield _in_folder(
                evaluation,
                TEST_SCORES,
                what="evaluation",
                version=evaluation["evaluation_version"],
                holds="label and scores, without key",
                keys=evaluation["judged_by"],
            )


def _models(traced: Trace) -> Iterator[Holding]:
    for model in traced.models:
        if model["chosen_by"]:
            yield _in_folder(
                model,
                "*/val_scores.npy"
                if model["kind"] in ("floor", "network_seeds")
                else "val_scores.npy",
                what=model["kind"],
                version=model["model_version"],
                holds="score without key: nobody's once snapshot and split are gone",
                keys=model["chosen_by"],
                deleted=False,
            )
        if model["fitted_on"]:
            yield _in_folder(
                model,
                "",
                what=model["kind"],
                version=model["model_version"],
                holds="what was learned of it, with others",
                keys=model["fitted_on"],
                learned=True,
            )


def _training_features(traced: Trace) -> Iterator[Holding]:
    sink = traced.training_features
    for version in dict.fromkeys(row["normalization_version"] for row in sink["rows"]):
        rows = [row["key"] for row in sink["rows"] if row["normalization_version"] == version]
        yield Holding(
            what="training features",
            version=version,
            holds="key, values as extracted and as scaled, label",
            where=f"table {sink['table']}, by pipeline and row_key",
            keys=rows,
        )


def _normalizations(traced: Trace) -> Iterator[Holding]:
    for made in traced.normalizations:
        if made["fitted_on"]:
            yield _in_folder(
                made,
                "normalization.json",
                what="normalization",
                version=made["normalization_version"],
                holds="statistics and vocabularies; the extremes and rare words may be its own",
                keys=made["fitted_on"],
                learned=True,
            )


def _examples(traced: Trace) -> Iterator[Holding]:
    for made in traced.examples:
        yield _in_folder(
            made,
            DIFFERENCE,
            what="version diff",
            version=made["version_diff"],
            holds="key and changed values, as an example",
            keys=made["found"],
        )


def _audits(traced: Trace) -> Iterator[Holding]:
    had = {dataset["dataset_version"]: dataset["found"] for dataset in traced.datasets}
    for made in traced.audits:
        audit = {"what": "audit", "version": made["audit_version"]}
        if keys := had[made["dataset_version"]]:
            told = "ranges and histograms; the extremes and rare words may be its own"
            yield _in_folder(made, "", **audit, holds=told, keys=keys, learned=True)
        for one in made["findings"]:
            told = f"key, as an example of finding {one['finding']} ({one['check']})"
            named = {**audit, "holds": told, "keys": one["found"]}
            yield _in_folder(made, "findings.json", **named)
            yield Holding(where="table plumbline.findings, append-only", deleted=False, **named)


def _splits(traced: Trace) -> Iterator[Holding]:
    for split in traced.splits:
        keys = sorted(key for side in split["sides"].values() for key in side)
        if keys:
            yield _in_folder(
                split,
                ASSIGNMENT,
                what="split",
                version=split["split_version"],
                holds="key and side",
                keys=keys,
            )


def _snapshots(traced: Trace) -> Iterator[Holding]:
    for dataset in traced.datasets:
        if dataset["found"]:
            yield _in_folder(
                dataset,
                DATA,
                what="snapshot",
                version=dataset["dataset_version"],
                holds="all values",
                keys=dataset["found"],
            )


def _in_folder(made: dict[str, Any], file: str, **facts: Any) -> Holding:
    folder = made["folder"]
    return Holding(folder=folder, where=f"{folder}/{file}", **facts)


def _above(place: str) -> str:
    """What a file or a folder lies in; of a path or a URL."""
    return place.rpartition("/")[0]
