"""Queries: what people read of the views, as JSON objects in the shapes of `shapes`.

Lists are newest first or by name, in pages of at most 100; `next` is the cursor to give as `after`.
Every function but `positions` blocks on the database. Unknown ids and bad cursors are Refused.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, case, func, select

from eventlog.log import EventLog
from projections import log_lines, render, shapes, tables
from projections.log_lines import LARGEST_LOG_PAGE
from projections.paging import LARGEST_PAGE, page
from projections.rows import Status
from projections.store import Partition, Views
from projections.views import TOPICS
from schemas import events, ids, integration_file
from schemas.catalog import Status as InstanceStatus
from schemas.definitions import Step
from schemas.errors import Refused
from schemas.events import Reason
from schemas.instants import Instant

MOST_STEPS = 10_000
"""Of an execution with more step results than this, the first ones are shown."""

MOST_STEP_CHARACTERS = 32 * 1024 * 1024
"""Of an execution whose results and inputs are longer than this, the first ones are shown."""

MOST_LINKED = 1_000

_EXECUTION = tables.EXECUTIONS.c
_SHORT = tuple(known for known in _EXECUTION if known is not _EXECUTION.request)
"""Without the request, which may take 256 KB: a page of them is not read to be thrown away."""
_INSTANCE = tables.INSTANCES.c
_CUSTOMER = tables.CUSTOMERS.c
_INTEGRATION = tables.INTEGRATIONS.c
_REFUSAL = tables.REFUSALS.c
_NAMES = (
    _CUSTOMER.external_id.label("customer_external_id"),
    _CUSTOMER.name.label("customer_name"),
    _INTEGRATION.name.label("integration_name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions to list. `instance` is an id or a name, `customer` an id or external id."""

    flow: str | None = None
    status: Status | None = None
    since: Instant | None = None
    instance: str | None = None
    customer: str | None = None


def list_executions(
    views: Views, wanted: Filter, *, limit: int = LARGEST_PAGE, after: str | None = None
) -> shapes.Executions:
    """Executions whose admission is known, newest first. Raises Refused for refused ones."""
    if wanted.status is Status.REFUSED:
        raise Refused("refused triggers are listed as refusals", reason="bad_parameter")
    query = _executions(_SHORT).where(_EXECUTION.received_at.is_not(None), *_conditions(wanted))
    key = (_EXECUTION.received_at, _EXECUTION.id)
    rows, following = page(views, query, key, limit, after, newest_first=True)
    return {"executions": [render.summary(row) for row in rows], "next": following}


def show_execution(views: Views, execution_id: str) -> shapes.Execution:
    """One execution with its trigger and steps, by global id or UUID. Raises Refused (404)."""
    uuid = ids.from_global(ids.EXECUTION, execution_id)
    for row in views.rows(_executions().where(_EXECUTION.id == uuid)):
        names = _names(views, row)
        steps = [render.step(step, names, row) for step in _steps(views, uuid)]
        replays = _linked(views, _EXECUTION.replay_for == uuid)
        invoked = _linked(views, _EXECUTION.invoked_by == uuid)
        return render.execution(row, steps, replays, invoked)
    for row in views.rows(_refused().where(_REFUSAL.execution_id == uuid)):
        return render.refused_execution(row)
    raise _unknown(execution_id)


def place_of_end(views: Views, execution_id: str) -> tuple[int, int] | None:
    """Partition and offset of the last event of an execution (UUID); None where it has no end."""
    known = select(_EXECUTION.ended_partition, _EXECUTION.ended_offset)
    for row in views.rows(known.where(_EXECUTION.id == execution_id)):
        return None if row.ended_offset is None else (row.ended_partition, row.ended_offset)
    return None


def logs(
    views: Views,
    execution_id: str,
    *,
    limit: int = LARGEST_LOG_PAGE,
    after: str | None = None,
    level: str | None = None,
) -> shapes.LogLines:
    """The log lines of an execution, of `level` or above, oldest first. Raises Refused (404)."""
    uuid = ids.from_global(ids.EXECUTION, execution_id)
    for row in views.rows(_executions().where(_EXECUTION.id == uuid)):
        names = _names(views, row)
        return log_lines.read(views, row, names, limit=limit, after=after, level=level)
    if not _is_refused(views, uuid):
        raise _unknown(execution_id)
    return {"logs": [], "next": None}


def instances(
    views: Views, *, limit: int = LARGEST_PAGE, after: str | None = None, removed: bool = False
) -> shapes.Instances:
    """Instances by name, with their flows; removed ones only where asked for."""
    query = _instances().where(_INSTANCE.deployed_at.is_not(None))
    if not removed:
        query = query.where(_INSTANCE.status != InstanceStatus.REMOVED)
    rows, following = page(views, query, (_INSTANCE.name, _INSTANCE.id), limit, after)
    flows = _flows(views, [row.id for row in rows])
    found = [render.instance(row, flows[row.id]) for row in rows]
    return {"instances": found, "next": following}


def integrations(
    views: Views, *, limit: int = LARGEST_PAGE, after: str | None = None
) -> shapes.Integrations:
    """Integrations by name, at their newest version."""
    key = (_INTEGRATION.name, _INTEGRATION.id)
    rows, following = page(views, select(tables.INTEGRATIONS), key, limit, after)
    return {"integrations": [render.integration(row) for row in rows], "next": following}


def refusals(
    views: Views,
    *,
    since: Instant | None = None,
    reason: Reason | None = None,
    limit: int = LARGEST_PAGE,
    after: str | None = None,
) -> shapes.Refusals:
    """Refused triggers, newest first."""
    query = select(tables.REFUSALS)
    if since is not None:
        query = query.where(_REFUSAL.received_at >= since)
    if reason is not None:
        query = query.where(_REFUSAL.reason == reason)
    key = (_REFUSAL.received_at, _REFUSAL.trigger_partition, _REFUSAL.trigger_offset)
    rows, following = page(views, query, key, limit, after, newest_first=True)
    return {"refusals": [render.refusal(row) for row in rows], "next": following}


def counts(views: Views, *, since: Instant | None = None) -> shapes.Counts:
    """How many executions there are by status, and refusals, received at `since` or later."""
    by_status = select(_EXECUTION.status, func.count().label("total")).group_by(_EXECUTION.status)
    refused = select(func.count().label("total")).select_from(tables.REFUSALS)
    if since is not None:
        by_status = by_status.where(_EXECUTION.received_at >= since)
        refused = refused.where(_REFUSAL.received_at >= since)
    return {
        "executions": {row.status: row.total for row in views.rows(by_status)},
        "refusals": views.rows(refused)[0].total,
    }


async def positions(views: Views, log: EventLog) -> shapes.Positions:
    """How far the views have read, and how far there is to read. Raises LogUnavailable."""
    stored = await asyncio.to_thread(views.positions)
    found = []
    for topic in TOPICS:
        for number in range(log.partitions(topic)):
            known = stored.get(Partition(topic.name, number))
            high = (await log.marks(topic, number)).high
            found.append(_position(topic.name, number, known.offset if known else 0, high))
    return {"projections": found}


def _position(topic: str, partition: int, offset: int, high: int) -> shapes.Position:
    return {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "high": high,
        "lag": max(0, high - offset),
    }


def _executions(columns: Sequence[Column[Any]] = tuple(_EXECUTION)) -> Select[Any]:
    joined = (
        tables.EXECUTIONS.outerjoin(tables.INSTANCES, _INSTANCE.id == _EXECUTION.instance_id)
        .outerjoin(tables.CUSTOMERS, _CUSTOMER.id == _EXECUTION.customer_id)
        .outerjoin(tables.INTEGRATIONS, _INTEGRATION.id == _EXECUTION.integration_id)
    )
    name = _INSTANCE.name.label("instance_name")
    return select(*columns, name, *_NAMES).select_from(joined)


def _instances() -> Select[Any]:
    joined = tables.INSTANCES.outerjoin(
        tables.CUSTOMERS, _CUSTOMER.id == _INSTANCE.customer_id
    ).outerjoin(tables.INTEGRATIONS, _INTEGRATION.id == _INSTANCE.integration_id)
    return select(tables.INSTANCES, *_NAMES).select_from(joined)


def _refused() -> Select[Any]:
    joined = (
        tables.REFUSALS.outerjoin(tables.INSTANCES, _INSTANCE.id == _REFUSAL.instance_id)
        .outerjoin(tables.CUSTOMERS, _CUSTOMER.id == _INSTANCE.customer_id)
        .outerjoin(tables.INTEGRATIONS, _INTEGRATION.id == _INSTANCE.integration_id)
    )
    instance = (
        _INSTANCE.name.label("instance_name"),
        _INSTANCE.customer_id,
        _INSTANCE.integration_id,
        _INSTANCE.version,
    )
    return select(tables.REFUSALS, *instance, *_NAMES).select_from(joined)


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.flow is not None:
        yield _EXECUTION.flow == wanted.flow
    if wanted.status is not None:
        yield _EXECUTION.status == wanted.status
    if wanted.since is not None:
        yield _EXECUTION.received_at >= wanted.since
    if wanted.instance is not None:
        named = select(_INSTANCE.id).where(_INSTANCE.name == wanted.instance)
        yield _EXECUTION.instance_id.in_(_id_or(named, ids.INSTANCE, wanted.instance))
    if wanted.customer is not None:
        named = select(_CUSTOMER.id).where(_CUSTOMER.external_id == wanted.customer)
        yield _EXECUTION.customer_id.in_(_id_or(named, ids.CUSTOMER, wanted.customer))


def _id_or(named: Select[Any], type_name: str, text: str) -> Any:
    try:
        return [ids.from_global(type_name, text)]
    except Refused:
        return named


def _steps(views: Views, execution_id: str) -> Sequence[Row[Any]]:
    """In order; from MOST_STEP_CHARACTERS on only how long results and inputs are."""
    known = tables.STEP_RESULTS.c
    order = (known.position, func.length(known.loop_path))
    lengths = [func.coalesce(func.length(column), 0) for column in (known.result, known.inputs)]
    so_far = func.sum(lengths[0] + lengths[1]).over(order_by=order)
    held = so_far <= MOST_STEP_CHARACTERS
    columns = [column for column in known if column.name not in ("result", "inputs")]
    query = select(
        *columns,
        case((held, known.result)).label("result"),
        case((held, known.inputs)).label("inputs"),
        case((~held, lengths[0])).label("result_characters"),
        case((~held, lengths[1])).label("inputs_characters"),
    )
    ordered = query.where(known.execution_id == execution_id).order_by(*order)
    return views.rows(ordered.limit(MOST_STEPS))


def _linked(views: Views, link: ColumnElement[bool]) -> list[str]:
    query = select(_EXECUTION.id).where(link)
    ordered = query.order_by(_EXECUTION.received_at, _EXECUTION.id)
    rows = views.rows(ordered.limit(MOST_LINKED))
    return [ids.to_global(ids.EXECUTION, row.id) for row in rows]


def _flows(views: Views, instance_ids: Sequence[str]) -> dict[str, list[shapes.Flow]]:
    known = tables.ENDPOINTS.c
    query = select(tables.ENDPOINTS).where(known.instance_id.in_(instance_ids))
    flows: dict[str, list[shapes.Flow]] = {instance_id: [] for instance_id in instance_ids}
    for row in views.rows(query.order_by(known.flow)):
        flows[row.instance_id].append(render.flow(row))
    return flows


def _names(views: Views, row: Row[Any]) -> Mapping[str, str]:
    """The display names of the steps of the execution's flows, as they are called on the log."""
    names = dict(_names_of(views, row.integration_id, row.version, row.flow))
    if row.preprocess_flow is not None:
        before = _names_of(views, row.integration_id, row.preprocess_version, row.preprocess_flow)
        names |= {events.PREPROCESS + key: name for key, name in before.items()}
    return names


def _names_of(
    views: Views, integration_id: str | None, version: int | None, flow: str | None
) -> Mapping[str, str]:
    known = tables.INTEGRATION_VERSIONS.c
    query = select(known.definition).where(
        known.integration_id == integration_id,
        known.version == version,
        known.definition.is_not(None),
    )
    for found in views.rows(query):
        return _step_names(found.definition).get(flow or "", {})
    return {}


@lru_cache(maxsize=64)
def _step_names(definition: str) -> Mapping[str, Mapping[str, str]]:
    """By flow and step key; empty for a text that is not a definition."""
    read = integration_file.read_published(definition)
    flows = read.flows if read else ()
    return {flow.name: {step.key: step.name for step in _all(flow.steps)} for flow in flows}


def _all(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.steps)
        for branch in step.branches:
            yield from _all(branch.steps)


def _is_refused(views: Views, execution_id: str) -> bool:
    refused = select(_REFUSAL.execution_id).where(_REFUSAL.execution_id == execution_id)
    return bool(views.rows(refused))


def _unknown(execution_id: str) -> Refused:
    return Refused(
        f"there is no execution {execution_id!r}", status=404, reason="unknown_execution"
    )


def whereabouts(views: Views, execution_id: str) -> tuple[str, bool] | None:
    """The instance of an execution and whether it has ended; None for one that nobody knows."""
    query = select(_EXECUTION.instance_id, _EXECUTION.ended_at)
    for row in views.rows(query.where(_EXECUTION.id == execution_id)):
        if row.instance_id is not None:
            return row.instance_id, row.ended_at is not None
    return None
