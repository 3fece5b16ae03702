"""The rows of growth: what an event and a start cost on a log with history, next to one without.

An event costs its append, its fold into processor state and its place in the views. A start is
from opening the log to a worker that has taken over every partition. The history is appended the
way executions leave it, with the positions that a worker has committed; both logs are measured in
turns, so that the machine's mood meets both.
"""

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import journal
from bench.measures import fold
from bench.rows import Effort, Row
from eventlog.log import EventLog
from eventlog.opening import open_log
from penstock import stages, startup
from projections.projector import Projector
from projections.store import Views
from schemas import settings
from schemas.topics import EXECUTIONS

FEW_EVENTS = 10_000
TIMES = 5
PROBE_EXECUTIONS = 2_000
MARK = 1.25
"""How much more it may cost with history; what one log measures twice differs by this much."""


@dataclass(slots=True)
class _Log:
    """A log in a folder of its own, and how many executions it holds."""

    folder: Path
    executions: int

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'log.db'}"

    @property
    def views_url(self) -> str:
        return f"sqlite:///{self.folder / 'views.db'}"


def rows(effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        few, many = _Log(Path(folder) / "few", 0), _Log(Path(folder) / "many", 0)
        asyncio.run(_grow(few, FEW_EVENTS // journal.EVENTS))
        asyncio.run(_grow(many, effort.grown_events // journal.EVENTS))
        costs = [(asyncio.run(_cost_us(few)), asyncio.run(_cost_us(many))) for _ in range(TIMES)]
        starts = [(asyncio.run(_start_ms(few)), asyncio.run(_start_ms(many))) for _ in range(TIMES)]
    grown = f"{effort.grown_events:,} events"
    return [
        _row("growth-cost", f"cost of an event after {grown}, embedded", costs, "us"),
        _row("growth-start", f"recovery of a worker after {grown}, embedded", starts, "ms"),
    ]


def _row(name: str, what: str, pairs: list[tuple[float, float]], unit: str) -> Row:
    few, many = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(
        name=name,
        what=what,
        mark=f"≤ {MARK:g} of that after {FEW_EVENTS:,}",
        measured=f"{many:,.1f} {unit}; after {FEW_EVENTS:,}: {few:,.1f} {unit}",
        ratio=many / few,
        reached=many / few <= MARK,
        details={"pairs": pairs, "unit": unit},
    )


async def _grow(log: _Log, executions: int) -> None:
    log.folder.mkdir()
    opened, views = await open_log(log.url), Views.open(log.views_url)
    try:
        await _add(log, opened, executions)
        await journal.checkpoint(opened, log.executions)
        await Projector(opened, views).catch_up()
    finally:
        views.close()
        await opened.close()


async def _add(log: _Log, opened: EventLog, executions: int) -> None:
    await journal.append(opened, executions, first=log.executions)
    log.executions += executions


async def _cost_us(log: _Log) -> float:
    """Of one event: appended, folded, and in the views."""
    opened, views = await open_log(log.url), Views.open(log.views_url)
    try:
        _, offset = await opened.marks(EXECUTIONS, journal.PARTITION)
        began_at = time.perf_counter()
        await _add(log, opened, PROBE_EXECUTIONS)
        await fold.state_from(opened, offset)
        await Projector(opened, views).catch_up()
        seconds = time.perf_counter() - began_at
        await journal.checkpoint(opened, log.executions)
    finally:
        views.close()
        await opened.close()
    return seconds * 1e6 / (PROBE_EXECUTIONS * journal.EVENTS)


async def _start_ms(log: _Log) -> float:
    """From opening the log to a worker that is ready."""
    known = settings.from_environment({"PENSTOCK_DATA": str(log.folder), "PENSTOCK_LOG": log.url})
    began_at = time.perf_counter()
    async with startup.opened(known) as parts:
        ready = asyncio.Event()
        working = asyncio.create_task(stages.worker(parts).run(ready.set))
        await ready.wait()
        seconds = time.perf_counter() - began_at
        working.cancel()
        await asyncio.wait({working})
    return seconds * 1e3
