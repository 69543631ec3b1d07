"""An extract's query: what its SQL file asks, with the values of its parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import sqlglot
from psycopg import sql
from psycopg.abc import AdaptContext
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from plumbline.errors import QueryFailed
from plumbline.extract.statement import Placeholder, Statement
from plumbline.spec import PipelineSpec, Scalar
from plumbline.versions import fingerprint

VERSION = "dataset_version"
"""The parameter that needs no value: the name of the version that is being frozen."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One SELECT as the user wrote it, and the values of its `:name` parameters."""

    file: str
    """The SQL file, relative to the project's root."""
    text: str
    parameters: dict[str, Scalar]

    @cached_property
    def statement(self) -> Statement:
        return Statement.read(self.file, self.text)

    @cached_property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(self.statement.placeholders())

    @property
    def identity(self) -> str:
        """Digest of what is asked: comments, layout and the case of bare words left out."""
        return fingerprint(words=self.statement.words(), parameters=self.parameters)

    def bound(self, connection: AdaptContext | None) -> str:
        """The statement with each parameter as a literal, as the driver writes it."""
        return "".join(piece for _, piece in self._pieces(connection))

    def line_at(self, position: int, connection: AdaptContext | None) -> int | None:
        """The file's line of a character of the bound statement, counted from 0.

        None: the position is outside the statement.
        """
        if position < 0:
            return None
        for start, piece in self._pieces(connection):
            if position < len(piece):
                verbatim = self.text.startswith(piece, start)
                return self.statement.line_of(start + position if verbatim else start)
            position -= len(piece)
        return None

    def tables(self) -> tuple[str, ...]:
        """The tables that are read, named as in the query; none if sqlglot cannot parse it."""
        return _tables(self.text)

    def _pieces(self, connection: AdaptContext | None) -> Iterator[tuple[int, str]]:
        """The bound statement in pieces, each with its offset in the file."""
        body = self.statement.body
        start = body.start
        for placeholder in self.placeholders:
            yield start, self.text[start : placeholder.start]
            literal = sql.Literal(self.parameters[placeholder.name])
            yield placeholder.start, literal.as_string(connection)
            start = placeholder.end
        yield start, self.text[start : body.stop]


def read_query(
    spec: PipelineSpec,
    root: Path,
    overrides: Mapping[str, str | Scalar] | None = None,
    dataset_version: str | None = None,
) -> Query:
    """The query of a pipeline, read from the file that `source.sql` names below `root`.

    `overrides` replace values of `source.parameters`; text is read as the declared value's
    type, so that `--param n=5` and `n: 5` ask the same. A `:dataset_version` that has no value
    among both is the name of the version that is being frozen, `dataset_version`.

    Raises:
        QueryFailed: the file is missing or is not one SELECT; a parameter has no value, or a
            value has no parameter.
    """
    file = spec.source.sql
    declared = spec.source.parameters
    given = {name: _typed(file, name, value, declared) for name, value in (overrides or {}).items()}
    query = Query(file=file, text=_text(root, file), parameters={**declared, **given})
    if dataset_version is not None and _asks_for(query, VERSION):
        query = replace(query, parameters={VERSION: dataset_version, **query.parameters})
    _require_values(query)
    _require_placeholders(query)
    return query


def query_file(path: Path, parameters: Mapping[str, str]) -> Query:
    """The query in a file, with values of its parameters: text, which PostgreSQL reads as the
    type that it is compared with.

    Raises:
        QueryFailed: as `read_query`.
    """
    text = _text(path.parent, path.name)
    query = Query(file=str(path), text=text, parameters=dict(parameters))
    _require_values(query)
    _require_placeholders(query)
    return query


def _asks_for(query: Query, name: str) -> bool:
    return any(placeholder.name == name for placeholder in query.placeholders)


@lru_cache(maxsize=256)
def _tables(text: str) -> tuple[str, ...]:
    try:
        scopes = traverse_scope(sqlglot.parse_one(text, dialect="postgres"))
    except SqlglotError:
        return ()
    sources = [source for scope in scopes for source in scope.sources.values()]
    tables = [source for source in sources if isinstance(source, exp.Table)]
    named = [table for table in tables if isinstance(table.this, exp.Identifier)]
    return tuple(sorted({".".join(filter(None, (t.db, t.name))) for t in named}))


def source_tables(spec: PipelineSpec, root: Path) -> tuple[str, ...]:
    """The tables that a pipeline's SQL file reads; its parameters need no values for that.

    Raises:
        QueryFailed: the file is missing.
    """
    file = spec.source.sql
    return Query(file=file, text=_text(root, file), parameters={}).tables()


def _text(root: Path, file: str) -> str:
    try:
        return (root / file).read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise QueryFailed(
            f"no file {file} below {root}",
            expected="the SQL file that source.sql names, relative to the project's root",
            remedy="create it, or correct source.sql in defs.yaml",
        ) from None
    except UnicodeDecodeError as error:
        raise QueryFailed(
            f"{file} is not UTF-8 (byte {error.start})",
            expected="SQL text in UTF-8",
            remedy="save the file as UTF-8",
        ) from None


def _typed(file: str, name: str, value: Scalar, declared: Mapping[str, Scalar]) -> Scalar:
    kind = type(declared.get(name))
    if not isinstance(value, str) or kind not in (bool, int, float):
        return value
    try:
        return {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise QueryFailed(
            f"parameter {name} of {file} is {value!r}",
            expected=f"a value like the declared {declared[name]!r}",
            remedy=f"give --param {name}=... as {kind.__name__}, or quote the declared value "
            "in defs.yaml to make it text",
            parameter=name,
        ) from None


def _require_values(query: Query) -> None:
    without = [p for p in query.placeholders if p.name not in query.parameters]
    if without:
        lines = [f":{p.name} (line {query.statement.line_of(p.start)})" for p in without]
        raise QueryFailed(
            f"{query.file}:{query.statement.line_of(without[0].start)} has no value for "
            f"{', '.join(lines)}",
            expected="a value for every parameter",
            remedy=f"add {without[0].name} under source.parameters in defs.yaml, or give "
            f"--param {without[0].name}=VALUE",
            missing=[p.name for p in without],
        )


def _require_placeholders(query: Query) -> None:
    known = {p.name: query.statement.line_of(p.start) for p in reversed(query.placeholders)}
    unknown = sorted(query.parameters.keys() - known.keys())
    if unknown:
        listed = ", ".join(f":{name} (line {line})" for name, line in sorted(known.items()))
        raise QueryFailed(
            f"{query.file} has no parameter {', '.join(f':{name}' for name in unknown)}",
            expected=f"only {listed}" if known else "no parameters, for the file has none",
            remedy="correct the name, or write it as :name in the SQL",
            unknown=unknown,
        )
