"""Every option of a `defs.yaml`, from the models that read it."""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generator.markdown import MADE, code, table
from plumbline.spec import PipelineSpec

_INTRODUCTION = """# Options

Everything that `pipelines/defs/NAME/defs.yaml` may say below `attributes`, with its default. An
unknown name, a value out of its range or two options that contradict each other are refused with
their line and what is allowed. Whatever changes a number is part of the version of the stage that
reads it; descriptions, owners, schedules and alerts are part of none.
"""
_BOUNDS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any value"}
_SCALAR = {str, int, float, bool}


def page() -> str:
    return "\n".join([MADE, _INTRODUCTION, *_blocks("attributes", [PipelineSpec], level=2)])


def _blocks(path: str, models: Sequence[type[BaseModel]], level: int) -> Iterator[str]:
    """A heading and a table for each model that may stand at `path`, then the blocks in them."""
    inner: dict[str, list[type[BaseModel]]] = {}
    for model in models:
        title = code(path) if len(models) == 1 else f"{code(path)}, {_kind(model)}"
        yield f"{'#' * level} {title}\n\n{_told(model)}\n"
        rows = [_row(name, field) for name, field in model.model_fields.items()]
        yield table(["option", "type", "default", "meaning"], rows)
        for name, field in model.model_fields.items():
            if found := list(_models(field.annotation)):
                inner[_below(path, name, field.annotation)] = found
    for name, found in inner.items():
        yield from _blocks(name, found, level)


def _row(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    blocks = list(_models(field.annotation))
    default = "" if blocks and not field.is_required() else _default(field)
    meaning = field.description or (_told(blocks[0]) if len(blocks) == 1 else "")
    return code(name), ", ".join([_written(field.annotation), *_bounds(field)]), default, meaning


def _bounds(field: FieldInfo) -> Iterator[str]:
    for one in field.metadata:
        if type(one) in _BOUNDS:
            sign, attribute = _BOUNDS[type(one)]
            yield f"{sign} {getattr(one, attribute):g}"


def _written(annotation: Any) -> str:
    """A type, in the words of people who write YAML."""
    origin, given = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _written(given[0])
    if origin is Literal:
        return ", ".join(code(str(one)) for one in given)
    if origin in (types.UnionType, typing.Union):
        return _either([one for one in given if one is not types.NoneType])
    if origin is not None:
        return f"{_collection(origin)} {_written(given[-1])}"
    return "block" if _is_model(annotation) else _NAMES.get(annotation, annotation.__name__)


def _either(given: Sequence[Any]) -> str:
    if set(given) == _SCALAR:
        return "any value"
    return " or ".join(dict.fromkeys(map(_written, given)))


def _collection(origin: type) -> str:
    return "names, each with" if issubclass(origin, Mapping) else "list of"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, str | list | dict | tuple) and not value:
        return "none"
    return code(str(list(value)) if isinstance(value, tuple) else str(value))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The blocks that a value may be, or hold."""
    if _is_model(annotation):
        yield annotation
    elif typing.get_origin(annotation) is not Literal:
        for one in typing.get_args(annotation):
            yield from _models(one)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _below(path: str, name: str, annotation: Any) -> str:
    """The path of a block: NAME stands for any name, [] for a place in a list."""
    outer = "" if path == "attributes" else f"{path}."
    held = {typing.get_origin(one) for one in (annotation, *typing.get_args(annotation))}
    if held & {dict, Mapping}:
        return f"{outer}{name}.NAME"
    return f"{outer}{name}{'[]' * bool(held & {list, tuple})}"


def _kind(model: type[BaseModel]) -> str:
    """How a block of several kinds is told from the others: by an option with one value only."""
    for name, field in model.model_fields.items():
        values = typing.get_args(field.annotation)
        if typing.get_origin(field.annotation) is Literal and len(values) == 1:
            return code(f"{name}: {values[0]}")
    return model.__name__


def _told(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
