"""The pipeline on the embedded log: what becomes of triggers, without HTTP."""

import gc
from pathlib import Path

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors.interpreter import Run
from schemas import events
from schemas.topics import (
    ADMISSIONS,
    EXECUTIONS,
    TRIGGERS,
    dead_letters_of,
)
from tests.processors.at_work import ENDPOINT, deploy, processing, replies, request, said_on


async def test_a_request_becomes_an_execution_whose_result_is_told_to_its_caller(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log)
    async with processing(log, tmp_path):
        await log.append([request(1)])
        [reply] = await replies(log, 1)
    assert isinstance(reply, events.ResultReady)
    assert reply.request_no == 1
    assert reply.error is None
    assert reply.response is not None
    assert reply.response.result == [1, 2, 3]
    admitted = await said_on(log, ADMISSIONS)
    assert [type(e) for e in admitted] == [events.ExecutionAdmitted]
    journal = [type(e).__name__ for e in await said_on(log, EXECUTIONS)]
    assert journal[0] == "PartitionClaimed"
    assert journal[1] == "ExecutionStarted"
    assert journal[-1] == "ExecutionCompleted"
    await log.close()


async def test_only_so_many_requests_are_admitted_as_the_limit_allows(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, rate_limit=5)
    async with processing(log, tmp_path):
        await log.append([request(n, synchronous=False) for n in range(9)])
        told = await replies(log, 9)
    reasons = [e.reason for e in told if isinstance(e, events.AdmissionDecided)]
    assert reasons == [None] * 5 + [events.Reason.RATE_LIMITED] * 4
    await log.close()


async def test_state_is_there_after_a_restart_and_nothing_runs_again(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log)
    async with processing(log, tmp_path):
        await log.append([request(1)])
        await replies(log, 1)
    before = len(await said_on(log, EXECUTIONS))
    async with processing(log, tmp_path):
        assert len(await said_on(log, EXECUTIONS)) == before + 1
        await log.append([request(2)])
        told = await replies(log, 2)
    assert isinstance(told[1], events.ResultReady)
    assert told[1].response is not None
    assert told[1].response.result == [4, 5, 6]
    await log.close()


async def test_a_record_that_does_not_decode_becomes_a_dead_letter_and_the_next_one_runs(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log)
    async with processing(log, tmp_path):
        await log.append([NewRecord(TRIGGERS.name, ENDPOINT, b"\xff"), request(1)])
        [reply] = await replies(log, 1)
    assert isinstance(reply, events.ResultReady)
    [letter] = await said_on(log, dead_letters_of(TRIGGERS))
    assert isinstance(letter, events.RecordDeadLettered)
    assert letter.offset == 0
    assert "envelope" in letter.cause
    await log.close()


async def test_executions_that_have_ended_leave_nothing_to_the_collector(tmp_path: Path) -> None:
    """Cycles of objects in each of thousands a second would keep it busy."""
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log)
    gc.collect()
    gc.disable()
    try:
        async with processing(log, tmp_path):
            await log.append([request(number) for number in range(5)])
            await replies(log, 5)
        left = [found for found in gc.get_objects() if isinstance(found, Run)]
    finally:
        gc.enable()
        await log.close()
    assert not left
