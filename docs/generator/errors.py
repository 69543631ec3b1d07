"""Every error that Plumbline raises on purpose, from where it is raised."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generator.markdown import MADE, cell
from plumbline import errors

PROJECT = Path(__file__).parents[2]
PACKAGES = ("plumbline", "assets", "pipelines")
REFUSALS = ("Refused", "busy")
"""Made of a status, or of nothing but words, by the scoring server."""
FEWEST_LETTERS = 8
"""Of a message: with fewer it only hands on what another one said."""

_INTRODUCTION = """# Errors

Every message says what was found, what was expected and what to do. Here they are by kind; `…`
stands for what depends on the case. In Dagster the failed step shows the same three, and the
terminal prints them in one line. [Troubleshooting](troubleshoot.md) goes by symptoms instead.
"""


@dataclass(frozen=True, kw_only=True)
class Message:
    """An error as the code words it."""

    kind: str
    found: str
    expected: str
    remedy: str


def page() -> str:
    by_kind: dict[str, list[Message]] = {}
    for one in dict.fromkeys(messages()):
        by_kind.setdefault(one.kind, []).append(one)
    parts = [
        _section(kind, told, by_kind[kind]) for kind, told in kinds().items() if kind in by_kind
    ]
    return "\n".join([MADE, _INTRODUCTION, *parts])


def kinds() -> dict[str, str]:
    """Names of the errors in the order of their tree, with what it says of each."""
    told = {}
    for line in (errors.__doc__ or "").splitlines():
        words = line.strip("│├└─ ").split(maxsplit=1)
        if words and inspect.isclass(getattr(errors, words[0], None)):
            told[words[0]] = words[1] if len(words) > 1 else ""
    return told


def messages() -> Iterator[Message]:
    known = {*kinds(), *REFUSALS}
    for path in sorted(one for name in PACKAGES for one in (PROJECT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _called(node) in known and node.args:
                yield from _message(node)


def _message(node: ast.Call) -> Iterator[Message]:
    name = _called(node)
    kind = "ServingError" if name in REFUSALS else name
    place = 1 if name == "Refused" and len(node.args) > 1 else 0
    given = {one.arg: one.value for one in node.keywords}
    found = _words(node.args[place])
    if sum(map(str.isalpha, found)) >= FEWEST_LETTERS:
        yield Message(
            kind=kind,
            found=found,
            expected=_words(given.get("expected")),
            remedy=_words(given.get("remedy")),
        )


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _words(node: ast.expr | None) -> str:
    """The text of a string, with … for whatever is put into it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return _joined("".join(_words(one) for one in parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined(_words(left) + _words(right))
        case ast.IfExp(body=body, orelse=orelse):
            either = dict.fromkeys(one for one in (_words(body), _words(orelse)) if one)
            return " / ".join(either)
        case None:
            return ""
        case _:
            return "…"


def _joined(text: str) -> str:
    while "……" in text:
        text = text.replace("……", "…")
    return text


def _section(kind: str, told: str, listed: list[Message]) -> str:
    entries = [_entry(one) for one in sorted(listed, key=lambda one: one.found.strip("…' "))]
    return "\n".join([f"## {kind}\n", f"{told[:1].upper()}{told[1:]}.\n", *entries])


def _entry(one: Message) -> str:
    lines = [f"- **{cell(one.found)}**"]
    if one.expected:
        lines.append(f"  expected: {cell(one.expected)}")
    if one.remedy:
        lines.append(f"  to fix: {cell(one.remedy)}")
    return "  \n".join(lines) + "\n"
