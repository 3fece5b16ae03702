"""The row of the fold: events of the journal read, decoded and folded into state, per second."""

import asyncio
import tempfile
import time
from pathlib import Path

from bench import journal
from bench.rows import Effort, Invalid, Row
from eventlog.log import EventLog
from eventlog.opening import open_log
from processors import execution
from schemas import codec
from schemas.topics import EXECUTIONS

MARK = 150_000


def row(effort: Effort) -> Row:
    """Raises Invalid."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        folded, seconds = asyncio.run(_measure(Path(folder), effort.executions))
    rate = folded / seconds
    return Row(
        name="fold",
        what="fold of the journal (state rebuilt from the log), embedded",
        mark=f"≥ {MARK:,} events/s",
        measured=f"{rate:,.0f} events/s",
        reached=rate >= MARK,
        details={"events": folded, "seconds": seconds, "executions": effort.executions},
    )


async def _measure(folder: Path, executions: int) -> tuple[int, float]:
    log = await open_log(f"sqlite:///{folder / 'log.db'}")
    try:
        await journal.append(log, executions)
        began_at = time.perf_counter()
        state, folded = await state_from(log, 0)
        seconds = time.perf_counter() - began_at
    finally:
        await log.close()
    if state.started_through != {journal.PARTITION: executions - 1} or state.open:
        raise Invalid(f"{len(state.open)} executions open, started: {state.started_through}")
    return folded, seconds


async def state_from(log: EventLog, offset: int) -> tuple[execution.State, int]:
    """The state of the journal from `offset` on and the count of its events, as a host folds it."""
    state, folded = execution.State(), 0
    while records := await log.read(EXECUTIONS, journal.PARTITION, offset):
        for record in records:
            envelope = codec.decode(record.value)
            execution.fold(state, record.offset, envelope)
            folded += len(envelope.events)
        offset = records[-1].offset + 1
    return state, folded
