"""Column lineage: which columns of which tables each column of an extract is made of.

A column's lineage is what its value is made of: the columns in its expression, through CTEs,
subqueries and unions, down to the tables. Joins and filters choose rows, not values; their
columns are not part of it. What cannot be resolved is left out, and said.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from plumbline.extract.query import Query
from plumbline.extract.snapshot import Snapshot

FILE = "column_lineage.json"

_WRITTEN = "written"
_COLUMNS = """
SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = to_regclass(%s)
GROUP BY n.nspname, c.relname
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view as PostgreSQL knows it."""

    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Origin:
    """A column of a source table."""

    table: str
    """Named as in the query."""
    column: str


@dataclass(frozen=True, kw_only=True)
class ColumnLineage:
    """Where the columns of a query come from."""

    origins: dict[str, tuple[Origin, ...]]
    """By column; none for a constant or a count of rows."""
    unresolved: dict[str, str]
    """By column, what of it could not be followed to a table, and why."""

    def save(self, folder: Path) -> None:
        record = {
            "origins": {
                name: [[one.table, one.column] for one in found]
                for name, found in self.origins.items()
            },
            "unresolved": self.unresolved,
        }
        (folder / FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote."""
        record = json.loads((folder / FILE).read_text("utf-8"))
        origins = {
            name: tuple(Origin(*one) for one in found) for name, found in record["origins"].items()
        }
        return cls(origins=origins, unresolved=record["unresolved"])


def known_tables(query: Query, connection: psycopg.Connection[Any]) -> dict[str, Table]:
    """The tables that a query reads as PostgreSQL finds them now, by their name in the query."""
    found = {}
    for table in _tables(_parsed(query)):
        # Quoted where the query quotes it: PostgreSQL folds the case of the rest.
        bare = exp.Table(this=table.this.copy(), db=table.args.get("db"))
        row = connection.execute(_COLUMNS, [bare.sql("postgres")]).fetchone()
        if row:
            found[_name(table)] = Table(schema=row[0], name=row[1], columns=tuple(row[2]))
    return found


def trace(query: Query, columns: Sequence[str], tables: Mapping[str, Table]) -> ColumnLineage:
    """The lineage of a query that returns `columns`, in their order.

    `tables` as `known_tables` has them: without, neither `*` nor a column of a join that does
    not name its table can be resolved.
    """
    tree = _parsed(query)
    if tree is None:
        return _nothing(columns, f"{query.file} cannot be parsed by sqlglot")
    try:
        _name_tables(tree, tables)
        nodes = lineage(
            None, tree, _schema(tables), dialect="postgres", trim_selects=False, copy=False
        )
    except (SqlglotError, ValueError, RecursionError) as error:
        return _nothing(columns, f"sqlglot: {str(error).partition(chr(10))[0]}")
    if len(nodes) == len(columns):
        # By place: PostgreSQL and sqlglot differ in how they name what has no name.
        found = dict(zip(columns, nodes.values(), strict=True))
    else:
        found = {name: nodes[name] for name in columns if name in nodes}
    return _followed(columns, found, tables)


def of_snapshot(snapshot: Snapshot, file: str) -> ColumnLineage:
    """As found when it was frozen; of a snapshot older than that, what its SQL says by itself."""
    if (snapshot.folder / FILE).is_file():
        return ColumnLineage.load(snapshot.folder)
    columns = dict.fromkeys(column.array or column.name for column in snapshot.columns)
    query = Query(file=file, text=snapshot.query, parameters=snapshot.parameters)
    return trace(query, list(columns), {})


def _followed(
    columns: Sequence[str], nodes: Mapping[str, Node], tables: Mapping[str, Table]
) -> ColumnLineage:
    origins: dict[str, tuple[Origin, ...]] = {}
    unresolved: dict[str, str] = {}
    for name in columns:
        if name not in nodes:
            unresolved[name] = "a * stands for it, and the columns of a table are not known"
            continue
        leaves = [leaf for leaf in nodes[name].walk() if not leaf.downstream]
        found = [(leaf.name, _origin(leaf, tables)) for leaf in leaves if _is_column(leaf)]
        origins[name] = tuple(sorted({one for _, one in found if one}))
        if lost := sorted({leaf for leaf, one in found if one is None}):
            unresolved[name] = f"no table's column is found for {', '.join(lost)}"
    return ColumnLineage(origins=origins, unresolved=unresolved)


def _is_column(leaf: Node) -> bool:
    """Whether a leaf stands for a value that comes from somewhere, unlike a constant's."""
    if isinstance(leaf.expression, (exp.Table, exp.Placeholder, exp.Star)):
        return True
    return leaf.expression.find(exp.Column, exp.TableColumn) is not None


def _origin(leaf: Node, tables: Mapping[str, Table]) -> Origin | None:
    if not isinstance(leaf.expression, exp.Table) or _WRITTEN not in leaf.expression.meta:
        return None
    table: str = leaf.expression.meta[_WRITTEN]
    column = sqlglot.parse_one(leaf.name).name
    known = tables[table].columns if table in tables else (column,)
    return Origin(table, column) if column in known else None


def _parsed(query: Query) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(query.text, dialect="postgres")
    except SqlglotError:
        return None


def _tables(tree: exp.Expr | None) -> Iterator[exp.Table]:
    """The places where a table is read; a CTE's name is none."""
    for scope in traverse_scope(tree) if tree else []:
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
                yield source


def _name(table: exp.Table) -> str:
    return ".".join(filter(None, (table.db, table.name)))


def _name_tables(tree: exp.Expr, tables: Mapping[str, Table]) -> None:
    """Note how each table is written, then call it what PostgreSQL calls it."""
    for table in list(_tables(tree)):
        table.meta[_WRITTEN] = written = _name(table)
        if known := tables.get(written):
            table.set("this", exp.to_identifier(known.name, quoted=True))
            table.set("db", exp.to_identifier(known.schema, quoted=True))


def _schema(tables: Mapping[str, Table]) -> MappingSchema:
    known: dict[str, Any] = {}
    for table in tables.values():
        # Only names matter; a type is asked for.
        known.setdefault(table.schema, {})[table.name] = dict.fromkeys(table.columns, "text")
    return MappingSchema(known, dialect="postgres", normalize=False)


def _nothing(columns: Sequence[str], why: str) -> ColumnLineage:
    return ColumnLineage(origins={}, unresolved=dict.fromkeys(columns, why))
