"""Our topics on a Kafka cluster: made where they are missing, and checked where they are not."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.errors import Unusable
from schemas.topics import Topic

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
REPLICAS = 3
PAUSE_S = 0.05
_TIMESTAMP_TYPE = "message.timestamp.type"


def config_of(topic: Topic) -> dict[str, str]:
    """The settings of a topic. Instants are the broker's, so that a partition has one clock."""
    config = {
        _TIMESTAMP_TYPE: "LogAppendTime",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "cleanup.policy": "compact" if topic.compacted else "delete",
    }
    if not topic.compacted:
        kept_for_ms = -1 if topic.retention_s is None else topic.retention_s * 1_000
        config["retention.ms"] = str(kept_for_ms)
    return config


async def ensure(admin: AIOKafkaAdminClient, wanted: Mapping[str, Topic]) -> None:
    """Make the topics that are missing. Raises Unusable where one is not as it must be."""
    there = set(await admin.list_topics())
    missing = {name: topic for name, topic in wanted.items() if name not in there}
    if missing:
        await _create(admin, missing)
    unchecked = list(wanted)
    while unchecked := await _check(admin, unchecked):  # noqa: ASYNC110  # Kafka tells nobody
        await asyncio.sleep(PAUSE_S)


async def _create(admin: AIOKafkaAdminClient, missing: Mapping[str, Topic]) -> None:
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = min(REPLICAS, brokers)
    made = [
        NewTopic(name, topic.partitions, replicas, topic_configs=config_of(topic))
        for name, topic in missing.items()
    ]
    answer = await admin.create_topics(made)
    for name, code, *explained in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            why = (explained or [None])[0] or error.__name__
            raise Unusable(f"Kafka does not make topic {name}: {why}")


async def _check(admin: AIOKafkaAdminClient, names: list[str]) -> list[str]:
    """Look at settings. Returns the topics that the broker does not know yet."""
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, name, {_TIMESTAMP_TYPE: ""}) for name in names
    ]
    unknown = []
    for answer in await admin.describe_configs(wanted):
        for code, _, _, name, entries in answer.resources:
            if code:
                unknown.append(name)
            _check_clock(name, entries)
    return unknown


def _check_clock(name: str, entries: Iterable[Any]) -> None:
    for setting, found, *_ in entries:
        if setting == _TIMESTAMP_TYPE and found != "LogAppendTime":
            raise Unusable(
                f"topic {name} has {setting}={found}; the rate limit needs LogAppendTime"
            )
