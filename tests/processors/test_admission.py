"""The exact sliding window: given what was admitted, when a request comes, then this is decided."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import admission
from schemas import events, ids
from schemas.catalog import Catalog
from schemas.events import Reason
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.instants import MILLISECOND, SECOND, Instant
from tests.processors import facts

ENDPOINT = EndpointId(ids.derived("endpoint"))


def catalog_of(limit: int, *later: events.Event) -> Catalog:
    """One instance with one endpoint, and what happened to it later."""
    catalog = Catalog()
    deployed = events.InstanceDeployed(
        instance_id=InstanceId("n"),
        name="n",
        integration_id=IntegrationId("i"),
        version=1,
        customer_id=CustomerId("c"),
        endpoints={"Flow": ENDPOINT},
        sealed="",
        rate_limit=limit,
    )
    catalog.apply([deployed, *later])
    return catalog


def trigger(*, synchronous: bool = False, endpoint: EndpointId = ENDPOINT) -> events.Event:
    return events.WebhookReceived(
        endpoint_id=endpoint,
        request=facts.NOTHING_SENT,
        synchronous=synchronous,
        reply_to="node",
        request_no=1,
    )


def decided(instants: list[int], catalog: Catalog) -> tuple[list[int], list[int]]:
    """The instants admitted and refused when requests are stamped with `instants`, in order."""
    state = admission.INITIAL
    admitted: list[int] = []
    refused: list[int] = []
    for offset, at in enumerate(instants):
        said = admission.decide(
            state, trigger(), Instant(at), catalog=catalog, partition=0, offset=offset
        )
        for event in said:
            state = admission.evolve(state, event)
        kind = isinstance(said[0], events.ExecutionAdmitted)
        (admitted if kind else refused).append(at)
    return admitted, refused


gaps = st.lists(st.integers(0, SECOND // 2), max_size=120)
limits = st.integers(1, 8)


@given(gaps, limits)
def test_no_closed_second_ever_holds_more_than_the_limit(steps: list[int], limit: int) -> None:
    instants = [sum(steps[: n + 1]) for n in range(len(steps))]
    admitted, _ = decided(instants, catalog_of(limit))
    for start in admitted:
        assert sum(start <= at <= start + SECOND for at in admitted) <= limit


@given(gaps, limits)
def test_a_request_is_refused_only_when_its_second_is_full(steps: list[int], limit: int) -> None:
    instants = [sum(steps[: n + 1]) for n in range(len(steps))]
    admitted, refused = decided(instants, catalog_of(limit))
    for late in refused:
        assert sum(late - SECOND <= at <= late for at in admitted) >= limit


@given(gaps, limits)
def test_decisions_do_not_depend_on_how_far_back_the_state_was_folded(
    steps: list[int], limit: int
) -> None:
    instants = [sum(steps[: n + 1]) for n in range(len(steps))]
    admitted, _ = decided(instants, catalog_of(limit))
    if not admitted:
        return
    recent = [at for at in admitted if at >= admitted[-1] - SECOND]
    whole = admission.State(admitted_at=tuple(Instant(at) for at in admitted))
    short = admission.State(admitted_at=tuple(Instant(at) for at in recent))
    now = Instant(admitted[-1])
    assert admission.admitted_within_a_second(whole, now) == admission.admitted_within_a_second(
        short, now
    )


@given(st.lists(st.integers(0, SECOND // 50), max_size=400), st.integers(-SECOND, 0))
def test_what_is_counted_does_not_depend_on_how_it_is_held(steps: list[int], late: int) -> None:
    instants = [sum(steps[: n + 1]) for n in range(len(steps))]
    admitted = [*instants, instants[-1] + late] if instants else []
    state = admission.INITIAL
    for at in admitted:
        [event] = admission.decide(
            admission.INITIAL,
            trigger(synchronous=True),
            Instant(at),
            catalog=catalog_of(1),
            partition=0,
            offset=0,
        )
        state = admission.evolve(state, event)
    for now in instants[-1:]:
        counted = sum(now - SECOND <= at <= now for at in admitted)
        assert admission.admitted_within_a_second(state, Instant(now)) == counted


def test_a_steady_flood_gets_its_share() -> None:
    flood = [n * MILLISECOND for n in range(10_000)]
    admitted, _ = decided(flood, catalog_of(50))
    assert len(admitted) == 500


def test_the_same_trigger_gives_the_same_execution_id() -> None:
    catalog = catalog_of(1)
    first, second = (
        admission.decide(
            admission.INITIAL, trigger(), Instant(5), catalog=catalog, partition=3, offset=7
        )
        for _ in range(2)
    )
    assert first == second


def test_a_caller_who_waits_for_the_result_is_not_told_of_the_admission() -> None:
    said = admission.decide(
        admission.INITIAL,
        trigger(synchronous=True),
        Instant(0),
        catalog=catalog_of(1),
        partition=0,
        offset=0,
    )
    assert [type(event) for event in said] == [events.ExecutionAdmitted]


def test_a_request_for_a_paused_or_removed_instance_is_refused_with_that_reason() -> None:
    paused = events.InstancePaused(instance_id=InstanceId("n"))
    removed = events.InstanceRemoved(instance_id=InstanceId("n"))
    for event, reason in (
        (paused, Reason.INSTANCE_PAUSED),
        (removed, Reason.INSTANCE_REMOVED),
    ):
        [refused, reply] = admission.decide(
            admission.INITIAL,
            trigger(),
            Instant(0),
            catalog=catalog_of(9, event),
            partition=0,
            offset=0,
        )
        assert isinstance(refused, events.TriggerRefused)
        assert refused.reason == reason
        assert isinstance(reply, events.AdmissionDecided)
        assert reply.reason == reason


def test_a_request_for_an_endpoint_that_is_not_there_is_refused() -> None:
    [refused, _] = admission.decide(
        admission.INITIAL,
        trigger(endpoint=EndpointId("other")),
        Instant(0),
        catalog=catalog_of(1),
        partition=0,
        offset=0,
    )
    assert isinstance(refused, events.TriggerRefused)
    assert refused.reason == Reason.UNKNOWN_ENDPOINT


def test_calls_turned_away_are_passed_on_with_their_position_and_use_up_no_room() -> None:
    refused = events.CallsRefused(
        endpoint_id=ENDPOINT,
        reason="wrong_signature",
        count=500,
        first_at=Instant(1),
        last_at=Instant(2),
    )
    said = admission.decide(
        admission.INITIAL, refused, Instant(3), catalog=catalog_of(1), partition=2, offset=9
    )
    [passed_on] = said
    assert isinstance(passed_on, events.CallsRefused)
    assert (passed_on.trigger_partition, passed_on.trigger_offset) == (2, 9)
    assert passed_on.count == 500
    assert admission.evolve(admission.INITIAL, passed_on) == admission.INITIAL


@pytest.mark.parametrize(
    "cause",
    [
        {"invoked_by": ids.ExecutionId("p")},
        {"change": 3},
        {"due_at": Instant(0)},
        {"continues": True},
    ],
)
def test_what_comes_from_within_uses_up_no_room(cause: dict[str, Any]) -> None:
    from_outside = facts.admitted(ids.ExecutionId("x"))
    assert admission.evolve(admission.INITIAL, from_outside) != admission.INITIAL
    from_within = facts.admitted(ids.ExecutionId("x"), **cause)
    assert admission.evolve(admission.INITIAL, from_within) == admission.INITIAL
