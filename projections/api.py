"""The `/api/v1` routes that read the views, for whichever application mounts them.

Takes in requests whose authentication the mounting application checks (`dependencies`); gives out
the shapes of `queries`. What is wrong with a request is raised as Refused, which that application
answers with `{"error", "reason"}`.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from typing_extensions import TypedDict

from eventlog.log import EventLog
from projections import history, queries, refused_calls, schedules, shapes, versions
from projections.log_lines import LARGEST_LOG_PAGE
from projections.paging import LARGEST_PAGE
from projections.projector import rebuild
from projections.rows import Status
from projections.store import Views
from schemas.errors import Refused
from schemas.events import Reason
from schemas.instants import Instant, from_iso

PREFIX = "/api/v1"

Limit = Annotated[int, Query(ge=1, description="Rows to give; more than 100 are cut to 100.")]
LogLimit = Annotated[int, Query(ge=1, description="Lines to give; more than 1000 are cut.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
Level = Literal["trace", "debug", "info", "warn", "error", "fatal", "metric"]
Since = Annotated[str | None, Query(description="An instant in ISO 8601.")]


class ErrorBody(TypedDict):
    error: str
    reason: str


class Accepted(TypedDict):
    status: str


_REFUSALS: dict[int | str, dict[str, Any]] = {400: {"model": ErrorBody}, 404: {"model": ErrorBody}}


class _Route(APIRoute):
    """Turns the framework's validation errors into Refused, one sentence each."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def refuse(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                raise Refused(_sentence(error), reason="bad_parameter") from error

        return refuse


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    return f"{first['loc'][-1]}={first.get('input')!r}: {first['msg']}"


def router(
    views: Views,
    log: EventLog,
    *,
    clock: Callable[[], Instant],
    dependencies: Sequence[params.Depends] = (),
) -> APIRouter:
    """The routes over `views`; `log` tells how far they are behind, `clock` what comes next."""
    api = APIRouter(
        prefix=PREFIX,
        route_class=_Route,
        dependencies=dependencies,
        responses=_REFUSALS,
        tags=["views"],
    )
    _add_executions(api, views)
    history.add_route(api, views, log)
    refused_calls.add_route(api, views)
    schedules.add_routes(api, views, clock)
    versions.add_routes(api, views)
    _add_deployments(api, views)
    _add_projections(api, views, log)
    return api


def _add_executions(api: APIRouter, views: Views) -> None:
    @api.get("/executions", summary="Executions, newest first")
    def list_executions(
        flow: str | None = None,
        status: Status | None = None,
        since: Since = None,
        instance: Annotated[str | None, Query(description="An id or a name.")] = None,
        customer: Annotated[str | None, Query(description="An id or an external id.")] = None,
        limit: Limit = LARGEST_PAGE,
        after: After = None,
    ) -> shapes.Executions:
        wanted = queries.Filter(
            flow=flow,
            status=status,
            since=_instant("since", since),
            instance=instance,
            customer=customer,
        )
        return queries.list_executions(views, wanted, limit=limit, after=after)

    @api.get("/executions/{execution_id}", summary="One execution with its trigger and steps")
    def show_execution(execution_id: str) -> shapes.Execution:
        return queries.show_execution(views, execution_id)

    @api.get("/executions/{execution_id}/logs", summary="The log lines of an execution")
    def read_logs(
        execution_id: str,
        limit: LogLimit = LARGEST_LOG_PAGE,
        after: After = None,
        level: Annotated[Level | None, Query(description="Of this level or above.")] = None,
    ) -> shapes.LogLines:
        return queries.logs(views, execution_id, limit=limit, after=after, level=level)

    @api.get("/refusals", summary="Refused triggers, newest first")
    def list_refusals(
        since: Since = None,
        reason: Reason | None = None,
        limit: Limit = LARGEST_PAGE,
        after: After = None,
    ) -> shapes.Refusals:
        at = _instant("since", since)
        return queries.refusals(views, since=at, reason=reason, limit=limit, after=after)

    @api.get("/counts", summary="Executions by status, and refusals")
    def read_counts(since: Since = None) -> shapes.Counts:
        return queries.counts(views, since=_instant("since", since))


def _add_deployments(api: APIRouter, views: Views) -> None:
    @api.get("/instances", summary="Instances by name, with their flows")
    def list_instances(
        limit: Limit = LARGEST_PAGE, after: After = None, removed: bool = False
    ) -> shapes.Instances:
        return queries.instances(views, limit=limit, after=after, removed=removed)

    @api.get("/integrations", summary="Integrations by name")
    def list_integrations(limit: Limit = LARGEST_PAGE, after: After = None) -> shapes.Integrations:
        return queries.integrations(views, limit=limit, after=after)


def _add_projections(api: APIRouter, views: Views, log: EventLog) -> None:
    @api.get("/projections", summary="How far the views are behind the log")
    async def list_projections() -> shapes.Positions:
        return await queries.positions(views, log)

    @api.post("/rebuild", status_code=202, summary="Drop the views and fold the log again")
    def rebuild_views() -> Accepted:
        rebuild(views)
        return {"status": "rebuilding"}


def _instant(name: str, text: str | None) -> Instant | None:
    if text is None:
        return None
    try:
        return from_iso(text)
    except ValueError:
        message = f"{name}={text!r} is not an instant in ISO 8601, like 2026-01-31T12:00:00Z"
        raise Refused(message, reason="bad_parameter") from None
