"""Schedules, as people read them: when flows fire, what became of each instant, and what comes.

Takes in the views and the time; gives out schedules by flow, the ledger of one of them newest
first, and the routes that show them. What comes is worked out (schemas.recurrence), not stored.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row, Select, func, select
from typing_extensions import TypedDict

from projections import tables
from projections.paging import LARGEST_PAGE, page
from projections.store import Views
from schemas import ids, recurrence
from schemas.catalog import Status
from schemas.errors import Refused
from schemas.events import Skip
from schemas.followed import LATE_S
from schemas.instants import SECOND, Instant, to_iso

MOST_COMING = 100
_HORIZON = Instant(400 * 366 * 86_400 * SECOND)
_SCHEDULE, _TICK = tables.SCHEDULES.c, tables.SCHEDULE_TICKS.c
_INSTANCE, _CUSTOMER = tables.INSTANCES.c, tables.CUSTOMERS.c
_INTEGRATION = tables.INTEGRATIONS.c

Clock = Callable[[], Instant]
Limit = Annotated[int, Query(ge=1, description="Rows to give; more than 100 are cut to 100.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
Coming = Annotated[int, Query(ge=0, le=MOST_COMING, description="Coming instants to give.")]


class Tick(TypedDict):
    """A decision: `status` is fired, late or skipped. A skipped one may stand for `count` instants
    from `firstDueAt` to `dueAt`."""

    dueAt: str
    firstDueAt: str
    count: int
    status: str
    reason: str | None
    recordedAt: str | None
    lateMs: int | None
    executionId: str | None
    blockedBy: str | None


class Schedule(TypedDict):
    """`behind`: the last instant that ran came late. `nextDueAt` is null while nothing comes."""

    id: str
    flow: str
    instance: dict[str, str]
    customer: str | None
    integration: str | None
    status: str
    type: str
    expression: str
    timeZone: str
    since: str
    catchUp: str
    maxCatchUp: int
    overlap: str
    jitterSeconds: int
    behind: bool
    last: Tick | None
    nextDueAt: str | None


class Page(TypedDict):
    schedules: list[Schedule]
    next: str | None


class Ledger(TypedDict):
    """`coming` is soonest first, `ticks` newest first."""

    schedule: Schedule
    coming: list[str]
    ticks: list[Tick]
    next: str | None


def listed(
    views: Views, now: Instant, *, limit: int = LARGEST_PAGE, after: str | None = None
) -> Page:
    """The schedules of instances that are there, by flow."""
    query = _schedules().where(_INSTANCE.status != Status.REMOVED)
    rows, following = page(views, query, (_SCHEDULE.flow, _SCHEDULE.id), limit, after)
    last = _last(views, [row.id for row in rows])
    return {"schedules": [_shown(row, last.get(row.id), now) for row in rows], "next": following}


def ledger(
    views: Views,
    schedule_id: str,
    now: Instant,
    *,
    limit: int = LARGEST_PAGE,
    after: str | None = None,
    coming: int = 5,
) -> Ledger:
    """One schedule, by id, with what became of its instants. Raises Refused (404)."""
    uuid = ids.from_global(ids.SCHEDULE, schedule_id)
    found = views.rows(_schedules().where(_SCHEDULE.id == uuid))
    if not found:
        raise Refused(
            f"There is no schedule with id: {schedule_id}", status=404, reason="unknown_id"
        )
    query = select(tables.SCHEDULE_TICKS).where(_TICK.schedule_id == uuid)
    rows, following = page(views, query, (_TICK.due_at,), limit, after, newest_first=True)
    return {
        "schedule": _shown(found[0], _last(views, [uuid]).get(uuid), now),
        "coming": [to_iso(at) for at in islice(_coming(found[0], now), coming)],
        "ticks": [_tick(row) for row in rows],
        "next": following,
    }


def add_routes(api: APIRouter, views: Views, clock: Clock) -> None:
    @api.get("/schedules", summary="Schedules by flow, with their last and next instants")
    def list_schedules(limit: Limit = LARGEST_PAGE, after: After = None) -> Page:
        return listed(views, clock(), limit=limit, after=after)

    @api.get("/schedules/{schedule_id}/ticks", summary="What became of the instants of a schedule")
    def list_ticks(
        schedule_id: str, limit: Limit = LARGEST_PAGE, after: After = None, coming: Coming = 5
    ) -> Ledger:
        return ledger(views, schedule_id, clock(), limit=limit, after=after, coming=coming)


def _schedules() -> Select[Any]:
    return (
        select(
            tables.SCHEDULES,
            _INSTANCE.name.label("instance_name"),
            _INSTANCE.status,
            _CUSTOMER.external_id.label("customer"),
            _INTEGRATION.name.label("integration"),
        )
        .join(tables.INSTANCES, _INSTANCE.id == _SCHEDULE.instance_id)
        .outerjoin(tables.CUSTOMERS, _CUSTOMER.id == _INSTANCE.customer_id)
        .outerjoin(tables.INTEGRATIONS, _INTEGRATION.id == _INSTANCE.integration_id)
    )


def _last(views: Views, schedule_ids: Sequence[str]) -> Mapping[str, Row[Any]]:
    """The last decision on each."""
    if not schedule_ids:
        return {}
    latest = (
        select(_TICK.schedule_id, func.max(_TICK.due_at).label("due_at"))
        .where(_TICK.schedule_id.in_(schedule_ids))
        .group_by(_TICK.schedule_id)
        .subquery()
    )
    here = (latest.c.schedule_id == _TICK.schedule_id) & (latest.c.due_at == _TICK.due_at)
    query = select(tables.SCHEDULE_TICKS).join(latest, here)
    return {row.schedule_id: row for row in views.rows(query)}


def _shown(row: Row[Any], last: Row[Any] | None, now: Instant) -> Schedule:
    tick = None if last is None else _tick(last)
    following = next(_coming(row, now), None)
    return {
        "id": ids.to_global(ids.SCHEDULE, row.id),
        "flow": row.flow,
        "instance": {
            "id": ids.to_global(ids.INSTANCE, row.instance_id),
            "name": row.instance_name or "",
        },
        "customer": row.customer,
        "integration": row.integration,
        "status": row.status,
        "type": row.schedule_type,
        "expression": row.expression,
        "timeZone": row.time_zone or "UTC",
        "since": to_iso(row.since),
        "catchUp": row.catch_up,
        "maxCatchUp": row.max_catch_up,
        "overlap": row.overlap,
        "jitterSeconds": row.jitter_s,
        "behind": tick is not None and tick["status"] == "late",
        "last": tick,
        "nextDueAt": None if following is None else to_iso(following),
    }


def _coming(row: Row[Any], now: Instant) -> Iterator[Instant]:
    """The instants after now, while nothing changes; none for a paused instance."""
    if row.status != Status.ACTIVE or not row.expression:
        return iter(())
    begin = Instant(max(now, row.since))
    if not recurrence.is_zone(row.time_zone or "UTC"):
        return iter(())
    return recurrence.instants(row.expression, row.time_zone, begin, Instant(begin + _HORIZON))


def _tick(row: Row[Any]) -> Tick:
    reason = Skip.OVERLAP.value if row.blocked_by else row.reason
    status = "skipped"
    if reason is None:
        status = "late" if (row.late_ms or 0) > LATE_S * 1_000 else "fired"
    ran = row.execution_id
    return {
        "dueAt": to_iso(row.due_at),
        "firstDueAt": to_iso(row.due_at if row.first_due_at is None else row.first_due_at),
        "count": row.instants or 1,
        "status": status,
        "reason": reason,
        "recordedAt": None if row.recorded_at is None else to_iso(row.recorded_at),
        "lateMs": row.late_ms,
        "executionId": None if ran is None else ids.to_global(ids.EXECUTION, ran),
        "blockedBy": ids.to_global(ids.EXECUTION, row.blocked_by) if row.blocked_by else None,
    }
