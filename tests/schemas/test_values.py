"""Values of steps: bytes survive JSON, nothing of the user's is mistaken for a tag."""

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import values
from schemas.definitions import Pair

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
KEYS = st.sampled_from(["$bytes", "$dict"]) | st.text()


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    )


@given(nested(SCALARS | st.binary()))
@example({"$bytes": "AA=="})
@example([{"$bytes": "AA=="}, b""])
@example({"$dict": {"$bytes": b"x"}})
@example({"$dict": {"$dict": {"$bytes": [b"x"]}}})
def test_a_value_comes_back_through_json(value: Any) -> None:
    content, tagged = values.to_json(value)
    assert values.from_json(orjson.loads(orjson.dumps(content)), tagged) == value


@given(nested(SCALARS))
def test_a_value_without_bytes_stays_as_it_is(value: Any) -> None:
    assert values.to_json(value) == (value, False)


@given(st.binary())
def test_bytes_are_tagged(content: bytes) -> None:
    tag = {"$bytes": base64.b64encode(content).decode()}
    assert values.to_json(content) == (tag, True)
    assert values.to_json({"a": [content]}) == ({"a": [tag]}, True)


def test_tuples_come_back_as_lists_and_keys_as_texts() -> None:
    content, tagged = values.to_json({1: (b"a", "b")})
    assert values.from_json(content, tagged) == {"1": [b"a", "b"]}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, 2**64]}, "int: Integer exceeds 64-bit range at .a[1]"),
        ({1, 2}, "set: Type is not JSON serializable: set at the root"),
        (["\ud800"], "at [0]"),
        ({"a": b"x", "b": [None, 1.5, True]}, ""),
    ],
)
def test_what_the_log_cannot_hold_is_found(value: Any, where: str) -> None:
    found = values.unfit(value)
    assert found.endswith(where)
    assert bool(found) == bool(where)


def test_what_is_nested_too_deep_or_in_a_circle_is_found() -> None:
    circle: list[Any] = []
    circle += [circle, circle]
    assert values.unfit(circle).startswith("more than 240 levels at [1][1]")


def test_what_json_cannot_hold_beside_bytes_is_named_with_its_place() -> None:
    with pytest.raises(values.NotSerializable, match=r"set at \.a\[1\]"):
        values.to_json({"a": [b"", {1, 2}]})


def test_people_get_bytes_as_base64_text() -> None:
    assert values.dump({"a": b"\x00", "b": [1, None]}) == b'{"a":"AA==","b":[1,null]}'


def test_what_cannot_be_shown_as_json_is_not_serializable() -> None:
    with pytest.raises(values.NotSerializable, match="object"):
        values.dump({"a": object()})


@given(nested(SCALARS))
def test_what_people_get_is_the_value_as_json(value: Any) -> None:
    assert orjson.loads(values.dump(value)) == value


def test_a_value_nested_deeper_than_python_follows_is_refused_by_name() -> None:
    value: values.Value = []
    for _ in range(2_000):
        value = [value]
    with pytest.raises(values.NotSerializable, match="nested too deep"):
        values.to_json(value)


def test_dates_and_uuids_are_texts_beside_bytes_as_they_are_without() -> None:
    value = {"at": datetime(2026, 1, 31, tzinfo=UTC), "id": UUID(int=7), "raw": b"x"}
    written, tagged = values.to_json(value)
    assert tagged
    assert values.from_json(written, tagged) == {
        "at": "2026-01-31T00:00:00+00:00",
        "id": "00000000-0000-0000-0000-000000000007",
        "raw": b"x",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([Pair("a", 1), "b", b"x"], '[["a",1],"b","eA=="]'),
        ({1: {2}}, '{"1":"{2}"}'),
        ("x" * 300, f'"{"x" * 199}…'),
    ],
)
def test_an_error_shows_a_value_as_json_and_no_more_of_it_than_helps(
    value: Any, shown: str
) -> None:
    assert values.shown(value) == shown
