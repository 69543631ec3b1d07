"""Parts of the test rows: what they are called, which rows they are, how candidates do there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.errors import SpecError
from plumbline.evaluation.comparison import NETWORK, gain
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import holm
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.normalization.columns import number, texts
from plumbline.spec.metrics import MetricName
from plumbline.split.rows import Rows, ValRows

MOST = 50
"""Values of a column that are slices: the commonest of the test rows; the others are one (count).
"""

LEAST_GROUPS = 10
"""Groups of a slice at least, where rows come in groups: a bootstrap of fewer says too little."""

_PARTS = (0.25, 0.5, 0.75)
_NUMBERS = frozenset({"int16", "int32", "int64", "float", "double"})
_TEXTS = frozenset({"string", "large_string", "bool"})


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some of the rows of one side."""

    name: str
    declared: bool
    """Whether it is of a declared column, or a weak segment that was found."""
    rows: np.ndarray
    """Which they are: boolean, shape (rows of the side,)."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a declared column is cut into slices; fixed on the validation rows."""

    column: str
    edges: tuple[float, ...] | None
    """Quarters of the numbers of the validation rows. None: every value is a slice."""

    @classmethod
    def of(cls, val: ValRows, column: str, kinds: Mapping[str, str]) -> "Cut":
        """kinds: `source.kinds`, by which a number may be a category.

        Raises:
            SpecError: the column's type has neither values nor quarters.
        """
        if not _is_number(_sliceable(val.snapshot, column)) or kinds.get(column) == "category":
            return cls(column=column, edges=None)
        values = np.concatenate([number(one, column) for one in val.batches([column])])
        known = values[np.isfinite(values)]
        edges = np.unique(np.quantile(known, _PARTS)) if len(known) else []
        return cls(column=column, edges=tuple(map(float, edges)))

    def slices(self, test: Rows, least: int) -> Iterator[Slice]:
        """Of the test rows, each in one of them; rows without a value are a slice, too.

        least: values with fewer rows than this (count) are one slice together.
        """
        blocks = list(test.batches([self.column]))
        by_value = self.edges is None
        for name, rows in self._by_value(blocks, least) if by_value else self._by_part(blocks):
            yield Slice(name=name, declared=True, rows=rows)

    def _by_part(self, blocks: Sequence[pa.RecordBatch]) -> Iterator[tuple[str, np.ndarray]]:
        values = np.concatenate([number(one, self.column) for one in blocks])
        edges, missing = np.asarray(self.edges), np.isnan(values)
        codes = np.where(missing, -1, np.searchsorted(edges, values))
        for code, name in enumerate(_between(self.column, self.edges or ())):
            yield name, codes == code
        yield f"{self.column} is NULL", missing

    def _by_value(
        self, blocks: Sequence[pa.RecordBatch], least: int
    ) -> Iterator[tuple[str, np.ndarray]]:
        encoded: Any = pa.chunked_array([texts(one, self.column) for one in blocks])
        encoded = encoded.combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy()
        values, missing = encoded.dictionary.to_pylist(), codes < 0
        rows = np.bincount(codes[~missing], minlength=len(values))
        common = [one for one in np.argsort(-rows, kind="stable")[:MOST] if rows[one] >= least]
        for code in common:
            yield f"{self.column} = {_short(values[code])}", codes == code
        rarer = len(values) - len(common)
        yield f"{self.column}: {rarer} rarer value(s)", ~missing & ~np.isin(codes, common)
        yield f"{self.column} is NULL", missing


def measured(
    test: Side, slices: Sequence[Slice], name: MetricName, baseline: str, least: int
) -> dict[str, Any]:
    """Every candidate on each slice with enough rows, and whether the network is worse there.

    Returns measured: of each slice its name, declared, rows, groups, candidates ({kind:
    {value, low, high}}), difference of the network from `baseline` (more is better for it),
    p_value of the hypothesis that it is no worse, and holm, the same for as many slices as are
    tested; and left_out: {slice, rows, why} of the others.
    """
    found, left_out = [], []
    for one in slices:
        count = int(one.rows.sum())
        side = test.among(one.rows, name) if count >= least else None
        why = _why_not(side, count, name, least)
        if why is None and side is not None:
            found.append({"slice": one.name, "declared": one.declared, "rows": count,
                          **_of(side, name, baseline)})  # fmt: skip
        elif count:
            left_out.append({"slice": one.name, "rows": count, "why": why})
    tested = [one for one in found if one["p_value"] is not None]
    for one, adjusted in zip(tested, holm([one["p_value"] for one in tested]), strict=True):
        one["holm"] = adjusted
    return {"tested": len(tested), "measured": found, "left_out": left_out}


def _of(side: Side, name: MetricName, baseline: str) -> dict[str, Any]:
    values = {kind: asdict(metrics[name]) for kind, metrics in side.intervals().items()}
    told = {"groups": side.group_count, "candidates": values, "holm": None}
    if NETWORK not in side.scores:
        return {**told, "difference": None, "p_value": None}
    # Of the network that is released, as it is: what another seed would do helps nobody there.
    apart = gain(side, baseline, name)
    ends = asdict(apart.interval(side.options.confidence))
    return {**told, "difference": ends, "p_value": apart.p_worse()}


def _why_not(side: Side | None, count: int, name: MetricName, least: int) -> str | None:
    """Why a slice is not measured; None where it is."""
    if count < least:
        return f"fewer than {least:,} rows"
    if side is None:
        return "rows of one label only"
    if side.groups is not None and side.units < LEAST_GROUPS:
        return f"fewer than {LEAST_GROUPS} groups"
    if not all(name in metrics for metrics in side.intervals().values()):
        return f"{name} is not defined there"
    return None


def _between(column: str, edges: Sequence[float]) -> Iterator[str]:
    """Names of what lies between edges, each with its upper one."""
    told = [f"{edge:.6g}" for edge in edges]
    if not told:
        return
    yield f"{column} ≤ {told[0]}"
    for low, high in pairwise(told):
        yield f"{low} < {column} ≤ {high}"
    yield f"{column} > {told[-1]}"


def _sliceable(snapshot: Snapshot, column: str) -> Column:
    found = next((one for one in snapshot.columns if one.name == column), None)
    if found is None:
        raise SpecError(
            f"verdict.slices names {column!r}, which is not in the extract",
            expected=f"columns among {', '.join(one.name for one in snapshot.columns)}",
            remedy="select the column in the SQL or correct its name in defs.yaml",
            column=column,
        )
    if not _is_number(found) and found.arrow_type not in _TEXTS:
        raise SpecError(
            f"verdict.slices names {column!r}, whose type is {found.postgres_type}",
            expected="a column of numbers, text or booleans",
            remedy="derive one in the SQL, such as a weekday of a moment, and drop it as a feature",
            column=column,
        )
    return found


def _is_number(column: Column) -> bool:
    return column.postgres_type == "numeric" or column.arrow_type in _NUMBERS


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"
