"""The pipeline: the processors as data, the same for both hosts.

    stage                    reads        writes
    processors.admission     triggers     admissions, replies
    processors.execution     admissions   executions, replies

A host gives each stage its partitions and their records, in order, one batch of a partition at a
time, and commits a batch some time after `on_batch` has returned.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Sequence
from typing import Protocol

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, Record
from processors.actions import World
from processors.admission_host import AdmissionHost, Ticker
from processors.execution_host import ExecutionHost
from schemas.secrets import MasterKey
from schemas.topics import Topic


class Stage(Protocol):
    """What a host runs. `failed` carries the first error of work that nobody awaits."""

    @property
    def reader(self) -> str: ...
    @property
    def topic(self) -> Topic: ...
    @property
    def failed(self) -> "asyncio.Future[None]": ...
    async def assign(self, partition: int) -> None: ...
    def revoke(self, partition: int) -> None: ...
    async def on_batch(self, partition: int, records: Sequence[Record]) -> None: ...
    async def drain(self, timeout_s: float) -> None: ...


def stages(
    log: EventLog,
    *,
    blobs: Blobs,
    definitions: Definitions,
    master_key: MasterKey,
    world: World,
    ticker: Ticker | None = None,
) -> list[Stage]:
    """The stages in the order of the data. `ticker` runs beside each partition of admission."""
    return [
        AdmissionHost(log, blobs=blobs, definitions=definitions, ticker=ticker),
        ExecutionHost(
            log,
            blobs=blobs,
            definitions=definitions,
            master_key=master_key,
            world=world,
            owner=f"{socket.gethostname()}:{os.getpid()}",
        ),
    ]


async def until_one_fails(*work: Awaitable[None]) -> None:
    """Wait for the first of these to end, cancel the others, and raise what ended it."""
    tasks = [asyncio.ensure_future(some) for some in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
