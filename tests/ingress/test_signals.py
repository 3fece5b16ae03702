"""Signals over HTTP: what is accepted is on the log, what cannot be is refused with its reason."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventlog.sqlite import SqliteLog
from ingress import api, signals
from ingress.signals import Found
from schemas import codec, events, ids
from schemas.ids import ExecutionId, InstanceId
from schemas.topics import TRIGGERS, partition_of
from tests.ingress.serving import ADMIN, served

WAITING = ExecutionId(ids.derived("waiting"))
ENDED = ExecutionId(ids.derived("ended"))
UNKNOWN = ExecutionId(ids.derived("unknown"))
INSTANCE = InstanceId("n")


async def find(execution_id: ExecutionId) -> Found | None:
    known = {WAITING: Found(INSTANCE, False), ENDED: Found(INSTANCE, True)}
    return known.get(execution_id)


def url(execution_id: str, name: str = "approved") -> str:
    return f"/api/v1/executions/{ids.to_global(ids.EXECUTION, execution_id)}/signals/{name}"


@asynccontextmanager
async def signalling(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, SqliteLog]]:
    log = await SqliteLog.open(folder / "signals.db")
    try:
        router = signals.router(log, find, api.PREFIX, look_for_s=0)
        async with served(folder, routers=(router,)) as ingress:
            yield ingress.http, log
    finally:
        await log.close()


async def said_on(log: SqliteLog) -> list[events.Event]:
    partition = partition_of(INSTANCE, log.partitions(TRIGGERS))
    records = await log.read(TRIGGERS, partition, 0)
    return [event for record in records for event in codec.decode(record.value).events]


async def test_a_signal_is_on_the_log_of_its_instance_before_it_is_accepted(tmp_path: Path) -> None:
    async with signalling(tmp_path) as (http, log):
        headers = {**ADMIN, "idempotency-key": "k"}
        answer = await http.post(url(WAITING), json={"by": "ann"}, headers=headers)
        assert answer.status_code == 202
        assert await said_on(log) == [
            events.SignalReceived(
                instance_id=INSTANCE,
                execution_id=WAITING,
                name="approved",
                data={"by": "ann"},
                idempotency_key="k",
            )
        ]


async def test_the_name_of_a_signal_may_be_any_text(tmp_path: Path) -> None:
    async with signalling(tmp_path) as (http, log):
        answer = await http.post(url(WAITING, "a%20b%2Fc%C3%A9"), headers=ADMIN)
        assert (answer.status_code, answer.json()["signal"]) == (202, "a b/cé")
        [said] = await said_on(log)
    assert isinstance(said, events.SignalReceived)
    assert said.name == "a b/cé"


@pytest.mark.parametrize("name", ["", "x" * 201])
async def test_a_name_that_nobody_waits_for_is_refused(tmp_path: Path, name: str) -> None:
    async with signalling(tmp_path) as (http, _):
        answer = await http.post(url(WAITING, name), headers=ADMIN)
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_signal")


@pytest.mark.parametrize(
    ("execution_id", "data", "status", "reason"),
    [
        (UNKNOWN, None, 404, "unknown_execution"),
        (ENDED, None, 409, "execution_ended"),
        (WAITING, "x" * 70_000, 413, "too_large"),
        ("no-id", None, 404, "unknown_id"),
    ],
)
async def test_what_cannot_be_signalled_is_refused_with_its_reason(
    tmp_path: Path, execution_id: str, data: Any, status: int, reason: str
) -> None:
    async with signalling(tmp_path) as (http, log):
        answer = await http.post(url(execution_id), json=data, headers=ADMIN)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
        assert await said_on(log) == []


async def test_a_signal_without_data_and_without_a_token(tmp_path: Path) -> None:
    async with signalling(tmp_path) as (http, log):
        assert (await http.post(url(WAITING))).status_code == 401
        assert (await http.post(url(WAITING), headers=ADMIN)).status_code == 202
        [event] = await said_on(log)
        assert isinstance(event, events.SignalReceived)
        assert event.data is None
