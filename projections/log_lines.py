"""Log lines: what the log of an execution says, its flow's own lines and those that follow.

Own lines, and the errors of steps, are rows. That the execution and its steps began, that it ended
or failed (platform-behaviour, 6.10) follows from the rows of the execution and of its steps and is
found while it is read, so that it costs nothing before. All stand in the order of the journal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, Table, and_, func, or_, select, tuple_

from projections import render, shapes, tables
from projections.paging import cursor, read_cursor
from projections.rows import MOST_LINE_CHARACTERS, Status
from projections.store import Views
from schemas import events
from schemas.instants import Instant, to_iso

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
"""From the least to the most severe; metrics are lines of another kind."""

LARGEST_LOG_PAGE = 1_000
MOST_STARTS = 10_000
"""So many starts of steps within loops are told of; own lines and errors always are."""

_BEFORE_ALL = -(2**62) - 1
_AFTER_ALL = 2**62 + 1
_STEP = tables.STEP_RESULTS.c
_OWN = tables.LOG_LINES.c


class Place(NamedTuple):
    """The order of lines: by journal, then starts of steps, outer ones first, then own lines."""

    position: int
    rank: int
    depth: int


_STARTS, _OWN_LINES, _NOTES = 0, 1, 2
_BEGINNING = Place(_BEFORE_ALL - 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and where it stands."""

    place: Place
    at: int
    level: str
    message: str
    step: str = ""
    loop_path: str = ""


def read(
    views: Views,
    execution: Row[Any],
    names: Mapping[str, str],
    *,
    limit: int,
    after: str | None,
    level: str | None = None,
) -> shapes.LogLines:
    """The lines of `execution` behind the cursor `after`, of `level` or above, oldest first.

    `names` are the display names of steps, as they are called on the log. Raises Refused for a
    cursor that is not one.
    """
    limit = max(1, min(limit, LARGEST_LOG_PAGE))
    since = _BEGINNING if after is None else Place(*read_cursor(after, [int, int, int]))
    found = [*_own(views, execution, since, limit + 1, _from(level))]
    if level is None or "info" in _from(level):
        found += _steps(views, execution, names, since, limit + 1)
    if level != "metric":
        found += _edges(views, execution)
    shown = sorted(
        (line for line in found if line.place > since and line.level in _from(level)),
        key=lambda line: line.place,
    )
    following = cursor([*shown[limit - 1].place]) if len(shown) > limit else None
    return {"logs": [_shown(line, names) for line in shown[:limit]], "next": following}


def _from(level: str | None) -> tuple[str, ...]:
    if level is None:
        return (*LEVELS, "metric")
    return LEVELS[LEVELS.index(level) :] if level in LEVELS else (level,)


def _own(
    views: Views, execution: Row[Any], since: Place, limit: int, levels: tuple[str, ...]
) -> Iterator[Line]:
    query = select(tables.LOG_LINES).where(
        _OWN.execution_id == execution.id,
        _OWN.position >= since.position
        if since.rank < _OWN_LINES
        else _OWN.position > since.position,
        _OWN.level.in_(levels),
    )
    for row in views.rows(query.order_by(_OWN.position).limit(limit)):
        place = Place(row.position, _OWN_LINES, 0)
        yield Line(place, row.at, row.level, row.message, row.step, row.loop_path)


def _steps(
    views: Views, execution: Row[Any], names: Mapping[str, str], since: Place, limit: int
) -> Iterator[Line]:
    """The starts of steps, outside of loops and within them, and where the latter end."""
    outside = _STEP.loop_path == ""
    yield from _starts(views, execution, _started(execution, since).where(outside), names, limit)
    inside = _STEP.loop_path != ""
    last = _last_start(views, execution)
    if last is None:
        yield from _starts(views, execution, _started(execution, since).where(inside), names, limit)
        return
    if last.position >= since.position:
        bounded = _started(execution, since).where(inside, _STEP.position <= last.position)
        yield from _starts(views, execution, bounded, names, limit)
        message = f"the starts of the first {MOST_STARTS} steps in loops are listed, no further"
        yield Line(Place(last.position, _NOTES, 0), _began(last), "info", message)


def _started(execution: Row[Any], since: Place) -> Select[Any]:
    depth = func.length(_STEP.loop_path)
    behind: ColumnElement[bool] = _STEP.position > since.position
    if since.rank == _STARTS:
        behind = or_(behind, and_(_STEP.position == since.position, depth > since.depth))
    query = _of(tables.STEP_RESULTS, execution).where(behind, _began_at().is_not(None))
    return query.order_by(_STEP.position, depth)


def _starts(
    views: Views, execution: Row[Any], query: Select[Any], names: Mapping[str, str], limit: int
) -> Iterator[Line]:
    rows = views.rows(query.limit(limit))
    first_errors = _first_errors(views, execution, [row for row in rows if row.attempt > 1])
    for row in rows:
        place = Place(row.position, _STARTS, len(row.loop_path))
        name = names.get(row.step, render.key_of(row.step))
        at = min(_began(row), first_errors.get((row.step, row.loop_path), _AFTER_ALL))
        yield Line(place, at, "info", name, row.step, row.loop_path)


def _first_errors(
    views: Views, execution: Row[Any], retried: Sequence[Row[Any]]
) -> dict[tuple[str, str], int]:
    """When the first attempt of each had failed: its row knows the latest attempt alone."""
    if not retried:
        return {}
    runs = [(row.step, row.loop_path) for row in retried]
    query = select(_OWN.step, _OWN.loop_path, func.min(_OWN.at).label("at")).where(
        _OWN.execution_id == execution.id,
        _OWN.level == "error",
        tuple_(_OWN.step, _OWN.loop_path).in_(runs),
    )
    rows = views.rows(query.group_by(_OWN.step, _OWN.loop_path))
    return {(row.step, row.loop_path): row.at for row in rows}


def _last_start(views: Views, execution: Row[Any]) -> Row[Any] | None:
    """The last step within loops whose start is told of; None where there are not so many."""
    query = _of(tables.STEP_RESULTS, execution).where(_STEP.loop_path != "")
    rows = views.rows(query.order_by(_STEP.position).offset(MOST_STARTS - 1).limit(2))
    return rows[0] if len(rows) > 1 else None


def _of(table: Table, execution: Row[Any]) -> Select[Any]:
    query = select(
        _STEP.step,
        _STEP.loop_path,
        _STEP.position,
        _STEP.attempt,
        _STEP.started_at,
        _STEP.ended_at,
    )
    return query.where(table.c.execution_id == execution.id)


def _began_at() -> ColumnElement[Any]:
    return func.coalesce(_STEP.started_at, _STEP.ended_at)


def _began(row: Row[Any]) -> int:
    at: int = row.ended_at if row.started_at is None else row.started_at
    return at


def _edges(views: Views, execution: Row[Any]) -> Iterator[Line]:
    """That the execution began, why it failed, and that it ended."""
    name = execution.instance_name or execution.integration_name or execution.instance_id or ""
    if execution.started_at is not None:
        place = Place(_BEFORE_ALL, 0, 0)
        yield Line(place, execution.started_at, "info", f"Starting Instance '{name}'")
    if execution.ended_at is None:
        return
    why = _why(views, execution)
    if why is not None:
        yield why
    if execution.started_at is not None:
        place = Place(_AFTER_ALL, 1, 0)
        yield Line(place, execution.ended_at, "info", f"Ending Instance '{name}'")


def _why(views: Views, execution: Row[Any]) -> Line | None:
    """Why it failed or was canceled, unless the error of its last step has just said so."""
    if execution.error is None:
        return None
    message, step = execution.error[:MOST_LINE_CHARACTERS], execution.error_step or ""
    query = select(tables.LOG_LINES).where(_OWN.execution_id == execution.id)
    for last in views.rows(query.order_by(_OWN.position.desc()).limit(1)):
        if (last.level, last.message, last.step) == ("error", message, step):
            return None
    level = "warn" if execution.status == Status.CANCELED else "error"
    return Line(Place(_AFTER_ALL, 0, 0), execution.ended_at, level, message, step)


def _shown(line: Line, names: Mapping[str, str]) -> shapes.LogLine:
    key = render.key_of(line.step)
    outer, _, index = line.loop_path.rpartition(".")[2].rstrip("]").rpartition("[")
    prefix = events.PREPROCESS if key != line.step else ""
    return {
        "timestamp": to_iso(Instant(line.at)),
        "level": line.level,
        "message": line.message,
        "step": key,
        "stepName": names.get(line.step, key),
        "loopPath": line.loop_path,
        "loopStepName": names.get(prefix + outer, outer) if outer else None,
        "loopStepIndex": int(index) if index.isdecimal() else None,
        "fromPreprocessFlow": key != line.step,
    }
