"""The rows of a JSON request: `{"rows": [{"age": 43, "city": "Bonn"}, …]}`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import pyarrow as pa
from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    create_model,
    with_config,
)
from typing_extensions import TypedDict

from plumbline.release.manifest import Input
from plumbline.serving import row_errors
from plumbline.serving.fields import json_type
from plumbline.serving.problems import Refused, too_many_rows

CLOSED: ConfigDict = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A field of a row."""

    name: str
    one: Input
    kind: pa.DataType
    width: int = 0
    """Elements, of an array that comes whole (count)."""

    @property
    def declared(self) -> Any:
        """Its type for pydantic, which knows it under its own name."""
        known: Any = json_type(self.one, self.kind) | None
        if self.width:
            size: Any = Field(min_length=self.width, max_length=self.width)
            whole: Any = Annotated[list[known], size]
            known = whole | None
        return Annotated[known, Field(description=self.one.postgres_type + "[]" * bool(self.width))]

    def of(self, rows: list[Any]) -> pa.Array:
        """The column of validated rows."""
        kind = pa.list_(self.kind) if self.width else self.kind
        return pa.array([row[self.name] for row in rows], kind)


class _Form:
    """One way to write a row: every column is a field, and nothing else is."""

    def __init__(self, title: str, columns: Sequence[_Column], max_rows: int) -> None:
        self._columns = columns
        # Of a dict, since a column's name need not be one that an attribute may have.
        made: Any = TypedDict
        row = with_config(CLOSED)(made(title, {one.name: one.declared for one in columns}))
        rows: Any = Annotated[list[row], FailFast(), Field(max_length=max_rows)]
        self.request: Any = create_model(f"{title}s", __config__=CLOSED, rows=(rows, ...))

    def batch(self, body: bytes | bytearray) -> pa.RecordBatch:
        rows = self.request.model_validate_json(body).rows
        return pa.RecordBatch.from_pydict({one.name: one.of(rows) for one in self._columns})


class JsonRows:
    """Reads bodies into record batches. Arrays come by their elements, or all of them whole."""

    def __init__(self, inputs: Sequence[Input], schema: pa.Schema, max_rows: int) -> None:
        self._max_rows = max_rows
        self._arrays = {one.element.array for one in inputs if one.element}
        plain = [
            _Column(name=one.name, one=one, kind=schema.field(one.name).type) for one in inputs
        ]
        self._forms = [_Form("Row", plain, max_rows)]
        if self._arrays:
            self._forms.append(_Form("RowWithArrays", list(_whole(plain)), max_rows))

    @property
    def requests(self) -> list[type[BaseModel]]:
        """The models of a body, of which one must fit."""
        return [form.request for form in self._forms]

    def read(self, body: bytes | bytearray) -> pa.RecordBatch:
        """The rows as columns.

        Raises:
            Refused: 400 where the body is no JSON, 413 where it has too many rows, 422 naming
                the fields that are missing, unknown or of another type in the first row that
                has any.
        """
        try:
            return self._forms[0].batch(body)
        except ValidationError as error:
            if not self._arrays & set(row_errors.unknown(error)):
                raise self._refused(error) from None
        try:
            return self._forms[1].batch(body)
        except ValidationError as error:
            raise self._refused(error) from None

    def _refused(self, error: ValidationError) -> Refused:
        first = row_errors.listed(error)[0]
        if first["type"] == "json_invalid":
            return Refused(
                HTTPStatus.BAD_REQUEST,
                first["msg"],
                expected='{"rows": [{…}, …]} in UTF-8',
                remedy="send JSON",
            )
        if first["type"] == "too_long" and len(first["loc"]) == 1:
            return too_many_rows(self._max_rows)
        return row_errors.refused(error)


def _whole(columns: Sequence[_Column]) -> Iterator[_Column]:
    """The columns, each array in place of its first element."""
    seen = set()
    for column in columns:
        element = column.one.element
        if element is None:
            yield column
        elif element.array not in seen:
            seen.add(element.array)
            yield _Column(name=element.array, one=column.one, kind=column.kind, width=element.width)
