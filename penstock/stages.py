"""Stages: ingress, worker and projector, and how one process runs some of them.

A stage is a coroutine that calls `ready` once and goes on until it is cancelled. `run` starts them
in order, ends them in order (whoever accepts first), and ends with the first one that fails.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn

from eventlog.log import EventLog, LogUnavailable
from eventlog.sqlite import SqliteLog
from penstock import startup
from penstock.show import Said
from penstock.startup import Parts
from schemas.errors import PenstockError, Unusable
from schemas.ids import ExecutionId, InstanceId
from schemas.instants import Instant
from schemas.settings import Settings

if TYPE_CHECKING:
    from ingress import repeats
    from ingress.app import Application
    from ingress.signals import Find
    from processors.actions import World
    from projections.store import Views

FINISH_S = 10
"""How long requests under way may take when the process is asked to end."""
ANSWER_S = 1
"""How much of it is left for the answers of those whose flows are still under way."""
COMPACT_EVERY_S = 600
SWITCH_INTERVAL_S = 0.002
"""How long a thread may keep the interpreter from the event loop, or the loop from the log's
writer. With less they change places too often; with Python's own 5 ms the rates fall.
"""
COLLECT_AFTER = (20_000, 20, 20)
"""Almost nothing here is in cycles: the collector may look less often than each 700 objects."""

Ready = Callable[[], None]

_log = logging.getLogger(__name__)


class StageFailed(Said):
    """A stage has ended by itself. Its cause has been logged; starting again is safe."""


class Stage(NamedTuple):
    name: str
    run: Callable[[Ready], Coroutine[Any, Any, None]]


async def run(stages: Sequence[Stage], announce: Ready) -> None:
    """Run `stages` until cancelled, calling `announce` once all of them are ready.

    They are ended in their order, each before the next. Raises StageFailed, and Unusable as it is.
    """
    flags = [asyncio.Event() for _ in stages]
    tasks = [
        asyncio.create_task(stage.run(flag.set), name=stage.name)
        for stage, flag in zip(stages, flags, strict=True)
    ]
    announcing = asyncio.create_task(_announce(flags, announce))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        announcing.cancel()
        for task in tasks:
            task.cancel()
            await asyncio.wait({task})
    raise _failure(done.pop())


async def _announce(flags: Sequence[asyncio.Event], announce: Ready) -> None:
    for flag in flags:
        await flag.wait()
    # What lives now lives for ever: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    announce()


def _failure(ended: "asyncio.Task[None]") -> PenstockError:
    name = ended.get_name()
    cause = None if ended.cancelled() else ended.exception()
    if isinstance(cause, Unusable):
        return cause
    why = f"{type(cause).__name__}: {cause}{_place(cause)}" if cause else "it returned"
    _log.error("%s has ended: %s", name, why, extra={"action": "stage_failed"})
    failed = StageFailed(f"{name} has ended: {why}")
    failed.__cause__ = cause
    return failed


def _place(error: BaseException) -> str:
    """Where it was raised, for a log that has one line for it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on uvloop until it ends, or SIGINT or SIGTERM cancels it; a second one hurries."""
    import uvloop

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signalled(main))


async def _until_signalled(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(main)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def following(parts: Parts) -> Stage:
    """Keeps the catalog of this process up to date."""

    async def follow(ready: Ready) -> None:
        ready()
        await parts.definitions.run()

    return Stage("definitions", follow)


def ingress(parts: Parts, views: "Views", listener: socket.socket) -> Stage:
    """All of HTTP: accepts requests, answers them, and reads the views."""

    async def serve(ready: Ready) -> None:
        from ingress import app, signals, waiting
        from penstock import python_files
        from processors import effects, finding, hooks, literal_inputs, registry
        from projections import api

        async with effects.world(
            code_timeout_s=parts.settings.code_timeout_s,
            allow_private=parts.settings.allow_private_networks,
            python_program=startup.PYTHON_PROGRAM,
        ) as world:
            application = app.application(
                log=parts.log,
                blobs=parts.blobs,
                definitions=parts.definitions,
                node=waiting.Node(parts.log),
                master_key=parts.master_key,
                token=startup.token_of(parts.settings),
                public_url=parts.settings.public_url,
                max_body_bytes=parts.settings.max_body_bytes,
                max_text_bytes=parts.settings.max_loaded_bytes,
                result_ttl_s=parts.settings.result_ttl_s,
                known=registry.known(),
                check=literal_inputs.checks(registry.find),
                inputs_of=registry.inputs_of,
                read_python=python_files.read,
                answering=registry.answering(),
                find_end=_end_finder(views),
                hooks=hooks.Hooks(
                    parts.log,
                    find_in=finding.Finder().find_in,
                    master_key=parts.master_key,
                    world=world,
                ),
                routers=(
                    api.router(views, parts.log, clock=_clock),
                    signals.router(parts.log, _finder(views), api.PREFIX),
                ),
            )
            async with application:
                await _serve(application, listener, ready)

    return Stage("ingress", serve)


def _finder(views: "Views") -> "Find":
    """What ingress asks of the views before it takes a signal."""
    from ingress.signals import Found
    from projections import queries

    async def find(execution_id: ExecutionId) -> Found | None:
        found = await asyncio.to_thread(queries.whereabouts, views, execution_id)
        return Found(InstanceId(found[0]), found[1]) if found is not None else None

    return find


def _end_finder(views: "Views") -> "repeats.FindEnd":
    async def find(execution_id: ExecutionId) -> "repeats.Place | None":
        from ingress import repeats
        from projections import queries

        found = await asyncio.to_thread(queries.place_of_end, views, execution_id)
        return None if found is None else repeats.Place(*found)

    return find


class _Server(uvicorn.Server):
    """Leaves the signals to `run`, and says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def _serve(application: "Application", listener: socket.socket, ready: Ready) -> None:
    from ingress import protocol

    config = uvicorn.Config(
        application,
        http=protocol.Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_config=None,
        log_level=logging.WARNING,
        backlog=startup.BACKLOG,
        timeout_graceful_shutdown=FINISH_S,
    )
    server = _Server(config, ready)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        last = asyncio.get_running_loop().call_later(FINISH_S - ANSWER_S, application.end_waits)
        try:
            await serving
        finally:
            last.cancel()
            application.end_waits()


def worker(parts: Parts) -> Stage:
    """Decides on triggers and executes flows, on the host that fits the log."""

    async def work(ready: Ready) -> None:
        from processors import effects

        async with effects.world(
            code_timeout_s=parts.settings.code_timeout_s,
            allow_private=parts.settings.allow_private_networks,
            python_program=startup.PYTHON_PROGRAM,
            max_loaded_bytes=parts.settings.max_loaded_bytes,
            max_download_bytes=parts.settings.max_download_bytes,
        ) as world:
            await _host(parts, world, ready)

    return Stage("worker", work)


def _clock() -> Instant:
    return Instant(time.time_ns() // 1_000)


async def _host(parts: Parts, world: "World", ready: Ready) -> None:
    from ingress import schedule

    await _host_for(parts.log)(
        parts.log,
        blobs=parts.blobs,
        definitions=parts.definitions,
        master_key=parts.master_key,
        world=world,
        ticker=schedule.Ticker(parts.log, parts.definitions, _clock).follow,
        ready=ready,
    )


def _host_for(log: EventLog) -> Callable[..., Coroutine[Any, Any, None]]:
    if isinstance(log, SqliteLog):
        from processors import embedded_host

        return embedded_host.run

    from processors import faust_host

    return faust_host.run


def projector(log: EventLog, views: "Views") -> Stage:
    """Keeps the views up to date."""

    async def project(ready: Ready) -> None:
        from projections.projector import Projector

        ready()
        await Projector(log, views).run()

    return Stage("projector", project)


def compaction(log: SqliteLog) -> Stage:
    """Removes what the topics' retention no longer keeps; on Kafka the broker does it."""

    async def compact(ready: Ready) -> None:
        ready()
        while True:
            try:
                await log.compact(_clock())
            except LogUnavailable as error:
                _log.warning("not compacted: %s", error, extra={"action": "compact"})
            await asyncio.sleep(COMPACT_EVERY_S)

    return Stage("compaction", compact)


async def run_ingress(known: Settings, host: str, port: int, announce: Ready) -> None:
    with startup.listening(host, port) as listener:
        async with startup.opened(known) as parts, startup.open_views(known) as views:
            await run([ingress(parts, views, listener), following(parts)], announce)


async def run_worker(known: Settings, announce: Ready) -> None:
    async with startup.opened(known) as parts:
        await run([worker(parts), following(parts)], announce)


async def run_projector(known: Settings, announce: Ready) -> None:
    async with startup.open_log(known) as log, startup.open_views(known) as views:
        await run([projector(log, views)], announce)
