"""Cleaning: what each kind of input makes of what a step resolves to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import cleaning
from processors.actions import Action, Input, Kind, Outcome, StepError
from schemas.definitions import Pair
from schemas.values import Value

MISSING: list[dict[str, Value]] = [{}, {"key": None}, {"key": ""}]


def cleaned(kind: Kind, resolved: dict[str, Value], **declared: Any) -> Value:
    action = Action(
        component="c",
        key="a",
        label="A",
        perform=Outcome,
        inputs=(Input(key="key", label="Label", kind=kind, **declared),),
    )
    return cleaning.clean(action, resolved)["key"]


def of(kind: Kind, value: Value) -> Value:
    return cleaned(kind, {"key": value})


@pytest.mark.parametrize("resolved", MISSING)
@pytest.mark.parametrize("kind", [Kind.ANY, Kind.TEXT, Kind.NUMBER, Kind.JSON])
def test_what_is_missing_is_the_default(kind: Kind, resolved: dict[str, Value]) -> None:
    assert cleaned(kind, resolved, default=7) == ("7" if kind is Kind.TEXT else 7)


@pytest.mark.parametrize("resolved", MISSING)
@pytest.mark.parametrize(
    ("kind", "empty"),
    [
        (Kind.ANY, None),
        (Kind.TEXT, ""),
        (Kind.NUMBER, None),
        (Kind.BOOLEAN, None),
        (Kind.JSON, None),
        (Kind.LIST, []),
        (Kind.PAIRS, []),
        (Kind.CONDITIONS, []),
        (Kind.CONNECTION, {}),
    ],
)
def test_without_a_default_it_is_the_empty_value_of_its_kind(
    kind: Kind, empty: Value, resolved: dict[str, Value]
) -> None:
    assert cleaned(kind, resolved) == empty


@pytest.mark.parametrize("resolved", MISSING)
def test_a_required_input_that_is_missing_fails_by_name(resolved: dict[str, Value]) -> None:
    with pytest.raises(StepError, match=r"Label \(key\) is required"):
        cleaned(Kind.TEXT, resolved, required=True)


def test_undeclared_inputs_are_dropped() -> None:
    action = Action(component="c", key="a", label="A", perform=Outcome)
    assert cleaning.clean(action, {"other": 1}) == {}


def test_values_that_are_false_are_not_missing() -> None:
    assert cleaned(Kind.ANY, {"key": False}, default=True) is False
    assert cleaned(Kind.NUMBER, {"key": 0}, default=5) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (True, "true"),
        ([1, "a", None], '[1,"a",null]'),
        ({"a": b"hi"}, '{"a":"aGk="}'),
        (b"\xc3\xbc", "ü"),
    ],
)
def test_texts(value: Value, text: str) -> None:
    assert of(Kind.TEXT, value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (2.5, 2.5), ("17", 17), (" -4 ", -4), ("1e3", 1000.0), (".5", 0.5), ("007", 7)],
)
def test_numbers(value: Value, number: float) -> None:
    assert of(Kind.NUMBER, value) == number


@pytest.mark.parametrize(
    ("value", "boolean"),
    [(True, True), (False, False), ("true", True), ("False", False), ("Yes", True), ("n", False)],
)
def test_booleans(value: Value, boolean: bool) -> None:
    assert of(Kind.BOOLEAN, value) is boolean


@pytest.mark.parametrize(
    ("value", "json"), [('{"a": [1]}', {"a": [1]}), ("3", 3), ("plain", "plain"), ([1], [1])]
)
def test_json(value: Value, json: Value) -> None:
    assert of(Kind.JSON, value) == json


@pytest.mark.parametrize("value", [[1, 2], "[1, 2]", (1, 2), [Pair("a", 1), 2]])
def test_lists(value: Value) -> None:
    assert of(Kind.LIST, value) == [1, 2]


@pytest.mark.parametrize(
    "value", [[Pair("a", 1)], {"a": 1}, '{"a": 1}', [{"key": "a", "value": 1}]]
)
def test_pairs(value: Value) -> None:
    assert of(Kind.PAIRS, value) == [Pair("a", 1)]


def test_conditions_stay_as_they_are() -> None:
    conditions = [Pair("Branch", ["and", ["exists", 1]])]
    assert of(Kind.CONDITIONS, conditions) == conditions


@pytest.mark.parametrize("value", [{"apiKey": "k"}, '{"apiKey": "k"}'])
def test_connections(value: Value) -> None:
    assert of(Kind.CONNECTION, value) == {"apiKey": "k"}


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (Kind.TEXT, object(), "object"),
        (Kind.NUMBER, "ten", '"ten"'),
        (Kind.NUMBER, "1_000", "1_000"),
        (Kind.NUMBER, True, "true"),
        (Kind.NUMBER, "NaN", "NaN"),
        (Kind.NUMBER, "1e999", "1e999"),
        (Kind.NUMBER, float("inf"), "null"),
        (Kind.BOOLEAN, "maybe", '"maybe"'),
        (Kind.BOOLEAN, 1, "1"),
        (Kind.LIST, 5, "5"),
        (Kind.LIST, {"a": 1}, '{"a":1}'),
        (Kind.PAIRS, [1], r"\[1\]"),
        (Kind.PAIRS, "word", '"word"'),
        (Kind.CONDITIONS, "word", '"word"'),
    ],
)
def test_what_does_not_fit_fails_with_name_and_value(kind: Kind, value: Value, shown: str) -> None:
    with pytest.raises(StepError, match=rf"Label \(key\) must be .* found .*{shown}"):
        of(kind, value)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(StepError) as caught:
        of(Kind.NUMBER, "x" * 10_000)
    assert len(str(caught.value)) < 400


def test_a_message_never_shows_what_is_in_a_connection() -> None:
    with pytest.raises(StepError) as caught:
        of(Kind.CONNECTION, "s3cret")
    assert "s3cret" not in str(caught.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(kind=st.sampled_from(Kind), value=values)
def test_any_value_is_either_coerced_or_a_step_error(kind: Kind, value: Value) -> None:
    try:
        once = of(kind, value)
    except StepError:
        return
    if kind is not Kind.JSON:
        assert of(kind, once) == once or once != once


@pytest.mark.parametrize("kind", [Kind.ANY, Kind.JSON])
def test_a_key_value_list_is_an_object_and_a_value_list_a_list(kind: Kind) -> None:
    assert of(kind, [Pair("a", 1), Pair("b", [2])]) == {"a": 1, "b": [2]}
    assert of(kind, [1, Pair("a", 2)]) == [1, 2]
    assert of(kind, [1, [2]]) == [1, [2]]


def test_numerals_beyond_64_bits_are_numbers_that_json_has() -> None:
    assert of(Kind.NUMBER, "9" * 18) == int("9" * 18)
    assert of(Kind.NUMBER, "9" * 30) == pytest.approx(1e30)
    assert isinstance(of(Kind.NUMBER, "9" * 30), float)


def test_json_that_is_nested_too_deep_for_the_log_stays_a_text() -> None:
    deep = "[" * 900 + "]" * 900
    assert of(Kind.JSON, deep) == deep
    assert of(Kind.JSON, "[" * 200 + "]" * 200) != "[" * 200 + "]" * 200


def test_a_null_is_kept_where_the_input_says_so_and_the_step_gives_one() -> None:
    given: list[dict[str, Value]] = [{"key": None}, {}, {"key": ""}, {"key": 0}]
    kept = [cleaned(Kind.ANY, one, default="d", keeps_null=True) for one in given]
    assert kept == [None, "d", "d", 0]
