"""History: what the log says of one execution, without what is void or said again."""

from pathlib import Path

import pytest

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from projections import history
from projections.store import Views
from schemas import codec, events
from schemas.errors import Refused
from schemas.instants import Instant
from tests.projections import story


async def test_records_of_a_worker_that_had_lost_the_partition_are_left_out(
    views: Views, tmp_path: Path
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    claimed = codec.encode([events.PartitionClaimed(owner="a")])
    first, second = [
        (await log.append([NewRecord("executions", "", claimed, 0)]))[0].offset for _ in range(2)
    ]
    void = codec.encode([story.started(0), story.succeeded(0, "saveIt")], first)
    valid = codec.encode([story.started(0), story.succeeded(0, "saveIt")], second)
    appended = await log.append(
        [NewRecord("executions", story.INSTANCE, value, 0) for value in (void, valid)]
    )
    received_at = Instant(appended[0].at)
    story.tell(views, story.record("admissions", 0, story.admitted(0, received_at=received_at)))
    found = await history.read(views, log, story.execution_id(0))
    assert [(one["type"], one["offset"]) for one in found["events"]] == [
        ("execution.started", appended[1].offset),
        ("step.succeeded", appended[1].offset),
    ]
    assert found["truncated"] is False
    await log.close()


async def test_an_unknown_execution_is_refused(views: Views, tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    with pytest.raises(Refused, match="no execution with id"):
        await history.read(views, log, story.execution_id(1))
    await log.close()
