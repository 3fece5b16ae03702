"""Blobs: what is too large for the log, in a folder or in S3, through obstore.

Takes in bytes or a stream of them under a key that the caller derives, gives them back whole or as
a stream. Nothing of a failed `put` can be seen; a `put` of the same key replaces the blob.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from eventlog import folders
from schemas.errors import Bug, PenstockError, Retryable, Unusable

if TYPE_CHECKING:
    from obstore import GetOptions

CHUNK_BYTES = 256 * 1024
PART_BYTES = 5 * 1024 * 1024
"""S3 takes no smaller part of an upload but the last."""

PARTS_AT_ONCE = 2
_S3 = "s3://"
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_KEY = 500


class BlobMissing(PenstockError):
    """There is no blob of that key."""


class BlobsUnavailable(Retryable):
    """The blob store does not answer now, or has not taken the blob: disk full, network away."""


class Blob(NamedTuple):
    """A stored blob. `size` is in bytes."""

    key: str
    size: int


class Blobs:
    """An open blob store. Keys are letters, digits and `._-`, in segments parted by slashes."""

    def __init__(self, store: ObjectStore, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def open(cls, url: str) -> Self:
        """The blobs in a folder, made if it is not there, or in `s3://BUCKET/PREFIX`.

        S3's region, endpoint and credentials come from AWS's usual variables. Raises Unusable.
        """
        if url.startswith(_S3):
            return cls(_s3(url), None)
        if not url or "://" in url:
            raise Unusable(f"blobs {url!r} are neither a folder nor s3://BUCKET/PREFIX")
        folder = Path(url).absolute()
        folders.make_private(folder)
        return cls(LocalStore(folder, mkdir=True), folder)

    async def put(self, key: str, data: AsyncIterator[bytes] | bytes) -> Blob:
        """Store `data`, durably on return; of a stream, PART_BYTES are in memory at a time or two.

        What the stream raises comes out as it is. Raises BlobsUnavailable.
        """
        _check(key)
        source = _Counted(data)
        try:
            with _wrapped(key, "stored"):
                await self._put(key, data if isinstance(data, bytes) else source)
        except (BlobMissing, BlobsUnavailable):
            if source.failure is not None:
                raise source.failure from None
            raise
        return Blob(key, source.size)

    async def _put(self, key: str, data: "_Counted | bytes") -> None:
        await obstore.put_async(
            self._store, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )
        if self._folder is not None:
            await asyncio.to_thread(_settle, self._folder, self._folder / key)

    async def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing and BlobsUnavailable."""
        _check(key)
        with _wrapped(key, "read"):
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    async def part(self, key: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`. Raises BlobMissing and BlobsUnavailable."""
        _check(key)
        with _wrapped(key, "read"):
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))

    def part_in_thread(self, key: str, start: int, end: int) -> bytes:
        """As `part`, for a thread, which waits for it."""
        _check(key)
        with _wrapped(key, "read"):
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    async def stream(
        self, key: str, chunk_bytes: int = CHUNK_BYTES, *, within: tuple[int, int] | None = None
    ) -> AsyncIterator[bytes]:
        """The blob, or what is `within` (start, end), in chunks of about `chunk_bytes`.

        Raises BlobMissing and BlobsUnavailable.
        """
        _check(key)
        options: GetOptions = {"range": within} if within is not None else {}
        with _wrapped(key, "read"):
            found = await obstore.get_async(self._store, key, options=options)
            chunks = found.stream(min_chunk_size=chunk_bytes)
        while True:
            with _wrapped(key, "read"):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def size(self, key: str) -> int:
        """Its bytes. Raises BlobMissing and BlobsUnavailable."""
        _check(key)
        with _wrapped(key, "read"):
            found = await obstore.head_async(self._store, key)
            return found["size"]

    async def delete(self, key: str) -> None:
        """Remove the blob; it is no error if there is none. Raises BlobsUnavailable."""
        _check(key)
        try:
            with _wrapped(key, "deleted"):
                await obstore.delete_async(self._store, key)
        except BlobMissing:
            return


class _Counted:
    """A stream that knows how much has passed, and what stopped it."""

    def __init__(self, data: AsyncIterator[bytes] | bytes) -> None:
        self.size = len(data) if isinstance(data, bytes) else 0
        self.failure: BaseException | None = None
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert not isinstance(self._data, bytes)
        try:
            async for chunk in self._data:
                self.size += len(chunk)
                yield chunk
        except GeneratorExit:
            raise  # the store has had enough: what stopped it is its own to say
        except BaseException as failure:
            self.failure = failure
            raise


def _s3(url: str) -> S3Store:
    bucket, _, prefix = url.removeprefix(_S3).partition("/")
    if not bucket:
        raise Unusable(f"blobs {url!r} name no bucket")
    try:
        return S3Store(bucket, prefix=prefix.strip("/") or None)
    except (BaseError, ValueError) as error:
        raise Unusable(f"blobs {url!r} cannot be used: {_said(error)}") from error


def _check(key: str) -> None:
    if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
        raise Bug(f"{key[:_LONGEST_KEY]!r} is not a key of a blob")


@contextmanager
def _wrapped(key: str, verb: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissing(f"there is no blob {key}") from error
    except (BaseError, OSError, ValueError) as error:
        raise BlobsUnavailable(f"blob {key} could not be {verb}: {_said(error)}") from error


def _settle(root: Path, path: Path) -> None:
    """Make a new file private and durable: obstore leaves both to the system."""
    path.chmod(0o600)
    folders.sync(path)
    while path != root:
        path = path.parent
        folders.sync(path)


def _said(error: Exception) -> str:
    """The sentence of an error; obstore adds pages for programmers below it."""
    return str(error).strip().partition("\n")[0]
