"""Rows that a user's SQL file selects from the table `snapshot`: none may come."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import duckdb

from plumbline.audit.keys import json_row
from plumbline.errors import SpecError
from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.extract.snapshot_sql import sql_over
from plumbline.spec import PipelineSpec, Severity
from plumbline.versions import fingerprint

_DECLARED = re.compile(r"--\s*severity:\s*(\w+)\s*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Offenders:
    severity: Severity
    purpose: str
    """The file's first comment, if it says something."""
    count: int
    examples: tuple[Mapping[str, Any], ...]
    """The first rows as they are selected, as JSON types."""


def sql_fingerprint(spec: PipelineSpec, root: Path) -> str | None:
    """Of the names and texts of the files of `audit.sql`; None without any.

    Raises:
        SpecError: a file is not there.
    """
    if not spec.audit.sql:
        return None
    return fingerprint(**{file: _read(root, file) for file in spec.audit.sql})


def offenders(root: Path, file: str, snapshot: Snapshot, examples: int) -> Offenders:
    """What one file selects.

    Raises:
        SpecError: it is not there, is not one SELECT, or DuckDB refuses it.
    """
    text = _read(root, file)
    severity, purpose = _comments(text, file)
    with sql_over(snapshot=snapshot.folder / DATA) as connection:
        try:
            _require_one_select(connection.extract_statements(text), file)
            reader = connection.sql(text).to_arrow_reader(10_000)
            count, first = 0, []
            for block in reader:
                count += block.num_rows
                first += block.slice(0, examples - len(first)).to_pylist()
        except duckdb.Error as error:
            raise SpecError(
                f"{file} cannot be run: {' '.join(str(error).split())}",
                expected="one SELECT from the table snapshot, in DuckDB's SQL",
                remedy=f"correct {file}, or take it off audit.sql",
                file=file,
            ) from None
    return Offenders(
        severity=severity, purpose=purpose, count=count, examples=tuple(map(json_row, first))
    )


def _read(root: Path, file: str) -> str:
    try:
        return (root / file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"audit.sql names {file}, which cannot be read: {error}",
            expected=f"a file below {root}",
            remedy="correct the path in defs.yaml; it is relative to the project's root",
            file=file,
        ) from None


def _comments(text: str, file: str) -> tuple[Severity, str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    severity = "ERROR"
    if lines and (declared := _DECLARED.match(lines[0])):
        severity = declared[1].upper()
        lines = lines[1:]
    if severity not in get_args(Severity):
        raise SpecError(
            f"{file} declares severity {severity}",
            expected=f"one of {', '.join(get_args(Severity))}",
            remedy=f"correct the first line of {file}",
            file=file,
        )
    purpose = lines[0].removeprefix("--").strip() if lines and lines[0].startswith("--") else ""
    return severity, purpose  # pyright: ignore[reportReturnType]


def _require_one_select(statements: list[duckdb.Statement], file: str) -> None:
    kinds = [statement.type.name for statement in statements]
    if kinds != ["SELECT"]:
        raise SpecError(
            f"{file} holds {len(kinds)} statements ({', '.join(kinds) or 'none'})",
            expected="one SELECT",
            remedy="split them into files of their own",
            file=file,
        )
