"""The bare aiokafka loop: what the Faust worker is compared with. `getmany`, then all partitions
side by side, then the next `getmany`; offsets are committed once a second.
"""

import asyncio

from aiokafka import AIOKafkaConsumer

from bench import kafka_work
from bench.kafka_work import OnBatch

POLL_MS = 200


async def follow(
    bootstrap: str, topic: str, group: str, on_batch: OnBatch, ended: asyncio.Event
) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1_000,
    )
    await consumer.start()
    try:
        while not ended.is_set():
            batches = await consumer.getmany(timeout_ms=POLL_MS)
            await asyncio.gather(*(on_batch(records) for records in batches.values()))
    finally:
        await consumer.stop()


if __name__ == "__main__":
    kafka_work.main(follow)
