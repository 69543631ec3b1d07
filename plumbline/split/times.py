"""When rows happened, as microseconds of UTC."""

import datetime as dt

import numpy as np
import pyarrow as pa

from plumbline.errors import SplitError
from plumbline.spec import utc

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def micros(values: pa.Array, column: str) -> np.ndarray:
    """Dates and timestamps without NULLs as int64 microseconds since 1970, UTC, shape (n,).

    A timestamp without time zone is read as UTC, a date as its midnight in UTC.

    Raises:
        SplitError: the column holds neither dates nor timestamps.
    """
    kind = values.type
    if pa.types.is_date(kind):
        values = values.cast(pa.timestamp("us"))
    elif pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    else:
        raise SplitError(
            f"column {column!r} has the type {kind}",
            expected="a date or a timestamp",
            remedy=f"cast {column!r} to timestamptz in the SQL, or correct source.timestamp",
            column=column,
        )
    return values.cast(pa.int64()).to_numpy(zero_copy_only=False)


def moment_micros(moment: dt.date) -> int:
    """A declared moment on the same scale."""
    return (utc(moment) - _EPOCH) // dt.timedelta(microseconds=1)


def iso(moment: int) -> str:
    """Microseconds since 1970 in ISO format, with the Z of UTC."""
    return f"{np.datetime64(int(moment), 'us')}Z"


def parsed(text: str) -> np.datetime64:
    """What `iso` wrote."""
    return np.datetime64(text.removesuffix("Z"), "us")
