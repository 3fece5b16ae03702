"""Persisted data: each action, in each of the four scopes."""

import pytest

from processors.actions import Change, Context, Outcome, StepError
from processors.components import persist_data
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.values import Value
from tests.processors.components import test_kit
from tests.processors.components.test_kit import context

SCOPES = [
    (Scope.EXECUTION, "Execution"),
    (Scope.FLOW, "Instance"),
    (Scope.CROSS_FLOW, "CrossFlow"),
    (Scope.INTEGRATION, "Integration"),
]
scopes = pytest.mark.parametrize(("scope", "named"), SCOPES)


def having(scope: Scope, **values: Value) -> Context:
    """A context in which one scope holds `values`, and the others hold other things."""
    others = {other: {"k": "other", "o": 1} for other, _ in SCOPES if other is not scope}
    return context(state={**others, scope: values})


def run(component: str, key: str, inputs: dict[str, Value], within: Context) -> Outcome:
    """As the engine runs it; what instances share, as its owner does."""
    if "Integration" in key:
        values = within.state(Scope.INTEGRATION)
        return persist_data.perform_shared(key, inputs, values, within.now)
    return test_kit.run(component, key, inputs, within)


def execution(key: str, inputs: dict[str, Value], within: Context) -> Outcome:
    return run("persist-data", key, inputs, within)


@scopes
def test_get_reads_its_own_scope(scope: Scope, named: str) -> None:
    inputs = {"keyInput": "k", "defaultValueInput": "d"}
    key = f"get{named}Value"
    assert run("persist-data", key, inputs, having(scope, k={"a": 1})).result == {"a": 1}
    assert run("persist-data", key, inputs, having(scope)).result == "d"
    assert run("persist-data", key, {"keyInput": "k"}, having(scope)).result is None


@scopes
def test_get_gives_values_that_are_false(scope: Scope, named: str) -> None:
    inputs = {"keyInput": "k", "defaultValueInput": "d"}
    assert run("persist-data", f"get{named}Value", inputs, having(scope, k=0)).result == 0


@scopes
def test_save_writes_its_own_scope(scope: Scope, named: str) -> None:
    inputs = {"keyInput": "k", "valueInput": [1], "dynamicValues": []}
    outcome = run("persist-data", f"save{named}Value", inputs, having(scope))
    assert outcome == Outcome(result={"value": [1]}, changes=(Change(scope, "k", [1]),))


def test_save_prefers_dynamic_values_and_null_among_them_removes() -> None:
    pairs = [Pair("a", 1), Pair("b", None)]
    inputs = {"keyInput": "k", "valueInput": "v", "dynamicValues": pairs}
    outcome = execution("saveExecutionValue", inputs, having(Scope.EXECUTION))
    assert outcome.changes == (
        Change(Scope.EXECUTION, "a", 1),
        Change(Scope.EXECUTION, "b", None, removed=True),
    )
    assert outcome.result == {"value": {"a": 1, "b": None}}


def test_an_empty_text_is_saved_as_such() -> None:
    inputs = {"keyInput": "k", "valueInput": ""}
    outcome = execution("saveExecutionValue", inputs, having(Scope.EXECUTION))
    assert outcome == Outcome(result={"value": ""}, changes=(Change(Scope.EXECUTION, "k", ""),))


def test_a_null_that_is_saved_alone_removes_its_key() -> None:
    inputs = {"keyInput": "k", "valueInput": None}
    outcome = execution("saveExecutionValue", inputs, having(Scope.EXECUTION, k=1))
    assert outcome.changes == (Change(Scope.EXECUTION, "k", None, removed=True),)
    assert outcome.result == {"value": None}


def test_saving_without_a_key_fails() -> None:
    with pytest.raises(StepError, match="keyInput"):
        execution("saveExecutionValue", {"valueInput": 1}, having(Scope.EXECUTION))


@scopes
def test_append_adds_to_the_end_and_leaves_the_old_list_alone(scope: Scope, named: str) -> None:
    old = [1]
    inputs = {"keyInput": "k", "valueInput": {"n": 2}}
    outcome = run("persist-data", f"append{named}ValueToList", inputs, having(scope, k=old))
    assert outcome.result == [1, {"n": 2}]
    assert outcome.changes == (Change(scope, "k", [1, {"n": 2}]),)
    assert old == [1]


def test_append_starts_a_list() -> None:
    inputs = {"keyInput": "k", "valueInput": 1}
    outcome = execution("appendExecutionValueToList", inputs, having(Scope.EXECUTION))
    assert outcome.result == [1]


def test_append_to_something_else_fails_and_names_it() -> None:
    inputs = {"keyInput": "k", "valueInput": 1}
    with pytest.raises(StepError, match=r"'k' does not hold a list: \"text\""):
        execution("appendExecutionValueToList", inputs, having(Scope.EXECUTION, k="text"))


@scopes
def test_append_several_values(scope: Scope, named: str) -> None:
    key = f"append{named}ValuesToList"
    inputs: dict[str, Value] = {"keyInput": "k", "valuesInput": [[2], 3]}
    assert run("persist-data", key, inputs, having(scope, k=[1])).result == [1, [2], 3]
    inputs["flatten"] = "true"
    assert run("persist-data", key, inputs, having(scope, k=[1])).result == [1, 2, 3]
    inputs["dynamicValues"] = "[9]"
    assert run("persist-data", key, inputs, having(scope)).result == [9]


@scopes
def test_increment_and_decrement_change_a_number(scope: Scope, named: str) -> None:
    up = run("persist-data", f"increment{named}Value", {"keyInput": "k"}, having(scope, k=4))
    assert up == Outcome(result=5, changes=(Change(scope, "k", 5),))
    inputs = {"keyInput": "k", "amountInput": "2.5"}
    down = run("persist-data", f"decrement{named}Value", inputs, having(scope, k="4"))
    assert down.result == 1.5


def test_increment_of_nothing_counts_from_zero() -> None:
    outcome = execution("incrementExecutionValue", {"keyInput": "k"}, having(Scope.EXECUTION))
    assert outcome.result == 1


@pytest.mark.parametrize("held", ["word", [], True])
def test_increment_of_what_is_no_number_fails(held: Value) -> None:
    with pytest.raises(StepError, match="'k' does not hold a number"):
        execution("incrementExecutionValue", {"keyInput": "k"}, having(Scope.EXECUTION, k=held))


@scopes
def test_remove_removes_what_is_there(scope: Scope, named: str) -> None:
    key = f"remove{named}Value"
    outcome = run("persist-data", key, {"keyInput": "k"}, having(scope, k=1))
    assert outcome.changes == (Change(scope, "k", removed=True),)
    assert run("persist-data", key, {"keyInput": "gone"}, having(scope, k=1)).changes == ()


def test_remove_prefers_several_keys() -> None:
    inputs = {"keyInput": "k", "keysInput": ["a", "b"]}
    outcome = execution("removeInstanceValue", inputs, having(Scope.FLOW, a=1, b=2, k=3))
    assert [change.key for change in outcome.changes] == ["a", "b"]


@scopes
def test_list_keys_gives_the_keys_in_order(scope: Scope, named: str) -> None:
    outcome = run("persist-data", f"list{named}Keys", {}, having(scope, b=1, a=2))
    assert outcome.result == ["a", "b"]


@scopes
def test_a_set_holds_a_value_once(scope: Scope, named: str) -> None:
    key, inputs = f"add{named}ValueToSet", {"keyInput": "k", "valueInput": 1}
    added = run("persist-data", key, inputs, having(scope, k=[True, 2]))
    assert added == Outcome(result=[True, 2, 1], changes=(Change(scope, "k", [True, 2, 1]),))
    known = run("persist-data", key, inputs, having(scope, k=[1]))
    assert known == Outcome(result=[1])
    assert run("persist-data", key, inputs, having(scope)).result == [1]


@scopes
def test_a_value_is_taken_out_of_a_set_and_a_list(scope: Scope, named: str) -> None:
    inputs: dict[str, Value] = {"keyInput": "k", "valueInput": {"a": 1}}
    for key in (f"remove{named}ValueFromSet", f"remove{named}ValueFromList"):
        held = having(scope, k=[{"a": 1}, 2, {"a": 1}])
        assert run("persist-data", key, inputs, held).changes == (Change(scope, "k", [2]),)
        assert run("persist-data", key, inputs, having(scope, k=[2])) == Outcome(result=[2])


@scopes
def test_the_time_of_the_step_is_kept(scope: Scope, named: str) -> None:
    outcome = run("persist-data", f"save{named}CurrentTime", {"keyInput": "k"}, having(scope))
    now = "2023-11-14T22:13:20.000000Z"
    assert outcome == Outcome(result={"value": now}, changes=(Change(scope, "k", now),))


@scopes
def test_clearing_removes_every_key_of_its_scope(scope: Scope, named: str) -> None:
    outcome = run("persist-data", f"clearAll{named}Values", {}, having(scope, a=1, b=2))
    assert {(change.key, change.removed) for change in outcome.changes} == {
        ("a", True),
        ("b", True),
    }
    assert {change.scope for change in outcome.changes} == {scope}


def test_what_triggers_keep_is_neither_listed_nor_cleared() -> None:
    within = having(Scope.FLOW, k=1, __polling={"seen": 2})
    assert run("persist-data", "listInstanceKeys", {}, within).result == ["k"]
    cleared = run("persist-data", "clearAllInstanceValues", {}, within)
    assert [change.key for change in cleared.changes] == ["k"]
