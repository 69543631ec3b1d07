"""What is answered of rows, as JSON Schema: made from the bundle's decision."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from plumbline.decision.decision import BOTH, Decision
from plumbline.scoring.csv_lists import is_list

Schema = dict[str, Any]

_TOLD: dict[str, dict[str, str]] = {
    "binary": {
        "score": "Probability of label 1",
        "predicted": "1 where the score reaches the model's threshold, else 0",
        "prediction_set": "The classes that the row may have, at the model's stated coverage",
    },
    "multiclass": {
        "scores": "Probabilities of the classes, in their order",
        "predicted": "The class of the greatest probability",
        "prediction_set": "The classes that the row may have, at the model's stated coverage",
    },
    "multilabel": {
        "scores": "Probabilities of the labels, in their order",
        "predicted": "The labels whose probability reaches their threshold",
        "prediction_set": "The labels that the row may have, at the model's stated coverage",
    },
    "regression": {
        "predicted": "The label, in its own unit",
        "low": "Lower end of the interval about it, at the model's stated coverage",
        "high": "Upper end of the interval about it",
    },
}
"""By task and column."""


def predictions(decision: Decision) -> Schema:
    """The schema of an answer to rows."""
    columns = {field.name: _column(field, decision) for field in decision.schema}
    classes = {"classes": _classes(decision.classes)} if "scores" in columns else {}
    properties = {
        "request_id": {"type": "string"},
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        **classes,
        **columns,
    }
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _column(field: pa.Field, decision: Decision) -> Schema:
    told = _TOLD[decision.task][field.name]
    return {
        "type": "array",
        "items": _value(field.type, decision.classes or BOTH),
        "description": f"{told}; in the order of the request's rows.",
    }


def _value(kind: Any, names: tuple[str, ...]) -> Schema:
    if is_list(kind):
        fixed = pa.types.is_fixed_size_list(kind)
        bounds = {"minItems": kind.list_size, "maxItems": kind.list_size} if fixed else {}
        return {"type": "array", "items": _value(kind.value_type, names), **bounds}
    kinds: dict[Callable[[Any], bool], Schema] = {
        pa.types.is_floating: {"type": "number"},
        pa.types.is_integer: {"type": "integer", "enum": [0, 1]},
        pa.types.is_string: {"type": "string", "enum": list(names)},
    }
    return next(schema for fits, schema in kinds.items() if fits(kind))


def _classes(names: tuple[str, ...]) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string", "enum": list(names)},
        "minItems": len(names),
        "maxItems": len(names),
        "description": "What the places of a row's scores stand for.",
    }
