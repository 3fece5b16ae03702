"""Step views: how what the journal says of steps, and in log lines, becomes rows. Pure.

Takes in events of steps with the time and place of their record; gives out step rows and log lines.
Of a loop, and of a step that has only written log lines so far, other events tell that it began.
"""

from collections.abc import Callable
from typing import Any

import orjson

from projections.rows import (
    MOST_LINE_CHARACTERS,
    OPEN_STEP,
    Changes,
    LogRow,
    StepRow,
    StepStatus,
)
from schemas import events

_EARLIER = 1 << 62

_StepEvent = (
    events.StepScheduled
    | events.StepRetryScheduled
    | events.StepSucceeded
    | events.StepFailed
    | events.ExecutionSuspended
)


def _scheduled(event: events.StepScheduled, at: int, position: int, changes: Changes) -> None:
    row = _open_step(event, at, position, changes)
    if row is not None:
        row.status = StepStatus.RUNNING
        row.attempt = event.attempt
        row.error = None
        row.started_at = at


def _suspended(event: events.ExecutionSuspended, at: int, position: int, changes: Changes) -> None:
    row = _open_step(event, at, position, changes)
    if row is not None and row.status != StepStatus.RETRYING:
        row.status = StepStatus.WAITING
        row.error = None
        if row.started_at is None:
            row.started_at = at


def _retried(event: events.StepRetryScheduled, at: int, position: int, changes: Changes) -> None:
    row = _open_step(event, at, position, changes)
    if row is not None:
        row.status = StepStatus.RETRYING
        row.attempt = event.attempt
        row.error = storable(event.error)
    _log_error(event, at, position, changes)


def _succeeded(event: events.StepSucceeded, at: int, position: int, changes: Changes) -> None:
    row = _open_step(event, at, position, changes)
    if row is not None:
        row.status = StepStatus.SUCCEEDED
        row.attempt = event.attempt
        row.branch = event.branch
        row.result = orjson.dumps(event.result).decode()
        row.tagged = event.tagged
        row.blob = event.blob
        row.error = None
        row.started_at = event.started_at or row.started_at
        row.ended_at = at if event.ended_at is None else event.ended_at
        row.inputs = _json_or_none(event.inputs)


def _failed(event: events.StepFailed, at: int, position: int, changes: Changes) -> None:
    row = _open_step(event, at, position, changes)
    if row is not None:
        row.status = StepStatus.IGNORED if event.ignored else StepStatus.FAILED
        row.attempt = event.attempt
        row.error = storable(event.error)
        row.started_at = event.started_at or row.started_at
        row.ended_at = at if event.ended_at is None else event.ended_at
        row.inputs = _json_or_none(event.inputs)
    _log_error(event, at if event.ended_at is None else event.ended_at, position, changes)


def _logged(event: events.LogWritten, at: int, position: int, changes: Changes) -> None:
    if event.step:
        _open_loops(changes, event, at, position)
        _open(changes, event.execution_id, event.step, event.loop_path, at, position)
    _log(event, event.level, event.message, at, position, changes)


def _log_error(
    event: events.StepRetryScheduled | events.StepFailed, at: int, position: int, changes: Changes
) -> None:
    """What a failed attempt leaves in the log (platform-behaviour, 6.10)."""
    _log(event, "error", event.error[:MOST_LINE_CHARACTERS], at, position, changes)


def _log(
    event: events.LogWritten | events.StepRetryScheduled | events.StepFailed,
    level: str,
    message: str,
    at: int,
    position: int,
    changes: Changes,
) -> None:
    row = changes.execution(event.execution_id)
    if row.ended_at is None or is_earlier(event.step):
        position = _place(event.step, position)
        changes.log_lines.append(
            LogRow(row.id, position, at, level, storable(message), event.step, event.loop_path)
        )


def _open_step(event: _StepEvent, at: int, position: int, changes: Changes) -> StepRow | None:
    """The row of the step's run, or None where it or its execution has ended."""
    if changes.execution(event.execution_id).ended_at is not None and not is_earlier(event.step):
        return None
    key = (event.execution_id, event.step, event.loop_path)
    row = changes.steps.get(key)
    if row is None:
        _open_loops(changes, event, at, position)
        attempt = getattr(event, "attempt", 1)
        position = _place(event.step, position)
        row = changes.steps[key] = StepRow(*key, position, StepStatus.RUNNING, attempt)
        return row
    return row if row.status in OPEN_STEP else None


def _open_loops(
    changes: Changes, event: "_StepEvent | events.LogWritten", at: int, position: int
) -> None:
    """The loops around a step have begun, though they are told of only when they end."""
    path = event.loop_path
    prefix = events.PREPROCESS if path and is_earlier(event.step) else ""
    while path:
        path, _, last = path.rpartition(".")
        loop = prefix + last.partition("[")[0]
        _open(changes, event.execution_id, loop, path, at, position)


def _open(
    changes: Changes, execution_id: str, step: str, loop_path: str, at: int, position: int
) -> None:
    """Note that a step has begun, unless more is known of it."""
    key = (execution_id, step, loop_path)
    if key in changes.steps or key in changes.opened:
        return
    if changes.execution(execution_id).ended_at is None or is_earlier(step):
        row = StepRow(*key, _place(step, position), StepStatus.RUNNING, 1, started_at=at)
        changes.opened[key] = row


def _json_or_none(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def is_earlier(step: str) -> bool:
    """Whether it is a step of a preprocess flow: it may be read after the end on another partition.

    Claims alone protect such steps: whatever the order of reading, they come to the same rows.
    """
    return step.startswith(events.PREPROCESS)


def _place(step: str, position: int) -> int:
    """Steps of a preprocess flow, perhaps of another partition, stand before all others."""
    return position - _EARLIER if is_earlier(step) else position


def storable(text: str) -> str:
    """PostgreSQL texts cannot hold U+0000."""
    return text.replace("\x00", "\ufffd")


APPLY: dict[type, Callable[[Any, int, int, Changes], None]] = {
    events.StepScheduled: _scheduled,
    events.StepRetryScheduled: _retried,
    events.ExecutionSuspended: _suspended,
    events.StepSucceeded: _succeeded,
    events.StepFailed: _failed,
    events.LogWritten: _logged,
}
"""What an event changes: (event, time of its record, position, changes)."""
