"""Idempotency: which requests repeat an earlier one of the same key. Pure.

Takes in what a partition of `triggers` has admitted; gives out the execution that a key belongs to.
A key counts at its endpoint for WINDOW_S, and as long as no MOST_KEYS newer ones have come there.
It is a hash: what callers choose as a key is theirs.

Each admission carries its key. So that recovery need not read a whole window of them, the keys that
count are said again from time to time (KeysRemembered), and a reader's offset tells from where.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import events
from schemas.ids import EndpointId, ExecutionId, derived
from schemas.instants import SECOND, Instant

WINDOW_S = 86_400
WINDOW = Instant(WINDOW_S * SECOND)
MOST_KEYS = 100_000
KEYS_IN_EVENT = 1_000
DISPATCHES = EndpointId("dispatches")
"""Where the keys of what follows preprocess flows are kept, apart from those of callers."""


class Known(NamedTuple):
    """Whose a key is: of the execution that it came with first, at `at`, with such a request."""

    execution_id: ExecutionId
    fingerprint: str
    at: Instant


@dataclass(slots=True)
class State:
    """The keys of one partition, by endpoint, oldest first. It is changed in place."""

    held: dict[EndpointId, dict[str, Known]] = field(default_factory=dict)


def evolve(state: State, event: events.Event) -> None:
    """Collect the key of an admission, and keys said again."""
    if isinstance(event, events.ExecutionAdmitted) and event.idempotency_key:
        known = Known(event.execution_id, event.fingerprint, event.received_at)
        endpoint_id = DISPATCHES if event.continues else event.endpoint_id
        _remember(state, endpoint_id, event.idempotency_key, known)
    elif isinstance(event, events.KeysRemembered):
        for endpoint_id, key, fingerprint, execution_id, at in event.keys:
            _remember(state, endpoint_id, key, Known(execution_id, fingerprint, at))


def find(state: State, endpoint_id: EndpointId, key: str, now: Instant) -> Known | None:
    """The execution that `key` belongs to now."""
    known = state.held.get(endpoint_id, {}).get(key)
    return known if known is not None and now - known.at < WINDOW else None


def of_field(text: str) -> str:
    """The key that a request holds where its flow says."""
    return derived("idempotency field", text)


def scoped(key: str, instance_id: str, flow: str) -> str:
    """`key` at an endpoint of several flows, where it counts for one flow of one instance."""
    return derived("idempotency key", instance_id, flow, key)


def of_dispatch(execution_id: ExecutionId) -> str:
    """The key by which what follows a preprocess flow is started once."""
    return derived("dispatch", execution_id)


def remembered(state: State, partition: int, now: Instant) -> Iterator[events.KeysRemembered]:
    """All keys that count at `now`, to be said again; what does not is forgotten here."""
    forget(state, now)
    rows = [
        [endpoint_id, key, known.fingerprint, known.execution_id, known.at]
        for endpoint_id, held in state.held.items()
        for key, known in held.items()
    ]
    for begin in range(0, len(rows), KEYS_IN_EVENT):
        some = rows[begin : begin + KEYS_IN_EVENT]
        yield events.KeysRemembered(trigger_partition=partition, keys=some)


def forget(state: State, now: Instant) -> None:
    """Leave the keys out that do not count any more at `now`."""
    for endpoint_id, held in list(state.held.items()):
        left = {key: known for key, known in held.items() if now - known.at < WINDOW}
        if left:
            state.held[endpoint_id] = left
        else:
            del state.held[endpoint_id]


def count(state: State) -> int:
    return sum(len(held) for held in state.held.values())


def _remember(state: State, endpoint_id: EndpointId, key: str, known: Known) -> None:
    """The first of a window stands; keys that are too old, or too many, are forgotten."""
    held = state.held.setdefault(endpoint_id, {})
    former = held.get(key)
    if former is not None and known.at - former.at < WINDOW:
        return
    held.pop(key, None)
    held[key] = known
    while len(held) > MOST_KEYS or known.at - next(iter(held.values())).at >= WINDOW:
        del held[next(iter(held))]
