"""The Faust worker on a real broker: what it reads, what it commits, and who takes over.

Run as a program (`python -m tests.processors.test_faust_transport BOOTSTRAP GROUP TOPIC`) this is a
group member for the tests to kill. It prints `partition offset` for every record that it was given,
and `-1 count` for every assignment.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from eventlog.log import LogUnavailable, Record
from processors import faust_transport, faust_worker
from processors.faust_worker import BatchWorker, Callbacks, Partitions
from schemas.instants import Instant

pytestmark = pytest.mark.kafka

PARTITIONS = 4
PATIENCE_S = 50
"""Less than the minute that partitions of a dead member stay orphaned with Faust's own settings."""

Noted = TypeVar("Noted")
Handler = Callable[[str, int, list[Record]], Awaitable[None]]


@dataclass
class Seen:
    """What a worker was told, and a way to wait for it."""

    assigned: list[Partitions] = field(default_factory=list)
    revoked: list[Partitions] = field(default_factory=list)
    batches: list[list[Record]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]

    @property
    def owns(self) -> int:
        """How many partitions the last assignment gave."""
        return len(self.assigned[-1]) if self.assigned else 0

    def offsets(self) -> dict[int, list[int]]:
        found = defaultdict(list)
        for record in self.records:
            found[record.partition].append(record.offset)
        return dict(found)

    async def until(self, is_so: Callable[["Seen"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: is_so(self))

    async def on_assigned(self, partitions: Partitions) -> None:
        await self._note(self.assigned, partitions)

    async def on_revoked(self, partitions: Partitions) -> None:
        await self._note(self.revoked, partitions)

    async def on_batch(self, topic: str, partition: int, records: list[Record]) -> None:
        await self._note(self.batches, records)

    async def _note(self, where: list[Noted], what: Noted) -> None:
        async with self.changed:
            where.append(what)
            self.changed.notify_all()


@dataclass
class Kafka:
    """One topic of four partitions, with a producer at hand."""

    bootstrap: str
    prefix: str
    producer: AIOKafkaProducer
    reader: str = "processors.admission"

    @property
    def topic(self) -> str:
        return f"{self.prefix}triggers"

    @property
    def group(self) -> str:
        return f"{self.prefix}{self.reader}"

    def worker(self, callbacks: Callbacks, instance_id: str | None = None) -> BatchWorker:
        return BatchWorker(
            bootstrap=self.bootstrap,
            group=self.group,
            topics=[self.topic],
            callbacks=callbacks,
            plain_name=lambda name: name.removeprefix(self.prefix),
            instance_id=instance_id,
        )

    @asynccontextmanager
    async def running(
        self, seen: Seen, on_batch: Handler | None = None, instance_id: str | None = None
    ) -> AsyncIterator[BatchWorker]:
        worker = self.worker(callbacks(seen, on_batch), instance_id)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    async def append(self, count: int, *, partitions: int = PARTITIONS, size: int = 10) -> None:
        for number in range(count):
            await self.producer.send(
                self.topic,
                f"{number:0{size}}".encode(),
                key=f"key-{number}".encode(),
                partition=number % partitions,
            )
        await self.producer.flush()

    async def state_of_group(self) -> str:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            (response,) = await admin.describe_consumer_groups([self.group])
            return str(response.groups[0][2])
        finally:
            await admin.close()

    async def committed(self) -> dict[int, int]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            tps = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            found = [(tp.partition, await consumer.committed(tp)) for tp in tps]
            return {partition: offset for partition, offset in found if offset is not None}
        finally:
            await consumer.stop()


def callbacks(seen: Seen, on_batch: Handler | None = None) -> Callbacks:
    return Callbacks(
        on_assigned=seen.on_assigned,
        on_revoked=seen.on_revoked,
        on_batch=on_batch or seen.on_batch,
    )


@pytest.fixture
async def kafka(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Kafka]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{topic_prefix}triggers", PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, linger_ms=2)
    await producer.start()
    yield Kafka(kafka_bootstrap, topic_prefix, producer)
    await producer.stop()


async def test_every_record_arrives_once_and_in_order(kafka: Kafka) -> None:
    await kafka.append(2_000)
    seen = Seen()
    async with kafka.running(seen):
        await seen.until(lambda seen: len(seen.records) >= 2_000)
    assert seen.offsets() == {number: list(range(500)) for number in range(PARTITIONS)}


async def test_records_carry_what_the_log_says(kafka: Kafka) -> None:
    sent = await kafka.producer.send_and_wait(
        kafka.topic, b"value", key="ключ".encode(), partition=2
    )
    seen = Seen()
    async with kafka.running(seen):
        await seen.until(lambda seen: len(seen.records) == 1)
    assert seen.records == [
        Record("triggers", 2, 0, sent.timestamp * 1_000, "ключ", b"value"),
    ]


async def test_records_without_key_or_value_and_with_a_broken_key_arrive(kafka: Kafka) -> None:
    await kafka.producer.send_and_wait(kafka.topic, None, key=b"k", partition=0)
    await kafka.producer.send_and_wait(kafka.topic, b"v", key=None, partition=0)
    await kafka.producer.send_and_wait(kafka.topic, b"w", key=b"\xff", partition=0)
    seen = Seen()
    async with kafka.running(seen):
        await seen.until(lambda seen: len(seen.records) == 3)
    assert [(record.key, record.value) for record in seen.records] == [
        ("k", b""),
        ("", b"v"),
        ("�", b"w"),
    ]


async def test_stopping_finishes_the_batch_at_work_and_commits_it(kafka: Kafka) -> None:
    await kafka.append(1, partitions=1)
    seen, go_on = Seen(), asyncio.Event()

    async def slow(topic: str, partition: int, records: list[Record]) -> None:
        await seen.on_batch(topic, partition, records)
        await go_on.wait()

    async with kafka.running(seen, slow) as worker:
        await seen.until(lambda seen: len(seen.batches) == 1)
        stopping = asyncio.create_task(worker.stop())
        assert await kafka.committed() == {}
        assert not seen.revoked
        go_on.set()
        await stopping
    assert seen.revoked == seen.assigned
    assert await kafka.committed() == {0: 1}


async def test_a_batch_that_does_not_end_is_cancelled_and_not_committed(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_worker, "DRAIN_S", 0.0)
    await kafka.append(1, partitions=1)
    seen, cancelled = Seen(), asyncio.Event()

    async def endless(topic: str, partition: int, records: list[Record]) -> None:
        await seen.on_batch(topic, partition, records)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with kafka.running(seen, endless):
        await seen.until(lambda seen: len(seen.batches) == 1)
    assert cancelled.is_set()
    assert await kafka.committed() == {}


async def test_a_restart_goes_on_after_the_committed_offset(kafka: Kafka) -> None:
    await kafka.append(40)
    first, second = Seen(), Seen()
    async with kafka.running(first):
        await first.until(lambda seen: len(seen.records) == 40)
    await kafka.append(8)
    async with kafka.running(second):
        await second.until(lambda seen: len(seen.records) >= 8)
    assert second.offsets() == {number: [10, 11] for number in range(PARTITIONS)}


async def test_a_first_batch_of_one_record_does_not_end_committing(kafka: Kafka) -> None:
    await kafka.append(1, partitions=1)
    seen = Seen()
    async with kafka.running(seen):
        await seen.until(lambda seen: len(seen.records) == 1)
        while await kafka.committed() != {0: 1}:
            pass
        await kafka.append(100, partitions=1)
        await seen.until(lambda seen: len(seen.records) == 101)
    assert await kafka.committed() == {0: 101}


async def test_what_on_batch_raises_ends_the_worker_and_is_not_committed(kafka: Kafka) -> None:
    await kafka.append(8)
    seen = Seen()

    async def broken(topic: str, partition: int, records: list[Record]) -> None:
        if partition == 1:
            raise ArithmeticError("partition 1 cannot be handled")
        await seen.on_batch(topic, partition, records)

    worker = kafka.worker(callbacks(seen, broken))
    await worker.start()
    with pytest.raises(ArithmeticError, match="partition 1"):
        async with asyncio.timeout(PATIENCE_S):
            await worker.wait()
    assert 1 not in await kafka.committed()
    again = Seen()
    async with kafka.running(again):
        await again.until(lambda seen: 1 in seen.offsets())
    assert again.offsets()[1] == [0, 1]


async def test_what_on_assigned_raises_ends_the_worker(kafka: Kafka) -> None:
    async def broken(partitions: Partitions) -> None:
        raise ArithmeticError("no state")

    seen = Seen()
    worker = kafka.worker(
        Callbacks(on_assigned=broken, on_revoked=seen.on_revoked, on_batch=seen.on_batch)
    )
    await kafka.append(4)
    await worker.start()
    with pytest.raises(ArithmeticError, match="no state"):
        async with asyncio.timeout(PATIENCE_S):
            await worker.wait()
    assert not seen.batches


async def test_no_batch_comes_before_on_assigned_has_returned(kafka: Kafka) -> None:
    await kafka.append(4)
    seen, witness, asked, ready = Seen(), Seen(), asyncio.Event(), asyncio.Event()

    async def slow(partitions: Partitions) -> None:
        asked.set()
        await ready.wait()
        assert not seen.batches
        await seen.on_assigned(partitions)

    worker = kafka.worker(
        Callbacks(on_assigned=slow, on_revoked=seen.on_revoked, on_batch=seen.on_batch)
    )
    await worker.start()
    await asked.wait()
    async with replace(kafka, reader="witness").running(witness):
        await witness.until(lambda seen: len(seen.records) == 4)
    ready.set()
    await seen.until(lambda seen: len(seen.records) == 4)
    await worker.stop()
    await worker.wait()


async def test_a_long_batch_holds_up_its_own_partition_alone_and_the_next_one_grows(
    kafka: Kafka,
) -> None:
    seen, go_on = Seen(), asyncio.Event()

    async def slow(topic: str, partition: int, records: list[Record]) -> None:
        await seen.on_batch(topic, partition, records)
        if partition == 0:
            await go_on.wait()

    async with kafka.running(seen, slow):
        await kafka.append(1, partitions=1)
        await seen.until(lambda seen: len(seen.batches) == 1)
        for _ in range(3):
            before = len(seen.records)
            await kafka.append(8)
            await seen.until(lambda seen, before=before: len(seen.records) == before + 6)  # type: ignore[misc]
        go_on.set()
        await seen.until(lambda seen: len(seen.offsets()[0]) == 7)
    sizes = [len(batch) for batch in seen.batches if batch[0].partition == 0]
    assert sizes == [1, 6]


async def test_what_waits_for_a_long_batch_is_bounded(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_transport, "AHEAD_BYTES", 1_000_000)
    seen, go_on = Seen(), asyncio.Event()

    async def slow(topic: str, partition: int, records: list[Record]) -> None:
        await seen.on_batch(topic, partition, records)
        await go_on.wait()

    async with kafka.running(seen, slow):
        await kafka.append(1, partitions=1)
        await seen.until(lambda seen: len(seen.batches) == 1)
        await kafka.append(800, partitions=1, size=10_000)
        await kafka.append(8)
        await seen.until(lambda seen: len(seen.records) == 7)
        go_on.set()
        await seen.until(lambda seen: len(seen.records) == 809)
    assert max(sum(len(r.value) for r in batch) for batch in seen.batches) < 3_200_000
    assert seen.offsets()[0] == list(range(803))


async def test_a_member_that_joins_gets_its_share_once_the_batch_at_work_is_done(
    kafka: Kafka,
) -> None:
    await kafka.append(1, partitions=1)
    first, second, go_on = Seen(), Seen(), asyncio.Event()

    async def slow(topic: str, partition: int, records: list[Record]) -> None:
        await first.on_batch(topic, partition, records)
        await go_on.wait()

    async with kafka.running(first, slow) as worker:
        await first.until(lambda seen: len(seen.batches) == 1)
        async with kafka.running(second):
            while not worker._app.rebalancing:
                assert await kafka.state_of_group() != "Empty"
            assert await kafka.committed() == {}
            assert not first.revoked
            go_on.set()
            await second.until(lambda seen: seen.owns == 2)
            await first.until(lambda seen: seen.owns == 2)
            assert first.assigned[-1] | second.assigned[-1] == first.assigned[0]
            await kafka.append(8)
            await first.until(lambda seen: len(seen.records) >= 5)
            await second.until(lambda seen: len(seen.records) >= 4)
    given = sorted((record.partition, record.offset) for record in first.records + second.records)
    assert given == [(0, 0), (0, 1), (0, 2), *((p, o) for p in (1, 2, 3) for o in (0, 1))]


async def test_a_member_with_an_instance_id_is_given_the_same_again(kafka: Kafka) -> None:
    first, second = Seen(), Seen()
    async with kafka.running(first, instance_id="worker-1"):
        await first.until(lambda seen: bool(seen.assigned))
    await kafka.append(4)
    async with kafka.running(second, instance_id="worker-1"):
        await second.until(lambda seen: len(seen.records) == 4)
    assert second.assigned == first.assigned


async def test_without_a_broker_the_start_says_so() -> None:
    seen = Seen()
    worker = BatchWorker(
        bootstrap="127.0.0.1:1", group="g", topics=["t"], callbacks=callbacks(seen)
    )
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
        await worker.start()
    await worker.stop()


@asynccontextmanager
async def member(kafka: Kafka) -> AsyncIterator[tuple[asyncio.subprocess.Process, Seen]]:
    """A member in a process of its own, and what it has printed so far."""
    arguments = (kafka.bootstrap, kafka.group, kafka.topic)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, *arguments, stdout=asyncio.subprocess.PIPE
    )
    seen = Seen()
    reading = asyncio.create_task(_follow(process, seen))
    try:
        yield process, seen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def _follow(process: asyncio.subprocess.Process, seen: Seen) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        partition, offset = map(int, line.split())
        if partition < 0:
            await seen.on_assigned({("", number) for number in range(offset)})
        else:
            await seen.on_batch("", partition, [Record("", partition, offset, Instant(0), "", b"")])


async def test_killed_a_member_leaves_all_after_the_last_commit_to_its_successor(
    kafka: Kafka,
) -> None:
    async with member(kafka) as (process, seen):
        await kafka.append(400)
        await seen.until(lambda seen: len(seen.records) == 400)
        while not await kafka.committed():
            pass
        for _ in range(10):
            await kafka.append(40)
        await seen.until(lambda seen: len(seen.records) > 400)
        process.kill()
        await process.wait()
    committed = await kafka.committed()
    assert all(seen.offsets()[partition][-1] >= end - 1 for partition, end in committed.items())
    successor = Seen()
    expected = 800 - sum(committed.values())
    async with kafka.running(successor):
        await successor.until(lambda seen: len(seen.records) >= expected)
    assert successor.offsets() == {
        number: list(range(committed.get(number, 0), 200)) for number in range(PARTITIONS)
    }


async def test_of_two_members_the_survivor_takes_over_from_the_dead_one(kafka: Kafka) -> None:
    async with member(kafka) as (_, survivor), member(kafka) as (victim, victims):
        await victims.until(lambda seen: seen.owns == 2)
        await survivor.until(lambda seen: seen.owns == 2)
        await kafka.append(400)
        await victims.until(lambda seen: len(seen.records) >= 200)
        await survivor.until(lambda seen: len(seen.records) >= 200)
        assert not victims.offsets().keys() & survivor.offsets().keys()
        victim.kill()
        await victim.wait()
        await kafka.append(400)
        await survivor.until(
            lambda seen: (
                {number: max(found) for number, found in seen.offsets().items()}
                == dict.fromkeys(range(PARTITIONS), 199)
            )
        )
    both = {(r.partition, r.offset) for r in survivor.records + victims.records}
    assert both == {(number, offset) for number in range(PARTITIONS) for offset in range(200)}


async def _print_what_comes(bootstrap: str, group: str, topic: str) -> None:
    async def on_assigned(partitions: Partitions) -> None:
        sys.stdout.write(f"-1 {len(partitions)}\n")
        sys.stdout.flush()

    async def on_revoked(partitions: Partitions) -> None: ...

    async def on_batch(_: str, partition: int, records: list[Record]) -> None:
        sys.stdout.writelines(f"{partition} {record.offset}\n" for record in records)
        sys.stdout.flush()

    worker = BatchWorker(
        bootstrap=bootstrap,
        group=group,
        topics=[topic],
        callbacks=Callbacks(on_assigned=on_assigned, on_revoked=on_revoked, on_batch=on_batch),
    )
    await worker.start()
    await worker.wait()


if __name__ == "__main__":
    asyncio.run(_print_what_comes(*sys.argv[1:4]))
