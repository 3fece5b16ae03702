"""Large bodies of HTTP steps: out of and into the blob store, a chunk at a time."""

import asyncio
import base64
import gzip
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from eventlog import contents
from eventlog.blobs import Blobs
from processors.actions import StepError, World
from processors.private_networks import PrivateNetworkRefused, guarded_client
from schemas.definitions import Pair
from schemas.stored import Stored
from tests.processors.components.test_http import Server, answer, run, server

__all__ = ["server"]

LARGE = os.urandom(1_000_000)
FILE = Stored("bodies/file", len(LARGE))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    blobs = Blobs.open(str(tmp_path / "blobs"))
    await blobs.put(FILE.blob, LARGE)
    async with guarded_client(allow_private=True) as client:
        yield World(http=client, blobs=blobs)


def kept(tmp_path: Path) -> list[Path]:
    """What downloads have left in the blob store, drafts too."""
    return [path for path in (tmp_path / "blobs" / "downloads").rglob("*") if path.is_file()]


async def binary(world: World, url: str, **inputs: Any) -> Any:
    return (await run(world, "httpGet", url=url, responseType="binary", **inputs)).result


async def test_a_large_binary_answer_is_kept_and_its_place_is_the_result(
    server: Server, world: World
) -> None:
    server.replies["/"] = [answer(LARGE, content_type="image/png")]
    result = await binary(world, server.url())
    stored = result["data"]
    assert isinstance(stored, Stored)
    assert (stored.size, result["contentType"]) == (len(LARGE), "image/png")
    assert world.blobs is not None
    assert await contents.whole(world.blobs, stored) == LARGE


async def test_a_compressed_answer_is_kept_unpacked(server: Server, world: World) -> None:
    packed = gzip.compress(LARGE + bytes(20_000_000))
    server.replies["/"] = [answer(packed, content_encoding="gzip")]
    result = await binary(world, server.url())
    assert result["data"].size == len(LARGE) + 20_000_000


async def test_small_answers_and_those_that_are_parsed_are_values(
    server: Server, world: World, tmp_path: Path
) -> None:
    server.replies["/small"] = [answer(b"x" * 200_000)]
    server.replies["/text"] = [answer(b'"' + b"x" * 900_000 + b'"')]
    assert (await binary(world, server.url("/small")))["data"] == b"x" * 200_000
    assert (await run(world, "httpGet", url=server.url("/text"))).result == "x" * 900_000
    assert kept(tmp_path) == []


async def test_head_of_what_is_too_large_is_an_answer(server: Server, world: World) -> None:
    server.replies["/"] = [answer(LARGE).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"]
    bounded = replace(world, max_loaded_bytes=1_000, max_download_bytes=1_000)
    outcome = await run(bounded, "httpHead", url=server.url())
    assert outcome.result["headers"]["content-length"] == str(len(LARGE))


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_above_the_bound_names_step_url_and_setting(
    server: Server, world: World, tmp_path: Path, packed: bool
) -> None:
    server.replies["/"] = [
        answer(gzip.compress(LARGE), content_encoding="gzip") if packed else answer(LARGE)
    ]
    bounded = replace(world, max_download_bytes=600_000)
    with pytest.raises(StepError) as raised:
        await binary(bounded, server.url())
    assert str(raised.value) == (
        f"GET {server.url()} answered with more than 600000 bytes for step 'step' to keep"
        " (PENSTOCK_MAX_DOWNLOAD_BYTES)"
    )
    assert kept(tmp_path) == []


async def test_a_parsed_answer_above_the_bound_names_its_own_setting(
    server: Server, world: World
) -> None:
    server.replies["/"] = [answer(LARGE)]
    with pytest.raises(StepError, match=r"'step', which needs .*PENSTOCK_MAX_LOADED_BYTES"):
        await run(replace(world, max_loaded_bytes=600_000), "httpGet", url=server.url())


async def _half(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(LARGE)[:700_000])
    writer.close()


async def test_a_download_that_breaks_off_leaves_nothing_and_is_tried_again(
    server: Server, world: World, tmp_path: Path
) -> None:
    server.replies["/"] = [_half]
    with pytest.raises(StepError, match="closed before the answer was complete"):
        await binary(world, server.url())
    assert kept(tmp_path) == []

    server.replies["/"] = [_half, answer(LARGE)]
    result = await binary(world, server.url(), maxRetries=2)
    assert result["data"].size == len(LARGE)
    assert len(kept(tmp_path)) == 1


async def test_a_download_that_is_cut_short_leaves_nothing(
    server: Server, world: World, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(LARGE)[:700_000])
        await writer.drain()
        arrived.set()

    server.replies["/"] = [hang]
    with pytest.raises(StepError, match=r"no complete answer in 0.3 s"):
        await binary(world, server.url(), timeout=300)
    download = asyncio.create_task(binary(world, server.url()))
    await arrived.wait()
    download.cancel()
    with pytest.raises(asyncio.CancelledError):
        await download
    assert kept(tmp_path) == []


async def test_a_store_that_takes_nothing_fails_the_step_by_name(
    server: Server, world: World, tmp_path: Path
) -> None:
    (tmp_path / "blobs" / "downloads").write_text("in the way")
    server.replies["/"] = [answer(LARGE)]
    with pytest.raises(StepError, match=rf"the answer to GET {server.url()} cannot be kept"):
        await binary(world, server.url())


async def test_a_stored_body_is_sent_with_its_length(server: Server, world: World) -> None:
    for data, kind in (
        (FILE, "application/octet-stream"),
        ({"data": FILE, "contentType": "image/png"}, "image/png"),
    ):
        await run(world, "httpPost", url=server.url(), data=data)
        sent = server.received[-1]
        assert sent.body == LARGE
        assert sent.headers["content-length"] == str(len(LARGE))
        assert sent.headers["content-type"] == kind
        assert "transfer-encoding" not in sent.headers
        assert sent.headers["host"] == f"127.0.0.1:{server.port}"
    assert server.connections == 1


async def test_stored_bytes_within_json_are_sent_as_base64(server: Server, world: World) -> None:
    await run(world, "httpPost", url=server.url(), data={"name": "a", "file": FILE})
    sent = server.received[0]
    assert orjson.loads(sent.body) == {"name": "a", "file": base64.b64encode(LARGE).decode()}
    assert sent.headers["content-type"] == "application/json"


async def test_a_stored_file_is_a_part_of_a_form(server: Server, world: World) -> None:
    await run(
        world,
        "httpPostFormData",
        url=server.url(),
        formData=[Pair("a", "1")],
        fileData=[Pair("f", {"data": FILE, "contentType": "image/png"})],
    )
    sent = server.received[0]
    assert sent.headers["content-length"] == str(len(sent.body))
    assert b'name="f"; filename="f"\r\nContent-Type: image/png\r\n\r\n' + LARGE in sent.body


async def test_a_stored_body_follows_a_redirect_and_another_attempt(
    server: Server, world: World
) -> None:
    moved = answer(status="307 Moved", location="/there")
    server.replies["/here"] = [moved]
    server.replies["/there"] = [answer(status="503 Later"), answer(b"{}")]
    await run(world, "httpPut", url=server.url("/here"), data=FILE, maxRetries=1)
    assert [one.target for one in server.received] == ["/here", "/there", "/here", "/there"]
    assert all(one.body == LARGE for one in server.received)


async def test_a_stored_body_is_sent_once_more_where_a_kept_connection_had_ended(
    server: Server, world: World
) -> None:
    async def last(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"{}"))
        await writer.drain()
        writer.close()

    server.replies["/"] = [last, answer(b"{}")]
    await run(world, "httpPost", url=server.url(), data="a")
    await run(world, "httpPost", url=server.url(), data=FILE)
    assert server.received[-1].body == LARGE


async def test_who_answers_before_the_end_is_sent_no_more(world: World, tmp_path: Path) -> None:
    got = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"too large", status="413 Too Large"))
        await writer.drain()
        while chunk := await reader.read(65_536):
            got += len(chunk)
        writer.close()

    assert world.blobs is not None
    huge = await world.blobs.put("bodies/huge", bytes(50_000_000))
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    async with listening:
        with pytest.raises(StepError, match=r"413: POST .*: too large"):
            await run(world, "httpPost", url=url, data=Stored(huge.key, huge.size))
    assert got < huge.size


async def test_a_redirect_into_a_private_network_sends_nothing_there(
    server: Server, world: World
) -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        return ["93.184.216.34"] if host == "partner.example" else [host]

    async with guarded_client(allow_private=False, resolve=resolve) as client:

        class Partner(httpx.AsyncBaseTransport):
            """Public, and leads astray; all else goes by the guarded transport."""

            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.url.host == "partner.example":
                    await _read_out(request)
                    return httpx.Response(307, headers={"location": server.url("/inside")})
                inside: httpx.Response = await guarded.handle_async_request(request)
                return inside

        guarded = client._straight  # type: ignore[attr-defined]  # our client's own
        client._straight = Partner()  # type: ignore[attr-defined]
        with pytest.raises(PrivateNetworkRefused):
            await run(
                replace(world, http=client), "httpPost", url="http://partner.example/", data=FILE
            )
    assert server.received == []


async def _read_out(request: httpx.Request) -> None:
    stream = request.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    assert sum([len(chunk) async for chunk in stream]) == len(LARGE)


async def test_a_body_that_is_gone_fails_the_step(server: Server, world: World) -> None:
    with pytest.raises(StepError, match="cannot be sent: there is no blob bodies/gone"):
        await run(world, "httpPost", url=server.url(), data=Stored("bodies/gone", 10))
