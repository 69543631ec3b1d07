"""Dates and timestamps that cannot be."""

import datetime as dt
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile

EARLIEST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
"""A moment before is more likely an error, or a way to say that there is none."""


def moments(evidence: Evidence) -> Iterator[Finding]:
    """Moments before 1900, or after the rows were read."""
    frozen = evidence.frozen_at.astimezone(dt.UTC)
    for column in evidence.profile.columns:
        if column.kind != "moment":
            continue
        # A day of slack: a column without a time zone may be ahead of UTC.
        latest = frozen + dt.timedelta(days=1)
        yield from _outside(evidence, column, EARLIEST, early=True)
        yield from _outside(evidence, column, latest, early=False)


def _outside(
    evidence: Evidence, column: ColumnProfile, border: dt.datetime, *, early: bool
) -> Iterator[Finding]:
    compare = pc.less if early else pc.greater
    seen = evidence.count(
        [column.name], lambda block: compare(block.column(0), like(border, block.column(0).type))
    )
    if not seen.total:
        return
    told = "before 1900" if early else "after the rows were read"
    end = column.low if early else column.high
    yield Finding(
        check="moments",
        severity="WARN",
        column=column.name,
        count=seen.total,
        message=f"{column.name!r} lies {told} in {seen.total:,} rows; the "
        f"{'earliest' if early else 'latest'} is {end}",
        remedy=f"select nullif({column.name}, ...) for what stands for no date, or filter these "
        f"rows; accept moments.{column.name} if such moments are meant",
        threshold=f"{'not before' if early else 'not after'} {border:%Y-%m-%d}",
        rows=seen.rows,
    )


def like(moment: dt.datetime, kind: pa.DataType) -> pa.Scalar:
    """A moment of UTC as a scalar that values of a date or timestamp type compare with."""
    if pa.types.is_date(kind):
        return pa.scalar(moment.date(), kind)
    aware = pa.types.is_timestamp(kind) and kind.tz is not None
    return pa.scalar(moment if aware else moment.replace(tzinfo=None), kind)
