"""What a flow may set on its trigger."""

import pytest

from processors import registry, trigger_rules
from processors.actions import Action, Outcome, Support, TriggerTraits
from schemas.integration_file import read
from tests.processors.instances import definition, flow

SCHEDULE = 'schedule: {type: value, value: "*/5 * * * *", meta: {scheduleType: custom}}'


def objections(text: str, **traits: object) -> list[str]:
    reading = read(definition(text))
    assert reading.definition is not None, reading.problems
    action = Action(
        component="tests",
        key="trigger",
        label="Trigger",
        perform=lambda *_: Outcome(),
        is_trigger=True,
        trigger=TriggerTraits(**traits),  # type: ignore[arg-type]  # of a test's choice
    )
    return trigger_rules.objections(
        reading.definition, lambda component, _: action if component == "tests" else None
    )


def trigger(*, schedule: bool = False, branches: str = "", extra: str = "") -> str:
    lines = [flow("Flow", "tests/trigger", extra=extra)]
    if schedule:
        lines.append(f"        {SCHEDULE}")
    if branches:
        lines.append(f"        branches: [{branches}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "traits", "problem"),
    [
        (trigger(schedule=True), {}, "does not go with a schedule"),
        (trigger(), {"schedule_support": Support.REQUIRED}, "needs a schedule"),
        (
            trigger(extra="isSynchronous: true"),
            {"synchronous_support": Support.INVALID},
            "does not go with isSynchronous",
        ),
        (trigger(), {"synchronous_support": Support.REQUIRED}, "needs isSynchronous"),
        (
            trigger(extra="triggerResolver: {enabled: true, batchSize: 2}"),
            {},
            "does not go with a triggerResolver",
        ),
        (trigger(branches="{name: A, steps: []}"), {}, "no branch 'A'; it has: none"),
        (
            trigger(branches="{name: A, steps: []}"),
            {"allows_branching": True, "static_branch_names": ("B",)},
            "no branch 'A'; it has: 'B'",
        ),
    ],
)
def test_what_does_not_fit_is_named(text: str, traits: dict[str, object], problem: str) -> None:
    [said] = objections(text, **traits)
    assert said.startswith("flow 'Flow': the trigger tests/trigger ")
    assert problem in said


def test_what_the_trigger_allows_is_fine() -> None:
    assert objections(trigger()) == []
    assert objections(trigger(schedule=True), schedule_support=Support.VALID) == []
    resolver = trigger(extra="triggerResolver: {enabled: false, batchSize: 2}")
    assert objections(resolver) == []
    assert objections(trigger(branches="{name: A, steps: []}"), allows_branching=True) == []


def test_a_trigger_that_nobody_knows_is_not_judged() -> None:
    reading = read(definition(flow("Flow", "elsewhere/trigger", extra="isSynchronous: true")))
    assert reading.definition is not None
    assert trigger_rules.objections(reading.definition, registry.find) == []
