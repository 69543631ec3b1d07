"""Rows of a CSV file, typed by a bundle's schema instead of by guessing.

As PostgreSQL's COPY reads CSV: nothing between two commas is NULL, `""` is the empty string.
A number is NULL for both. No other word means NULL: 'NA', 'None' and 'nan' are text.
"""

import csv
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from plumbline.release.raw import Fault, misfits
from plumbline.scoring.blocks import Block, Position, regrouped
from plumbline.scoring.rejects import Rejected

BLOCK_BYTES = 1 << 20
"""Bytes parsed at a time."""

MOST_BROKEN = 100_000
"""Lines in a row that may have another number of values than the header: with as many, the
header or the delimiter is wrong, not the rows (count)."""

TRUE, FALSE = ("t", "true", "1"), ("f", "false", "0")
"""Spellings of a boolean, in lower case: PostgreSQL's, pandas' and numbers."""


def blocks(path: Path, schema: pa.Schema, rows: int, after: int = 0) -> Iterator[Block]:
    """The file's rows after the first `after`, `rows` at most at a time; blank lines are none.

    Columns outside `schema` are text. A value that is not of its type is a fault, a line with
    too many or too few values is broken.

    Raises:
        pa.ArrowInvalid: the file is empty or not CSV in UTF-8.
    """
    broken: deque[Rejected] = deque()
    for numbered in regrouped(_numbered(path, broken, after), rows):
        numbers = np.asarray(numbered.columns[-1])
        kept = numbered.select(list(range(numbered.num_columns - 1)))
        yield _block(kept, numbers, schema, _before(broken, int(numbers[-1])))
    if left := tuple(one for one in broken if one.row > after):
        none = pa.RecordBatch.from_pylist([], header(path, pa.schema([])))
        yield _block(none, np.arange(0), schema, left)


def names(path: Path) -> list[str]:
    """The file's header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(filter(None, csv.reader(file)), [])


def header(path: Path, schema: pa.Schema) -> pa.Schema:
    """Names and types of what `blocks` yields."""
    types = {name: schema.field(name).type for name in schema.names}
    return pa.schema([pa.field(name, types.get(name, pa.string())) for name in names(path)])


def place(path: Path, row: int) -> str:
    """`line 7` for the row counted from 1; found by reading the file once more."""
    try:
        return f"line {next(islice(_lines(path), row, None))}"
    except (csv.Error, StopIteration):
        return f"row {row}"


def _numbered(path: Path, broken: deque[Rejected], after: int) -> Iterator[pa.RecordBatch]:
    """The rows as text, each with its number in a last column; `broken` gets what is none.

    Of what is broken, all that stands before a row is there when the row is yielded.
    """
    columns, last = names(path), 0
    as_text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )

    def skip(row: Any) -> str:
        # Arrow counts the header as the first row.
        if len(broken) >= MOST_BROKEN:
            return "error"
        broken.append(_broken(row))
        return "skip"

    with _reader(path, as_text, skip) as reader:
        for block in reader:
            numbers = _numbers(block.num_rows, last, [one.row for one in broken])
            last = int(numbers[-1]) if len(numbers) else last
            _before(broken, min(after, last) + 1)
            new = int(np.searchsorted(numbers, after, side="right"))
            numbered = block.append_column("", pa.array(numbers))
            if new < len(numbers):
                yield numbered.slice(new)


def _numbers(count: int, last: int, broken: list[int]) -> np.ndarray:
    """Numbers of the next rows after `last`, those of broken lines left out."""
    later = [number for number in broken if number > last]
    candidates = np.arange(last + 1, last + 1 + count + len(later))
    return np.setdiff1d(candidates, later)[:count]


def _before(broken: deque[Rejected], row: int) -> tuple[Rejected, ...]:
    """Takes out what stands before a row."""
    found = []
    while broken and broken[0].row < row:
        found.append(broken.popleft())
    return tuple(found)


def _broken(row: Any) -> Rejected:
    return Rejected(
        row=row.number - 1,
        column=None,
        reason=f"the line has {row.actual_columns} values, its header {row.expected_columns}",
        values=next(csv.reader([row.text]), []),
    )


def _reader(path: Path, convert: Any, skip: Any) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        path,
        # With threads, Arrow does not say which row is broken.
        read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=convert,
    )


def _block(
    texts: pa.RecordBatch, numbers: np.ndarray, schema: pa.Schema, broken: tuple[Rejected, ...]
) -> Block:
    columns, faults = {}, dict[int, Fault]()
    for name, values in zip(texts.schema.names, texts.columns, strict=True):
        wanted = schema.field(name).type if name in schema.names else pa.string()
        columns[name], wrong = _parsed(values, wanted)
        for at in wrong:
            written = f"{values[at].as_py()!r} is not {wanted}"
            faults.setdefault(at, Fault(name, written))
    ends = [*numbers[-1:].tolist(), *(one.row for one in broken)]
    return Block(
        rows=pa.RecordBatch.from_pydict(columns),
        numbers=numbers,
        end=Position(max(ends)),
        faults=faults,
        texts=texts,
        broken=broken,
    )


def _parsed(values: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values in their type, and the places of those that are not of it: NULL there."""
    if wanted == values.type:
        return values, []
    spelled = _spelled(values, wanted)
    wrong = misfits(spelled, wanted)
    if wrong:
        sound = np.ones(len(values), dtype=bool)
        sound[wrong] = False
        spelled = pc.if_else(pa.array(sound), spelled, pa.scalar(None, spelled.type))
    return spelled.cast(wanted), wrong


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


def _lines(path: Path) -> Iterator[int]:
    """Number of the last line of each row that is not empty."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for values in reader:
            if values:
                yield reader.line_num
