"""A served ingress behind a real socket, for what HTTP clients would not send."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from ingress import protocol
from tests.ingress.serving import Served, served

ANSWER_S = 20.0


@dataclass(slots=True)
class Got:
    """An answer as it came: the status, the headers in lower case, the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(slots=True)
class Listening:
    """A running node and its port."""

    ingress: Served
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, *parts: bytes) -> Got:
        """What is answered to these bytes, on a connection of their own."""
        reader, writer = await self.connect()
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await answer_in(reader)
        finally:
            writer.close()


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


async def answer_in(reader: asyncio.StreamReader) -> Got:
    """The next answer. Raises IncompleteReadError where the connection ends before it does."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_S)
    first, *lines = head.decode("latin-1").splitlines()[:-1]
    pairs = [line.partition(": ") for line in lines]
    headers = {name.lower(): value for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(int(first.split()[1]), headers, body)


@asynccontextmanager
async def listening(folder: Path, **given: Any) -> AsyncIterator[Listening]:
    async with served(folder, **given) as ingress:
        config = uvicorn.Config(
            ingress.app,
            host="127.0.0.1",
            port=0,
            http=protocol.Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        serving = asyncio.create_task(server._serve())
        try:
            await server.up.wait()
            yield Listening(ingress, server.servers[0].sockets[0].getsockname()[1])
        finally:
            server.should_exit = True
            await serving
