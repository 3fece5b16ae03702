"""What triggers may say, and what the log keeps of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import trigger_results
from processors.actions import Action, Answer, Outcome, Page, StepError, TriggerTraits
from schemas import events
from schemas.definitions import Branch, Step
from schemas.ids import ExecutionId
from schemas.values import to_json

BRANCHING = Action(
    component="tests",
    key="trigger",
    label="Trigger",
    perform=lambda *_: Outcome(),
    is_trigger=True,
    trigger=TriggerTraits(allows_branching=True, static_branch_names=("Other",)),
)
PLAIN = Action(
    component="tests", key="trigger", label="Trigger", perform=lambda *_: Outcome(), is_trigger=True
)
REQUEST = events.Request(
    method="POST",
    path="",
    headers=[],
    query=[],
    body="bodies/1",
    encoding=events.BodyEncoding.TEXT,
    body_bytes=8,
    content_type="image/png",
)
IN_BLOB = replace(REQUEST, encoding=events.BodyEncoding.BLOB)
STEP = Step(
    key="trigger",
    name="Trigger",
    component="tests",
    action="trigger",
    is_trigger=True,
    branches=(Branch(name="Notification", steps=()),),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        ("nonsense", "returned str, which is no result"),
        (Outcome(result=[1]), "payload is a list, not an object"),
        (Outcome(result={}, branch="Third"), "chose branch 'Third'; there are: 'Notification'"),
        (Outcome(answer=Answer(status=99)), "status must be a number from 200 to 599, found 99"),
        (Outcome(answer=Answer(status="x")), "status must be a number"),  # type: ignore[arg-type]
        (Outcome(answer=Answer(body=b"x")), "body must be a text"),  # type: ignore[arg-type]
        (Outcome(answer=Answer(headers={"a b": "c"})), "what is no header: 'a b'"),
        (Outcome(answer=Answer(headers={"a": "b\r\nc: d"})), "what is no header: 'a'"),
        (Outcome(answer=Answer(content_type="a\nb")), "content type is none"),
        (Outcome(polling=[1]), "polling state is a list"),  # type: ignore[arg-type]
        (Outcome(polling={"a": object()}), "polling state holds"),
        (Outcome(page=Page("abc")), "items are a text, not a list"),
        (Outcome(page=Page([object()])), "items or pagination state hold"),
        (Outcome(page=Page(range(100_001))), "100001 items at once"),
    ],
)
def test_nonsense_is_refused_with_its_reason(outcome: Any, problem: str) -> None:
    with pytest.raises(StepError, match=problem):
        trigger_results.checked(outcome, BRANCHING, STEP)


def test_a_branch_is_followed_only_where_the_trigger_declares_branches() -> None:
    for branch in (None, "Notification", "Other"):
        trigger_results.checked(Outcome(result={}, branch=branch), BRANCHING, STEP)
    with pytest.raises(StepError, match="declares none"):
        trigger_results.checked(Outcome(result={}, branch="Notification"), PLAIN, STEP)


@given(
    result=OBJECTS,
    polling=st.none() | OBJECTS,
    items=st.none() | st.lists(JSON, max_size=3),
    following=JSON,
    failed=st.text(),
    no_changes=st.booleans(),
    body=st.none() | st.text(),
)
def test_what_is_acted_on_later_comes_back_from_the_log(
    result: Any,
    polling: Any,
    items: Any,
    following: Any,
    failed: str,
    no_changes: bool,
    body: str | None,
) -> None:
    outcome = Outcome(
        result=result,
        branch="Notification",
        polling=polling,
        page=None if items is None else Page(items, following),
        failed=failed,
        polled_no_changes=no_changes,
        answer=None if body is None else Answer(status=201, headers={"x": "y"}, body=body),
    )
    said, tagged = to_json(result)
    succeeded = events.StepSucceeded(
        execution_id=ExecutionId("e"),
        step="trigger",
        result=said,
        tagged=tagged,
        branch="Notification",
        kept=trigger_results.kept(outcome),
    )
    assert trigger_results.restored(succeeded, {}, REQUEST) == outcome


def test_api_keys_are_not_on_the_log_and_come_back() -> None:
    payload = {"webhookUrls": {}, "webhookApiKeys": {"Flow": ["k"]}}
    succeeded = events.StepSucceeded(
        execution_id=ExecutionId("e"), step="trigger", result={"webhookUrls": {}}
    )
    assert trigger_results.restored(succeeded, payload, REQUEST).result == payload


def test_a_body_that_is_in_a_blob_is_on_the_log_by_its_key_and_comes_back() -> None:
    payload = {"body": {"data": b"\xff"}, "rawBody": {"data": b"\xff"}, "pathFragment": "x"}
    kept = trigger_results.recorded(dict(payload), payload, IN_BLOB)
    there = {"data": {"blob": "bodies/1"}, "contentType": "image/png"}
    assert kept == {"body": there, "rawBody": there, "pathFragment": "x"}
    succeeded = events.StepSucceeded(execution_id=ExecutionId("e"), step="trigger", result=kept)
    assert trigger_results.restored(succeeded, payload, IN_BLOB).result == payload


def test_what_a_trigger_made_of_a_body_is_on_the_log_itself() -> None:
    payload = {"body": {"data": "<a/>"}, "rawBody": {"data": "<a/>"}}
    made = {"body": {"data": {"a": 1}}, "rawBody": payload["rawBody"]}
    kept = trigger_results.recorded(made, payload, IN_BLOB)
    assert kept["body"] == {"data": {"a": 1}}
    assert trigger_results.recorded(made, payload, REQUEST) == made
    succeeded = events.StepSucceeded(execution_id=ExecutionId("e"), step="trigger", result=kept)
    assert trigger_results.restored(succeeded, payload, IN_BLOB).result == made
