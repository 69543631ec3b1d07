"""Tables in the terminal that show what users named: never read as markup."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

LONGEST = 60
"""Characters of one value; a long text would push the others off the screen."""


def grid(rows: Iterable[Sequence[Any]], *heads: str, title: str = "") -> Table:
    """Rows below their heads; without heads where none is given."""
    table = Table(
        *heads,
        title=title or None,
        title_justify="left",
        box=None,
        pad_edge=False,
        show_header=bool(heads),
    )
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    return table


def cell(value: Any) -> str:
    """A number with its thousands apart; anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def shown(value: Any) -> str:
    """A value of a row for people: on one line, and not longer than `LONGEST`."""
    if value is None:
        return "NULL"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def key_text(key: Mapping[str, Any]) -> str:
    """`a=1, b=x`"""
    return ", ".join(f"{name}={shown(value)}" for name, value in key.items())
