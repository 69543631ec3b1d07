"""Files of rows to score: a Parquet or CSV file, or a folder of Parquet files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import ScoringError
from plumbline.scoring import csv_rows
from plumbline.scoring.blocks import Block, Position, Source, numbered, regrouped
from plumbline.scoring.table_files import FORMATS, format_of, readable, require_text

LEFT_OUT = (".", "_")
"""What names of files begin with that are no part of a folder's table, such as _SUCCESS."""


def opened(path: Path, types: pa.Schema) -> Source:
    """The rows of a Parquet or CSV file, or of all Parquet files in a folder.

    `types` are those of the columns known beforehand; a CSV file's others are text.

    Raises:
        ScoringError: a file cannot be read, or those of a folder are not of one table.
    """
    if path.is_dir():
        return ParquetFiles(where=str(path), paths=_parts(path))
    if format_of(path) == "csv":
        require_text(path, types)
        return CsvFile(path=path, types=types)
    return ParquetFiles(where=str(path), paths=(path,))


@dataclass(frozen=True, kw_only=True)
class CsvFile:
    """The rows of a CSV file."""

    path: Path
    types: pa.Schema

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def schema(self) -> pa.Schema:
        with readable(self.path):
            return csv_rows.header(self.path, self.types)

    @property
    def identity(self) -> dict[str, object]:
        return {"files": [_identity(self.path)]}

    def blocks(self, rows: int, after: Position) -> Iterator[Block]:
        with readable(self.path):
            yield from csv_rows.blocks(self.path, self.types, rows, after.row)

    def place(self, row: int) -> str:
        return csv_rows.place(self.path, row)

    def expected(self) -> int | None:
        """From the length of its first rows."""
        with self.path.open("rb") as file:
            first = file.read(csv_rows.BLOCK_BYTES)
        lines = max(1, first.count(b"\n") - 1)
        return lines * self.path.stat().st_size // max(1, len(first))


@dataclass(frozen=True, kw_only=True)
class ParquetFiles:
    """The rows of Parquet files, one after the other."""

    where: str
    paths: tuple[Path, ...]
    columns: Sequence[str] | None = None
    """None: all of them."""

    @property
    def schema(self) -> pa.Schema:
        first = self._schema(self.paths[0])
        for path in self.paths[1:]:
            _require_equal(path, self._schema(path), self.paths[0], first)
        return first

    @property
    def identity(self) -> dict[str, object]:
        return {"files": [_identity(path) for path in self.paths]}

    def blocks(self, rows: int, after: Position) -> Iterator[Block]:
        yield from numbered(regrouped(self._batches(rows, after.row), rows), after.row)

    def place(self, row: int) -> str:
        return f"row {row}"

    def expected(self) -> int | None:
        return sum(map(_rows, self.paths))

    def _schema(self, path: Path) -> pa.Schema:
        with readable(path):
            found = pq.read_schema(path)
        if self.columns is None:
            return found
        return pa.schema([found.field(name) for name in self.columns])

    def _batches(self, rows: int, after: int) -> Iterator[pa.RecordBatch]:
        """What follows the first `after` rows; row groups before that are not read."""
        columns = None if self.columns is None else list(self.columns)
        for path in self.paths:
            with readable(path), pq.ParquetFile(path, pre_buffer=False) as file:
                wanted = []
                for group in range(file.num_row_groups):
                    held = file.metadata.row_group(group).num_rows
                    if not wanted and held <= after:
                        after -= held
                    else:
                        wanted.append(group)
                for batch in file.iter_batches(rows, wanted, columns):
                    kept = batch.slice(min(after, len(batch)))
                    after -= len(batch) - len(kept)
                    if len(kept):
                        yield kept


def _parts(folder: Path) -> tuple[Path, ...]:
    found = sorted(path for path in folder.iterdir() if not path.name.startswith(LEFT_OUT))
    strange = [path for path in found if path.is_dir() or FORMATS.get(path.suffix) != "parquet"]
    if strange or not found:
        raise ScoringError(
            f"{folder} holds " + (f"{strange[0].name}" if strange else "no files"),
            expected="Parquet files only, in the folder itself; names with . or _ are left out",
            remedy="name the folder that holds the files, or move the others away",
            strange=[str(path) for path in strange],
        )
    return tuple(found)


def _require_equal(path: Path, found: pa.Schema, first: Path, wanted: pa.Schema) -> None:
    if not found.equals(wanted):
        raise ScoringError(
            f"{path} has the columns {', '.join(map(_column, found))}",
            expected=f"those of {first}: {', '.join(map(_column, wanted))}",
            remedy="score files of other columns apart",
            path=str(path),
        )


def _column(field: pa.Field) -> str:
    return f"{field.name} {field.type}"


def _identity(path: Path) -> list[object]:
    """A file by its place, its size and when it was written and moved there."""
    with readable(path):
        known = path.stat()
        return [str(path.resolve()), known.st_size, known.st_mtime_ns, known.st_ctime_ns]


def _rows(path: Path) -> int:
    with readable(path), pq.ParquetFile(path) as file:
        return file.metadata.num_rows
