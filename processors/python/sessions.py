"""Sessions: the IO between a Run of a Python flow and the process that its coroutine lives in.

Takes in what the Run asks for (flow_frames.Exchange); gives out what is heard next: a frame of the
process, the end of an action, a signal, or that the time is up. Holds a process only while the
execution is in memory.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from processors import effects
from processors.actions import Outcome, World
from processors.asked import Perform
from processors.flow_frames import (
    ActionStep,
    Died,
    Exchange,
    Heard,
    Signalled,
    StepEnded,
    TimeUp,
    Turned,
)
from processors.python_processes import Ended, Job, NotLoaded, PythonProcesses
from schemas import events
from schemas.instants import SECOND, Instant
from schemas.values import from_json


class Session:
    """One execution's process, actions under way, and what has come from either."""

    def __init__(self, world: World) -> None:
        # What the process of a flow is given has to be there whole.
        self._world = replace(world, blobs=None)
        self._key = ""
        self._told: dict[str, Any] = {}
        self._job: Job | None = None
        self._reading: asyncio.Task[None] | None = None
        self._performing: set[asyncio.Task[None]] = set()
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._began: dict[int, Instant] = {}
        """When the steps began that run in the process now."""
        self._at_rest = False
        """The flow has ended, so that its process may serve another execution."""
        self.is_to_leave = False
        """Others want its process while it only waits."""

    def use(self, key: str, source: str) -> None:
        """The code that it runs; `key` names that text."""
        self._key, self._told = key, {"source": source}

    async def exchange(self, asked: Exchange) -> Heard:
        """Send what is asked, and give the first thing that comes.

        The time that a new process takes to be there is not the flow's.
        """
        self.is_to_leave = False
        until, began_at = asked.until, effects.clock()
        if asked.starts and (failed := await self._restart()) is not None:
            return failed
        if asked.starts and until is not None:
            until = Instant(until + effects.clock() - began_at)
        if self._job is not None and asked.send:
            for frame in asked.send:
                self._send(self._job, frame)
            await self._job.drain()
        for step in asked.performs:
            self._perform(step)
        if not asked.rests or self._job is None:
            return await self._next(until)
        _processes(self._world).rest(self._job, self._leave)
        try:
            return await self._next(until)
        finally:
            if self._job is not None and not self.is_to_leave:
                _processes(self._world).go_on(self._job)

    def _leave(self) -> None:
        self.is_to_leave = True
        self._heard.put_nowait(TimeUp())

    def signal(self, event: events.SignalReceived) -> None:
        """Let the Run hear of a signal that is on the journal."""
        self._heard.put_nowait(Signalled(event))

    @property
    def has_unheard_signals(self) -> bool:
        return any(isinstance(one, Signalled) for one in self._heard._queue)  # type: ignore[attr-defined]  # a deque

    def close(self) -> None:
        """End all of it. Idempotent."""
        for task in self._performing:
            task.cancel()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._job is not None:
            at_rest = self._at_rest and not self._began
            _processes(self._world).close_job(self._job, at_rest=at_rest)
            self._job, self._at_rest = None, False

    async def _restart(self) -> Heard | None:
        self.close()
        signals = [one for one in self._unheard() if isinstance(one, Signalled)]
        for one in signals:
            self._heard.put_nowait(one)
        try:
            self._job = await _processes(self._world).open(self._key, self._told)
        except NotLoaded as error:
            return Died(f"its code cannot be loaded: {error}")
        self._began.clear()
        self._reading = asyncio.ensure_future(self._read(self._job))
        return None

    def _unheard(self) -> list[Heard]:
        found = []
        while not self._heard.empty():
            found.append(self._heard.get_nowait())
        return found

    def _send(self, job: Job, frame: Mapping[str, Any]) -> None:
        if frame["do"] == "flow":
            limits = {"memory_bytes": self._world.python_memory_bytes}
            frame = {**frame, "limits": limits}
        elif frame["do"] == "go":
            self._began[frame["number"]] = effects.clock()
        job.send(frame)

    def _perform(self, step: ActionStep) -> None:
        task = asyncio.ensure_future(self._performed(step))
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _performed(self, step: ActionStep) -> None:
        asked = Perform(step.action, step.inputs, step.context)
        done = await effects.perform(asked, self._world)
        ended = StepEnded(
            number=step.number, outcome=done.outcome, error=done.error, started_at=done.started_at
        )
        self._heard.put_nowait(ended)

    async def _read(self, job: Job) -> None:
        try:
            while True:
                self._heard.put_nowait(self._understood(await job.receive()))
        except Ended as ended:
            self._heard.put_nowait(Died(str(ended)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"its process said what makes no sense: {type(error).__name__}: {error}"
            self._heard.put_nowait(Died(reason))

    def _understood(self, frame: Mapping[str, Any]) -> Heard:
        logs = tuple((level, line) for level, line in frame["logs"])
        if frame["say"] == "turn":
            self._at_rest = frame["reusable"]
            return Turned(asks=tuple(frame["asks"]), logs=logs, end=frame["end"])
        began_at = self._began.pop(frame["number"], effects.clock())
        if "error" in frame:
            return StepEnded(
                number=frame["number"],
                outcome=None,
                error=frame["error"],
                permanent=frame["permanent"],
                logs=logs,
                started_at=began_at,
            )
        result = from_json(frame["value"], frame["tagged"])
        outcome = Outcome(result=result)
        return StepEnded(number=frame["number"], outcome=outcome, logs=logs, started_at=began_at)

    async def _next(self, until: Instant | None) -> Heard:
        if until is None:
            return await self._heard.get()
        left_s = max(0.0, (until - effects.clock()) / SECOND)
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                return await self._heard.get()
        return TimeUp()


def _processes(world: World) -> PythonProcesses:
    if world.python is None:
        raise RuntimeError("this worker was started without Python processes")
    return world.python
