"""Waiting: the callers of this node who wait for a decision or a result; the reader of `replies`.

Takes in the records of the node's own partition of `replies`; gives each to the caller that it is
for. Who waits is known by a number, registered before the trigger is appended, so that no reply can
come too early. A reply for nobody (the caller has gone, or has got its 202 or 504) is passed over.
"""

import asyncio
import itertools
import logging
import secrets

from eventlog import at_hand
from eventlog.log import EventLog, LogUnavailable, OffsetOutOfRange, Record
from ingress.answers import Disconnected, Receive
from schemas import events, topics
from schemas.errors import Undecodable
from schemas.topics import REPLIES

READ_WAIT_S = 30.0
BACK_OFF_S = 0.2
WATCH_AFTER_S = 1.0
"""From here on a waiting caller's connection is watched: most have their answer long before."""

Reply = events.AdmissionDecided | events.ResultReady | events.TriggerAnswered

_logger = logging.getLogger(__name__)


class Ticket:
    """One waiting caller. `None` as its reply says that time is up."""

    __slots__ = ("for_result", "reply", "request_no", "result")

    def __init__(
        self, request_no: int, for_result: bool, reply: "asyncio.Future[Reply | None]"
    ) -> None:
        self.request_no = request_no
        self.for_result = for_result
        self.reply = reply
        self.result: Reply | None = None

    def give(self, reply: Reply) -> None:
        """Who waits for a result or a trigger is not served by the news that it may run."""
        if not isinstance(reply, events.AdmissionDecided):
            self.result = reply
        admitted = isinstance(reply, events.AdmissionDecided) and reply.reason is None
        if not self.reply.done() and not (self.for_result and admitted):
            self.reply.set_result(reply)

    def wait_on(self) -> None:
        """Wait once more, now for the result, which may have come already."""
        self.for_result = True
        self.reply = self.reply.get_loop().create_future()
        if self.result is not None:
            self.reply.set_result(self.result)

    def expire(self) -> None:
        if not self.reply.done():
            self.reply.set_result(None)

    def leave(self) -> None:
        if not self.reply.done():
            self.reply.set_exception(Disconnected())


class Node:
    """An ingress node: its id, its partition of `replies`, and who waits."""

    def __init__(self, log: EventLog, *, watch_after_s: float = WATCH_AFTER_S) -> None:
        self.id = secrets.token_hex(8)
        self.partition = topics.partition_of(self.id, log.partitions(REPLIES))
        self._log = log
        self._watch_after_s = watch_after_s
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Ticket] = {}
        self._next = -1
        self.has_ended = False

    @property
    def waiting(self) -> int:
        """How many callers wait now."""
        return len(self._waiting)

    def expect(self, *, for_result: bool) -> Ticket:
        """A ticket for a reply; call `forget` with it in the end, whatever happens."""
        future = asyncio.get_running_loop().create_future()
        ticket = Ticket(next(self._numbers), for_result, future)
        self._waiting[ticket.request_no] = ticket
        return ticket

    def forget(self, ticket: Ticket) -> None:
        self._waiting.pop(ticket.request_no, None)

    def end(self) -> None:
        """Tell all who wait, and whoever comes yet, that time is up: the process ends."""
        self.has_ended = True
        for ticket in self._waiting.values():
            ticket.expire()

    async def wait(self, ticket: Ticket, timeout_s: float, receive: Receive) -> Reply | None:
        """The reply, or None after `timeout_s`. Raises Disconnected once the caller has gone."""
        if self.has_ended:
            ticket.expire()
        timer = _Timer(ticket, timeout_s, self._watch_after_s, receive)
        try:
            return await ticket.reply
        finally:
            timer.stop()

    async def start(self) -> None:
        """Find where to follow from; to be done before the first ticket. Raises LogUnavailable."""
        self._next = (await self._log.marks(REPLIES, self.partition)).high

    async def run(self) -> None:
        """Follow the replies for ever, through failures of the log."""
        while True:
            try:
                records = await self._log.read(
                    REPLIES, self.partition, self._next, wait_s=READ_WAIT_S
                )
                for record in records:
                    self._take(record)
            except OffsetOutOfRange as gone:
                self._next = gone.low
            except LogUnavailable as error:
                _logger.warning("replies cannot be read, trying again: %s", error)
                await asyncio.sleep(BACK_OFF_S)

    def _take(self, record: Record) -> None:
        self._next = record.offset + 1
        if record.key != self.id:
            return
        try:
            said = at_hand.decode(record.value).events
        except Undecodable as error:
            _logger.error("replies/%d offset %d left out: %s", self.partition, record.offset, error)
            return
        for event in said:
            if isinstance(event, Reply) and event.reply_to == self.id:
                ticket = self._waiting.get(event.request_no)
                if ticket is not None:
                    ticket.give(event)


class _Timer:
    """Lets a ticket expire, and watches the caller's connection when the wait becomes long."""

    __slots__ = ("_handle", "_receive", "_rest_s", "_ticket", "_watch")

    def __init__(
        self, ticket: Ticket, timeout_s: float, watch_after_s: float, receive: Receive
    ) -> None:
        self._ticket = ticket
        self._receive = receive
        self._rest_s = timeout_s - watch_after_s
        self._watch: asyncio.Task[None] | None = None
        loop = ticket.reply.get_loop()
        if self._rest_s > 0:
            self._handle = loop.call_later(watch_after_s, self._begin_watch)
        else:
            self._handle = loop.call_later(timeout_s, ticket.expire)

    def stop(self) -> None:
        self._handle.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def _begin_watch(self) -> None:
        loop = self._ticket.reply.get_loop()
        self._handle = loop.call_later(self._rest_s, self._ticket.expire)
        self._watch = loop.create_task(self._watch_caller())

    async def _watch_caller(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._ticket.leave()
