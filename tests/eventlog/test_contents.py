"""Contents in pieces come out as one stream of the size that was announced."""

import base64
import os
from pathlib import Path

import pytest

from eventlog import contents
from eventlog.blobs import BlobMissing, Blobs
from schemas.stored import InBase64, Piece, Stored

BODY = os.urandom(700_001)


@pytest.fixture
async def blobs(tmp_path: Path) -> Blobs:
    store = Blobs.open(str(tmp_path / "blobs"))
    await store.put("bodies/a", BODY)
    return store


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], b""),
        ([b"a", b"", b"b"], b"ab"),
        ([b"x" * 600_000], b"x" * 600_000),
        ([b"<", Stored("bodies/a", len(BODY)), b">"], b"<" + BODY + b">"),
        ([Stored("bodies/a", 10, 300_000)], BODY[300_000:300_010]),
        ([InBase64(Stored("bodies/a", len(BODY)))], base64.b64encode(BODY)),
        ([InBase64(Stored("bodies/a", 300_000, 17))], base64.b64encode(BODY[17:300_017])),
    ],
)
async def test_pieces_are_one_stream(blobs: Blobs, pieces: list[Piece], expected: bytes) -> None:
    got = [chunk async for chunk in contents.stream(blobs, pieces)]
    assert b"".join(got) == expected
    assert contents.total(pieces) == len(expected)
    assert all(len(chunk) <= 2 * contents.CHUNK_BYTES for chunk in got)


async def test_what_is_loaded_is_the_part_that_was_meant(blobs: Blobs) -> None:
    assert await contents.whole(blobs, Stored("bodies/a", 5, 100)) == BODY[100:105]
    assert blobs.part_in_thread("bodies/a", 100, 105) == BODY[100:105]


async def test_what_is_gone_is_said_when_its_turn_comes(blobs: Blobs) -> None:
    stream = contents.stream(blobs, [b"a", Stored("bodies/gone", 5)])
    assert await anext(stream) == b"a"
    with pytest.raises(BlobMissing):
        await anext(stream)
