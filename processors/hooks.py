"""Hooks: runs what triggers do when their instance is deployed or removed, outside any execution.

Takes in the instance and its definition; gives out the state that the hooks return. One hook at a
time, 30 s each (platform-behaviour, 5.1). A hook reads what the flows of the instance share: the
journal is folded for it from where a worker would begin.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eventlog.log import EventLog, OffsetOutOfRange
from processors import effects, execution, lifecycle_triggers, trigger_rules
from processors.actions import HOOK_S, Action, Context, Hook, StepError, TriggerTraits, World
from processors.cleaning import clean
from processors.finding import Find
from processors.journal_keeping import JOURNAL_READER
from processors.payload import payload
from processors.state_limits import MAX_STATE_BYTES
from schemas import codec, configuration, events, ids, inputs
from schemas.catalog import Catalog
from schemas.configuration import Configuration
from schemas.definitions import Definition, Flow, Step
from schemas.errors import Refused
from schemas.events import Occasion, Scope
from schemas.hooks import About, HookFailed, Phase, Returned
from schemas.ids import InstanceId
from schemas.secrets import MasterKey, hide
from schemas.topics import EXECUTIONS, partition_of
from schemas.values import NotSerializable, Value, dump, to_json, to_text

_HOOKS: Mapping[Phase, Callable[[TriggerTraits], Hook | None]] = {
    Phase.ON_DEPLOY: lambda traits: traits.on_deploy,
    Phase.ON_DELETE: lambda traits: traits.on_delete,
    Phase.WEBHOOK_CREATE: lambda traits: traits.webhook_create,
    Phase.WEBHOOK_DELETE: lambda traits: traits.webhook_delete,
}
_PHASES = {
    Occasion.DEPLOY: (Phase.ON_DEPLOY, Phase.WEBHOOK_CREATE),
    Occasion.REMOVE: (Phase.ON_DELETE, Phase.WEBHOOK_DELETE),
}
_STATE = "crossFlowState"

_logger = logging.getLogger(__name__)


class Hooks:
    """The hooks of the triggers that `find_in` finds for a version."""

    def __init__(
        self,
        log: EventLog,
        *,
        find_in: Callable[[events.IntegrationPublished], Find],
        master_key: MasterKey,
        world: World,
        timeout_s: float = HOOK_S,
    ) -> None:
        self._log = log
        self._find_in = find_in
        self._master_key = master_key
        self._world = world
        self._timeout_s = timeout_s

    def check(self, published: events.IntegrationPublished, definition: Definition) -> None:
        """Raises Refused for a flow that sets on its trigger what the trigger does not take."""
        found = trigger_rules.objections(definition, self._find_in(published))
        if found:
            message = f"The integration cannot be deployed: {'; '.join(found[:5])}."
            raise Refused(message, reason="trigger_misused")

    def entails(
        self, published: events.IntegrationPublished, definition: Definition, occasion: Occasion
    ) -> bool:
        """Whether a deployment or removal may run a hook or start a flow."""
        if occasion is Occasion.DEPLOY and any(map(_fetches_at_first, definition.flows)):
            return True
        return any(
            trigger.trigger.started_on is occasion
            or any(_HOOKS[phase](trigger.trigger) for phase in _PHASES[occasion])
            for _, _, trigger in self._triggers(published, definition)
        )

    def flows_started(self, about: About, occasion: Occasion) -> list[str]:
        """The flows that start by themselves; with a first deployment those that fetch all once."""
        if occasion is Occasion.DEPLOY and about.deployed.is_first:
            fetching = [flow.name for flow in about.definition.flows if _fetches_at_first(flow)]
        else:
            fetching = []
        found = [
            (flow, step, action.trigger)
            for flow, step, action in self._triggers(about.published, about.definition)
            if action.trigger.started_on is occasion
        ]
        config = self._configuration(about).values if found else {}
        wanted = [flow for flow, step, traits in found if _is_wanted(step, traits, config)]
        return list(dict.fromkeys([*wanted, *fetching]))

    async def run(self, phase: Phase, about: About, kept: Mapping[str, Any]) -> Returned:
        """Run the hooks of `phase`. Of ON_DEPLOY the first that fails raises HookFailed.

        `kept` is what hooks of the same change have returned before: the journal may lag behind.
        """
        wanted = [
            (flow, step, action, hook)
            for flow, step, action in self._triggers(about.published, about.definition)
            if (hook := _HOOKS[phase](action.trigger)) is not None
        ]
        if not wanted:
            return Returned()
        configured = self._configuration(about)
        shared = {**await self._shared_state(about.deployed.instance_id), **kept}
        returned: dict[str, Any] = {}
        problems: list[str] = []
        for flow, step, action, hook in wanted:
            try:
                context = _context(phase, about, flow, step, configured, shared)
                new = await self._called(hook, action, step, context, configured)
            except StepError as error:
                problem = f"{phase.value} of flow {flow!r} failed: {error}"
                if phase is Phase.ON_DEPLOY:
                    raise HookFailed(f"{problem}. The instance is as it was.") from error
                _logger.warning(problem, extra={"action": "hook_failed"})
                problems.append(problem)
                continue
            returned.update(new)
            shared.update(new)
        return Returned(cross_flow_state=returned, problems=tuple(problems))

    async def _called(
        self, hook: Hook, action: Action, step: Step, context: Context, configured: Configuration
    ) -> Mapping[str, Any]:
        try:
            resolved = {
                name: inputs.resolve(given, {}, configured.values)
                for name, given in step.inputs.items()
            }
            cleaned = clean(action, resolved)
            async with asyncio.timeout(self._timeout_s):
                returned = await hook(cleaned, context, self._world)
            return _checked(returned)
        except TimeoutError as error:
            raise StepError(f"it did not end within {self._timeout_s:g} s") from error
        except StepError as error:
            raise StepError(hide(str(error), configured.secrets)) from error
        except Exception as error:  # a component's bug fails its own hook only
            _logger.exception("a hook of %s/%s broke", action.component, action.key)
            message = hide(f"{type(error).__name__}: {error}", configured.secrets)
            raise StepError(message) from error

    def _triggers(
        self, published: events.IntegrationPublished, definition: Definition
    ) -> Iterator[tuple[str, Step, Action]]:
        find = self._find_in(published)
        for flow in definition.flows:
            step = flow.steps[0]
            action = find(step.component, step.action)
            if action is not None:
                yield flow.name, step, action

    def _configuration(self, about: About) -> Configuration:
        opened = self._master_key.unseal(about.deployed.sealed)
        return configuration.configured(opened, about.definition)

    async def _shared_state(self, instance_id: InstanceId) -> Mapping[str, Value]:
        """What the flows of the instance share now."""
        partition = partition_of(instance_id, self._log.partitions(EXECUTIONS))
        offset = await self._log.committed(JOURNAL_READER, EXECUTIONS, partition) or 0
        high = (await self._log.marks(EXECUTIONS, partition)).high
        state = execution.State()
        while offset < high:
            try:
                records = await self._log.read(EXECUTIONS, partition, offset, wait_s=1.0)
            except OffsetOutOfRange as gone:
                offset = gone.low
                continue
            if not records:
                break
            for record in records:
                execution.fold(state, record.offset, codec.decode(record.value))
            offset = records[-1].offset + 1
        return execution.read_values(state, Scope.CROSS_FLOW, instance_id)


def _fetches_at_first(flow: Flow) -> bool:
    resolver = flow.resolver
    return resolver is not None and resolver.enabled and resolver.initial_sync_on_deploy


def _is_wanted(step: Step, traits: TriggerTraits, config: Mapping[str, Value]) -> bool:
    if not traits.started_if:
        return True
    given = step.inputs.get(traits.started_if)
    value = inputs.resolve(given, {}, config) if given is not None else ""
    return to_text(value).strip().lower() == "true"


def _context(
    phase: Phase,
    about: About,
    flow: str,
    step: Step,
    configured: Configuration,
    shared: Mapping[str, Value],
) -> Context:
    def state(scope: Scope) -> Mapping[str, Value]:
        return shared if scope is Scope.CROSS_FLOW else {}

    catalog = Catalog()
    catalog.apply([about.published, about.customer, about.deployed])
    happened = events.LifecycleHappened(
        instance_id=about.deployed.instance_id,
        occasion=next(known for known, phases in _PHASES.items() if phase in phases),
        change=-1,
        part=phase.value,
        flow=flow,
        base_url=about.deployed.base_url,
    )
    now = effects.clock()
    admitted = lifecycle_triggers.decide(happened, now, catalog=catalog, partition=0, offset=-1)
    assert isinstance(admitted, events.ExecutionAdmitted)
    return Context(
        execution_id=ids.derived("hook", admitted.instance_id, phase.value, flow),
        instance_id=admitted.instance_id,
        flow=flow,
        step=step.key,
        loop_path="",
        attempt=1,
        now=now,
        payload=payload(admitted, catalog, about.definition, api_keys=configured.api_keys),
        request=admitted.request,
        results={},
        state=state,
        config=configured.values,
        secrets=configured.secrets,
    )


def _checked(returned: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The state in what a hook has returned. Raises StepError for anything else."""
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise StepError(f"it returned {type(returned).__name__} in place of a state or nothing")
    others = [key for key, value in returned.items() if key != _STATE and value]
    if others:
        raise StepError(f"it returned {str(others[0])[:100]}; only {_STATE} is kept of a hook")
    state = returned.get(_STATE) or {}
    if not isinstance(state, Mapping):
        raise StepError(f"its {_STATE} is {type(state).__name__}, not an object")
    for key, value in state.items():
        _check_value(str(key), value)
    return {str(key): value for key, value in state.items()}


def _check_value(key: str, value: Any) -> None:
    try:
        _, tagged = to_json(value)
        size_bytes = len(dump(value))
    except NotSerializable as error:
        raise StepError(f"its {_STATE} at {key!r} holds {error}") from error
    if tagged:
        raise StepError(f"its {_STATE} at {key!r} holds bytes, which a hook cannot keep")
    if size_bytes > MAX_STATE_BYTES:
        message = f"its {_STATE} at {key!r} has {size_bytes} bytes; {MAX_STATE_BYTES} are allowed"
        raise StepError(message)
