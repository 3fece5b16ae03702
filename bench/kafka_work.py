"""The work of the Kafka rows, the same for every loop that is measured, and its programs.

A loop is a function `follow(bootstrap, topic, group, on_batch, ended)`: a group member that calls
`on_batch` with records until `ended` is set. `main(follow)` makes it a program: `consume` counts
records and prints the rate; `answer` sends each record of one topic to another until it is ended.
"""

import argparse
import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

PARTITIONS = 4
MESSAGE_BYTES = 400
CONSUME_S = 120.0

OnBatch = Callable[[Sequence[Any]], Awaitable[None]]
"""Called with records of one partition, each with a `value` and a `partition`."""
Follow = Callable[[str, str, str, OnBatch, asyncio.Event], Awaitable[None]]


async def make_topics(bootstrap: str, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    finally:
        await admin.close()


async def fill(bootstrap: str, topic: str, count: int) -> None:
    """Append `count` records, evenly over the partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=262_144)
    await producer.start()
    try:
        value = b"x" * MESSAGE_BYTES
        for number in range(count):
            await producer.send(topic, value, partition=number % PARTITIONS)
    finally:
        await producer.stop()


class Counter:
    """Counts records from the second batch on, so that joining the group is not counted."""

    def __init__(self, wanted: int) -> None:
        self.done = asyncio.Event()
        self._wanted = wanted
        self._seen = 0
        self._first = 0
        self._first_at = 0.0
        self._last_at = 0.0

    async def on_batch(self, records: Sequence[Any]) -> None:
        self._last_at = time.perf_counter()
        self._seen += len(records)
        if not self._first:
            self._first, self._first_at = len(records), self._last_at
        if self._seen >= self._wanted:
            self.done.set()

    @property
    def rate(self) -> float:
        return (self._seen - self._first) / max(self._last_at - self._first_at, 1e-9)


async def consume(follow: Follow, bootstrap: str, topic: str, group: str, count: int) -> float:
    """Records per second, over `count` records that are there already."""
    counter = Counter(count)
    async with asyncio.timeout(CONSUME_S):
        await follow(bootstrap, topic, group, counter.on_batch, counter.done)
    return counter.rate


async def answer(follow: Follow, bootstrap: str, topic: str, group: str, replies: str) -> None:
    """Send each record of `topic` on to `replies`; a batch is done once Kafka has its answers."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()

    async def send_on(records: Sequence[Any]) -> None:
        sent = [await producer.send(replies, r.value, partition=r.partition) for r in records]
        await asyncio.gather(*sent)

    try:
        await follow(bootstrap, topic, group, send_on, ended)
    finally:
        await producer.stop()


def main(follow: Follow) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["consume", "answer"])
    for name in ("bootstrap", "topic", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--replies", default="")
    parser.add_argument("--count", type=int, default=0)
    given = parser.parse_args()
    if given.work == "answer":
        uvloop.run(answer(follow, given.bootstrap, given.topic, given.group, given.replies))
    else:
        rate = uvloop.run(consume(follow, given.bootstrap, given.topic, given.group, given.count))
        print(rate)
