"""The embedded host: runs the pipeline in this process, on a log that belongs to it alone.

Takes in the log; for each partition of each stage it reads a batch, hands it over and, some time
later, commits. When the log fails, all of it begins again from what is durable, after a back-off.
"""

import asyncio
import logging
from collections.abc import Callable

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, OffsetOutOfRange
from processors import pipeline
from processors.actions import World
from processors.admission_host import Ticker
from schemas.errors import Retryable
from schemas.secrets import MasterKey

BATCH_RECORDS = 500
READ_WAIT_S = 30.0
COMMIT_EVERY_S = 0.5
DRAIN_S = 5.0
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_logger = logging.getLogger(__name__)


async def run(
    log: EventLog,
    *,
    blobs: Blobs,
    definitions: Definitions,
    master_key: MasterKey,
    world: World,
    ticker: Ticker | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run until cancelled. `ready` is called once every partition has been taken over."""
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
    log: EventLog, stages: list[pipeline.Stage], ready: Callable[[], None]
) -> None:
    places = [(s, p) for s in stages for p in range(log.partitions(s.topic))]
    try:
        for stage, partition in places:
            await stage.assign(partition)
        ready()
        following = [_follow(log, stage, partition) for stage, partition in places]
        await pipeline.until_one_fails(*following, *(stage.failed for stage in stages))
    except asyncio.CancelledError:
        for stage in stages:
            await stage.drain(DRAIN_S)
        raise
    finally:
        for stage, partition in places:
            stage.revoke(partition)


async def _follow(log: EventLog, stage: pipeline.Stage, partition: int) -> None:
    loop = asyncio.get_running_loop()
    offset = await log.committed(stage.reader, stage.topic, partition) or 0
    committed, commit_at = offset, loop.time() + COMMIT_EVERY_S
    try:
        while True:
            wait_s = READ_WAIT_S if committed == offset else COMMIT_EVERY_S
            try:
                records = await log.read(
                    stage.topic, partition, offset, max_records=BATCH_RECORDS, wait_s=wait_s
                )
            except OffsetOutOfRange as gone:
                _logger.error("%s: %s; going on there", stage.reader, gone)
                offset = gone.low
                continue
            if records:
                await stage.on_batch(partition, records)
                offset = records[-1].offset + 1
            if offset > committed and loop.time() >= commit_at:
                await log.commit(stage.reader, stage.topic, partition, offset)
                committed, commit_at = offset, loop.time() + COMMIT_EVERY_S
    except asyncio.CancelledError:
        await log.commit(stage.reader, stage.topic, partition, offset)
        raise
