"""The row of the backlog: triggers that waited on the log while no worker was up.

The clock runs from the first decision on the log to the views that show every execution as ended.
"""

import asyncio
import time
from urllib.parse import urlsplit

from bench import flows, journal
from bench.measures import http
from bench.rows import Effort, Invalid, Row
from bench.server import penstock
from eventlog.log import EventLog, NewRecord
from eventlog.opening import open_log
from schemas import codec, events, ids
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, TRIGGERS

SHARE = 0.10
CHUNK = 1_000


def row(effort: Effort) -> Row:
    """Raises Invalid or Unobtainable."""
    bare = http.bare_rate(effort)
    with penstock() as up:
        endpoint = _endpoint(up.deploy(flows.three_saves()))
        up.stop()
        asyncio.run(_append(up.log_url, endpoint, effort.executions))
        up.start()
        up.wait_until_ended(effort.executions)
        ended_at = time.time() * SECOND
        up.stop()
        began_at = asyncio.run(_first_decision_at(up.log_url))
    seconds = (ended_at - began_at) / SECOND
    rate = effort.executions / seconds
    return Row(
        name="backlog",
        what="backlog of a three-step flow, one process",
        mark=f"≥ {SHARE:.0%} of the bare route",
        measured=f"{rate:,.0f}/s; bare {bare:,.0f}/s",
        ratio=rate / bare,
        reached=rate / bare >= SHARE,
        details={"executions": effort.executions, "seconds": seconds, "bare_rate": bare},
    )


def _endpoint(url: str) -> ids.EndpointId:
    return ids.EndpointId(ids.from_global(ids.ENDPOINT, urlsplit(url).path.split("/")[2]))


async def _append(log_url: str, endpoint: ids.EndpointId, count: int) -> None:
    log = await open_log(log_url)
    try:
        record = NewRecord(TRIGGERS.name, endpoint, codec.encode([_received(endpoint)]))
        for done in range(0, count, CHUNK):
            await log.append([record] * min(CHUNK, count - done))
    finally:
        await log.close()


def _received(endpoint: ids.EndpointId) -> events.WebhookReceived:
    return events.WebhookReceived(
        endpoint_id=endpoint, request=journal.REQUEST, synchronous=False, reply_to="", request_no=0
    )


async def _first_decision_at(log_url: str) -> Instant:
    log = await open_log(log_url)
    try:
        found = [await _first_at(log, number) for number in range(log.partitions(ADMISSIONS))]
    finally:
        await log.close()
    instants = [at for at in found if at is not None]
    if not instants:
        raise Invalid("no decision about the backlog is on the log")
    return min(instants)


async def _first_at(log: EventLog, partition: int) -> Instant | None:
    marks = await log.marks(ADMISSIONS, partition)
    records = await log.read(ADMISSIONS, partition, marks.low, max_records=1)
    return records[0].at if records else None
