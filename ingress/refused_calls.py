"""Refused calls: what is turned away at the door is counted, and told to the log once a second.

Takes in each refused call; gives out CallsRefused on `triggers`, at most one for an endpoint and a
reason in a period, with one of the calls as a sample. What a flood costs the log is therefore
bounded by the number of endpoints. What was counted in the last period before a crash is lost: none
of it had been accepted.
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from eventlog.log import EventLog, LogUnavailable, NewRecord
from ingress.answers import Scope
from ingress.requests import NAMES, address_of
from schemas import codec, events
from schemas.ids import EndpointId
from schemas.instants import MILLISECOND, Instant
from schemas.topics import TRIGGERS

PERIOD_S = 1.0
NOWHERE = EndpointId("")
"""Calls that lead to no endpoint are counted together: their ids are whatever callers made up."""

_MOST_HEADERS = 50
_LONGEST = 200

_logger = logging.getLogger(__name__)

_Key = tuple[EndpointId, str]


@dataclass(slots=True)
class _Tally:
    """What was refused of one endpoint for one reason within a period."""

    said: events.CallsRefused
    count: int
    last_at: Instant


class RefusedCalls:
    """Counts, and writes at the end of each period in which there was something to count."""

    def __init__(self, log: EventLog, *, period_s: float = PERIOD_S) -> None:
        self._log = log
        self._period_s = period_s
        self._tallies: dict[_Key, _Tally] = {}
        self._closing = asyncio.Event()
        self._saying: asyncio.Task[None] | None = None

    def note(self, endpoint_id: EndpointId, reason: str, scope: Scope) -> None:
        """Count one call."""
        now = Instant(time.time_ns() // MILLISECOND)
        tally = self._tallies.get((endpoint_id, reason))
        if tally is None:
            said = _sampled(endpoint_id, reason, scope, now)
            self._tallies[(endpoint_id, reason)] = _Tally(said, 1, now)
        else:
            tally.count += 1
            tally.last_at = now
        if self._saying is None or self._saying.done():
            self._saying = asyncio.create_task(self._say_after_a_period())

    async def close(self) -> None:
        """Write what has been counted so far."""
        self._closing.set()
        if self._saying is not None:
            await self._saying

    async def _say_after_a_period(self) -> None:
        while self._tallies:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._period_s)
            await self._say()

    async def _say(self) -> None:
        tallies, self._tallies = self._tallies, {}
        counted = [replace(t.said, count=t.count, last_at=t.last_at) for t in tallies.values()]
        calls = sum(one.count for one in counted)
        _logger.warning("%d calls refused at the door", calls, extra={"action": "calls_refused"})
        try:
            await self._log.append([_record(one) for one in counted])
        except LogUnavailable as error:
            _logger.warning("%d refused calls are not on the log: %s", calls, error)


def _sampled(
    endpoint_id: EndpointId, reason: str, scope: Scope, now: Instant
) -> events.CallsRefused:
    names = scope.get(NAMES) or [name for name, _ in scope["headers"]]
    return events.CallsRefused(
        endpoint_id=endpoint_id,
        reason=reason,
        count=1,
        first_at=now,
        last_at=now,
        method=scope["method"][:_LONGEST],
        path=address_of(scope["path"]).path[:_LONGEST],
        header_names=[name.decode("latin-1")[:_LONGEST] for name in names[:_MOST_HEADERS]],
    )


def _record(said: events.CallsRefused) -> NewRecord:
    return NewRecord(TRIGGERS.name, said.endpoint_id, codec.encode([said]))
