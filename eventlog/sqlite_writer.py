"""The writer of the embedded log: one thread that turns what has gathered into transactions.

Whatever is queued when the thread comes round is one transaction and one fsync; while that runs,
the next one gathers. The event loop hears of each transaction once.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from eventlog import sqlite_file
from eventlog.log import Appended, LogUnavailable, Record
from eventlog.sqlite_stream import Stream
from schemas.instants import Instant

COMMIT_BYTES = 4 * 1024 * 1024

Position = tuple[str, str, int]
"""Reader, topic and partition."""


@dataclass(slots=True, eq=False)
class Append:
    """Records of one call: stream, key and value of each."""

    future: "asyncio.Future[list[Appended]]"
    rows: list[tuple[Stream, str, bytes]]
    at: Instant
    size_bytes: int


@dataclass(slots=True, eq=False)
class Remember:
    """A reader's position."""

    future: "asyncio.Future[None]"
    position: Position
    offset: int


@dataclass(slots=True, eq=False)
class Change:
    """Upkeep, in a transaction of its own."""

    future: "asyncio.Future[int]"
    make: Callable[[sqlite3.Connection], int]


Work = Append | Remember | Change


@dataclass(slots=True, eq=False)
class Outcome:
    """What became of one transaction; with an `error`, nothing of it is in the file."""

    grown: list[tuple[Stream, list[Record]]] = field(default_factory=list)
    answers: list[tuple["asyncio.Future[Any]", Any]] = field(default_factory=list)
    positions: dict[Position, int] = field(default_factory=dict)
    size_bytes: int = 0
    error: LogUnavailable | None = None

    def advance(self) -> None:
        """The offsets of these records are taken."""
        for stream, records in self.grown:
            stream.next_offset = records[-1].offset + 1

    def resolve(self) -> None:
        """Tell everyone who waits for this transaction and has not gone away."""
        for future, answer in self.answers:
            if future.done():
                continue
            if self.error is None:
                future.set_result(answer)
            else:
                failure = LogUnavailable(str(self.error))
                failure.__cause__ = self.error.__cause__
                future.set_exception(failure)


class Writer:
    """Owns the writing connection. `report` is called in the event loop, once per transaction."""

    def __init__(
        self, connection: sqlite3.Connection, name: str, report: Callable[[Outcome], None]
    ) -> None:
        self._connection = connection
        self._name = name
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[list[Work] | None] = SimpleQueue()
        self._ended = self._loop.create_future()
        threading.Thread(target=self._run, name="eventlog-writer", daemon=True).start()

    def put(self, works: list[Work]) -> None:
        self._queue.put(works)

    async def finish(self) -> None:
        """Write what is queued, close the connection and end the thread."""
        self._queue.put(None)
        await asyncio.shield(self._ended)

    def _run(self) -> None:
        going = True
        while going:
            works, going = self._gather()
            if not all(isinstance(work, Change) for work in works):
                self._tell(self._report, self._commit(works))
            for work in works:
                if isinstance(work, Change):
                    self._tell(self._report, self._change(work))
        self._connection.close()
        self._tell(_finish, self._ended)

    def _tell(self, callback: Callable[..., None], argument: object) -> None:
        with suppress(RuntimeError):  # the event loop has ended without closing the log
            self._loop.call_soon_threadsafe(callback, argument)

    def _gather(self) -> tuple[list[Work], bool]:
        """Everything that is queued, up to COMMIT_BYTES; False with it once nothing will follow."""
        gathered: list[Work] = []
        size = 0
        more = self._queue.get()
        while more is not None:
            gathered += more
            size += sum([work.size_bytes for work in more if isinstance(work, Append)])
            if size > COMMIT_BYTES:
                break
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
        return gathered, more is not None

    def _commit(self, works: list[Work]) -> Outcome:
        outcome = placed(works)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for stream, records in outcome.grown:
                sqlite_file.insert(self._connection, stream.table, records)
            if outcome.positions:
                sqlite_file.store_positions(self._connection, outcome.positions)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # outermost loop of the thread: callers never hang
            outcome.error = self._failed(error)
        else:
            outcome.advance()
        return outcome

    def _change(self, work: Change) -> Outcome:
        outcome = Outcome()
        count = 0
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            count = work.make(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # as above
            outcome.error = self._failed(error)
        outcome.answers.append((work.future, count))
        return outcome

    def _failed(self, error: Exception) -> LogUnavailable:
        sqlite_file.roll_back(self._connection)
        failure = LogUnavailable(f"log {self._name} could not be written: {error}")
        failure.__cause__ = error
        return failure


def placed(works: Sequence[Work]) -> Outcome:
    """Give every record of `works` its offset."""
    outcome = Outcome()
    grown: dict[Stream, list[Record]] = {}
    for work in works:
        if isinstance(work, Append):
            outcome.answers.append((work.future, _placed(work, grown)))
            outcome.size_bytes += work.size_bytes
        elif isinstance(work, Remember):
            outcome.positions[work.position] = work.offset
            outcome.answers.append((work.future, None))
    outcome.grown = list(grown.items())
    return outcome


def _placed(work: Append, grown: dict[Stream, list[Record]]) -> list[Appended]:
    placed = []
    at = work.at
    for stream, key, value in work.rows:
        records = grown.get(stream)
        if records is None:
            records = grown[stream] = []
        offset = stream.next_offset + len(records)
        records.append(Record(stream.topic, stream.partition, offset, at, key, value))
        placed.append(Appended(stream.partition, offset, at))
    return placed


def _finish(ended: "asyncio.Future[None]") -> None:
    ended.set_result(None)
