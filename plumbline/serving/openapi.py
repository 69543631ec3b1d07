"""The OpenAPI document, made from the bundle."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from plumbline.serving import bodies, problems
from plumbline.serving.answers import predictions
from plumbline.serving.rows import JsonRows

if TYPE_CHECKING:
    from fastapi import FastAPI

    from plumbline.serving.service import Service

METRICS = "text/plain; version=0.0.4"
Facts = dict[str, Any]

_REF = "#/components/schemas/{model}"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TOLD = ("pipeline", "kind", "task", "label", "positive_label", "classes")
_ANSWERING = ("scores", "answers", "threshold", "versions", "inputs")
_MEASURED = ("unusual_values", "metrics", "confidence", "verdict")

REFUSALS = {
    400: "The body is no JSON, or no whole Arrow stream.",
    401: "The key is missing, or another.",
    405: "Another method.",
    408: "The body did not arrive in time.",
    413: "Too many bytes or rows.",
    415: "The body is of another type, or compressed.",
    422: "A field is missing, unknown, of another type, or holds what the model cannot read.",
    500: "The server failed.",
    503: "The server is busy, or its inference log does not keep up.",
}
"""Statuses of a refusal."""


def predict(rows: JsonRows) -> Facts:
    """What FastAPI is told of POST /predict."""
    references = [{"$ref": _REF.format(model=one.__name__)} for one in rows.requests]
    content = {
        bodies.JSON: {"schema": references[0] if len(references) == 1 else {"oneOf": references}},
        bodies.ARROW: _BINARY,
    }
    answers = {
        "description": "Scores in the order of the rows, and what they come from.",
        "content": {
            bodies.JSON: {"schema": {"$ref": _REF.format(model="Predictions")}},
            bodies.ARROW: _BINARY,
        },
    }
    return {
        "summary": "Score raw rows.",
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "responses": {200: answers, **_refusals(*REFUSALS)},
    }


def metadata() -> Facts:
    """Of GET /metadata."""
    content = {bodies.JSON: {"schema": {"type": "object"}}}
    answers = {"description": "What the model is, reads and was measured at.", "content": content}
    return {
        "summary": "The bundle that answers.",
        "responses": {200: answers, **_refusals(401, 500)},
    }


def metrics() -> Facts:
    """Of GET /metrics."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    answers = {"description": "Prometheus' text format.", "content": content}
    return {"summary": "Metrics.", "responses": {200: answers, **_refusals(401, 500)}}


def health(*, unready: bool = False) -> Facts:
    """Of GET /healthz and GET /readyz."""
    content = {bodies.JSON: {"schema": {"type": "object"}}}
    answers = {"description": "Yes.", "content": content}
    summary = "Should requests be sent here?" if unready else "Is the process alive?"
    return {
        "summary": summary,
        "responses": {200: answers, **_refusals(*[503] * unready, 500)},
    }


def document(app: "FastAPI", service: "Service") -> Facts:
    """The whole document."""
    from fastapi.openapi.utils import get_openapi

    manifest = service.scorer.bundle.manifest
    made = get_openapi(
        title=f"{manifest.pipeline}: {manifest.label}",
        version=manifest.versions.model_version,
        routes=app.routes,
    )
    models: Any = [(one, "validation") for one in service.json_rows.requests]
    _, rows = models_json_schema(models, ref_template=_REF)
    answers = predictions(service.scorer.bundle.decision)
    schemas = {**rows["$defs"], "Predictions": answers, "Problem": problems.SCHEMA}
    made.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
    return made


def described(service: "Service") -> Facts:
    """The answer of GET /metadata: of the manifest what a caller needs, and the limits."""
    manifest = asdict(service.scorer.bundle.manifest)
    limits = {name: vars(service.limits)[name] for name in ("body_bytes", "rows", "seconds")}
    return {
        **{name: manifest[name] for name in (*_TOLD, *_ANSWERING, *_MEASURED)},
        "limits": limits,
    }


def _refusals(*statuses: int) -> Mapping[int, Facts]:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {one: {"description": REFUSALS[one], "content": content} for one in statuses}
