"""What people read: lists, one execution, its logs, deployments."""

from typing import Any

import pytest

from projections import queries
from projections.queries import Filter
from projections.rows import Status
from projections.store import Views
from schemas import events, ids
from schemas.errors import Refused
from schemas.events import Reason
from schemas.instants import SECOND, Instant
from tests.projections import story


def ids_of(views: Views, wanted: Filter, **paging: object) -> list[str]:
    found = queries.list_executions(views, wanted, **paging)["executions"]  # type: ignore[arg-type]
    return [ids.from_global(ids.EXECUTION, row["id"]) for row in found]


@pytest.fixture
def three(views: Views) -> Views:
    """Three executions, each a second after the one before: failed, pending, of another flow."""
    failed = events.ExecutionFailed(
        execution_id=story.execution_id(0), error="no answer", step="saveIt"
    )
    story.tell(
        views,
        story.record("definitions", 0, *story.deployments()),
        story.record(
            "admissions",
            0,
            story.admitted(0),
            story.admitted(1),
            story.admitted(2, flow="Other", instance_id="i2", customer_id="c2"),
        ),
        story.record("executions", 0, story.started(0), failed),
    )
    return views


def test_executions_are_listed_newest_first(three: Views) -> None:
    assert ids_of(three, Filter()) == [story.execution_id(n) for n in (2, 1, 0)]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(flow="Receive"), [1, 0]),
        (Filter(status=Status.FAILED), [0]),
        (Filter(since=Instant(story.START + SECOND)), [2, 1]),
        (Filter(instance=story.INSTANCE), [1, 0]),
        (Filter(instance="Orders of Acme"), [1, 0]),
        (Filter(customer=ids.to_global(ids.CUSTOMER, story.CUSTOMER)), [1, 0]),
        (Filter(customer="acme"), [1, 0]),
        (Filter(customer="nobody"), []),
        (Filter(flow="Receive", status=Status.PENDING), [1]),
    ],
)
def test_executions_are_filtered(three: Views, wanted: Filter, numbers: list[int]) -> None:
    assert ids_of(three, wanted) == [story.execution_id(number) for number in numbers]


def test_pages_meet_without_gap_or_repeat_while_executions_are_added(views: Views) -> None:
    at_once = [story.admitted(n, received_at=story.START) for n in range(7)]
    story.tell(views, story.record("admissions", 0, *at_once))
    seen, after = [], None
    for added in range(7, 10):
        page = queries.list_executions(views, Filter(), limit=3, after=after)
        seen += [row["id"] for row in page["executions"]]
        after = page["next"]
        story.tell(views, story.record("admissions", added, story.admitted(added)))
    assert after is None
    assert len(seen) == len(set(seen)) == 7


def test_a_page_larger_than_100_is_cut(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, *[story.admitted(n) for n in range(120)]))
    assert len(ids_of(views, Filter(), limit=1_000)) == 100


@pytest.mark.parametrize("cursor", ["x", "!!!", "WzFd", "WzEsMl0", "bnVsbA"])
def test_a_bad_cursor_is_refused(views: Views, cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        queries.list_executions(views, Filter(), after=cursor)
    assert (refused.value.status, refused.value.reason) == (400, "bad_cursor")


def test_an_execution_is_shown_whole(views: Views) -> None:
    story.tell(
        views,
        story.record("definitions", 0, *story.deployments()),
        story.record("admissions", 0, story.admitted(0)),
        story.record(
            "executions",
            1,
            story.started(0),
            story.succeeded(0, "hookTrigger", result={"a": {"$bytes": "aGk="}}, tagged=True),
            story.succeeded(
                0,
                "saveIt",
                blob="blobs/1",
                started_at=story.START,
                ended_at=story.START + 5,
                inputs={"url": "https://e.test", "connection": {"$configVar": "Shop"}},
            ),
            story.completed(0),
        ),
    )
    shown = queries.show_execution(views, ids.to_global(ids.EXECUTION, story.execution_id(0)))
    at = "2023-11-14T22:13:20.001000Z"
    assert shown == {
        "id": ids.to_global(ids.EXECUTION, story.execution_id(0)),
        "status": "succeeded",
        "flow": "Receive",
        "instance": {
            "id": ids.to_global(ids.INSTANCE, story.INSTANCE),
            "name": "Orders of Acme",
        },
        "customer": {
            "id": ids.to_global(ids.CUSTOMER, story.CUSTOMER),
            "externalId": "acme",
            "name": "Acme Inc.",
        },
        "integration": {
            "id": ids.to_global(ids.INTEGRATION, story.INTEGRATION),
            "name": "Orders",
        },
        "version": 1,
        "invokeType": "WEBHOOK",
        "receivedAt": "2023-11-14T22:13:20.000000Z",
        "startedAt": at,
        "endedAt": at,
        "error": None,
        "preprocessFlow": None,
        "trigger": {
            "method": "POST",
            "path": "orders/1",
            "headers": {"X-One": "1", "X-Two": ["a", "b"]},
            "query": {"q": "1"},
            "body": '{"order": 1}',
            "bodyEncoding": "text",
            "bodyBytes": 12,
            "contentType": "application/json",
            "endpoint": ids.to_global(ids.ENDPOINT, story.ENDPOINT),
            "invokeUrl": "",
            "synchronous": False,
        },
        "steps": [
            {
                "key": "hookTrigger",
                "name": "Hook Trigger",
                "fromPreprocessFlow": False,
                "status": "succeeded",
                "loopPath": "",
                "attempt": 1,
                "branch": None,
                "inputs": None,
                "result": {"a": "aGk="},
                "error": None,
                "startedAt": at,
                "endedAt": at,
            },
            {
                "key": "saveIt",
                "name": "Save It",
                "fromPreprocessFlow": False,
                "status": "succeeded",
                "loopPath": "",
                "attempt": 1,
                "branch": None,
                "inputs": {"url": "https://e.test", "connection": {"$configVar": "Shop"}},
                "result": {"blob": "blobs/1"},
                "error": None,
                "startedAt": "2023-11-14T22:13:20.000000Z",
                "endedAt": "2023-11-14T22:13:20.000005Z",
            },
        ],
        "replayForExecution": None,
        "resultType": "COMPLETED",
        "invokedBy": None,
        "replays": [],
        "invoked": [],
    }


def test_without_a_definition_a_step_is_shown_by_its_key(views: Views) -> None:
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("executions", 0, story.started(0), story.succeeded(0, "saveIt")),
    )
    (step,) = queries.show_execution(views, story.execution_id(0))["steps"]
    assert step["name"] == "saveIt"


def test_of_very_much_the_first_results_are_shown_and_the_lengths_of_others(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_STEP_CHARACTERS", 100)
    large = {"result": "x" * 60, "inputs": {"a": "y" * 10}}
    said = [story.succeeded(0, key, **large) for key in ("first", "second", "third")]
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("executions", 0, story.started(0), *said),
    )
    steps = queries.show_execution(views, story.execution_id(0))["steps"]
    assert [step["key"] for step in steps] == ["first", "second", "third"]
    assert (steps[0]["result"], steps[0]["inputs"]) == ("x" * 60, {"a": "y" * 10})
    for step in steps[1:]:
        assert step["result"] == {"$omitted": {"characters": 62}}
        assert step["inputs"] == {"$omitted": {"characters": 18}}


def test_a_body_in_a_blob_is_shown_as_a_reference(views: Views) -> None:
    large = story.request(body="blobs/7", encoding=events.BodyEncoding.BLOB, body_bytes=10**6)
    story.tell(views, story.record("admissions", 0, story.admitted(0, request=large)))
    trigger = queries.show_execution(views, story.execution_id(0))["trigger"]
    assert trigger is not None
    assert (trigger["body"], trigger["bodyEncoding"]) == ({"blob": "blobs/7"}, "blob")


def test_a_refused_trigger_is_shown_by_the_id_that_its_caller_has(views: Views) -> None:
    story.tell(
        views,
        story.record("definitions", 0, *story.deployments()),
        story.record("admissions", 0, story.refused(0)),
    )
    shown = queries.show_execution(views, story.execution_id(0))
    assert (shown["status"], shown["error"]) == (
        "refused",
        "more than 50 requests within one second at this endpoint",
    )
    assert shown["customer"] is not None
    assert ids_of(views, Filter()) == []
    (refusal,) = queries.refusals(views)["refusals"]
    assert (refusal["reason"], refusal["execution"]) == ("rate_limited", shown["id"])


def test_refusals_are_chosen_by_reason_and_instant(views: Views) -> None:
    reasons = (Reason.UNKNOWN_CUSTOMER, Reason.UNKNOWN_FLOW, Reason.REPEATED)
    more: list[dict[str, Any]] = [
        {"customer": "initech", "flow": ""},
        {"flow": "Thrid"},
        {"repeats": story.execution_id(9)},
    ]
    said = [
        story.refused(n, reason=reason, **given)
        for n, (reason, given) in enumerate(zip(reasons, more, strict=True))
    ]
    story.tell(views, story.record("admissions", 0, *said))
    found = queries.refusals(views)["refusals"]
    assert [each["reason"] for each in found] == [*reversed(reasons)]
    assert found[2]["error"] == "there is no customer 'initech'"
    assert found[1]["error"] == "there is no flow 'Thrid'"
    assert found[0]["repeats"] == ids.to_global(ids.EXECUTION, story.execution_id(9))
    [unknown] = queries.refusals(views, reason=Reason.UNKNOWN_CUSTOMER)["refusals"]
    assert (unknown["customer"], unknown["flow"]) == ("initech", "")
    since = Instant(story.START + 1 * SECOND)
    assert len(queries.refusals(views, since=since)["refusals"]) == 2


@pytest.mark.parametrize("unknown", ["nonsense", story.execution_id(404)])
def test_an_unknown_execution_is_refused(views: Views, unknown: str) -> None:
    for read in (queries.show_execution, queries.logs):
        with pytest.raises(Refused) as refused:
            read(views, unknown)
        assert refused.value.status == 404


def test_deployments_are_listed(three: Views) -> None:
    (instance,) = queries.instances(three)["instances"]
    assert (instance["name"], instance["status"], instance["version"]) == (
        "Orders of Acme",
        "active",
        1,
    )
    assert instance["flows"] == [
        {"name": "Receive", "endpoint": ids.to_global(ids.ENDPOINT, story.ENDPOINT)}
    ]
    (integration,) = queries.integrations(three)["integrations"]
    assert (integration["name"], integration["version"]) == ("Orders", 1)


def test_a_new_version_of_an_integration_is_shown(three: Views) -> None:
    second = events.IntegrationPublished(
        integration_id=story.INTEGRATION, name="Orders 2", version=2, definition=""
    )
    again = events.IntegrationPublished(
        integration_id=story.INTEGRATION, name="Orders", version=1, definition="other"
    )
    story.tell(three, story.record("definitions", 1, second, again))
    (integration,) = queries.integrations(three)["integrations"]
    assert (integration["name"], integration["version"]) == ("Orders 2", 2)


def test_executions_are_counted_by_status(three: Views) -> None:
    story.tell(three, story.record("admissions", 1, story.refused(3)))
    assert queries.counts(three) == {"executions": {"failed": 1, "pending": 2}, "refusals": 1}
    since = Instant(story.START + 2 * SECOND)
    assert queries.counts(three, since=since) == {"executions": {"pending": 1}, "refusals": 1}
