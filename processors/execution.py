"""Execution: which admitted triggers have been started, which are open, and what state they left.

Reads `admissions`, writes `executions` and `replies`; both are keyed by instance, so partition n of
the one belongs to partition n of the other. The `executions` topic is the journal: this file folds
it, and the host appends to it.

Rules of the journal, which the views keep too:

    a claim     the offset of a PartitionClaimed record; records that carry an older claim are void,
                so a worker that was paused and has lost its partition can say nothing more
    a start     ExecutionStarted stands in the order of `admissions`; an admission at or below the
                highest one started is a repeat
    an end      ExecutionCompleted, Failed or Canceled; nothing follows it. Where a preprocess flow
                has named another instance, ExecutionHandedOver: the rest follows there

    an invocation FlowInvoked stands here before it goes to `triggers`, perhaps more than once; what
                it started or what refused it takes it away again, and an admission for which none
                stands here is a repeat
    a change    of the starts that a deployment or a removal causes each counts once; what counted
                last is kept as state of the instance

    phase       made by                 holds
    invoked     FlowInvoked             the invocation, so that it can be said again
    open        ExecutionStarted        where its admission stands, and its events so far
    suspended   ExecutionCarried        where the record that says all of it stands, when it is due
    ended       Completed | Failed      nothing: it is forgotten

A suspended execution holds its place alone; a signal, FlowAnswered or ExecutionResumed opens it
again, and the record that carries it is read then.

What must be read again after a restart begins at `low_water`: the oldest open start, the oldest
persisted value, the oldest carried execution, or the last checkpoint. A checkpoint carries old
values and executions on to the end of the journal, so that recovery does not grow with history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.overlaps import Runs
from schemas import codec, events
from schemas.events import Scope
from schemas.ids import ExecutionId, InstanceId
from schemas.instants import Instant
from schemas.values import Value, from_json

MAX_ANSWERED = 1_000
MAX_SIGNALS = 100
"""So many signals are kept for an execution until it takes them."""


@dataclass(slots=True)
class Open:
    """An execution that has started and not ended. `journal_offset` is where its start stands."""

    journal_offset: int
    admission_offset: int
    said: list[events.Event] = field(default_factory=list)
    invoked_by: ExecutionId | None = None
    invoked: set[ExecutionId] = field(default_factory=set)
    unstarted: set[ExecutionId] = field(default_factory=set)
    running: set[ExecutionId] = field(default_factory=set)
    """What it has invoked and has not come to an end."""
    failures: int = 0
    """How many of those that it has invoked failed or were refused."""
    continues: bool = False
    """Whether its preprocess flow has run before, on another instance."""
    carried: bool = False
    """At `journal_offset` stands a record that says all up to there, its admission included."""


class Suspended(NamedTuple):
    """An execution that waits. There may be very many, so this holds no more than it must."""

    offset: int
    wake_at: Instant | None
    invoked_by: ExecutionId | None


@dataclass(slots=True)
class Invoked:
    """An invocation that nothing has followed yet; `offset` is where it stands on the journal."""

    offset: int
    event: events.FlowInvoked


@dataclass(slots=True)
class Stored:
    """A persisted value and where it stands on the journal."""

    value: Value
    offset: int


@dataclass(slots=True)
class Answered:
    """A request for shared state that has been answered, and where that stands on the journal."""

    event: events.StateAnswered
    offset: int


Values = dict[tuple[str, str], dict[str, Stored]]
"""(scope, owner) → key → value."""


@dataclass(slots=True)
class State:
    """One partition. It is changed in place: it holds every persisted value of its instances."""

    claim: int = -1
    checkpoint: int = 0
    started_through: dict[int, int] = field(default_factory=dict)
    decided_through: dict[int, int] = field(default_factory=dict)
    open: dict[ExecutionId, Open] = field(default_factory=dict)
    suspended: dict[ExecutionId, Suspended] = field(default_factory=dict)
    invoked: dict[ExecutionId, Invoked] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    answered: dict[str, Answered] = field(default_factory=dict)
    """By request id, the latest last; MAX_ANSWERED of them at most."""


Terminal = events.ExecutionCompleted | events.ExecutionFailed


def fold(state: State, offset: int, envelope: codec.Envelope) -> None:
    """Collect one record of the journal."""
    if envelope.claim is not None and envelope.claim != state.claim:
        if envelope.claim < state.claim:
            return
        state.claim = envelope.claim
    for event in envelope.events:
        evolve(state, offset, event)
        if isinstance(event, events.ExecutionCarried):
            _return(state, envelope.events[1])
            return  # the rest of the record has been folded before


def evolve(state: State, offset: int, event: events.Event) -> None:
    """Collect one event that stands at `offset`."""
    match event:
        case events.PartitionClaimed():
            state.claim = offset
        case events.JournalCheckpointed():
            state.checkpoint = offset
            _raise(state.started_through, event.started_through)
            _raise(state.decided_through, event.decided_through)
        case events.ExecutionStarted():
            if note_start(state, event):
                begin(state, event, offset)
        case events.ExecutionCompleted():
            end(state, event.execution_id, failed=False)
        case events.ExecutionHandedOver():
            hand_over(state, event.execution_id)
        case events.ExecutionFailed():
            end(state, event.execution_id, failed=True)
        case events.ExecutionCanceled():
            state.suspended.pop(event.execution_id, None)
            end(state, event.execution_id, failed=True)
        case events.TickSkipped():
            note_start(state, event)
        case events.ExecutionCarried():
            suspend(state, offset, event)
        case events.ExecutionResumed():
            resume(state, event.execution_id)
        case events.SignalReceived():
            note_decision(state, event.trigger_partition, event.trigger_offset)
            resume(state, event.execution_id)
            _keep(state, event)
        case events.FlowInvoked():
            invoke(state, offset, event)
        case events.FlowAnswered():
            resume(state, event.execution_id)
            _keep(state, event)
        case events.TriggerRefused():
            refuse(state, event.execution_id)
        case events.StateChanged():
            _store(state, offset, event)
        case events.StateAnswered():
            _answer(state, offset, event)
        case (
            events.StepScheduled()
            | events.StepRetryScheduled()
            | events.StepSucceeded()
            | events.StepFailed()
            | events.FlowDispatched()
            | events.ExecutionSuspended()
        ):
            _keep(state, event)


def note_start(state: State, event: events.ExecutionStarted | events.TickSkipped) -> bool:
    """Note what has become of an admission; False where that is a repeat."""
    if event.admission_offset <= state.started_through.get(event.admission_partition, -1):
        return False
    state.started_through[event.admission_partition] = event.admission_offset
    note_decision(state, event.trigger_partition, event.trigger_offset)
    return True


def begin(state: State, event: events.ExecutionStarted, offset: int) -> None:
    """Collect a start: from here on the execution is open, and its invocation is used up."""
    invoked = state.invoked.pop(event.execution_id, None)
    invoked_by = invoked.event.invoked_by if invoked else None
    if invoked_by in state.open:
        state.open[invoked_by].unstarted.discard(event.execution_id)
    state.open[event.execution_id] = Open(
        offset, event.admission_offset, invoked_by=invoked_by, continues=event.continues
    )
    if event.schedule_id is not None:
        state.runs.enter(event.schedule_id, event.execution_id, event.overlap)


def suspend(state: State, offset: int, event: events.ExecutionCarried) -> None:
    """Collect that all of an execution stands at `offset`, and that it waits."""
    state.open.pop(event.execution_id, None)
    known = Suspended(offset, event.wake_at, event.invoked_by)
    state.suspended[event.execution_id] = known


def resume(state: State, execution_id: ExecutionId) -> None:
    """Collect that a suspended execution goes on; others stay as they are."""
    known = state.suspended.pop(execution_id, None)
    if known is not None:
        state.open[execution_id] = Open(known.offset, -1, invoked_by=known.invoked_by, carried=True)


def has_room_for_signal(state: State, execution_id: ExecutionId) -> bool:
    """Whether another signal is kept for an execution that has not taken any yet."""
    said = state.open[execution_id].said
    return sum(isinstance(event, events.SignalReceived) for event in said) < MAX_SIGNALS


def end(state: State, execution_id: ExecutionId, *, failed: bool) -> ExecutionId | None:
    """Collect an end; gives the open execution that had invoked this one."""
    state.values.pop((Scope.EXECUTION.value, execution_id), None)
    state.runs.leave(execution_id)
    resume(state, execution_id)
    ended = state.open.pop(execution_id, None)
    return _leave(state, ended.invoked_by, execution_id, failed) if ended else None


def hand_over(state: State, execution_id: ExecutionId) -> None:
    """Collect that another instance goes on, unless its part has begun here already."""
    known = state.open.get(execution_id)
    if known is not None and not known.continues:
        end(state, execution_id, failed=False)


def invoke(state: State, offset: int, event: events.FlowInvoked) -> None:
    """Collect an invocation."""
    state.invoked[event.execution_id] = Invoked(offset, event)
    invoker = state.open.get(event.invoked_by)
    if invoker is not None:
        invoker.invoked.add(event.execution_id)
        invoker.unstarted.add(event.execution_id)
        invoker.running.add(event.execution_id)


def refuse(state: State, execution_id: ExecutionId) -> ExecutionId | None:
    """Collect that an invocation was refused; gives the open execution that had invoked it."""
    invoked = state.invoked.pop(execution_id, None)
    if invoked is None:
        return None
    return _leave(state, invoked.event.invoked_by, execution_id, failed=True)


def _leave(
    state: State, invoked_by: ExecutionId | None, execution_id: ExecutionId, failed: bool
) -> ExecutionId | None:
    invoker = state.open.get(invoked_by) if invoked_by else None
    if invoker is None:
        return None
    invoker.unstarted.discard(execution_id)
    invoker.running.discard(execution_id)
    invoker.failures += failed
    return invoked_by


def is_started(state: State, partition: int, offset: int) -> bool:
    """Whether the admission at this position has been started."""
    return offset <= state.started_through.get(partition, -1)


def note_decision(state: State, partition: int, offset: int) -> bool:
    """Note the decision on a trigger; False where it is a repeat, which must change nothing."""
    if offset <= state.decided_through.get(partition, -1):
        return False
    state.decided_through[partition] = offset
    return True


def started(
    admitted: events.ExecutionAdmitted, partition: int, offset: int
) -> events.ExecutionStarted:
    """The first event of the execution whose admission stands at this position."""
    return events.ExecutionStarted(
        execution_id=admitted.execution_id,
        instance_id=admitted.instance_id,
        flow=admitted.flow,
        admission_partition=partition,
        admission_offset=offset,
        trigger_partition=admitted.trigger_partition,
        trigger_offset=admitted.trigger_offset,
        preprocess=admitted.preprocess is not None,
        continues=admitted.continues,
        schedule_id=admitted.schedule_id,
        overlap=admitted.overlap,
    )


def owner_of(scope: Scope, admitted: events.ExecutionAdmitted) -> str:
    """Whose values a scope of this execution holds."""
    match scope:
        case Scope.EXECUTION:
            return admitted.execution_id
        case Scope.FLOW:
            return f"{admitted.instance_id}/{admitted.flow}"
        case Scope.INTEGRATION:
            return admitted.integration_id
        case Scope.CROSS_FLOW | Scope.PLATFORM:
            return admitted.instance_id


def read_values(state: State, scope: Scope, owner: str) -> Mapping[str, Value]:
    """The values of one owner now. Threads read too: taken at once, whatever is written beside."""
    held = state.values.get((scope.value, owner), {})
    return {key: stored.value for key, stored in tuple(held.items())}


def low_water(state: State) -> int:
    """The first journal offset that a restart has to read."""
    offsets = [state.checkpoint]
    offsets.extend(run.journal_offset for run in state.open.values())
    offsets.extend(known.offset for known in state.suspended.values())
    offsets.extend(invoked.offset for invoked in state.invoked.values())
    offsets.extend(s.offset for held in state.values.values() for s in held.values())
    offsets.extend(known.offset for known in state.answered.values())
    return min(offsets)


def checkpoint(state: State) -> events.JournalCheckpointed:
    """How far the inputs have been followed."""
    return events.JournalCheckpointed(
        started_through={str(p): o for p, o in state.started_through.items()},
        decided_through={str(p): o for p, o in state.decided_through.items()},
    )


def carried_answers(state: State, before: int) -> list[events.StateAnswered]:
    """The answers that stand before `before`, to be said again."""
    return [known.event for known in state.answered.values() if known.offset < before]


def carried(state: State, before: int) -> list[tuple[InstanceId, events.StateChanged]]:
    """The values that stand before `before`, to be said again: (key of the record, event)."""
    found: list[tuple[InstanceId, events.StateChanged]] = []
    for (scope, owner), held in state.values.items():
        for key, stored in held.items():
            if stored.offset < before:
                event = events.StateChanged(
                    execution_id=ExecutionId(""),
                    scope=Scope(scope),
                    owner=owner,
                    key=key,
                    value=stored.value,
                )
                found.append((InstanceId(owner.partition("/")[0]), event))
    return found


def move(state: State, before: int, offset: int, event: events.StateChanged) -> None:
    """Collect that a value `carried` stands at `offset` too, unless it was written meanwhile."""
    held = state.values.get((str(event.scope), event.owner), {})
    known = held.get(event.key)
    if known is not None and known.offset < before:
        held[event.key] = Stored(known.value, offset)


_Step = (
    events.StepScheduled
    | events.StepRetryScheduled
    | events.StepSucceeded
    | events.StepFailed
    | events.ExecutionSuspended
    | events.SignalReceived
    | events.FlowAnswered
    | events.FlowDispatched
)


def _return(state: State, admitted: events.Event) -> None:
    if isinstance(admitted, events.ExecutionAdmitted) and admitted.schedule_id is not None:
        state.runs.return_to(admitted.schedule_id, admitted.execution_id)


def _keep(state: State, event: _Step) -> None:
    run = state.open.get(event.execution_id)
    if run is not None:
        run.said.append(event)


def _answer(state: State, offset: int, event: events.StateAnswered) -> None:
    """Said again by a checkpoint, an answer keeps its age."""
    state.answered[event.request_id] = Answered(event, offset)
    if len(state.answered) > MAX_ANSWERED:
        del state.answered[next(iter(state.answered))]


def _store(state: State, offset: int, event: events.StateChanged) -> None:
    held = state.values.setdefault((str(event.scope), event.owner), {})
    if event.removed:
        held.pop(event.key, None)
    else:
        held[event.key] = Stored(from_json(event.value, event.tagged), offset)


def _raise(known: dict[int, int], given: Mapping[str, int]) -> None:
    for partition, offset in given.items():
        known[int(partition)] = max(known.get(int(partition), -1), offset)
