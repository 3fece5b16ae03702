"""Collection tools: what each action documents, its default, and input that it cannot take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.actions import Change, LogLine, StepError
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.values import Value
from tests.processors.components.test_kit import context, run

TOOLS = "collection-tools"
EMPLOYEE = {"employee": {"id": "123", "tags": [{"a": 1}]}}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


def result(key: str, /, **inputs: Any) -> Value:
    return run(TOOLS, key, inputs).result


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("addKey", {"object": {"a": 1}, "key": "b", "value": 2}, {"a": 1, "b": 2}),
        ("addKey", {"object": '{"a": 1}', "key": "a.b", "value": ""}, {"a": 1, "a.b": ""}),
        (
            "addKey",
            {"object": EMPLOYEE, "key": "city", "value": "Bonn", "objectPath": "employee.home"},
            {"employee": {"id": "123", "tags": [{"a": 1}], "home": {"city": "Bonn"}}},
        ),
        (
            "addKey",
            {"object": EMPLOYEE, "key": "b", "value": 2, "objectPath": "employee.tags.0"},
            {"employee": {"id": "123", "tags": [{"a": 1, "b": 2}]}},
        ),
        (
            "addMultipleKeys",
            {"object": {"a": 1}, "keyValueListInput": [Pair("b", [2]), Pair("a", 3)]},
            {"a": 3, "b": [2]},
        ),
        (
            "addMultipleKeys",
            {"object": {}, "dynamicFields": {"b": 2}, "keyValueListInput": [Pair("c", 3)]},
            {"b": 2},
        ),
        (
            "addMultipleKeys",
            {"object": {}, "dynamicFields": '[{"key": "b", "value": 2}]', "objectPath": "x.y"},
            {"x": {"y": {"b": 2}}},
        ),
        ("append", {"listInput": [1, 2], "elementInput": [3]}, [1, 2, [3]]),
        ("append", {"listInput": "", "elementInput": 1}, [1]),
        ("chunks", {"listInput": [1, 2, 3], "numberInput": "2"}, [[1, 2], [3]]),
        ("chunks", {"listInput": [1, 2], "numberInput": ""}, [[1], [2]]),
        ("combineCollections", {"collections": [Pair("a", [1])]}, {"a": [1]}),
        ("concatenate", {"listInput": "[1]", "listInput2": [2, 3]}, [1, 2, 3]),
        ("count", {"listInput": [1, "1", 1.0, [1]], "elementInput": 1}, 2),
        ("count", {"listInput": [1, "1", {"a": 1, "b": 2}], "elementInput": "1"}, 2),
        ("count", {"listInput": [{"a": 1, "b": 2}], "elementInput": {"b": 2, "a": 1}}, 1),
        ("create", {"items": ["a", {"b": 1}]}, ["a", {"b": 1}]),
        ("create", {"items": []}, []),
        ("createObject", {"keyValueInput": [Pair("a", 1)]}, {"a": 1}),
        ("deduplicate", {"listInput": [2, 1, 2.0, {"a": 1}, {"a": 1}, "2"]}, [2, 1, {"a": 1}, "2"]),
        (
            "fieldValueMapping",
            {
                "keyMappings": [Pair("a", "A"), Pair("b", "B")],
                "valueMappings": {"a": 1, "c": 3},
            },
            [{"key": "A", "value": 1}],
        ),
        ("first", {"listInput": [7, 8]}, 7),
        ("first", {"listInput": []}, None),
        ("last", {"listInput": [7, 8]}, 8),
        ("last", {"listInput": []}, None),
        ("flatten", {"listInput": [[1, [2]], 3, []]}, [1, [2], 3]),
        ("fromObject", {"object": {"a": 1}}, [{"key": "a", "value": 1}]),
        (
            "toObject",
            {"keyValueListInput": [{"key": "a", "value": 1}, {"key": 2}]},
            {"a": 1, "2": None},
        ),
        ("length", {"listInput": "[1, 2]"}, 2),
        ("length", {"listInput": None}, 0),
        ("remove", {"listInput": ["a", "b", "a"], "elementInput": "a"}, ["b"]),
        ("remove", {"listInput": [1, 2], "elementInput": "1"}, [2]),
        ("selectItemFromList", {"listInput": ["a", ["b", "c"]], "indexInput": "1.0"}, "b"),
        ("selectItemFromList", {"listInput": ["a"], "indexInput": 0}, "a"),
        ("selectItemFromList", {"listInput": ["a"], "indexInput": "4"}, None),
        ("takeFirst", {"listInput": [1, 2, 3], "numberInput": 2}, [1, 2]),
        ("takeFirst", {"listInput": [1, 2, 3]}, [1]),
        ("takeLast", {"listInput": [1, 2, 3], "numberInput": 2}, [2, 3]),
        ("takeLast", {"listInput": [1, 2, 3]}, [3]),
        ("takeLast", {"listInput": [1, 2, 3], "numberInput": 0}, []),
    ],
)
def test_each_tool_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert result(key, **inputs) == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        (
            "addKey",
            {"object": "[1]", "key": "a"},
            r"Object \(object\) must be an object, found \[1",
        ),
        ("addKey", {"object": {}, "key": ""}, r"Key \(key\) is required"),
        ("addKey", {"object": {"a": 5}, "key": "b", "objectPath": "a"}, "'a' leads, found 5"),
        ("addKey", {"object": {"a": [1]}, "key": "b", "objectPath": "a.1"}, "there is no '1'"),
        ("addMultipleKeys", {"object": {}, "dynamicFields": "[1]"}, r"dynamicFields\).*found 1"),
        ("append", {"listInput": "abc"}, r"List \(listInput\) must be a list, found \"abc\""),
        ("chunks", {"listInput": [1], "numberInput": "0"}, "from 1 up, found 0"),
        ("chunks", {"listInput": [1], "numberInput": "1.5"}, "whole number from 1 up, found 1.5"),
        ("combineCollections", {"collections": "x"}, "names and values"),
        ("concatenate", {"listInput": [1], "listInput2": "x"}, "Second List"),
        ("count", {"listInput": 5}, "must be a list, found 5"),
        ("create", {"items": "x"}, "List Items"),
        ("deduplicate", {"listInput": {"a": 1}}, "must be a list"),
        ("fieldValueMapping", {"keyMappings": [1]}, "every value has a name"),
        ("first", {"listInput": "x"}, "must be a list"),
        ("last", {"listInput": "x"}, "must be a list"),
        ("flatten", {"listInput": "x"}, "must be a list"),
        ("fromObject", {"object": "x"}, 'must be an object, found "x"'),
        ("toObject", {"keyValueListInput": "x"}, "list of objects with key and value"),
        ("length", {"listInput": "x"}, "must be a list"),
        ("remove", {"listInput": "x"}, "must be a list"),
        ("selectItemFromList", {"listInput": [1], "indexInput": "-1"}, 'found "-1"'),
        ("takeFirst", {"listInput": [1], "numberInput": "-2"}, "found -2"),
        ("takeLast", {"listInput": [1], "numberInput": "many"}, 'must be a number, found "many"'),
        ("filter", {"listInput": "x"}, "must be a list"),
        ("map", {"listInput": "x"}, "must be a list"),
        ("sort", {"listInput": "x"}, "must be a list"),
        ("aggregate", {"listInput": [1], "aggregateFunctionInput": "mode"}, "MEDIAN, found"),
        ("aggregate", {"listInput": ["x"], "aggregateFunctionInput": "SUM"}, 'number, found "x"'),
    ],
)
def test_what_a_tool_cannot_take_is_refused_by_name(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


def test_adding_keys_leaves_the_object_of_the_earlier_step_alone() -> None:
    given_object = {"a": {"b": [1]}}
    result("addKey", object=given_object, key="c", value=2, objectPath="a")
    assert given_object == {"a": {"b": [1]}}


@given(st.lists(VALUES), st.integers(1, 5))
def test_chunks_put_together_are_the_list(items: list[Value], size: int) -> None:
    chunks = result("chunks", listInput=items, numberInput=size)
    assert result("flatten", listInput=chunks) == items
    assert all(len(chunk) == size for chunk in chunks[:-1])


@given(st.lists(VALUES))
def test_deduplicating_twice_changes_nothing(items: list[Value]) -> None:
    once = result("deduplicate", listInput=items)
    assert result("deduplicate", listInput=once) == once
    assert all(item in once for item in items)


@given(st.dictionaries(st.text(max_size=4), VALUES))
def test_an_object_comes_back_from_its_list_of_pairs(value: dict[str, Value]) -> None:
    pairs = result("fromObject", object=value)
    assert result("toObject", keyValueListInput=pairs) == value


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        (
            "filter",
            {"listInput": [1, 2, 3], "filterCodeInput": "(item) => { return item > 1; };"},
            [2, 3],
        ),
        (
            "filter",
            {"listInput": ["a", "b"], "filterCodeInput": "(_, index) => index === 1"},
            ["b"],
        ),
        ("filter", {"listInput": [1, None], "filterCodeInput": ""}, [1, None]),
        (
            "filter",
            {"listInput": [3, 4], "filterCodeInput": "async (item) => item > 3 // odd"},
            [4],
        ),
        (
            "map",
            {"listInput": [1, 2], "transformCodeInput": "function (item, i) { return item + i; }"},
            [1, 3],
        ),
        (
            "map",
            {
                "listInput": [1, 2, 3],
                "transformCodeInput": "(item, index, context) => item * context.by",
                "filterCodeInput": "(item, index, context) => item !== context.by",
                "contextInput": {"by": 2},
            },
            [2, 6],
        ),
        ("map", {"listInput": [{"a": 1}]}, [{"a": 1}]),
        ("sort", {"listInput": [3, 1, 2], "sortCodeInput": "(a, b) => a - b"}, [1, 2, 3]),
        ("sort", {"listInput": [{"prop": 2}, {"prop": 1}]}, [{"prop": 1}, {"prop": 2}]),
        ("sort", {"listInput": [3, 1, 2]}, [1, 2, 3]),
        ("aggregate", {"listInput": [1, "2", 4], "aggregateFunctionInput": "sum"}, 7),
        ("aggregate", {"listInput": [1, 2], "aggregateFunctionInput": "AVERAGE"}, 1.5),
        ("aggregate", {"listInput": ["x", {}], "aggregateFunctionInput": "COUNT"}, 2),
        ("aggregate", {"listInput": [1, 5], "aggregateFunctionInput": "MAX"}, 5),
        ("aggregate", {"listInput": [1, 5], "aggregateFunctionInput": "MIN"}, 1),
        ("aggregate", {"listInput": [2, 5], "aggregateFunctionInput": "PRODUCT"}, 10),
        ("aggregate", {"listInput": [1, 9, 3, 4], "aggregateFunctionInput": "MEDIAN"}, 3.5),
        ("aggregate", {"listInput": [], "aggregateFunctionInput": "MEDIAN"}, None),
        ("aggregate", {"listInput": [], "aggregateFunctionInput": "PRODUCT"}, 1),
        (
            "aggregate",
            {
                "listInput": [1, 5, 7],
                "aggregateFunctionInput": "SUM",
                "filterCodeInput": "(item) => item > 1",
            },
            12,
        ),
    ],
)
def test_each_tool_with_a_function_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert result(key, **inputs) == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("7", r"Filter Function \(filterCodeInput\) must be a function, found a number"),
        (";", "must be a JavaScript function"),
        ("(item) => item.a.b", "cannot read property .b. of undefined"),
        ("(item) => { while (true) {} }", "longer than 2 s"),
        ("(item) =>", "SyntaxError"),
    ],
)
def test_what_is_no_function_is_refused(code: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        result("filter", listInput=[{}], filterCodeInput=code)


def test_what_functions_write_to_the_console_is_logged() -> None:
    inputs = {"listInput": [1], "filterCodeInput": "(item) => { console.warn('at', item); }"}
    assert run(TOOLS, "filter", inputs).logs == (LogLine("warn", "at 1"),)


def test_functions_are_not_told_of_the_execution() -> None:
    within = context(results={"order": {"results": 1}}, config={"Key": "k"})
    code = "(item) => typeof stepResults === 'undefined' && typeof context === 'undefined'"
    inputs = {"listInput": [1], "filterCodeInput": code}
    assert run(TOOLS, "filter", inputs, within).result == [1]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30))
def test_sorting_orders_and_keeps_what_is_there(items: list[int]) -> None:
    ordered = result("sort", listInput=items, sortCodeInput="(a, b) => a - b")
    assert ordered == sorted(items)


def arrive(index: int, kept: dict[str, Value], length: int = 3) -> tuple[str | None, Value]:
    inputs = {
        "collectionId": "c",
        "collectionLength": length,
        "item": f"i{index}",
        "itemIndex": index,
    }
    outcome = run(TOOLS, "processInOrder", inputs, context(state={Scope.FLOW: kept}))
    for change in outcome.changes:
        kept.pop(change.key, None)
        if not change.removed:
            kept[change.key] = change.value
    return outcome.branch, outcome.result


def test_items_are_held_until_their_turn() -> None:
    kept: dict[str, Value] = {}
    assert arrive(2, kept) == ("Skip", "i2")
    assert arrive(0, kept) == ("Process", ["i0"])
    assert arrive(0, kept) == ("Skip", "i0")
    assert arrive(1, kept) == ("Process", ["i1", "i2"])
    assert kept == {}


@given(st.permutations(range(6)))
def test_every_item_is_processed_once_and_in_order(arrivals: list[int]) -> None:
    kept: dict[str, Value] = {}
    processed: list[Value] = []
    for index in arrivals:
        branch, given_items = arrive(index, kept, 6)
        processed += given_items if branch == "Process" else []
    assert processed == [f"i{index}" for index in range(6)]
    assert kept == {}


def test_an_index_beyond_the_collection_is_refused() -> None:
    with pytest.raises(StepError, match="below the collection's length of 3, found 3"):
        arrive(3, {})


def test_what_the_state_holds_of_something_else_is_refused() -> None:
    with pytest.raises(StepError, match=r"'processInOrder\.c' does not hold"):
        arrive(1, {"processInOrder.c": 5})


def test_a_held_item_is_a_change_of_the_flows_state() -> None:
    inputs = {"collectionId": "c", "collectionLength": 2, "item": "x", "itemIndex": 1}
    held = {"next": 0, "held": {"1": "x"}}
    changes = run(TOOLS, "processInOrder", inputs).changes
    assert changes == (Change(Scope.FLOW, "processInOrder.c", held),)


def test_functions_run_over_hundreds_of_thousands_of_elements() -> None:
    added = result("map", listInput=list(range(300_000)), transformCodeInput="(n) => n + 1")
    assert added[-1] == 300_000
