"""A web server for tests: it answers by path, tells what it was sent, and remembers it.

/echo        JSON of {method, path, headers, body}
/status/404  that status
/bytes/1000  so many bytes
others       what `replies` has for the path, in turn, the last one for ever; else 404
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came in; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    content: bytes = b""
    status: int = 200
    content_type: str = "application/json"


@dataclass(slots=True)
class Stub:
    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    received: list[Sent] = field(default_factory=list)

    def say(self, path: str, *values: object) -> None:
        """Answer requests for `path` with these values as JSON, one after another."""
        self.replies[path] = [Reply(orjson.dumps(value)) for value in values]

    def reply_to(self, sent: Sent) -> Reply:
        bare = sent.path.partition("?")[0]
        match bare.split("/"):
            case ["", "echo"]:
                told = {"method": sent.method, "path": sent.path, "headers": sent.headers}
                return Reply(orjson.dumps({**told, "body": sent.body.decode(errors="replace")}))
            case ["", "status", status]:
                return Reply(status=int(status))
            case ["", "bytes", size]:
                return Reply(b"x" * int(size), content_type="text/plain")
        known = self.replies.get(bare, [])
        if not known:
            return Reply(status=404)
        return known.pop(0) if len(known) > 1 else known[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while sent := await _read(reader):
                self.received.append(sent)
                reply = self.reply_to(sent)
                head = (
                    f"HTTP/1.1 {reply.status} Told\r\ncontent-type: {reply.content_type}\r\n"
                    f"content-length: {len(reply.content)}\r\n\r\n"
                )
                writer.write(head.encode() + reply.content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Sent | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Sent(method, path, headers, body)


@asynccontextmanager
async def running() -> AsyncIterator[Stub]:
    """A server on a port of its own."""
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
