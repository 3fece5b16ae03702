"""Batches: the items of one trigger result, cut into executions of their own. Pure.

Where a flow has a `triggerResolver` that is enabled, the execution that runs the trigger only finds
the items (platform-behaviour, 2.7). Each batch is an execution of the same flow, whose trigger is
not run again: what it gives is the batch as `body.data`, the item itself where batches are of one.
"""

from collections.abc import Sequence
from dataclasses import replace

from schemas import events, ids
from schemas.definitions import Flow
from schemas.events import BodyEncoding
from schemas.ids import ExecutionId
from schemas.values import Value, dump

MOST_AT_ONCE = 100
"""So many batches of one execution are under way at most, whatever the flow allows."""

_JSON = "application/json"


def size_of(flow: Flow) -> int:
    """How many items make a batch; 0 where the flow has no resolver that is enabled."""
    resolver = flow.resolver
    return max(1, resolver.batch_size) if resolver is not None and resolver.enabled else 0


def at_once(flow: Flow) -> int:
    """How many batches may be under way."""
    limit = flow.resolver.concurrent_batch_limit if flow.resolver is not None else 1
    return max(1, min(limit or MOST_AT_ONCE, MOST_AT_ONCE))


def cut(items: Sequence[Value], size: int) -> list[Value]:
    """The bodies of the batches, in order."""
    if size == 1:
        return list(items)
    return [list(items[begin : begin + size]) for begin in range(0, len(items), size)]


def id_of(admitted: events.ExecutionAdmitted, page: int, index: int) -> ExecutionId:
    """The same however often the batch is said."""
    return ids.invocation_of(ids.derived("batch", admitted.execution_id, page), index)


def invoked(
    admitted: events.ExecutionAdmitted, step: str, page: int, index: int, batch: Value
) -> events.FlowInvoked:
    """The event that starts batch `index` of `page`. Raises NotSerializable."""
    body = dump(batch).decode()
    headers = [pair for pair in admitted.request.headers if pair[0].lower() != "content-type"]
    request = replace(
        admitted.request,
        headers=[*headers, ["Content-Type", _JSON]],
        body=body,
        encoding=BodyEncoding.TEXT,
        body_bytes=len(body.encode()),
        content_type=_JSON,
    )
    return events.FlowInvoked(
        execution_id=id_of(admitted, page, index),
        instance_id=admitted.instance_id,
        flow=admitted.flow,
        request=request,
        invoked_by=admitted.execution_id,
        step=step,
        loop_path=path_of(step, page),
        invoke_type=admitted.invoke_type,
        invoke_url=admitted.invoke_url,
        is_batch=True,
    )


def path_of(step: str, page: int) -> str:
    """Where the trigger's run for a page stands: the first one as that of any trigger."""
    return f"{step}[{page}]" if page else ""
