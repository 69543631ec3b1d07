"""What all blocks of a declaration share."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Options(BaseModel):
    """A block of options: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _identifier(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise ValueError(
            f"{value!r} is not a name: use lower-case letters, digits and underscores, "
            "starting with a letter, at most 63"
        )
    return value


def _fraction(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{value} is not a fraction: give a number between 0 and 1, both excluded")
    return value


def _qualified(value: str) -> str:
    schema, dot, table = value.partition(".")
    if not (dot and _identifier(schema) and _identifier(table)):
        raise ValueError(f"{value!r} does not name a table with its schema: write schema.table")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
QualifiedName = Annotated[str, AfterValidator(_qualified)]
Fraction = Annotated[float, AfterValidator(_fraction)]
Scalar = str | int | float | bool | None
