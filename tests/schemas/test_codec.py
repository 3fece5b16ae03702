"""The codec: events survive the log, older and newer writers are understood, junk is Poison."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.errors import Poison, Undecodable
from tests.schemas.wire_samples import SAMPLES

CLASSES = sorted(events.WIRE_NAMES, key=lambda cls: cls.__name__)
JSON_INTEGERS = st.integers(-(2**63), 2**64 - 1)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | JSON_INTEGERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field annotated with `hint` may hold."""
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return instances_of(hint)
    simple = {
        Any: JSON,
        int: JSON_INTEGERS,
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return simple[hint] if hint in simple else st.from_type(hint)


def instances_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    given_fields = {field.name: values_of(hints[field.name]) for field in dataclasses.fields(cls)}
    return st.builds(cls, **given_fields)


EVENTS: st.SearchStrategy[Any] = st.one_of([instances_of(cls) for cls in CLASSES])


def default_of(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def optional_fields(cls: type[Any]) -> dict[str, Any]:
    """The fields with a default, and the default."""
    found = {field.name: default_of(field) for field in dataclasses.fields(cls)}
    return {name: value for name, value in found.items() if value is not dataclasses.MISSING}


def record(name: str, fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"v": 1, "events": [[name, fields]]})


def fields_on_wire(event: Any) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(codec.encode([event]))["events"][0][1]
    return fields


def test_every_event_has_a_wire_name_of_its_own() -> None:
    assert set(events.WIRE_NAMES) == set(typing.get_args(events.Event))
    assert len(set(events.WIRE_NAMES.values())) == len(events.WIRE_NAMES)


def test_no_upcaster_is_for_a_name_that_no_event_has() -> None:
    assert set(codec.UPCASTERS) <= set(events.WIRE_NAMES.values())


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_every_event_comes_back_from_its_bytes(cls: type[Any], data: st.DataObject) -> None:
    event = data.draw(instances_of(cls))
    (decoded,) = codec.decode(codec.encode([event])).events
    assert decoded == event
    assert type(decoded) is cls


@given(st.lists(EVENTS, max_size=4), st.none() | st.integers(0, 2**63 - 1))
def test_events_of_one_record_keep_their_order_and_its_claim(
    said: list[events.Event], claim: int | None
) -> None:
    assert codec.decode(codec.encode(said, claim)) == codec.Envelope(tuple(said), claim)


@given(EVENTS)
def test_encoding_is_stable(event: events.Event) -> None:
    encoded = codec.encode([event])
    assert codec.encode(codec.decode(encoded).events) == encoded


@given(EVENTS, JSON)
def test_fields_of_a_newer_writer_are_ignored(event: events.Event, value: object) -> None:
    fields = fields_on_wire(event) | {"field_of_tomorrow": value, "self": value}
    for nested in ("request", "response"):
        if fields.get(nested):
            fields[nested] |= {"field_of_tomorrow": value}
    name = events.WIRE_NAMES[type(event)]
    assert codec.decode(record(name, fields)).events == (event,)


@given(EVENTS)
def test_fields_that_an_older_writer_did_not_know_get_their_defaults(event: Any) -> None:
    defaults = optional_fields(type(event))
    fields = {key: value for key, value in fields_on_wire(event).items() if key not in defaults}
    expected = dataclasses.replace(event, **defaults)
    name = events.WIRE_NAMES[type(event)]
    assert codec.decode(record(name, fields)).events == (expected,)


def test_fields_of_a_nested_request_get_their_defaults_too() -> None:
    fields = orjson.loads(dict(SAMPLES)["webhook.received"])["events"][0][1]
    del fields["request"]["content_type"]
    (event,) = codec.decode(record("webhook.received", fields)).events
    assert isinstance(event, events.WebhookReceived)
    assert isinstance(event.request, events.Request)
    assert event.request.content_type == ""


@given(EVENTS, st.data())
def test_a_record_that_lacks_a_needed_field_is_undecodable(
    event: events.Event, data: st.DataObject
) -> None:
    fields = fields_on_wire(event)
    needed = sorted(fields.keys() - optional_fields(type(event)).keys())
    del fields[data.draw(st.sampled_from(needed))]
    with pytest.raises(Undecodable):
        codec.decode(record(events.WIRE_NAMES[type(event)], fields))


def _as_written(understood: Any, written: Any) -> Any:
    """Without the fields that came later, also in what is nested."""
    if not isinstance(understood, dict) or not isinstance(written, dict):
        return understood
    return {key: _as_written(understood.get(key), written[key]) for key in written}


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_old_records_decode_for_ever(name: str, sample: bytes) -> None:
    (event,) = codec.decode(sample).events
    assert events.WIRE_NAMES[type(event)] == name
    written = orjson.loads(sample)["events"][0][1]
    understood = dataclasses.asdict(event)
    assert _as_written(understood, written) == written


def test_every_event_has_an_old_record() -> None:
    assert {name for name, _ in SAMPLES} == set(events.WIRE_NAMES.values())


def test_a_record_of_a_journal_keeps_its_claim_for_ever() -> None:
    sample = b'{"v":1,"events":[["instance.paused",{"instance_id":"i"}]],"claim":41}'
    assert codec.decode(sample).claim == 41


def test_an_upcaster_sees_the_fields_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast(fields: dict[str, Any]) -> dict[str, Any]:
        return {"instance_id": fields["old_id"]}

    monkeypatch.setitem(codec.UPCASTERS, "instance.paused", upcast)
    (event,) = codec.decode(record("instance.paused", {"old_id": "i"})).events
    assert dataclasses.asdict(event) == {"instance_id": "i"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "not an envelope"),
        (b"[]", "not an envelope"),
        (b"{}", "not an envelope"),
        (b'{"v":2,"events":[]}', "version 2 is newer than 1"),
        (b'{"v":"1","events":[]}', "not an envelope"),
        (b'{"v":1,"events":[["nobody.said",{}]]}', "unknown event 'nobody.said'"),
        (b'{"v":1,"events":[["instance.paused",[]]]}', "not an envelope"),
        (b'{"v":1,"events":[["instance.paused"]]}', "not an envelope"),
        (b'{"v":1,"events":[[[],{}]]}', "not an envelope"),
        (b'{"v":1,"events":[["webhook.received",{"request":5}]]}', "not an envelope"),
    ],
)
def test_what_is_no_envelope_is_undecodable_and_says_why(value: bytes, message: str) -> None:
    with pytest.raises(Undecodable, match=message) as raised:
        codec.decode(value)
    assert isinstance(raised.value, Poison)


@given(st.binary() | JSON.map(orjson.dumps))
def test_any_bytes_are_an_envelope_or_undecodable(value: bytes) -> None:
    try:
        decoded = codec.decode(value)
    except Undecodable:
        return
    assert isinstance(decoded, codec.Envelope)


@given(st.sampled_from(sorted(events.WIRE_NAMES.values())), JSON)
def test_any_fields_are_an_event_or_undecodable(name: str, fields: Any) -> None:
    try:
        (decoded,) = codec.decode(record(name, fields)).events
    except Undecodable:
        return
    assert events.WIRE_NAMES[type(decoded)] == name


def test_a_value_that_json_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        codec.encode([events.LogWritten(execution_id=object(), level="info", message="")])  # type: ignore[arg-type]  # that is the point
