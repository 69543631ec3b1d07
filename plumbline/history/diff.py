"""The difference of two dataset versions: rows, columns, and how far distributions moved."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plumbline.errors import HistoryError
from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.history import differences
from plumbline.history.effect import effects
from plumbline.history.pair import Pair, pair
from plumbline.history.places import views

log = logging.getLogger(__name__)

DIFFERENCE = "version_diff.json"

Table = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What became of a dataset from one version to another; JSON types only."""

    pipeline: str
    before: dict[str, Any]
    """dataset_version, digest and rows of the earlier version."""
    after: dict[str, Any]
    key: list[str]
    rows: dict[str, int]
    """Rows added, removed, changed and unchanged, matched by key (count)."""
    columns: dict[str, Table]
    """Columns added and removed: {column, type}; retyped: {column, before, after}."""
    changes: Table
    """Per shared column that is not of the key: {column, rows_changed, measure, distance,
    nulls_before, nulls_after, size}; see `Effect`. rows_changed is None where types do not
    compare."""
    examples: dict[str, Table]
    """Of rows added, removed and changed, the first ones by key; see `Differences`."""


def diff(before: Snapshot, after: Snapshot) -> Diff:
    """Compare two versions of a dataset.

    Needs no more memory than DuckDB's limit (plumbline.extract.snapshot_sql.MEMORY) and two
    samples of a column, whatever the versions' sizes.

    Raises:
        HistoryError: the versions' keys have other columns or types.
    """
    started = time.monotonic()
    matched = pair(before, after)
    with views(before=before.folder / DATA, after=after.folder / DATA) as connection:
        found = differences.find(connection, matched)
        moved = list(effects(connection, matched))
    made = Diff(
        pipeline=after.pipeline,
        before=_version(before),
        after=_version(after),
        key=list(after.key),
        rows={name: getattr(found, name) for name in ("added", "removed", "changed", "unchanged")},
        columns=_columns(matched),
        changes=[
            {
                "column": column.name,
                "rows_changed": found.by_column[column.name],
                **asdict(effect),
                "size": effect.size,
            }
            for column, effect in zip(matched.values, moved, strict=True)
        ],
        examples=found.examples,
    )
    log.info("%s in %.1f s", told(made), time.monotonic() - started)
    return made


def told(made: Diff) -> str:
    """One line: versions, rows, and the columns whose distribution moved."""
    rows = ", ".join(f"{count:,} {what}" for what, count in made.rows.items())
    moved = [f"{one['column']} ({one['size']})" for one in made.changes if one["size"] != "none"]
    return (
        f"{made.before['dataset_version']} to {made.after['dataset_version']}: rows {rows}; "
        f"distributions moved: {', '.join(moved) or 'none'}"
    )


def build(before: Snapshot | None, after: Snapshot, folder: Path) -> None:
    """Write the difference, or why there is none, into an existing folder."""
    made, reason = None, ""
    if before is None:
        reason = f"{after.dataset_version} is the first dataset version; nothing came before it"
    else:
        try:
            made = diff(before, after)
        except HistoryError as error:
            reason = str(error)
    record = {"difference": made and asdict(made), "reason": reason}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / DIFFERENCE).write_text(text, "utf-8")


def load(folder: Path) -> tuple[Diff | None, str]:
    """What `build` wrote: the difference, or None and the reason."""
    record = json.loads((folder / DIFFERENCE).read_text("utf-8"))
    return record["difference"] and Diff(**record["difference"]), record["reason"]


def _version(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "dataset_version": snapshot.dataset_version,
        "digest": snapshot.digest,
        "rows": snapshot.rows,
    }


def _columns(matched: Pair) -> dict[str, Table]:
    shared = {column.name for column in matched.shared}
    return {
        "added": [
            {"column": column.name, "type": column.postgres_type}
            for column in matched.after.columns
            if column.name not in shared
        ],
        "removed": [
            {"column": column.name, "type": column.postgres_type}
            for column in matched.before.columns
            if column.name not in shared
        ],
        "retyped": [
            {
                "column": column.name,
                "before": column.before.column.postgres_type,
                "after": column.after.column.postgres_type,
            }
            for column in matched.shared
            if column.retyped
        ],
    }
