"""Effects: where actions that wait for the world or compute for long are performed.

Takes in what the flow engine asks for (asked.Perform), gives out what it came to, with the
instants of the wall clock: like a request's arrival, an effect's result is a fact from outside.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from processors import loading
from processors.actions import Outcome, Runs, StepError, World
from processors.asked import Load, Loaded, Perform, Performed
from processors.private_networks import guarded_client
from processors.python_processes import PythonProcesses
from schemas.errors import Retryable
from schemas.instants import MILLISECOND, Instant
from schemas.secrets import hide
from schemas.settings import MAX_DOWNLOAD_BYTES, MAX_LOADED_BYTES
from schemas.values import NotSerializable, to_json

CODE_THREADS = 8

_logger = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(CODE_THREADS, thread_name_prefix="code")


@asynccontextmanager
async def world(
    *,
    code_timeout_s: float,
    allow_private: bool,
    python_program: str = "",
    max_loaded_bytes: int = MAX_LOADED_BYTES,
    max_download_bytes: int = MAX_DOWNLOAD_BYTES,
) -> AsyncIterator[World]:
    """What actions may touch, released at the end. Without a program there is no Python."""
    python = PythonProcesses(python_program) if python_program else None
    try:
        async with guarded_client(allow_private=allow_private) as http:
            yield World(
                http=http,
                code_timeout_s=code_timeout_s,
                python=python,
                max_loaded_bytes=max_loaded_bytes,
                max_download_bytes=max_download_bytes,
            )
    finally:
        if python is not None:
            await python.close()


def clock() -> Instant:
    """The wall clock, in whole microseconds."""
    return Instant(time.time_ns() // MILLISECOND)


async def perform(asked: Perform, world: World) -> Performed:
    """Perform one action. Never raises for what the action does; only for cancellation."""
    started_at = clock()
    try:
        outcome = await _run(asked, world)
        to_json(outcome.result)
    except (StepError, NotSerializable) as error:
        return _failed(asked, str(error), started_at)
    except Retryable:
        raise  # the log is away: not the action's failure, the host begins again
    except Exception as error:  # a component's bug fails its own step only
        _logger.exception("action %s/%s broke", asked.action.component, asked.action.key)
        return _failed(asked, f"{type(error).__name__}: {error}", started_at)
    return Performed(outcome, "", started_at, clock())


async def load(asked: Load, world: World) -> Loaded:
    """What is in the blob store, one after another. Raises BlobsUnavailable."""
    try:
        return Loaded({one: await loading.load(one, world) for one in asked.wanted})
    except StepError as error:
        return Loaded({}, str(error))


async def _run(asked: Perform, world: World) -> Outcome:
    action = asked.action
    if action.runs is Runs.THREAD:
        loop = asyncio.get_running_loop()
        outcome: Outcome = await loop.run_in_executor(
            _threads, action.perform, asked.inputs, asked.context, world
        )
        return outcome
    outcome = await action.perform(asked.inputs, asked.context, world)
    return outcome


def _failed(asked: Perform, message: str, started_at: Instant) -> Performed:
    return Performed(None, hide(message, asked.context.secrets), started_at, clock())
