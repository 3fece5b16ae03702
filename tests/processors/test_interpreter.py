"""The flow engine: flows walked by hand, and the law that a crash at any point changes nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import registry
from processors.actions import Action, Change, Outcome, Runs
from processors.asked import Perform, Performed, Wait
from processors.flow_frames import Suspend
from processors.interpreter import Run
from processors.recorded_steps import record_of
from schemas import codec, events, ids
from schemas.definitions import (
    Branch,
    Complex,
    Entry,
    ErrorConfig,
    Flow,
    Input,
    Literal,
    Reference,
    Step,
)
from schemas.events import Scope
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.values import Value
from tests.processors import facts

EXECUTION = ExecutionId(ids.derived("execution"))
TRIGGER = Step(
    key="trigger",
    name="Trigger",
    component="webhook-triggers",
    action="webhook",
    is_trigger=True,
)
TOUCH = Action(
    component="test",
    key="touch",
    label="Touch the world",
    perform=lambda inputs, context, world: Outcome(),
    runs=Runs.ASYNC,
    touches_world=True,
)
ONCE = Action(
    component="test",
    key="once",
    label="Touch it once",
    perform=lambda inputs, context, world: Outcome(),
    runs=Runs.ASYNC,
    touches_world=True,
    at_most_once=True,
)


def find(component: str, action: str) -> Action | None:
    own = {("test", "touch"): TOUCH, ("test", "once"): ONCE}
    return own.get((component, action)) or registry.find(component, action)


def touch(name: str, action: str = "touch", **options: object) -> Step:
    return Step(key=name, name=name, component="test", action=action, **options)  # type: ignore[arg-type]


def loop(name: str, times: int, *steps: Step) -> Step:
    return Step(
        key=name,
        name=name,
        component="loop",
        action="loopNTimes",
        inputs={"iterationCount": Literal(str(times))},
        steps=steps,
    )


def count(name: str) -> Step:
    return Step(
        key=name,
        name=name,
        component="persist-data",
        action="incrementCrossFlowValue",
        inputs={"keyInput": Literal("n"), "amountInput": Literal("1")},
    )


def run_of(
    steps: tuple[Step, ...],
    state: dict[tuple[Scope, str], Value],
    said: list[events.Event] | None = None,
) -> Run:
    """A run of `steps` behind a trigger; `said` is what an earlier run has left on the log."""
    admitted = facts.admitted(EXECUTION, synchronous=True, reply_to="node", request_no=1)

    def write(change: Change) -> None:
        state[(change.scope, change.key)] = change.value

    return Run(
        admitted=admitted,
        flow=Flow(name="Flow", steps=(TRIGGER, *steps)),
        payload={"body": {"data": {"a": 1}}, "webhookApiKeys": {"Flow": ["k3y"]}},
        config={},
        secrets=frozenset(),
        find=find,
        read_state=lambda scope: {key: v for (s, key), v in state.items() if s == scope},
        write_state=write,
        owner_of=lambda scope: "owner",
        now=Instant(0),
        recorded=record_of(said or []),
    )


def answer(asked: Perform) -> Performed:
    """What the world says: a function of the step, so that it says the same again."""
    context = asked.context
    result = {"step": context.step, "loop": context.loop_path, "key": context.idempotency_key}
    return Performed(Outcome(result=result), "", Instant(1), Instant(2))


def walk(run: Run, respond: Callable[[Perform], Performed] = answer) -> list[events.Event]:
    """Everything that the run says until it ends."""
    effect = run.advance(None, Instant(0))
    while effect is not None:
        performed = respond(effect) if isinstance(effect, Perform) else None
        effect = run.advance(performed, Instant(2))
    return run.said


def kinds(said: list[events.Event]) -> list[str]:
    return [type(event).__name__ for event in said]


def failing(asked: Perform) -> Performed:
    return Performed(None, "the world is away", Instant(1), Instant(2))


def test_a_step_that_touches_the_world_is_scheduled_then_answered() -> None:
    said = walk(run_of((touch("a"),), {}))
    assert kinds(said) == ["StepSucceeded", "StepScheduled", "StepSucceeded", "ExecutionCompleted"]


def test_api_keys_never_stand_on_the_log() -> None:
    said = walk(run_of((), {}))
    assert "k3y" not in repr(said)


def made(key: str, step: str, *path: str) -> Step:
    entry = Entry(Literal("r"), Reference(step, "results", path))
    return Step(
        key=key,
        name=key,
        component="collection-tools",
        action="createObject",
        inputs={"keyValueInput": Complex((entry,))},
    )


def test_nor_those_that_a_step_hands_on_and_a_step_after_a_crash_has_them_still() -> None:
    before = (made("a", TRIGGER.key), touch("b"))
    said = walk(run_of(before, {}))
    results = [event.result for event in said if isinstance(event, events.StepSucceeded)]
    assert "k3y" not in repr(results)
    after = made("c", "a", "r", "webhookApiKeys", "Flow", "0")
    last = walk(run_of((*before, after), {}, said[:2]))[-1]
    assert isinstance(last, events.ExecutionCompleted)
    assert last.response is not None
    assert last.response.result == {"r": "k3y"}


def test_a_failing_step_fails_the_execution_and_names_itself() -> None:
    said = walk(run_of((touch("a"), touch("b")), {}), failing)
    last = said[-1]
    assert isinstance(last, events.ExecutionFailed)
    assert (last.step, last.error) == ("a", "the world is away")


def test_an_ignored_error_becomes_the_result_of_its_step() -> None:
    step = touch("a", error_config=ErrorConfig(handler="ignore"))
    shown = Step(
        key="show",
        name="show",
        component="collection-tools",
        action="createObject",
        inputs={
            "keyValueInput": Complex((Entry(Literal("e"), Reference("a", "results", ("error",))),))
        },
    )
    said = walk(run_of((step, shown), {}), failing)
    last = said[-1]
    assert isinstance(last, events.ExecutionCompleted)
    assert last.response is not None
    assert last.response.result == {"e": "the world is away"}


def test_a_step_is_tried_again_as_often_as_it_says_with_growing_delays() -> None:
    policy = ErrorConfig(handler="retry", max_attempts=2, delay_s=3, exponential=True)
    run = run_of((touch("a", error_config=policy),), {})
    delays: list[float] = []
    effect = run.advance(None, Instant(0))
    while effect is not None:
        if isinstance(effect, Wait):
            delays.append(effect.delay_s)
        effect = run.advance(failing(effect) if isinstance(effect, Perform) else None, Instant(2))
    assert delays == [3, 6]
    assert isinstance(run.said[-1], events.ExecutionFailed)


def given_to(said: list[events.Event]) -> dict[str, object]:
    """The inputs that the log keeps, by step and loop path."""
    steps = (events.StepSucceeded, events.StepFailed)
    return {e.step + e.loop_path: e.inputs for e in said if isinstance(e, steps)}


def test_steps_say_what_they_were_given_beyond_the_definition() -> None:
    amount: dict[str, Input] = {
        "keyInput": Literal("n"),
        "amountInput": Reference("outer", "index", ()),
    }
    inner = replace(count("count"), inputs=amount)
    outer = replace(
        loop("outer", 2, inner), inputs={"iterationCount": Reference("trigger", "results", ("n",))}
    )
    run = run_of((outer,), {})
    run.payload = {"n": 2}
    assert given_to(walk(run)) == {
        "trigger": None,
        "countouter[0]": {"amountInput": 0},
        "countouter[1]": {"amountInput": 1},
        "outer": {"iterationCount": 2},
    }


def test_a_failed_step_says_what_it_was_given() -> None:
    over = Step(
        key="l",
        name="L",
        component="loop",
        action="loopOverItems",
        inputs={"items": Reference("trigger", "results", ("body", "data", "a"))},
    )
    said = walk(run_of((over,), {}))
    assert given_to(said)["l"] == {"items": 1}
    assert kinds(said)[-1] == "ExecutionFailed"


BROKEN = Action(
    component="test", key="broken", label="A bug", perform=lambda inputs, context: inputs["gone"]
)


def test_a_bug_of_a_component_fails_its_own_step_only() -> None:
    policy = ErrorConfig(handler="ignore")
    steps = (touch("bad", "broken", error_config=policy), count("after"))
    run = run_of(steps, {})
    run.find = lambda component, action: BROKEN if action == "broken" else find(component, action)
    said = walk(run)
    [failed] = [e for e in said if isinstance(e, events.StepFailed)]
    assert (failed.error, failed.ignored) == ("KeyError: 'gone'", True)
    assert kinds(said)[-1] == "ExecutionCompleted"


def test_a_value_that_cannot_be_kept_fails_the_step_that_wrote_it() -> None:
    state: dict[tuple[Scope, str], Value] = {(Scope.CROSS_FLOW, "n"): 2**64 - 1}
    said = walk(run_of((count("count"),), state))
    failed = said[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert "step 'count': the value at 'n' cannot be kept" in failed.error
    assert state == {(Scope.CROSS_FLOW, "n"): 2**64 - 1}


def test_an_action_that_is_not_there_fails_by_name_when_it_is_reached() -> None:
    step = Step(key="post", name="Post Message", component="slack", action="postMessage")
    said = walk(run_of((touch("a"), step), {}))
    last = said[-1]
    assert isinstance(last, events.ExecutionFailed)
    assert "'slack'" in last.error
    assert "'postMessage'" in last.error
    assert "Post Message" in last.error


def test_the_steps_of_a_branch_not_taken_do_not_run() -> None:
    branch = Step(
        key="which",
        name="Which",
        component="branch",
        action="branchOnValue",
        inputs={
            "inputValue": Literal("x"),
            "branchValueMappings": Complex((Entry(Literal("X"), Literal("x")),)),
        },
        branches=(
            Branch(name="X", steps=(touch("in_x"),)),
            Branch(name="Else", steps=(touch("in_else"),)),
        ),
    )
    said = walk(run_of((branch,), {}))
    ran = [event.step for event in said if isinstance(event, events.StepSucceeded)]
    assert ran == ["trigger", "which", "in_x"]


def test_a_step_begun_before_a_crash_fails_where_its_action_runs_at_most_once() -> None:
    run = run_of((touch("a", "once"),), {})
    run.advance(None, Instant(0))
    again = run_of((touch("a", "once"),), {}, list(run.said))
    assert again.advance(None, Instant(0)) is None
    last = again.said[-1]
    assert isinstance(last, events.ExecutionFailed)
    assert "at most once" in last.error


STEPS = st.recursive(
    st.sampled_from(["touch", "count"]),
    lambda inner: st.tuples(st.integers(0, 3), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("outcome", "response"),
    [
        (Outcome(status=415), events.Response(status=415, content_type="application/json")),
        (
            Outcome(result={"a": 1}, status=202, headers={"X-A": "1"}),
            events.Response(
                status=202,
                content_type="application/json",
                headers={"X-A": "1"},
                result={"a": 1},
            ),
        ),
        (
            Outcome(result=b"\0", status=200, content_type="image/png"),
            events.Response(
                status=200, content_type="image/png", result={"$bytes": "AA=="}, tagged=True
            ),
        ),
        (Outcome(result={"a": 1}), events.Response(result={"a": 1})),
        (
            Outcome(result=1, headers={"X-A": "1"}, content_type="text/plain"),
            events.Response(result=1),
        ),
    ],
)
@pytest.mark.parametrize("crashed", [False, True])
def test_the_last_step_chooses_the_answer_also_after_a_crash(
    outcome: Outcome, response: events.Response, crashed: bool
) -> None:
    steps = (touch("answer"),)
    said = walk(run_of(steps, {}), lambda _: Performed(outcome, "", Instant(1), Instant(2)))
    if crashed:
        known = codec.decode(codec.encode(said[:-1])).events
        said = walk(run_of(steps, {}, list(known)))
    completed = said[-1]
    assert isinstance(completed, events.ExecutionCompleted)
    assert completed.response == response


def built(shape: object, names: list[int]) -> Step:
    """The step that a drawn shape stands for, under a name of its own."""
    names.append(len(names))
    name = f"s{names[-1]}"
    if shape == "touch":
        return touch(name)
    if shape == "count":
        return count(name)
    assert isinstance(shape, tuple)
    times, inner = shape
    return loop(name, times, *(built(one, names) for one in inner))


@given(st.lists(STEPS, max_size=4), st.data())
def test_a_crash_after_any_append_gives_the_same_events_and_touches_no_step_twice(
    shapes: list[object], data: st.DataObject
) -> None:
    names: list[int] = []
    steps = tuple(built(shape, names) for shape in shapes)
    whole = walk(run_of(steps, {}))
    durable = data.draw(st.integers(0, len(whole) - 1))
    kept = whole[:durable]
    state: dict[tuple[Scope, str], Value] = {}
    for event in kept:
        if isinstance(event, events.StateChanged):
            state[(Scope(event.scope), event.key)] = event.value
    recorded = {(e.step, e.loop_path) for e in kept if isinstance(e, events.StepSucceeded)}
    asked: list[tuple[str, str]] = []

    def watching(effect: Perform) -> Performed:
        asked.append((effect.context.step, effect.context.loop_path))
        return answer(effect)

    again = kept + walk(run_of(steps, state, kept), watching)
    if not _torn(whole, durable):
        assert again == whole
    assert not recorded & set(asked)


def _torn(whole: list[events.Event], durable: int) -> bool:
    """Whether a crash there would part a value from its step, which one record never does."""
    return durable > 0 and isinstance(whole[durable - 1], events.StateChanged)


def sleeping(ms: int) -> Step:
    return Step(
        key="nap", name="Nap", component="sleep", action="sleep", inputs={"ms": Literal(str(ms))}
    )


def test_a_short_sleep_waits_in_memory() -> None:
    run = run_of((sleeping(1_500),), {})
    assert run.advance(None, Instant(0)) == Wait(1.5)
    assert run.advance(None, Instant(0)) is None
    assert "ExecutionSuspended" not in kinds(run.said)


def test_a_long_sleep_asks_to_be_forgotten_and_goes_on_when_it_is_due() -> None:
    run = run_of((sleeping(600_000), touch("a")), {})
    due = Instant(600 * SECOND)
    assert run.advance(None, Instant(0)) == Suspend(due)
    early = run_of((sleeping(600_000), touch("a")), {}, list(run.past))
    assert early.advance(None, Instant(30 * SECOND)) == Suspend(due)
    assert kinds(early.said) == []
    woken = run_of((sleeping(600_000), touch("a")), {}, list(run.past))
    assert isinstance(woken.advance(None, due), Perform)
    assert [e.step for e in woken.said if isinstance(e, events.StepSucceeded)] == ["nap"]


def test_a_long_delay_before_a_retry_asks_to_be_forgotten_too() -> None:
    policy = ErrorConfig(handler="retry", max_attempts=1, delay_s=90)
    run = run_of((touch("a", error_config=policy),), {})
    effect = run.advance(None, Instant(0))
    assert isinstance(effect, Perform)
    assert run.advance(failing(effect), Instant(2)) == Suspend(Instant(2 + 90 * SECOND))
    woken = run_of((touch("a", error_config=policy),), {}, list(run.past))
    again = woken.advance(None, Instant(90 * SECOND + 2))
    assert isinstance(again, Perform)
    assert again.context.attempt == 2
