"""Where every row goes in the end: by the policy, less what may be on no side."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plumbline.errors import SplitError
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import ColumnSplit, PipelineSpec, TemporalSplit
from plumbline.split.duplicates import repeats
from plumbline.split.keys import derived_key
from plumbline.split.policies import assign, hashes_of, in_gap
from plumbline.split.rows import EXCLUDED, NAMES, SIDES
from plumbline.split.straddling import straddlers

_SHOWN = 5
"""Groups named in a message."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The assignment, and how many rows were excluded from which side and why."""

    assignment: np.ndarray
    """Code of every row: int8, shape (snapshot.rows,)."""
    exclusions: dict[str, dict[str, int]]
    """Rows by reason (gap, group, duplicate) and by the side that the policy put them on; a
    reason that the declaration rules out is absent."""


def place(snapshot: Snapshot, spec: PipelineSpec) -> Placement:
    """Every row by the declared policy; then the gap, groups and duplicates are seen to.

    Raises:
        SplitError: the policy cannot place a row, or a column parts a group.
        LabelViolation: a stratified split meets a label that is not of the task.
    """
    assignment, exclusions = assign(snapshot, spec), dict[str, dict[str, int]]()
    if isinstance(spec.split, ColumnSplit) and spec.source.group:
        _require_whole_groups(snapshot, spec, assignment)
    for reason, find in _reasons(spec).items():
        rows = find(snapshot, spec, assignment)
        counts = np.bincount(assignment[rows], minlength=EXCLUDED)
        exclusions[reason] = {name: int(counts[code]) for name, code in SIDES.items()}
        assignment[rows] = EXCLUDED
    return Placement(assignment=assignment, exclusions=exclusions)


Find = Callable[[Snapshot, PipelineSpec, np.ndarray], np.ndarray]
"""Positions of the rows to exclude, given the sides so far."""


def _reasons(spec: PipelineSpec) -> dict[str, Find]:
    """What can put a row on no side, in this order."""
    found: dict[str, Find] = {}
    if isinstance(spec.split, TemporalSplit):
        if spec.split.gap:
            found["gap"] = in_gap
        if spec.source.group:
            found["group"] = _later_of_group
    if spec.split.duplicates != "keep":
        found["duplicate"] = repeats
    return found


def _later_of_group(snapshot: Snapshot, spec: PipelineSpec, sides: np.ndarray) -> np.ndarray:
    """A group is where its earliest row is; its rows on later sides are excluded."""
    return straddlers(_group_hashes(snapshot, spec), sides)


def _group_hashes(snapshot: Snapshot, spec: PipelineSpec) -> np.ndarray:
    column = [spec.source.group or ""]
    return np.concatenate(list(hashes_of(snapshot, spec, column, derived_key("group", 0))))


def _require_whole_groups(snapshot: Snapshot, spec: PipelineSpec, sides: np.ndarray) -> None:
    """Raises SplitError where the declared column puts a group on more than one side."""
    hashes, group = _group_hashes(snapshot, spec), spec.source.group or ""
    parted = np.unique(hashes[straddlers(hashes, sides)])
    if len(parted):
        examples = _examples(snapshot, group, np.isin(hashes, parted[:_SHOWN]), sides)
        told = "; ".join(f"{name!r} is on {', '.join(on)}" for name, on in examples.items())
        column = getattr(spec.split, "column", "")
        raise SplitError(
            f"split.column {column!r} puts {len(parted):,} groups by {group!r} on more than one "
            f"side: {told}",
            expected="all rows of a group on one side",
            remedy=f"correct {column!r} in {spec.source.sql}, or leave out source.group",
            groups=len(parted),
            examples=examples,
        )


def _examples(
    snapshot: Snapshot, group: str, chosen: np.ndarray, sides: np.ndarray
) -> dict[str, list[str]]:
    """Names of the sides that each of the chosen rows' groups is on."""
    seen: dict[str, set[str]] = defaultdict(set)
    start = 0
    for batch in snapshot.batches([group]):
        here = np.flatnonzero(chosen[start : start + batch.num_rows])
        for value, side in zip(
            batch.column(0).take(here).to_pylist(), sides[start + here], strict=True
        ):
            seen[str(value)].add(NAMES[side])
        start += batch.num_rows
    return {name: [side for side in SIDES if side in on] for name, on in sorted(seen.items())}
