"""Markdown that holds whatever stands in names and values."""

from collections.abc import Iterable, Sequence


def code(text: object) -> str:
    """A code span; fenced by more backticks than it holds in a row."""
    plain = " ".join(str(text).split())
    fence = "`" * (_longest_run(plain) + 1)
    padding = " " if "`" in plain else ""
    return f"{fence}{padding}{plain}{padding}{fence}"


def block(text: str, language: str = "") -> str:
    """A code block; fenced by more backticks than it holds in a row."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}"


def names(values: Iterable[object]) -> str:
    return ", ".join(map(code, values))


def bullets(*lines: str) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a bar or line break inside a cell does not end it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _longest_run(text: str) -> int:
    runs = "".join(c if c == "`" else " " for c in text).split()
    return max(map(len, runs), default=0)
