"""The IO around admission: what it knows of when it decides."""

import dataclasses
from pathlib import Path

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from processors.admission_host import AdmissionHost
from schemas import codec, events
from schemas.catalog import topic_key
from schemas.ids import InstanceId
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, TRIGGERS
from tests.processors.at_work import deploy, request, said_on


async def host_of(log: EventLog, folder: Path) -> AdmissionHost:
    blobs = Blobs.open(str(folder / "blobs"))
    host = AdmissionHost(log, blobs=blobs, definitions=Definitions(log))
    await host.assign(0)
    return host


async def decide(log: EventLog, host: AdmissionHost, *, change: int) -> events.Event:
    """The decision on a request that came when the definitions below `change` were known."""
    (received,) = codec.decode(request(1).value).events
    assert isinstance(received, events.WebhookReceived)
    value = codec.encode([dataclasses.replace(received, change=change)])
    (at,) = await log.append([NewRecord(TRIGGERS.name, received.endpoint_id, value)])
    await host.on_batch(0, await log.read(TRIGGERS, 0, at.offset))
    return (await said_on(log, ADMISSIONS))[-1]


async def test_a_request_is_decided_on_by_all_that_was_known_when_it_came(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log)
    host = await host_of(log, tmp_path)
    assert isinstance(await decide(log, host, change=3), events.ExecutionAdmitted)
    paused = events.InstancePaused(instance_id=InstanceId("n"))
    record = NewRecord(DEFINITIONS.name, topic_key(paused), codec.encode([paused]))
    (at,) = await log.append([record])
    refused = await decide(log, host, change=at.offset + 1)
    assert isinstance(refused, events.TriggerRefused)
    assert refused.reason == events.Reason.INSTANCE_PAUSED
    await log.close()


async def test_a_clock_that_went_back_before_a_worker_took_over_makes_no_room(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, rate_limit=5)
    await log.append([request(number, synchronous=False) for number in range(6)])
    *first, last = await log.read(TRIGGERS, 0, 0)
    await (await host_of(log, tmp_path)).on_batch(0, first)
    earlier = last._replace(at=Instant(last.at - 2 * SECOND))
    await (await host_of(log, tmp_path)).on_batch(0, [earlier])
    decided = [type(event) for event in await said_on(log, ADMISSIONS)]
    assert decided == [events.ExecutionAdmitted] * 5 + [events.TriggerRefused]
    await log.close()
