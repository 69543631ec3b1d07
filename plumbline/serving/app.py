"""The routes, and what they have in common."""

import logging
import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plumbline.errors import PlumblineError
from plumbline.serving import openapi, problems
from plumbline.serving.problems import Refused
from plumbline.serving.service import Service

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BEARER = HTTPBearer(auto_error=False, description="The key in PLUMBLINE_API_KEY.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def create_app(service: Service) -> FastAPI:
    """The server's application. Its only pages are its routes: none is fetched from elsewhere."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    needs_key = [Depends(_key_required(service))]

    @app.post("/predict", dependencies=needs_key, **openapi.predict(service.json_rows))
    async def predict(request: Request) -> Response:
        kind, body = await service.predict(request, request.state.request_id)
        return Response(body, media_type=kind)

    @app.get("/metadata", dependencies=needs_key, **openapi.metadata())
    async def metadata() -> Response:
        return JSONResponse(openapi.described(service))

    @app.get("/metrics", dependencies=needs_key, **openapi.metrics())
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=openapi.METRICS)

    @app.get("/openapi.json", dependencies=needs_key, include_in_schema=False)
    async def schema() -> Response:
        return JSONResponse(document)

    @app.get("/healthz", **openapi.health())
    async def healthz() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/readyz", **openapi.health(unready=True))
    async def readyz() -> Response:
        if reason := service.unready():
            raise problems.busy(reason, expected="a server that answers")
        return JSONResponse({"status": "ready"})

    document = openapi.document(app, service)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_middleware(_Envelope, service=service)
    return app


def _key_required(service: Service) -> Callable[..., Any]:
    async def required(given: _Credentials) -> None:
        if service.key and not service.key.admits(given.credentials if given else None):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "a request without the server's key" if given is None else "another key",
                expected="Authorization: Bearer KEY",
                remedy="ask who runs the server for its key",
                headers={"www-authenticate": "Bearer"},
            )

    return required


async def _refused(request: Request, error: Any) -> Response:
    return _problem(error.status, request.state.request_id, error, error.headers)


async def _no_such_route(request: Request, error: Any) -> Response:
    status = HTTPStatus(error.status_code)
    told = PlumblineError(
        f"{request.method} {request.url.path[:200]}: {status.phrase.lower()}",
        expected="one of the routes in /openapi.json",
    )
    return _problem(status, request.state.request_id, told, error.headers)


def _problem(status: HTTPStatus, request_id: str, error: PlumblineError, headers: Any) -> Response:
    body = problems.body(status, request_id, error)
    return Response(body, status.value, headers, media_type=problems.MEDIA_TYPE)


class _Envelope:
    """Around every request: its id, its count, and a plain 500 where we fail."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers(request_id)]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("request %s failed", request_id)
            if status:
                raise
            failed = _problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, request_id, problems.unexpected(), None
            )
            await failed(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._service.metrics.requests.labels(route, str(status)).inc()

    def _headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        closing = [(b"connection", b"close")] * self._service.stopping
        return [(b"x-request-id", request_id.encode()), *closing]


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-ID where it is plain, else one of our own."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
