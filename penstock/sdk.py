"""The SDK: what authors of Python integrations and of components write with.

    from penstock.sdk import Integration, Retry, flow, webhook

    @flow(trigger=webhook(synchronous=True))
    async def order(context, trigger):
        stock = await context.step("reserve stock", reserve, trigger.body.data["sku"])
        return {"stock": stock}

    integration = Integration(name="Orders", flows=[order])

What stands here only declares: it starts nothing and reads nothing. The functions run in processes
of their own, never in the server (processors.python_processes).
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, cast, overload

from penstock import sdk_inputs
from penstock.sdk_inputs import Declared
from penstock.sdk_inputs import Input as Input
from schemas.definitions import OWN

COMPONENTS = "penstock.components"
"""The group of entry points under which packages publish components."""


class StepFailed(Exception):
    """A step of a flow has failed for good. `step` is its key, the message its error."""

    def __init__(self, step: str, error: str) -> None:
        super().__init__(error)
        self.step = step


class TimedOut(StepFailed, TimeoutError):
    """No signal came within the time that `context.wait_for` was given."""


class Permanent(Exception):
    """Raised by a step's function: another attempt would fail as well, so none is made."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a step is tried: `attempts` in all.

    Attempt n + 1 follows attempt n after `delay · backoff^(n-1)` seconds, at most `longest`: with
    delay 1 and backoff 2, after 1, 2, 4, 8 … seconds.
    """

    attempts: int = 3
    backoff: float = 2.0
    delay: float = 1.0
    longest: float = 86_400.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.delay < 0 or self.backoff < 0:
            raise ValueError(f"{self} is no way to try again: attempts ≥ 1, delay and backoff ≥ 0")


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a flow gives a synchronous caller instead of a plain result."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Start:
    """Which trigger starts a flow; made by `webhook`, `schedule` and the others below.

    With a `batch_size` the items that the trigger gives are cut into executions.
    """

    component: str
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    is_synchronous: bool = False
    security: str = "customer_optional"
    schedule: Mapping[str, Any] | None = None
    batch_size: int = 0
    batches_at_once: int = 1


def webhook(*, synchronous: bool = False, security: str = "customer_optional") -> Start:
    """A request to the flow's URL."""
    return Start(
        component="webhook-triggers",
        action="webhook",
        is_synchronous=synchronous,
        security=security,
    )


def schedule(cron: str = "", *, time_zone: str = "UTC", config_var: str = "") -> Start:
    """The instants of a cron text of five fields, or of the schedule in a config variable."""
    if bool(cron) == bool(config_var):
        raise ValueError("schedule() needs either a cron text or the key of a config variable")
    return Start(
        component="schedule-triggers",
        action="schedule",
        schedule={
            "type": "configVar" if config_var else "value",
            "value": config_var or cron,
            "meta": {"scheduleType": "custom", "timeZone": time_zone},
        },
    )


def on_deploy() -> Start:
    """The instance was deployed."""
    return Start(component="management-triggers", action="instanceDeploy")


def on_remove() -> Start:
    """The instance was removed."""
    return Start(component="management-triggers", action="instanceRemove")


@dataclass(frozen=True, kw_only=True)
class ConfigVar:
    """A value that each instance may set; a flow reads it as `context.config[key]`.

    `connection` names the component and the connection whose fields it holds; those are secrets.
    """

    key: str
    data_type: str = "string"
    default: str | None = None
    description: str = ""
    connection: tuple[str, str] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A flow as code. `function` is `async def (context, trigger)`."""

    name: str
    function: Callable[..., Awaitable[Any]]
    trigger: Start
    description: str = ""
    stable_key: str = ""

    @property
    def line(self) -> int:
        return self.function.__code__.co_firstlineno


def flow(
    *, trigger: Start, name: str = "", description: str = "", stable_key: str = ""
) -> Callable[[Callable[..., Awaitable[Any]]], Flow]:
    """Make a flow of a coroutine function; it has the function's name unless one is given.

    `stable_key` is what it is known by over versions, also when its name changes.
    """

    def made(function: Callable[..., Awaitable[Any]]) -> Flow:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"a flow is `async def`, and {function.__name__} is not")
        if len(inspect.signature(function).parameters) != 2:
            raise TypeError(f"a flow takes (context, trigger), and {function.__name__} does not")
        return Flow(
            name=name or function.__name__,
            function=function,
            trigger=trigger,
            description=description or inspect.getdoc(function) or "",
            stable_key=stable_key,
        )

    return made


HOOKS = (
    "onInstanceDeploy",
    "onInstanceDelete",
    "webhookLifecycleHandlers.create",
    "webhookLifecycleHandlers.delete",
)
Hook = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class TriggerResult:
    """What a trigger gives: `payload` is what the flow sees; `response` goes to the caller.

    `branch` names the branch to follow; the states are merged into the persisted values, where
    None removes a key; `no_changes` ends the execution of a polling trigger with nothing done.
    Where the trigger gives batches, `items` are what is cut into executions, and `next_page` is
    what it finds as `payload["paginationState"]` when it is called for the next ones; None ends.
    """

    payload: Any = None
    response: Response | None = None
    branch: str | None = None
    execution_state: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    instance_state: Mapping[str, Any] = field(default_factory=dict)
    polling: Mapping[str, Any] | None = None
    no_changes: bool = False
    items: Sequence[Any] | None = None
    next_page: Any = None


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action of a component: `function(context, **inputs)`, or a trigger's
    `function(context, payload, params)`. It may be called like the function itself.

    `pure`: it touches nothing outside, so its start is not recorded before it. `at_most_once`:
    after a crash between its start and its result it is not run again, but fails.
    """

    key: str
    label: str
    function: Callable[..., Any]
    inputs: tuple[Declared, ...]
    description: str = ""
    pure: bool = False
    at_most_once: bool = False
    timeout: float | None = None
    is_trigger: bool = False
    schedule_support: str = "invalid"
    synchronous_support: str = "valid"
    branches: tuple[str, ...] = ()
    responds: bool = False
    polls: bool = False
    batches: bool = False
    hooks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.function(*given, **named)


_Given = ParamSpec("_Given")


class _AlsoBare(Protocol[_Given]):
    """A decorator of functions that is written as `@name` or as `@name(…)`."""

    @overload
    def __call__(self, function: Callable[..., Any], /) -> Action: ...

    @overload
    def __call__(
        self, *args: _Given.args, **given: _Given.kwargs
    ) -> Callable[[Callable[..., Any]], Action]: ...


def _also_bare(
    made_with: Callable[_Given, Callable[[Callable[..., Any]], Action]],
) -> _AlsoBare[_Given]:
    @functools.wraps(made_with)
    def decorator(*functions: Callable[..., Any], **given: Any) -> Any:
        return made_with(**given) if not functions else made_with()(*functions)  # type: ignore[call-arg]  # none is required

    return cast(_AlsoBare[_Given], decorator)


@_also_bare
def action(
    *,
    key: str = "",
    label: str = "",
    description: str = "",
    pure: bool = False,
    at_most_once: bool = False,
    timeout: float | timedelta | None = None,
) -> Callable[[Callable[..., Any]], Action]:
    """Make an action of `def name(context, first: str = Input(...), …)`, async or not."""

    def made(function: Callable[..., Any]) -> Action:
        return Action(
            key=key or sdk_inputs.camel_case(function.__name__),
            label=label or function.__name__.replace("_", " ").title(),
            function=function,
            inputs=sdk_inputs.of_function(function, skip=1),
            description=description or inspect.getdoc(function) or "",
            pure=pure,
            at_most_once=at_most_once,
            timeout=seconds(timeout),
        )

    return made


@_also_bare
def trigger(
    *,
    key: str = "",
    label: str = "",
    description: str = "",
    inputs: Mapping[str, Declared] | None = None,
    branches: Sequence[str] = (),
    schedule_support: str = "invalid",
    synchronous_support: str = "valid",
    responds: bool = False,
    polls: bool = False,
    batches: bool = False,
    on_deploy: Hook | None = None,
    on_remove: Hook | None = None,
    create_webhook: Hook | None = None,
    delete_webhook: Hook | None = None,
    timeout: float | timedelta | None = None,
) -> Callable[[Callable[..., Any]], Action]:
    """Make a trigger of `def name(context, payload, params) -> TriggerResult`, async or not.

    `branches`: it chooses one of them. `responds`: its result may answer the caller, who waits for
    it. The supports are `invalid`, `valid` or `required`. `batches`: its result may have `items`.

    `timeout` holds for one call. `on_deploy` to `delete_webhook` are called when the instance is
    deployed or removed, as the trigger is, with (context, payload, params); what they return is
    merged into the state of the instance, which they find in `context.instance_state`. If
    `on_deploy` raises, the instance is not deployed.
    """
    given = (on_deploy, on_remove, create_webhook, delete_webhook)
    hooks = {phase: hook for phase, hook in zip(HOOKS, given, strict=True) if hook is not None}

    def made(function: Callable[..., Any]) -> Action:
        if len(inspect.signature(function).parameters) != 3:
            raise TypeError(
                f"a trigger takes (context, payload, params), and {function.__name__} does not"
            )
        return Action(
            key=key or sdk_inputs.camel_case(function.__name__),
            label=label or function.__name__.replace("_", " ").title(),
            function=function,
            inputs=sdk_inputs.of_mapping(inputs or {}),
            description=description or inspect.getdoc(function) or "",
            is_trigger=True,
            batches=batches,
            hooks=hooks,
            schedule_support="required" if polls else schedule_support,
            synchronous_support=synchronous_support,
            branches=tuple(branches),
            responds=responds,
            polls=polls,
            timeout=seconds(timeout),
        )

    return made


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A kind of connection: the fields that an instance is configured with."""

    key: str
    label: str
    inputs: tuple[Declared, ...]
    description: str = ""


def connection(cls: type) -> Any:
    """Make a connection of a class whose annotated attributes are its fields."""
    return Connection(
        key=sdk_inputs.camel_case(cls.__name__),
        label=cls.__name__,
        inputs=sdk_inputs.of_class(cls),
        description=inspect.getdoc(cls) or "",
    )


@dataclass(frozen=True, kw_only=True)
class Component:
    """What a package publishes under the group `penstock.components`."""

    key: str
    label: str = ""
    description: str = ""
    actions: Sequence[Action] = ()
    triggers: Sequence[Action] = ()
    connections: Sequence[Connection] = ()


def component(
    key: str,
    *,
    label: str = "",
    description: str = "",
    actions: Sequence[Action] = (),
    triggers: Sequence[Action] = (),
    connections: Sequence[Any] = (),
) -> Component:
    """What a package publishes under the group `penstock.components`."""
    return Component(
        key=key,
        label=label or key,
        description=description,
        actions=tuple(actions),
        triggers=tuple(triggers),
        connections=tuple(connections),
    )


def starts(
    trigger: Action | str,
    component: str = OWN,
    *,
    synchronous: bool = False,
    security: str = "customer_optional",
    schedule: Start | None = None,
    batch_size: int = 0,
    batches_at_once: int = 1,
    **inputs: Any,
) -> Start:
    """A trigger of this file, or the one of that key of an installed component.

    With a `batch_size` each execution gets so many of the trigger's items as `body.data` (of 1: the
    item itself), and `batches_at_once` of them run at once.
    """
    return Start(
        component=component,
        action=trigger.key if isinstance(trigger, Action) else trigger,
        inputs=inputs,
        is_synchronous=synchronous,
        security=security,
        schedule=schedule.schedule if schedule else None,
        batch_size=batch_size,
        batches_at_once=batches_at_once,
    )


@dataclass(frozen=True, kw_only=True)
class Integration:
    """What a file of flows declares, under the name `integration`.

    A file without one declares all of its flows and triggers, under the name of its first flow.
    """

    name: str
    flows: Sequence[Flow]
    config: Sequence[ConfigVar] = ()
    triggers: Sequence[Action] = ()
    description: str = ""
    category: str = ""
    version: str = ""
    """What you call this version; flows see it as `trigger.integration.externalVersion`."""


def seconds(given: float | timedelta | None) -> float | None:
    """A length of time as seconds."""
    return given.total_seconds() if isinstance(given, timedelta) else given


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a step's function may know of where it runs; `current()` gives it.

    `idempotency_key` is the same for every attempt at this step: send it along, so that a repeat
    after a crash can be told from a second order. The states are as they were when the step began.
    """

    execution_id: str
    flow: str
    step: str
    attempt: int
    idempotency_key: str
    config: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    instance_state: Mapping[str, Any] = field(default_factory=dict)
    execution_state: Mapping[str, Any] = field(default_factory=dict)
    polling: Mapping[str, Any] = field(default_factory=dict)


CURRENT: ContextVar[StepContext] = ContextVar("penstock.step")


def current() -> StepContext:
    """The step that is running. Raises LookupError outside of one."""
    return CURRENT.get()
