"""The engine from a preprocess flow to the next: one execution, apart from one another."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processors.asked import Perform, Performed
from processors.interpreter import Run
from processors.preprocess import Entered, Preprocessing
from processors.routing import Astray, Named
from schemas import events
from schemas.definitions import Complex, Entry, Flow, Literal, Reference, Step
from schemas.events import Reason, Scope
from schemas.values import Value
from tests.processors.test_interpreter import STEPS, TRIGGER, answer, built, run_of, touch, walk


def leading(
    first: tuple[Step, ...],
    second: tuple[Step, ...],
    *,
    elsewhere: bool = False,
    said: list[events.Event] | None = None,
    state: dict[tuple[Scope, str], Value] | None = None,
) -> Run:
    """A run of `first` as a preprocess flow and `second` as what it names."""
    run = run_of(first, {} if state is None else state, said)
    admitted = run.admitted

    def dispatch(results: object, last: Value) -> events.FlowDispatched:
        return events.FlowDispatched(
            execution_id=admitted.execution_id,
            flow="Second",
            instance_id=admitted.instance_id,
            customer_id=admitted.customer_id,
            integration_id=admitted.integration_id,
            version=1,
            synchronous=True,
        )

    def enter(dispatched: events.FlowDispatched) -> Entered | None:
        if elsewhere:
            return None
        follows = replace(admitted, flow=dispatched.flow)
        return Entered(follows, Flow(name="Second", steps=(TRIGGER, *second)), {"flow": "Second"})

    known = [event for event in said or [] if isinstance(event, events.FlowDispatched)]
    run.preprocessing = Preprocessing(
        dispatch=dispatch, enter=enter, known=known[0] if known else None
    )
    return run


def results_of(said: list[events.Event]) -> dict[str, object]:
    return {event.step: event.result for event in said if isinstance(event, events.StepSucceeded)}


def test_nothing_of_the_preprocess_flow_reaches_the_next() -> None:
    shown = Step(
        key="show",
        name="Show",
        component="collection-tools",
        action="createObject",
        inputs={
            "keyValueInput": Complex(
                (
                    Entry(Literal("mine"), Reference("a", "results", ())),
                    Entry(Literal("its"), Reference("b", "results", ())),
                )
            )
        },
    )
    said = walk(leading((touch("a"), touch("b")), (touch("a"), shown)))
    results = results_of(said)
    assert list(results) == [
        "preprocess/trigger",
        "preprocess/a",
        "preprocess/b",
        "trigger",
        "a",
        "show",
    ]
    assert results["show"] == {"mine": results["a"], "its": None}
    assert results["a"] != results["preprocess/a"]
    assert results["trigger"] == {"flow": "Second"}


def test_what_is_led_astray_fails_with_its_reason() -> None:
    run = leading((), (touch("a"),))
    assert run.preprocessing is not None
    astray = Astray(reason=Reason.UNKNOWN_FLOW, named=Named("Third"))
    run.preprocessing = replace(run.preprocessing, dispatch=lambda results, last: astray)
    failed = walk(run)[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert failed.reason == "unknown_flow"
    assert "'Third'" in failed.error


def test_a_run_that_goes_on_elsewhere_ends_without_a_terminal_event() -> None:
    run = leading((touch("a"),), (), elsewhere=True)
    said = walk(run)
    assert run.ended
    assert run.handed_over is said[-1]
    again = leading((touch("a"),), (), elsewhere=True, said=said)
    assert walk(again) == []
    assert again.handed_over == run.handed_over


shapes_of_flow = st.lists(STEPS, max_size=3)


@given(shapes_of_flow, shapes_of_flow, st.booleans(), st.data())
def test_a_crash_after_any_append_gives_the_same_events_and_touches_no_step_twice(
    first: list[object], second: list[object], elsewhere: bool, data: st.DataObject
) -> None:
    # Both flows name their steps alike.
    names: tuple[list[int], list[int]] = ([], [])
    flows = tuple(
        tuple(built(shape, own) for shape in shapes)
        for shapes, own in zip((first, second), names, strict=True)
    )
    whole = walk(leading(*flows, elsewhere=elsewhere))
    durable = data.draw(st.integers(0, len(whole) - (0 if elsewhere else 1)))
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

    run = leading(*flows, elsewhere=elsewhere, said=kept, state=state)
    again = kept + walk(run, watching)
    torn = durable > 0 and isinstance(whole[durable - 1], events.StateChanged)
    if not torn:
        assert again == whole
    assert not recorded & set(asked)
    assert (run.handed_over is not None) is elsewhere
