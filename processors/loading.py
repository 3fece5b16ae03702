"""Loading: bytes out of the blob store for a step that needs them themselves, up to a bound.

Takes in what is stored (schemas.stored) and the world; gives out its bytes. For a whole value see
`loaded`. Raises StepError for what is too large or gone, and BlobsUnavailable.
"""

from eventlog import contents
from eventlog.blobs import BlobMissing, Blobs
from processors.actions import StepError, World
from schemas.settings import PREFIX
from schemas.stored import Stored, found_in, replaced
from schemas.values import Value

SETTING = f"{PREFIX}MAX_LOADED_BYTES"


async def load(stored: Stored, world: World) -> bytes:
    blobs = _open(stored, world)
    try:
        return await contents.whole(blobs, stored)
    except BlobMissing as error:
        raise _gone(error) from error


def load_in_thread(stored: Stored, world: World) -> bytes:
    """As `load`, for a thread, which waits for it."""
    blobs = _open(stored, world)
    try:
        return blobs.part_in_thread(stored.blob, stored.start, stored.start + stored.size)
    except BlobMissing as error:
        raise _gone(error) from error


async def loaded(value: Value, world: World) -> Value:
    """`value` with all that is stored within it loaded."""
    found = {one: await load(one, world) for one in found_in(value)}
    return replaced(value, found) if found else value


def _open(stored: Stored, world: World) -> Blobs:
    if stored.size > world.max_loaded_bytes:
        raise StepError(
            f"a value of {stored.size} bytes is in the blob store, and is needed in memory, where"
            f" it may have {world.max_loaded_bytes} ({SETTING})"
        )
    if world.blobs is None:
        raise StepError(f"a value of {stored.size} bytes is in a blob store that is not here")
    return world.blobs


def _gone(error: BlobMissing) -> StepError:
    return StepError(f"a value that was kept in the blob store is gone: {error}")
