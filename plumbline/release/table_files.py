"""Tables in files, Parquet or CSV by suffix: read in batches, written whole or not at all."""

import csv
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from plumbline.errors import BundleError
from plumbline.release import csv_rows
from plumbline.release.raw import is_bytes

Format = Literal["parquet", "csv"]
FORMATS: dict[str, Format] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}

Writer = pq.ParquetWriter | arrow_csv.CSVWriter


def format_of(path: Path) -> Format:
    """What a file's suffix says.

    Raises:
        BundleError: the suffix is none that can be read and written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BundleError(
            f"{path} has the suffix {suffix!r}",
            expected=f"one of {', '.join(FORMATS)}",
            remedy="name the file by its format, or convert it to Parquet or CSV",
            suffix=suffix,
        )
    return FORMATS[suffix]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of rows."""

    path: Path
    types: pa.Schema
    """Types of the columns known beforehand; a CSV file's others are text."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of what `batches` yields."""
        _require_text(self.path, self.types)
        with _readable(self.path):
            if format_of(self.path) == "csv":
                return csv_rows.header(self.path, self.types)
            return pq.read_schema(self.path)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in the file's order, `rows` at most at a time.

        Raises:
            BundleError: the file cannot be read, or a value is not of its column's type.
        """
        with _readable(self.path):
            if format_of(self.path) == "csv":
                yield from csv_rows.batches(self.path, self.types, rows)
                return
            with pq.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=rows)


@contextmanager
def writing(target: Path, schema: pa.Schema) -> Iterator[Writer]:
    """A writer (`.write_batch`) whose file takes the name `target` only when all went well.

    Raises:
        BundleError: the folder is missing or cannot be written, or CSV cannot hold a column.
    """
    _require_text(target, schema)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        with _writable(target):
            with _writer(draft, format_of(target), schema) as writer:
                yield writer
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _require_text(path: Path, schema: pa.Schema) -> None:
    """Refuse bytes in CSV: text has no place for them, and programs write them in many ways."""
    names = [one.name for one in schema if is_bytes(one.type)]
    if names and format_of(path) == "csv":
        raise BundleError(
            f"{path} is a CSV file, and {', '.join(map(repr, names))} holds bytes",
            expected="a Parquet file, which holds images as they are",
            remedy="give Parquet instead",
            columns=names,
        )


def _writer(draft: Path, form: Format, schema: pa.Schema) -> Writer:
    if form == "csv":
        return arrow_csv.CSVWriter(draft, schema)
    return pq.ParquetWriter(draft, schema)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        raise BundleError(
            f"{path} cannot be read: {error}",
            expected=f"a {format_of(path)} file" + " in UTF-8" * (format_of(path) == "csv"),
            remedy="check the file's path, rights and format",
            path=str(path),
        ) from error


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise BundleError(
            f"{target} cannot be written: {error}",
            expected="a folder with room and rights, and columns that the format can hold",
            remedy="choose another place, or write Parquet where CSV cannot hold a column",
            path=str(target),
        ) from error
