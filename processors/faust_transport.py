"""A Faust transport that hands over one batch of a partition per message, and commits after it.

Takes in the records of the partitions that the group gives to this process, gives out one message
for each batch; its value is a `Batch`. Faust decides which partitions those are, when they come and
go, and when offsets are committed; its way of one event at a time costs 200 µs each, this one 7 µs.
What differs from Faust's own aiokafka transport, and why:

- The consumer lives in the event loop of the app. Faust runs it in a second thread, and under load
  each crossing between the two waits for the interpreter's lock.
- Records are fetched ahead for every partition, also for one whose batch is at work, until
  `AHEAD_BYTES` are waiting. aiokafka keeps one fetch per broker open: a partition that is left out
  of it, because its last records lie unconsumed, would wait for the length of a poll.
- A partition gets its next batch when the last one is finished: everything that has come
  meanwhile, so that batches grow under load.
- The next poll waits for the batches of the last one, but no longer than `SETTLE_S`: partitions
  then move in step and their outputs share requests, and a long batch does not hold up the others.
- What may be committed follows from `BatchConsumer.finish`. Faust's acks are not used: closing a
  stream acks the event in hand whether its agent succeeded or not, a first batch that is offset 0
  alone stops commits for good, and every skipped offset costs an entry in an interval tree.

A process that is blocked for longer than the session time-out loses its partitions: work that
takes long and does not yield belongs in threads.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from faust import Schema
from faust.transport import consumer, drivers, producer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from eventlog.log import Record
from schemas.instants import MILLISECOND, SECOND

SCHEME = "kafka-batches"
LOG_APPEND_TIME = 1
AHEAD_BYTES = 4 * 1024 * 1024
"""How many bytes of values may wait per partition while its batch is at work: bounded memory."""

SETTLE_S = 0.02
"""Less than the 0.1 s for which aiokafka holds back a fetch once records lie unconsumed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in order, read in one generation of the group."""

    tp: TP
    generation: int
    records: list[Record]

    @property
    def next_offset(self) -> int:
        """What is committed once the batch is finished."""
        return self.records[-1].offset + 1


_Delivery = tuple[TP, ConsumerMessage]


@dataclass(slots=True)
class _Inbox:
    """What waits for one partition. `is_open` once its owner is ready to take batches."""

    records: list[Record] = field(default_factory=list)
    waiting_bytes: int = 0
    is_open: bool = False
    is_busy: bool = False
    is_paused: bool = False

    @property
    def is_due(self) -> bool:
        return self.is_open and not self.is_busy and bool(self.records)


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust ships no types
    """Faust's consumer, which gives out batches and commits what is finished."""

    def __post_init__(self) -> None:
        self._inboxes: dict[TP, _Inbox] = {}
        self._finished: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._something_is_due = asyncio.Event()
        self._wave: set[TP] = set()
        self._wave_is_over = asyncio.Event()

    def _new_consumer_thread(self) -> "_Member":
        return _Member(self, loop=self.loop, beacon=self.beacon)

    def open(self, tps: Iterable[TP]) -> None:
        """Begin to give out batches of these partitions, as far as they are still assigned."""
        for tp in tps:
            if tp in self._inboxes:
                self._inboxes[tp].is_open = True
        self._something_is_due.set()

    def finish(self, batch: Batch) -> None:
        """Let the offset of `batch` be committed, and the next batch of its partition come."""
        inbox = self._inboxes.get(batch.tp)
        if inbox is None or batch.generation != self.app.consumer_generation_id:
            return
        self._finished[batch.tp] = batch.next_offset
        inbox.is_busy = False
        if inbox.records:
            self._something_is_due.set()
        self._wave.discard(batch.tp)
        if not self._wave:
            self._wave_is_over.set()

    async def settle(self) -> None:
        """Wait for the batches of the last poll to be finished, or for SETTLE_S."""
        if self._wave:
            self._wave_is_over.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    await self._wave_is_over.wait()
            self._wave.clear()

    def take_in(self, fetched: Mapping[Any, list[Record]]) -> None:
        """Let `fetched` wait for its turn; a partition with too much waiting is paused."""
        for kafka_tp, records in fetched.items():
            tp = consumer.ensure_TP(kafka_tp)
            inbox = self._inboxes.setdefault(tp, _Inbox())
            inbox.records += records
            inbox.waiting_bytes += sum([len(record.value) for record in records])
            if inbox.waiting_bytes > AHEAD_BYTES and not inbox.is_paused:
                inbox.is_paused = True
                self._thread.kafka.pause(kafka_tp)
            if inbox.is_due:
                self._wave.add(tp)
                self._something_is_due.set()

    async def getmany(self, timeout: float) -> AsyncIterator[_Delivery]:  # noqa: ASYNC109  # Faust's
        """One message with a batch of each partition that has records and no batch at work."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        await self._something_is_due.wait()
        self._something_is_due.clear()
        due = [(tp, inbox) for tp, inbox in self._inboxes.items() if inbox.is_due]
        if due and self.flow_active:
            batches = tuple([self._take_out(tp, inbox) for tp, inbox in due])
            yield batches[0].tp, _message(batches)

    def _take_out(self, tp: TP, inbox: _Inbox) -> Batch:
        batch = Batch(tp, self.app.consumer_generation_id, inbox.records)
        inbox.records, inbox.waiting_bytes, inbox.is_busy = [], 0, True
        if inbox.is_paused:
            inbox.is_paused = False
            self._thread.kafka.resume(TopicPartition(*tp))
        return batch

    async def _drain_messages(self, fetcher: Service) -> None:
        while not (self.should_stop or fetcher.should_stop):
            async for _, message in self.getmany(timeout=0):
                await self.callback(message)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The app is told, and may still finish and commit; then all that waits is dropped."""
        await super().on_partitions_revoked(revoked)
        self._inboxes.clear()
        self._wave.clear()
        self._finished.clear()
        self._committed.clear()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """First records may have come before this: aiokafka fetches at once."""
        for tp in assigned:
            self._inboxes.setdefault(tp, _Inbox())
        await super().on_partitions_assigned(assigned, generation_id)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit what is finished. What fails is tried again with the next commit."""
        finished = {
            tp: offset for tp, offset in self._finished.items() if self._committed.get(tp) != offset
        }
        if not finished or not await self._commit(finished):
            return False
        self._committed.update(finished)
        return True

    async def on_stop(self) -> None:
        """Nothing: who stops the app commits before it, and bounds how long that may take."""

    async def perform_seek(self) -> None:
        """Nothing: a new assignment begins at the committed offsets by itself."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust's watch for stuck partitions counts its own acks."""


class _Member(Service):  # type: ignore[misc]  # mode ships no types
    """The member of the group, an aiokafka consumer: it stands where Faust has its thread."""

    def __init__(self, owner: BatchConsumer, **kwargs: Any) -> None:
        self._owner = owner
        self._app = owner.app
        self.kafka: aiokafka.AIOKafkaConsumer = None
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        self.kafka = self._new_kafka()
        await self.kafka.start()
        self.kafka._fetcher._records = _Fetched(self._app.plain_name)

    async def on_stop(self) -> None:
        await self.kafka.stop()

    @Service.task  # type: ignore[untyped-decorator]  # mode ships no types
    async def _fetch_ahead(self) -> None:
        while not self.should_stop:
            try:
                self._owner.take_in(await self.kafka.getmany(timeout_ms=1_000))
                await self._owner.settle()
            except ConsumerStoppedError:
                return

    async def subscribe(self, topics: Iterable[str]) -> None:
        self.kafka.subscribe(topics=set(topics), listener=_Listener(self))

    def assignment(self) -> set[TP]:
        return set(consumer.ensure_TPset(self.kafka.assignment()))

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        try:
            await self.kafka.commit({TopicPartition(*tp): offset for tp, offset in offsets.items()})
        except (CommitFailedError, ConsumerStoppedError, IllegalStateError):
            _log.info("offsets not committed: the group has moved on")
            return False
        except KafkaError as error:
            _log.warning("offsets not committed: %r", error)
            return False
        return True

    def close(self) -> None:
        """Nothing: a rebalance while the app stops ends with the consumer."""

    async def revoke(self, revoked: Iterable[Any]) -> None:
        self._app.on_rebalance_start()
        await self._owner.on_partitions_revoked(consumer.ensure_TPset(revoked))

    async def assign(self, assigned: Iterable[Any]) -> None:
        generation = self.kafka._coordinator.generation
        self._app.consumer_generation_id = generation
        await self._owner.on_partitions_assigned(consumer.ensure_TPset(assigned), generation)

    def _new_kafka(self) -> aiokafka.AIOKafkaConsumer:
        conf, transport = self._app.conf, self._owner.transport
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            request_timeout_ms=_ms(conf.broker_request_timeout),
            session_timeout_ms=_ms(conf.broker_session_timeout),
            rebalance_timeout_ms=_ms(conf.broker_rebalance_timeout),
            heartbeat_interval_ms=_ms(conf.broker_heartbeat_interval),
        )


class _Fetched(OrderedDict[Any, Any]):
    """aiokafka's buffer of what was fetched, which has it build our records and not its own.

    Building one and then the other costs half as much again per record; aiokafka 0.14 has no
    setting for it, so this stands on two of its private names.
    """

    def __init__(self, plain_name: Callable[[str], str]) -> None:
        super().__init__()
        self._plain_name = plain_name

    def __setitem__(self, tp: Any, result: Any) -> None:
        unpacker = getattr(result, "_partition_records", None)
        if unpacker is not None:
            unpacker._consumer_record = _builder(self._plain_name(tp.topic), tp.partition)
        super().__setitem__(tp, result)


def _builder(topic: str, partition: int) -> Callable[[Any, Any], Record]:
    new = tuple.__new__  # half the price of the constructor of a NamedTuple

    def build(_: Any, raw: Any) -> Record:
        key = raw.key.decode("utf-8", "replace") if raw.key else ""
        at = raw.timestamp * MILLISECOND
        return new(Record, (topic, partition, raw.offset, at, key, raw.value or b""))

    return build


class _Listener(aiokafka.abc.ConsumerRebalanceListener):  # type: ignore[misc]  # ships no types
    """aiokafka's way of telling; what these raise it only logs, so the app has to take note."""

    def __init__(self, member: _Member) -> None:
        self._member = member

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._member.revoke(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._member.assign(assigned)


class BatchTransport(driver.Transport):  # type: ignore[misc]  # Faust ships no types
    """Batches in, nothing out: what is appended goes through a producer of our own."""

    Consumer = BatchConsumer
    Producer = producer.Producer


class BatchSchema(Schema):  # type: ignore[misc]  # Faust ships no types
    """Hands the value of a message on as it is: it is a Batch already."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def _message(batches: tuple[Batch, ...]) -> ConsumerMessage:
    first = batches[0]
    return ConsumerMessage(
        first.tp.topic,
        first.tp.partition,
        first.next_offset - 1,
        first.records[-1].at / SECOND,
        LOG_APPEND_TIME,
        None,
        None,
        batches,
        None,
        0,
        0,
        first.tp,
        generation_id=first.generation,
    )


def register() -> None:
    """Make Faust know `kafka-batches://HOST:PORT`. Idempotent."""
    drivers.TRANSPORTS.aliases[SCHEME] = f"{__name__}:{BatchTransport.__name__}"


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)
