"""Blobs in a folder: whole or as streams, durable, private, and never outside of it."""

import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.blobs import Blob, BlobMissing, Blobs, BlobsUnavailable
from schemas.errors import Bug, Refused, Retryable, Unusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs.open(str(folder))


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_bytes_come_back(blobs: Blobs) -> None:
    assert await blobs.put("requests/1", b"\x00body\xff") == Blob("requests/1", 6)

    assert await blobs.get("requests/1") == b"\x00body\xff"
    assert await blobs.size("requests/1") == 6


async def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    assert (await blobs.put("bytes", b"")).size == 0
    assert (await blobs.put("stream", chunks())).size == 0

    assert await blobs.get("bytes") == await blobs.get("stream") == b""
    assert [chunk async for chunk in blobs.stream("bytes")] == []


async def test_a_stream_larger_than_one_part_comes_back_in_chunks(blobs: Blobs) -> None:
    part = bytes(range(256)) * 4_096

    stored = await blobs.put("large", chunks(*[part] * 13))

    found = [chunk async for chunk in blobs.stream("large", chunk_bytes=1_000_000)]
    assert stored.size == await blobs.size("large") == 13 * len(part)
    assert b"".join(found) == part * 13
    assert len(found) > 3


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(parts=st.lists(st.binary(max_size=1_000), max_size=8), chunk_bytes=st.integers(1, 500))
async def test_what_is_read_is_what_was_put_whatever_the_chunks(
    blobs: Blobs, parts: list[bytes], chunk_bytes: int
) -> None:
    whole = b"".join(parts)

    assert (await blobs.put("blob", chunks(*parts))).size == len(whole)

    assert await blobs.get("blob") == whole
    assert b"".join([chunk async for chunk in blobs.stream("blob", chunk_bytes)]) == whole


async def test_the_same_key_again_replaces_the_blob(blobs: Blobs) -> None:
    await blobs.put("key", b"a longer first")
    await blobs.put("key", b"second")

    assert await blobs.get("key") == b"second"


async def test_a_deleted_blob_is_gone_and_may_be_deleted_again(blobs: Blobs) -> None:
    await blobs.put("key", b"")
    await blobs.delete("key")
    await blobs.delete("key")

    with pytest.raises(BlobMissing, match="there is no blob key"):
        await blobs.get("key")


async def test_a_missing_blob_is_named(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing, match="there is no blob a/b"):
        await blobs.get("a/b")
    with pytest.raises(BlobMissing, match="there is no blob a/b"):
        await blobs.size("a/b")
    with pytest.raises(BlobMissing, match="there is no blob a/b"):
        [chunk async for chunk in blobs.stream("a/b")]


@pytest.mark.parametrize("failure", [Refused("too large", status=413), FileNotFoundError("theirs")])
async def test_what_the_stream_raises_comes_out_and_nothing_is_stored(
    blobs: Blobs, folder: Path, failure: Exception
) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(6_000_000)
        raise failure

    with pytest.raises(type(failure)) as raised:
        await blobs.put("key", failing())

    assert raised.value is failure
    assert files_in(folder) == []


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../a", "a/../b", "/a", "a/", "a//b", ".hidden", "a b", "a\0", "ä", "a" * 501],
)
async def test_a_key_that_could_leave_the_folder_or_its_alphabet_is_refused(
    blobs: Blobs, folder: Path, key: str
) -> None:
    with pytest.raises(Bug, match="is not a key of a blob"):
        await blobs.put(key, b"")
    with pytest.raises(Bug, match="is not a key of a blob"):
        await blobs.get(key)
    assert files_in(folder) == []


async def test_files_and_folder_are_for_their_owner_alone(blobs: Blobs, folder: Path) -> None:
    await blobs.put("requests/1", b"")
    await blobs.put("requests/2", chunks(b"a"))

    assert mode_of(folder) == 0o700
    assert [mode_of(folder / name) for name in files_in(folder)] == [0o600, 0o600]


async def test_a_store_that_fails_can_be_tried_again(blobs: Blobs, folder: Path) -> None:
    (folder / "taken").write_bytes(b"a file where a folder is needed")

    with pytest.raises(BlobsUnavailable, match="blob taken/1 could not be stored") as error:
        await blobs.put("taken/1", chunks(b"a"))
    assert isinstance(error.value, Retryable)
    assert "\n" not in str(error.value)


def test_a_store_that_cannot_be_is_refused_with_its_value(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unusable, match="file is not a folder"):
        Blobs.open(str(tmp_path / "file"))
    for url in ("", "ftp://host/path", "s3://"):
        with pytest.raises(Unusable, match=repr(url)):
            Blobs.open(url)


async def test_a_stream_that_the_disk_has_no_room_for_fails_as_such_and_leaves_nothing(
    blobs: Blobs, folder: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000_000, before[1]))
    try:
        with pytest.raises(BlobsUnavailable, match="could not be stored"):
            await blobs.put("bodies/a", chunks(*[bytes(1_000_000)] * 30))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files_in(folder) == []
    assert (await blobs.put("bodies/a", chunks(*[bytes(1_000_000)] * 30))).size == 30_000_000
