"""The log on Kafka: the contract of `eventlog.log` by aiokafka.

Instants are the broker's (LogAppendTime) in whole milliseconds, and one for all records of a batch;
should the clock of a partition's leader be set back, they fall. Compaction is the broker's, too.

Positions are stored under the group `<reader>.positions`: Kafka takes a position for a group from
outside of it only while the group has no members, and a Faust worker may be a member of `<reader>`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from eventlog import kafka_topics, limits
from eventlog.kafka_client import (
    EARLIEST,
    LATEST,
    REQUEST_TIMEOUT_MS,
    Fetched,
    KafkaClient,
    RequestFailed,
)
from eventlog.kafka_producer import BATCH_BYTES, Lane, Pump
from eventlog.log import Appended, LogUnavailable, Marks, NewRecord, OffsetOutOfRange, Record
from schemas import topics
from schemas.errors import Bug, Unusable
from schemas.instants import MILLISECOND, Instant
from schemas.topics import Topic

ANSWER_S = 15.0
"""How long Kafka may take before the log counts as unavailable: enough to elect a leader."""

SHORTEST_POLL_S = 0.05

CARRIED = 32
"""How many reads may have left fetched records behind for the next one: 1 MiB of them each."""


class KafkaLog:
    """An open log on Kafka. Use it in the event loop in which it was opened, and nowhere else."""

    def __init__(self, bootstrap: str, prefix: str, client: KafkaClient, pump: Pump) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._client = client
        self._pump = pump
        self._carried: dict[tuple[TopicPartition, int], list[Record]] = {}
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        bootstrap: str,
        *,
        client_id: str = "penstock",
        prefix: str = "",
        answer_s: float = ANSWER_S,
    ) -> Self:
        """The log on the cluster at `bootstrap`; topics that are missing are made.

        `prefix` stands before the names of topics and groups on Kafka, and nowhere else. Raises
        Unusable in one sentence.
        """
        names = [prefix + topic.name for topic in topics.ALL]
        client = KafkaClient(bootstrap, client_id, answer_s)
        pump = Pump(bootstrap, lambda: _producer(bootstrap, client_id), answer_s)
        try:
            async with asyncio.timeout(2 * answer_s):
                await client.start()
                await _ensure_topics(bootstrap, client_id, prefix)
                await client.track(names)
                await pump.start({name: client.partitions(name) for name in names})
        except (KafkaError, LogUnavailable, TimeoutError, OSError) as error:
            await _abandon(client, pump)
            raise Unusable(
                f"Kafka at {bootstrap} cannot be used: {error or 'no answer'}"
            ) from error
        except Unusable:
            await _abandon(client, pump)
            raise
        return cls(bootstrap, prefix, client, pump)

    def append(self, records: Sequence[NewRecord]) -> Awaitable[list[Appended]]:
        try:
            self._check_open()
            lanes = [self._lane_of(record) for record in records]
        except (LogUnavailable, Bug) as error:
            refused: asyncio.Future[list[Appended]] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused
        return self._pump.append(records, lanes)

    def _lane_of(self, record: NewRecord) -> Lane:
        limits.check(record)
        lanes = self._pump.lanes.get(self.prefix + record.topic, [])
        partition = record.partition
        if partition is None and lanes:
            partition = topics.partition_of(record.key, len(lanes))
        if partition is None or not 0 <= partition < len(lanes):
            raise Bug(f"Kafka at {self.bootstrap} has no partition {record.topic}/{partition}")
        return lanes[partition]

    async def read(
        self,
        topic: Topic,
        partition: int,
        offset: int,
        *,
        max_records: int = 1_000,
        wait_s: float = 0.0,
    ) -> list[Record]:
        """As the contract has it; a read beyond the high mark raises LogUnavailable."""
        self._check_open()
        where = self._where(topic, partition)
        records = self._carried.pop((where, offset), [])
        if not records:
            records = await self._read(topic, where, offset, wait_s)
        if len(records) > max_records:
            self._carry(where, records[max_records:])
            del records[max_records:]
        return records

    def _carry(self, where: TopicPartition, records: list[Record]) -> None:
        self._carried[where, records[0].offset] = records
        if len(self._carried) > CARRIED:
            del self._carried[next(iter(self._carried))]

    async def _read(
        self, topic: Topic, where: TopicPartition, offset: int, wait_s: float
    ) -> list[Record]:
        """Fetch until there are records or `wait_s` is over, past stretches that have none left."""
        loop = asyncio.get_running_loop()
        end_at = loop.time() + wait_s
        position = offset
        while True:
            fetched = await self._fetch(topic, where, position, wait_s)
            records, position = _decode(topic.name, where.partition, position, fetched.batches)
            if records or (position >= fetched.high and loop.time() >= end_at):
                return records
            wait_s = max(SHORTEST_POLL_S, end_at - loop.time())

    async def _fetch(
        self, topic: Topic, where: TopicPartition, offset: int, wait_s: float
    ) -> Fetched:
        try:
            return await self._client.fetch(where, offset, wait_s)
        except RequestFailed as failed:
            if failed.error is not OffsetOutOfRangeError:
                raise self._failure(topic, failed) from failed
            marks = await self.marks(topic, where.partition)
            if offset < marks.low:
                raise OffsetOutOfRange(topic.name, where.partition, offset, marks.low) from failed
            raise LogUnavailable(
                f"{topic.name}/{where.partition} ends at offset {marks.high}, before {offset}"
            ) from failed
        except asyncio.CancelledError:
            reader = asyncio.current_task()
            if reader is None or not reader.cancelling():
                self._check_open()
            raise

    async def offset_at(self, topic: Topic, partition: int, at: Instant) -> int:
        at_ms = max(0, -(-at // MILLISECOND))
        offset = await self._offset_for(topic, partition, at_ms)
        return await self._offset_for(topic, partition, LATEST) if offset < 0 else offset

    async def marks(self, topic: Topic, partition: int) -> Marks:
        low = await self._offset_for(topic, partition, EARLIEST)
        return Marks(low, await self._offset_for(topic, partition, LATEST))

    async def _offset_for(self, topic: Topic, partition: int, instant_ms: int) -> int:
        self._check_open()
        try:
            return await self._client.offset_for(self._where(topic, partition), instant_ms)
        except RequestFailed as failed:
            raise self._failure(topic, failed) from failed

    async def commit(self, reader: str, topic: Topic, partition: int, offset: int) -> None:
        self._check_open()
        try:
            await self._client.commit(self._group(reader), self._where(topic, partition), offset)
        except RequestFailed as failed:
            raise self._failure(topic, failed) from failed

    async def committed(self, reader: str, topic: Topic, partition: int) -> int | None:
        self._check_open()
        try:
            return await self._client.committed(self._group(reader), self._where(topic, partition))
        except RequestFailed as failed:
            raise self._failure(topic, failed) from failed

    def partitions(self, topic: Topic) -> int:
        return len(self._pump.lanes[self.prefix + topic.name])

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._pump.close()
        await self._client.close()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise LogUnavailable(f"the log on Kafka at {self.bootstrap} is closed")

    def _where(self, topic: Topic, partition: int) -> TopicPartition:
        if not 0 <= partition < self.partitions(topic):
            raise Bug(f"Kafka at {self.bootstrap} has no partition {topic.name}/{partition}")
        return TopicPartition(self.prefix + topic.name, partition)

    def _group(self, reader: str) -> str:
        return f"{self.prefix}{reader}.positions"

    def _failure(self, topic: Topic, failed: RequestFailed) -> LogUnavailable:
        return LogUnavailable(f"Kafka at {self.bootstrap} refuses {topic.name}: {failed}")


def _producer(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=kafka_topics.MAX_MESSAGE_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


async def _ensure_topics(bootstrap: str, client_id: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, client_id=client_id, request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        await kafka_topics.ensure(admin, {prefix + topic.name: topic for topic in topics.ALL})
    finally:
        await admin.close()


async def _abandon(client: KafkaClient, pump: Pump) -> None:
    await pump.close()
    await client.close()


def _decode(topic: str, partition: int, offset: int, batches: bytes) -> tuple[list[Record], int]:
    """The records from `offset` on in `batches`, and where to read next. Raises LogUnavailable."""
    records: list[Record] = []
    unread = MemoryRecords(batches)
    while unread.has_next():
        batch: Any = unread.next_batch()
        if not batch.validate_crc():
            raise LogUnavailable(f"{topic}/{partition} is damaged near offset {batch.base_offset}")
        if not batch.is_control_batch:
            records += _records_of(topic, partition, offset, batch)
        offset = max(offset, batch.next_offset)
    return records, offset


def _records_of(topic: str, partition: int, offset: int, batch: Any) -> list[Record]:
    """Of compressed batches, too, the records before `offset` are left out."""
    return [
        Record(
            topic,
            partition,
            record.offset,
            Instant(record.timestamp * MILLISECOND),
            (record.key or b"").decode(errors="replace"),
            record.value or b"",
        )
        for record in batch
        if record.offset >= offset
    ]
