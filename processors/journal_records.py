"""Journal records: from what a run has said to records of the journal, and back.

A record that gets too long leaves large results in the blob store and is cut; a value that JSON
cannot hold ends the execution with a failure that names it. `restored` brings results back for a
run that goes on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eventlog.blobs import Blobs
from eventlog.log import NewRecord
from processors.invocations import body_of
from schemas import codec, events, values
from schemas.events import BodyEncoding
from schemas.ids import ExecutionId
from schemas.topics import EXECUTIONS

LARGE_BYTES = 256 * 1024
"""Records above this size leave their large results in the blob store."""

LARGE_RESULT_BYTES = 32 * 1024
EVENTS_IN_RECORD = 500
_BLOB = "$blob"


class Place(NamedTuple):
    """Where records go: the partition, under the claim of its owner, and their key."""

    partition: int
    claim: int
    key: str


async def records(
    said: Sequence[events.Event], execution_id: ExecutionId, place: Place, blobs: Blobs
) -> tuple[list[NewRecord], events.Event]:
    """The records of these events of one run, and the last event, as it stands there."""
    try:
        value = codec.encode(said, place.claim)
    except TypeError:
        said = _until_unencodable(said, execution_id)
        value = codec.encode(said, place.claim)
    if len(value) <= LARGE_BYTES:
        return [NewRecord(EXECUTIONS.name, place.key, value, place.partition)], said[-1]
    small = [await offloaded(event, blobs) for event in said]
    cut = [
        NewRecord(EXECUTIONS.name, place.key, codec.encode(part, place.claim), place.partition)
        for part in _cut(small)
    ]
    return cut, small[-1]


def _until_unencodable(
    said: Sequence[events.Event], execution_id: ExecutionId
) -> list[events.Event]:
    """All before the event with a value that JSON cannot hold, and the failure that follows."""
    kept: list[events.Event] = []
    for event in said:
        try:
            codec.encode([event])
        except TypeError as error:
            where = values.unfit(getattr(event, "result", None)) or str(error)
            message = f"a step's result cannot be written as JSON: {where}"
            step = getattr(event, "step", "")
            for answer in said:
                if isinstance(answer, events.FlowAnswered):
                    kept.append(replace(answer, response=None, error=message))
            kept.append(events.ExecutionFailed(execution_id=execution_id, error=message, step=step))
            break
        kept.append(event)
    return kept


def _cut(said: Sequence[events.Event]) -> list[Sequence[events.Event]]:
    """Parts of about EVENTS_IN_RECORD; a step's changes of state stay with its result."""
    parts: list[Sequence[events.Event]] = []
    begin = 0
    for end in range(1, len(said) + 1):
        whole = not isinstance(
            said[end - 1], events.StateChanged | events.LogWritten | events.FlowInvoked
        )
        if end == len(said) or (whole and end - begin >= EVENTS_IN_RECORD):
            parts.append(said[begin:end])
            begin = end
    return parts


async def with_stored_body(event: events.FlowInvoked, blobs: Blobs) -> events.FlowInvoked:
    """A large body is left in the blob store, as that of a webhook is."""
    if event.request.body_bytes <= LARGE_BYTES or event.request.encoding == BodyEncoding.BLOB:
        return event
    content = body_of(event.request)
    blob = await blobs.put(f"invocations/{event.execution_id}", content)
    request = replace(event.request, body=blob.key, encoding=BodyEncoding.BLOB)
    return replace(event, request=request)


async def offloaded(event: events.Event, blobs: Blobs) -> events.Event:
    """The event with its large results in blobs."""
    if isinstance(event, events.StepSucceeded):
        path = hashlib.sha256(f"{event.step}\0{event.loop_path}".encode()).hexdigest()[:32]
        blob = await _stored(event.result, f"results/{event.execution_id}/{path}", blobs)
        if event.kept is not None:
            kept = await _stored(event.kept, f"results/{event.execution_id}/{path}.kept", blobs)
            event = event if kept is None else replace(event, kept={_BLOB: kept})
        return event if blob is None else replace(event, result=None, blob=blob)
    if (
        isinstance(event, events.ExecutionCompleted | events.FlowAnswered)
        and event.response is not None
    ):
        ended = getattr(event, "invoked", event.execution_id)
        key = f"results/{ended}/response"
        blob = await _stored(event.response.result, key, blobs)
        if blob is not None:
            return replace(event, response=replace(event.response, result=None, blob=blob))
    return event


async def _stored(result: Any, key: str, blobs: Blobs) -> str | None:
    content = values.dump(result)
    if len(content) <= LARGE_RESULT_BYTES:
        return None
    return (await blobs.put(key, content)).key


async def restored(event: events.Event, blobs: Blobs) -> events.Event:
    """The event with its results out of blobs."""
    if isinstance(event, events.FlowAnswered) and event.response and event.response.blob:
        result = values.load(await blobs.get(event.response.blob))
        return replace(event, response=replace(event.response, result=result, blob=None))
    if not isinstance(event, events.StepSucceeded):
        return event
    if event.kept is not None and _BLOB in event.kept:
        event = replace(event, kept=values.load(await blobs.get(event.kept[_BLOB])))
    if event.blob is None:
        return event
    return replace(event, result=values.load(await blobs.get(event.blob)), blob=None)
