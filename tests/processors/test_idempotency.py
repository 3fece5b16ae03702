"""Idempotency keys: given what was admitted, when a request comes again, it runs no second time."""

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import admission, idempotency
from schemas import codec, events
from schemas.events import BodyEncoding, Reason
from schemas.ids import EndpointId, ExecutionId
from schemas.instants import SECOND, Instant
from tests.ingress.serving import definition, flow
from tests.processors.test_routing import SHARED, Deployments, of_instance, received, to

HOUR = 3_600 * SECOND
FIELD = "    idempotencyKeyField: {type: reference, value: trigger.results.body.data.id}\n"


class Admission:
    """One partition of triggers, decided in order; `said` is what stands on the log."""

    def __init__(self, deployments: Deployments) -> None:
        self.deployments = deployments
        self.keys = idempotency.State()
        self.window = admission.INITIAL
        self.said: list[events.Event] = []
        self.offset = 0

    def decide(self, at: int = 0, **request: Any) -> list[events.Event]:
        said = admission.decide(
            self.window,
            received(self.deployments.endpoint, **request),
            Instant(at),
            catalog=self.deployments.catalog,
            partition=0,
            offset=self.offset,
            keys=self.keys,
        )
        self.offset += 1
        for event in said:
            self.window = admission.evolve(self.window, event)
            idempotency.evolve(self.keys, event)
        self.said += said
        return said

    def outcome(self, at: int = 0, **request: Any) -> tuple[Reason | None, ExecutionId]:
        """The reason of a refusal, and the execution that the caller is told."""
        first, *told = self.decide(at, **request)
        assert isinstance(first, events.ExecutionAdmitted | events.TriggerRefused)
        [decided] = told
        assert isinstance(decided, events.AdmissionDecided)
        return getattr(first, "reason", None), decided.execution_id


def keyed(key: str, fingerprint: str = "f") -> dict[str, Any]:
    return {"idempotency_key": key, "fingerprint": fingerprint}


def test_a_repeat_is_told_the_first_execution_and_runs_nothing() -> None:
    door = Admission(Deployments((definition(), "acme")))
    reason, first = door.outcome(**keyed("a"))
    assert reason is None
    assert door.outcome(5, **keyed("a")) == (Reason.REPEATED, first)
    [_, _, refused, _] = door.said
    assert isinstance(refused, events.TriggerRefused)
    assert refused.repeats == first != refused.execution_id
    assert door.outcome(**keyed("b"))[0] is None


def test_a_key_with_another_request_is_refused() -> None:
    door = Admission(Deployments((definition(), "acme")))
    door.outcome(**keyed("a"))
    assert door.outcome(**keyed("a", "g"))[0] is Reason.IDEMPOTENCY_KEY_REUSED


def test_a_key_counts_for_a_day() -> None:
    door = Admission(Deployments((definition(), "acme")))
    _, first = door.outcome(**keyed("a"))
    day = 24 * HOUR
    assert door.outcome(day - 1, **keyed("a")) == (Reason.REPEATED, first)
    reason, second = door.outcome(day, **keyed("a"))
    assert reason is None
    assert door.outcome(day + 1, **keyed("a")) == (Reason.REPEATED, second)


def test_a_request_that_was_refused_leaves_its_key_free() -> None:
    deployments = Deployments()
    deployments.deploy(definition(), rate_limit=1)
    door = Admission(deployments)
    door.outcome(0, **keyed("a"))
    assert door.outcome(1, **keyed("b"))[0] is Reason.RATE_LIMITED
    assert door.outcome(2 * SECOND, **keyed("b"))[0] is None


def test_a_repeat_costs_nothing_of_the_limit_and_is_known_when_it_is_reached() -> None:
    deployments = Deployments()
    deployments.deploy(definition(), rate_limit=1)
    door = Admission(deployments)
    _, first = door.outcome(0, **keyed("a"))
    for at in range(1, 5):
        assert door.outcome(at, **keyed("a")) == (Reason.REPEATED, first)
    assert door.outcome(SECOND + 1)[0] is None


def test_at_endpoints_of_several_flows_a_key_counts_for_one_flow_of_one_instance() -> None:
    door = Admission(Deployments((SHARED, "acme"), (SHARED, "globex")))
    places = list(itertools.product(("acme", "globex"), ("First", "Second")))
    firsts = {place: door.outcome(**to(*place), **keyed("a")) for place in places}
    assert {reason for reason, _ in firsts.values()} == {None}
    for place in places:
        assert door.outcome(**to(*place), **keyed("a")) == (Reason.REPEATED, firsts[place][1])


@pytest.mark.parametrize("text", [definition(flow() + FIELD), of_instance("", flow() + FIELD)])
def test_a_flow_may_say_where_requests_hold_their_key(text: str) -> None:
    door = Admission(Deployments((text, "acme")))
    _, first = door.outcome(content={"id": 7, "attempt": 1})
    assert door.outcome(content={"id": 7, "attempt": 2}) == (Reason.REPEATED, first)
    assert door.outcome(content={"id": 8})[0] is None
    for content in ({}, {"id": ""}, {"id": None}):
        assert door.outcome(content=content)[0] is None
    assert door.outcome(content={"id": 7}, **keyed("a"))[0] is None


def test_a_key_in_a_body_that_was_not_read_is_no_reason_to_run() -> None:
    door = Admission(Deployments((definition(flow() + FIELD), "acme")))
    large: dict[str, Any] = {"content": {"id": 7}, "encoding": BodyEncoding.BLOB}
    assert door.outcome(**large)[0] is Reason.BODY_TOO_LARGE
    assert door.outcome(**large, **keyed("a"))[0] is None
    [admitted, *_] = door.deployments.decided(body=orjson.dumps({"id": 7}), **large)
    assert isinstance(admitted, events.ExecutionAdmitted)


def test_what_was_decided_before_a_crash_does_not_repeat_itself() -> None:
    door = Admission(Deployments((definition(), "acme")))
    door.decide(**keyed("a"))
    door.offset = 0
    [admitted, *_] = door.decide(**keyed("a"))
    assert isinstance(admitted, events.ExecutionAdmitted)


requests = st.lists(
    st.tuples(
        st.integers(0, 9 * HOUR), st.sampled_from(["", "a", "b", "c"]), st.sampled_from("fg")
    ),
    max_size=40,
)


@given(requests)
def test_of_the_requests_of_a_key_one_runs_in_a_day(steps: list[tuple[int, str, str]]) -> None:
    door = Admission(Deployments((definition(), "acme")))
    running: dict[str, tuple[int, str]] = {}
    at = 0
    for gap, key, fingerprint in steps:
        at += gap
        reason, _ = door.outcome(at, **(keyed(key, fingerprint) if key else {}))
        since, known = running.get(key, (-25 * HOUR, ""))
        if not key or at - since >= 24 * HOUR:
            assert reason is None
            running[key] = (at, fingerprint)
        else:
            same = known == fingerprint
            assert reason is (Reason.REPEATED if same else Reason.IDEMPOTENCY_KEY_REUSED)


@given(requests, st.data())
def test_taking_over_at_any_point_changes_no_decision(
    steps: list[tuple[int, str, str]], data: st.DataObject
) -> None:
    deployments = Deployments((definition(), "acme"))
    whole, again = Admission(deployments), Admission(deployments)
    snapshot = data.draw(st.integers(0, len(steps)))
    crash = data.draw(st.integers(snapshot, len(steps)))
    log: list[events.Event] = []
    at = 0
    for index, (gap, key, fingerprint) in enumerate(steps):
        if index == snapshot:
            log = list(idempotency.remembered(again.keys, 0, Instant(at)))
        if index == crash:
            again.keys = idempotency.State()
            for event in codec.decode(codec.encode(log)).events:
                idempotency.evolve(again.keys, event)
        at += gap
        request = keyed(key, fingerprint) if key else {}
        expected = whole.decide(at, **request)
        decided = again.decide(at, **request)
        log += decided
        assert decided == expected


def test_the_newest_keys_are_kept_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEYS", 3)
    state = idempotency.State()
    endpoint = EndpointId("e")
    rows = [[endpoint, str(n), "", f"x{n}", n] for n in range(5)]
    idempotency.evolve(state, events.KeysRemembered(trigger_partition=0, keys=rows))
    assert list(state.held[endpoint]) == ["2", "3", "4"]
    assert idempotency.count(state) == 3


def test_what_does_not_count_any_more_is_not_said_again() -> None:
    door = Admission(Deployments((definition(), "acme")))
    door.decide(0, **keyed("old"))
    door.decide(20 * HOUR, **keyed("new"))
    [said] = idempotency.remembered(door.keys, 3, Instant(30 * HOUR))
    assert (said.trigger_partition, [row[1] for row in said.keys]) == (3, ["new"])
    assert list(idempotency.remembered(door.keys, 3, Instant(50 * HOUR))) == []
    assert door.keys == idempotency.State()


def test_old_keys_are_forgotten_as_new_ones_come() -> None:
    door = Admission(Deployments((definition(), "acme")))
    for n in range(10):
        door.decide(n * 20 * HOUR, **keyed(str(n)))
    assert idempotency.count(door.keys) == 2


def test_who_came_first_with_a_key_keeps_it_for_a_day() -> None:
    """A worker that has lost its partition may have said the second one."""
    state, endpoint = idempotency.State(), EndpointId("e")

    def owner(name: str, at: int) -> str:
        row = [endpoint, "k", "", name, at]
        idempotency.evolve(state, events.KeysRemembered(trigger_partition=0, keys=[row]))
        known = idempotency.find(state, endpoint, "k", Instant(at))
        assert known is not None
        return known.execution_id

    day = 24 * HOUR
    given = [("first", day), ("second", day + HOUR), ("third", 2 * day - 1), ("fourth", 2 * day)]
    assert [owner(*one) for one in given] == ["first", "first", "first", "fourth"]
