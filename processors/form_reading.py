"""Reading forms: a form that is in the blob store, with its large files left there.

Takes in a request whose body is in a blob; gives out the form as schemas.forms has it, with a file
of bytes above LARGE_BYTES as the place where it stands in the blob. Raises BlobsUnavailable.
"""

from eventlog.blobs import BlobMissing, Blobs
from processors.actions import StepError
from schemas import bodies, events
from schemas.bodies import Malformed
from schemas.errors import Refused
from schemas.forms import Form, Part, value_of
from schemas.stored import Stored
from schemas.values import Value

LARGE_BYTES = 32 * 1024


async def read(
    blobs: Blobs, request: events.Request, max_held_bytes: int
) -> dict[str, Value] | None:
    """The form; None where it is none, so that the body is what it is. Raises StepError."""
    media = bodies.media_of(request.content_type)
    try:
        form = Form(media, keep=_is_held, max_kept_bytes=max_held_bytes, inline_bytes=LARGE_BYTES)
        async for chunk in blobs.stream(request.body):
            form.feed(chunk)
        parts = form.close()
    except Malformed:
        return None
    except Refused as error:
        raise StepError(f"its texts need more than {max_held_bytes} bytes of memory") from error
    except BlobMissing as error:
        raise StepError(f"it is gone: {error}") from error
    return value_of(parts, lambda part: Stored(request.body, part.size, part.start))


def _is_held(part: Part) -> bool:
    return part.media.is_text
