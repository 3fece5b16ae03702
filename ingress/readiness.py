"""Readiness: whether a node can take requests now, found out by having the log write something.

Takes in the log and the node's own partition of `replies`; gives out what is wrong, if anything.
A log that can be read may still take nothing, as on a full disk; and who balances load sends no
requests to a node that is not ready, so that only something of its own tells that it is again. That
is the position of a reader, durable like a record, of which the log keeps only the newest.
"""

import asyncio
import logging
import time
from typing import NamedTuple

from eventlog.log import EventLog, LogUnavailable
from ingress.waiting import Node
from schemas.topics import REPLIES

FRESH_S = 1.0
"""So long an answer holds: whoever asks often does not fill the log."""

ANSWER_S = 3.0
READER = "ingress.readiness"

_logger = logging.getLogger(__name__)


class Problem(NamedTuple):
    """Why a node is not ready: a sentence, and a reason for programs."""

    message: str
    reason: str


AWAY = Problem("The log does not answer, or is not read yet.", "not_ready")
FULL = Problem("The log takes no records now: is its disk full?", "log_not_writable")


class Readiness:
    """What one node says of itself."""

    def __init__(self, log: EventLog, node: Node) -> None:
        self._log = log
        self._node = node
        self._asking: asyncio.Task[Problem | None] | None = None
        self._answered_at = 0.0

    async def problem(self) -> Problem | None:
        """None where all is well. All who ask at once get one answer."""
        loop = asyncio.get_running_loop()
        asking = self._asking
        if asking is None or (asking.done() and loop.time() >= self._answered_at + FRESH_S):
            asking = self._asking = asyncio.create_task(self._answer())
        return await asyncio.shield(asking)

    async def _answer(self) -> Problem | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._found()
        except TimeoutError:
            return AWAY
        finally:
            self._answered_at = asyncio.get_running_loop().time()

    async def _found(self) -> Problem | None:
        partition = self._node.partition
        try:
            await self._log.marks(REPLIES, partition)
        except LogUnavailable:
            return AWAY
        try:
            await self._log.commit(READER, REPLIES, partition, _another())
        except LogUnavailable as error:
            _logger.warning("this node is not ready: %s", error)
            return FULL
        return None


def _another() -> int:
    """A position that is not the one before: SQLite writes nothing where nothing changes."""
    return time.time_ns() // 1_000
