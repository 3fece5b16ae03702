"""The catalog of a process, kept up to date from the `definitions` topic.

Takes in the records of `definitions` from the beginning; gives out one Catalog that is current up
to the last record read. A record that does not decode is logged and passed over: readers of this
topic have no dead letters of their own.
"""

import asyncio
import logging
from collections.abc import Callable

from eventlog.log import EventLog, LogUnavailable, OffsetOutOfRange
from schemas import codec, events
from schemas.catalog import Catalog, Mark
from schemas.errors import Undecodable
from schemas.topics import DEFINITIONS

READ_WAIT_S = 30.0
BACK_OFF_S = 0.5

Watcher = Callable[[events.Event, Mark], None]

_logger = logging.getLogger(__name__)


class Definitions:
    """Follows `definitions`. `run` goes on until cancelled; `catalog` may be read at any time."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.catalog = Catalog()
        self._next = 0
        self._reading = asyncio.Lock()
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` of every event that comes into the catalog from now on, and its mark; call
        the outcome to end it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def run(self) -> None:
        """Follow the topic for ever, through failures of the log."""
        while True:
            try:
                records = await self._log.read(DEFINITIONS, 0, self._next, wait_s=READ_WAIT_S)
                if records and records[-1].offset >= self._next:
                    await self.read_to_end()
            except LogUnavailable as error:
                _logger.warning("definitions cannot be read, trying again: %s", error)
                await asyncio.sleep(BACK_OFF_S)

    @property
    def next_offset(self) -> int:
        """Everything on the topic below it is in the catalog."""
        return self._next

    async def read_to_end(self) -> None:
        """Return once everything that is on the topic now is in the catalog."""
        async with self._reading:
            marks = await self._log.marks(DEFINITIONS, 0)
            while self._next < marks.high:
                await self._read_some(marks.high)

    async def _read_some(self, high: int) -> None:
        try:
            records = await self._log.read(DEFINITIONS, 0, self._next, wait_s=1.0)
        except OffsetOutOfRange as gone:
            self._next = gone.low
            return
        if not records:
            self._next = high
        for record in records:
            try:
                said = codec.decode(record.value).events
            except Undecodable as error:
                _logger.error("definitions/0 offset %d left out: %s", record.offset, error)
                said = ()
            mark = Mark(record.offset, record.at)
            self.catalog.apply(said, *mark)
            self._next = record.offset + 1
            for watcher in self._watchers:
                for event in said:
                    watcher(event, mark)
