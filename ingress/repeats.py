"""Repeats: what becomes of a caller's idempotency key, and what a repeat is answered.

The header Idempotency-Key follows the draft draft-ietf-httpapi-idempotency-key-header: a key with
another request is 422, one whose first request still runs is 409 for who waits for the result.
Takes in a request; gives out the hashes that the log keeps, and the end of the first execution.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from eventlog.blobs import Blobs
from eventlog.log import EventLog, OffsetOutOfRange
from ingress import answers, decisions, requests
from ingress.answers import Answer, Scope
from ingress.requests import Body
from schemas import codec, events, ids
from schemas.errors import Refused
from schemas.events import BodyEncoding
from schemas.ids import ExecutionId
from schemas.topics import EXECUTIONS

HEADER = b"idempotency-key"
LONGEST = 255
VIEWS_FOLLOW_S = (0.02, 0.05, 0.1, 0.2, 0.4)
"""How long the views may take to know an end that is on the log."""
REPLAYED: answers.Header = (b"idempotent-replayed", b"true")

_HASH_CHARACTERS = 32
_End = events.ExecutionCompleted | events.ExecutionFailed


class Place(NamedTuple):
    """Where the last event of an execution stands on `executions`."""

    partition: int
    offset: int


FindEnd = Callable[[ExecutionId], Awaitable[Place | None]]
"""The end of an execution as the views know it, None where it has not ended as far as they know."""


async def unknown_end(_: ExecutionId) -> Place | None:
    """For a node without views."""
    return None


def key_of(scope: Scope) -> str:
    """The hash of the key that the caller gives, empty for none. Raises Refused (400)."""
    given = requests.header(scope, HEADER)
    if given is None:
        return ""
    key = given.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        # A string as structured fields have it (RFC 9651, 3.3.3).
        key = key[1:-1]
    if not key or len(key) > LONGEST:
        found = f"{len(key)} characters" if key else "nothing"
        message = f"The header Idempotency-Key has {found}; it takes 1 to {LONGEST}."
        raise Refused(message, reason="bad_idempotency_key")
    return hashlib.sha256(key.encode()).hexdigest()[:_HASH_CHARACTERS]


async def fingerprint(scope: Scope, path: str, body: Body, blobs: Blobs) -> str:
    """The hash of what a repeat must have in common with the first request."""
    digest = hashlib.sha256()
    for part in (scope["method"].encode(), path.encode(), scope["query_string"]):
        digest.update(b"%d:" % len(part) + part)
    if body.encoding is BodyEncoding.BLOB:
        async for chunk in blobs.stream(body.kept):
            digest.update(chunk)
    else:
        digest.update(body.kept.encode())
    return digest.hexdigest()[:_HASH_CHARACTERS]


async def end_of(
    execution_id: ExecutionId, log: EventLog, find: FindEnd
) -> events.ResultReady | Answer:
    """What the first execution came to, or the answer of one that gave no result yet."""
    place = await _found_soon(execution_id, find)
    if place is None:
        shown = ids.to_global(ids.EXECUTION, execution_id)
        message = f"The first request with this idempotency key still runs, as execution {shown}."
        content = {"error": message, "reason": "still_running", "executionId": shown}
        headers = (answers.RETRY_SOON,)
        return answers.of_json(409, content, headers=headers, execution_id=execution_id)
    match await _last_event(execution_id, log, place):
        case events.ExecutionFailed(error=error, reason=reason):
            return events.ResultReady(
                reply_to="",
                request_no=0,
                execution_id=execution_id,
                partition=place.partition,
                offset=place.offset,
                error=error,
                reason=reason,
            )
        case events.ExecutionCompleted(response=response) if response is not None:
            return events.ResultReady(
                reply_to="",
                request_no=0,
                execution_id=execution_id,
                partition=place.partition,
                offset=place.offset,
                response=response,
            )
        case _:
            # Nobody waited for the first one, so that no result of it was kept.
            content = decisions.naming(execution_id)
            return answers.of_json(200, content, execution_id=execution_id)


async def _found_soon(execution_id: ExecutionId, find: FindEnd) -> Place | None:
    """The views follow the log: who repeats a call at once must not hear that it still runs."""
    for pause_s in VIEWS_FOLLOW_S:
        place = await find(execution_id)
        if place is not None:
            return place
        await asyncio.sleep(pause_s)
    return await find(execution_id)


async def _last_event(execution_id: ExecutionId, log: EventLog, place: Place) -> _End | None:
    try:
        found = await log.read(EXECUTIONS, place.partition, place.offset, max_records=1)
    except OffsetOutOfRange:
        return None
    for record in found:
        for event in codec.decode(record.value).events:
            if isinstance(event, _End) and event.execution_id == execution_id:
                return event
    return None
