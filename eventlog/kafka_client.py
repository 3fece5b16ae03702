"""Requests to Kafka that are tried again until they are answered, or LogUnavailable.

Reads go through aiokafka's client rather than its consumer: a read is then one fetch request at any
offset, waits exactly as long as it is told, knows the high mark from its own answer, and takes 2 µs
of CPU per record where a consumer takes 3 before it is one of our records. A broker answers the
requests of one connection one after another, so each read under way has a connection to itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition

from eventlog.log import LogUnavailable

REQUEST_TIMEOUT_MS = 10_000
PAUSE_S = 0.1
LONGEST_POLL_S = 5.0
FETCH_BYTES = 1024 * 1024
EARLIEST, LATEST = -2, -1
"""Kafka's stand-ins for an instant in a ListOffsets request."""


class RequestFailed(Exception):
    """Kafka answered with an error that trying again does not mend; `error` is its class."""

    def __init__(self, error: type[KafkaError]) -> None:
        super().__init__(error.__name__)
        self.error = error


class Fetched:
    """The answer to a fetch: the bytes of whole record batches, and the high mark."""

    __slots__ = ("batches", "high")

    def __init__(self, high: int, batches: bytes) -> None:
        self.high = high
        self.batches = batches


class KafkaClient:
    """The requests that the log makes beside producing, each tried again for `answer_s`."""

    def __init__(self, bootstrap: str, client_id: str, answer_s: float) -> None:
        self._bootstrap = bootstrap
        self._answer_s = answer_s
        self._client = AIOKafkaClient(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._coordinators: dict[str, int] = {}
        self._connections = 0
        self._idle_connections: list[str] = []
        self._fetches: set[asyncio.Task[Fetched]] = set()

    async def start(self) -> None:
        await self._client.bootstrap()

    async def track(self, names: list[str]) -> None:
        """Keep the metadata of these topics, from when all their partitions have leaders."""
        await self._client.set_topics(names)
        while not all(self._has_leaders(name) for name in names):
            await self._recover()

    def _has_leaders(self, name: str) -> bool:
        cluster = self._client.cluster
        partitions = cluster.partitions_for_topic(name)
        return bool(partitions) and partitions == cluster.available_partitions_for_topic(name)

    def partitions(self, name: str) -> int:
        return len(self._client.cluster.partitions_for_topic(name))

    async def fetch(self, where: TopicPartition, offset: int, wait_s: float) -> Fetched:
        """What there is from `offset` on, or what comes within `wait_s` (LONGEST_POLL_S at most).

        A caller who goes away leaves the request to itself: its connection is only free again once
        the broker has answered. Raises RequestFailed and LogUnavailable.
        """
        task = asyncio.create_task(self._fetch(where, offset, min(wait_s, LONGEST_POLL_S)))
        self._fetches.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: "asyncio.Task[Fetched]") -> None:
        self._fetches.discard(task)
        if not task.cancelled():
            task.exception()

    async def _fetch(self, where: TopicPartition, offset: int, wait_s: float) -> Fetched:
        wanted = [(where.topic, [(where.partition, offset, FETCH_BYTES)])]
        request = FetchRequest(int(wait_s * 1_000), 1, FETCH_BYTES, 0, wanted)
        connection = self._take_connection()
        try:
            answer = await self._ask_leader(where, request, connection, _fetch_error)
        finally:
            self._idle_connections.append(connection)
        partition = answer.topics[0][1][0]
        return Fetched(partition[2], partition[-1])

    def _take_connection(self) -> str:
        if self._idle_connections:
            return self._idle_connections.pop()
        self._connections += 1
        return f"fetch-{self._connections}"

    async def offset_for(self, where: TopicPartition, instant_ms: int) -> int:
        """The first offset at `instant_ms` or later (or EARLIEST, LATEST); -1 if there is none."""
        request = OffsetRequest(-1, 0, [(where.topic, [(where.partition, instant_ms)])])
        answer = await self._ask_leader(where, request, ConnectionGroup.DEFAULT, _offset_error)
        offset: int = answer.topics[0][1][0][3]
        return offset

    async def commit(self, group: str, where: TopicPartition, offset: int) -> None:
        """Store a position without being a member of the group."""
        told = [(where.topic, [(where.partition, offset, "")])]
        await self._ask_coordinator(
            group, OffsetCommitRequest(group, -1, "", -1, told), _commit_error
        )

    async def committed(self, group: str, where: TopicPartition) -> int | None:
        request = OffsetFetchRequest(group, [(where.topic, [where.partition])])
        answer = await self._ask_coordinator(group, request, _committed_error)
        offset: int = answer.topics[0][1][0][1]
        return None if offset < 0 else offset

    async def _ask_leader(
        self, where: TopicPartition, request: Any, connection: Any, error_of: Callable[[Any], int]
    ) -> Any:
        async def ask() -> Any:
            node = self._client.cluster.leader_for_partition(where)
            if node is None or node < 0:
                raise LeaderNotAvailableError(f"{where.topic}/{where.partition} has no leader")
            return await self._client.send(node, request, group=connection)

        return await self._insist(ask, error_of)

    async def _ask_coordinator(
        self, group: str, request: Any, error_of: Callable[[Any], int]
    ) -> Any:
        async def ask() -> Any:
            node = self._coordinators.pop(group, None)
            if node is None:
                node = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
            answer = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
            if not error_of(answer):
                self._coordinators[group] = node
            return answer

        return await self._insist(ask, error_of)

    async def _insist(
        self, ask: Callable[[], Awaitable[Any]], error_of: Callable[[Any], int]
    ) -> Any:
        loop = asyncio.get_running_loop()
        end_at = loop.time() + self._answer_s
        while True:
            try:
                answer = await ask()
                error = for_code(error_of(answer))
                if not error_of(answer):
                    return answer
                if not error.retriable:
                    raise RequestFailed(error)
                cause: KafkaError = error()
            except KafkaError as failure:
                cause = failure
            if loop.time() > end_at:
                message = f"Kafka at {self._bootstrap} does not answer: {cause!r}"
                raise LogUnavailable(message) from cause
            await self._recover()

    async def _recover(self) -> None:
        """Let a little time pass and look anew for who leads what."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._client.force_metadata_update(), PAUSE_S)
        await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        for task in self._fetches:
            task.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)
        await self._client.close()


def _fetch_error(answer: Any) -> int:
    code: int = answer.topics[0][1][0][1]
    return code


_offset_error = _commit_error = _fetch_error


def _committed_error(answer: Any) -> int:
    """A coordinator that has just moved answers with an error of the whole and no topics."""
    whole: int = getattr(answer, "error_code", 0)
    if whole:
        return whole
    code: int = answer.topics[0][1][0][3]
    return code
