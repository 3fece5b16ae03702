"""Topics: the table of what is said where, in what order, and for how long it is kept.

Order holds per key. A topic is never named after a producer, a consumer or an environment.
"""

from dataclasses import dataclass
from zlib import crc32

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `retention_s` is None where records are kept until compaction removes them.

    A `volatile` one tells of what stands on another topic to somebody who waits for it now. A log
    whose readers all end with it need not make it durable.
    """

    name: str
    keyed_by: str
    partitions: int
    compacted: bool = False
    retention_s: int | None
    volatile: bool = False


DEFINITIONS = Topic(
    name="definitions", keyed_by="definition", partitions=1, compacted=True, retention_s=None
)
TRIGGERS = Topic(name="triggers", keyed_by="endpoint", partitions=4, retention_s=7 * DAY_S)
ADMISSIONS = Topic(name="admissions", keyed_by="instance", partitions=4, retention_s=30 * DAY_S)
EXECUTIONS = Topic(name="executions", keyed_by="instance", partitions=4, retention_s=30 * DAY_S)
REPLIES = Topic(
    name="replies", keyed_by="ingress node", partitions=4, retention_s=600, volatile=True
)

LIVE = (DEFINITIONS, TRIGGERS, ADMISSIONS, EXECUTIONS, REPLIES)


def dead_letters_of(topic: Topic) -> Topic:
    """Where records of `topic` go that cannot be handled: `triggers` → `triggers.dead`."""
    return Topic(
        name=f"{topic.name}.dead",
        keyed_by=topic.keyed_by,
        partitions=1,
        retention_s=90 * DAY_S,
    )


ALL = LIVE + tuple(dead_letters_of(topic) for topic in LIVE)
BY_NAME = {topic.name: topic for topic in ALL}


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key`: CRC-32 modulo the count, the same on both logs."""
    return crc32(key.encode()) % partitions
