"""Which rows of a block can be scored, and what is wrong with the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.extract.images import faults as image_faults
from plumbline.normalization.columns import numbers
from plumbline.normalization.parameters import Normalization
from plumbline.release.arrays import misshapen
from plumbline.release.opened import Bundle
from plumbline.release.raw import Fault, misread
from plumbline.scoring.blocks import Block
from plumbline.scoring.rejects import Rejected, texts

Faults = Mapping[int, Fault]
"""The first fault of each row that has one, by its place."""

_MOST = np.finfo(np.float32).max


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A block's rows, divided."""

    rows: pa.RecordBatch
    """Those that were scored, as the source has them."""
    scores: np.ndarray
    """Calibrated: float64, shape (n,) or (n, classes or labels)."""
    rejected: list[Rejected]
    """The others, in the source's order."""


def judge(block: Block, bundle: Bundle, key: Sequence[str] = ()) -> Judged:
    """Score what can be scored. `key` names columns that must not be NULL.

    Raises:
        BundleError: the bundle refuses rows for no fault of a single one.
    """
    faults = {**_without_key(block.rows, key), **block.faults}
    try:
        places, scores = _scored(block.rows, faults, bundle)
    except BundleError:
        faults = faults | _among_others(block.rows, faults, bundle)
        places, scores = _scored(block.rows, faults, bundle)
    finite = np.isfinite(scores).all(axis=tuple(range(1, scores.ndim)))
    if not finite.all():
        told = "the model has no finite score for this row"
        faults = faults | {int(place): Fault("", told) for place in places[~finite]}
        places, scores = places[finite], scores[finite]
    kept = block.rows if len(places) == len(block.rows) else _taken(block.rows, places)
    return Judged(rows=kept, scores=scores, rejected=_rejected(block, faults, key))


def faults_of(rows: pa.RecordBatch, bundle: Bundle) -> dict[int, Fault]:
    """What is wrong with each row that `Bundle.score` would refuse."""
    for check in (_misshapen, _misread, _unfit):
        if found := check(rows, bundle):
            return found | _among_others(rows, found, bundle)
    return {}


def _among_others(rows: pa.RecordBatch, known: Faults, bundle: Bundle) -> dict[int, Fault]:
    """The faults of rows that have none yet."""
    others = _others(rows, known)
    found = faults_of(_taken(rows, others), bundle)
    return {int(others[place]): fault for place, fault in found.items()}


def _others(rows: pa.RecordBatch, known: Faults) -> np.ndarray:
    """Places of the rows without a fault: int64, ascending."""
    return np.setdiff1d(np.arange(rows.num_rows), list(known))


def _taken(rows: pa.RecordBatch, places: np.ndarray) -> pa.RecordBatch:
    return rows.take(pa.array(places, pa.int64()))


def _scored(rows: pa.RecordBatch, faults: Faults, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows without a fault, and their scores."""
    places = _others(rows, faults)
    return places, bundle.score(_taken(rows, places) if faults else rows)


def _without_key(rows: pa.RecordBatch, key: Sequence[str]) -> dict[int, Fault]:
    found: dict[int, Fault] = {}
    for name in key:
        missing = np.flatnonzero(np.asarray(rows.column(name).is_null()))
        for place in missing.tolist():
            found.setdefault(place, Fault(name, "the key is NULL"))
    return found


def _misshapen(rows: pa.RecordBatch, bundle: Bundle) -> dict[int, Fault]:
    wrong = misshapen(rows, bundle.manifest.inputs)
    told = "{} elements, not {} as in training"
    return {place: Fault(one, told.format(*widths)) for place, (one, *widths) in wrong.items()}


def _misread(rows: pa.RecordBatch, bundle: Bundle) -> dict[int, Fault]:
    return misread(rows, bundle.manifest.inputs, bundle.schema)


def _unfit(rows: pa.RecordBatch, bundle: Bundle) -> dict[int, Fault]:
    """Values of the right type that the model cannot read."""
    normalization, found = bundle.normalization, dict[int, Fault]()
    conformed = bundle.conformed(rows)
    for name, places, told in _unfit_numbers(conformed, normalization):
        for place in places.tolist():
            found.setdefault(place, Fault(name, told))
    for column in normalization.images:
        for place, fault in image_faults(conformed.column(column.name), column).items():
            found.setdefault(place, Fault(column.name, f"the image {fault.found}"))
    return found


def _unfit_numbers(
    rows: pa.RecordBatch, normalization: Normalization
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Column, places and fault of numbers that `transform` refuses."""
    names = normalization.number_columns
    raw = numbers(rows, names)
    for name, infinite in zip(names, np.isinf(raw), strict=True):
        yield name, np.flatnonzero(infinite), "an infinite number"
    if normalization.method == "quantile":
        return
    width = len(normalization.numeric)
    center, scale = normalization.numbers("center"), normalization.numbers("scale")
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (raw[:width] - center[:, None]) / scale[:, None]
    for name, far in zip(names, np.abs(scaled) > _MOST, strict=False):
        yield name, np.flatnonzero(far), "a number too far from the training rows for float32"


def _rejected(block: Block, faults: Faults, key: Sequence[str]) -> list[Rejected]:
    written = block.texts or block.rows
    rows = []
    for place, fault in faults.items():
        values = texts(written, place)
        rows.append(
            Rejected(
                row=int(block.numbers[place]),
                column=fault.column or None,
                reason=fault.found,
                values=values,
                key={name: values[name] for name in key} or None,
            )
        )
    return sorted([*rows, *block.broken], key=lambda one: one.row)
