"""A preprocess flow and what follows it, shown as one execution in whatever order it is read."""

import itertools
from typing import Any

import pytest

from eventlog.log import Record
from projections import queries
from projections.store import Views
from schemas import events
from schemas.ids import CustomerId, InstanceId
from tests.projections import story

OWN = InstanceId("11111111-0000-0000-0000-000000000000")
ID = story.execution_id(0)


def admission(**given: Any) -> events.ExecutionAdmitted:
    return story.admitted(0, **given)


def said() -> list[Record]:
    """The preprocess flow on partition 0, what follows it on partition 1."""
    before = admission(
        instance_id=OWN,
        customer_id=CustomerId(""),
        flow="Route",
        preprocess=events.Preprocess(by_flow=True),
        version=2,
    )
    after = admission(trigger_offset=7, continues=True, synchronous=True)
    dispatched = events.FlowDispatched(
        execution_id=ID,
        flow="Receive",
        instance_id=story.INSTANCE,
        customer_id=story.CUSTOMER,
        integration_id=story.INTEGRATION,
        version=1,
        synchronous=True,
    )
    logged = events.LogWritten(
        execution_id=ID, level="info", message="routed", step="preprocess/saveIt"
    )
    return [
        story.record("admissions", 0, before),
        story.record("admissions", 0, after, partition=1),
        story.record(
            "executions",
            0,
            story.started(0, instance_id=OWN, flow="Route", preprocess=True),
            story.succeeded(0, "preprocess/saveIt", result={"to": "Receive"}),
            logged,
            dispatched,
        ),
        story.record(
            "executions",
            0,
            story.started(0, continues=True, admission_partition=1),
            story.succeeded(0, "hookTrigger"),
            story.succeeded(0, "saveIt", result=2),
            story.completed(0),
            partition=1,
        ),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_reading_changes_nothing(views: Views, order: tuple[int, ...]) -> None:
    records = said()
    story.tell(views, story.record("definitions", 0, *story.deployments()))
    for index in order:
        story.tell(views, records[index])
    shown = queries.show_execution(views, ID)
    assert (shown["status"], shown["flow"], shown["preprocessFlow"]) == (
        "succeeded",
        "Receive",
        "Route",
    )
    assert (shown["version"], shown["startedAt"]) == (1, "2023-11-14T22:13:20.000000Z")
    assert shown["instance"] is not None
    assert shown["instance"]["name"] == "Orders of Acme"
    assert shown["customer"] is not None
    assert shown["trigger"] is not None
    assert shown["trigger"]["synchronous"] is True
    steps = [(each["key"], each["fromPreprocessFlow"], each["result"]) for each in shown["steps"]]
    assert steps == [
        ("saveIt", True, {"to": "Receive"}),
        ("hookTrigger", False, None),
        ("saveIt", False, 2),
    ]
    lines = queries.logs(views, ID)["logs"]
    assert [(line["message"], line["step"], line["fromPreprocessFlow"]) for line in lines] == [
        ("Starting Instance 'Orders of Acme'", "", False),
        ("saveIt", "saveIt", True),
        ("routed", "saveIt", True),
        ("Hook Trigger", "hookTrigger", False),
        ("Save It", "saveIt", False),
        ("Ending Instance 'Orders of Acme'", "", False),
    ]


def test_a_preprocess_flow_that_leads_nowhere_is_shown_as_itself(views: Views) -> None:
    records = said()
    failed = events.ExecutionFailed(execution_id=ID, error="names no flow", reason="unknown_flow")
    started = story.started(0, instance_id=OWN, flow="Route", preprocess=True)
    story.tell(views, records[0], story.record("executions", 0, started, failed))
    shown = queries.show_execution(views, ID)
    assert (shown["status"], shown["flow"], shown["instance"]) == ("failed", "Route", None)
