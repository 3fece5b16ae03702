"""Projecting: the projector of `penstock up` in a process of its own.

The views cost a fifth of all work, and one interpreter keeps one core busy. On the embedded log the
owner tells the process the marks on its standard input; on Kafka it has a connection of its own.
When its standard input ends, so does the process. It appends nothing, and positions move only with
the rows, so that it may be killed at any moment.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from eventlog.log import EventLog, Marks, ReadableLog
from eventlog.opening import open_log, path_in
from eventlog.sqlite import SqliteLog
from eventlog.sqlite_follower import Follower
from penstock import startup
from penstock.stages import Ready, Stage
from schemas.errors import Unusable

TELL_EVERY_S = 0.05
"""Half of what the projector leaves between two batches: sooner would only wake it."""
UNREAD_BYTES = 64 * 1024
END_S = 5.0
BACK_OFF_S = 1.0

_log = logging.getLogger(__name__)


def beside(log: EventLog, log_url: str, views_url: str) -> Stage:
    """Keeps the views up to date, in a process that is started again should it die."""

    async def project(ready: Ready) -> None:
        while True:
            code = await _run_process(log, log_url, views_url, ready)
            _log.error("the projector's process has ended with %s; starting another", code)
            await asyncio.sleep(BACK_OFF_S)

    return Stage("projector", project)


async def _run_process(log: EventLog, log_url: str, views_url: str, ready: Ready) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps({"log": log_url, "views": views_url}) + b"\n")
    try:
        with _told(log, process.stdin):
            ready()
            return await process.wait()
    finally:
        await _end(process)


@contextmanager
def _told(log: EventLog, stdin: asyncio.StreamWriter) -> Iterator[None]:
    if not isinstance(log, SqliteLog):
        yield
        return
    teller = _Teller(stdin)
    end_watch = log.watch(teller.note)
    try:
        yield
    finally:
        end_watch()
        teller.stop()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it finish its transaction; then it has no more to do."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        process.kill()
        await process.wait()


class _Teller:
    """Writes the newest marks: at once after a rest, else every TELL_EVERY_S, and never more than
    are read.
    """

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._news: dict[tuple[str, int], Marks] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def note(self, topic: str, partition: int, marks: Marks) -> None:
        self._news[topic, partition] = marks
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._next_at, self._write)

    def _write(self) -> None:
        self._timer = None
        if self._stdin.transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        self._next_at = loop.time() + TELL_EVERY_S
        if self._stdin.transport.get_write_buffer_size() > UNREAD_BYTES:
            self._timer = loop.call_at(self._next_at, self._write)
            return
        news, self._news = self._news, {}
        lines = [orjson.dumps([*where, *marks]) + b"\n" for where, marks in news.items()]
        self._stdin.write(b"".join(lines))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


async def _project() -> None:
    """What the process does."""
    from projections.projector import Projector
    from projections.store import Views

    told = await _standard_input()
    opening: dict[str, Any] = orjson.loads(await told.readline())
    log = await _readable(opening["log"])
    views = Views.open(opening["views"])
    projecting = asyncio.create_task(Projector(log, views).run())
    listening = asyncio.create_task(_listen(told, log))
    await asyncio.wait({projecting, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in (projecting, listening):
        task.cancel()
    ended = await asyncio.gather(projecting, listening, return_exceptions=True)
    await log.close()
    views.close()
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _readable(url: str) -> ReadableLog:
    path = path_in(url)
    if path is None:
        return await open_log(url)
    log = Follower(path)
    await log.open()
    return log


async def _listen(told: asyncio.StreamReader, log: ReadableLog) -> None:
    """Until the parent is gone, or says that it is enough."""
    while line := await told.readline():
        topic, partition, low, high = orjson.loads(line)
        assert isinstance(log, Follower)
        log.take(topic, partition, Marks(low, high))


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


def main() -> None:
    import uvloop

    # Ctrl-C in a terminal reaches this process too: its parent says when it is to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    startup.begin_logging()
    try:
        uvloop.run(_project())
    except Unusable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
