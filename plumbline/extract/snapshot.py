"""A frozen extract: typed Parquet in total order, and what was recorded of its making."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BLOCK_ROWS = 65_536
"""Rows per digest block and per Parquet row group."""

DATA = "data.parquet"
RECORD = "snapshot.json"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column as frozen."""

    name: str
    postgres_type: str
    arrow_type: str
    nulls: int
    """Rows without a value (count)."""
    digest: str
    """SHA-256 over the column's values in row order."""
    origin: str = ""
    """The array element that it was, such as raw_vector[3]; empty for other columns."""

    @property
    def array(self) -> str:
        """Name of the array column that it was part of."""
        return self.origin.rpartition("[")[0]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One dataset version: its rows, ordered by key, and where they came from."""

    pipeline: str
    dataset_version: str
    digest: str
    """SHA-256 over every row and column in typed Arrow form."""
    rows: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    label: str
    query: str
    """The SQL text as the user wrote it."""
    parameters: dict[str, Any]
    server_version: str
    key_collation: str
    """Collation under which text keys were ordered."""
    postgres_snapshot: str
    """PostgreSQL's own name of the transaction snapshot that was read."""
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> "Snapshot":
        """The snapshot published in `folder`."""
        record = json.loads((folder / RECORD).read_text("utf-8"))
        record["columns"] = tuple(Column(**column) for column in record["columns"])
        record["key"] = tuple(record["key"])
        return cls(**record, folder=folder)

    def save_record(self) -> None:
        """Write everything but the rows beside them."""
        record = asdict(self)
        del record["folder"]
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (self.folder / RECORD).write_text(text, "utf-8")

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows in total order, `rows` at most at a time; all columns unless named."""
        with pq.ParquetFile(self.folder / DATA, pre_buffer=False) as file:
            yield from file.iter_batches(
                batch_size=rows, columns=list(columns) if columns else None
            )
