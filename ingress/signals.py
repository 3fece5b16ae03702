"""Signals: something from outside for an execution that waits for it, under `/api/v1/executions`.

Takes in JSON; gives out one event on `triggers`, keyed by the instance, then 202. Whether the
execution is there is asked of who keeps the views, which may be a moment behind: an execution that
nobody knows yet is looked for a little longer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Header
from pydantic import BaseModel

from eventlog.log import EventLog, NewRecord
from schemas import codec, events, ids
from schemas.errors import Refused
from schemas.ids import ExecutionId, InstanceId
from schemas.topics import TRIGGERS
from schemas.values import dump

MAX_DATA_BYTES = 64 * 1024
"""A signal stands in the journal and is carried with its execution."""

MAX_NAME_CHARACTERS = 200
LOOK_FOR_S = 2.0
LOOK_EVERY_S = 0.1


class Found(NamedTuple):
    """What the views say of an execution."""

    instance_id: InstanceId
    has_ended: bool


Find = Callable[[ExecutionId], Awaitable[Found | None]]


class SignalBody(BaseModel):
    executionId: str
    signal: str
    status: str = "accepted"


def router(log: EventLog, find: Find, prefix: str, look_for_s: float = LOOK_FOR_S) -> APIRouter:
    api = APIRouter(prefix=prefix, tags=["executions"])

    @api.post(
        "/executions/{execution}/signals/{name:path}",
        status_code=202,
        summary="Tell a waiting execution something",
    )
    async def signal(
        execution: str,
        name: str,
        data: Annotated[Any, Body()] = None,
        idempotency_key: Annotated[str, Header(max_length=500)] = "",
    ) -> SignalBody:
        _check(name, data)
        execution_id = ExecutionId(ids.from_global(ids.EXECUTION, execution))
        found = await _look_for(find, execution_id, look_for_s)
        if found is None:
            message = f"There is no execution with id: {execution}"
            raise Refused(message, status=404, reason="unknown_execution")
        if found.has_ended:
            message = f"The execution {execution} has ended and takes no signals."
            raise Refused(message, status=409, reason="execution_ended")
        received = events.SignalReceived(
            instance_id=found.instance_id,
            execution_id=execution_id,
            name=name,
            data=data,
            idempotency_key=idempotency_key,
        )
        value = codec.encode([received])
        await log.append([NewRecord(TRIGGERS.name, found.instance_id, value)])
        shown = ids.to_global(ids.EXECUTION, execution_id)
        return SignalBody(executionId=shown, signal=name)

    return api


def _check(name: str, data: Any) -> None:
    if not name:
        raise Refused("The signal has no name.", reason="bad_signal")
    if len(name) > MAX_NAME_CHARACTERS:
        found = f"{len(name)} characters, more than {MAX_NAME_CHARACTERS}"
        message = f"The name of a signal has {found}."
        raise Refused(message, reason="bad_signal")
    size = len(dump(data))
    if size > MAX_DATA_BYTES:
        message = f"The data of a signal is {size} bytes long, more than {MAX_DATA_BYTES}."
        raise Refused(message, status=413, reason="too_large")


async def _look_for(find: Find, execution_id: ExecutionId, look_for_s: float) -> Found | None:
    looks = int(look_for_s / LOOK_EVERY_S)
    while (found := await find(execution_id)) is None and looks > 0:
        looks -= 1
        await asyncio.sleep(LOOK_EVERY_S)
    return found
