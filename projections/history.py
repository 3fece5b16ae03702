"""History: the events of one execution as they stand on the log, read from the log itself.

Takes in an execution's id; gives out its events with topic, partition, offset and time, oldest
first. The views say only when it was received and when it ended, so that what is read of the log is
that stretch of time and no more.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter
from sqlalchemy import Select, select

from eventlog.log import EventLog, OffsetOutOfRange, Record
from projections import shapes, tables
from projections.store import Views
from schemas import codec, events, ids
from schemas.errors import Refused, Undecodable
from schemas.instants import SECOND, Instant, to_iso
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS, Topic

MOST_EVENTS = 10_000
MOST_RECORDS = 200_000
"""So many records of the log are looked through; what lies behind them is not shown."""
CLOCKS_APART = 5 * SECOND
"""How far the append times of two partitions may disagree (several brokers, several clocks)."""

_END = Instant(2**62)
_CLAIMED = events.WIRE_NAMES[events.PartitionClaimed].encode()


class Stretch(NamedTuple):
    """From when until when an execution may have said something; `until` is None while it runs."""

    since: Instant
    until: Instant | None


class Reader:
    """Reads the log for one request, up to a bound on the records it looks through."""

    def __init__(self, log: EventLog, execution_id: str, stretch: Stretch) -> None:
        self._log = log
        self._id = execution_id
        self._stretch = stretch
        self._left = MOST_RECORDS
        self.truncated = False

    async def events(self) -> list[shapes.LoggedEvent]:
        """What is on the log of this execution: its trigger, the decision, the journal."""
        decided = [shown async for shown in self._of_topic(ADMISSIONS)]
        said = [shown async for shown in self._of_topic(EXECUTIONS)]
        return [*await self._triggers(decided), *decided, *said]

    async def _of_topic(self, topic: Topic) -> AsyncIterator[shapes.LoggedEvent]:
        found: list[tuple[int, shapes.LoggedEvent]] = []
        for partition in range(self._log.partitions(topic)):
            claim = -1
            async for record in self._records(topic, partition):
                told = self._told(record)
                if told is None:
                    continue
                if topic == EXECUTIONS and told.claim is not None:
                    if told.claim < claim:
                        continue  # void: its worker had lost the partition
                    claim = told.claim
                found += [(record.at, shown) for shown in self._shown(record, told)]
        found.sort(key=lambda pair: pair[0])
        for _, shown in found:
            yield shown

    async def _records(self, topic: Topic, partition: int) -> AsyncIterator[Record]:
        since = Instant(self._stretch.since - CLOCKS_APART)
        until = _END if self._stretch.until is None else self._stretch.until + CLOCKS_APART
        offset = await self._log.offset_at(topic, partition, since)
        high = (await self._log.marks(topic, partition)).high
        while offset < high:
            if self._left <= 0:
                self.truncated = True
                return
            records = await self._log.read(topic, partition, offset, wait_s=1.0)
            if not records or records[0].at > until:
                return
            self._left -= len(records)
            for record in records:
                yield record
            offset = records[-1].offset + 1

    def _told(self, record: Record) -> codec.Envelope | None:
        """What `record` says, if it concerns the execution, or whose claim holds from here on."""
        if self._id.encode() not in record.value and _CLAIMED not in record.value:
            return None
        try:
            told = codec.decode(record.value)
        except Undecodable:
            return None
        if told.events and isinstance(told.events[0], events.PartitionClaimed):
            return codec.Envelope((), record.offset)
        return told

    def _shown(self, record: Record, told: codec.Envelope) -> list[shapes.LoggedEvent]:
        said = told.events
        if said and isinstance(said[0], events.ExecutionCarried):
            said = said[:1]  # what follows it has been said before
        return [
            _logged(record, event)
            for event in said
            if getattr(event, "execution_id", None) == self._id
        ]

    async def _triggers(self, decided: list[shapes.LoggedEvent]) -> list[shapes.LoggedEvent]:
        """The triggers that the decisions name, where the log still has them."""
        found: list[shapes.LoggedEvent] = []
        for place in {_cause(shown) for shown in decided} - {None}:
            assert place is not None
            found += await self._trigger(*place)
        return found

    async def _trigger(self, partition: int, offset: int) -> list[shapes.LoggedEvent]:
        try:
            records = await self._log.read(TRIGGERS, partition, offset, max_records=1)
        except OffsetOutOfRange:
            return []
        return [
            _logged(record, event)
            for record in records
            if record.offset == offset
            for event in codec.decode(record.value).events
        ]


async def read(views: Views, log: EventLog, execution_id: str) -> shapes.History:
    """The events of one execution, by global id or UUID. Raises Refused (404)."""
    uuid = ids.from_global(ids.EXECUTION, execution_id)
    stretch = await asyncio.to_thread(_stretch, views, uuid)
    if stretch is None:
        message = f"There is no execution with id: {execution_id}"
        raise Refused(message, status=404, reason="unknown_execution")
    reader = Reader(log, uuid, stretch)
    found = await reader.events()
    return {
        "events": found[:MOST_EVENTS],
        "truncated": reader.truncated or len(found) > MOST_EVENTS,
    }


def add_route(api: APIRouter, views: Views, log: EventLog) -> None:
    @api.get(
        "/executions/{execution_id}/events", summary="The events of an execution, from the log"
    )
    async def read_events(execution_id: str) -> shapes.History:
        return await read(views, log, execution_id)


def _stretch(views: Views, uuid: str) -> Stretch | None:
    known, refused = tables.EXECUTIONS.c, tables.REFUSALS.c
    ran = select(known.received_at, known.started_at, known.ended_at).where(known.id == uuid)
    for row in views.rows(ran):
        since = row.started_at if row.received_at is None else row.received_at
        return Stretch(Instant(since or 0), row.ended_at)
    turned_away: Select[Any] = select(refused.received_at).where(refused.execution_id == uuid)
    for row in views.rows(turned_away):
        return Stretch(Instant(row.received_at), Instant(row.received_at))
    return None


def _logged(record: Record, event: events.Event) -> shapes.LoggedEvent:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": to_iso(record.at),
        "type": events.WIRE_NAMES[type(event)],
        "content": orjson.loads(orjson.dumps(event)),
    }


def _cause(shown: shapes.LoggedEvent) -> tuple[int, int] | None:
    """Where the trigger of a decision stands."""
    content = shown["content"]
    if "trigger_offset" not in content:
        return None
    return content["trigger_partition"], content["trigger_offset"]
