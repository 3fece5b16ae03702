"""Overlaps: what becomes of a tick of a schedule while a former run of it is open. Pure.

Reads what the journal has said of open runs, and an admission; gives out what the journal is to say
of it first, by the schedule's `overlap`:

    allow     nothing: it starts
    skip      TickSkipped: it does not start
    queue     ExecutionStarted, and the run is held until those before it have ended: it is open,
              and nothing of it is in memory but where its admission stands
    cancel    ExecutionCanceled for each that is open; then it starts
"""

from dataclasses import dataclass, field

from schemas import events
from schemas.events import Overlap, Skip
from schemas.ids import ExecutionId, ScheduleId


@dataclass(slots=True)
class Runs:
    """The open runs of schedules, in their order."""

    of: dict[ScheduleId, list[ExecutionId]] = field(default_factory=dict)
    _schedules: dict[ExecutionId, ScheduleId] = field(default_factory=dict)
    _queued: set[ExecutionId] = field(default_factory=set)
    _released: list[ExecutionId] = field(default_factory=list)

    def enter(self, schedule_id: ScheduleId, execution_id: ExecutionId, overlap: str) -> None:
        """Collect a start."""
        if execution_id in self._schedules:
            return
        self.of.setdefault(schedule_id, []).append(execution_id)
        self._schedules[execution_id] = schedule_id
        if overlap == Overlap.QUEUE:
            self._queued.add(execution_id)

    def return_to(self, schedule_id: ScheduleId, execution_id: ExecutionId) -> None:
        """Collect a run whose start is no longer read: it stands before those that are."""
        if execution_id not in self._schedules:
            self.of.setdefault(schedule_id, []).insert(0, execution_id)
            self._schedules[execution_id] = schedule_id

    def leave(self, execution_id: ExecutionId) -> None:
        """Collect an end; whoever was held for it is released."""
        schedule_id = self._schedules.pop(execution_id, None)
        if schedule_id is None:
            return
        runs = self.of[schedule_id]
        was_first = runs[0] == execution_id
        runs.remove(execution_id)
        self._queued.discard(execution_id)
        if not runs:
            del self.of[schedule_id]
        elif was_first and runs[0] in self._queued:
            self._released.append(runs[0])

    def is_held(self, execution_id: ExecutionId) -> bool:
        """Whether it is open, but has not begun."""
        schedule_id = self._schedules.get(execution_id)
        if schedule_id is None or execution_id not in self._queued:
            return False
        return self.of[schedule_id][0] != execution_id

    def take_released(self) -> list[ExecutionId]:
        """Who may begin now, once."""
        released, self._released = self._released, []
        return released


def decide(
    runs: Runs, admitted: events.ExecutionAdmitted, start: events.ExecutionStarted
) -> list[events.Event]:
    """What is said of an admission whose start would be `start`, before that."""
    schedule_id, due_at = admitted.schedule_id, admitted.due_at
    if schedule_id is None or due_at is None or schedule_id not in runs.of:
        return []
    match Overlap(admitted.overlap):
        case Overlap.ALLOW:
            return []
        case Overlap.SKIP:
            return [_skipped(admitted, schedule_id, runs.of[schedule_id][0], start)]
        case Overlap.QUEUE:
            return [start]
        case Overlap.CANCEL:
            return [_canceled(run, admitted) for run in runs.of[schedule_id]]


def _skipped(
    admitted: events.ExecutionAdmitted,
    schedule_id: ScheduleId,
    open_run: ExecutionId,
    start: events.ExecutionStarted,
) -> events.TickSkipped:
    due_at = admitted.due_at
    assert due_at is not None
    return events.TickSkipped(
        schedule_id=schedule_id,
        instance_id=admitted.instance_id,
        flow=admitted.flow,
        due_at=due_at,
        first_due_at=due_at,
        reason=Skip.OVERLAP,
        trigger_partition=admitted.trigger_partition,
        trigger_offset=admitted.trigger_offset,
        received_at=admitted.received_at,
        execution_id=admitted.execution_id,
        open_execution_id=open_run,
        admission_partition=start.admission_partition,
        admission_offset=start.admission_offset,
    )


def _canceled(run: ExecutionId, admitted: events.ExecutionAdmitted) -> events.ExecutionCanceled:
    reason = "a later instant of its schedule came due while it ran"
    return events.ExecutionCanceled(execution_id=run, reason=reason, by=admitted.execution_id)
