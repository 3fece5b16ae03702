"""The stub that HTTP steps call: answers every GET with one small JSON object, at little cost.

`python -m bench.stub PORT` serves it until it is told to end.
"""

import asyncio
import sys

import uvloop

_END = b"\r\n\r\n"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n"
    b'{"stock": 12345}'
)


class Stub(asyncio.Protocol):
    """One connection, kept alive. Requests have no body: each ends with its head."""

    def __init__(self) -> None:
        self._unread = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream socket's transport

    def data_received(self, data: bytes) -> None:
        *whole, self._unread = (self._unread + data).split(_END)
        if whole:
            self._transport.write(_ANSWER * len(whole))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
