"""The codec: envelopes of events to the bytes of a record and back, on orjson.

A record's value is `{"v": 1, "events": [[wire name, {field: value}], …]}`, with `"claim": offset`
on the records of a journal. A reader ignores fields that it does not know (a newer version wrote
them) and fills fields that are not there with their defaults (an older one did); what an older
version said otherwise, UPCASTERS turns into today's fields.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from schemas import events
from schemas.errors import Undecodable

VERSION = 1

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one record says: events of one key, appended together."""

    events: tuple[events.Event, ...]
    claim: int | None = None


UPCASTERS: dict[str, Callable[[Fields], Fields]] = {}
"""By wire name: from the fields as any earlier release wrote them to today's."""

_CLASSES: dict[str, type[Any]] = {name: cls for cls, name in events.WIRE_NAMES.items()}
_FIELDS = {cls: frozenset(f.name for f in fields(cls)) for cls in events.WIRE_NAMES}
_NESTED: dict[str, tuple[tuple[str, type[Any]], ...]] = {
    "instance.deployed": (("schedules", events.Scheduled),),
    "webhook.received": (("request", events.Request),),
    "flow.invoked": (("request", events.Request),),
    "execution.admitted": (("request", events.Request), ("preprocess", events.Preprocess)),
    "dispatch.requested": (("admission", events.ExecutionAdmitted),),
    "execution.completed": (("response", events.Response),),
    "flow.answered": (("response", events.Response),),
    "result.ready": (("response", events.Response),),
}


def encode(said: Sequence[events.Event], claim: int | None = None) -> bytes:
    """The bytes of one record. Raises TypeError for a value that JSON cannot hold."""
    body: Fields = {"v": VERSION, "events": [(events.WIRE_NAMES[type(e)], e) for e in said]}
    if claim is not None:
        body["claim"] = claim
    try:
        return orjson.dumps(body)
    except TypeError:
        return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)


def decode(value: bytes) -> Envelope:
    """The envelope in the bytes of a record. Raises Undecodable with the cause."""
    try:
        body = orjson.loads(value)
        version = body["v"]
        if version > VERSION:
            raise Undecodable(f"envelope version {version} is newer than {VERSION}")
        said = tuple([_event(name, given) for name, given in body["events"]])
        return Envelope(said, body.get("claim"))
    except Undecodable:
        raise
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Undecodable(f"not an envelope of events: {type(error).__name__}: {error}") from error


def _event(name: str, given: Fields) -> events.Event:
    cls = _CLASSES.get(name)
    if cls is None:
        raise Undecodable(f"unknown event {name!r}")
    if name in UPCASTERS:
        given = UPCASTERS[name](given)
    for nested, nested_cls in _NESTED.get(name, ()):
        value = given.get(nested)
        if isinstance(value, list):
            given[nested] = [_construct(nested_cls, item) for item in value]
        elif value is not None:
            wire_name = events.WIRE_NAMES.get(nested_cls)
            given[nested] = _event(wire_name, value) if wire_name else _construct(nested_cls, value)
    event: events.Event = _construct(cls, given)
    return event


def _construct(cls: type[Any], given: Fields) -> Any:
    try:
        return cls(**given)
    except TypeError:
        known = _FIELDS.get(cls) or frozenset(f.name for f in fields(cls))
        return cls(**{key: value for key, value in given.items() if key in known})
