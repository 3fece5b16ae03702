"""Writes: `Changes` become rows, by upserts of many rows at once in the dialect of the database.

SQLite takes tuples through the driver's `executemany`; PostgreSQL one JSON text per table, which it
takes apart itself: a statement per table instead of one per row.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from projections import tables
from projections.rows import OPEN_STEP, Changes, ExecutionRow, Status, StepStatus
from projections.views import forget_ended
from schemas import events, ids
from schemas.catalog import Status as InstanceStatus
from schemas.instants import Instant

_Upsert = Any  # the two dialects' Insert, which share their methods but no base class that has them
_Conflict = Callable[[_Upsert], _Upsert]
"""What becomes of a row that is there already."""


def write(connection: Connection, changes: Changes) -> None:
    """Write `changes` within the transaction of `connection`."""
    for event, at in changes.definitions:
        _write_definition(connection, event, at)
    forget_ended(changes, _ended(connection, changes.executions))
    _write_rows(connection, tables.EXECUTIONS, _stated(changes.executions.values()))
    _write_rows(connection, tables.STEP_RESULTS, list(changes.opened.values()), _keep_first)
    _write_rows(connection, tables.STEP_RESULTS, list(changes.steps.values()))
    _write_rows(connection, tables.LOG_LINES, changes.log_lines)
    _write_rows(connection, tables.REFUSALS, changes.refusals)
    _write_rows(connection, tables.REFUSED_CALLS, changes.refused_calls)
    _write_rows(connection, tables.SCHEDULE_TICKS, list(changes.ticks.values()))


def insert_for(connection: Connection, table: Table) -> Any:
    """An INSERT into `table` that knows ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _stated(rows: Iterable[ExecutionRow]) -> list[ExecutionRow]:
    """The rows that say something. One that does not know of a status is pending, which yields."""
    stated = []
    for row in rows:
        if row.status is None and (row.is_earlier or row.received_at is not None):
            row.status = Status.PENDING
        if row.status is not None:
            stated.append(row)
    return stated


def _ended(connection: Connection, asked: Iterable[str]) -> list[str]:
    """Which of the executions `asked` had ended before."""
    wanted = orjson.dumps(list(asked)).decode()
    if wanted == "[]":
        return []
    found = connection.execute(_ended_among(connection.dialect.name), {"ids": wanted})
    return [row[0] for row in found]


@cache
def _ended_among(dialect: str) -> Any:
    asked = bindparam("ids", type_=Text)
    if dialect == "postgresql":
        given = func.json_array_elements_text(cast(asked, postgresql.JSON)).column_valued("wanted")
        wanted = select(given)
    else:
        wanted = select(func.json_each(asked).table_valued("value").c.value)
    known = tables.EXECUTIONS.c
    return select(known.id).where(known.id.in_(wanted), known.ended_at.is_not(None))


def _write_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[object],
    on_conflict: _Conflict | None = None,
) -> None:
    if not rows:
        return
    settle = on_conflict or _CONFLICTS[table.name]
    if connection.dialect.name == "postgresql":
        connection.execute(_from_json(table, settle), {"rows": orjson.dumps(rows).decode()})
    else:
        sql, values = _from_tuples(table, settle)
        connection.exec_driver_sql(sql, list(map(values, rows)))


@cache
def _from_tuples(
    table: Table, settle: _Conflict
) -> tuple[str, Callable[[object], tuple[Any, ...]]]:
    """The SQL of the upsert into `table`, and what takes a row's values in its order."""
    names = [known.name for known in table.columns]
    upsert = settle(sqlite.insert(table))
    return str(upsert.compile(dialect=SQLiteDialect_pysqlite())), attrgetter(*names)


@cache
def _from_json(table: Table, settle: _Conflict) -> Any:
    """The upsert into `table` of all rows in the JSON text `rows`, a list of objects."""
    columns = [column(known.name, known.type) for known in table.columns]
    given = func.json_to_recordset(cast(bindparam("rows"), postgresql.JSON))
    rows = given.table_valued(*columns).render_derived(name="given", with_types=True)
    names = [known.name for known in columns]
    source = select(*[rows.c[name] for name in names])
    return settle(postgresql.insert(table).from_select(names, source))


def _merge_execution(upsert: _Upsert) -> _Upsert:
    """Each column keeps what was said first; the status moves on. Ended ones do not get here."""
    known, given = tables.EXECUTIONS.c, upsert.excluded
    moves = given.status != _literal(Status.PENDING)
    merged: dict[str, ColumnElement[Any]] = {
        name: func.coalesce(known[name], given[name])
        for name in tables.EXECUTIONS.columns.keys()[1:]
    }
    merged["status"] = case((moves, given.status), else_=known.status)
    return upsert.on_conflict_do_update(index_elements=["id"], set_=merged)


def _merge_step(upsert: _Upsert) -> _Upsert:
    """The latest attempt replaces earlier ones; a run that has come to an end stays as it is.

    A wait says nothing of an attempt, and leaves one that is retried as it is.
    """
    known, given = tables.STEP_RESULTS.c, upsert.excluded
    replaced = (
        "status",
        "attempt",
        "branch",
        "result",
        "tagged",
        "blob",
        "error",
        "ended_at",
        "inputs",
    )
    merged: dict[str, ColumnElement[Any]] = {name: given[name] for name in replaced}
    waits = given.status == _literal(StepStatus.WAITING)
    merged["attempt"] = case((waits, known.attempt), else_=given.attempt)
    merged["started_at"] = case(
        (waits, func.coalesce(known.started_at, given.started_at)),
        else_=func.coalesce(given.started_at, known.started_at),
    )
    open_step = known.status.in_([_literal(status) for status in OPEN_STEP])
    retried = known.status == _literal(StepStatus.RETRYING)
    return upsert.on_conflict_do_update(
        index_elements=["execution_id", "step", "loop_path"],
        set_=merged,
        where=open_step & ~(waits & retried),
    )


def _merge_tick(upsert: _Upsert) -> _Upsert:
    """Each column keeps what was said first."""
    known, given = tables.SCHEDULE_TICKS.c, upsert.excluded
    names = tables.SCHEDULE_TICKS.columns.keys()[2:]
    merged = {name: func.coalesce(known[name], given[name]) for name in names}
    return upsert.on_conflict_do_update(index_elements=["schedule_id", "due_at"], set_=merged)


def _keep_first(upsert: _Upsert) -> _Upsert:
    return upsert.on_conflict_do_nothing()


_CONFLICTS: dict[str, _Conflict] = {
    tables.EXECUTIONS.name: _merge_execution,
    tables.STEP_RESULTS.name: _merge_step,
    tables.LOG_LINES.name: _keep_first,
    tables.REFUSALS.name: _keep_first,
    tables.REFUSED_CALLS.name: _keep_first,
    tables.SCHEDULE_TICKS.name: _merge_tick,
}


def _literal(word: str) -> ColumnElement[str]:
    """A word of ours inside the SQL, so that the row's values are the only parameters."""
    return literal_column(f"'{word}'")


def _write_definition(connection: Connection, event: events.Event, at: Instant) -> None:
    match event:
        case events.IntegrationPublished():
            _publish(connection, event, at)
        case events.VersionReleased():
            _release(connection, event, at)
        case events.CustomerRegistered():
            row = {"external_id": event.external_id, "name": event.name}
            _replace(connection, tables.CUSTOMERS, event.customer_id, row)
        case events.InstanceDeployed():
            _deploy(connection, event, at)
            _schedule(connection, event, at)
        case events.InstancePaused():
            _set_status(connection, event.instance_id, InstanceStatus.PAUSED)
        case events.InstanceResumed():
            _set_status(connection, event.instance_id, InstanceStatus.ACTIVE)
        case events.InstanceRemoved():
            _set_status(connection, event.instance_id, InstanceStatus.REMOVED)


def _publish(connection: Connection, event: events.IntegrationPublished, at: Instant) -> None:
    said = {"definition": event.definition, "published_at": at}
    first = insert_for(connection, tables.INTEGRATION_VERSIONS).values(
        integration_id=event.integration_id, version=event.version, **said
    )
    unsaid = tables.INTEGRATION_VERSIONS.c.published_at.is_(None)
    connection.execute(
        first.on_conflict_do_update(
            index_elements=["integration_id", "version"], set_=said, where=unsaid
        )
    )
    row = {"name": event.name, "version": event.version, "published_at": at}
    newest = insert_for(connection, tables.INTEGRATIONS).values(id=event.integration_id, **row)
    older = tables.INTEGRATIONS.c.version < newest.excluded.version
    connection.execute(newest.on_conflict_do_update(index_elements=["id"], set_=row, where=older))


def _release(connection: Connection, event: events.VersionReleased, at: Instant) -> None:
    said = {"released_at": at, "comment": event.comment}
    released = insert_for(connection, tables.INTEGRATION_VERSIONS).values(
        integration_id=event.integration_id, version=event.version, **said
    )
    connection.execute(
        released.on_conflict_do_update(index_elements=["integration_id", "version"], set_=said)
    )


def _deploy(connection: Connection, event: events.InstanceDeployed, at: Instant) -> None:
    known, endpoints = tables.INSTANCES.c, tables.ENDPOINTS
    row = {
        "name": event.name,
        "integration_id": event.integration_id,
        "version": event.version,
        "customer_id": event.customer_id,
        "rate_limit": event.rate_limit,
        "deployed_at": at,
    }
    active, paused = _literal(InstanceStatus.ACTIVE), _literal(InstanceStatus.PAUSED)
    status = case((known.status == paused, known.status), else_=active)
    deployed = insert_for(connection, tables.INSTANCES).values(
        id=event.instance_id, status=InstanceStatus.ACTIVE, **row
    )
    connection.execute(
        deployed.on_conflict_do_update(index_elements=["id"], set_=row | {"status": status})
    )
    connection.execute(delete(endpoints).where(endpoints.c.instance_id == event.instance_id))
    for flow, endpoint_id in event.endpoints.items():
        row = {"instance_id": event.instance_id, "flow": flow, "id": endpoint_id}
        connection.execute(insert_for(connection, endpoints).values(row))


def _schedule(connection: Connection, event: events.InstanceDeployed, at: Instant) -> None:
    """What holds now for each flow, which is the last that is said of it."""
    table, instance_id = tables.SCHEDULES, event.instance_id
    connection.execute(delete(table).where(table.c.instance_id == instance_id))
    for rule in {rule.flow: rule for rule in event.schedules}.values():
        row = {
            "id": ids.schedule_of(instance_id, rule.flow),
            "instance_id": instance_id,
            "flow": rule.flow,
            "expression": rule.expression,
            "time_zone": rule.time_zone,
            "schedule_type": rule.schedule_type,
            "catch_up": rule.catch_up,
            "max_catch_up": rule.max_catch_up,
            "overlap": rule.overlap,
            "jitter_s": rule.jitter_s,
            "since": at if rule.since is None else rule.since,
        }
        connection.execute(insert_for(connection, table).values(row))


def _set_status(connection: Connection, instance_id: str, status: InstanceStatus) -> None:
    _replace(connection, tables.INSTANCES, instance_id, {"status": status})


def _replace(connection: Connection, table: Table, row_id: str, row: dict[str, Any]) -> None:
    """Insert the row, or set these columns of the one that is there."""
    upsert = insert_for(connection, table).values(id=row_id, **row)
    connection.execute(upsert.on_conflict_do_update(index_elements=["id"], set_=row))
