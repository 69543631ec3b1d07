"""Refusals as RFC 9457 problem details."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from plumbline.errors import BundleError, PlumblineError, ServingError

MEDIA_TYPE = "application/problem+json"
_SHORT = reprlib.Repr()
_SHORT.maxstring = 60
MOST_ERRORS = 100
"""Fields that one answer names (count)."""

SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What follows, in one sentence."},
        "found": {"type": "string"},
        "expected": {"type": "string"},
        "remedy": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": f"The fields that are meant, the first {MOST_ERRORS} of them.",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {
                    "field": {"type": "string"},
                    "row": {"type": "integer", "description": "Counted from 1."},
                    "problem": {"type": "string"},
                },
            },
        },
    },
}
"""Of a problem, as JSON Schema."""


class Refused(ServingError):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: HTTPStatus,
        found: str,
        *,
        expected: str = "",
        remedy: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(found, expected=expected, remedy=remedy)
        self.status = status
        self.errors = list(errors[:MOST_ERRORS])
        self.headers = dict(headers or {})


def rows_refused(error: BundleError) -> Refused:
    """What a bundle says of rows, as a 422 that names the columns."""
    values = error.values
    named: Any = values.get("missing") or values.get("columns") or values.get("column") or ()
    named = [named] if isinstance(named, str) else named
    far: Any = values.get("infinite") or values.get("far") or {}
    row = {"row": values["row"]} if "row" in values else {}
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        error.found,
        expected=error.expected,
        remedy=error.remedy,
        errors=[{"field": name, **row, "problem": error.found} for name in [*named, *far]],
    )


def busy(found: str, *, expected: str, seconds: int = 1) -> Refused:
    """A 503 that says when to come back."""
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        found,
        expected=expected,
        remedy=f"send the request again in {seconds} s or more",
        headers={"retry-after": str(seconds)},
    )


def too_many_rows(most: int) -> Refused:
    """A 413 for rows."""
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"more than {most:,} rows",
        expected=f"{most:,} rows at most",
        remedy="send the rows in several requests",
    )


def body(status: HTTPStatus, request_id: str, error: PlumblineError) -> bytes:
    """The answer's JSON."""
    told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": str(error),
        **{name: text for name, text in told.items() if text},
        "request_id": request_id,
        "errors": getattr(error, "errors", []),
    }
    return json.dumps({k: v for k, v in problem.items() if v != []}).encode()


def unexpected() -> PlumblineError:
    """What a client is told of a failure that is ours; the log holds the rest."""
    return ServingError(
        "the server failed at this request",
        remedy="send it again; if that fails, tell who runs the server the request_id",
    )


def shown(value: Any) -> str:
    """A value for a message: short, whatever it is."""
    if isinstance(value, int) and abs(value) > 10**60:
        return "a very large number"
    return _SHORT.repr(value)
