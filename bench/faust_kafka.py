"""The Faust worker of the Kafka host in the place of the bare loop, at the same work."""

import asyncio

from bench import kafka_work
from bench.kafka_work import OnBatch
from eventlog.log import Record
from processors.faust_worker import BatchWorker, Callbacks, Partitions


async def follow(
    bootstrap: str, topic: str, group: str, on_batch: OnBatch, ended: asyncio.Event
) -> None:
    async def take(_topic: str, _partition: int, records: list[Record]) -> None:
        await on_batch(records)

    callbacks = Callbacks(on_assigned=_pass, on_revoked=_pass, on_batch=take)
    worker = BatchWorker(bootstrap=bootstrap, group=group, topics=[topic], callbacks=callbacks)
    await worker.start()
    waiting = {asyncio.create_task(worker.wait()), asyncio.create_task(ended.wait())}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for first in done:
            first.result()
    finally:
        for task in waiting:
            task.cancel()
        await worker.stop()


async def _pass(_partitions: Partitions) -> None:
    """Nothing is kept per partition."""


if __name__ == "__main__":
    kafka_work.main(follow)
