"""Tables in files, Parquet or CSV by suffix: written whole, or not at all."""

import csv
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from plumbline.errors import ScoringError
from plumbline.release.raw import is_bytes

Format = Literal["parquet", "csv"]
FORMATS: dict[str, Format] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}

Writer = pq.ParquetWriter | arrow_csv.CSVWriter


def format_of(path: Path) -> Format:
    """What a file's suffix says.

    Raises:
        ScoringError: the suffix is none that can be read and written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ScoringError(
            f"{path} has the suffix {suffix!r}",
            expected=f"one of {', '.join(FORMATS)}",
            remedy="name the file by its format, or convert it to Parquet or CSV",
            suffix=suffix,
        )
    return FORMATS[suffix]


@contextmanager
def writing(target: Path, schema: pa.Schema) -> Iterator[Writer]:
    """A writer (`.write_batch`) whose file takes the name `target` only when all went well.

    Raises:
        ScoringError: the folder is missing or cannot be written, or CSV cannot hold a column.
    """
    require_text(target, schema)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        with writable(target):
            with _writer(draft, format_of(target), schema) as writer:
                yield writer
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def require_holdable(target: Path, schema: pa.Schema) -> None:
    """Refuse columns that the file's format cannot hold, before anything is scored."""
    require_text(target, schema)
    with writable(target), _writer(pa.BufferOutputStream(), format_of(target), schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], schema))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What a library says of a file it cannot read, as one of our own errors."""
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        form = "folder" if path.is_dir() else f"{format_of(path)} file"
        raise ScoringError(
            f"{path} cannot be read: {error}",
            expected=f"a {form}" + " in UTF-8" * (path.suffix.lower() == ".csv"),
            remedy="check the file's path, rights and format",
            path=str(path),
        ) from error


@contextmanager
def writable(target: Path) -> Iterator[None]:
    """What a library says of a file it cannot write, as one of our own errors."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise ScoringError(
            f"{target} cannot be written: {error}",
            expected="a folder with room and rights, and columns that the format can hold",
            remedy="make room or choose another place, or write Parquet where CSV cannot hold a "
            "column; the same command goes on where it stopped",
            path=str(target),
        ) from error


def require_text(path: Path, schema: pa.Schema) -> None:
    """Refuse bytes in CSV: text has no place for them, and programs write them in many ways."""
    names = [one.name for one in schema if is_bytes(one.type)]
    if names and format_of(path) == "csv":
        raise ScoringError(
            f"{path} is a CSV file, and {', '.join(map(repr, names))} holds bytes",
            expected="a Parquet file, which holds images as they are",
            remedy="give Parquet instead",
            columns=names,
        )


def _writer(draft: Any, form: Format, schema: pa.Schema) -> Writer:
    if form == "csv":
        return arrow_csv.CSVWriter(draft, schema)
    return pq.ParquetWriter(draft, schema)
