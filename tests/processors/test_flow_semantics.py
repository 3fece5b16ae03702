"""What flows do: branches, loops, stops and errors, from the text of a file to the events."""

from collections.abc import Callable
from typing import Any

import pytest

from processors.actions import Action, Outcome, StepError, TriggerTraits
from processors.asked import Perform, Performed, Wait
from processors.interpreter import Run
from schemas import events
from schemas.definitions import Step
from schemas.instants import Instant
from schemas.values import Value
from tests.processors import test_interpreter
from tests.processors.test_interpreter import run_of
from tests.schemas.integration_trees import (
    Tree,
    branch,
    definition_of,
    integration,
    reference,
    step,
    template,
    trigger,
    value,
)

BRANCHING = Action(
    component="test",
    key="branching",
    label="Choose a branch",
    perform=lambda inputs, context: Outcome(branch="B", result={"chosen": "B"}),
)
FAILING = Action(
    component="test",
    key="failing",
    label="Fail",
    perform=lambda inputs, context: _fail(),
)


FAILS = step("Bad", "test/failing")


def _fail() -> Outcome:
    raise StepError("it does not work")


def find(component: str, key: str) -> Action | None:
    own = {"branching": BRANCHING, "failing": FAILING}
    return own.get(key) or test_interpreter.find(component, key)


def complex_(*entries: Any) -> Tree:
    return {"type": "complex", "value": list(entries)}


def note(name: str, *values: Tree) -> Tree:
    """A step whose result is the list of these values."""
    return step(name, "collection-tools/create", inputs={"items": complex_(*values)})


def over(name: str, items: Tree, *steps: Tree) -> Tree:
    return step(name, "loop/loopOverItems", inputs={"items": items}, steps=list(steps))


def times(name: str, count: object, *steps: Tree) -> Tree:
    inputs = {"iterationCount": value(count)}
    return step(name, "loop/loopNTimes", inputs=inputs, steps=list(steps))


def if_(name: str, condition: list[Any], *branches: Tree) -> Tree:
    """Takes the branch Yes where the condition holds."""
    named = {"name": "Yes", "type": "complex", "value": condition}
    return step(
        name,
        "branch/branchOnExpression",
        inputs={"conditions": complex_(named)},
        branches=list(branches),
    )


def break_when(left: str, right: object) -> Tree:
    condition = ["and", ["equal", {"name": "", **reference(left)}, {"name": "", **value(right)}]]
    return if_("Enough", condition, branch("Yes", step("Leave", "loop/breakLoop")), branch("Else"))


def ran(
    *steps: Tree,
    data: Value = None,
    start: Tree | None = None,
    find: Callable[[str, str], Action | None] = find,
) -> list[events.Event]:
    flow = definition_of(integration(start or trigger(), *steps)).flows[0]
    run: Run = run_of((), {})
    run.flow, run.find = flow, find
    run.payload = {"body": {"data": data}}
    effect = run.advance(None, Instant(0))
    waits: list[float] = []
    while effect is not None:
        if isinstance(effect, Wait):
            waits.append(effect.delay_s)
        performed = None
        if isinstance(effect, Perform):
            performed = Performed(None, "no world here", Instant(1), Instant(2))
        effect = run.advance(performed, Instant(2))
    return run.said


def results(said: list[events.Event]) -> dict[str, Value]:
    """The results of steps by key and loop path."""
    return {
        e.step + (f"@{e.loop_path}" if e.loop_path else ""): e.result
        for e in said
        if isinstance(e, events.StepSucceeded) and e.step != "trigger"
    }


def end(said: list[events.Event]) -> events.Event:
    return said[-1]


def test_a_loop_over_a_list_has_one_result_for_each_iteration() -> None:
    shown = note("Shown", reference("each.currentItem"), reference("each.index"))
    said = ran(over("Each", reference("trigger.results.body.data"), shown), data=["a", {"b": 1}])
    assert results(said) == {
        "shown@each[0]": ["a", 0],
        "shown@each[1]": [{"b": 1}, 1],
        "each": [["a", 0], [{"b": 1}, 1]],
    }


def test_a_loop_over_an_object_gives_its_keys_and_values() -> None:
    shown = note("Shown", reference("each.currentItem.key"), reference("each.currentItem.value"))
    said = ran(over("Each", reference("trigger.results.body.data"), shown), data={"a": 1, "b": 2})
    assert results(said)["each"] == [["a", 1], ["b", 2]]


def test_in_a_counting_loop_item_and_index_are_the_count() -> None:
    shown = note("Shown", reference("count.currentItem"), reference("count.index"))
    assert results(ran(times("Count", 2, shown)))["count"] == [[0, 0], [1, 1]]


@pytest.mark.parametrize("items", ["[]", "{}"])
def test_a_loop_over_nothing_gives_an_empty_list(items: str) -> None:
    said = ran(over("Each", value(items), note("Shown")), note("After", reference("each.results")))
    assert results(said) == {"each": [], "after": [[]]}


def test_loops_nest_and_inner_steps_see_both_items() -> None:
    shown = note("Shown", reference("outer.currentItem"), reference("inner.currentItem"))
    inner = over("Inner", reference("outer.currentItem"), shown)
    said = ran(over("Outer", reference("trigger.results.body.data"), inner), data=[[1], [2, 3]])
    assert results(said) == {
        "shown@outer[0].inner[0]": [[1], 1],
        "inner@outer[0]": [[[1], 1]],
        "shown@outer[1].inner[0]": [[2, 3], 2],
        "shown@outer[1].inner[1]": [[2, 3], 3],
        "inner@outer[1]": [[[2, 3], 2], [[2, 3], 3]],
        "outer": [[[[1], 1]], [[[2, 3], 2], [[2, 3], 3]]],
    }


def test_break_leaves_the_innermost_loop_with_the_results_before_it() -> None:
    leave = break_when("inner.index", 1)
    inner = times("Inner", 5, leave, note("Shown", reference("inner.index")))
    said = ran(times("Outer", 2, inner), note("After", reference("outer.results")))
    assert results(said)["outer"] == [[[0]], [[0]]]
    assert results(said)["after"] == [[[[0]], [[0]]]]
    assert isinstance(end(said), events.ExecutionCompleted)


def test_results_of_one_iteration_are_gone_in_the_next() -> None:
    is_first = ["and", ["equal", {"name": "", **reference("each.index")}, value(0)]]
    once = if_("First", is_first, branch("Yes", note("Once", value("x"))), branch("Else"))
    said = ran(times("Each", 2, once, note("Shown", reference("once.results"))))
    assert results(said)["each"] == [[["x"]], [None]]


def test_a_loop_whose_last_step_is_a_branch_gives_what_ran_last_in_it() -> None:
    is_first = ["and", ["equal", {"name": "", **reference("each.index")}, value(0)]]
    last = if_("Last", is_first, branch("Yes", note("In", value("x"))), branch("Else"))
    assert results(ran(times("Each", 2, last)))["each"] == [["x"], None]


DATA = "trigger.results.body.data"


@pytest.mark.parametrize("items", [reference(DATA), template(f"{{{{${DATA}}}}}")])
def test_a_loop_over_a_scalar_fails_and_names_step_and_value(items: Tree) -> None:
    failed = end(ran(over("Each", items, note("Shown")), data="word"))
    assert isinstance(failed, events.ExecutionFailed)
    assert failed.step == "each"
    assert failed.error == 'Items (items) must be a list or an object, found "word"'


def test_a_loop_without_end_is_refused_before_it_begins() -> None:
    failed = end(ran(times("Each", 1_000_001, note("Shown"))))
    assert isinstance(failed, events.ExecutionFailed)
    assert "1000001 iterations; 1000000 are allowed" in failed.error


def test_a_loop_that_gathers_too_much_fails_and_names_itself() -> None:
    data = "x" * 1_000_000
    said = ran(times("Each", 1_000, note("Shown", reference("trigger.results.body"))), data=data)
    failed = end(said)
    assert isinstance(failed, events.ExecutionFailed)
    assert failed.step == "each"
    assert "step 'Each': the results of its first 256 iterations take more than" in failed.error


def test_a_loop_that_gathers_few_large_results_fails_before_it_holds_many() -> None:
    loop = times("Each", "8", note("Copy", reference("trigger.results.body.data")))
    failed = ran(loop, data="x" * 50_000_000)[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert "step 'Each': the results of its first 4 iterations take more than" in failed.error


def test_only_the_branch_taken_runs_and_the_others_give_null() -> None:
    chosen = step(
        "Which",
        "branch/branchOnValue",
        inputs={
            "inputValue": reference("trigger.results.body.data"),
            "branchValueMappings": complex_(
                {"name": "A", **value("a")}, {"name": "B", **value("b")}
            ),
        },
        branches=[
            branch("A", note("In A", value(1))),
            branch("B", note("In B", value(2))),
            branch("Else", note("Otherwise", value(3))),
        ],
    )  # fmt: skip
    rows = [reference(f"{key}.results") for key in ("inA", "inB", "otherwise")]
    select = step(
        "Select", "branch/selectExecutedStepResult", inputs={"stepResults": complex_(*rows)}
    )
    said = ran(chosen, note("All", *rows), select, data="b")
    assert results(said) == {
        "which": None,
        "inB": ["2"],
        "all": [None, ["2"], None],
        "select": ["2"],
    }
    assert [e.branch for e in said if isinstance(e, events.StepSucceeded)][1] == "B"
    assert results(ran(chosen, select, data="z"))["select"] == ["3"]


def test_conditions_are_tried_in_order_and_else_is_what_remains() -> None:
    def when(name: str, least: int) -> Tree:
        left, right = reference("trigger.results.body.data"), value(least)
        condition = ["and", ["greaterThan", {"name": "", **left}, {"name": "", **right}]]
        return {"name": name, "type": "complex", "value": condition}

    chosen = step(
        "Size",
        "branch/branchOnExpression",
        inputs={"conditions": complex_(when("Huge", 100), when("Large", 10))},
        branches=[branch(name, note(f"Is {name}")) for name in ("Huge", "Large", "Else")],
    )
    for size, key in [(1000, "isHuge"), (50, "isLarge"), (1, "isElse")]:
        assert set(results(ran(chosen, data=size))) == {"size", key}


def test_any_action_may_choose_a_branch() -> None:
    chosen = step(
        "Choose",
        "test/branching",
        branches=[branch("A", note("In A")), branch("B", note("In B"))],
    )
    said = ran(chosen, note("After", reference("choose.results.chosen")))
    assert results(said) == {"choose": {"chosen": "B"}, "inB": [], "after": ["B"]}


@pytest.mark.parametrize(
    ("chosen", "ran_too"), [("Notification", {"told"}), ("Other", set()), (None, set())]
)
def test_a_trigger_may_choose_a_branch_and_needs_no_else(
    chosen: str | None, ran_too: set[str]
) -> None:
    choosing = Action(
        component="test",
        key="choosing",
        label="Choose",
        perform=lambda inputs, context: Outcome(result={}, branch=chosen),
        is_trigger=True,
        trigger=TriggerTraits(allows_branching=True, static_branch_names=("Notification", "Other")),
    )
    branches = [branch("Notification", note("Told")), branch("URL Verify", note("Verified"))]
    start = trigger("Trigger", "test/choosing", branches=branches)

    def with_choosing(component: str, key: str) -> Action | None:
        return choosing if key == "choosing" else find(component, key)

    said = ran(note("After"), start=start, find=with_choosing)
    assert set(results(said)) == {"after"} | ran_too


def test_stop_ends_everything_from_wherever_it_stands() -> None:
    stop = step(
        "Stop",
        "stop-execution/stopExecution",
        inputs={"statusCode": value(404), "jsonBody": value('{"found": false}')},
    )
    at_once = if_("If", ["and", ["isTrue", value("true")]], branch("Yes", stop), branch("Else"))
    said = ran(times("Outer", 3, times("Inner", 3, at_once)), note("Never"))
    completed = end(said)
    assert isinstance(completed, events.ExecutionCompleted)
    assert completed.response is not None
    assert (completed.response.status, completed.response.result) == (404, {"found": False})
    assert set(results(said)) == {"if@outer[0].inner[0]", "stop@outer[0].inner[0]"}


@pytest.mark.parametrize(
    ("policy", "goes_on", "attempts"),
    [
        ({}, False, 1),
        ({"errorHandlerType": "fail"}, False, 1),
        ({"errorHandlerType": "ignore"}, True, 1),
        ({"errorHandlerType": "retry", "maxAttempts": 2, "delaySeconds": 3}, False, 3),
        ({"errorHandlerType": "retry", "maxAttempts": 1, "ignoreFinalError": True}, True, 2),
        ({"errorHandlerType": "retry", "maxAttempts": 0, "ignoreFinalError": True}, True, 1),
    ],
)
def test_errors_are_handled_as_the_step_says(
    policy: dict[str, Any], goes_on: bool, attempts: int
) -> None:
    said = ran(
        step("Bad", "test/failing", errorConfig=policy),
        note("After", reference("bad.error"), reference("bad.results.error")),
    )
    [failed] = [e for e in said if isinstance(e, events.StepFailed)]
    assert (failed.error, failed.attempt, failed.ignored) == ("it does not work", attempts, goes_on)
    retries = [e for e in said if isinstance(e, events.StepRetryScheduled)]
    assert len(retries) == attempts - 1
    if goes_on:
        assert results(said)["after"] == ["it does not work", "it does not work"]
        assert isinstance(end(said), events.ExecutionCompleted)
    else:
        assert results(said) == {}
        assert end(said) == events.ExecutionFailed(
            execution_id=failed.execution_id, error="it does not work", step="bad"
        )


def test_a_branch_may_ask_whether_an_ignored_step_failed() -> None:
    bad = step("Bad", "test/failing", errorConfig={"errorHandlerType": "ignore"})
    failed = ["and", ["exists", {"name": "", **reference("bad.error")}]]
    for condition, key in [(failed, "yes"), (["and", ["doesNotExist", failed[1][1]]], "no")]:
        asks = if_("Ask", condition, branch("Yes", note("Yes")), branch("Else", note("No")))
        assert key in results(ran(bad, asks))


def test_an_error_within_a_loop_ends_the_execution_unless_the_step_ignores_it() -> None:
    bad = step("Bad", "test/failing", errorConfig={"errorHandlerType": "ignore"})
    said = ran(times("Each", 2, bad))
    assert results(said)["each"] == [{"error": "it does not work"}] * 2
    failed = end(ran(times("Each", 2, step("Bad", "test/failing"))))
    assert isinstance(failed, events.ExecutionFailed)
    assert failed.step == "bad"


@pytest.mark.parametrize(
    "policy",
    [
        {"errorHandlerType": "ignore"},
        {"errorHandlerType": "retry", "maxAttempts": 2, "ignoreFinalError": True},
    ],
)
def test_a_loop_may_ignore_what_its_body_does_not_handle(policy: dict[str, Any]) -> None:
    bad = if_("If", ["and", ["equal", reference("each.index"), value("1")]], branch("Yes", FAILS))
    loop = times("Each", 3, note("Before"), bad)
    said = ran({**loop, "errorConfig": policy}, note("After", reference("each.error")))
    assert results(said)["after"] == ["it does not work"]
    assert set(results(said)) == {
        "before@each[0]",
        "if@each[0]",
        "before@each[1]",
        "if@each[1]",
        "after",
    }
    failed = [(e.step, e.loop_path, e.ignored) for e in said if isinstance(e, events.StepFailed)]
    assert failed == [("bad", "each[1]", False), ("each", "", True)]
    assert isinstance(end(said), events.ExecutionCompleted)


def test_a_loop_in_a_loop_that_ignores_its_error_is_one_result_of_it() -> None:
    inner = {**times("Inner", 2, FAILS), "errorConfig": {"errorHandlerType": "ignore"}}
    assert results(ran(times("Outer", 2, inner)))["outer"] == [{"error": "it does not work"}] * 2


def test_a_retry_of_a_loop_does_not_run_its_body_again() -> None:
    retried = {"errorHandlerType": "retry", "maxAttempts": 2, "delaySeconds": 0}
    said = ran({**times("Each", 2, FAILS), "errorConfig": retried})
    assert [e.step for e in said if isinstance(e, events.StepFailed)] == ["bad"]
    assert isinstance(end(said), events.ExecutionFailed)


def test_a_published_flow_that_breaks_no_loop_fails_by_name() -> None:
    leave = Step(key="leave", name="Leave", component="loop", action="breakLoop")
    failed = test_interpreter.walk(run_of((leave,), {}))[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert failed.error == "step 'Leave' breaks a loop, and there is none around it"


def test_references_into_nothing_are_null() -> None:
    paths = ("results.body.gone.deeper", "results.body.data.7", "results.body.data.x", "error")
    said = ran(note("All", *[reference(f"trigger.{path}") for path in paths]), data=[1])
    assert results(said)["all"] == [None] * 4


def test_a_template_that_yields_the_wrong_type_names_input_and_value() -> None:
    text = {"type": "template", "value": "{{$trigger.results.body.data}} times"}
    counting = step("Each", "loop/loopNTimes", inputs={"iterationCount": text}, steps=[note("N")])
    failed = end(ran(counting, data=3))
    assert isinstance(failed, events.ExecutionFailed)
    assert (failed.step, failed.error) == (
        "each",
        'Iteration Count (iterationCount) must be a number, found "3 times"',
    )
