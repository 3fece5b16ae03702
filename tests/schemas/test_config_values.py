"""Config values: what a text says for each type of config variable."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import config_values
from schemas.config_values import Unfit
from schemas.definitions import RequiredConfigVar


def typed(data_type: str, given: Any, collection: str = "", *picks: str) -> Any:
    variable = RequiredConfigVar(
        key="v", data_type=data_type, collection=collection, pick_list=picks
    )
    return config_values.typed(variable, given)


@pytest.mark.parametrize(
    ("data_type", "given", "value"),
    [
        ("string", "007", "007"),
        ("string", "", ""),
        ("string", 5, "5"),
        ("code", "{}", "{}"),
        ("number", "10", 10),
        ("number", " 1.5e1 ", 15.0),
        ("number", 7, 7),
        ("number", "", None),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("boolean", False, False),
        ("boolean", "", None),
        ("date", "2026-01-31", "2026-01-31"),
        ("date", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("timestamp", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("timestamp", "", None),
        ("schedule", "*/5 * * * *", "*/5 * * * *"),
        ("objectSelection", '[{"key": "a"}]', [{"key": "a"}]),
        ("objectFieldMap", '{"a": 1}', {"a": 1}),
        ("jsonForm", "", None),
        ("jsonForm", {"a": 1}, {"a": 1}),
        ("connection", '{"token": "x"}', {"token": "x"}),
        ("connection", None, None),
    ],
)
def test_what_is_given_becomes_a_value_of_the_type(data_type: str, given: Any, value: Any) -> None:
    found = typed(data_type, given)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("data_type", "given", "wanted"),
    [
        ("number", "ten", "a number"),
        ("number", "1e999", "a number"),
        ("number", True, "a number"),
        ("boolean", "1", "true or false"),
        ("boolean", 2, "true or false"),
        ("date", "31.1.2026", "a date"),
        ("timestamp", "noon", "an instant"),
        ("schedule", "@daily", "has one field"),
        ("jsonForm", "{a}", "JSON"),
        ("connection", "[1]", "fields"),
        ("connection", 5, "fields"),
    ],
)
def test_what_does_not_fit_is_refused_without_being_shown(
    data_type: str, given: Any, wanted: str
) -> None:
    with pytest.raises(Unfit, match=wanted) as caught:
        typed(data_type, given)
    assert repr(given) not in str(caught.value)


def test_a_choice_must_be_on_its_list() -> None:
    assert typed("picklist", "eu", "", "eu", "us") == "eu"
    assert typed("picklist", "anything") == "anything"
    with pytest.raises(Unfit, match="one of 'eu', 'us'"):
        typed("picklist", "mars", "", "eu", "us")


def test_lists_hold_values_of_the_type() -> None:
    assert typed("number", '["1", 2]', "valuelist") == [1, 2]
    assert typed("boolean", {"a": "true"}, "keyvaluelist") == [{"key": "a", "value": True}]
    assert typed("string", '[{"key": "a", "value": "b"}]', "keyvaluelist") == [
        {"key": "a", "value": "b"}
    ]
    assert typed("number", "", "valuelist") is None


@pytest.mark.parametrize(
    ("collection", "given", "path"),
    [
        ("valuelist", "[1, null, []]", "[2]"),
        ("valuelist", "5", ""),
        ("keyvaluelist", "[1]", "[0]"),
        ("keyvaluelist", '{"a": "x"}', "[0].value"),
        ("keyvaluelist", "7", ""),
    ],
)
def test_a_member_that_does_not_fit_is_named_by_its_path(
    collection: str, given: str, path: str
) -> None:
    with pytest.raises(Unfit) as caught:
        typed("number", given, collection)
    assert caught.value.path == path


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(config_values.DATA_TYPES), st.sampled_from(("", "valuelist")), ANY)
def test_a_value_is_typed_once_and_for_all_or_refused(
    data_type: str, collection: str, given_value: Any
) -> None:
    try:
        found = typed(data_type, given_value, collection)
    except Unfit:
        return
    assert repr(typed(data_type, found, collection)) == repr(found)
