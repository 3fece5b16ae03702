"""One set of records through both hosts: what they append for each key is the same."""

import asyncio
from pathlib import Path

import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.kafka import KafkaLog
from eventlog.log import EventLog
from eventlog.sqlite import SqliteLog
from processors import effects, faust_host
from schemas import events
from schemas.topics import ADMISSIONS, EXECUTIONS, Topic
from tests.processors import instances
from tests.processors.at_work import (
    MASTER_KEY,
    deploy,
    processing,
    request,
    said_on,
)

REQUESTS = 40


async def shapes(log: EventLog, topic: Topic) -> list[tuple[str, ...]]:
    """The events of a topic without what time and place gave them, in order."""
    return [
        (
            type(event).__name__,
            str(getattr(event, "step", "")),
            str(getattr(event, "loop_path", "")),
            str(getattr(event, "result", "")) if getattr(event, "step", "") != "trigger" else "",
            str(getattr(event, "value", "")),
            str(getattr(event, "reason", "")),
        )
        for event in await said_on(log, topic)
        if not isinstance(event, events.PartitionClaimed)
    ]


async def feed(log: EventLog) -> None:
    for number in range(REQUESTS):
        await log.append([request(number, f'{{"sku": {number}}}', synchronous=number % 2 == 0)])


@pytest.mark.kafka
async def test_both_hosts_append_the_same_events(
    tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    embedded = await SqliteLog.open(tmp_path / "log.db")
    await deploy(embedded, rate_limit=1000)
    async with processing(embedded, tmp_path):
        await feed(embedded)
        await instances.ended(embedded, REQUESTS)

    kafka = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    await deploy(kafka, rate_limit=1000)
    definitions = Definitions(kafka)
    async with effects.world(code_timeout_s=30, allow_private=True) as world:
        host = asyncio.ensure_future(
            faust_host.run(
                kafka,
                blobs=Blobs.open(str(tmp_path / "kafka-blobs")),
                definitions=definitions,
                master_key=MASTER_KEY,
                world=world,
            )
        )
        await feed(kafka)
        await instances.ended(kafka, REQUESTS)
        host.cancel()
        with pytest.raises(asyncio.CancelledError):
            await host

    assert await shapes(kafka, ADMISSIONS) == await shapes(embedded, ADMISSIONS)
    assert await shapes(kafka, EXECUTIONS) == await shapes(embedded, EXECUTIONS)
    await kafka.close()
    await embedded.close()
