"""The promotion: the released bundle against the champion, and who is champion now."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.errors import PromotionError
from plumbline.promotion import events, figure
from plumbline.promotion.acts import NOT_COMPARABLE
from plumbline.promotion.comparison import Comparison
from plumbline.promotion.events import REFUSE, Event
from plumbline.promotion.field import Place
from plumbline.promotion.forward import Outcome, put_forward
from plumbline.registry import Row
from plumbline.spec import PipelineSpec
from plumbline.spec.metrics import METRICS
from plumbline.split import ledger
from plumbline.stages import stage_code_version
from plumbline.versions import fingerprint

STAGE = "promotion"

BEATS, ENOUGH, UNEXPIRED = "beats_incumbent", "enough_rows", "override_unexpired"
CHECKS = {
    BEATS: "The bundle stood the comparison with the champion, or with the floor.",
    ENOUGH: "Enough rows were left that neither had learned of.",
    UNEXPIRED: "No override has run out and brought an earlier champion back.",
}
SHOWN = 20
"""Rows of the history in the UI (count)."""


def promotion_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        STAGE,
        _promote,
        after=["release", "floor"],
        kinds={"postgres"},
        description="The bundle against the champion, on rows that neither has learned of.",
        checks=CHECKS,
        blocking=False,
    )


def place_of(bench: Workbench) -> Place:
    """Where the pipeline's bundles are compared, by the rule that is declared now."""
    rule = stage_code_version(bench.spec, STAGE)
    return Place(spec=bench.spec, registry=bench.registry, store=bench.store, rule=rule)


def standing(happened: Sequence[Event]) -> dict[str, Any]:
    """Who is champion and challenger, and what happened; the last rows, the newest first."""
    champion, challenger = events.champion(happened), events.challenger(happened)
    return {
        "champion": champion.bundle_version if champion else "none",
        "challenger": challenger.bundle_version if challenger else "none",
        "history": table(_line(one) for one in reversed(happened[-SHOWN:])),
    }


def unexpired(spec: PipelineSpec, happened: Sequence[Event]) -> dg.AssetCheckResult:
    """Whether an override ran out and nobody was made champion since."""
    last = next((one for one in reversed(happened) if one.action != REFUSE), None)
    override = last if last and last.action == "override" else None
    told = "no override stands"
    if override:
        state = "expired on" if override.expired else "stands until"
        told = f"the override of {override.bundle_version[:12]} {state} {override.expires_at}"
    return _check(spec, UNEXPIRED, not (override and override.expired), told)


def reports(place: Place, event: Event) -> list[dg.AssetObservation | dg.AssetCheckEvaluation]:
    """What somebody did by hand, for the UI: no run has recorded it."""
    spec, registry = place.spec, place.registry
    row = registry.one("bundles", bundle_version=event.bundle_version) or {}
    happened = events.events(registry, spec.name)
    checked = unexpired(spec, happened)
    observed = dg.AssetObservation(
        asset_key=key(spec, STAGE),
        partition=row["dataset_version"],
        description=f"{event.action} by {event.author}: {event.reason}",
        metadata={
            "dataset_version": row["dataset_version"],
            "normalization_version": row["normalization_version"],
            **standing(happened),
        },
    )
    evaluated = dg.AssetCheckEvaluation(
        asset_key=key(spec, STAGE),
        check_name=UNEXPIRED,
        passed=checked.passed,
        severity=checked.severity,
        description=checked.description,
        metadata={},
    )
    return [observed, evaluated]


def _promote(bench: Workbench) -> dg.MaterializeResult:
    row = _bundle(bench)
    outcome = put_forward(place_of(bench), row) if bench.spec.release.promote else None
    happened = events.events(bench.registry, bench.spec.name)
    compared = outcome and outcome.comparison
    return materialized(
        bench,
        STAGE,
        folder=compared.folder if compared else bench.folder("release"),
        reused=bool(outcome and outcome.stood),
        data_version=_data_version(bench, outcome),
        checks=_checks(bench.spec, outcome, happened),
        metadata={
            "told": outcome.told if outcome else "release.promote is off: nothing was compared",
            "promoted": standing(happened)["champion"] == row["bundle_version"],
            **standing(happened),
            **(_measured(bench, compared) if compared else {}),
            "test_reads": ledger.test_reads(bench.registry, bench.spec.name, bench.dataset_version),
        },
    )


def _bundle(bench: Workbench) -> Row:
    version = bench.chain.version("release")
    row = bench.registry.one("bundles", bundle_version=version)
    if row is None:
        raise PromotionError(
            f"bundle {version[:12]} is not in the registry",
            expected="the bundle that the declared options and data lead to",
            remedy=f"materialize {bench.spec.name}/release for this dataset version first",
        )
    return row


def _data_version(bench: Workbench, outcome: Outcome | None) -> str:
    """That of the comparison, which names who was champion; else of why there was none."""
    evidence = outcome.event.evidence if outcome and outcome.event else {}
    withheld = {
        "stage": bench.chain.version(STAGE),
        "withheld": evidence.get(NOT_COMPARABLE),
        "off": outcome is None,
    }
    return evidence.get("version") or fingerprint(**withheld)


def _measured(bench: Workbench, compared: Comparison) -> dict[str, Any]:
    rows = {
        "dagster/row_count": compared.rows["compared"],
        **{f"{name}_rows": count for name, count in compared.rows.items()},
    }
    if compared.judged is None:
        return rows
    judged = compared.judged
    return {
        **rows,
        "metric": judged["metric"],
        "confidence": judged["confidence"],
        "reading": judged["reading"],
        "scores": table({"": name, **_told(one)} for name, one in judged["entrants"].items()),
        "differences": table({"over": name, **one} for name, one in judged["differences"].items()),
        **{f"gain_over_{name}": one["value"] for name, one in judged["differences"].items()},
        **pictures(bench, [compared.folder], {"difference": lambda: figure.difference(judged)}),
    }


def _told(measured: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Each metric with its interval."""
    known: Any = METRICS
    return {
        name: "{} ({} to {})".format(*(known[name].written(one[end]) for end in _ENDS))
        for name, one in measured.items()
    }


_ENDS = ("value", "low", "high")


def _line(event: Event) -> dict[str, Any]:
    return {
        "promotion": event.promotion,
        "at": event.promoted_at.isoformat(timespec="seconds"),
        "action": event.action,
        "bundle": event.bundle_version[:12],
        "against": (event.compared_with or "")[:12],
        "reason": event.reason,
        "author": event.author or event.promoted_by,
        "expires": event.expires_at.isoformat(timespec="seconds") if event.expires_at else "",
    }


def _checks(
    spec: PipelineSpec, outcome: Outcome | None, happened: Sequence[Event]
) -> list[dg.AssetCheckResult]:
    told = outcome.told if outcome else "release.promote is off: nothing was compared"
    return [
        _check(spec, BEATS, outcome is None or outcome.won, told),
        _check(spec, ENOUGH, outcome is None or outcome.enough_rows, told),
        unexpired(spec, happened),
    ]


def _check(spec: PipelineSpec, name: str, passed: bool, told: str) -> dg.AssetCheckResult:
    """Not to promote is a result, not a failure."""
    return checked(
        asset_key=key(spec, STAGE),
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
    )
