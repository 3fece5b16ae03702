"""The workbench: one execution of a flow in this process, for penstock.testing.

Takes in an opened definition and what stands in for the world; gives out what became of the
execution. Time is a value: a wait is over at once, and the clock has moved.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock import python_jobs, python_loading, sdk, startup
from penstock.in_process import InProcess, run_apart
from processors import effects, registry
from processors.actions import (
    Action,
    Change,
    Context,
    Input,
    Kind,
    Outcome,
    Runs,
    SharedState,
    StepError,
)
from processors.asked import Effect, Load, Loaded, Pause, Perform, Performed, Wait
from processors.components import persist_data
from processors.flow_frames import ActionStep, Exchange, Heard, Signalled, StepEnded, Suspend
from processors.interpreter import Run
from processors.payload import of_request
from processors.payload import payload as payload_of
from processors.python import components as python_components
from processors.python.run import PythonRun
from processors.recorded_steps import record_of
from schemas import events, ids
from schemas.catalog import Catalog
from schemas.configuration import Configuration
from schemas.definitions import OWN, Definition, Flow, Step
from schemas.events import Scope
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.instants import SECOND, Instant
from schemas.values import NotSerializable, Value, from_json, to_json

NOW = Instant(1_767_225_600 * SECOND)
"""2026-01-01T00:00:00Z, when an execution is received that does not say otherwise."""

_STEP_TAKES = 1_000
_BASE_URL = "https://penstock.test"
_EXECUTION = ExecutionId(ids.derived("execution", "of a test"))
_INSTANCE = InstanceId(ids.derived("instance", "of a test"))
INTEGRATION = IntegrationId(ids.derived("integration", "of a test"))
_CUSTOMER = CustomerId(ids.derived("customer", "of a test"))


class NotRunnable(Exception):
    """The definition, the flow or what was given cannot be run; the message says what is wrong."""


@dataclass(frozen=True)
class StepResult:
    """What one step came to, in the order in which they ended."""

    key: str
    result: Value = None
    error: str = ""
    attempt: int = 1
    loop_path: str = ""
    branch: str | None = None


@dataclass(frozen=True)
class Done:
    """What became of an execution. `error` is empty where it completed.

    `result` is that of the flow, `status`, `headers` and `content_type` what it chose for a
    synchronous answer. `logs` are (level, message); `state` has the values of each scope at the
    end; `invoked` are (flow, data) of flows that it started; `said` is what the log would say.
    """

    result: Value
    error: str
    failed_step: str
    steps: tuple[StepResult, ...]
    logs: tuple[tuple[str, str], ...]
    state: Mapping[str, Mapping[str, Value]]
    invoked: tuple[tuple[str, Value], ...]
    said: tuple[events.Event, ...]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    took_s: float = 0.0
    """How much time the execution would have let pass."""

    def step(self, key: str) -> StepResult:
        """The last result of a step. Raises KeyError with those that there are."""
        for one in reversed(self.steps):
            if one.key == key:
                return one
        raise KeyError(f"no step {key!r} ended; these did: {[one.key for one in self.steps]}")


@dataclass(frozen=True)
class Opened:
    """An integration that can be run; `loaded` is there for Python."""

    definition: Definition
    published: events.IntegrationPublished
    loaded: python_loading.Loaded | None


@dataclass
class Bench:
    """One execution on the bench."""

    opened: Opened
    flow: Flow
    stand_ins: dict[str, Any]
    signals: dict[str, Any]
    values: dict[Scope, dict[str, Value]]
    config: Configuration
    now: Instant
    began_at: Instant
    process: InProcess | None = None

    def run(self, request: events.Request, history: Sequence[events.Event]) -> Done:
        one = self._run(request)
        one.past += history
        one.recorded = record_of(history)
        effect = one.advance(None, self.now)
        while effect is not None:
            self.now = Instant(self.now + _STEP_TAKES)
            effect = one.advance(self._done(one, effect), self.now)
        if self.process is not None:
            self.process.close()
        return self._shown(one)

    def _run(self, request: events.Request) -> Run:
        admitted = events.ExecutionAdmitted(
            execution_id=_EXECUTION,
            trigger_partition=0,
            trigger_offset=0,
            received_at=self.now,
            endpoint_id=EndpointId("test"),
            instance_id=_INSTANCE,
            customer_id=_CUSTOMER,
            integration_id=INTEGRATION,
            version=1,
            flow=self.flow.name,
            request=request,
            synchronous=True,
            reply_to="",
            request_no=0,
            invoke_url=f"{_BASE_URL}/trigger/test",
        )
        catalog = Catalog()
        catalog.apply([self.opened.published, *self._deployed()])
        kind = Run if self.opened.loaded is None else PythonRun
        if self.opened.loaded is not None:
            self.process = InProcess(
                self.opened.loaded, self._stand_in_for_step, self._perform_step
            )
        return kind(
            admitted=admitted,
            flow=self.flow,
            payload=payload_of(admitted, catalog, self.opened.definition, api_keys={}),
            config=self.config.values,
            secrets=self.config.secrets,
            find=self._find,
            read_state=lambda scope: self.values.get(scope, {}),
            write_state=self._write,
            owner_of=lambda scope: scope.value,
            now=self.now,
        )

    def _deployed(self) -> tuple[events.Event, ...]:
        """An instance of all the flows, so that the payload has their URLs."""
        flows = [flow.name for flow in self.opened.definition.flows]
        instance = events.InstanceDeployed(
            instance_id=_INSTANCE,
            name="Test",
            integration_id=INTEGRATION,
            version=1,
            customer_id=_CUSTOMER,
            endpoints={name: EndpointId(ids.derived("endpoint", name)) for name in flows},
            sealed="",
        )
        customer = events.CustomerRegistered(customer_id=_CUSTOMER, external_id="test", name="Test")
        return customer, instance

    def _write(self, change: Change) -> None:
        held = self.values.setdefault(change.scope, {})
        if change.removed:
            held.pop(change.key, None)
        else:
            held[change.key] = change.value

    def _done(self, one: Run, effect: Effect) -> Performed | Loaded | Heard | None:
        match effect:
            case Perform():
                return self._perform(effect)
            case Wait(delay_s):
                self.now = Instant(self.now + int(delay_s * SECOND))
            case Pause():
                pass
            case Load():
                return Loaded({}, "a value that is in a blob store is not here in a test")
            case Exchange():
                assert self.process is not None
                signal = None if effect.send or effect.performs else self._signal(one)
                heard = signal or self.process.exchange(effect, self.now)
                if effect.until is not None and not (effect.send or effect.performs or signal):
                    self.now = max(self.now, effect.until)
                return heard
            case Suspend(wake_at):
                return self._woken(one, wake_at)
        return None

    def _woken(self, one: Run, wake_at: Instant | None) -> Heard | None:
        signal = self._signal(one)
        if signal is not None:
            return signal
        if wake_at is None:
            waits = sorted(_waits(one))
            raise NotRunnable(f"the flow waits for {waits}; give what it is told in `signals`")
        self.now = max(self.now, wake_at)
        return self.process.exchange(Exchange(), self.now) if self.process is not None else None

    def _signal(self, one: Run) -> Signalled | None:
        """The next signal that a step waits for, and that has been given."""
        for name in _waits(one):
            if name in self.signals:
                data = self.signals.pop(name)
                return Signalled(
                    events.SignalReceived(
                        instance_id=_INSTANCE, execution_id=_EXECUTION, name=name, data=data
                    )
                )
        return None

    def _find(self, component: str, action: str) -> Action | None:
        """As a worker finds it; where a stand-in may answer, an action that is asked for here."""
        found = registry.find(component, action)
        if component == OWN:
            own = python_components.own(self.opened.published.manifest, OWN, "")
            found = own.get((component, action))
        names = {f"{component}/{action}", component, *self._steps_of(component, action)}
        if not names & self.stand_ins.keys():
            return found
        if found is None:
            return self._invented(component, action)
        return replace(found, runs=Runs.ASYNC)

    def _steps_of(self, component: str, action: str) -> set[str]:
        return {
            name
            for step in _all(self.flow.steps)
            if (step.component, step.action) == (component, action)
            for name in (step.key, step.name)
        }

    def _invented(self, component: str, action: str) -> Action:
        """A component that is not here, made from what the definition gives it."""
        keys = {
            key
            for step in _all(self.flow.steps)
            if (step.component, step.action) == (component, action)
            for key in step.inputs
        }
        return Action(
            component=component,
            key=action,
            label=action,
            perform=_no_stand_in,
            inputs=tuple(Input(key=key, label=key, kind=Kind.ANY) for key in sorted(keys)),
            runs=Runs.ASYNC,
            touches_world=True,
        )

    def _perform(self, asked: Perform) -> Performed:
        action, step = asked.action, asked.context.step
        names = {one.key: one.name for one in _all(self.flow.steps)}
        for name in (step, names.get(step, step), f"{action.component}/{action.key}"):
            if name in self.stand_ins:
                return self._stood_in(self.stand_ins[name], asked)
        if action.component in self.stand_ins:
            return self._stood_in(self.stand_ins[action.component], asked)
        return self._really(asked)

    def _stood_in(self, stand_in: Any, asked: Perform) -> Performed:
        said = _said(stand_in, (asked.inputs,), {})
        if "error" in said:
            return Performed(None, said["error"], self.now, self.now)
        outcome = Outcome(result=from_json(said["value"], said["tagged"]))
        return Performed(outcome, "", self.now, self.now)

    def _really(self, asked: Perform) -> Performed:
        action = asked.action
        if action.component == OWN:
            return self._own(asked)
        known = registry.find(action.component, action.key)
        if known is not None and known.runs is Runs.INLINE:
            try:
                outcome = known.perform(asked.inputs, asked.context)
                to_json(outcome.result)
            except (StepError, NotSerializable) as error:
                return Performed(None, str(error), self.now, self.now)
            return Performed(outcome, "", self.now, self.now)
        performed = asyncio.run(_perform_really(asked, self._share, self._share_now))
        return replace(performed, started_at=self.now, ended_at=self.now)

    async def _share(self, context: Context, key: str, given: Mapping[str, Value]) -> Value:
        return self._share_now(context, key, given)

    def _share_now(self, context: Context, key: str, given: Mapping[str, Value]) -> Value:
        """Act on what the instances of the integration would share."""
        held = self.values.get(Scope.INTEGRATION, {})
        outcome = persist_data.perform_shared(key, given, held, context.now)
        for change in outcome.changes:
            self._write(change)
        return outcome.result

    def _own(self, asked: Perform) -> Performed:
        """A trigger of the file itself, in this process."""
        assert self.opened.loaded is not None
        names = (asked.action.component, asked.action.key)
        told = python_components.asked(names, asked.inputs, asked.context, 0)
        said = run_apart(python_jobs.performed, self.opened.loaded, told)
        if "error" in said:
            return Performed(None, said["error"], self.now, self.now)
        outcome = python_components.outcome_of(said, asked.context)
        return Performed(outcome, "", self.now, self.now)

    def _perform_step(self, step: ActionStep) -> StepEnded:
        done = self._perform(Perform(step.action, step.inputs, step.context))
        return StepEnded(
            number=step.number, outcome=done.outcome, error=done.error, started_at=self.now
        )

    def _stand_in_for_step(
        self, key: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        name = key.partition(" #")[0]
        for known in (key, name):
            if known in self.stand_ins:
                return _said(self.stand_ins[known], args, kwargs)
        return None

    def _shown(self, one: Run) -> Done:
        last = one.said[-1]
        response = getattr(last, "response", None) or events.Response()
        failed = last if isinstance(last, events.ExecutionFailed) else None
        return Done(
            result=from_json(response.result, response.tagged),
            error=failed.error if failed else "",
            failed_step=failed.step if failed else "",
            steps=tuple(_steps(one.said)),
            logs=tuple((e.level, e.message) for e in one.said if isinstance(e, events.LogWritten)),
            state={scope.value: dict(held) for scope, held in self.values.items()},
            invoked=tuple(
                (e.flow, of_request(e.request)["body"]["data"])
                for e in one.said
                if isinstance(e, events.FlowInvoked)
            ),
            said=tuple(one.said),
            status=response.status,
            headers=response.headers,
            content_type=response.content_type,
            took_s=(self.now - self.began_at) / SECOND,
        )


def _said(stand_in: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The frame of a step for which a stand-in answers."""
    if isinstance(stand_in, BaseException):
        return {"error": f"{type(stand_in).__name__}: {stand_in}"}
    if callable(stand_in):
        context = sdk.StepContext(execution_id="", flow="", step="", attempt=1, idempotency_key="")
        said: dict[str, Any] = python_jobs.outcome_of(stand_in, args, kwargs, context)
        return said
    value, tagged = to_json(stand_in)
    return {"value": value, "tagged": tagged}


async def _perform_really(
    asked: Perform,
    share: SharedState,
    share_now: Callable[[Context, str, Mapping[str, Value]], Value],
) -> Performed:
    async with effects.world(
        code_timeout_s=10.0, allow_private=True, python_program=startup.PYTHON_PROGRAM
    ) as world:
        return await effects.perform(
            asked, replace(world, shared_state=share, shared_state_of_thread=share_now)
        )


def _no_stand_in(*_given: Any) -> Any:
    raise StepError("this component is not here, and no stand-in answers for it")


def _waits(one: Run) -> list[str]:
    """The signals that steps wait for now."""
    done = {e.step for e in one.past if isinstance(e, events.StepSucceeded | events.StepFailed)}
    return [
        e.waits_for
        for e in one.past
        if isinstance(e, events.ExecutionSuspended) and e.waits_for and e.step not in done
    ]


def _all(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.steps)
        for branch in step.branches:
            yield from _all(branch.steps)


def _steps(said: list[events.Event]) -> Iterator[StepResult]:
    for event in said:
        match event:
            case events.StepSucceeded():
                yield StepResult(
                    key=event.step,
                    result=from_json(event.result, event.tagged),
                    attempt=event.attempt,
                    loop_path=event.loop_path,
                    branch=event.branch,
                )
            case events.StepFailed():
                yield StepResult(
                    key=event.step,
                    error=event.error,
                    attempt=event.attempt,
                    loop_path=event.loop_path,
                )
