"""What has to happen if rows must go, in order. It reports; it deletes nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plumbline.history.holdings import Holding, holdings
from plumbline.history.lineage import CHOSEN_BY_VAL
from plumbline.history.sightings import FOREIGN, READ, Table
from plumbline.history.trace import Trace
from plumbline.spec import PipelineSpec

UNKNOWN = "its split cannot be read, so that the rows may have been on any side"

BEYOND = (
    "backups of PostgreSQL and of the store",
    "Dagster's event log: it holds counts and pictures of all rows together, and the keys that "
    "findings of audits name as examples",
    "copies of bundles, predictions and reports that were taken out of the store",
    "other pipelines that read the same tables: trace each by its own key",
)
"""Where Plumbline cannot look."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to be done."""

    do: str
    what: str
    version: str
    why: str
    where: str = ""
    """A folder, a table or a command."""


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """The report; JSON types only."""

    pipeline: str
    keys: Table
    found: list[int]
    """Numbers of the keys that some dataset version has."""
    steps: Table
    """{step, do, what, version, why, where}, in the order to be done."""
    copies: Table
    """Where the rows, their keys, labels or scores lie: {what, version, holds, where, keys}."""
    promotions: Table
    """The current promotion, if it is concerned: {bundle_version, promoted_at, why}."""
    untouched: Table
    """What need not be made again: {what, version, why}."""
    remaining: Table
    """Rows of the registry, which is append-only: {table, rows, holds}."""
    beyond: list[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def erasure(
    traced: Trace, spec: PipelineSpec, there: Callable[[str], bool] = lambda at: Path(at).exists()
) -> Erasure:
    """What follows from a trace, if its keys are to go. there: as `ArtifactStore.holds`."""
    held = holdings(traced, there)
    again, untouched = _sorted_out(traced)
    steps = [_at_the_source(spec), *again, *_deletions(held)] if again else []
    return Erasure(
        pipeline=traced.pipeline,
        keys=list(traced.keys),
        found=traced.found,
        steps=[{"step": number, **asdict(one)} for number, one in enumerate(steps, 1)],
        copies=[asdict(one) for one in held if not one.learned],
        promotions=[
            {
                "bundle_version": bundle["bundle_version"],
                "promoted_at": bundle["promotions"][-1],
                "why": _why_release(bundle, traced),
            }
            for bundle in traced.bundles
            if bundle["current"] and _why_release(bundle, traced)
        ],
        untouched=untouched,
        remaining=_remaining(traced) if again else [],
        beyond=list(BEYOND) if again else [],
    )


def _at_the_source(spec: PipelineSpec) -> Step:
    return Step(
        do="delete",
        what="rows at the source",
        version="",
        why="the next extract would read them again; Plumbline never writes to these tables",
        where=f"the tables that {spec.source.sql} reads",
    )


def _sorted_out(traced: Trace) -> tuple[list[Step], Table]:
    """What has to be made again, stage by stage, and what has not."""
    steps = list(_stages(traced))
    untouched = [
        {"what": step.what, "version": step.version, "why": _SPARED[step.do]}
        for step in steps
        if not step.why and step.do in _SPARED
    ]
    return [step for step in steps if step.why], untouched


def _stages(traced: Trace) -> Iterator[Step]:
    """A step for everything that was made; the reason is empty where it can stay."""
    for dataset in traced.datasets:
        yield Step(
            do="extract again",
            what="dataset version",
            version=dataset["dataset_version"],
            why=_why_extract(dataset),
            where=f"plumbline run {traced.pipeline} --dataset-version NEW_NAME",
        )
    for made in traced.normalizations:
        yield _again("fit again", "normalization", made, _why_fit(made))
    for model in traced.models:
        yield _again("train again", model["kind"], model, _why_fit(model))
    for evaluation in traced.evaluations:
        why = _why_evaluate(evaluation, traced)
        yield _again("evaluate again", "evaluation", evaluation, why)
    for bundle in traced.bundles:
        yield _again("release again", "bundle", bundle, _why_release(bundle, traced))
    for bundle in traced.bundles:
        if bundle["current"]:
            why = _why_release(bundle, traced)
            moved = {**bundle, "folder": "table plumbline.promotions"}
            yield _again("replace the promotion", "bundle", moved, why)


def _again(do: str, what: str, made: dict[str, Any], why: str) -> Step:
    # The first version that a table of the trace names is the thing's own.
    version = next(value for name, value in made.items() if name.endswith("_version"))
    return Step(do=do, what=what, version=version, why=why, where=made["folder"])


_SPARED = {
    "extract again": "has none of the keys",
    "fit again": "none of the rows is in train",
    "train again": "none of the rows is in train, and val rows decide nothing in its fit",
    "evaluate again": "none of the rows is in val or test, and its models stand",
    "release again": "its model and its evaluation stand",
}


def _why_extract(dataset: dict[str, Any]) -> str:
    if dataset["found"]:
        return f"has {_rows(dataset['found'])}; its name stays bound to what was frozen"
    if dataset["state"] == READ or dataset["state"].startswith(FOREIGN):
        return ""
    return f"its snapshot is {dataset['state']}: whether it had the rows cannot be told"


def _why_fit(made: dict[str, Any]) -> str:
    if not made["sides_known"]:
        return UNKNOWN
    if made["fitted_on"]:
        return f"fitted on {_rows(made['fitted_on'])}"
    if made.get("kind") in CHOSEN_BY_VAL and made["chosen_by"]:
        return f"{_rows(made['chosen_by'])} in val: {CHOSEN_BY_VAL[made['kind']]}"
    return ""


def _why_evaluate(evaluation: dict[str, Any], traced: Trace) -> str:
    if not evaluation["sides_known"]:
        return UNKNOWN
    if evaluation["judged_by"]:
        return f"judged on {_rows(evaluation['judged_by'])}"
    if evaluation["chosen_by"]:
        return f"{_rows(evaluation['chosen_by'])} in val, which thresholds were chosen by"
    models = {model["model_version"]: model for model in traced.models}
    retrained = [one for one in evaluation["models"] if _why_fit(models[one])]
    return "its models are trained again" if retrained else ""


def _why_release(bundle: dict[str, Any], traced: Trace) -> str:
    if why := _why_fit(bundle):
        return f"its model was {why}" if bundle["fitted_on"] else why
    verdict = next(
        one
        for one in traced.evaluations
        if one["evaluation_version"] == bundle["evaluation_version"]
    )
    return "its evaluation is made again" if _why_evaluate(verdict, traced) else ""


def _deletions(held: Iterable[Holding]) -> Iterator[Step]:
    """One step per folder or table, what was made last first."""
    by_place: dict[str, list[Holding]] = {}
    for one in held:
        by_place.setdefault(one.folder or one.where, []).append(one)
    for where, holds in by_place.items():
        if not any(one.deleted for one in holds):
            continue
        yield Step(
            do="delete",
            what=holds[0].what if holds[0].folder else f"rows of the {holds[0].what}",
            version=holds[0].version if holds[0].folder else "",
            why="; ".join(dict.fromkeys(one.holds for one in holds)),
            where=where,
        )


def _remaining(traced: Trace) -> Table:
    fitted = [one for one in traced.normalizations if one["fitted_on"]]
    return [
        {
            "table": "findings",
            "rows": sum(len(audit["findings"]) for audit in traced.audits),
            "holds": "the key, as an example",
        },
        {
            "table": "normalization_params",
            "rows": len(fitted),
            "holds": "statistics and vocabularies; the extremes and rare words may be a row's own",
        },
        {
            "table": "all others",
            "rows": None,
            "holds": "names, digests, counts, scores and ranges over many rows; no row by itself",
        },
    ]


def _rows(keys: list[int]) -> str:
    return "1 row" if len(keys) == 1 else f"{len(keys):,} rows"
