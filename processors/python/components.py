"""Python components: what authors publish, as actions whose code runs in a process of its own.

Takes in manifests (penstock.manifests); gives out Actions. Each perform is a job of its own: it may
throw, hang, exit, eat memory or return nonsense, and fails its own step, with the reason.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from processors import loading
from processors.actions import (
    HOOK_S,
    Action,
    Answer,
    Change,
    Context,
    Input,
    Kind,
    LogLine,
    Outcome,
    Page,
    Runs,
    StepError,
    Support,
    TriggerTraits,
    World,
)
from processors.python_processes import Ended, Job, NotLoaded, PythonProcesses
from schemas import ids
from schemas.events import Scope
from schemas.hooks import Phase
from schemas.secrets import hide
from schemas.values import from_json, to_json

ACTION_S = 60.0
"""How long an action or trigger may take where it does not say otherwise."""

LONGEST_ACTION_S = 900.0
INSTALLED = "installed packages"
_PACKAGES = {"packages": True}
_STATES = {
    "execution": Scope.EXECUTION,
    "flow": Scope.FLOW,
    "cross_flow": Scope.CROSS_FLOW,
}

_HOOKS = {
    Phase.ON_DEPLOY.value: "on_deploy",
    Phase.ON_DELETE.value: "on_delete",
    Phase.WEBHOOK_CREATE.value: "webhook_create",
    Phase.WEBHOOK_DELETE.value: "webhook_delete",
}

Actions = dict[tuple[str, str], Action]

_logger = logging.getLogger(__name__)


async def installed(program: str) -> Actions:
    """What the packages of this environment publish. A broken one is named, and stops no other."""
    processes = PythonProcesses(program)
    try:
        found = await processes.manifest(_PACKAGES)
    except NotLoaded as error:
        _logger.error("no Python component can be loaded: %s", error)
        return {}
    for one in found["broken"]:
        _logger.error("the component package %s is broken: %s", one["name"], one["error"])
    return actions_of(found["manifest"], INSTALLED, _PACKAGES)


def own(manifest: str, key: str, source: str) -> Actions:
    """The triggers that a Python file declares itself; `key` names its text."""
    declared = orjson.loads(manifest).get("python")
    return actions_of([declared] if declared else [], key, {"source": source})


def actions_of(manifest: Iterable[Mapping[str, Any]], key: str, told: Mapping[str, Any]) -> Actions:
    """The actions and triggers of some components; `told` says what code has them."""
    return {
        (component["key"], one["key"]): _action(component["key"], one, key, told)
        for component in manifest
        for one in (*component["actions"], *component["triggers"])
    }


def _action(component: str, one: Mapping[str, Any], key: str, told: Mapping[str, Any]) -> Action:
    traits = TriggerTraits(
        schedule_support=Support[one["scheduleSupport"].upper()],
        synchronous_support=Support[one["synchronousSupport"].upper()],
        allows_branching=bool(one["branches"]),
        static_branch_names=tuple(one["branches"]),
        answers=one["responds"],
        is_polling=one["polls"],
        resolves=Support.VALID if one.get("batches") else Support.INVALID,
        **_hooks((component, one["key"]), key, told, one.get("hooks", ())),
    )
    timeout_s = min(one["timeout"] or ACTION_S, LONGEST_ACTION_S)
    return Action(
        component=component,
        key=one["key"],
        label=one["label"],
        description=one["description"],
        perform=partial(_perform, (component, one["key"]), key, told, timeout_s, one["isTrigger"]),
        inputs=tuple(_input(given) for given in one["inputs"]),
        runs=Runs.ASYNC,
        touches_world=not one["pure"] and not one["isTrigger"],
        at_most_once=one["atMostOnce"],
        is_trigger=one["isTrigger"],
        trigger=traits,
    )


def _hooks(
    names: tuple[str, str], key: str, told: Mapping[str, Any], phases: Iterable[str]
) -> dict[str, Any]:
    """The hooks of a trigger, by their names among its traits."""
    return {_HOOKS[phase]: partial(_hook, names, key, told, phase) for phase in phases}


async def _hook(
    names: tuple[str, str],
    key: str,
    told: Mapping[str, Any],
    phase: str,
    inputs: Mapping[str, Any],
    context: Context,
    world: World,
) -> Mapping[str, Any]:
    told_to_do = {**asked(names, inputs, context, world.python_memory_bytes), "hook": phase}
    said = await _performed(key, told, told_to_do, HOOK_S, world)
    return {"crossFlowState": from_json(said["value"], said["tagged"])}


def _input(given: Mapping[str, Any]) -> Input:
    return Input(
        key=given["key"],
        label=given["label"],
        kind=Kind[given["kind"].upper()],
        default=given["default"],
        required=given["required"],
        description=given["description"],
        example=given["example"],
    )


async def _perform(
    names: tuple[str, str],
    key: str,
    told: Mapping[str, Any],
    timeout_s: float,
    is_trigger: bool,
    inputs: Mapping[str, Any],
    context: Context,
    world: World,
) -> Outcome:
    """The payload is the trigger's to read: an action has its inputs."""
    payload = await loading.loaded(context.payload, world) if is_trigger else {}
    context = replace(context, payload=payload)
    told_to_do = asked(names, inputs, context, world.python_memory_bytes)
    return outcome_of(await _performed(key, told, told_to_do, timeout_s, world), context)


async def _performed(
    key: str,
    told: Mapping[str, Any],
    told_to_do: Mapping[str, Any],
    timeout_s: float,
    world: World,
) -> Mapping[str, Any]:
    """What a process of its own says; it ends with this, in time or not. Raises StepError."""
    assert world.python is not None, "this process was started without Python processes"
    try:
        job = await world.python.open(key, told)
    except NotLoaded as error:
        raise StepError(f"its code cannot be loaded: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            said = await _done(job, told_to_do)
    except TimeoutError:
        raise StepError(f"it took longer than {timeout_s:g} s") from None
    except Ended as ended:
        raise StepError(str(ended)) from None
    finally:
        world.python.close_job(job)
    if "error" in said:
        raise StepError(said["error"])
    return said


async def _done(job: Job, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    job.send(asked)
    await job.drain()
    said: Mapping[str, Any] = await job.receive()
    return said


def asked(
    names: tuple[str, str], inputs: Mapping[str, Any], context: Context, memory_bytes: int
) -> dict[str, Any]:
    """The frame that has an action or a trigger performed."""
    given, given_tagged = to_json(dict(inputs))
    payload, payload_tagged = to_json(dict(context.payload))
    return {
        "do": "perform",
        "component": names[0],
        "key": names[1],
        "inputs": given,
        "inputs_tagged": given_tagged,
        "payload": payload,
        "payload_tagged": payload_tagged,
        "limits": {"memory_bytes": memory_bytes},
        "context": {
            "execution_id": ids.to_global(ids.EXECUTION, context.execution_id),
            "flow": context.flow,
            "step": context.step,
            "attempt": context.attempt,
            "idempotency_key": context.idempotency_key,
            "config": dict(context.config),
            "state": dict(context.state(Scope.FLOW)),
            "instance_state": dict(context.state(Scope.CROSS_FLOW)),
            "execution_state": dict(context.state(Scope.EXECUTION)),
            "polling": dict(context.polling),
        },
    }


def outcome_of(said: Mapping[str, Any], context: Context) -> Outcome:
    """The outcome in the frame that answers."""
    answer = said.get("response")
    polling = said.get("polling")
    return Outcome(
        result=from_json(said["value"], said["tagged"]),
        branch=said.get("branch"),
        changes=tuple(_changes(said.get("states", {}))),
        logs=tuple(
            LogLine(level, hide(line, context.secrets)) for level, line in said.get("logs", ())
        ),
        answer=None if answer is None else Answer(**answer),
        polled_no_changes=bool(said.get("no_changes")),
        polling=None if polling is None else from_json(*polling),
        page=Page(from_json(*said["items"]), from_json(*said["next_page"]))
        if "items" in said
        else None,
    )


def _changes(states: Mapping[str, Any]) -> Iterable[Change]:
    for name, (values, tagged) in states.items():
        for key, value in from_json(values, tagged).items():
            yield Change(_STATES[name], key, value, removed=value is None)
