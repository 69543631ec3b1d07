"""What pydantic finds wrong with rows, told by row and field."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from plumbline.serving.problems import Refused, shown

_WORDS = {"missing": "missing", "extra_forbidden": "unknown"}


def listed(error: ValidationError) -> list[Any]:
    """The errors as dicts of type, loc, msg and input."""
    return error.errors(include_url=False, include_context=False)


def unknown(error: ValidationError) -> Iterator[str]:
    """Names that no field has."""
    return (str(one["loc"][-1]) for one in listed(error) if one["type"] == "extra_forbidden")


def refused(error: ValidationError) -> Refused:
    """A 422 that names each field once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in listed(error):
        # What follows the field's name is the place in an array, or a member of a union.
        found.setdefault(one["loc"][:3], _told(one))
    errors = list(found.values())
    where = f"row {errors[0]['row']}: " if "row" in errors[0] else ""
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        where + "; ".join(f"{one['field']!r} {one['problem']}" for one in errors[:10]),
        expected="every field of the schema once, of its type or null, and no other",
        remedy="see Row in /openapi.json",
        errors=errors,
    )


def _told(one: dict[str, Any]) -> dict[str, Any]:
    root, number, field, *_ = (*one["loc"], None, None, None)
    problem = _WORDS.get(one["type"]) or f"is {shown(one['input'])}: {_reason(one['msg'])}"
    if number is None:
        return {"field": root or "the body", "problem": problem}
    return {"row": number + 1, "field": field or "the row", "problem": problem}


def _reason(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
