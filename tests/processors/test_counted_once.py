"""The law of what may be said again: whatever is repeated, lost or refolded, each counts once."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from processors import counted_once, execution
from processors.lifecycle_triggers import EMPTY
from schemas import codec, events
from schemas.events import Scope
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.instants import Instant

INSTANCE = InstanceId("n")
PARENT = ExecutionId("parent")
CHILDREN = st.sampled_from(["a", "b", "c"]).map(ExecutionId)


@dataclass
class Partition:
    """A journal, and a worker that follows admissions into it; a crash leaves the journal."""

    journal: list[events.Event] = field(default_factory=list)
    state: execution.State = field(default_factory=execution.State)
    admissions: int = 0

    def say(self, *said: events.Event) -> None:
        for event in said:
            execution.fold(self.state, len(self.journal), codec.Envelope((event,)))
            self.journal.append(event)

    def crash(self) -> None:
        self.state = execution.State()
        for offset, event in enumerate(self.journal):
            execution.fold(self.state, offset, codec.Envelope((event,)))

    def admit(self, admitted: events.ExecutionAdmitted) -> None:
        self.admissions += 1
        if not counted_once.is_repeat(self.state, admitted):
            start = execution.started(admitted, 0, self.admissions)
            self.say(start, *counted_once.remembered(self.state, admitted))

    def decide(self, event: events.TriggerRefused | events.LifecycleHappened) -> None:
        self.say(*counted_once.noted(self.state, event))

    def starts(self) -> Counter[str]:
        return Counter(
            event.execution_id
            for event in self.journal
            if isinstance(event, events.ExecutionStarted)
        )


def admitted(child: str, change: int | None = None, flow: str = "Flow") -> events.ExecutionAdmitted:
    return events.ExecutionAdmitted(
        execution_id=ExecutionId(child),
        trigger_partition=0,
        trigger_offset=0,
        received_at=Instant(0),
        endpoint_id=EndpointId(""),
        instance_id=INSTANCE,
        customer_id=CustomerId("c"),
        integration_id=IntegrationId("i"),
        version=1,
        flow=flow,
        request=EMPTY,
        synchronous=False,
        reply_to="",
        request_no=0,
        invoked_by=PARENT if change is None else None,
        change=change,
    )


def invoked(child: ExecutionId) -> events.FlowInvoked:
    return events.FlowInvoked(
        execution_id=child,
        instance_id=INSTANCE,
        flow="Flow",
        request=EMPTY,
        invoked_by=PARENT,
        step="s",
    )


def refused(child: ExecutionId) -> events.TriggerRefused:
    return events.TriggerRefused(
        execution_id=child,
        trigger_partition=0,
        trigger_offset=0,
        received_at=Instant(0),
        endpoint_id=EndpointId(""),
        instance_id=INSTANCE,
        flow="Flow",
        reason=events.Reason.INSTANCE_PAUSED,
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["invoke", "admit", "refuse", "crash"]), CHILDREN), max_size=25
    )
)
def test_each_invocation_is_started_or_refused_once(turns: list[tuple[str, ExecutionId]]) -> None:
    partition, said = Partition(), set[ExecutionId]()
    for what, child in turns:
        match what:
            case "invoke" if child not in said:
                said.add(child)
                partition.say(invoked(child))
            case "admit":
                partition.admit(admitted(child))
            case "refuse":
                partition.decide(refused(child))
            case "crash":
                partition.crash()
            case _:
                pass
    partition.crash()
    for child in list(partition.state.invoked):
        partition.admit(admitted(child))
        partition.admit(admitted(child))
    refusals = [e.execution_id for e in partition.journal if isinstance(e, events.TriggerRefused)]
    counted = partition.starts() + Counter(refusals)
    assert counted == Counter(said)
    assert not partition.state.invoked


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["A", "B"]), st.booleans()), max_size=20)
)
def test_each_change_starts_each_flow_once_and_never_after_a_later_one(
    told: list[tuple[int, str, bool]],
) -> None:
    partition, latest, seen = Partition(), -1, set[tuple[int, str]]()
    for change, flow, crashes in told:
        partition.admit(admitted(f"{change} {flow}", change, flow))
        if change >= latest:
            latest = change
            seen.add((change, flow))
        if crashes:
            partition.crash()
    assert partition.starts() == Counter(f"{change} {flow}" for change, flow in seen)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.booleans()), max_size=20))
def test_what_hooks_returned_is_kept_once_and_in_the_order_of_triggers(
    told: list[tuple[int, int, bool]],
) -> None:
    partition, highest, expected = Partition(), -1, None
    for offset, value, crashes in told:
        partition.decide(
            events.LifecycleHappened(
                instance_id=INSTANCE,
                occasion=events.Occasion.DEPLOY,
                change=-1,
                part="onInstanceDeploy",
                cross_flow_state={"k": value},
                trigger_partition=0,
                trigger_offset=offset,
            )
        )
        if offset > highest:
            highest, expected = offset, value
        if crashes:
            partition.crash()
    kept = execution.read_values(partition.state, Scope.CROSS_FLOW, INSTANCE)
    assert kept.get("k") == expected
