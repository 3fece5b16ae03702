"""Large results: what comes out of a blob piece by piece is what a whole reading would give."""

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.blobs import Blobs
from ingress import large_results, results
from schemas import values
from schemas.events import Response
from schemas.values import Value
from tests.ingress.serving import Served
from tests.ingress.test_results import keep

MIB = 1024 * 1024
EXAMPLES = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def gathered(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def cut(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@EXAMPLES
@given(
    st.text(st.sampled_from('a\\"\n\x00\x1fü€😀u0'), max_size=400) | st.text(max_size=200),
    st.integers(1, 70),
)
async def test_a_text_comes_out_however_its_blob_is_cut(text: str, size: int) -> None:
    chunks = large_results._unescaped(cut(values.dump(text), size))
    assert await gathered(chunks) == text.encode()


async def test_a_text_of_backslashes_needs_no_more_memory_than_another() -> None:
    text = "\\" * (4 * MIB)
    held = [len(rest) async for rest in large_results._unescaped(cut(values.dump(text), 65_536))]
    assert max(held) < 100_000
    assert sum(held) == len(text)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 1_000, 300_001])
@pytest.mark.parametrize(
    "described",
    [
        None,
        {},
        {"contentType": "image/png"},
        {"fileName": "a.png", "contentType": "image/png"},
    ],
)
@pytest.mark.parametrize("data_first", [True, False])
async def test_bytes_and_files_come_out_whole(
    tmp_path: Path, size: int, described: dict[str, str] | None, data_first: bool
) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    value: Value = content
    if described is not None:
        value = {"data": content} | described if data_first else described | {"data": content}
    blobs = Blobs.open(str(tmp_path))
    stored = await blobs.put("result", values.dump(values.to_json(value)[0]))
    found = await large_results.file_or_bytes(blobs, "result", stored.size)
    if found is None:
        # So few bytes are read whole.
        assert size < 2
        return
    assert (found.size, found.described) == (size, described)
    assert await gathered(found.chunks) == content


@pytest.mark.parametrize(
    "value",
    [
        {"data": b"x" * 10_000, "more": 1},
        {"data": b"x" * 10_000, "contentType": {"$dict": {}}},
        {"other": b"x" * 10_000},
        [b"x" * 10_000],
    ],
)
async def test_what_is_more_than_a_file_is_not_taken_for_one(tmp_path: Path, value: Value) -> None:
    blobs = Blobs.open(str(tmp_path))
    stored = await blobs.put("result", values.dump(values.to_json(value)[0]))
    assert await large_results.file_or_bytes(blobs, "result", stored.size) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("ü\n" * (7 * MIB), "text/plain; charset=utf-8"),
        (b"\0\1\2" * (6 * MIB), "application/octet-stream"),
        (
            {"data": b"\0\1\2" * (6 * MIB), "contentType": "image/png"},
            "image/png",
        ),
        (["x" * 1_000] * 20_000, "application/json"),
    ],
    ids=["text", "bytes", "file", "json"],
)
async def test_a_large_result_is_served_without_being_held(
    ingress: Served, value: Value, kind: str
) -> None:
    kept, tagged = values.to_json(value)
    _, pieces = results.rendered(Response(result=kept, tagged=tagged))
    expected = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    await ingress.blobs.put("results/large", values.dump(kept))
    path = await keep(ingress, Response(blob="results/large", tagged=tagged))
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    got, headers = hashlib.sha256(), {}

    async def send(message: dict[str, Any]) -> None:
        headers.update(message.get("headers", ()))
        got.update(message.get("body", b""))

    tracemalloc.start()
    try:
        await ingress.app(scope, nobody, send)  # type: ignore[arg-type]  # as servers call it
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got.digest() == hashlib.sha256(expected).digest()
    assert headers[b"content-type"].decode() == kind
    assert held < len(expected) // 4


async def nobody() -> dict[str, Any]:
    raise AssertionError("a result needs no body")


async def test_a_small_text_still_has_its_length(ingress: Served) -> None:
    await ingress.blobs.put("results/large", values.dump("x" * 300_000))
    answer = await ingress.http.get(await keep(ingress, Response(blob="results/large")))
    assert answer.headers["content-length"] == "300000"
