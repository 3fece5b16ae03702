"""Flows of an integration file: steps, branches and loops, and the rules that flows keep.

Takes in the place of one flow; gives out `definitions.Flow`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from schemas import integration_inputs, integration_schedules, integration_settings
from schemas.definitions import OWN, Branch, ErrorConfig, Flow, Step, reference_key
from schemas.integration_inputs import CheckStep, Names, Seen, Use
from schemas.yaml_places import Place, shown

SECURITY_TYPES = ("customer_optional", "customer_required", "organization", "unsecured")
ERROR_HANDLERS = ("fail", "ignore", "retry")
_BREAK = ("loop", "breakloop")


@dataclass(slots=True)
class _Outline:
    """What has been read of a flow: its steps in the file's order, and who refers to what."""

    flow: str
    names: Names
    check: CheckStep
    steps: dict[str, Seen] = field(default_factory=dict)
    uses: list[tuple[list[Use], Seen, tuple[str, ...]]] = field(default_factory=list)
    count: int = 0

    def enter(self, place: Place, name: str) -> Seen:
        """Note the next step. Its key must be new in the flow."""
        seen = Seen(self.count, name, place.line("name"))
        self.count += 1
        key = reference_key(name)
        if not key:
            if name.strip():
                place.at("name").wrong("a name needs an ASCII letter or digit to refer to it by")
        elif first := self.steps.get(key):
            also = f"the step {shown(first.name)} on line {first.line}"
            place.at("name").wrong(f"has the same reference key {key!r} as {also}")
        else:
            self.steps[key] = seen
        return seen


def read(place: Place, names: Names, preprocess_flow: str, check: CheckStep) -> Flow | None:
    """The flow at `place`; None, and problems, where it cannot be read."""
    if not place.is_mapping():
        return None
    name = place.name("name")
    place = place.about(f"flow {shown(name)}")
    outline = _Outline(name, names, check)
    steps = _steps(place.items("steps"), outline)
    if place.is_empty("steps"):
        place.at("steps").wrong("has no steps; the first one is its trigger")
    for uses, seen, loops in outline.uses:
        integration_inputs.check_uses(uses, outline.steps, seen, loops)
    draft = Flow(
        name=name,
        description=place.text("description"),
        steps=steps,
        is_synchronous=place.flag("isSynchronous"),
        security=place.choice("endpointSecurityType", SECURITY_TYPES, "customer_optional"),
        organization_api_keys=tuple(key.own_text() for key in place.items("organizationApiKeys")),
        stable_key=place.text("stableKey"),
    )
    place.flag("isAgentFlow")
    return replace(
        draft,
        idempotency_key=integration_settings.idempotency_key(place, draft, names),
        retry=integration_settings.retry(place, draft, names),
        queue=integration_settings.queue(
            place, draft, names, is_preprocess=name == preprocess_flow
        ),
        resolver=integration_settings.resolver(place),
        schemas=integration_settings.schemas(place),
    )


def _steps(
    places: Iterable[Place], outline: _Outline, loops: tuple[str, ...] = ()
) -> tuple[Step, ...]:
    steps = (_step(place, outline, loops) for place in places)
    return tuple(step for step in steps if step is not None)


def _step(place: Place, outline: _Outline, loops: tuple[str, ...]) -> Step | None:
    if not place.is_mapping():
        return None
    name = place.name("name")
    place = place.about(f"flow {shown(outline.flow)}, step {shown(name)}")
    seen = outline.enter(place, name)
    key = reference_key(name)
    component, action = _action(place)
    if (component, action.lower()) == _BREAK and not loops:
        place.at("action").wrong("breaks a loop, and there is none around it")
    names = Names(outline.names.config_vars)
    inputs = integration_inputs.read_all(place.entries("inputs"), names)
    outline.uses.append((names.uses, seen, loops))
    for input_key, problem in outline.check(component, action, inputs):
        place.at("inputs").at(input_key).at("value").wrong(problem)
    schedule = place.get("schedule")
    return Step(
        key=key,
        name=name,
        component=component,
        action=action,
        inputs=inputs,
        is_trigger=_is_trigger(place, first=seen.position == 0),
        steps=_steps(place.items("steps"), outline, (*loops, key)),
        branches=_branches(place, outline, loops),
        error_config=_error_config(place),
        schedule=integration_schedules.read(schedule, names) if schedule else None,
        answers=component == OWN and place.flag("answers"),
    )


def _action(place: Place) -> tuple[str, str]:
    """Component key and action key."""
    action = place.get("action")
    if action is None:
        place.wrong("action is missing")
        return "", ""
    component = action.get("component") if action.is_mapping() else None
    if component is None or not component.is_mapping():
        action.wrong("action.component is missing")
        return "", action.text("key")
    return component.name("key"), action.name("key")


def _is_trigger(place: Place, *, first: bool) -> bool:
    is_trigger = place.flag("isTrigger")
    if first and not is_trigger:
        place.at("isTrigger").wrong("the first step of a flow is its trigger: isTrigger is missing")
    if is_trigger and not first:
        place.at("isTrigger").wrong("only the first step of a flow is a trigger")
    if not is_trigger and place.get("schedule"):
        place.at("schedule").wrong("only a trigger has a schedule")
    return is_trigger


def _branches(place: Place, outline: _Outline, loops: tuple[str, ...]) -> tuple[Branch, ...]:
    branches, lines = [], dict[str, int]()
    for branch in place.items("branches"):
        if not branch.is_mapping():
            continue
        name = branch.name("name")
        if name in lines:
            branch.at("name").wrong(f"the branch {shown(name)} is also on line {lines[name]}")
        lines.setdefault(name, branch.line("name"))
        steps = _steps(branch.items("steps"), outline, loops)
        branches.append(Branch(name=name, steps=steps))
    return tuple(branches)


def _error_config(place: Place) -> ErrorConfig:
    config = place.mapping("errorConfig")
    if config is None:
        return ErrorConfig()
    return ErrorConfig(
        handler=config.choice("errorHandlerType", ERROR_HANDLERS, "fail"),
        max_attempts=config.count("maxAttempts", 0, 5),
        delay_s=config.number("delaySeconds", 0, 60),
        exponential=config.flag("usesExponentialBackoff"),
        ignore_final_error=config.flag("ignoreFinalError"),
    )
