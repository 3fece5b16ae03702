"""The rows of schedules: many of them in one `penstock up`, and many that fall due at once.

The deployments are appended to `definitions` while nothing runs. The start is from the command to
the first record that says that all schedules are followed. Lateness is from the instant at which
a schedule was due to the append of its tick; those measured are due at one second, in the local
times of several zones, while the others go on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import quantiles
from zoneinfo import ZoneInfo

from bench.rows import Effort, Invalid, Row
from bench.server import Penstock, penstock
from eventlog.log import EventLog, NewRecord, Record
from eventlog.opening import open_log
from schemas import catalog, codec, events, ids
from schemas.ids import EndpointId, InstanceId
from schemas.instants import SECOND, Instant
from schemas.topics import DEFINITIONS, TRIGGERS, Topic
from tests import servers

SCHEDULES = 100_000
AT_ONCE = 10_000
AHEAD_S = 90
"""By then the schedules have to be followed."""
WATCHED_S = 15.0
LATE_MS = 250
CHUNK = 2_000
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Chatham",
)
FLOW = """
definitionVersion: 7
name: Scheduled
flows:
  - name: Tick
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: schedule, component: {key: schedule-triggers}}
        inputs: {}
        schedule: {type: value, value: "0 0 1 1 *", meta: {scheduleType: custom}}
"""


@dataclass(frozen=True, slots=True)
class _Found:
    start_s: float
    before_mb: float
    with_mb: float
    late_ms: list[float]


def rows(effort: Effort) -> list[Row]:
    """Raises Invalid or Unobtainable."""
    share = 1 if effort.records >= 200_000 else 10
    count, at_once = SCHEDULES // share, AT_ONCE // share
    with penstock() as up:
        found = _measure(up, count, at_once)
    cuts = quantiles(found.late_ms, n=100)
    grown_mb = found.with_mb - found.before_mb
    return [
        Row(
            name="schedules-start",
            what=f"start with {count:,} schedules, until all are followed",
            mark="",
            measured=f"{found.start_s:.1f} s, {found.with_mb:,.0f} MB (+{grown_mb:,.0f} MB)",
            reached=True,
            details={"before_mb": found.before_mb, "with_mb": found.with_mb},
        ),
        Row(
            name="schedules-late",
            what=f"lateness where {at_once:,} of {count:,} schedules fall due at once",
            mark=f"p99 < {LATE_MS} ms",
            measured=f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms",
            reached=cuts[98] < LATE_MS,
            details={"late_ms": cuts},
        ),
    ]


def _measure(up: Penstock, count: int, at_once: int) -> _Found:
    up.deploy(FLOW)
    before_mb = up.resident_mb()
    up.stop()
    due_at = Instant((int(time.time()) + AHEAD_S) * SECOND)
    asyncio.run(_deploy(up.log_url, count, at_once, due_at))
    began_at = time.time()
    up.start()
    while time.time() < due_at / SECOND - 3:
        servers.Deadline(1).pause()
    with_mb = up.resident_mb()
    while time.time() < due_at / SECOND + WATCHED_S:
        servers.Deadline(1).pause()
    up.stop()
    followed_at, late_ms = asyncio.run(_outcome(up.log_url, count, due_at))
    if len(late_ms) != at_once:
        raise Invalid(f"{len(late_ms)} of {at_once} schedules have fired")
    if followed_at >= due_at:
        raise Invalid(f"the schedules were not followed before {AHEAD_S} s had passed")
    return _Found(followed_at / SECOND - began_at, before_mb, with_mb, late_ms)


async def _deploy(log_url: str, count: int, at_once: int, due_at: Instant) -> None:
    """Deploy as many instances like the one that is there, each with a schedule of its own."""
    log = await open_log(log_url)
    try:
        known = await _last_deployed(log)
        said = [*_deployments(known, count, at_once, due_at)]
        for first in range(0, len(said), CHUNK):
            await log.append(
                [
                    NewRecord(DEFINITIONS.name, catalog.topic_key(event), codec.encode([event]))
                    for event in said[first : first + CHUNK]
                ]
            )
    finally:
        await log.close()


def _deployments(
    known: events.InstanceDeployed, count: int, at_once: int, due_at: Instant
) -> Iterator[events.InstanceDeployed]:
    for number in range(count):
        instance_id = InstanceId(ids.derived("bench", number))
        if number < at_once:
            zone = ZONES[number % len(ZONES)]
            local = datetime.fromtimestamp(due_at / SECOND, ZoneInfo(zone))
            expression = f"{local.second} {local.minute} {local.hour} * * *"
        else:
            zone, expression = "", f"{number % 60} {number // 60 % 24} * * *"
        rule = replace(known.schedules[0], expression=expression, time_zone=zone)
        yield replace(
            known,
            instance_id=instance_id,
            name=f"Bench {number}",
            endpoints={"Tick": EndpointId(ids.derived("endpoint", instance_id, "Tick"))},
            schedules=[rule],
        )


async def _last_deployed(log: EventLog) -> events.InstanceDeployed:
    for record in reversed([record async for record in _all(log, DEFINITIONS)]):
        for event in codec.decode(record.value).events:
            if isinstance(event, events.InstanceDeployed):
                return event
    raise Invalid("nothing has been deployed")


async def _outcome(log_url: str, count: int, due_at: Instant) -> tuple[Instant, list[float]]:
    """When all schedules were followed first, and how late each tick of `due_at` was."""
    log = await open_log(log_url)
    followed_at, late_ms = due_at, list[float]()
    try:
        async for record in _all(log, TRIGGERS):
            for event in codec.decode(record.value).events:
                if isinstance(event, events.SchedulesFollowed) and event.change > count:
                    followed_at = min(followed_at, record.at)
                elif isinstance(event, events.TickElapsed) and event.due_at == due_at:
                    late_ms.append((record.at - due_at) / 1_000)
    finally:
        await log.close()
    return followed_at, late_ms


async def _all(log: EventLog, topic: Topic) -> AsyncIterator[Record]:
    for partition in range(log.partitions(topic)):
        offset = 0
        while records := await log.read(topic, partition, offset):
            for record in records:
                yield record
            offset = records[-1].offset + 1
