"""Conditions: the truth table of every operator, with JavaScript's coercions."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import conditions
from processors.actions import StepError
from schemas.definitions import Pair
from schemas.stored import Stored
from schemas.values import NotLoaded

NAN = math.nan
OPPOSITES = [
    ("equal", "notEqual"),
    ("exactlyMatches", "doesNotExactlyMatch"),
    ("in", "notIn"),
    ("startsWith", "doesNotStartWith"),
    ("endsWith", "doesNotEndWith"),
    ("isTrue", "isFalse"),
    ("exists", "doesNotExist"),
    ("isEmpty", "isNotEmpty"),
]


def holds(operator: str, left: Any, right: Any = None) -> bool:
    return conditions.evaluate(["and", [operator, left, right]])


@pytest.mark.parametrize(
    ("operator", "left", "right", "answer"),
    [
        # JavaScript's ==, after texts that are JSON have become their values.
        ("equal", 1, "1", True),
        ("equal", "1", "1.0", True),
        ("equal", "01", 1, True),
        ("equal", "a", "a", True),
        ("equal", "a", "A", False),
        ("equal", True, 1, True),
        ("equal", "true", 1, True),
        ("equal", "yes", True, False),
        ("equal", None, None, True),
        ("equal", None, 0, False),
        ("equal", None, "", False),
        ("equal", "null", None, True),
        ("equal", "", 0, True),
        ("equal", " ", 0, True),
        ("equal", "0x10", 16, True),
        ("equal", "Infinity", math.inf, True),
        ("equal", NAN, NAN, False),
        ("equal", [1], "1", True),
        ("equal", [1, 2], "1,2", True),
        ("equal", [], "", True),
        ("equal", {}, "[object Object]", True),
        ("equal", {"a": "1"}, {"a": 1}, True),
        ("equal", {"a": 1}, {"a": 1, "b": None}, False),
        ("equal", [1, ["2"]], ["1", [2]], True),
        ("equal", '{"a": [1]}', {"a": ["1"]}, True),
        ("equal", [], {}, False),
        ("equal", b"ab", "ab", True),
        ("equal", 9007199254740993, 9007199254740992, False),
        # === : no coercion between types.
        ("exactlyMatches", 1, 1.0, True),
        ("exactlyMatches", "1", 1, True),
        ("exactlyMatches", "a", "a", True),
        ("exactlyMatches", True, 1, False),
        ("exactlyMatches", None, False, False),
        ("exactlyMatches", [1, {"a": "b"}], [1, {"a": "b"}], True),
        ("exactlyMatches", ["1"], [1], False),
        ("exactlyMatches", NAN, NAN, False),
        # Relational: numbers, unless both are texts.
        ("greaterThan", 10, 9, True),
        ("greaterThan", "10", "9", True),
        ("greaterThan", "b", "a", True),
        ("greaterThan", "a", "B", True),
        ("greaterThan", "a", 1, False),
        ("greaterThan", 1, "a", False),
        ("greaterThan", True, 0, True),
        ("greaterThan", None, -1, True),
        ("greaterThan", [3], 2, True),
        ("greaterThan", {}, 0, False),
        ("greaterThan", 2, 2, False),
        ("greaterThanOrEqual", 2, 2, True),
        ("greaterThanOrEqual", None, 0, True),
        ("greaterThanOrEqual", NAN, NAN, False),
        ("lessThan", "2", 10, True),
        ("lessThan", "\uffff", "\U0001f600", False),
        ("lessThan", 2, 2, False),
        ("lessThanOrEqual", 2, 2, True),
        ("lessThanOrEqual", "x", 2, False),
        # in: the right one contains the left one.
        ("in", "b", "abc", True),
        ("in", "x", "abc", False),
        ("in", "", "abc", True),
        ("in", "23", "12345", True),
        ("in", 1, [1, 2], True),
        ("in", "1", [1, 2], True),
        ("in", "1", ["1"], True),
        ("in", 3, "[1, 2]", False),
        ("in", "a", ["a", "b"], True),
        ("in", None, [None], True),
        ("in", "a", {"a": None}, True),
        ("in", "b", {"a": "b"}, False),
        ("in", 1, {"1": 0}, True),
        # The right text starts or ends with the left one.
        ("startsWith", "ab", "abc", True),
        ("startsWith", "abc", "ab", False),
        ("startsWith", "+49", "+4930", True),
        ("startsWith", "12", "12345", True),
        ("endsWith", "bc", "abc", True),
        ("endsWith", "abc", "bc", False),
        ("endsWith", "", "abc", True),
        # Dates.
        ("dateTimeAfter", "2024-01-02", "2024-01-01", True),
        ("dateTimeAfter", "2024-01-01", "2024-01-02", False),
        ("dateTimeAfter", "2024", "2023-12-31T23:59:59Z", True),
        ("dateTimeBefore", 0, "1970-01-02", True),
        ("dateTimeBefore", "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00Z", True),
        ("dateTimeSame", "2024-01-01T01:00:00+01:00", "2024-01-01", True),
        ("dateTimeSame", 1704067200000, "2024", True),
        ("dateTimeSame", "1704067200000", "2024-01-01", True),
        ("dateTimeSame", "2024-01-01T00:00:00.001Z", "2024-01-01", False),
    ],
)
def test_operators_on_two_values(operator: str, left: Any, right: Any, answer: bool) -> None:
    assert holds(operator, left, right) is answer


ON_ONE_VALUE: list[tuple[str, bool, list[Any]]] = [
    ("isTrue", True, [True, "t", "TRUE", "y", "Yes", 1, "2", "x", [], {}]),
    ("isTrue", False, [False, "f", "False", "N", "no", 0, "0", "", None]),
    ("exists", True, ["a", 1, True, [], {}, "[]", -1, b""]),
    ("exists", False, [None, 0, NAN, False, "", "0", "null", "false"]),
    ("isEmpty", True, ["", [], "[]", '""']),
    ("isEmpty", False, ["a", [0], "[0]", " ", "12", "null"]),
]


@pytest.mark.parametrize(
    ("operator", "value", "answer"),
    [(operator, value, answer) for operator, answer, row in ON_ONE_VALUE for value in row],
)
def test_operators_on_one_value(operator: str, value: Any, answer: bool) -> None:
    assert holds(operator, value) is answer


def test_an_operator_on_one_value_may_stand_without_a_right_one() -> None:
    assert conditions.evaluate(["and", ["exists", 1]]) is True


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        ("isEmpty", None, ""),
        ("isEmpty", 5, ""),
        ("isEmpty", {}, ""),
        ("isNotEmpty", True, ""),
        ("in", "a", None),
        ("in", 1, 12),
        ("startsWith", "a", None),
        ("endsWith", 1, "1"),
        ("doesNotStartWith", "a", ["a"]),
        ("dateTimeAfter", "yesterday", "2024"),
        ("dateTimeBefore", None, "2024"),
        ("dateTimeSame", True, "2024"),
        ("dateTimeSame", 10**30, "2024"),
        ("dateTimeSame", NAN, "2024"),
    ],
)
def test_what_cannot_be_compared_fails(operator: str, left: Any, right: Any) -> None:
    with pytest.raises(StepError, match=rf"^Incompatible comparison arguments: .*{operator}"):
        holds(operator, left, right)


def test_the_message_of_a_failure_shortens_long_operands() -> None:
    with pytest.raises(StepError) as caught:
        holds("startsWith", ["x" * 10_000], "a")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("tree", "answer"),
    [
        (["and"], True),
        (["or"], False),
        (["equal", 1, 1], True),
        (["and", ["equal", 1, 1], ["equal", 1, 2]], False),
        (["or", ["equal", 1, 2], ["equal", 1, 1]], True),
        (["and", ["or", ["equal", 1, 2], ["equal", 1, 1]], ["exists", "x"]], True),
        (("and", ("equal", Pair("", 1), Pair("", "1"))), True),
        (["and", ["equal", "and", "and"]], True),
        (["and", ["in", "and", ["and", "or"]]], True),
    ],
)
def test_trees(tree: Any, answer: bool) -> None:
    assert conditions.evaluate(tree) is answer


def test_what_comes_after_the_answer_is_known_is_not_evaluated() -> None:
    failing = ["isEmpty", 5]
    assert conditions.evaluate(["and", ["exists", 0], failing]) is False
    assert conditions.evaluate(["or", ["exists", 1], failing]) is True


@pytest.mark.parametrize("tree", [None, "and", [], [["equal", 1, 1]], {"and": 1}, Pair("and", 1)])
def test_what_is_no_tree_fails(tree: Any) -> None:
    with pytest.raises(StepError, match="Not a condition"):
        conditions.evaluate(tree)


def test_an_unknown_operator_fails_by_name() -> None:
    with pytest.raises(StepError, match=r"Unknown operator.*resembles"):
        holds("resembles", 1, 1)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(left=values, right=values)
def test_opposites_never_agree(left: Any, right: Any) -> None:
    for operator, opposite in OPPOSITES:
        try:
            answer = holds(operator, left, right)
        except StepError:
            with pytest.raises(StepError):
                holds(opposite, left, right)
        else:
            assert holds(opposite, left, right) is not answer


@given(left=values, right=values)
def test_equality_is_symmetric(left: Any, right: Any) -> None:
    for operator in ("equal", "exactlyMatches"):
        assert holds(operator, left, right) == holds(operator, right, left)


STORED = Stored("bodies/a", 1_000_000)


@pytest.mark.parametrize(
    ("operator", "right", "holds"),
    [
        ("exists", None, True),
        ("doesNotExist", None, False),
        ("isTrue", None, True),
        ("exactlyMatches", "text", False),
        ("exactlyMatches", STORED, True),
    ],
)
def test_of_bytes_in_the_blob_store_it_is_known_that_they_are_there(
    operator: str, right: Any, holds: bool
) -> None:
    assert conditions.evaluate([operator, STORED, right]) is holds


@pytest.mark.parametrize("operator", ["equal", "greaterThan", "exactlyMatches"])
def test_an_operator_that_needs_stored_bytes_asks_for_them(operator: str) -> None:
    with pytest.raises(NotLoaded):
        conditions.evaluate([operator, STORED, b"bytes"])


def test_a_message_names_no_second_value_where_the_operator_has_one() -> None:
    with pytest.raises(StepError) as refused:
        conditions.evaluate(["and", ["isEmpty", None, None]])
    assert str(refused.value) == (
        "Incompatible comparison arguments: null isEmpty: neither a text nor a list"
    )
