"""Versions: what an artifact was made from, as one digest."""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NewType

from plumbline.errors import SpecError

# Many times faster than the tokenizer, which reads every name and number of every module.
_QUOTED_OR_COMMENT = re.compile(
    r'''(?P<quoted>"""(?:\\.|[^\\])*?"""|\'{3}(?:\\.|[^\\])*?\'{3}'''
    r"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|#[^\n]*""",
    re.DOTALL,
)

DatasetVersion = NewType("DatasetVersion", str)
"""A name the user chose, bound for ever to one digest over rows and columns."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def valid_name(name: str) -> DatasetVersion:
    """A dataset version's name: a partition key, part of run keys, and an alias of bundles.

    Raises:
        SpecError: it could not be all of that.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise SpecError(
            f"{name!r} is no name of a dataset version",
            expected="letters, digits, underscores, hyphens and single dots, beginning with a "
            "letter or digit, at most 100",
            remedy="choose another name; a partition that was added under this one can be deleted",
        )
    return DatasetVersion(name)


SplitVersion = NewType("SplitVersion", str)
NormalizationVersion = NewType("NormalizationVersion", str)
ModelVersion = NewType("ModelVersion", str)


def canonical_json(value: object) -> bytes:
    """`value` as UTF-8 JSON with sorted keys and no spaces: equal values, equal bytes.

    Raises:
        TypeError: `value` holds something JSON cannot say.
        ValueError: `value` holds NaN or an infinity, which JSON cannot say either.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def fingerprint(**fields: object) -> str:
    """SHA-256 (64 hex digits) over the canonical JSON of named fields.

    Names are part of the digest, so no two fields can run into each other, and `None`
    differs from `""` and from absence.
    """
    return hashlib.sha256(canonical_json(fields)).hexdigest()


@cache
def code_version(package: str) -> str:
    """SHA-256 over the source of every module in `package` (a dotted name).

    Comments, docstrings and blank lines are left out: they change no number.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no source found for package {package!r}")
    origin = Path(spec.origin)
    sources = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    return fingerprint(
        modules={
            path.relative_to(origin.parent).as_posix(): _code_only(path.read_text("utf-8"))
            for path in sources
        }
    )


def _code_only(source: str) -> str:
    lines = _without_comments(source).splitlines()
    for statement in _statements(ast.parse(source)):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            for row in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
                lines[row] = ""
    return "\n".join(stripped for line in lines if (stripped := line.rstrip()))


def _without_comments(source: str) -> str:
    return _QUOTED_OR_COMMENT.sub(lambda found: found["quoted"] or "", source)


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, block, ()):
            if isinstance(statement, ast.stmt):
                yield statement
            yield from _statements(statement)
