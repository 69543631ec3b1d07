"""What `plumbline trace` prints."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from pipelines.commands.tables import grid, key_text
from pipelines.screen import console
from plumbline.history.erasure import Erasure
from plumbline.history.sightings import READ
from plumbline.history.trace import Trace
from plumbline.split.rows import NAMES

FEW = 5
"""Keys that are named one by one (count)."""


def show_trace(traced: Trace) -> None:
    """All that was found, on one screen; rows are counted."""
    for part in (_asked(traced.pipeline, traced.keys, traced.found), *_traced(traced)):
        _show(part)


def show_erasure(report: Erasure, store: str) -> None:
    """The report; places in the store are told from its root on."""
    for part in (_asked(report.pipeline, report.keys, report.found), *_erased(report, store)):
        _show(part)


def _show(part: Table | str) -> None:
    if isinstance(part, str) or part.row_count:
        screen = console()
        screen.print(part, markup=False)
        screen.print()


def _asked(pipeline: str, keys: Sequence[dict[str, str]], found: Sequence[int]) -> str:
    named = "; ".join(map(key_text, keys[:FEW])) + ("; ..." if len(keys) > FEW else "")
    lost = [key for number, key in enumerate(keys) if number not in set(found)]
    told = f"{pipeline}  {named}"
    if lost:
        some = "; ".join(map(key_text, lost[:FEW]))
        told += f"\n{len(lost):,} of {len(keys):,} keys are in no dataset version: {some}"
    return told


def _traced(traced: Trace) -> Iterator[Table | str]:
    yield grid(
        (
            (
                one["dataset_version"],
                one["frozen_at"][:19],
                len(one["found"]) if one["state"] == READ else one["state"],
                _changed(one["changed"]),
            )
            for one in traced.datasets
        ),
        *("dataset version", "frozen", "rows", "since the version before"),
    )
    yield grid(
        (
            (
                one["split_version"][:12],
                one["dataset_version"],
                one["policy"],
                *_counts(one["state"] == READ, *(one["sides"][side] for side in NAMES)),
                "" if one["recorded"] else "not in the registry",
            )
            for one in traced.splits
        ),
        *("split", "dataset version", "policy", *NAMES, ""),
    )
    yield grid(_fits(traced), "made of them", "version", "of", "fitted on", "chosen by")
    yield grid(
        (
            (
                one["evaluation_version"][:12],
                one["dataset_version"],
                one["decision"],
                *_counts(one["sides_known"], one["chosen_by"], one["judged_by"]),
                one["test_reads"],
            )
            for one in traced.evaluations
        ),
        *("evaluation", "of", "verdict", "chosen by", "judged by", "test reads"),
    )
    yield grid(_bundles(traced), "bundle", "model", "fitted on", "golden rows", "promoted")
    yield grid(
        (
            (one["model_version"][:12], one["dataset_version"], len(one["rows"]), _scores(one))
            for one in traced.predictions
        ),
        *("predictions of model", "of", "rows", "score"),
    )
    yield from _mentions(traced)


def _changed(changed: Sequence[dict[str, Any]]) -> str:
    columns = dict.fromkeys(column for one in changed for column in one["columns"])
    return f"{len(changed):,} with other values: {', '.join(columns)}" if changed else ""


def _counts(known: bool, *keys: list[int]) -> list[int | str]:
    return [len(some) if known else "?" for some in keys]


def _fits(traced: Trace) -> Iterator[Sequence[Any]]:
    for one in traced.normalizations:
        (fitted,) = _counts(one["sides_known"], one["fitted_on"])
        version = one["normalization_version"][:12]
        yield f"normalization {one['method']}", version, one["dataset_version"], fitted, ""
    for one in traced.models:
        counts = _counts(one["sides_known"], one["fitted_on"], one["chosen_by"])
        yield one["kind"], one["model_version"][:12], one["dataset_version"], *counts


def _bundles(traced: Trace) -> Iterator[Sequence[Any]]:
    for one, golden in zip(traced.bundles, traced.golden, strict=True):
        (fitted,) = _counts(one["sides_known"], one["fitted_on"])
        yield (
            one["bundle_version"][:12],
            f"{one['kind']} {one['model_version'][:12]}",
            fitted,
            len(golden["found"]) if golden["state"] == READ else golden["state"],
            _promoted(one),
        )


def _promoted(bundle: dict[str, Any]) -> str:
    moments = ", ".join(moment[:19] for moment in bundle["promotions"])
    return f"{moments}, current" if bundle["current"] else moments or "never"


def _scores(made: dict[str, Any]) -> str:
    scores = [_said(row) for row in made["rows"][:FEW]]
    return ", ".join(scores) + (", ..." if len(made["rows"]) > FEW else "")


def _said(row: dict[str, Any]) -> str:
    """The score of a yes or no, else what was predicted."""
    said = row.get("score", row["predicted"])
    if isinstance(said, list):
        return " + ".join(said) or "none"
    return f"{said:.4f}" if isinstance(said, float) else str(said)


def _mentions(traced: Trace) -> Iterator[str]:
    sink = traced.training_features
    if sink["table"]:
        state = f"{len(sink['rows']):,} rows" if sink["state"] == READ else sink["state"]
        yield f"training features in {sink['table']}: {state}"
    for audit in traced.audits:
        for one in audit["findings"]:
            told = f"finding {one['finding']} ({one['check']}) of audit"
            yield f"example of {told} {audit['audit_version'][:12]}"
    for one in traced.examples:
        yield f"example in version diff {one['version_diff'][:12]}"


def _erased(report: Erasure, store: str) -> Iterator[Table | str]:
    def near(where: str) -> str:
        # As a shell finds it: twelve digits tell any two versions apart.
        return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1*", where.replace(f"{store}/", ""))

    if not report.steps:
        yield "nothing has to be done: nothing was made of these rows"
        return
    yield f"folders are below {store}"
    yield grid(
        (
            (
                one["step"],
                one["do"],
                one["what"],
                one["version"][:12],
                one["why"],
                near(one["where"]),
            )
            for one in report.steps
        ),
        *("step", "do", "what", "version", "why", "where"),
    )
    yield grid(
        (
            (one["what"], one["version"][:12], len(one["keys"]), one["holds"], near(one["where"]))
            for one in report.copies
        ),
        *("copies in", "version", "rows", "holds", "where"),
    )
    for one in report.promotions:
        yield (
            f"ERASURE CONCERNS THE CURRENT PROMOTION: bundle {one['bundle_version'][:12]} of "
            f"{one['promoted_at'][:19]}; {one['why']}"
        )
    yield grid(
        ((one["what"], one["version"][:12], one["why"]) for one in report.untouched),
        *("stays", "version", "why"),
    )
    yield grid(
        (
            (one["table"], "" if one["rows"] is None else one["rows"], one["holds"])
            for one in report.remaining
        ),
        *("registry, append-only", "rows", "holds"),
    )
    yield "not seen from here: " + "; ".join(report.beyond)
