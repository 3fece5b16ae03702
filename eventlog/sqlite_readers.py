"""Reading the file of the embedded log, from the process that owns it or from another."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from eventlog import sqlite_file
from eventlog.log import LogUnavailable, OffsetOutOfRange
from eventlog.sqlite_stream import Stream

READERS = 2

T = TypeVar("T")


class Readers:
    """A few threads with a reading connection each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="eventlog-reader")

    async def ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a query, in a thread. Raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._ask, ask)
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailable(f"log {self._path} could not be read: {error}") from error

    def _ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        connection: Any = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = sqlite_file.open_reader(self._path)
            self._connections.append(connection)
        return ask(connection)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()


def check_range(stream: Stream, offset: int) -> None:
    if offset < stream.low:
        raise OffsetOutOfRange(stream.topic, stream.partition, offset, stream.low)
    if offset > stream.high:
        raise LogUnavailable(
            f"{stream.topic}/{stream.partition} ends at offset {stream.high}, before {offset}"
        )
