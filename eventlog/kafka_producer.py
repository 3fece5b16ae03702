"""The producing side of the log on Kafka: batches of what has gathered, one request at a time.

Records wait in a queue per partition. When their leader has answered the last request, all that
waits for it goes out as one batch per partition, by `send_batch`: the producer numbers batches as
they leave, so idempotence holds, and a record of a larger append takes 3 µs of CPU where `send`
takes 7 to 15. More than one request under way would gain nothing: aiokafka's producer sends one at
a time per node.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from eventlog.log import Appended, LogUnavailable, NewRecord
from schemas.instants import MILLISECOND, Instant

BATCH_BYTES = 1024 * 1024
QUEUE_BYTES = 64 * 1024 * 1024
STOP_S = 5.0
_OVERHEAD_BYTES = 100


class _Append:
    """One call of append: how many of its records still lack their place."""

    __slots__ = ("future", "missing", "placed")

    def __init__(self, future: "asyncio.Future[list[Appended]]", count: int) -> None:
        self.future = future
        self.placed: list[Any] = [None] * count
        self.missing = count

    def fail(self, message: str, cause: BaseException | None = None) -> None:
        if not self.future.done():
            failure = LogUnavailable(message)
            failure.__cause__ = cause
            self.future.set_exception(failure)


_Entry = tuple[_Append, int, bytes, bytes]
"""A record on its way: its call, its index there, key and value."""


@dataclass(slots=True, eq=False)
class Lane:
    """What waits for one partition. `is_stalled`: its leader is overdue with an answer."""

    where: TopicPartition
    queue: deque[_Entry] = field(default_factory=deque)
    is_sending: bool = False
    is_stalled: bool = False

    def take(self, builder: Any, now_ms: int) -> list[_Entry]:
        """Move entries from the queue into `builder` until it is full."""
        taken: list[_Entry] = []
        queue, add = self.queue, builder.append
        while queue:
            entry = queue[0]
            if add(timestamp=now_ms, key=entry[2], value=entry[3]) is None:
                break
            taken.append(queue.popleft())
        return taken


class Pump:
    """Takes appends in call order and keeps that order in each partition.

    An append fails once Kafka is overdue by `answer_s`; what is on its way may still arrive.
    """

    def __init__(
        self, bootstrap: str, make: Callable[[], AIOKafkaProducer], answer_s: float
    ) -> None:
        self.lanes: dict[str, list[Lane]] = {}
        self._bootstrap = bootstrap
        self._make = make
        self._answer_s = answer_s
        self._loop = asyncio.get_running_loop()
        self._producer: Any = None
        self._is_broken = True
        self._renewing = asyncio.Lock()
        self._waiting: set[Lane] = set()
        self._busy: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._queued_bytes = 0
        self._is_due = False

    async def start(self, partitions: Mapping[str, int]) -> None:
        """Begin to serve these topics. Raises KafkaError or TimeoutError."""
        for name, count in partitions.items():
            self.lanes[name] = [Lane(TopicPartition(name, number)) for number in range(count)]
        await self._renew()

    def append(
        self, records: Sequence[NewRecord], lanes: Sequence[Lane]
    ) -> Awaitable[list[Appended]]:
        """Queue `records` for `lanes`, index by index."""
        append = _Append(self._loop.create_future(), len(records))
        if not records:
            append.future.set_result([])
        elif self._queued_bytes >= QUEUE_BYTES:
            append.fail(
                f"Kafka at {self._bootstrap} is behind: the queue is full"
                f" ({self._queued_bytes} bytes)"
            )
        elif any(lane.is_stalled for lane in lanes):
            append.fail(self._silence())
        else:
            self._enqueue(append, records, lanes)
        return append.future

    def _enqueue(
        self, append: _Append, records: Sequence[NewRecord], lanes: Sequence[Lane]
    ) -> None:
        for index, record in enumerate(records):
            lane, key, value = lanes[index], record.key.encode(), record.value
            lane.queue.append((append, index, key, value))
            self._queued_bytes += len(value) + _OVERHEAD_BYTES
            self._waiting.add(lane)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send_what_can_go)

    def _release(self, entries: Iterable[_Entry]) -> None:
        self._queued_bytes -= sum([len(entry[3]) + _OVERHEAD_BYTES for entry in entries])

    def _send_what_can_go(self) -> None:
        """Start a round for each node that has none under way and for which something waits."""
        self._is_due = False
        # What came between the start of a round and its launch has gone out with it.
        self._waiting = {lane for lane in self._waiting if lane.queue}
        rounds: dict[int, list[Lane]] = {}
        for lane in self._waiting:
            node = self._leader_of(lane)
            if not lane.is_sending and node not in self._busy:
                rounds.setdefault(node, []).append(lane)
        for node, lanes in rounds.items():
            self._busy.add(node)
            self._waiting.difference_update(lanes)
            for lane in lanes:
                lane.is_sending = True
            self._spawn(self._round(node, lanes))

    def _leader_of(self, lane: Lane) -> int:
        node: int | None = self._producer.client.cluster.leader_for_partition(lane.where)
        return -1 if node is None else node

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _round(self, node: int, lanes: list[Lane]) -> None:
        try:
            await self._send(lanes)
        except (KafkaError, TimeoutError) as error:
            self._fail_queued(
                lanes, f"Kafka at {self._bootstrap} does not answer: {error!r}", error
            )
        finally:
            self._busy.discard(node)
            for lane in lanes:
                lane.is_sending = lane.is_stalled = False
            self._waiting.update([lane for lane in lanes if lane.queue])
            self._send_what_can_go()

    async def _send(self, lanes: list[Lane]) -> None:
        if self._is_broken:
            await self._renew()
        sent: dict[asyncio.Future[Any], tuple[Lane, list[_Entry]]] = {}
        for lane in lanes:
            entries, delivery = await self._launch(lane)
            sent[delivery] = (lane, entries)
        _, late = await asyncio.wait(sent, timeout=self._answer_s)
        if late:
            self._stall([sent[delivery] for delivery in late])
            await asyncio.wait(late)
        for delivery, (lane, entries) in sent.items():
            self._settle(lane.where.partition, entries, delivery)

    async def _launch(self, lane: Lane) -> tuple[list[_Entry], "asyncio.Future[Any]"]:
        builder = self._producer.create_batch()
        entries = lane.take(builder, time.time_ns() // 1_000_000)
        builder.close()
        try:
            return entries, await self._producer.send_batch(
                builder, lane.where.topic, partition=lane.where.partition
            )
        except (KafkaError, AssertionError) as error:  # it asserts that the partition is there
            refused = self._loop.create_future()
            refused.set_exception(error)
            return entries, refused

    def _settle(
        self, partition: int, entries: list[_Entry], delivery: "asyncio.Future[Any]"
    ) -> None:
        """Answer the calls whose records were in this batch."""
        self._release(entries)
        error = delivery.exception()
        if error is None and delivery.result().offset >= 0:
            _place(partition, entries, delivery.result())
            return
        self._is_broken = True
        reason = repr(error) if error else "it has the records, but does not say where"
        for append, *_ in entries:
            append.fail(f"Kafka at {self._bootstrap} has not taken the records: {reason}", error)

    def _stall(self, sent: list[tuple[Lane, list[_Entry]]]) -> None:
        for lane, entries in sent:
            lane.is_stalled = True
            for append, *_ in entries:
                append.fail(self._silence())
        self._fail_queued([lane for lane, _ in sent], self._silence(), None)

    def _fail_queued(self, lanes: list[Lane], message: str, cause: BaseException | None) -> None:
        for lane in lanes:
            self._release(lane.queue)
            for append, *_ in lane.queue:
                append.fail(message, cause)
            lane.queue.clear()

    def _silence(self) -> str:
        return f"Kafka at {self._bootstrap} has not answered for {self._answer_s:g} s"

    async def _renew(self) -> None:
        """A new producer in place of one that lost count: after a failed batch, Kafka refuses what
        follows it in the numbering of the old one.
        """
        async with self._renewing:
            if not self._is_broken:
                return
            fresh = self._make()
            try:
                await asyncio.wait_for(self._prepare(fresh), self._answer_s)
            except (KafkaError, TimeoutError):
                await _stop(fresh)
                raise
            old, self._producer, self._is_broken = self._producer, fresh, False
            if old is not None:
                self._spawn(_stop(old))

    async def _prepare(self, producer: Any) -> None:
        await producer.start()
        for name in self.lanes:
            await producer.partitions_for(name)

    async def close(self) -> None:
        """Send what is queued, for up to STOP_S, then stop."""
        self._send_what_can_go()
        end_at = self._loop.time() + STOP_S
        while self._tasks and self._loop.time() < end_at:
            await asyncio.wait(self._tasks, timeout=end_at - self._loop.time())
        if self._producer is not None:
            await _stop(self._producer, 0.0 if self._tasks else STOP_S)
        await asyncio.gather(*self._tasks)


def _place(partition: int, entries: list[_Entry], metadata: Any) -> None:
    at = Instant(metadata.timestamp * MILLISECOND)
    for offset, (append, index, _, _) in enumerate(entries, start=metadata.offset):
        append.placed[index] = Appended(partition, offset, at)
        append.missing -= 1
        if not append.missing and not append.future.done():
            append.future.set_result(append.placed)


async def _stop(producer: Any, patience_s: float = STOP_S) -> None:
    """Stop, also where Kafka does not answer: aiokafka by itself would wait for ever.

    Only once its sender has ended may the batches fail that it still had: it puts them back.
    """
    stopping = asyncio.ensure_future(producer.stop())
    await asyncio.wait([stopping], timeout=patience_s)
    if not stopping.done() and producer._sender.sender_task is not None:
        producer._sender.sender_task.cancel()
    await stopping
    producer._message_accumulator.fail_all(KafkaError("the producer has been stopped"))
