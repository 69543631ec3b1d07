"""Bodies of requests and of answers."""

import io
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import pyarrow as pa
from starlette.requests import ClientDisconnect, Request

from plumbline.serving import arrow_rows
from plumbline.serving.problems import Refused

JSON, ARROW = "application/json", arrow_rows.MEDIA_TYPE

LINGER_BYTES = 64 * 2**20
"""Beyond the limit, read and let go: a client that still sends would not see the refusal."""


async def read(request: Request, most: int) -> bytearray:
    """The whole body, counted as it arrives.

    Raises:
        Refused: 413, it has more than `most` bytes, whatever Content-Length says.
    """
    body, size = bytearray(), 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= most:
                body += chunk
            elif size > most + LINGER_BYTES:
                break
    except ClientDisconnect:
        raise Refused(HTTPStatus.BAD_REQUEST, "the client went away") from None
    if size > most:
        raise _too_large(most)
    return body


def media_type(request: Request) -> str:
    """What the body is: `JSON` or `ARROW`.

    Raises:
        Refused: 415 for anything else.
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if named in (JSON, ARROW) and coding == "identity":
        return named
    raise Refused(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"a body of type {named or 'unknown'!r}, coded {coding!r}",
        expected=f"{JSON} or {ARROW}, not compressed",
        remedy="name the type in Content-Type, and send no Content-Encoding",
    )


def wanted(request: Request, given: str) -> str:
    """The answer's type: the one that Accept names, else that of the request."""
    accepted = request.headers.get("accept", "").lower()
    named = [kind for kind in (JSON, ARROW) if kind in accepted]
    return named[0] if len(named) == 1 else given


def answer(
    kind: str,
    request_id: str,
    versions: Mapping[str, str],
    classes: Sequence[str],
    outputs: pa.RecordBatch,
) -> bytes:
    """Outputs in the order of the request's rows, and once what they come from.

    classes: what the places of a row's scores stand for, where it has several.
    """
    if kind == ARROW:
        named = {"classes": json.dumps(classes)} if classes else {}
        return _arrow({"request_id": request_id, **versions, **named}, outputs)
    columns = zip(outputs.schema.names, outputs.columns, strict=True)
    told = {
        "request_id": request_id,
        "versions": dict(versions),
        **({"classes": list(classes)} if classes else {}),
        **{name: values.to_pylist() for name, values in columns},
    }
    return json.dumps(told, allow_nan=False, separators=(",", ":")).encode()


def _arrow(told: Mapping[str, str], outputs: pa.RecordBatch) -> bytes:
    metadata: Any = dict(told)
    batch = outputs.replace_schema_metadata(metadata)
    written = io.BytesIO()
    with pa.ipc.new_stream(written, batch.schema) as writer:
        writer.write_batch(batch)
    return written.getvalue()


def _too_large(most: int) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a body of more than {most:,} bytes",
        expected=f"{most:,} bytes at most",
        remedy="send the rows in several requests",
        headers={"connection": "close"},  # else the rest of the body would be read
    )
