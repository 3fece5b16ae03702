"""A member of a Kafka consumer group that calls back with batches: the worker under the Faust host.

Takes in the records of `topics`, gives out calls of `Callbacks`. Faust holds the membership, the
assignment and the rebalancing; no Table, agent topic, web server or producer of Faust's is in use.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.types import TP

from eventlog.log import LogUnavailable, Record
from processors import faust_transport
from processors.faust_transport import Batch, BatchConsumer

SESSION_TIMEOUT_S = 6
HEARTBEAT_S = 2
COMMIT_EVERY_S = 1.0
DRAIN_S = 10.0
"""How long batches at work may go on when their partitions go, before they are cancelled."""
COMMIT_S = 5.0
"""How long the last commit may take when partitions go; without it, records come again."""

_log = logging.getLogger(__name__)

Partitions = set[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What a worker calls. Whatever one of them raises ends the worker.

    `on_batch` gets the records of one partition in order, one batch at a time, several partitions
    side by side; the first one comes after `on_assigned` has returned for that partition, and the
    batch is committed some time after it has returned. It may be cancelled when its partition is
    taken away; then, and after a crash, the same records come again, perhaps cut differently.

    `on_assigned` may take its time: it does not hold up the group, and is cancelled if the
    partitions go before it is done. `on_revoked` follows once none of their batches is at work.
    Every rebalance takes all partitions away and then gives, also those that stay.
    """

    on_assigned: Callable[[Partitions], Awaitable[None]]
    on_revoked: Callable[[Partitions], Awaitable[None]]
    on_batch: Callable[[str, int, list[Record]], Awaitable[None]]


class BatchWorker:
    """One group member in the running event loop. `instance_id` makes a restart immediate.

    With an instance id the group waits up to the session time-out for the same id to come back, so
    each process needs its own. `plain_name` turns a name on Kafka into that of a topic of ours.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        group: str,
        topics: Sequence[str],
        callbacks: Callbacks,
        plain_name: Callable[[str], str] = str,
        instance_id: str | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = topics
        self._callbacks = callbacks
        self._plain_name = plain_name
        self._instance_id = instance_id
        self._app: Any = None
        self._assigned: set[TP] = set()
        self._assigning: asyncio.Task[None] | None = None
        self._at_work: dict[TP, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None
        self._should_end = asyncio.Event()
        self._main: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and ask to join the group; `on_assigned` follows. Raises LogUnavailable."""
        self._app = _new_app(self._bootstrap, self._group, self._instance_id)
        self._app.plain_name = self._plain_name
        self._app.on_partitions_assigned.connect(self._on_assigned)
        self._app.on_partitions_revoked.connect(self._on_revoked)
        topic = self._app.topic(*self._topics, schema=faust_transport.BatchSchema(), acks=False)
        self._app.agent(topic, name="batches")(self._take)
        try:
            await self._app.start()
        except KafkaError as error:
            await self._app.stop()
            raise LogUnavailable(f"Kafka at {self._bootstrap} does not answer: {error}") from error
        self._main = asyncio.create_task(self._until_the_end())

    async def stop(self) -> None:
        """Finish the batches at work, commit, leave the group. Idempotent; raises nothing."""
        self._should_end.set()
        if self._main is not None:
            await asyncio.wait({self._main})

    async def wait(self) -> None:
        """Return when the worker has stopped. Raises what ended it, if it was not `stop`."""
        if self._main is not None:
            await asyncio.shield(self._main)
        if self._failure is not None:
            raise self._failure

    async def _until_the_end(self) -> None:
        crashed = asyncio.create_task(self._app._crashed.wait())
        ended = asyncio.create_task(self._should_end.wait())
        await asyncio.wait({crashed, ended}, return_when=asyncio.FIRST_COMPLETED)
        if crashed.done():
            self._fail(_ours(self._app.crash_reason))
        crashed.cancel()
        ended.cancel()
        await self._let_go(self._assigned)
        await self._app.stop()

    async def _on_assigned(self, app: Any, assigned: set[TP], **_: Any) -> None:
        self._assigned = set(assigned)
        self._assigning = asyncio.create_task(self._assign(self._assigned))
        self._assigning.add_done_callback(self._note_failure)

    async def _assign(self, assigned: set[TP]) -> None:
        await self._callbacks.on_assigned(self._named(assigned))
        self._consumer.open(assigned)

    async def _on_revoked(self, app: Any, revoked: set[TP], **_: Any) -> None:
        await self._let_go(self._assigned)

    async def _let_go(self, tps: set[TP]) -> None:
        """Bring the batches at work to an end, commit what is finished, say so to the owner."""
        if not tps:
            return
        self._assigned = set()
        await self._end_tasks()
        await self._commit()
        try:
            await self._callbacks.on_revoked(self._named(tps))
        except Exception as error:  # noqa: BLE001  # the group must still be left in good order
            self._fail(error)

    async def _commit(self) -> None:
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._consumer.force_commit()
        except TimeoutError:
            _log.warning("group %s: last offsets not committed in %s s", self._group, COMMIT_S)

    async def _end_tasks(self) -> None:
        tasks: set[asyncio.Task[None]] = set(self._at_work.values())
        if self._assigning is not None:
            self._assigning.cancel()
            tasks.add(self._assigning)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _take(self, stream: Any) -> None:
        async for batches in stream:
            if not self._should_end.is_set():
                self._set_to_work(batches)

    def _set_to_work(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            task = asyncio.create_task(self._work(batch))
            self._at_work[batch.tp] = task
            task.add_done_callback(self._note_failure)

    async def _work(self, batch: Batch) -> None:
        topic = self._plain_name(batch.tp.topic)
        await self._callbacks.on_batch(topic, batch.tp.partition, batch.records)
        self._consumer.finish(batch)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            _log.error("the worker of group %s ends: %r", self._group, error)
        self._should_end.set()

    @property
    def _consumer(self) -> BatchConsumer:
        found: BatchConsumer = self._app.consumer
        return found

    def _named(self, tps: Iterable[TP]) -> Partitions:
        return {(self._plain_name(tp.topic), tp.partition) for tp in tps}


def _ours(crash: BaseException) -> BaseException:
    if not isinstance(crash, KafkaError):
        return crash
    wrapped = LogUnavailable(f"the consumer group cannot go on: {crash!r}")
    wrapped.__cause__ = crash
    return wrapped


class _Boot(BootStrategy):  # type: ignore[misc]  # Faust ships no types
    """The services of a Faust worker less its leader election, replies and web server."""

    enable_web = False

    def kafka_consumer(self) -> list[Any]:
        return [self.app.consumer]


class _App(faust.App):  # type: ignore[misc]  # Faust ships no types
    BootStrategy = _Boot
    plain_name: Callable[[str], str]

    def _create_directories(self) -> None:
        """Nothing: there are no tables to keep in a folder."""


class _NoTables(TableManager):  # type: ignore[misc]  # Faust ships no types
    """Starts at once; Faust's own waits for tables to be declared, and for their recovery."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()

    async def wait_until_recovery_completed(self) -> bool:
        return False


def _new_app(bootstrap: str, group: str, instance_id: str | None) -> Any:
    faust_transport.register()
    for noisy in ("faust", "mode"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return _App(
        group,
        broker=[f"{faust_transport.SCHEME}://{server}" for server in bootstrap.split(",")],
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=COMMIT_EVERY_S,
        consumer_group_instance_id=instance_id,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        TableManager=_NoTables,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )
