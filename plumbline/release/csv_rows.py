"""Rows of a CSV file, typed by a bundle's schema instead of by guessing.

As PostgreSQL's COPY reads CSV: nothing between two commas is NULL, `""` is the empty string.
A number is NULL for both. No other word means NULL: 'NA', 'None' and 'nan' are text.
"""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from plumbline.errors import BundleError
from plumbline.release.raw import first_misfit

BLOCK_BYTES = 1 << 20
"""Bytes parsed at a time. Arrow reads some thirty blocks ahead."""

TRUE, FALSE = ("t", "true", "1"), ("f", "false", "0")
"""Spellings of a boolean, in lower case: PostgreSQL's, pandas' and numbers."""


def batches(path: Path, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """The file's rows, `rows` at most at a time; columns outside `schema` are text.

    Raises:
        BundleError: a line has too many or too few values, or a value is not of its type.
        pa.ArrowInvalid: the file is empty or not CSV in UTF-8.
    """
    done = 0
    for text in _gathered(_text(path), rows):
        yield _typed(text, schema, path, done)
        done += text.num_rows


def names(path: Path) -> list[str]:
    """The file's header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(filter(None, csv.reader(file)), [])


def header(path: Path, schema: pa.Schema) -> pa.Schema:
    """Names and types of what `batches` yields."""
    types = {name: schema.field(name).type for name in schema.names}
    return pa.schema([pa.field(name, types.get(name, pa.string())) for name in names(path)])


def _text(path: Path) -> Iterator[pa.RecordBatch]:
    as_written = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names(path), pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        with _reader(path, as_written) as reader:
            yield from reader
    except pa.ArrowInvalid:
        _require_even(path)
        raise


def _gathered(blocks: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, `rows` at a time; fewer only at the end."""
    held: list[pa.RecordBatch] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= rows:
            table = pa.Table.from_batches(held)
            whole = len(table) // rows * rows
            yield from table[:whole].combine_chunks().to_batches(max_chunksize=rows)
            held = table[whole:].to_batches()
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _reader(
    path: Path, convert: arrow_csv.ConvertOptions | None = None
) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


def _typed(text: pa.RecordBatch, schema: pa.Schema, path: Path, done: int) -> pa.RecordBatch:
    columns = {}
    for name, values in zip(text.schema.names, text.columns, strict=True):
        wanted = schema.field(name).type if name in schema.names else pa.string()
        columns[name] = _parsed(values, wanted, name, path, done)
    return pa.RecordBatch.from_pydict(columns)


def _parsed(values: pa.Array, wanted: pa.DataType, name: str, path: Path, done: int) -> pa.Array:
    if wanted == values.type:
        return values
    spelled = _spelled(values, wanted)
    try:
        return spelled.cast(wanted)
    except pa.ArrowInvalid as error:
        row = first_misfit(spelled, wanted)
        raise BundleError(
            f"{path}{_place(path, done + row)}, column {name!r}: {values[row].as_py()!r} is not "
            f"{wanted}",
            expected=f"{wanted}, or nothing for NULL",
            remedy="correct the value in the file",
            column=name,
            row=done + row + 1,
        ) from error


def _spelled(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The same values in the spelling that Arrow's casts read."""
    if pa.types.is_string(wanted) or pa.types.is_large_string(wanted):
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    spelled = pc.if_else(pc.equal(trimmed, pa.scalar("")), None, trimmed)
    if pa.types.is_integer(wanted):
        # pandas writes a whole number as 12.0 when another row of its column is NULL.
        return pc.replace_substring_regex(spelled, r"^\+?(-?\d+)(\.0*)?$", r"\1")
    if pa.types.is_boolean(wanted):
        lower = pc.utf8_lower(spelled)
        true, false = (pc.is_in(lower, pa.array(words)) for words in (TRUE, FALSE))
        return pc.if_else(true, "true", pc.if_else(false, "false", spelled))
    return spelled


def _place(path: Path, row: int) -> str:
    """`, line 7` for the data row counted from 0; found by reading the file once more."""
    try:
        return f", line {next(islice(_lines(path), row + 1, None))[0]}"
    except (csv.Error, StopIteration):
        return f", row {row + 1}"


def _require_even(path: Path) -> None:
    """Refuse the first line whose values are not as many as the header's."""
    lines = _lines(path)
    names = next(lines, (0, 0))[1]
    for line, values in lines:
        if values != names:
            raise BundleError(
                f"{path}, line {line} has {values} values",
                expected=f"{names}, as in its header",
                remedy='put values that hold a comma, a quote or a line break between "quotes"',
                line=line,
            )


def _lines(path: Path) -> Iterator[tuple[int, int]]:
    """Number of the last line, and count of values, of each row that is not empty."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for values in reader:
            if values:
                yield reader.line_num, len(values)
