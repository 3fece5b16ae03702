"""The contract of the event log, kept alike by both logs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.kafka import KafkaLog
from eventlog.log import EventLog, LogUnavailable, Marks, NewRecord, Record
from eventlog.sqlite import SqliteLog
from schemas import topics
from schemas.errors import Bug
from schemas.instants import Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, TRIGGERS

PATIENCE_S = 90.0


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def log(
    request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[EventLog]:
    opened: EventLog
    if request.param == "sqlite":
        opened = await SqliteLog.open(tmp_path / "log.db", partitions=4)
    else:
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        opened = await KafkaLog.open(bootstrap, prefix=topic_prefix)
    yield opened
    await opened.close()


def trigger(value: bytes, *, key: str = "endpoint", partition: int | None = 0) -> NewRecord:
    return NewRecord("triggers", key, value, partition)


def numbered(count: int) -> list[NewRecord]:
    return [trigger(b"%d" % number) for number in range(count)]


async def read_all(log: EventLog, offset: int = 0, step: int = 1_000) -> list[Record]:
    """Everything on the first partition of `triggers` from `offset` on."""
    found: list[Record] = []
    while more := await log.read(TRIGGERS, 0, offset, max_records=step):
        found += more
        offset = more[-1].offset + 1
    return found


def values(records: list[Record]) -> list[bytes]:
    return [record.value for record in records]


async def test_records_come_back_as_they_were_appended(log: EventLog) -> None:
    placed = await log.append([trigger(b"\x00\xff", key="kürzel"), trigger(b"", key="")])

    found = await log.read(TRIGGERS, 0, 0)

    assert [record.offset for record in found] == [0, 1]
    assert [(record.key, record.value) for record in found] == [("kürzel", b"\x00\xff"), ("", b"")]
    assert {(record.topic, record.partition) for record in found} == {("triggers", 0)}
    assert [record.at for record in found] == [each.at for each in placed]


async def test_appends_that_are_not_awaited_keep_the_order_of_their_calls(log: EventLog) -> None:
    appends = [log.append([record]) for record in numbered(50)]

    placed = [await append for append in appends]

    assert [where.offset for [where] in placed] == list(range(50))
    assert values(await read_all(log)) == [b"%d" % number for number in range(50)]


async def test_the_places_of_an_append_are_in_the_order_of_its_records(log: EventLog) -> None:
    placed = await log.append([trigger(b"%d" % n, partition=n % 3) for n in range(6)])

    assert [(where.partition, where.offset) for where in placed] == [
        (0, 0),
        (1, 0),
        (2, 0),
        (0, 1),
        (1, 1),
        (2, 1),
    ]


async def test_concurrent_appends_each_get_their_own_offsets_without_gaps(log: EventLog) -> None:
    async def append_ten(name: int) -> dict[int, bytes]:
        given: dict[int, bytes] = {}
        for number in range(10):
            value = b"%d/%d" % (name, number)
            [where] = await log.append([trigger(value)])
            given[where.offset] = value
        return given

    shares = await asyncio.gather(*[append_ten(name) for name in range(8)])

    expected = {offset: value for share in shares for offset, value in share.items()}
    assert sorted(expected) == list(range(80))
    assert {record.offset: record.value for record in await read_all(log)} == expected


async def test_without_a_partition_the_key_decides(log: EventLog) -> None:
    keys = [f"endpoint-{number}" for number in range(20)]

    placed = await log.append([trigger(b"", key=key, partition=None) for key in keys])

    expected = [topics.partition_of(key, log.partitions(TRIGGERS)) for key in keys]
    assert [where.partition for where in placed] == expected
    assert len(set(expected)) > 1


async def test_an_append_of_nothing_resolves_to_nothing(log: EventLog) -> None:
    assert await log.append([]) == []


async def test_a_read_begins_at_any_offset_and_takes_no_more_than_asked(log: EventLog) -> None:
    await log.append(numbered(10))

    found = await log.read(TRIGGERS, 0, 3, max_records=4)

    assert [record.offset for record in found] == [3, 4, 5, 6]


async def test_reading_in_small_steps_finds_everything_once(log: EventLog) -> None:
    await log.append(numbered(100))

    assert values(await read_all(log, step=7)) == [b"%d" % number for number in range(100)]


async def test_two_readers_of_one_partition_do_not_disturb_each_other(log: EventLog) -> None:
    await log.append(numbered(30))

    ahead, behind = 0, 0
    for _ in range(5):
        ahead = (await log.read(TRIGGERS, 0, ahead, max_records=5))[-1].offset + 1
        behind = (await log.read(TRIGGERS, 0, behind, max_records=2))[-1].offset + 1

    assert (ahead, behind) == (25, 10)


async def test_a_read_at_the_end_is_empty(log: EventLog) -> None:
    await log.append(numbered(3))

    assert await log.read(TRIGGERS, 0, 3) == []
    assert await log.read(TRIGGERS, 0, 3, wait_s=0.01) == []


async def test_a_waiting_read_is_woken_by_an_append(log: EventLog) -> None:
    await log.append(numbered(1))
    reads = [asyncio.create_task(log.read(TRIGGERS, 0, 1, wait_s=600)) for _ in range(3)]
    await asyncio.sleep(0)

    await log.append([trigger(b"news")])

    async with asyncio.timeout(PATIENCE_S):
        found = await asyncio.gather(*reads)
    assert [values(records) for records in found] == [[b"news"]] * 3


async def test_a_waiting_read_that_is_given_up_leaves_the_log_in_order(log: EventLog) -> None:
    given_up = asyncio.create_task(log.read(TRIGGERS, 0, 0, wait_s=600))
    await asyncio.sleep(0)
    given_up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await given_up

    await log.append(numbered(2))

    assert values(await read_all(log)) == [b"0", b"1"]


async def test_a_read_beyond_the_high_mark_says_where_the_log_ends(log: EventLog) -> None:
    await log.append(numbered(3))

    with pytest.raises(LogUnavailable, match=r"triggers/0 ends at offset 3, before 9"):
        await log.read(TRIGGERS, 0, 9)


async def test_marks_begin_at_zero_and_follow_the_appends(log: EventLog) -> None:
    assert await log.marks(TRIGGERS, 0) == Marks(0, 0)

    await log.append(numbered(5))

    assert await log.marks(TRIGGERS, 0) == Marks(0, 5)
    assert await log.marks(TRIGGERS, 1) == Marks(0, 0)


async def test_instants_never_fall(log: EventLog) -> None:
    for _ in range(20):
        await log.append(numbered(2))

    instants = [record.at for record in await read_all(log)]

    assert instants == sorted(instants)


async def test_offset_at_is_the_first_record_of_an_instant_or_later(log: EventLog) -> None:
    for number in range(12):
        await log.append([trigger(b"%d" % number)])
    records = await read_all(log)

    for at in {record.at for record in records}:
        first = next(record.offset for record in records if record.at >= at)
        assert await log.offset_at(TRIGGERS, 0, at) == first
    assert await log.offset_at(TRIGGERS, 0, Instant(0)) == 0


async def test_offset_at_later_than_everything_is_the_high_mark(log: EventLog) -> None:
    [*_, last] = await log.append(numbered(4))

    assert await log.offset_at(TRIGGERS, 0, Instant(last.at + 1)) == 4
    assert await log.offset_at(TRIGGERS, 1, last.at) == 0


async def test_positions_belong_to_a_reader_a_topic_and_a_partition(log: EventLog) -> None:
    await log.commit("projections.a", TRIGGERS, 0, 5)
    await log.commit("projections.a", TRIGGERS, 1, 6)
    await log.commit("projections.a", ADMISSIONS, 0, 7)
    await log.commit("projections.b", TRIGGERS, 0, 8)

    assert await log.committed("projections.a", TRIGGERS, 0) == 5
    assert await log.committed("projections.a", TRIGGERS, 1) == 6
    assert await log.committed("projections.a", ADMISSIONS, 0) == 7
    assert await log.committed("projections.b", TRIGGERS, 0) == 8


async def test_the_last_position_counts_and_none_is_none(log: EventLog) -> None:
    assert await log.committed("projections.a", TRIGGERS, 0) is None

    await log.commit("projections.a", TRIGGERS, 0, 5)
    await log.commit("projections.a", TRIGGERS, 0, 3)

    assert await log.committed("projections.a", TRIGGERS, 0) == 3
    assert await log.committed("projections.a", TRIGGERS, 1) is None


@pytest.mark.parametrize(
    "record",
    [
        NewRecord("triggers", "endpoint", bytes(4_000_001)),
        NewRecord("trigers", "endpoint", b""),
        NewRecord("triggers", "endpoint", b"", partition=99),
        NewRecord("triggers", "\ud800", b""),
    ],
    ids=["too large", "unknown topic", "unknown partition", "key is not Unicode"],
)
async def test_a_record_that_no_log_can_hold_is_a_bug_and_harms_nothing(
    log: EventLog, record: NewRecord
) -> None:
    before = log.append([trigger(b"before")])
    with pytest.raises(Bug):
        await log.append([trigger(b"along"), record])
    await before

    await log.append([trigger(b"after")])

    assert values(await read_all(log)) == [b"before", b"after"]


async def test_the_largest_record_fits(log: EventLog) -> None:
    large = bytes(4_000_000)

    await log.append([trigger(large), trigger(large), trigger(b"small")])

    assert values(await read_all(log)) == [large, large, b"small"]


async def test_closing_finishes_the_appends_under_way(log: EventLog) -> None:
    append = log.append(numbered(10))

    await log.close()

    assert len(await append) == 10


async def test_a_closed_log_refuses(log: EventLog) -> None:
    await log.close()
    await log.close()

    with pytest.raises(LogUnavailable, match="closed"):
        await log.append(numbered(1))
    with pytest.raises(LogUnavailable, match="closed"):
        await log.read(TRIGGERS, 0, 0)
    with pytest.raises(LogUnavailable, match="closed"):
        await log.commit("projections.a", TRIGGERS, 0, 1)


async def test_closing_ends_a_waiting_read(log: EventLog) -> None:
    waiting = asyncio.create_task(log.read(DEFINITIONS, 0, 0, wait_s=600))
    await asyncio.sleep(0)

    await log.close()

    with pytest.raises(LogUnavailable, match="closed"):
        async with asyncio.timeout(PATIENCE_S):
            await waiting


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=64)), max_size=9)),
    step=st.integers(1, 12),
)
async def test_what_is_read_is_what_was_appended_whatever_the_batching(
    log: EventLog, batches: list[list[tuple[str, bytes]]], step: int
) -> None:
    start = (await log.marks(TRIGGERS, 0)).high

    appends = [log.append([trigger(value, key=key) for key, value in said]) for said in batches]
    await asyncio.gather(*appends)

    found = await read_all(log, start, step)
    assert [(record.key, record.value) for record in found] == [
        pair for batch in batches for pair in batch
    ]
    assert [record.offset for record in found] == list(range(start, start + len(found)))
