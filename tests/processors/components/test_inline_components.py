"""The inline actions: triggers, branches, loops, objects, logs and the end of an execution."""

import pytest

from processors.actions import LogLine, StepError, Stop
from schemas.definitions import Pair
from tests.processors.components.test_kit import context, run


def test_the_webhook_trigger_gives_the_payload() -> None:
    payload = {"body": {"data": {"a": 1}}, "headers": {"X-A": "b"}}
    inputs = {"statusCode": "", "contentType": "", "headers": [], "body": ""}
    outcome = run("webhook-triggers", "webhook", inputs, context(payload=payload))
    assert outcome.result == payload


def condition(name: str, *tree: object) -> Pair:
    return Pair(name, list(tree))


def test_the_first_condition_that_holds_names_the_branch() -> None:
    conditions = [
        condition("Small", "and", ["lessThan", 5, "3"]),
        condition("Middle", "and", ["lessThan", 5, "10"]),
        condition("Large", "or", ["exists", 5]),
    ]
    outcome = run(
        "branch",
        "branchOnExpression",
        {"conditions": conditions},
        context(branches=("Small", "Middle", "Large", "Else")),
    )
    assert outcome.branch == "Middle"


def test_without_a_condition_that_holds_the_branch_is_else() -> None:
    inputs = {"conditions": [condition("A", "and", ["isEmpty", [1]])]}
    assert run("branch", "branchOnExpression", inputs, context(branches=("A",))).branch == "Else"
    assert run("branch", "branchOnExpression", {}).branch == "Else"


def test_a_condition_without_a_branch_of_its_name_fails() -> None:
    inputs = {"conditions": [condition("Gone", "and", ["exists", 1])]}
    with pytest.raises(StepError, match=r"'Gone'.*'Here'"):
        run("branch", "branchOnExpression", inputs, context(branches=("Here",)))


@pytest.mark.parametrize(
    ("value", "branch"),
    [("register", "Register"), ("Register", "Else"), (7, "Seven"), (True, "Yes"), (None, "Else")],
)
def test_a_value_takes_the_branch_that_is_mapped_to_its_text(value: object, branch: str) -> None:
    mappings = [Pair("Register", "register"), Pair("Seven", "7"), Pair("Yes", "true")]
    outcome = run(
        "branch",
        "branchOnValue",
        {"inputValue": value, "branchValueMappings": mappings},
        context(branches=("Register", "Seven", "Yes", "Else")),
    )
    assert outcome.branch == branch


def test_the_first_result_that_is_not_null_is_selected() -> None:
    results = [None, False, "later"]
    outcome = run("branch", "selectExecutedStepResult", {"stepResults": results})
    assert outcome.result is False
    assert run("branch", "selectExecutedStepResult", {"stepResults": [None]}).result is None


@pytest.mark.parametrize("items", [["a", "b"], '["a", "b"]', ("a", "b")])
def test_a_loop_gives_each_item_with_its_index(items: object) -> None:
    outcome = run("loop", "loopOverItems", {"items": items})
    assert list(outcome.iterations or ()) == [("a", 0), ("b", 1)]


def test_a_loop_over_an_object_gives_keys_with_values() -> None:
    outcome = run("loop", "loopOverItems", {"items": {"x": 1, "y": None}})
    items = [({"key": "x", "value": 1}, 0), ({"key": "y", "value": None}, 1)]
    assert list(outcome.iterations or ()) == items


def test_a_loop_over_nothing_in_a_list_runs_no_time() -> None:
    outcome = run("loop", "loopOverItems", {"items": []})
    assert outcome.iterations is not None
    assert len(outcome.iterations) == 0


@pytest.mark.parametrize(
    ("items", "shown"), [(17, "17"), ("word", '"word"'), (None, "null"), (True, "true")]
)
def test_a_loop_over_a_scalar_fails_and_names_it(items: object, shown: str) -> None:
    with pytest.raises(StepError, match=f"Items.*found {shown}"):
        run("loop", "loopOverItems", {"items": items})


def test_a_counted_loop_gives_the_counter_twice() -> None:
    iterations = run("loop", "loopNTimes", {"iterationCount": "3"}).iterations
    assert iterations is not None
    assert list(iterations) == [(0, 0), (1, 1), (2, 2)]
    assert list(iterations[1:]) == [(1, 1), (2, 2)]


def test_a_counted_loop_without_a_count_runs_a_thousand_times() -> None:
    iterations = run("loop", "loopNTimes", {"iterationCount": ""}).iterations
    assert iterations is not None
    assert len(iterations) == 1000


@pytest.mark.parametrize("count", ["-1", "1.5"])
def test_a_count_that_is_none_fails(count: str) -> None:
    with pytest.raises(StepError, match=f"found {count}"):
        run("loop", "loopNTimes", {"iterationCount": count})


def test_breaking_a_loop_says_so() -> None:
    assert run("loop", "breakLoop", {}).breaks_loop


def test_an_object_is_created_with_keys_as_they_stand() -> None:
    pairs = [Pair("a.b", 1), Pair("c", {"d": None}), Pair("a.b", 2)]
    outcome = run("collection-tools", "createObject", {"keyValueInput": pairs})
    assert outcome.result == {"a.b": 2, "c": {"d": None}}


def test_a_log_line_has_level_and_text() -> None:
    outcome = run("log", "writeLog", {"level": "WARN", "message": {"order": 17}})
    assert outcome.logs == (LogLine("warn", '{"order":17}'),)


def test_a_log_line_is_info_unless_said_otherwise_and_is_cut() -> None:
    (line,) = run("log", "writeLog", {"level": "", "message": "x" * 5000}).logs
    assert line == LogLine("info", "x" * 4096)


def test_an_unknown_level_fails() -> None:
    with pytest.raises(StepError, match="'loud'"):
        run("log", "writeLog", {"level": "loud", "message": ""})


def test_stopping_answers_200_with_null_unless_said_otherwise() -> None:
    empty = {"statusCode": "", "jsonBody": "", "contentType": "", "headers": []}
    stop = Stop(status=200, body=None, content_type="application/json", headers={})
    assert run("stop-execution", "stopExecution", empty).stop == stop


def test_stopping_answers_with_body_status_and_headers() -> None:
    inputs = {
        "statusCode": "303",
        "jsonBody": '{"a": [1]}',
        "headers": [Pair("Location", "https://example.com/"), Pair("X-Count", 2)],
    }
    stop = run("stop-execution", "stopExecution", inputs).stop
    headers = {"Location": "https://example.com/", "X-Count": "2"}
    assert stop == Stop(status=303, body={"a": [1]}, headers=headers)


def test_a_text_stays_text_where_the_content_type_is_not_json() -> None:
    inputs = {"jsonBody": "12", "contentType": "text/plain"}
    stop = run("stop-execution", "stopExecution", inputs).stop
    assert stop == Stop(status=200, body="12", content_type="text/plain")


@pytest.mark.parametrize("status", ["99", "600", "200.5"])
def test_a_status_that_http_does_not_know_fails(status: str) -> None:
    with pytest.raises(StepError, match=status):
        run("stop-execution", "stopExecution", {"statusCode": status})


@pytest.mark.parametrize(
    "pair", [Pair("A\r\nB", "c"), Pair("A", "b\r\nSet-Cookie: c"), Pair("", 1)]
)
def test_a_header_that_would_break_the_answer_fails(pair: Pair) -> None:
    with pytest.raises(StepError, match="no header"):
        run("stop-execution", "stopExecution", {"headers": [pair]})


def test_metrics_are_one_line_of_the_log() -> None:
    outcome = run("log", "writeMetrics", {"metrics": [Pair("orders", "17"), Pair("sum", 2.5)]})
    assert outcome.logs == (LogLine("metric", '{"orders":17,"sum":2.5}'),)
    assert run("log", "writeMetrics", {"metrics": []}).logs == ()
    with pytest.raises(StepError, match=r'Metrics \(metrics\) must be a number, found "many"'):
        run("log", "writeMetrics", {"metrics": [Pair("orders", "many")]})
