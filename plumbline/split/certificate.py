"""What a split can be held to: counts, label rates, groups and order in time, recounted."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.errors import SplitError
from plumbline.extract import labels
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import ColumnSplit, HashSplit, PipelineSpec, StratifiedSplit, TemporalSplit
from plumbline.split.keys import canonical, derived_key, hash64, joined
from plumbline.split.policies import SIDES, require_columns
from plumbline.split.times import iso, micros, moment_micros, parsed
from plumbline.versions import fingerprint

CONFIDENCE = 0.95

Certificate = dict[str, Any]


def certify(snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray) -> Certificate:
    """The certificate of an assignment, as JSON types.

    Everything is counted from the snapshot and the assignment again, not taken over from
    the policy that made it.
    """
    source = spec.source
    present = (*source.key, source.label, source.group, source.timestamp)
    require_columns(snapshot, spec, [name for name in present if name])
    return {
        "policy": spec.split.model_dump(mode="json"),
        "key": list(source.key),
        "dataset": {
            "pipeline": snapshot.pipeline,
            "dataset_version": snapshot.dataset_version,
            "digest": snapshot.digest,
        },
        "rows": snapshot.rows,
        "confidence": CONFIDENCE,
        "sides": _sides(snapshot, spec, assignment),
        "time": _time(snapshot, spec, assignment) if source.timestamp else None,
        "groups": _groups(snapshot, source.group, assignment) if source.group else None,
        "assignment_digest": assignment_digest(snapshot, source.key, assignment),
    }


def problems(certificate: Certificate) -> tuple[str, ...]:
    """What a certificate says against its split; empty for a sound one."""
    return (*_coverage(certificate), *_straddling(certificate), *_disorder(certificate))


def require_both_labels(certificate: Certificate, spec: PipelineSpec) -> None:
    """Raises SplitError, with all counts, when a side is empty or has one label only."""
    bad = [name for name, side in certificate["sides"].items() if not _has_both(side)]
    if bad:
        counts = {
            name: {"rows": side["rows"], "positives": side["positives"]}
            for name, side in certificate["sides"].items()
        }
        told = ", ".join(
            f"{name} {count['rows']:,} rows of which {count['positives']:,} positive"
            for name, count in counts.items()
        )
        policy = certificate["policy"]["policy"]
        raise SplitError(
            f"policy {policy!r} leaves {', '.join(bad)} empty or with one label only ({told})",
            expected="rows of both labels in train, val and test",
            remedy=_remedy(certificate, spec),
            counts=counts,
        )


def assignment_digest(snapshot: Snapshot, key: Sequence[str], assignment: np.ndarray) -> str:
    """Fingerprint of the map from key to side, in the snapshot's order.

    Depends on values alone: neither on Parquet's encoding nor on how rows are batched.
    """
    keys = hashlib.sha256()
    for batch in snapshot.batches(key):
        keys.update(joined(canonical(batch, key)))
    sides = hashlib.sha256(np.ascontiguousarray(assignment, dtype=np.int8).data)
    return fingerprint(columns=list(key), keys=keys.hexdigest(), sides=sides.hexdigest())


def wilson(positives: int, rows: int, confidence: float) -> dict[str, float]:
    """A proportion with its score interval: value, low, high.

    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = positives / rows
    shrink = 1 + z * z / rows
    middle = (rate + z * z / (2 * rows)) / shrink
    reach = z * sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows)) / shrink
    return {"value": rate, "low": max(0.0, middle - reach), "high": min(1.0, middle + reach)}


def _sides(snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray) -> dict[str, Any]:
    rows = np.zeros(len(SIDES), dtype=np.int64)
    positives = np.zeros(len(SIDES), dtype=np.int64)
    for batch, sides in _blocks(snapshot, [spec.source.label], assignment):
        label = labels.encode(batch.column(0), spec.source.positive_label)
        rows += np.bincount(sides, minlength=len(SIDES))
        positives += np.bincount(sides[label == 1], minlength=len(SIDES))
    return {
        name: _side(int(rows[code]), int(positives[code]), snapshot.rows)
        for name, code in SIDES.items()
    }


def _side(rows: int, positives: int, total: int) -> dict[str, Any]:
    return {
        "rows": rows,
        "share": rows / total,
        "positives": positives,
        "label_rate": wilson(positives, rows, CONFIDENCE) if rows else None,
    }


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
    split = spec.split
    if not isinstance(split, TemporalSplit):
        return {}
    return {name: iso(moment_micros(getattr(split, name))) for name in ("val_from", "test_from")}


def _groups(snapshot: Snapshot, column: str, assignment: np.ndarray) -> dict[str, Any]:
    # A hash of its own: the split's would repeat the split's mistakes.
    key = derived_key("group recount", 0)
    seen: dict[int, list[np.ndarray]] = {code: [] for code in SIDES.values()}
    for batch, sides in _blocks(snapshot, [column], assignment):
        encoded = canonical(batch, [column]).dictionary_encode()
        hashes = hash64(encoded.dictionary, key)[encoded.indices.to_numpy()]
        for code, parts in seen.items():
            parts.append(np.unique(hashes[sides == code]))
    distinct = [np.unique(np.concatenate(parts)) for parts in seen.values()]
    _, sides_of_group = np.unique(np.concatenate(distinct), return_counts=True)
    return {
        "column": column,
        "count": len(sides_of_group),
        "straddling": int(np.count_nonzero(sides_of_group > 1)),
    }


def _blocks(
    snapshot: Snapshot, columns: Sequence[str], assignment: np.ndarray
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    start = 0
    for batch in snapshot.batches(columns):
        yield batch, assignment[start : start + batch.num_rows]
        start += batch.num_rows


def _coverage(certificate: Certificate) -> Iterator[str]:
    sides = certificate["sides"]
    assigned = sum(side["rows"] for side in sides.values())
    if assigned != certificate["rows"]:
        yield f"{assigned:,} rows are assigned, but the snapshot has {certificate['rows']:,}"
    for name, side in sides.items():
        if not _has_both(side):
            yield f"{name} has {side['rows']:,} rows, {side['positives']:,} of them positive"


def _straddling(certificate: Certificate) -> Iterator[str]:
    groups = certificate["groups"]
    if groups and groups["straddling"]:
        yield (
            f"{groups['straddling']:,} of {groups['count']:,} groups by {groups['column']!r} "
            "have rows on more than one side"
        )


def _disorder(certificate: Certificate) -> Iterator[str]:
    time = certificate["time"]
    if certificate["policy"]["policy"] != "temporal":
        return
    ranges = time["ranges"]
    for (earlier, later), border in zip(
        pairwise(SIDES), (time["val_from"], time["test_from"]), strict=True
    ):
        if earlier in ranges and parsed(ranges[earlier]["last"]) >= parsed(border):
            yield f"{earlier} has a row of {ranges[earlier]['last']}, not before {border}"
        if later in ranges and parsed(ranges[later]["first"]) < parsed(border):
            yield f"{later} has a row of {ranges[later]['first']}, before {border}"


def _has_both(side: dict[str, Any]) -> bool:
    return 0 < side["positives"] < side["rows"]


def _remedy(certificate: Certificate, spec: PipelineSpec) -> str:
    more = f"select more rows in {spec.source.sql}"
    match spec.split:
        case HashSplit() if spec.source.group:
            return f"raise split.val and split.test, {more}, or split by a finer source.group"
        case HashSplit():
            return f"choose split.policy 'stratified', raise split.val and split.test, or {more}"
        case StratifiedSplit():
            return f"raise split.val and split.test, or {more} of the rarer label"
        case TemporalSplit():
            ranges = certificate["time"]["ranges"].values()
            first, last = min(r["first"] for r in ranges), max(r["last"] for r in ranges)
            return (
                f"move split.val_from and split.test_from within {first} to {last}, where the "
                f"rows are, or {more}"
            )
        case ColumnSplit(column=column):
            return f"correct the values of {column!r} in {spec.source.sql}"
