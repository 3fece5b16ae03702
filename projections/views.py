"""Views: how the records of the log become rows. Pure; takes in records, gives out rows.

What a reader ignores, exactly and in constant memory:

- admissions: every event names the position of its trigger. Per partition of admissions and per
  partition of triggers, an event whose trigger offset is not above the highest so far is a repeat.
- executions: the offset of a PartitionClaimed record is the partition's claim from there on. A
  record that carries an older claim comes from a worker that has lost the partition, and is
  ignored whole. (A newer claim can only be seen where retention has removed the claiming record.)
- executions: an ExecutionStarted whose admission offset is not above the highest so far, per
  partition of admissions, is a repeat. Once an execution has ended, nothing of it changes; nor
  does a step that has succeeded, failed or been ignored: first in the log wins.

Claim and highest offsets are the fold's `State` and are stored with the offset, so that a batch of
records gives the same rows however the log is cut. Admissions and executions are not ordered to
one another: each fills its own columns of `executions`, and the order does not matter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from eventlog.log import Record
from projections import step_views
from projections.rows import (
    Changes,
    ExecutionRow,
    RefusalRow,
    RefusedCallsRow,
    Status,
)
from projections.step_views import is_earlier, storable
from schemas import codec, events
from schemas.errors import Poison
from schemas.topics import ADMISSIONS, DEFINITIONS, EXECUTIONS

TOPICS = (DEFINITIONS, ADMISSIONS, EXECUTIONS)

NO_CLAIM = -1
_INDEX_BITS = 20
"""Up to a million events of one record keep their order in `position`."""


@dataclass(slots=True)
class State:
    """What reading one partition needs to remember. `highest` is by source partition."""

    claim: int = NO_CLAIM
    highest: dict[int, int] = field(default_factory=dict)

    def is_new(self, partition: int, offset: int) -> bool:
        """Whether this source position is above all so far; from now on it counts."""
        if offset <= self.highest.get(partition, -1):
            return False
        self.highest[partition] = offset
        return True

    def copy(self) -> "State":
        return State(self.claim, dict(self.highest))

    def dump(self) -> str:
        highest = {str(partition): offset for partition, offset in self.highest.items()}
        return orjson.dumps({"claim": self.claim, "highest": highest}).decode()


def load_state(text: str) -> State:
    """The inverse of `State.dump`."""
    stored = orjson.loads(text)
    return State(stored["claim"], {int(key): value for key, value in stored["highest"].items()})


def fold(state: State, records: Iterable[Record], changes: Changes) -> None:
    """Fold `records` of one partition, in order, into `state` and `changes`.

    Raises Poison for a record that does not decode or holds values of a wrong type; both are
    then to be thrown away and the records folded without it.
    """
    for record in records:
        envelope = codec.decode(record.value)
        try:
            _FOLDS[record.topic](state, record, envelope, changes)
        except (TypeError, ValueError, AttributeError) as error:
            raise Poison(f"an event with a value of a wrong type: {error}") from error
        changes.events += len(envelope.events)


def forget_ended(changes: Changes, ended: Iterable[str]) -> None:
    """Take out of `changes` what it says of executions that had ended before; admissions stay."""
    gone = set(ended)
    for execution_id in gone:
        row = changes.executions[execution_id]
        row.status = row.ended_at = row.error = row.error_step = None
        row.result_type = row.ended_partition = row.ended_offset = None
        if not row.is_earlier:
            row.started_at = None
    if gone:
        changes.steps = {
            key: row
            for key, row in changes.steps.items()
            if key[0] not in gone or is_earlier(key[1])
        }
        changes.opened = {
            key: row
            for key, row in changes.opened.items()
            if key[0] not in gone or is_earlier(key[1])
        }
        changes.log_lines = [
            row for row in changes.log_lines if row.execution_id not in gone or is_earlier(row.step)
        ]


def _fold_definitions(
    state: State, record: Record, envelope: codec.Envelope, changes: Changes
) -> None:
    changes.definitions += [(event, record.at) for event in envelope.events]


def _fold_admissions(
    state: State, record: Record, envelope: codec.Envelope, changes: Changes
) -> None:
    for event in envelope.events:
        match event:
            case events.ExecutionAdmitted():
                if state.is_new(event.trigger_partition, event.trigger_offset):
                    _admit(event, changes.execution(event.execution_id))
                    _fire(event, changes)
            case events.TickSkipped():
                if state.is_new(event.trigger_partition, event.trigger_offset):
                    _skip(event, changes)
            case events.TriggerRefused():
                if state.is_new(event.trigger_partition, event.trigger_offset):
                    changes.refusals.append(_refusal(event))
            case events.CallsRefused():
                if state.is_new(event.trigger_partition, event.trigger_offset):
                    changes.refused_calls.append(_refused_calls(event))


def _admit(event: events.ExecutionAdmitted, row: ExecutionRow) -> None:
    if row.received_at is not None:
        return
    if event.preprocess is None:
        row.flow = event.flow
        row.synchronous = event.synchronous
    else:
        row.preprocess_flow = event.flow
        row.preprocess_version = event.version
    if event.customer_id:
        row.instance_id = event.instance_id
        row.customer_id = event.customer_id
        row.version = event.version
    row.received_at = event.received_at
    row.endpoint_id = event.endpoint_id
    row.integration_id = event.integration_id
    row.invoke_type = event.invoke_type
    row.invoke_url = event.invoke_url
    row.request = orjson.dumps(event.request).decode()
    row.invoked_by = event.invoked_by


def _refusal(event: events.TriggerRefused) -> RefusalRow:
    return RefusalRow(
        trigger_partition=event.trigger_partition,
        trigger_offset=event.trigger_offset,
        execution_id=event.execution_id,
        endpoint_id=event.endpoint_id,
        instance_id=event.instance_id,
        flow=storable(event.flow),
        reason=event.reason,
        rate_limit=event.limit,
        received_at=event.received_at,
        customer=storable(event.customer),
        repeats=event.repeats,
    )


def _fire(event: events.ExecutionAdmitted, changes: Changes) -> None:
    if event.schedule_id is None or event.due_at is None:
        return
    row = changes.tick(event.schedule_id, event.due_at)
    row.first_due_at, row.instants = event.due_at, 1
    row.recorded_at = event.received_at
    row.late_ms = (event.received_at - event.due_at) // 1_000 - event.jitter_s * 1_000
    row.execution_id = event.execution_id


def _skip(event: events.TickSkipped, changes: Changes) -> None:
    row = changes.tick(event.schedule_id, event.due_at)
    row.first_due_at, row.instants = event.first_due_at, event.count
    row.recorded_at, row.reason = event.received_at, event.reason


def _refused_calls(event: events.CallsRefused) -> RefusedCallsRow:
    sample = {"method": event.method, "path": event.path, "headers": event.header_names}
    return RefusedCallsRow(
        trigger_partition=event.trigger_partition,
        trigger_offset=event.trigger_offset,
        endpoint_id=event.endpoint_id,
        reason=storable(event.reason),
        calls=event.count,
        first_at=event.first_at,
        last_at=event.last_at,
        sample=orjson.dumps(sample).decode(),
    )


def _fold_executions(
    state: State, record: Record, envelope: codec.Envelope, changes: Changes
) -> None:
    claim = NO_CLAIM if envelope.claim is None else envelope.claim
    if envelope.events and type(envelope.events[0]) is events.PartitionClaimed:
        claim = record.offset
    if claim < state.claim:
        return
    state.claim = claim
    if envelope.events and type(envelope.events[0]) is events.ExecutionCarried:
        return  # it says again what has been said, for who recovers
    first = record.offset << _INDEX_BITS
    for position, event in enumerate(envelope.events, first):
        if type(event) is events.ExecutionStarted and not state.is_new(
            event.admission_partition, event.admission_offset
        ):
            continue
        apply = _APPLY.get(type(event))
        if apply is not None:
            apply(event, record.at, position, changes)
        if isinstance(event, events.ExecutionCompleted | events.ExecutionFailed):
            _ended_there(changes.execution(event.execution_id), record)


def _started(event: events.ExecutionStarted, at: int, position: int, changes: Changes) -> None:
    row = changes.execution(event.execution_id)
    if event.continues or row.started_at is not None:
        return
    if event.preprocess:
        row.is_earlier = True
        row.started_at = at
        row.status = row.status or Status.RUNNING
    elif row.ended_at is None:
        row.status = Status.RUNNING
        row.started_at = at
        row.flow = event.flow
        row.instance_id = event.instance_id


def _dispatched(event: events.FlowDispatched, at: int, position: int, changes: Changes) -> None:
    row = changes.execution(event.execution_id)
    row.is_earlier = True
    row.flow = event.flow
    row.instance_id = event.instance_id
    row.customer_id = event.customer_id
    row.version = event.version
    row.synchronous = event.synchronous


def _ended(
    event: events.ExecutionCompleted | events.ExecutionFailed,
    at: int,
    position: int,
    changes: Changes,
) -> None:
    row = changes.execution(event.execution_id)
    if row.ended_at is not None:
        return
    row.ended_at = at
    if isinstance(event, events.ExecutionFailed):
        row.status = Status.FAILED
        row.error = storable(event.error)
        row.error_step = event.step
    else:
        row.status = Status.SUCCEEDED
        row.result_type = event.result_type


def _ended_there(row: ExecutionRow, record: Record) -> None:
    if row.ended_offset is None:
        row.ended_partition, row.ended_offset = record.partition, record.offset


def _canceled(event: events.ExecutionCanceled, at: int, position: int, changes: Changes) -> None:
    row = changes.execution(event.execution_id)
    if row.ended_at is None:
        row.ended_at = at
        row.status = Status.CANCELED
        row.error = storable(event.reason)


def _blocked(event: events.TickSkipped, at: int, position: int, changes: Changes) -> None:
    """A tick that was admitted, but met an open run of its schedule."""
    if event.execution_id is None:
        return
    changes.tick(event.schedule_id, event.due_at).blocked_by = event.open_execution_id
    row = changes.execution(event.execution_id)
    if row.ended_at is None:
        row.ended_at = at
        row.status = Status.CANCELED
        row.error = "skipped: a former run of its schedule was open"


_Fold = Callable[[State, Record, codec.Envelope, Changes], None]
_FOLDS: dict[str, _Fold] = {
    DEFINITIONS.name: _fold_definitions,
    ADMISSIONS.name: _fold_admissions,
    EXECUTIONS.name: _fold_executions,
}

_APPLY: dict[type, Callable[[Any, int, int, Changes], None]] = {
    **step_views.APPLY,
    events.ExecutionStarted: _started,
    events.FlowDispatched: _dispatched,
    events.ExecutionCompleted: _ended,
    events.ExecutionFailed: _ended,
    events.ExecutionCanceled: _canceled,
    events.TickSkipped: _blocked,
}
"""Events of the journal that change a view; the others are for the workers themselves."""
