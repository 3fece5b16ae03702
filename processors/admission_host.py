"""The IO around admission: takes batches of `triggers`, appends decisions, then the replies.

A batch is answered once its decisions are durable. The window of each endpoint is rebuilt from
`admissions` when a partition's first batch comes, from one second before that batch's first record;
idempotency keys from where processors.key_keeper says, ticks as processors.tick_keeper does.
`ticker` runs beside each partition that is assigned, and says the ticks of its schedules.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eventlog import at_hand
from eventlog.blobs import BlobMissing, Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, NewRecord, Record
from processors import (
    admission,
    dispatches,
    idempotency,
    invocations,
    lifecycle_triggers,
    replies,
    request_keys,
)
from processors.dead_letters import dead_letter
from processors.key_keeper import KeyKeeper
from processors.tick_keeper import TickKeeper
from schemas import codec, events
from schemas.errors import Undecodable
from schemas.events import Reason
from schemas.ids import EndpointId
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, TRIGGERS

CLOCKS_APART = Instant(5 * SECOND)
"""How far the append times of two partitions may disagree (several brokers, several clocks)."""

MAX_SEARCHED_BYTES = 16 * 1024 * 1024
"""Larger bodies are not searched for a name or a key: the whole partition waits meanwhile."""

Ticker = Callable[[int], Coroutine[Any, Any, None]]
"""Says the ticks of one partition until it is cancelled."""

_BEGINNING = Instant(0)
_DECISIONS = (
    events.ExecutionAdmitted
    | events.TriggerRefused
    | events.CallsRefused
    | events.LifecycleHappened
    | events.SignalReceived
    | events.TickSkipped
)
_LIMITED = events.ExecutionAdmitted | events.TriggerRefused | events.CallsRefused
_SETTLED = (Reason.RATE_LIMITED, Reason.REPEATED, Reason.IDEMPOTENCY_KEY_REUSED)
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Partition:
    """What admission knows of one partition of `triggers`."""

    keys: KeyKeeper
    ticks: TickKeeper
    states: dict[EndpointId, admission.State] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    """Offsets whose decisions stood on the log when the partition was taken over."""
    latest: Instant = _BEGINNING
    is_fresh: bool = False
    """Whether all that was deployed before the batch at work is in the catalog."""


class AdmissionHost:
    """Admission for the partitions that have been assigned to this process."""

    reader = "processors.admission"
    topic = TRIGGERS

    def __init__(
        self,
        log: EventLog,
        *,
        blobs: Blobs,
        definitions: Definitions,
        ticker: Ticker | None = None,
    ) -> None:
        self._log = log
        self._blobs = blobs
        self._definitions = definitions
        self._ticker = ticker
        self._ticking: dict[int, asyncio.Future[None]] = {}
        self._partitions: dict[int, _Partition] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def assign(self, partition: int) -> None:
        """Take over a partition; its window follows with the first batch."""
        self.revoke(partition)
        await self._definitions.read_to_end()
        if self._ticker is not None:
            self._ticking[partition] = asyncio.ensure_future(self._ticker(partition))
            self._watch(self._ticking[partition])

    def revoke(self, partition: int) -> None:
        """Forget a partition that now belongs to another process."""
        self._partitions.pop(partition, None)
        ticking = self._ticking.pop(partition, None)
        if ticking is not None:
            ticking.cancel()

    async def on_batch(self, partition: int, records: Sequence[Record]) -> None:
        """Decide on `records` in order; return when every decision is durable."""
        known = self._partitions.get(partition)
        if known is None:
            known = await self._recover(partition, records[0])
            self._partitions[partition] = known
        known.is_fresh = False
        appends: list[NewRecord] = []
        decided: list[events.Event] = []
        answers: list[replies.Reply] = []
        for record in records:
            if record.offset in known.decided:
                known.decided.discard(record.offset)
                known.ticks.note(record)
                continue
            for event in await self._decide(known, record, appends):
                if isinstance(event, events.AdmissionDecided):
                    answers.append(event)
                else:
                    decided.append(event)
                    appends.append(_admission(event))
        await known.keys.before(decided)
        await self._log.append(appends)
        if answers:
            self._watch(self._log.append(replies.records_of(answers)))
        await known.keys.after(decided, known.latest)
        await known.ticks.after(records[-1])

    async def _decide(
        self, known: _Partition, record: Record, appends: list[NewRecord]
    ) -> list[events.Event]:
        try:
            said = at_hand.decode(record.value).events
        except Undecodable as cause:
            _logger.error("triggers/%d offset %d: %s", record.partition, record.offset, cause)
            appends.append(dead_letter(record, cause))
            return []
        decided: list[events.Event] = []
        for event in said:
            if isinstance(event, events.FlowInvoked | events.LifecycleHappened):
                decided.append(await self._decide_inner(known, record, event))
                continue
            if isinstance(event, events.TickElapsed | events.SchedulesFollowed):
                known.latest = max(known.latest, record.at)
                outcomes = await known.ticks.decide(event, record, known.latest)
                if outcomes:
                    key, value = outcomes[0].instance_id, at_hand.encode(outcomes)
                    appends.append(NewRecord(ADMISSIONS.name, key, value))
                continue
            if isinstance(event, events.DispatchRequested):
                decided += self._decide_dispatch(known, record, event)
                continue
            if isinstance(event, events.SignalReceived):
                partition, offset = record.partition, record.offset
                decided.append(replace(event, trigger_partition=partition, trigger_offset=offset))
                continue
            if not isinstance(event, events.WebhookReceived | events.CallsRefused):
                continue
            if self._is_behind(event):
                await self._definitions.read_to_end()
            known.latest = max(known.latest, record.at)
            state = known.states.get(event.endpoint_id, admission.INITIAL)
            body = await self._body(state, event, known.latest)
            new = self._judge(known, record, event, state, body)
            if _may_be_stale(new) and not known.is_fresh:
                # What was deployed a moment ago, through another process, counts.
                await self._definitions.read_to_end()
                known.is_fresh = True
                body = await self._body(state, event, known.latest)
                new = self._judge(known, record, event, state, body)
            for outcome in new:
                state = admission.evolve(state, outcome)
                idempotency.evolve(known.keys.state, outcome)
            known.states[event.endpoint_id] = state
            decided += new
        return decided

    def _is_behind(self, event: events.WebhookReceived | events.CallsRefused) -> bool:
        """Whether the catalog lacks what was known, in another process, when the request came."""
        known = event.change if isinstance(event, events.WebhookReceived) else 0
        if known > self._definitions.next_offset:
            return True
        catalog = self._definitions.catalog
        return bool(event.endpoint_id) and catalog.endpoint(event.endpoint_id) is None

    def _judge(
        self,
        known: _Partition,
        record: Record,
        event: events.Event,
        state: admission.State,
        body: bytes | None,
    ) -> list[events.Event]:
        return admission.decide(
            state,
            event,
            known.latest,
            catalog=self._definitions.catalog,
            partition=record.partition,
            offset=record.offset,
            keys=known.keys.state,
            body=body,
        )

    def _decide_dispatch(
        self, known: _Partition, record: Record, event: events.DispatchRequested
    ) -> list[events.Event]:
        known.latest = max(known.latest, record.at)
        keys = known.keys.state
        said = dispatches.decide(
            event, known.latest, keys=keys, partition=record.partition, offset=record.offset
        )
        for outcome in said:
            idempotency.evolve(keys, outcome)
        return said

    async def _decide_inner(
        self,
        known: _Partition,
        record: Record,
        event: events.FlowInvoked | events.LifecycleHappened,
    ) -> events.Event:
        """What comes from within has no limit, but has to see its deployment."""
        catalog = self._definitions.catalog
        is_change = isinstance(event, events.LifecycleHappened)
        if is_change or event.instance_id not in catalog.instances:
            await self._definitions.read_to_end()
        known.latest = max(known.latest, record.at)
        partition, offset, now = record.partition, record.offset, known.latest
        if isinstance(event, events.LifecycleHappened):
            return lifecycle_triggers.decide(
                event, now, catalog=catalog, partition=partition, offset=offset
            )
        return invocations.decide(event, now, catalog=catalog, partition=partition, offset=offset)

    async def _body(
        self, state: admission.State, event: events.Event, now: Instant
    ) -> bytes | None:
        """The body of a request that is in a blob, where it has to be looked into."""
        catalog = self._definitions.catalog
        if not isinstance(event, events.WebhookReceived):
            return None
        endpoint = catalog.endpoint(event.endpoint_id)
        if endpoint is None or not admission.has_room(state, event, now, catalog):
            return None
        deployed = endpoint.instance.deployed
        version = (deployed.integration_id, deployed.version)
        if not endpoint.flow and not catalog.is_parsed(*version):
            # In a thread: a long definition takes seconds.
            await asyncio.to_thread(catalog.definition, *version)
        if event.request.body_bytes > MAX_SEARCHED_BYTES:
            return None
        if not request_keys.needs_body(catalog, endpoint, event):
            return None
        try:
            return await self._blobs.get(event.request.body)
        except BlobMissing:
            return b""

    async def _recover(self, partition: int, first: Record) -> _Partition:
        ticks = TickKeeper(self._log, self._definitions, partition)
        await ticks.begin(first.offset)
        known = _Partition(KeyKeeper(self._log, partition), ticks)
        since = Instant(first.at - SECOND - CLOCKS_APART)
        begins = await known.keys.begins(first.at)
        for target in range(self._log.partitions(ADMISSIONS)):
            offset = await self._log.offset_at(ADMISSIONS, target, since)
            if begins is not None:
                offset = min(offset, begins[target])
            high = (await self._log.marks(ADMISSIONS, target)).high
            while offset < high:
                records = await self._log.read(ADMISSIONS, target, offset, wait_s=1.0)
                if not records:
                    break
                for record in records:
                    _collect(known, partition, first.offset, record)
                offset = records[-1].offset + 1
        return known

    async def drain(self, timeout_s: float) -> None:
        """Nothing goes on beyond a batch."""

    def _watch(self, under_way: Awaitable[Any]) -> None:
        asyncio.ensure_future(under_way).add_done_callback(self._check)

    def _check(self, done: "asyncio.Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)


def _may_be_stale(said: Sequence[events.Event]) -> bool:
    """Whether a trigger was refused for what may have been deployed a moment ago."""
    return any(
        isinstance(event, events.TriggerRefused) and event.reason not in _SETTLED for event in said
    )


def _collect(known: _Partition, partition: int, first_offset: int, record: Record) -> None:
    try:
        said = codec.decode(record.value).events
    except Undecodable:
        return
    for event in said:
        if not isinstance(event, _DECISIONS | events.KeysRemembered):
            continue
        if event.trigger_partition != partition:
            continue
        idempotency.evolve(known.keys.state, event)
        if isinstance(event, events.KeysRemembered):
            continue
        if isinstance(event, events.ExecutionAdmitted | events.TriggerRefused):
            # The broker's clock may have gone back since.
            known.latest = max(known.latest, event.received_at)
        if isinstance(event, _LIMITED):
            state = known.states.get(event.endpoint_id, admission.INITIAL)
            known.states[event.endpoint_id] = admission.evolve(state, event)
        if event.trigger_offset >= first_offset:
            known.decided.add(event.trigger_offset)


def _admission(event: events.Event) -> NewRecord:
    assert isinstance(event, _DECISIONS)
    if isinstance(event, events.LifecycleHappened | events.SignalReceived | events.TickSkipped):
        key: str = event.instance_id
    else:
        key = getattr(event, "instance_id", None) or event.endpoint_id
    return NewRecord(ADMISSIONS.name, key, at_hand.encode([event]))
