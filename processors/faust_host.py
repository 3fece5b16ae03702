"""The Faust host: runs the pipeline on Kafka, one consumer group for each stage.

Takes in the log for what the stages append; group membership, assignment, rebalancing and commits
are Faust's (faust_worker). A failure of the log ends both workers; they begin again after a
back-off, from what is durable.
"""

import asyncio
import logging
from collections.abc import Callable

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.kafka import KafkaLog
from eventlog.log import Record
from processors import pipeline
from processors.actions import World
from processors.admission_host import Ticker
from processors.faust_worker import BatchWorker, Callbacks, Partitions
from schemas.errors import Retryable
from schemas.secrets import MasterKey

DRAIN_S = 5.0
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_logger = logging.getLogger(__name__)


async def run(
    log: KafkaLog,
    *,
    blobs: Blobs,
    definitions: Definitions,
    master_key: MasterKey,
    world: World,
    ticker: Ticker | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run until cancelled. `ready` is called once each stage has been given its partitions."""
    failures = 0
    while True:
        stages = pipeline.stages(
            log,
            blobs=blobs,
            definitions=definitions,
            master_key=master_key,
            world=world,
            ticker=ticker,
        )
        try:
            await _run_stages(log, stages, ready)
        except Retryable as error:
            delay_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            _logger.warning("processing begins again in %.1f s: %s", delay_s, error)
            await asyncio.sleep(delay_s)


async def _run_stages(
    log: KafkaLog, stages: list[pipeline.Stage], ready: Callable[[], None]
) -> None:
    assigned = [asyncio.Event() for _ in stages]
    workers = [_worker(log, stage, event) for stage, event in zip(stages, assigned, strict=True)]
    try:
        for worker in workers:
            await worker.start()
        await pipeline.until_one_fails(
            _once_assigned(assigned, ready),
            *(worker.wait() for worker in workers),
            *(stage.failed for stage in stages),
        )
    finally:
        for stage in stages:
            await stage.drain(DRAIN_S)
        for worker in workers:
            await worker.stop()


def _worker(log: KafkaLog, stage: pipeline.Stage, assigned: asyncio.Event) -> BatchWorker:
    async def on_assigned(partitions: Partitions) -> None:
        for _, partition in sorted(partitions):
            await stage.assign(partition)
        assigned.set()

    async def on_revoked(partitions: Partitions) -> None:
        for _, partition in partitions:
            stage.revoke(partition)

    async def on_batch(_topic: str, partition: int, records: list[Record]) -> None:
        await stage.on_batch(partition, records)

    return BatchWorker(
        bootstrap=log.bootstrap,
        group=log.prefix + stage.reader,
        topics=[log.prefix + stage.topic.name],
        callbacks=Callbacks(on_assigned=on_assigned, on_revoked=on_revoked, on_batch=on_batch),
        plain_name=lambda name: name.removeprefix(log.prefix),
    )


async def _once_assigned(assigned: list[asyncio.Event], ready: Callable[[], None]) -> None:
    for event in assigned:
        await event.wait()
    ready()
    await asyncio.Event().wait()
