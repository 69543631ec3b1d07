"""The rows that models are trained on and chosen by, in a table of the user's.

Test rows are never written: only the ledger opens them.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import pyarrow as pa
from psycopg import Connection, errors, sql

from plumbline.errors import SpecError
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.progress import Progress
from plumbline.postgres import Postgres
from plumbline.split.rows import TrainRows, ValRows
from plumbline.split.split import Split
from plumbline.training_features import copy_lines

log = logging.getLogger(__name__)

BLOCK_ROWS = 8_192
"""Rows of the snapshot that become text together (count)."""

_NAMES = "plumbline.normalization_params names them under the same normalization_version"

LAYOUT: dict[str, tuple[LiteralString, str]] = {
    "pipeline": ("text NOT NULL", "The pipeline that wrote the row."),
    "dataset_version": ("text NOT NULL", "The frozen extract that the row is from."),
    "normalization_version": (
        "text NOT NULL",
        "The parameters that made scaled_vector: a row of plumbline.normalization_params.",
    ),
    "row": ("bigint NOT NULL", "Position in the order of the extract, counted from 0."),
    "row_key": ("jsonb NOT NULL", "The key columns by name."),
    "split": ("text NOT NULL CHECK (split IN ('train', 'val'))", "train or val; never test."),
    "raw_vector": (
        "double precision[] NOT NULL",
        f"Numbers as they were extracted, NULL where there were none. {_NAMES}: feature_names, "
        "then those of parameters->'indicators' that are not among these.",
    ),
    "raw_categories": (
        "text[] NOT NULL",
        f"Categories as they were extracted. {_NAMES}: parameters->'categories'.",
    ),
    "scaled_vector": (
        "real[] NOT NULL",
        f"What the models read, to the last bit. {_NAMES}: feature_names, scaled; then 1 for "
        "NULL in each of parameters->'indicators'; then a code for each of "
        "parameters->'categories' (0 unknown, 1 NULL, 2 the first of its values).",
    ),
    "label_index": ("smallint", "Code of the label's class; NULL for a regression."),
    "label_value": ("double precision", "The label of a regression; NULL for classes."),
}
"""Columns of the table: type and comment."""

_COUNT = sql.SQL(
    "SELECT count(*) FROM {table} WHERE pipeline = %(pipeline)s "
    "AND normalization_version = %(version)s"
)
_DELETE = sql.SQL(
    "DELETE FROM {table} WHERE pipeline = %(pipeline)s AND normalization_version = %(version)s"
)
_COPY = sql.SQL("COPY {table} ({names}) FROM STDIN (FORMAT csv)")
_CREATE = sql.SQL(
    "CREATE TABLE {table} ({columns}, PRIMARY KEY (pipeline, normalization_version, row), "
    "CHECK (num_nonnulls(label_index, label_value) = 1))"
)
_FOUND = """
SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the table holds of one normalization."""

    rows: dict[str, int]
    """By side."""
    reused: bool
    """Whether all of them were there already."""


def write(split: Split, normalization: Normalization, table: str, postgres: Postgres) -> Written:
    """Write the training and validation rows into `table` (schema.table), in one transaction.

    The table is made if there is none. If it holds as many rows of this normalization as
    there are, nothing is written; if it holds another number, they are written anew. It holds
    no images.

    Raises:
        SpecError: the table has other columns, or the login may not make or fill it.
        NormalizationError: as `transform`.
    """
    normalization = normalization.tabular
    sides = {"train": split.train(), "val": split.validation()}
    counts = {name: rows.count for name, rows in sides.items()}
    target = sql.Identifier(*table.split("."))
    mine = {"pipeline": split.snapshot.pipeline, "version": normalization.version}
    with _rights(table), postgres.connect() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7077304)")
        _require_table(connection, table, target)
        ((there,),) = connection.execute(_COUNT.format(table=target), mine)
        if there == sum(counts.values()):
            log.info("%s holds these rows already; nothing written", table)
            return Written(rows=counts, reused=True)
        if there:
            log.warning("%s held %s of these rows; all are written anew", table, f"{there:,}")
            connection.execute(_DELETE.format(table=target), mine)
        names = sql.SQL(", ").join(map(sql.Identifier, LAYOUT))
        with connection.cursor().copy(_COPY.format(table=target, names=names)) as copy:
            for name, rows in sides.items():
                for lines in _lines(name, rows, normalization):
                    copy.write(lines)
    return Written(rows=counts, reused=False)


def _lines(
    side: str, rows: TrainRows | ValRows, normalization: Normalization
) -> Iterator[memoryview]:
    """One side's rows in the order of `LAYOUT`, block by block."""
    snapshot = rows.snapshot
    columns = dict.fromkeys([*snapshot.key, *normalization.columns, snapshot.label])
    positions = np.flatnonzero(rows.assignment == rows.side)
    progress, start = Progress(log, f"writing {side} rows", len(positions)), 0
    for batch in rows.batches(list(columns), BLOCK_ROWS):
        count = batch.num_rows
        yield copy_lines.lines(
            [
                copy_lines.repeated(snapshot.pipeline, count),
                copy_lines.repeated(snapshot.dataset_version, count),
                copy_lines.repeated(normalization.version, count),
                pa.array(positions[start : start + count]),
                copy_lines.keys(batch, snapshot.key),
                copy_lines.repeated(side, count),
                copy_lines.raw_vectors(batch, normalization),
                copy_lines.raw_categories(batch, normalization),
                copy_lines.scaled_vectors(batch, normalization),
                *copy_lines.labels(batch.column(snapshot.label), rows.coding),
            ]
        )
        start += count
        progress.advance(count)


def _require_table(connection: Connection[Any], table: str, target: sql.Identifier) -> None:
    """Make the table unless it is there; refuse one of other columns."""
    wanted = [f"{name} {kind.partition(' NOT NULL')[0]}" for name, (kind, _) in LAYOUT.items()]
    found = [row[0] for row in connection.execute(_FOUND, [target.as_string(connection)])]
    if not found:
        _create(connection, table.partition(".")[0], target)
    elif found != wanted:
        raise SpecError(
            f"{table} has the columns {', '.join(found)}",
            expected=f"the columns {', '.join(wanted)}",
            remedy="name another table under training_features.table, or drop this one",
            table=table,
        )


def _create(connection: Connection[Any], schema: str, target: sql.Identifier) -> None:
    known = connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone()
    if known == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, (kind, _) in LAYOUT.items()
    ]
    connection.execute(_CREATE.format(table=target, columns=sql.SQL(", ").join(columns)))
    comment = "Training and validation rows as Plumbline's models read them."
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(target, sql.Literal(comment)))
    for name, (_, comment) in LAYOUT.items():
        told = sql.SQL("COMMENT ON COLUMN {}.{} IS {}")
        connection.execute(told.format(target, sql.Identifier(name), sql.Literal(comment)))


@contextmanager
def _rights(table: str) -> Iterator[None]:
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise SpecError(
            f"the login may not write {table}: {error.diag.message_primary}",
            expected="a table that it may create and fill",
            remedy="grant it the rights, or name another table under training_features.table",
            table=table,
        ) from None
