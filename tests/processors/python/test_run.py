"""The engine of Python flows: what is recorded, and the law that a crash changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import sdk, testing
from penstock.flow_context import Context
from penstock.workbench import Done
from processors import registry
from processors.actions import Action, Outcome
from processors.recorded_steps import KEPT
from schemas import events
from schemas.ids import ExecutionId, InstanceId

Op = tuple[str, Any]

OPS: st.SearchStrategy[Op] = st.recursive(
    st.one_of(
        st.tuples(st.just("step"), st.integers(0, 2)),
        st.tuples(st.just("pure"), st.just(0)),
        st.tuples(st.just("failing"), st.integers(1, 2)),
        st.tuples(st.just("sleep"), st.sampled_from([0.5, 90.0, 200_000.0])),
        st.tuples(st.just("increment"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("late"), st.sampled_from([5, 7_200])),
        st.tuples(st.just("call"), st.integers(0, 3)),
    ),
    lambda inner: st.tuples(st.just("gather"), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=7,
)


class World:
    """What steps touch: how often each ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def step(self, failures: int) -> str:
        step = sdk.current()
        self.ran.append(step.step)
        if step.attempt <= failures:
            raise ValueError(f"attempt {step.attempt} of {step.step}")
        return f"{step.step} at {step.idempotency_key}"


def integration(ops: list[Op], world: World) -> sdk.Integration:
    async def do(context: Context, op: Op) -> Any:
        kind, given = op
        retry = sdk.Retry(attempts=3, delay=50.0, backoff=2.0)
        match kind:
            case "step":
                return await context.step("step", world.step, given, retry=retry)
            case "pure":
                return await context.step("pure", world.step, 0, pure=True)
            case "failing":
                try:
                    return await context.step("failing", world.step, 9)
                except sdk.StepFailed as error:
                    return str(error)
            case "sleep":
                return await context.sleep(given)
            case "increment":
                return await context.state.increment(given)
            case "late":
                try:
                    return await context.wait_for("never", timeout=given)
                except sdk.TimedOut as error:
                    return str(error)
            case "call":
                return await context.call("Run", {"n": given})
        return await asyncio.gather(*(do(context, one) for one in given))

    @sdk.flow(trigger=sdk.webhook(), name="Run")
    async def run(context: Context, trigger: Any) -> Any:
        results = [await do(context, op) for op in ops]
        return [results, str(context.now()), str(context.uuid()), context.random.random()]

    return sdk.Integration(name="Test", flows=[run])


def ran(ops: list[Op], history: Sequence[events.Event], **given: Any) -> tuple[Done, World]:
    world = World()
    return testing.run(integration(ops, world), history=history, **given), world


def shape(said: list[events.Event]) -> list[str]:
    """What was said, but for instants, and in which order steps side by side came to an end."""
    found = [
        (
            type(event).__name__,
            getattr(event, "step", ""),
            getattr(event, "sequence", 0),
            getattr(event, "attempt", 0),
            getattr(event, "value", None),
            getattr(event, "execution_id", ""),
        )
        for event in said
        if not isinstance(event, events.LogWritten)
    ]
    return sorted(map(repr, found))


def is_torn(said: list[events.Event], durable: int) -> bool:
    """Whether a crash there would part what one record always holds together."""
    return durable > 0 and isinstance(
        said[durable - 1], events.StateChanged | events.FlowInvoked | events.StepRetryScheduled
    )


def values_in(said: list[events.Event]) -> dict[str, dict[str, Any]]:
    state: dict[str, dict[str, Any]] = {}
    for event in said:
        if isinstance(event, events.StateChanged):
            state.setdefault(event.scope, {})[event.key] = event.value
    return state


@settings(max_examples=60)
@given(st.lists(OPS, max_size=4), st.data())
def test_a_crash_after_any_append_gives_the_same_events_and_runs_no_recorded_step_again(
    ops: list[Op], data: st.DataObject
) -> None:
    done, _ = ran(ops, [])
    whole = list(done.said)
    durable = data.draw(st.integers(0, len(whole) - 1))
    if is_torn(whole, durable):
        return
    kept = whole[:durable]
    again, world = ran(ops, [e for e in kept if isinstance(e, KEPT)], state=values_in(kept))
    assert again.error == done.error == ""
    assert shape(kept + list(again.said)) == shape(whole)
    assert again.result[0] == done.result[0]
    recorded = {e.step for e in kept if isinstance(e, events.StepSucceeded | events.StepFailed)}
    assert not recorded & set(world.ran)


@settings(max_examples=30)
@given(st.lists(OPS, max_size=4))
def test_a_replay_of_the_whole_journal_runs_nothing_and_says_only_the_end(ops: list[Op]) -> None:
    done, _ = ran(ops, [])
    history = [e for e in done.said if isinstance(e, KEPT)]
    again, world = ran(ops, history, state=done.state)
    assert world.ran == []
    assert again.result == done.result
    assert [type(e) for e in again.said] == [events.ExecutionCompleted]


def flow_of(function: Callable[[Context, Any], Awaitable[Any]], **trigger: Any) -> sdk.Integration:
    made = sdk.flow(trigger=sdk.webhook(**trigger), name="Run")(function)
    return sdk.Integration(name="Test", flows=[made])


def nothing(*_given: Any) -> None:
    return None


async def reserve_then_charge(context: Context, trigger: Any) -> None:
    await context.step("reserve", nothing)
    await context.step("charge", nothing)


async def charge_then_reserve(context: Context, trigger: Any) -> None:
    await context.step("charge", nothing)
    await context.step("reserve", nothing)


async def only_reserve(context: Context, trigger: Any) -> None:
    await context.step("reserve", nothing)


def history_of(function: Callable[[Context, Any], Awaitable[Any]]) -> list[events.Event]:
    return [e for e in testing.run(flow_of(function)).said if isinstance(e, KEPT)]


def test_steps_in_another_order_than_recorded_fail_with_both_orders_named() -> None:
    done = testing.run(flow_of(charge_then_reserve), history=history_of(reserve_then_charge))
    assert "recorded: reserve, charge; now: charge" in done.error
    assert done.failed_step == "charge"


def test_a_flow_that_leaves_out_a_recorded_step_fails_with_both_orders_named() -> None:
    done = testing.run(flow_of(only_reserve), history=history_of(reserve_then_charge))
    assert "recorded: reserve, charge; now: reserve." in done.error


def test_a_flow_that_reaches_an_unrecorded_step_before_recorded_ones_fails() -> None:
    async def audit_first(context: Context, trigger: Any) -> None:
        await context.step("audit", nothing)
        await reserve_then_charge(context, trigger)

    done = testing.run(flow_of(audit_first), history=history_of(reserve_then_charge))
    assert "recorded: reserve, charge; now: audit" in done.error


def test_a_step_of_a_name_used_before_gets_its_count() -> None:
    async def twice(context: Context, trigger: Any) -> None:
        await context.step("charge", nothing)
        await context.step("charge", nothing)

    assert [one.key for one in testing.run(flow_of(twice)).steps] == [
        "trigger",
        "charge",
        "charge #2",
    ]


def test_a_step_that_touches_the_world_is_scheduled_first_and_a_pure_one_is_not() -> None:
    async def both(context: Context, trigger: Any) -> None:
        await context.step("touch", nothing)
        await context.step("compute", nothing, pure=True)

    said = testing.run(flow_of(both)).said
    scheduled = [e.step for e in said if isinstance(e, events.StepScheduled)]
    assert scheduled == ["touch"]
    assert [e.sequence for e in said if isinstance(e, events.StepSucceeded)] == [0, 1, 2]


def test_a_step_is_tried_as_often_as_it_says_with_growing_delays() -> None:
    async def tries(context: Context, trigger: Any) -> Any:
        retry = sdk.Retry(attempts=3, delay=100, backoff=3)
        return await context.step("charge", nothing, retry=retry)

    done = testing.run(flow_of(tries), stand_ins={"charge": ValueError("declined")})
    delays = [e.delay_s for e in done.said if isinstance(e, events.StepRetryScheduled)]
    assert delays == [100, 300]
    assert (done.failed_step, done.error) == ("charge", "ValueError: declined")
    assert done.took_s > 400


def test_a_failure_that_is_permanent_is_not_tried_again() -> None:
    def declined() -> None:
        raise sdk.Permanent("the card is stolen")

    async def tries(context: Context, trigger: Any) -> Any:
        return await context.step("charge", declined, retry=sdk.Retry(attempts=5))

    done = testing.run(flow_of(tries))
    assert done.error == "the card is stolen"
    assert done.step("charge").attempt == 1


def test_a_step_that_had_begun_before_a_crash_fails_where_it_runs_at_most_once() -> None:
    async def once(context: Context, trigger: Any) -> Any:
        return await context.step("charge", nothing, at_most_once=True)

    said = testing.run(flow_of(once)).said
    begun = next(i for i, e in enumerate(said) if isinstance(e, events.StepScheduled))
    done = testing.run(flow_of(once), history=said[: begun + 1])
    assert "at most once" in done.error


def test_a_response_sets_the_status_of_the_synchronous_answer() -> None:
    async def created(context: Context, trigger: Any) -> Any:
        return sdk.Response(body={"id": 1}, status=201, headers={"X-Id": "1"})

    done = testing.run(flow_of(created, synchronous=True))
    assert (done.status, done.result, done.headers) == (201, {"id": 1}, {"X-Id": "1"})


def test_a_signal_that_came_before_the_wait_is_kept_and_a_repeat_of_it_ignored() -> None:
    async def waits(context: Context, trigger: Any) -> Any:
        await context.step("charge", nothing)
        first = await context.wait_for("approved")
        try:
            await context.wait_for("approved", timeout=5)
        except sdk.TimedOut:
            return first
        return "the repeat counted"

    signals = [
        events.SignalReceived(
            instance_id=InstanceId("n"),
            execution_id=ExecutionId("e"),
            name="approved",
            data=data,
            idempotency_key="key",
        )
        for data in ("ann", "bob")
    ]
    assert testing.run(flow_of(waits), history=signals).result == "ann"


def test_an_action_of_a_component_is_a_step() -> None:
    async def builds(context: Context, trigger: Any) -> Any:
        await context.action("log it", "log", "writeLog", message="hello")
        return await context.action("look", "no-such", "thing")

    done = testing.run(flow_of(builds))
    assert ("info", "hello") in done.logs
    assert done.error == "there is no action no-such/thing here"


def test_flows_are_called_with_data_and_their_execution_ids_are_known() -> None:
    async def calls(context: Context, trigger: Any) -> Any:
        started = await context.call("Run", {"n": 1})
        try:
            await context.call("Gone")
        except sdk.StepFailed as error:
            return [started, str(error)]

    done = testing.run(flow_of(calls))
    assert done.invoked == (("Run", {"n": 1}),)
    assert done.result[0].startswith("SW5zdGFuY2VFeGVjdXRpb25SZXN1bHQ6")
    assert done.result[1] == "There is no flow 'Gone' to invoke; the integration has: 'Run'"


def test_a_flow_of_endless_steps_ends_with_an_error() -> None:
    async def endless(context: Context, trigger: Any) -> Any:
        await context.gather(*(context.step("again", nothing) for _ in range(4_000)))

    assert "more than 3000 steps" in testing.run(flow_of(endless)).error


def test_what_a_step_is_given_is_on_the_log_by_the_names_of_its_parameters() -> None:
    def charge(stock: Any, card: str = "", *, total: int = 0) -> None:
        return None

    async def charges(context: Context, trigger: Any) -> Any:
        await context.step("charge", charge, {"sku": "W"}, total=5)
        await context.step("charge", charge, "x" * 10_000, nothing)

    said: Any = testing.run(flow_of(charges)).said
    first, second = [e for e in said if _is_step(e)]
    assert first.inputs == {"stock": {"sku": "W"}, "total": 5}
    assert second.inputs["stock"]["$omitted"]["bytes"] == 10_002
    assert "reason" in second.inputs["card"]["$omitted"]


def _is_step(event: Any) -> bool:
    return isinstance(event, events.StepSucceeded) and event.sequence > 0


def of_action(component: str, action: str, **inputs: Any) -> Done:
    @sdk.flow(trigger=sdk.webhook(), name="Run")
    async def run(context: Context, trigger: Any) -> Any:
        return await context.action("act", component, action, **inputs)

    return testing.run(run)


@pytest.mark.parametrize(
    ("component", "action", "inputs"),
    [
        ("sleep", "sleep", {"ms": 5}),
        ("loop", "loopNTimes", {"iterationCount": 2}),
        ("loop", "breakLoop", {}),
        ("stop-execution", "stopExecution", {"statusCode": 418}),
        ("branch", "branchOnValue", {"inputValue": "x"}),
    ],
)
def test_an_action_that_steers_a_yaml_flow_is_refused(
    component: str, action: str, inputs: dict[str, Any]
) -> None:
    done = of_action(component, action, **inputs)
    assert done.error.startswith(f"{component}/{action} steers the steps of a YAML flow")
    assert done.step("act").error == done.error


def test_a_bug_of_a_component_fails_the_step_that_met_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(inputs: Any, context: Any) -> Outcome:
        raise ZeroDivisionError("a bug")

    broken = Action(component="math", key="abs", label="Broken", perform=breaks)
    monkeypatch.setattr(registry, "ACTIONS", {**registry.ACTIONS, ("math", "abs"): broken})
    assert of_action("math", "abs").error == "ZeroDivisionError: a bug"
