"""Refreshing: the catalog read to its end for those who found nothing in it."""

import asyncio

from eventlog.definitions import Definitions

REFRESH_EVERY_S = 0.02


class Refresh:
    """Reading `definitions` to its end for those who found nothing, 50 times a second at most.

    Who asks waits for a reading that begins after the question; questions that come in between
    share one reading.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._began_s = float("-inf")
        self._next: asyncio.Task[None] | None = None

    async def now(self) -> None:
        """Return once everything said before the call has been read. Raises LogUnavailable."""
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        await asyncio.shield(self._next)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._began_s + REFRESH_EVERY_S - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._next = None
        self._began_s = loop.time()
        await self._definitions.read_to_end()
