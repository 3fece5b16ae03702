"""The row of the projection: events of a log that is there, per second, into empty views."""

import asyncio
import tempfile
import time
from pathlib import Path

from bench import journal
from bench.rows import Effort, Invalid, Row
from eventlog.opening import open_log
from projections.projector import Projector
from projections.store import Views

MARK = 15_000


def row(effort: Effort) -> Row:
    """Raises Invalid."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        projected, seconds = asyncio.run(_measure(Path(folder), effort.executions))
    rate = projected / seconds
    return Row(
        name="projection",
        what="projection into views, embedded",
        mark=f"≥ {MARK:,} events/s",
        measured=f"{rate:,.0f} events/s",
        reached=rate >= MARK,
        details={"events": projected, "seconds": seconds, "executions": effort.executions},
    )


async def _measure(folder: Path, executions: int) -> tuple[int, float]:
    log = await open_log(f"sqlite:///{folder / 'log.db'}")
    views = Views.open(f"sqlite:///{folder / 'views.db'}")
    try:
        await journal.append(log, executions)
        projector = Projector(log, views)
        began_at = time.perf_counter()
        await projector.catch_up()
        seconds = time.perf_counter() - began_at
        if projector.skipped:
            raise Invalid(f"{projector.skipped} records were left out of the views")
        return projector.projected, seconds
    finally:
        views.close()
        await log.close()
