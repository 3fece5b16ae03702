"""Schedules on both logs: each expected instant comes to one decision, through outages, kills and
doubled owners. Time is given to the ticker as a value."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.kafka import KafkaLog
from eventlog.log import EventLog, NewRecord, Record
from eventlog.sqlite import SqliteLog
from ingress.schedule import Following, Ticker
from processors import effects, faust_host
from processors.admission_host import AdmissionHost
from schemas import codec, events, topics
from schemas.events import Scheduled
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, TRIGGERS
from tests.processors.at_work import MASTER_KEY
from tests.processors.instances import INSTANCE, definition, deploy, flow, of, tell

MINUTE = 60 * SECOND
EVERY_5 = "*/5 * * * *"
TEXT = definition(flow("Sync", "schedule-triggers/schedule"))


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def log(
    request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[EventLog]:
    opened: EventLog
    if request.param == "sqlite":
        opened = await SqliteLog.open(tmp_path / "log.db")
    else:
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        opened = await KafkaLog.open(bootstrap, prefix=topic_prefix)
    yield opened
    await opened.close()


class Case:
    """An instance whose schedule began two hours before now, on a full five minutes."""

    def __init__(self, log: EventLog, tmp_path: Path) -> None:
        self.log = log
        self.blobs = Blobs.open(str(tmp_path / "blobs"))
        self.partition = topics.partition_of(INSTANCE, log.partitions(TRIGGERS))
        self.start = Instant(0)
        self.rule = Scheduled(flow="Sync", expression=EVERY_5)

    async def deploy(self) -> None:
        deployed = await deploy(self.log, TEXT)
        at = (await self.log.read(DEFINITIONS, 0, 0))[-1].at
        begun = at - 120 * MINUTE
        self.start = Instant(begun - begun % (5 * MINUTE))
        rule = replace(self.rule, since=self.start, change=2)
        await tell(self.log, replace(deployed, schedules=[rule]))

    def at(self, minutes: float) -> Instant:
        return Instant(self.start + int(minutes * MINUTE))

    async def owner(self) -> Following:
        return await Following.begin(self.log, Definitions(self.log), self.partition)

    async def admission(self) -> "Admission":
        found = Admission(self)
        await found.host.assign(self.partition)
        return found

    async def decisions(self) -> list[events.Event]:
        """What a reader of `admissions` makes of them: of each trigger the first decision."""
        found: dict[int, list[events.Event]] = {}
        partition = topics.partition_of(INSTANCE, self.log.partitions(ADMISSIONS))
        for record in await self.log.read(ADMISSIONS, partition, 0, max_records=10_000):
            said = codec.decode(record.value).events
            found.setdefault(getattr(said[0], "trigger_offset", -1), list(said))
        return [event for said in found.values() for event in said]

    async def minutes(self) -> list[tuple[int, int, str]]:
        """Minute, count, and whether it ran or why not."""
        found = []
        for event in await self.decisions():
            if isinstance(event, events.ExecutionAdmitted):
                assert event.due_at is not None
                found.append((event.due_at, 1, "ran"))
            elif isinstance(event, events.TickSkipped):
                found.append((event.due_at, event.count, str(event.reason)))
        return [((due - self.start) // MINUTE, count, what) for due, count, what in found]


class Admission:
    """Admission of one process, which reads on where it is told to."""

    def __init__(self, case: Case, offset: int = 0) -> None:
        self.case = case
        self.offset = offset
        self.host = AdmissionHost(case.log, blobs=case.blobs, definitions=Definitions(case.log))

    async def follow(self) -> None:
        while records := await self._read():
            await self.host.on_batch(self.case.partition, records)
            self.offset = records[-1].offset + 1

    async def _read(self) -> list[Record]:
        return await self.case.log.read(TRIGGERS, self.case.partition, self.offset, max_records=3)


@pytest.fixture
async def case(log: EventLog, tmp_path: Path) -> Case:
    found = Case(log, tmp_path)
    await found.deploy()
    return found


async def test_after_an_outage_of_an_hour_the_newest_instant_runs_and_eleven_are_skipped(
    case: Case,
) -> None:
    admission = await case.admission()
    owner = await case.owner()
    await owner.step(case.at(5.5))
    await owner.step(case.at(10.5))
    owner.end()
    await admission.follow()

    await (await case.owner()).step(case.at(70.5))
    await admission.follow()

    assert await case.minutes() == [
        (5, 1, "ran"),
        (10, 1, "ran"),
        (65, 11, "caught_up"),
        (70, 1, "ran"),
    ]


async def test_a_schedule_that_has_fallen_behind_says_so_once_until_it_is_on_time(
    case: Case,
) -> None:
    admission = await case.admission()
    owner = await case.owner()
    for minute in range(5, 60, 5):
        await owner.step(case.at(minute))
    await admission.follow()
    [behind] = of(events.ScheduleFellBehind, await case.decisions())
    assert behind.due_at == case.at(5)
    assert behind.late_s > 100 * 60


async def test_a_killed_owner_is_followed_by_one_that_goes_on_where_it_was(case: Case) -> None:
    admission = await case.admission()
    killed = await case.owner()
    await killed.step(case.at(11))
    # All that it had taken out for the next step is lost with it.
    lost = [*killed.plan.elapse(case.at(22))]
    assert [tick.due_at for tick in lost] == [case.at(15), case.at(20)]

    await (await case.owner()).step(case.at(26))
    await admission.follow()

    assert await case.minutes() == [
        (5, 1, "caught_up"),
        (10, 1, "ran"),
        (20, 2, "caught_up"),
        (25, 1, "ran"),
    ]


async def test_doubled_owners_and_doubled_admissions_come_to_one_decision_for_each_instant(
    case: Case,
) -> None:
    one, two = await case.owner(), await case.owner()
    first, second = await case.admission(), await case.admission()
    for minute in range(5, 41, 5):
        await asyncio.gather(one.step(case.at(minute + 0.1)), two.step(case.at(minute + 0.2)))
        await asyncio.gather(first.follow(), second.follow())
    assert await case.minutes() == [(minute, 1, "ran") for minute in range(5, 41, 5)]


async def test_an_owner_that_wakes_up_after_its_takeover_changes_nothing(case: Case) -> None:
    sleeper = await case.owner()
    await sleeper.step(case.at(6))
    taker = await case.owner()
    for minute in (11, 16, 21):
        await taker.step(case.at(minute))
    await sleeper.step(case.at(23))
    await (await case.admission()).follow()
    assert await case.minutes() == [(minute, 1, "ran") for minute in (5, 10, 15, 20)]


async def test_admission_that_starts_anew_at_any_record_decides_nothing_twice(case: Case) -> None:
    owner, doubled = await case.owner(), await case.owner()
    for minute in (6, 11, 16):
        await owner.step(case.at(minute))
    await doubled.step(case.at(17))
    await (await case.admission()).follow()
    before = await case.minutes()
    high = (await case.log.marks(TRIGGERS, case.partition)).high
    for offset in range(high):
        again = await case.admission()
        again.offset = offset
        await again.follow()
    assert await case.minutes() == before
    assert before == [(minute, 1, "ran") for minute in (5, 10, 15)]


async def test_a_tick_that_was_decided_before_a_restart_still_makes_a_later_one_void(
    case: Case,
) -> None:
    owner = await case.owner()
    ticks = [*owner.plan.open(owner._opening.pop()), *owner.plan.elapse(case.at(6))]
    said = [
        NewRecord(TRIGGERS.name, INSTANCE, codec.encode([tick]), case.partition)
        for tick in (*ticks, *ticks)
    ]
    await case.log.append(said[:1])
    await (await case.admission()).follow()
    await case.log.append(said[1:])
    await (await case.admission()).follow()
    assert await case.minutes() == [(5, 1, "ran")]


async def test_a_pause_is_one_decision_and_what_follows_it_runs(case: Case) -> None:
    owner = await case.owner()
    await owner.step(case.at(6))
    await tell(case.log, events.InstancePaused(instance_id=INSTANCE))
    await owner.step(case.at(6))
    paused_at = (await case.log.read(DEFINITIONS, 0, 0))[-1].at
    await tell(case.log, events.InstanceResumed(instance_id=INSTANCE, paused_at=paused_at))
    later = Instant(paused_at + 11 * MINUTE)
    await owner.step(later)
    await (await case.admission()).follow()
    ran = [minute for minute, _, what in await case.minutes() if what == "ran"]
    assert case.at(ran[-1]) > paused_at
    assert sum(count for _, count, _ in await case.minutes()) == (
        (later - case.start) // (5 * MINUTE)
    )


async def test_a_ticker_says_at_once_what_is_due_and_wakes_up_for_a_deployment(
    log: EventLog, tmp_path: Path
) -> None:
    case = Case(log, tmp_path)
    definitions = Definitions(log)
    ticker = Ticker(log, definitions, lambda: case.at(121))
    following = asyncio.ensure_future(definitions.run())
    ticking = asyncio.ensure_future(ticker.follow(case.partition))
    await case.deploy()
    found: list[events.TickElapsed] = []
    offset = 0
    while not found:
        for record in await log.read(TRIGGERS, case.partition, offset, wait_s=10):
            found += of(events.TickElapsed, codec.decode(record.value).events)
            offset = record.offset + 1
    tick = found[0]
    assert (tick.engine, tick.expression, tick.instance_id) == ("croniter", EVERY_5, INSTANCE)
    for task in (ticking, following):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.kafka
async def test_the_schedules_of_a_worker_that_ends_are_taken_over_and_no_instant_is_lost(
    tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    log = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    case = Case(log, tmp_path)
    deployed = await deploy(log, TEXT)
    every_second = Scheduled(flow="Sync", expression="* * * * * *")
    await tell(log, replace(deployed, schedules=[every_second]))

    @asynccontextmanager
    async def worker() -> AsyncIterator[asyncio.Event]:
        ready, definitions = asyncio.Event(), Definitions(log)
        async with effects.world(code_timeout_s=30, allow_private=True) as world:
            host = asyncio.ensure_future(
                faust_host.run(
                    log,
                    blobs=case.blobs,
                    definitions=definitions,
                    master_key=MASTER_KEY,
                    world=world,
                    ticker=Ticker(log, definitions, effects.clock).follow,
                    ready=ready.set,
                )
            )
            yield ready
            host.cancel()
            with pytest.raises(asyncio.CancelledError):
                await host

    async def decided(after: Instant) -> None:
        """Wait until an instant later than that has been decided."""
        partition = topics.partition_of(INSTANCE, log.partitions(ADMISSIONS))
        offset, latest = 0, Instant(0)
        while latest <= after:
            for record in await log.read(ADMISSIONS, partition, offset, wait_s=10):
                offset = record.offset + 1
                for event in codec.decode(record.value).events:
                    latest = max(latest, getattr(event, "due_at", None) or latest)

    async with worker() as ready:
        await decided(Instant(effects.clock() + SECOND))
        await ready.wait()
    async with worker():
        await decided(Instant(effects.clock() + SECOND))
    dues: list[tuple[Instant, Instant]] = []
    for event in await case.decisions():
        if isinstance(event, events.TickSkipped):
            dues.append((event.first_due_at, event.due_at))
        elif isinstance(event, events.ExecutionAdmitted) and event.due_at is not None:
            dues.append((event.due_at, event.due_at))
    for (_, last), (first, _) in pairwise(dues):
        assert first == last + SECOND
    await log.close()
