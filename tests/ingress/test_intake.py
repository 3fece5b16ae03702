"""Intake: bodies as they are kept, in every encoding, and what is refused of them."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from schemas.events import BodyEncoding
from tests.ingress.serving import Served, served
from tests.ingress.test_webhook import accepted

FORM = {"content-type": "multipart/form-data; boundary=x"}
GZIP = {"content-encoding": "gzip"}


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


def named(name: str, content: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="%s"%s\r\n\r\n' % (name.encode(), more) + content


PERSON = named("person", b'{"firstname":"Taylor"}', b"\r\nContent-Type: application/json")
PHOTO = named("photo", b"\xff" * 300_000, b'; filename="a.png"\r\nContent-Type: image/png')


async def refused(ingress: Served, content: Any, headers: dict[str, str]) -> tuple[int, str]:
    """Status and reason; nothing of it is kept anywhere."""
    answer = await ingress.http.post(await ingress.url(), content=content, headers=headers)
    assert answer.json()["error"]
    assert await ingress.triggers_on_the_log() == 0
    assert ingress.node.waiting == 0
    return answer.status_code, answer.json().get("reason", "")


async def pieces(content: bytes, size: int = 50_000) -> Any:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def test_a_packed_body_is_kept_unpacked(ingress: Served) -> None:
    trigger, _ = await accepted(
        ingress, await ingress.url(), content=gzip.compress(b'{"a": 1}'), headers=GZIP
    )
    request = trigger.received.request
    assert (request.body, request.encoding, request.body_bytes) == (
        '{"a": 1}',
        BodyEncoding.TEXT,
        8,
    )
    assert ["content-encoding", "gzip"] in [[n.lower(), v] for n, v in request.headers]


async def test_a_large_packed_body_is_kept_unpacked_in_a_blob(ingress: Served) -> None:
    content = bytes(range(256)) * 4_000
    sent = pieces(gzip.compress(content), 1_000)
    trigger, _ = await accepted(ingress, await ingress.url(), content=sent, headers=GZIP)
    request = trigger.received.request
    assert (request.encoding, request.body_bytes) == (BodyEncoding.BLOB, len(content))
    assert await ingress.blobs.get(request.body) == content


async def test_a_form_with_a_large_file_is_kept_in_a_blob(ingress: Served) -> None:
    content = form(PERSON, PHOTO)
    trigger, _ = await accepted(ingress, await ingress.url(), content=pieces(content), headers=FORM)
    assert trigger.received.request.encoding == BodyEncoding.BLOB
    assert await ingress.blobs.get(trigger.received.request.body) == content


@pytest.mark.parametrize("large", [b"", PHOTO], ids=["small", "large"])
@pytest.mark.parametrize(
    ("parts", "end", "reason"),
    [
        ([named("p", b"{bad", b"\r\nContent-Type: application/json")], None, "malformed_json"),
        ([b"no header\r\n\r\nx"], None, "malformed_multipart"),
        ([PERSON], b"", "malformed_multipart"),
        ([named("a", b"1")] * 10_000, None, "too_many_parts"),
    ],
    ids=["json", "header", "end", "parts"],
)
async def test_a_form_that_is_none_is_refused_however_large(
    ingress: Served, large: bytes, parts: list[bytes], end: bytes | None, reason: str
) -> None:
    content = form(*([large] if large else []), *parts, end=b"--x--\r\n" if end is None else end)
    assert await refused(ingress, pieces(content), FORM) == (400, reason)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_form_without_a_boundary_is_refused(ingress: Served, size: int) -> None:
    headers = {"content-type": "multipart/form-data"}
    assert await refused(ingress, b"x" * size, headers) == (400, "malformed_multipart")


async def test_an_unknown_encoding_is_refused_with_the_known_ones(ingress: Served) -> None:
    answer = await ingress.http.post(
        await ingress.url(), content=b"x", headers={"content-encoding": "br"}
    )
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(bytes(200_000_000), 1), (413, "too_large")),
        (b"no gzip", (400, "malformed_encoding")),
        (gzip.compress(b"x" * 999)[:-4], (400, "malformed_encoding")),
    ],
    ids=["bomb", "junk", "cut"],
)
async def test_a_bomb_and_junk_are_refused(
    ingress: Served, content: bytes, expected: tuple[int, str]
) -> None:
    assert await refused(ingress, content, GZIP) == expected


@pytest.mark.parametrize("size", [100_000, 300_000])
async def test_json_that_nests_too_deep_is_refused(ingress: Served, size: int) -> None:
    content = b"[" * size
    headers = {"content-type": "application/json"}
    assert await refused(ingress, content, headers) == (400, "nested_too_deep")


async def test_json_of_too_many_values_leaves_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, max_body_bytes=10_000_000) as ingress:
        content = b"[" + b"[]," * 1_000_001 + b"[]]"
        headers = {"content-type": "application/json"}
        assert await refused(ingress, content, headers) == (413, "too_many_values")
        assert ingress.stored_blobs() == []
