"""What a split can be held to: counts, labels, groups, duplicates and order in time, recounted."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.extract.labels import coding
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import PipelineSpec, TemporalSplit
from plumbline.split import recount, weights
from plumbline.split.duplicates import compared
from plumbline.split.keys import canonical, joined
from plumbline.split.label_facts import CONFIDENCE, counted, shortcomings, tally
from plumbline.split.policies import require_columns
from plumbline.split.rows import EXCLUDED, NAMES, SIDES
from plumbline.split.times import iso, micros, moment_micros, parsed
from plumbline.versions import fingerprint

NOTED = 0.01
"""Share of a side's rows from which on their exclusion is noted."""

Certificate = dict[str, Any]


def certify(
    snapshot: Snapshot,
    spec: PipelineSpec,
    assignment: np.ndarray,
    exclusions: Mapping[str, Mapping[str, int]] | None = None,
) -> Certificate:
    """The certificate of an assignment, as JSON types.

    Everything is counted from the snapshot and the assignment again, not taken over from
    what made it, but for `exclusions`: rows by reason and side, as `Placement` has them.
    """
    source = spec.source
    present = (
        *source.key,
        *source.label_columns,
        source.group,
        source.timestamp,
        source.weight,
    )
    require_columns(snapshot, spec, [name for name in present if name])
    certificate = {
        "policy": spec.split.model_dump(mode="json"),
        "task": source.task,
        "key": list(source.key),
        "dataset": {
            "pipeline": snapshot.pipeline,
            "dataset_version": snapshot.dataset_version,
            "digest": snapshot.digest,
        },
        "rows": snapshot.rows,
        "confidence": CONFIDENCE,
        "sides": _sides(snapshot, spec, assignment),
        "excluded": _excluded(assignment, exclusions or {}),
        "time": _time(snapshot, spec, assignment) if source.timestamp else None,
        "groups": recount.groups(snapshot, source.group, assignment) if source.group else None,
        "duplicates": _duplicates(snapshot, spec, assignment),
        "assignment_digest": assignment_digest(snapshot, source.key, assignment),
    }
    return {**certificate, "notes": [*_notes(certificate)]}


def problems(certificate: Certificate) -> tuple[str, ...]:
    """What a certificate says against its split; empty for a sound one."""
    return (
        *_coverage(certificate),
        *_straddling(certificate),
        *_repeating(certificate),
        *_disorder(certificate),
    )


def assignment_digest(snapshot: Snapshot, key: Sequence[str], assignment: np.ndarray) -> str:
    """Fingerprint of the map from key to code, in the snapshot's order.

    Depends on values alone: neither on Parquet's encoding nor on how rows are batched.
    """
    keys = hashlib.sha256()
    for batch in snapshot.batches(key):
        keys.update(joined(canonical(batch, key)))
    sides = hashlib.sha256(np.ascontiguousarray(assignment, dtype=np.int8).data)
    return fingerprint(columns=list(key), keys=keys.hexdigest(), sides=sides.hexdigest())


def _sides(snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray) -> dict[str, Any]:
    codes = coding(snapshot, spec)
    seen = tally(codes)
    for batch, sides in _blocks(snapshot, spec.source.label_columns, assignment):
        seen.see(codes.read(batch), sides)
    rows = np.bincount(assignment, minlength=len(NAMES))
    weighed = _weights(snapshot, spec, assignment)
    return {
        name: {
            "rows": int(rows[code]),
            "share": rows[code] / snapshot.rows,
            **seen.side(code),
            **weighed[code],
        }
        for name, code in SIDES.items()
    }


def _weights(
    snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray
) -> list[dict[str, Any]]:
    """What the rows of each side weigh, by its code; nothing where they weigh alike."""
    column = spec.source.weight
    if column is None:
        return [{} for _ in NAMES]
    seen = weights.Tally()
    for batch, sides in _blocks(snapshot, [column], assignment):
        seen.see(weights.numbers(batch.column(0), column), sides)
    return [{"weight": seen.side(code)} for code in range(len(NAMES))]


def _excluded(
    assignment: np.ndarray, exclusions: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    rows = int(np.count_nonzero(assignment == EXCLUDED))
    reasons = {reason: dict(counts) for reason, counts in exclusions.items()}
    return {"rows": rows, "share": rows / len(assignment), "reasons": reasons}


def _duplicates(snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray) -> dict[str, Any]:
    by = compared(snapshot, spec)
    return {
        "mode": spec.split.duplicates,
        "columns": len(by.columns),
        "straddling": recount.repeated(snapshot, by, assignment),
    }


def _notes(certificate: Certificate) -> Iterator[str]:
    """What no one should miss, though it is as declared."""
    for name in ("val", "test"):
        left, reasons = certificate["sides"][name]["rows"], certificate["excluded"]["reasons"]
        gone = {reason: counts[name] for reason, counts in reasons.items() if counts[name]}
        rows = sum(gone.values())
        if rows > NOTED * (left + rows):
            told = ", ".join(f"{reason} {count:,}" for reason, count in gone.items())
            yield f"{rows / (left + rows):.1%} of the {name} rows are excluded ({told})"
        kept = certificate["duplicates"]["straddling"][name]
        if kept and certificate["duplicates"]["mode"] == "keep":
            yield (
                f"{kept:,} of {left:,} {name} rows have the features of a row on an earlier "
                "side, and stay by split.duplicates: keep"
            )


def _time(snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray) -> dict[str, Any]:
    column = spec.source.timestamp or ""
    first, last = dict[str, int](), dict[str, int]()
    for batch, sides in _blocks(snapshot, [column], assignment):
        known = batch.column(0).is_valid()
        moments = micros(batch.column(0).filter(known), column)
        side_of = sides[known.to_numpy(zero_copy_only=False)]
        for name, code in SIDES.items():
            here = moments[side_of == code]
            if here.size:
                first[name] = min(first.get(name, here[0]), here.min())
                last[name] = max(last.get(name, here[0]), here.max())
    ranges = {name: {"first": iso(first[name]), "last": iso(last[name])} for name in first}
    return {"column": column, "ranges": ranges, **_borders(spec)}


def _borders(spec: PipelineSpec) -> dict[str, str]:
    """First moments of val and test, and the moments that train and val end before."""
    split = spec.split
    if not isinstance(split, TemporalSplit):
        return {}
    val, test = moment_micros(split.val_from), moment_micros(split.test_from)
    gap = split.gap // timedelta(microseconds=1)
    ends = {"train_before": val - gap, "val_before": test - gap}
    return {name: iso(at) for name, at in {"val_from": val, "test_from": test, **ends}.items()}


def _blocks(
    snapshot: Snapshot, columns: Sequence[str], assignment: np.ndarray
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    start = 0
    for batch in snapshot.batches(columns):
        yield batch, assignment[start : start + batch.num_rows]
        start += batch.num_rows


def _coverage(certificate: Certificate) -> Iterator[str]:
    sides, excluded = certificate["sides"], certificate["excluded"]
    assigned = sum(side["rows"] for side in sides.values()) + excluded["rows"]
    if assigned != certificate["rows"]:
        yield f"{assigned:,} rows are assigned, but the snapshot has {certificate['rows']:,}"
    explained = sum(sum(counts.values()) for counts in excluded["reasons"].values())
    if excluded["reasons"] and explained != excluded["rows"]:
        yield f"{excluded['rows']:,} rows are excluded, but reasons are given for {explained:,}"
    for name, wrong in shortcomings(sides):
        yield f"{name} is {wrong}: {counted(sides[name])}"


def _straddling(certificate: Certificate) -> Iterator[str]:
    groups = certificate["groups"]
    if groups and groups["straddling"]:
        yield (
            f"{groups['straddling']:,} of {groups['count']:,} groups by {groups['column']!r} "
            "have rows on more than one side"
        )


def _repeating(certificate: Certificate) -> Iterator[str]:
    duplicates = certificate["duplicates"]
    for name, rows in duplicates["straddling"].items():
        if rows and duplicates["mode"] != "keep":
            yield (
                f"{rows:,} {name} rows repeat a row on an earlier side in all "
                f"{duplicates['columns']} features ({duplicates['mode']})"
            )


def _disorder(certificate: Certificate) -> Iterator[str]:
    time = certificate["time"]
    if certificate["policy"]["policy"] != "temporal":
        return
    ranges = time["ranges"]
    for earlier, later in pairwise(SIDES):
        end, begin = time[f"{earlier}_before"], time[f"{later}_from"]
        if earlier in ranges and parsed(ranges[earlier]["last"]) >= parsed(end):
            yield f"{earlier} has a row of {ranges[earlier]['last']}, not before {end}"
        if later in ranges and parsed(ranges[later]["first"]) < parsed(begin):
            yield f"{later} has a row of {ranges[later]['first']}, before {begin}"
