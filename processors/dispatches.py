"""Dispatches: executions that go on as another instance's, where a preprocess flow has named it.

Takes in DispatchRequested; gives out the admission that its journal starts from, and the news for a
caller who waits for the decision. Pure. The request was within the limit when it came, and what was
accepted then runs: nothing is refused here. It may be said more than once, by a worker that took
over or by one that had lost its partition; the first one counts (processors.idempotency).
"""

from dataclasses import replace

from processors import idempotency, routing
from schemas import events
from schemas.instants import Instant


def decide(
    event: events.DispatchRequested,
    now: Instant,
    *,
    keys: idempotency.State,
    partition: int,
    offset: int,
) -> list[events.Event]:
    """What becomes of the event at `partition` and `offset`; nothing where it is a repeat."""
    admission = event.admission
    key = idempotency.of_dispatch(admission.execution_id)
    if idempotency.find(keys, idempotency.DISPATCHES, key, now) is not None:
        return []
    admitted = replace(
        admission,
        trigger_partition=partition,
        trigger_offset=offset,
        preprocess=None,
        continues=True,
        idempotency_key=key,
        fingerprint="",
    )
    by_flow = admission.preprocess is not None and admission.preprocess.by_flow
    return [admitted, *routing.told(admitted, by_flow=by_flow)]
