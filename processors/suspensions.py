"""Suspensions: the record that says all of a waiting execution, and the alarm that wakes it.

    ExecutionCarried, ExecutionAdmitted, then the events so far         one record of the journal

Takes in runs that wait, and gives out that record; takes in that record, and gives out what a Run
is made of again. In memory there is only where it stands and when it is due.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord, Record
from processors import effects, execution
from schemas import codec, events
from schemas.errors import PenstockError
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.topics import EXECUTIONS

CARRIED_AT_ONCE = 500
"""So many old records are carried forward with one checkpoint."""

LONGEST_WAIT_S = 3_600.0
"""The clock may be set while we wait: it is looked at this often at least."""


class Told(NamedTuple):
    """What a carried record says."""

    admitted: events.ExecutionAdmitted
    said: tuple[events.Event, ...]


class Alarm:
    """When the suspended executions of one journal are due, the earliest first.

    Entries are never taken out: who is given one looks whether it still holds.
    """

    def __init__(self, clock: Callable[[], Instant] = effects.clock) -> None:
        self._due: list[tuple[Instant, ExecutionId]] = []
        self._set = asyncio.Event()
        self._clock = clock

    def set(self, wake_at: Instant | None, execution_id: ExecutionId) -> None:
        if wake_at is None:
            return
        heapq.heappush(self._due, (wake_at, execution_id))
        if self._due[0][1] == execution_id:
            self._set.set()

    async def next_due(self) -> ExecutionId:
        """Wait for the next one that is due."""
        while True:
            self._set.clear()
            wait_s = LONGEST_WAIT_S
            if self._due:
                wait_s = min(wait_s, (self._due[0][0] - self._clock()) / SECOND)
            if self._due and wait_s <= 0:
                return heapq.heappop(self._due)[1]
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._set.wait()


def carried(
    admitted: events.ExecutionAdmitted, wake_at: Instant | None, said: Sequence[events.Event]
) -> list[events.Event]:
    """What the record says."""
    head = events.ExecutionCarried(
        execution_id=admitted.execution_id, wake_at=wake_at, invoked_by=admitted.invoked_by
    )
    return [head, admitted, *said]


def record_of(said: Sequence[events.Event], claim: int, partition: int) -> NewRecord | None:
    """The record of `carried`; None where it is too large for one."""
    admitted = said[1]
    assert isinstance(admitted, events.ExecutionAdmitted)
    value = codec.encode(said, claim)
    if len(value) > MAX_VALUE_BYTES:
        return None
    return NewRecord(EXECUTIONS.name, admitted.instance_id, value, partition)


async def read(log: EventLog, partition: int, offset: int) -> Told:
    """What the carried record at `offset` says."""
    _, admitted, *said = codec.decode((await _record(log, partition, offset)).value).events
    assert isinstance(admitted, events.ExecutionAdmitted)
    return Told(admitted, tuple(said))


async def _record(log: EventLog, partition: int, offset: int) -> Record:
    found = await log.read(EXECUTIONS, partition, offset, max_records=1, wait_s=1.0)
    if not found or found[0].offset != offset:
        raise PenstockError(f"executions/{partition} has no record at {offset} any more")
    return found[0]


class Journal(Protocol):
    """A partition of the journal that this process owns."""

    partition: int
    state: execution.State
    claim: int

    def note(self, offset: int, records: int) -> None: ...


async def carry_forward(log: EventLog, journal: Journal, before: int) -> None:
    """Say the oldest waits that stand before `before` again, CARRIED_AT_ONCE at most."""
    state, partition = journal.state, journal.partition
    old = heapq.nsmallest(
        CARRIED_AT_ONCE,
        (
            (known.offset, execution_id)
            for execution_id, known in state.suspended.items()
            if known.offset < before
        ),
    )
    records = [(await _record(log, partition, offset), each) for offset, each in old]
    # From here to the append nothing may come between: who was woken is not carried any more.
    again = [
        (each, NewRecord(EXECUTIONS.name, record.key, _claimed(record, journal.claim), partition))
        for record, each in records
        if each in state.suspended and state.suspended[each].offset == record.offset
    ]
    if not again:
        return
    appended = await log.append([record for _, record in again])
    journal.note(appended[-1].offset, 0)
    for (each, _), at in zip(again, appended, strict=True):
        known = state.suspended.get(each)
        if known is not None and known.offset < at.offset:
            state.suspended[each] = known._replace(offset=at.offset)


def _claimed(record: Record, claim: int) -> bytes:
    return codec.encode(codec.decode(record.value).events, claim)
