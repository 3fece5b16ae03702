"""The admin API: lifecycle commands over HTTP, on FastAPI, under `/api/v1`, and the health checks.

Takes in JSON and hands it to `commands.py`; gives out what that tells, or why it was refused. The
token is checked in `app.py`, for everything under `/api` alike.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ingress import lifecycle
from ingress.command_bodies import (
    DeployBody,
    DeployedBody,
    ImportBody,
    ImportedBody,
    StatusBody,
)
from ingress.commands import Lifecycle
from ingress.readiness import Problem
from schemas.errors import Refused, Retryable, Unusable

PREFIX = "/api/v1"

FindProblem = Callable[[], Awaitable[Problem | None]]


def build(commands: Lifecycle, routers: Sequence[APIRouter], find: FindProblem) -> FastAPI:
    """The FastAPI application of everything that is not a bare route."""
    app = FastAPI(
        title="Penstock", openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None
    )
    app.include_router(_commands(commands))
    app.include_router(_health(find))
    for router in routers:
        app.include_router(router)
    _add_handlers(app)
    return app


def _commands(commands: Lifecycle) -> APIRouter:
    api = APIRouter(prefix=PREFIX, tags=["lifecycle"])

    @api.post("/integrations", response_model_exclude_defaults=True)
    async def publish(body: ImportBody) -> ImportedBody:
        return await commands.publish(body)

    @api.post("/deployments")
    async def deploy(body: DeployBody, request: Request) -> DeployedBody:
        return await commands.deploy(body, str(request.base_url))

    @api.post("/instances/{instance}/pause")
    async def pause(instance: str) -> StatusBody:
        return await commands.change(instance, lifecycle.pause)

    @api.post("/instances/{instance}/resume")
    async def resume(instance: str) -> StatusBody:
        return await commands.change(instance, lifecycle.resume)

    @api.delete("/instances/{instance}")
    async def remove(instance: str) -> StatusBody:
        return await commands.remove(instance)

    return api


def _health(find: FindProblem) -> APIRouter:
    health = APIRouter(tags=["health"])

    @health.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @health.get("/readyz")
    async def readyz() -> JSONResponse:
        problem = await find()
        if problem is None:
            return JSONResponse({"status": "ready"})
        return _refusal(503, problem.message, problem.reason)

    return health


def _add_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
        lifecycle.InvalidDefinition: _on_invalid_definition,
        Refused: _on_refused,
        Retryable: _on_retryable,
        Unusable: _on_unusable,
        RequestValidationError: _on_validation_error,
        HTTPException: _on_http_exception,
        Exception: _on_bug,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


def _on_bug(_: Request, _error: Exception) -> JSONResponse:
    """The error itself goes on to the server, which logs it."""
    return _refusal(500, "An internal error.", "internal")


def _refusal(status: int, error: str, reason: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": error, "reason": reason, **more}, status)


def _on_invalid_definition(_: Request, error: lifecycle.InvalidDefinition) -> JSONResponse:
    problems = [
        {"path": found.path, "line": found.line, "message": found.message}
        for found in error.problems
    ]
    return _refusal(error.status, str(error), error.reason, problems=problems)


def _on_refused(_: Request, error: Refused) -> JSONResponse:
    return _refusal(error.status, str(error), error.reason)


def _on_retryable(_: Request, error: Retryable) -> JSONResponse:
    answer = _refusal(503, str(error), "unavailable")
    answer.headers["retry-after"] = "1"
    return answer


def _on_unusable(_: Request, error: Unusable) -> JSONResponse:
    return _refusal(500, str(error), "unusable")


def _on_validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
    """Names the place only: what stands there may be a secret."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return _refusal(400, f"{place}: {first['msg']}", "bad_request")


def _on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 404:
        answer = _refusal(404, f"There is nothing at {request.url.path}.", "not_found")
    else:
        reason = HTTPStatus(error.status_code).name.lower()
        answer = _refusal(error.status_code, str(error.detail), reason)
    answer.headers.update(error.headers or {})
    return answer
