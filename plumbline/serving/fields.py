"""What JSON may say of a column: its own type, strictly, or null."""

import datetime as dt
import re
from base64 import b64decode
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any

import pyarrow as pa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    NaiveDatetime,
    PlainValidator,
    Strict,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from plumbline.release.manifest import Input

NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
"""Text that says an exact number."""
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_FLOAT32_MOST = 3.4028234663852886e38
_NUMBER = re.compile(NUMBER)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def _iso(value: Any) -> str:
    """Text alone: pydantic would take numbers as seconds, and cut digits off."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return value
    raise ValueError("input should be like 2024-01-31T12:30:00.123456, with a zone if it has one")


def _in_utc(moment: dt.datetime) -> dt.datetime:
    # Before Arrow sees it: PYARROW_IGNORE_TIMEZONE, which other packages set, drops its zone.
    return moment.astimezone(dt.UTC)


_AWARE = Annotated[AwareDatetime, BeforeValidator(_iso), AfterValidator(_in_utc)]
_NAIVE = Annotated[NaiveDatetime, BeforeValidator(_iso)]


def json_type(one: Input, kind: pa.DataType) -> Any:
    """The pydantic type of a column that is `kind` in the snapshot, with its JSON Schema."""
    types = pa.types
    if is_exact(one, kind):
        schema = {"type": ["number", "string"], "pattern": NUMBER}
        return Annotated[str, PlainValidator(_exact), WithJsonSchema(schema)]
    if types.is_integer(kind):
        return _integer(kind.bit_width)
    if types.is_floating(kind):
        return _number(kind.bit_width)
    if types.is_timestamp(kind):
        return _AWARE if kind.tz else _NAIVE
    known = {
        types.is_boolean: StrictBool,
        types.is_string: StrictStr,
        types.is_date: Annotated[dt.date, Strict()],
        types.is_binary: Annotated[bytes, PlainValidator(_decoded), WithJsonSchema(_BASE64)],
    }
    return next(found for fits, found in known.items() if fits(kind))


def is_exact(one: Input, kind: pa.DataType) -> bool:
    """Whether the column's numbers are text in the snapshot."""
    return one.postgres_type == "numeric" and pa.types.is_string(kind)


def _integer(bits: int) -> Any:
    most = 2 ** (bits - 1) - 1
    whole = Annotated[StrictFloat, AfterValidator(_whole)]
    schema = {"type": "integer", "minimum": -most - 1, "maximum": most}
    return Annotated[StrictInt | whole, Field(ge=-most - 1, le=most), WithJsonSchema(schema)]


def _number(bits: int) -> Any:
    if bits == 64:
        return StrictFloat
    return Annotated[StrictFloat, Field(ge=-_FLOAT32_MOST, le=_FLOAT32_MOST)]


def _whole(value: float) -> int:
    # Clients without integers write 12.0; JSON Schema calls that an integer, too.
    if not value.is_integer():
        raise ValueError("not a whole number")
    return int(value)


def _exact(value: Any) -> str:
    """A number, or text that says one, as text; JSON's numbers have a float's digits."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return value
    if isinstance(value, float) and isfinite(value):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("input should be a number, or text that says one")


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("input should be text in base64")  # noqa: TRY004  # pydantic's contract
    return b64decode(value, validate=True)
