"""What the log on Kafka promises beyond the contract: its topics, outages, life beside groups."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from eventlog.kafka import KafkaLog
from eventlog.log import LogUnavailable, Marks, NewRecord, OffsetOutOfRange
from schemas import topics
from schemas.errors import Unusable
from schemas.topics import DEFINITIONS, TRIGGERS
from tests.kafka_broker import Broker
from tests.servers import Unobtainable

pytestmark = pytest.mark.kafka


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def log(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    opened = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def broker_of_our_own() -> Iterator[Broker]:
    try:
        broker = Broker(heap_mb=256)
        broker.start()
    except Unobtainable as missing:
        pytest.skip(str(missing))
    yield broker
    broker.close()


@pytest.fixture
def own_broker(broker_of_our_own: Broker) -> Broker:
    """A broker that a test may stop: where it has, it is started again for the next."""
    try:
        assert broker_of_our_own.pid
    except Unobtainable:
        broker_of_our_own.start()
    return broker_of_our_own


def trigger(value: bytes) -> NewRecord:
    return NewRecord("triggers", "endpoint", value, partition=0)


async def config_of(admin: Any, name: str) -> dict[str, str]:
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    [resource] = answer.resources
    return {entry[0]: entry[1] for entry in resource[4]}


async def test_topics_are_made_as_the_table_has_them(
    log: KafkaLog, admin: Any, topic_prefix: str
) -> None:
    found = await admin.describe_topics([topic_prefix + topic.name for topic in topics.ALL])
    partitions = {each["topic"]: len(each["partitions"]) for each in found}

    assert partitions == {topic_prefix + topic.name: topic.partitions for topic in topics.ALL}
    assert log.partitions(TRIGGERS) == TRIGGERS.partitions
    triggers = await config_of(admin, topic_prefix + "triggers")
    assert triggers["message.timestamp.type"] == "LogAppendTime"
    assert triggers["cleanup.policy"] == "delete"
    assert triggers["retention.ms"] == str(7 * 86_400_000)
    assert triggers["max.message.bytes"] == str(4 * 1024 * 1024)
    assert (await config_of(admin, topic_prefix + "definitions"))["cleanup.policy"] == "compact"


async def test_a_topic_that_is_there_keeps_its_number_of_partitions(
    kafka_bootstrap: str, admin: Any, topic_prefix: str
) -> None:
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(topic_prefix + "triggers", 7, 1, topic_configs=config)])

    log = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    await log.append([NewRecord("triggers", f"endpoint-{n}", b"") for n in range(50)])

    assert log.partitions(TRIGGERS) == 7
    assert sum([(await log.marks(TRIGGERS, number)).high for number in range(7)]) == 50
    await log.close()


async def test_a_topic_with_the_clocks_of_its_writers_is_refused(
    kafka_bootstrap: str, admin: Any, topic_prefix: str
) -> None:
    config = {"message.timestamp.type": "CreateTime"}
    await admin.create_topics([NewTopic(topic_prefix + "triggers", 1, 1, topic_configs=config)])

    with pytest.raises(Unusable, match=r"triggers has message.timestamp.type=CreateTime"):
        await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)


async def test_two_logs_on_one_cluster_share_records_and_positions(
    kafka_bootstrap: str, log: KafkaLog, topic_prefix: str
) -> None:
    other = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    waiting = asyncio.create_task(other.read(TRIGGERS, 0, 0, wait_s=600))
    [placed] = await log.append([trigger(b"news")])
    await log.commit("projections.a", TRIGGERS, 0, 1)

    [found] = await waiting

    assert (found.value, found.offset, found.at) == (b"news", placed.offset, placed.at)
    assert await other.committed("projections.a", TRIGGERS, 0) == 1
    await other.close()


async def test_a_read_below_the_low_mark_says_where_the_partition_begins(
    log: KafkaLog, admin: Any, topic_prefix: str
) -> None:
    await log.append([trigger(b"%d" % number) for number in range(10)])
    await admin.delete_records({TopicPartition(topic_prefix + "triggers", 0): RecordsToDelete(4)})

    with pytest.raises(OffsetOutOfRange, match="triggers/0 begins at offset 4, not at 3") as error:
        await log.read(TRIGGERS, 0, 3)

    assert error.value.low == 4
    assert await log.marks(TRIGGERS, 0) == Marks(4, 10)
    assert [record.offset for record in await log.read(TRIGGERS, 0, 4)] == list(range(4, 10))


async def test_positions_can_be_stored_while_the_group_of_the_readers_name_has_members(
    kafka_bootstrap: str, log: KafkaLog, topic_prefix: str
) -> None:
    member = AIOKafkaConsumer(
        topic_prefix + "definitions",
        bootstrap_servers=kafka_bootstrap,
        group_id=topic_prefix + "processors.a",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await member.start()
    await log.append([NewRecord("definitions", "a", b"one")])
    await member.getone()

    await log.commit("processors.a", TRIGGERS, 0, 42)
    await log.commit("processors.a", DEFINITIONS, 0, 43)
    await member.commit()

    assert await log.committed("processors.a", TRIGGERS, 0) == 42
    assert await log.committed("processors.a", DEFINITIONS, 0) == 43
    assert await member.committed(TopicPartition(topic_prefix + "definitions", 0)) == 1
    await member.stop()


async def test_appends_at_any_moment_of_a_round_are_answered(log: KafkaLog) -> None:
    for pause in range(40):
        appends = [log.append([trigger(b"first")])]
        await asyncio.sleep(0)
        appends.append(log.append([trigger(b"caught by the same round")]))
        for _ in range(pause % 8):
            await asyncio.sleep(0)
        appends += [log.append([NewRecord("triggers", "k", b"next", n)]) for n in range(1, 4)]
        for append in appends:
            await append

    records = await log.read(TRIGGERS, 0, 0)
    assert [record.value for record in records] == [b"first", b"caught by the same round"] * 40


async def _limit_messages(admin: Any, name: str, size: int) -> None:
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(size)}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])


async def test_appends_go_on_after_kafka_has_refused_one(
    log: KafkaLog, admin: Any, topic_prefix: str
) -> None:
    await log.append([trigger(b"before")])
    await _limit_messages(admin, topic_prefix + "triggers", 10_000)

    with pytest.raises(LogUnavailable, match="has not taken the records: MessageSizeTooLargeError"):
        await _append_until_refused(log, trigger(bytes(50_000)))
    high = (await log.marks(TRIGGERS, 0)).high
    placed = [await append for append in [log.append([trigger(b"%d" % n)]) for n in range(3)]]

    assert [where.offset for [where] in placed] == [high, high + 1, high + 2]
    records = await log.read(TRIGGERS, 0, high)
    assert [record.value for record in records] == [b"0", b"1", b"2"]


async def _append_until_refused(log: KafkaLog, record: NewRecord) -> None:
    """A broker may take a while to heed a topic's new settings."""
    async with asyncio.timeout(60):
        while True:
            await log.append([record])


async def test_while_the_broker_is_away_appends_fail_and_afterwards_they_go_on(
    own_broker: Broker,
) -> None:
    log = await KafkaLog.open(own_broker.bootstrap, answer_s=1.0)
    before, last_before = await _append_until_taken(log, "before")

    await asyncio.to_thread(own_broker.kill)
    with pytest.raises(LogUnavailable, match="has not answered for 1 s"):
        await log.append([trigger(b"on its way")])
    with pytest.raises(LogUnavailable, match="has not answered for 1 s"):
        await log.append([trigger(b"refused")])
    with pytest.raises(LogUnavailable, match=f"Kafka at {own_broker.bootstrap} does not answer"):
        await log.marks(TRIGGERS, 0)

    await asyncio.to_thread(own_broker.start)
    after, last_after = await _append_until_taken(log, "after")
    values = [record.value for record in await log.read(TRIGGERS, 0, 0)]
    assert {last_before, last_after} <= set(values)
    # What has failed may have been taken all the same, but once and in its place.
    assert values == [one for one in (*before, b"on its way", *after) if one in values]
    await log.close()


async def _append_until_taken(log: KafkaLog, name: str) -> tuple[list[bytes], bytes]:
    """What was tried, a numbered value at a time, and the one that was taken."""
    tried: list[bytes] = []
    async with asyncio.timeout(60):
        while True:
            tried.append(f"{name} {len(tried)}".encode())
            try:
                await log.append([trigger(tried[-1])])
                return tried, tried[-1]
            except LogUnavailable:
                await asyncio.sleep(0.1)


async def test_closing_ends_although_the_broker_is_away(own_broker: Broker) -> None:
    log = await KafkaLog.open(own_broker.bootstrap, answer_s=0.5)
    await asyncio.to_thread(own_broker.kill)
    append = log.append([trigger(b"lost")])

    async with asyncio.timeout(60):
        await log.close()

    with pytest.raises(LogUnavailable):
        await append
