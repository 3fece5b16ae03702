"""Callers over Kafka: each sends a numbered record to one topic and waits for it on another."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.kafka_work import MESSAGE_BYTES, PARTITIONS
from bench.load import percentile
from bench.rows import Invalid

FIRST_ANSWER_S = 30.0
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    rate: float
    p50_ms: float


class _Line:
    """The way there and back: who waits for which number."""

    def __init__(self, producer: Any, consumer: Any, topic: str) -> None:
        self._producer = producer
        self._consumer = consumer
        self._topic = topic
        self._number = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def call(self, patience_s: float) -> None:
        """One trip. Raises Invalid if there is no answer."""
        self._number += 1
        number = self._number
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        value = f"{number:0{MESSAGE_BYTES}}".encode()
        await self._producer.send(self._topic, value, partition=number % PARTITIONS)
        try:
            await asyncio.wait_for(answered, patience_s)
        except TimeoutError:
            raise Invalid(f"no answer to message {number} in {patience_s} s") from None

    async def hear(self) -> None:
        """Wake those whose answers come, until cancelled."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=1_000)
            for records in batches.values():
                for record in records:
                    answered = self._waiting.pop(int(record.value), None)
                    if answered is not None and not answered.done():
                        answered.set_result(None)


async def round_trips(
    bootstrap: str, topic: str, replies: str, *, callers: int, seconds: float
) -> Trips:
    """The rate of `callers` in a closed loop for `seconds`, once there has been a first answer."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    line = _Line(producer, consumer, topic)
    consumer.assign([TopicPartition(replies, number) for number in range(PARTITIONS)])
    await consumer.seek_to_end()
    hearing = asyncio.create_task(line.hear())
    try:
        for _ in range(PARTITIONS):
            await line.call(FIRST_ANSWER_S)
        return await _measure(line, callers, seconds)
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        await consumer.stop()
        await producer.stop()


async def _measure(line: _Line, callers: int, seconds: float) -> Trips:
    latencies: list[float] = []
    began_at = time.perf_counter()

    async def keep_calling() -> None:
        while (sent_at := time.perf_counter()) < began_at + seconds:
            await line.call(ANSWER_S)
            latencies.append(time.perf_counter() - sent_at)

    await asyncio.gather(*(keep_calling() for _ in range(callers)))
    took_s = time.perf_counter() - began_at
    return Trips(rate=len(latencies) / took_s, p50_ms=percentile(sorted(latencies), 50) * 1_000)
