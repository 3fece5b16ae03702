"""The IO around shared state: asks the owner of an integration's values, here or over the log.

Takes in the requests of steps and of other workers; appends what the owner's journal says, then
the answer. A worker that has lost the owner's partition without knowing it may still append, but
what it appends is void: so it looks for a later claim between its records before it answers.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from processors import execution, shared_state
from processors.actions import Context, StepError
from schemas import codec, events, ids
from schemas.errors import Retryable
from schemas.topics import ADMISSIONS, EXECUTIONS, partition_of
from schemas.values import Value

MAX_GAPS = 1_000


class ClaimLost(Retryable):
    """Another worker has claimed the partition: this one begins again from the log."""


class Journal(Protocol):
    """A partition of `executions` as its owner knows it."""

    partition: int
    state: execution.State
    claim: int
    head: int
    gaps: "Gaps"

    def note(self, offset: int, records: int) -> None: ...


@dataclass(slots=True)
class Gaps:
    """Stretches of a journal that others may have written to, since the last look."""

    stretches: list[tuple[int, int]] = field(default_factory=list)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, begin: int, end: int) -> None:
        if begin < end:
            self.stretches.append((begin, end))
        if len(self.stretches) > MAX_GAPS:
            self.stretches = [(self.stretches[0][0], end)]

    def take(self) -> list[tuple[int, int]]:
        taken, self.stretches = self.stretches, []
        return taken


class SharedState:
    """Requests to owners. `journals` are the partitions of this process, as they come and go."""

    def __init__(
        self, log: EventLog, journals: Mapping[int, Journal], perform: shared_state.Perform
    ) -> None:
        self._log = log
        self._journals = journals
        self._perform = perform
        self._waiting: dict[str, asyncio.Future[events.StateAnswered]] = {}
        self._under_way: dict[str, asyncio.Future[events.StateAnswered]] = {}

    async def ask(self, context: Context, action: str, inputs: Mapping[str, Value]) -> Value:
        """What `action` comes to on the values of the context's integration. Raises StepError."""
        asked = shared_state.requested(
            request_id=ids.derived("state", context.idempotency_key, action),
            integration_id=context.integration_id,
            execution_id=context.execution_id,
            action=action,
            inputs=inputs,
            now=context.now,
            asked_by=partition_of(context.instance_id, self._log.partitions(EXECUTIONS)),
        )
        owner = self._journals.get(self._owner_of(asked))
        answer = await (self.answer(owner, asked) if owner else self._over_the_log(asked))
        return shared_state.result_of(answer)

    def asker_for_threads(
        self, timeout_s: float
    ) -> Callable[[Context, str, Mapping[str, Value]], Value]:
        """`ask` for threads other than that of this loop, which wait for so long at most."""
        loop = asyncio.get_running_loop()

        def ask(context: Context, action: str, inputs: Mapping[str, Value]) -> Value:
            asking = asyncio.run_coroutine_threadsafe(self.ask(context, action, inputs), loop)
            try:
                return asking.result(timeout_s)
            except TimeoutError as error:
                asking.cancel()
                message = f"the integration's values gave no answer in {timeout_s:g} s"
                raise StepError(message) from error

        return ask

    async def on_event(self, journal: Journal, event: events.Event) -> NewRecord | None:
        """The answer to a request of another worker, to be appended; None for all other events."""
        if isinstance(event, events.StateAnswered):
            waiting = self._waiting.get(event.request_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(event)
        if not isinstance(event, events.StateRequested):
            return None
        answer = await self.answer(journal, event)
        key, value = event.integration_id, codec.encode([answer])
        if len(value) > MAX_VALUE_BYTES:
            error = f"what it came to has {len(value)} bytes; {MAX_VALUE_BYTES} are allowed"
            value = codec.encode([events.StateAnswered(request_id=event.request_id, error=error)])
        return NewRecord(ADMISSIONS.name, key, value, event.asked_by)

    async def answer(self, journal: Journal, asked: events.StateRequested) -> events.StateAnswered:
        """Carry the request out unless that has been done; the answer once it is durable."""
        under_way = self._under_way.get(asked.request_id)
        if under_way is None:
            under_way = asyncio.ensure_future(self._carry_out(journal, asked))
            self._under_way[asked.request_id] = under_way
            under_way.add_done_callback(lambda _: self._under_way.pop(asked.request_id, None))
        return await asyncio.shield(under_way)

    async def _carry_out(
        self, journal: Journal, asked: events.StateRequested
    ) -> events.StateAnswered:
        said = shared_state.decide(journal.state, asked, self._perform)
        if not said:
            return shared_state.repeated(journal.state, asked)
        answer = said[-1]
        assert isinstance(answer, events.StateAnswered)
        if len(said) == 1:
            return answer
        said[-1] = shared_state.remembered(answer)
        for event in said:
            execution.evolve(journal.state, journal.head, event)
        value = codec.encode(said, journal.claim)
        record = NewRecord(EXECUTIONS.name, asked.integration_id, value, journal.partition)
        [at] = await self._log.append([record])
        journal.note(at.offset, 1)
        async with journal.gaps.looking:
            await self._look_for_later_claim(journal)
        return answer

    async def _look_for_later_claim(self, journal: Journal) -> None:
        for begin, end in journal.gaps.take():
            offset = begin
            while offset < end:
                found = await self._log.read(EXECUTIONS, journal.partition, offset, wait_s=1.0)
                for record in found:
                    if record.offset < end:
                        self._check(journal, record.offset, record.value)
                offset = found[-1].offset + 1 if found else end

    def _check(self, journal: Journal, offset: int, value: bytes) -> None:
        if offset <= journal.claim or b'"partition.claimed"' not in value:
            return
        if any(isinstance(e, events.PartitionClaimed) for e in codec.decode(value).events):
            raise ClaimLost(f"executions/{journal.partition} was claimed again at {offset}")

    async def _over_the_log(self, asked: events.StateRequested) -> events.StateAnswered:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[asked.request_id] = waiting
        try:
            value = codec.encode([asked])
            owner = self._owner_of(asked)
            await self._log.append([NewRecord(ADMISSIONS.name, asked.integration_id, value, owner)])
            answer: events.StateAnswered = await waiting
            return answer
        finally:
            self._waiting.pop(asked.request_id, None)

    def _owner_of(self, asked: events.StateRequested) -> int:
        return partition_of(asked.integration_id, self._log.partitions(EXECUTIONS))
