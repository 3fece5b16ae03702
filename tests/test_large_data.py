"""Large data through a whole server: what is only passed on is never held, whatever its size."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.penstock import running

MIB = 1024 * 1024
SIZE = 300 * MIB
MAY_GROW = 150 * MIB
_BLOCK = hashlib.sha256(b"block").digest() * (MIB // 32)

FLOWS = """
definitionVersion: 7
name: Large
flows:
  - name: Fetch
    isSynchronous: true
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
      - name: Download
        action: {key: httpGet, component: {key: http}}
        inputs:
          url: {type: reference, value: trigger.results.body.data.url}
          responseType: {type: value, value: binary}
  - name: Relay
    isSynchronous: true
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
      - name: Upload
        action: {key: httpPost, component: {key: http}}
        inputs:
          url: {type: reference, value: trigger.results.queryParameters.url}
          data: {type: reference, value: trigger.results.body}
      - name: Answer
        action: {key: stopExecution, component: {key: stop-execution}}
        inputs:
          jsonBody: {type: reference, value: trigger.results.body}
          contentType: {type: value, value: image/png}
"""


@dataclass
class Partner:
    """Gives SIZE bytes to whoever gets, and counts what whoever posts sends."""

    url: str = ""
    digests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get"):
            await self._give(writer)
        else:
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            self.digests.append(await _digest(reader, length))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def _give(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n\r\n")
        for _ in range(SIZE // MIB):
            writer.write(_BLOCK)
            await writer.drain()


async def _digest(reader: asyncio.StreamReader, length: int) -> str:
    digest = hashlib.sha1()
    while length:
        chunk = await reader.read(min(length, MIB))
        assert chunk, "the caller has gone"
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()


@asynccontextmanager
async def partner() -> AsyncIterator[Partner]:
    one = Partner()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, limit=4 * MIB)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield one


async def _large() -> AsyncIterator[bytes]:
    for _ in range(SIZE // MIB):
        yield _BLOCK


def _expected() -> str:
    digest = hashlib.sha1()
    for _ in range(SIZE // MIB):
        digest.update(_BLOCK)
    return digest.hexdigest()


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def _received(answer: httpx.Response) -> str:
    digest = hashlib.sha1()
    async for chunk in answer.aiter_raw():
        digest.update(chunk)
    return digest.hexdigest()


async def test_what_is_only_passed_on_is_never_held(tmp_path: Path) -> None:
    definition = tmp_path / "large.yml"
    definition.write_text(FLOWS)
    settings = {"max_body_bytes": str(2 * SIZE), "allow_private_networks": "on"}
    with running.up(tmp_path / "data", **settings) as server:
        env = running.environment(data=str(tmp_path / "data"), url=server.url)
        deployed = running.command("deploy", definition, "--json", env=env)
        fetch, relay = (flow["webhookUrl"] for flow in deployed.json["flows"])
        async with partner() as stub, httpx.AsyncClient(timeout=60) as http:
            small = await http.post(fetch, json={"url": f"{server.url}/healthz"})
            assert small.status_code == 303, small.text
            before = _peak_bytes(server.process.pid)

            ready = await http.post(fetch, json={"url": stub.url})
            assert ready.status_code == 303, ready.text
            async with http.stream("GET", ready.headers["location"]) as answer:
                assert answer.headers["content-length"] == str(SIZE)
                assert answer.headers["content-type"] == "image/png"
                fetched = await _received(answer)

            image = {"content-type": "image/png"}
            sending = http.stream(
                "POST", relay, params={"url": stub.url}, content=_large(), headers=image
            )
            async with sending as answer:
                assert answer.status_code == 200
                relayed = await _received(answer)

            grown = _peak_bytes(server.process.pid) - before
            assert {fetched, relayed, *stub.digests} == {_expected()}
            assert len(stub.digests) == 1
            assert grown < MAY_GROW, f"{grown / MIB:.0f} MiB more"
