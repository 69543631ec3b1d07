"""What is wrong with a declaration, in the terms of the file it stands in."""

import difflib
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails


def explain(error: ValidationError, model: type[BaseModel]) -> ValidationError:
    """`error` with the allowed names beside each unknown one, and locations as in the file.

    Pydantic puts the tag of a union into a location (`split.temporal.val_from`); the file
    has no such key, so it is taken out.
    """
    return ValidationError.from_exception_data(
        error.title, [_line(detail, model) for detail in error.errors()]
    )


def _line(detail: Any, model: type[BaseModel]) -> InitErrorDetails:
    location, owner = _walk(detail["loc"], model)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden" and owner is not None:
        message = _unknown(str(location[-1]), sorted(owner.model_fields))
    elif detail["type"] == "missing":
        message = "this option is required"
    elif detail["type"] == "literal_error":
        message = f"found {detail['input']!r}; allowed are {detail['ctx']['expected']}"
    elif detail["type"] == "union_tag_invalid":
        message = f"found {detail['ctx']['tag']!r}; allowed are {detail['ctx']['expected_tags']}"
    elif detail["type"] == "union_tag_not_found":
        message = _undecided(detail["ctx"]["discriminator"].strip("'"), detail["input"])
    return {
        "type": "value_error",
        "loc": location,
        "input": detail["input"],
        "ctx": {"error": ValueError(message)},
    }


def _unknown(name: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown option {name!r}{hint} Allowed here: {', '.join(allowed)}"


def _undecided(tag: str, block: Any) -> str:
    """What to say of a block without the option that decides which others it may have."""
    near = difflib.get_close_matches(tag, map(str, block), n=1) if isinstance(block, dict) else []
    if near:
        return f"unknown option {near[0]!r}; did you mean {tag!r}?"
    return f"the option {tag!r} is required here"


def _walk(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[tuple[int | str, ...], type[BaseModel] | None]:
    """Follow a location through the models; return it without tags, and its last block."""
    kept: list[int | str] = []
    owner: type[BaseModel] | None = model
    pending: dict[str, type[BaseModel]] = {}
    for part in location:
        if part in pending:
            owner, pending = pending[str(part)], {}
            continue
        kept.append(part)
        if owner is not None and part in owner.model_fields:
            field = owner.model_fields[str(part)]
            pending = _by_tag(field.annotation) if field.discriminator else {}
            nested = None if pending else _block(field.annotation)
            owner = nested or owner
    return tuple(kept), owner


def _by_tag(annotation: Any) -> dict[str, type[BaseModel]]:
    blocks = get_args(annotation) if get_origin(annotation) else (annotation,)
    return {get_args(block.model_fields["policy"].annotation)[0]: block for block in blocks}


def _block(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
