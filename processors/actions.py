"""Actions: the contract between the flow engine and the components that its steps name.

A component file has `ACTIONS`, a tuple of `Action`. What an action takes is declared, so that
validation, coercion and documentation follow from it; what it does is one function, `perform`:

    Runs.INLINE   perform(inputs, context) -> Outcome               pure: no clock, no IO, no chance
    Runs.THREAD   perform(inputs, context, world) -> Outcome        may compute for long
    Runs.ASYNC    async perform(inputs, context, world) -> Outcome  waits for the world

`inputs` holds every declared input under its key, coerced by its kind. A failure that the flow's
author should see is a StepError; anything else that is raised counts as a bug of the component.

A trigger is an action with `is_trigger`. What is particular to it stands in its TriggerTraits and
in the fields of Outcome that only triggers set.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from schemas import ids
from schemas.construction import made_quickly
from schemas.events import Occasion, Request, Scope
from schemas.instants import Instant
from schemas.settings import MAX_DOWNLOAD_BYTES, MAX_LOADED_BYTES
from schemas.values import Value

if TYPE_CHECKING:
    import httpx

    from eventlog.blobs import Blobs
    from processors.python_processes import PythonProcesses


POLLING_KEY = "__polling"
"""Where the state of a polling trigger stands among the flow's persisted values."""

CURSOR_KEY = "__cursor"
"""Where the cursor of a recursive flow stands among the execution's."""

RESERVED_KEYS = frozenset((POLLING_KEY, CURSOR_KEY))


class StepError(Exception):
    """An action could not do what it was asked; the message is what the flow's author sees."""


class Runs(enum.Enum):
    """Where `perform` runs."""

    INLINE = enum.auto()
    THREAD = enum.auto()
    ASYNC = enum.auto()


class Kind(enum.Enum):
    """What an input is coerced to before `perform` sees it."""

    ANY = enum.auto()
    """As resolved."""
    TEXT = enum.auto()
    """str; numbers and booleans as JSON writes them, objects and lists as JSON, None as ""."""
    NUMBER = enum.auto()
    """int or float; an empty text is the default."""
    BOOLEAN = enum.auto()
    """bool; the texts true, t, yes, y and their opposites; an empty text is the default."""
    JSON = enum.auto()
    """A text that is JSON becomes its value, everything else stays as it is."""
    ITEMS = enum.auto()
    """list or dict, or JSON text of one; what a loop goes over."""
    LIST = enum.auto()
    """list of values: a value list, a reference to a list, or JSON text of one."""
    PAIRS = enum.auto()
    """list of definitions.Pair: a key-value list, or a dict, or JSON text of one."""
    CONDITIONS = enum.auto()
    """list of Pair(branch name, ["and" | "or", [operator, left, right?] | nested…])."""
    CONNECTION = enum.auto()
    """dict of a connection's fields, {} where none is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of an action. `default` applies where the step gives nothing or an empty text.

    With `keeps_null` a null that the step gives is one; else it counts as nothing.

    Bytes that are in the blob store (schemas.stored) are loaded before `perform` sees them, unless
    the input `passes_stored`: then they come as they are, within any value.
    """

    key: str
    label: str
    kind: Kind = Kind.TEXT
    default: Value = None
    required: bool = False
    keeps_null: bool = False
    description: str = ""
    example: str = ""
    passes_stored: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A write of persisted state: the value now at `key`, or its removal."""

    scope: Scope
    key: str
    value: Value = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The execution ends here, with success; a synchronous caller gets this answer."""

    status: int
    body: Value = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a trigger tells the asynchronous caller of its webhook (platform-behaviour, 2.4)."""

    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A flow of the same instance to be started with `data` as the body of its request.

    `asks`: where that flow is synchronous, the step waits for its answer, which is its result.
    """

    flow: str
    data: Value = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The items of one trigger result, to be cut into batches (platform-behaviour, 2.7).

    `next` is what the trigger is given as `payload.paginationState` for the page after; None ends.
    """

    items: Sequence[Value]
    next: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an action came to. `iterations` are (item, index) for the loop whose body follows.

    `status` is set where a last step chooses the HTTP status of a synchronous answer, whose body is
    then `result`; `content_type` and `headers` belong to it. `wait_s` is how long the
    execution waits, without holding memory, before the step has ended; `invokes` are
    further executions that this one starts, each once however often the step runs.

    Of triggers only: `answer` for the caller; `failed`, a reason for which the execution fails
    although the caller has its answer; `polled_no_changes`, which ends the execution with nothing
    done; `polling`, the new state of a polling trigger, kept once the execution has succeeded;
    `page`, the items of a trigger that resolves them.
    """

    result: Value = None
    branch: str | None = None
    iterations: Sequence[tuple[Value, Value]] | None = None
    changes: tuple[Change, ...] = ()
    logs: tuple[LogLine, ...] = ()
    stop: Stop | None = None
    breaks_loop: bool = False
    status: int | None = None
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    invokes: tuple[Invocation, ...] = ()
    answer: Answer | None = None
    failed: str = ""
    polled_no_changes: bool = False
    polling: Mapping[str, Value] | None = None
    page: Page | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an action may know of the execution that it runs in.

    `payload` is the trigger's payload (platform-behaviour, 2.1); `results` maps step keys to
    `{"results": value}` of the steps done so far; `state` reads persisted values; `now` is the
    time of the fact that led here; `idempotency_key` is the same for every attempt at this step;
    `batch_size` is that of the flow's triggerResolver, 0 where it has none that is enabled.
    """

    execution_id: str
    instance_id: str
    flow: str
    step: str
    loop_path: str
    attempt: int
    now: Instant
    payload: Mapping[str, Value]
    request: Request
    results: Mapping[str, Mapping[str, Value]]
    state: Callable[[Scope], Mapping[str, Value]]
    branches: tuple[str, ...] = ()
    config: Mapping[str, Value] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    batch_size: int = 0
    integration_id: str = ""

    @property
    def polling(self) -> Mapping[str, Value]:
        """What a polling trigger of this flow kept when it last came to a success."""
        kept = self.state(Scope.FLOW).get(POLLING_KEY)
        return kept if isinstance(kept, Mapping) else {}

    def invoked(self, index: int) -> ids.ExecutionId:
        """The id of the execution that this step starts as number `index` of its `invokes`."""
        return ids.invocation_of(self.idempotency_key, index)

    @property
    def idempotency_key(self) -> str:
        """Derived when asked for: most steps have nobody to send it to."""
        return _key_of(self.execution_id, self.step, self.loop_path)


@lru_cache(maxsize=4096)
def _key_of(execution_id: str, step: str, loop_path: str) -> str:
    """What is about to happen carries it, and so does the request that is then sent."""
    return ids.derived("step", execution_id, step, loop_path)


made_quickly(Outcome, Context)

SharedState = Callable[[Context, str, Mapping[str, Value]], Awaitable[Value]]
"""async (context, key of a persist-data action, inputs) → what it came to. Raises StepError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What THREAD and ASYNC actions may touch; `http` is guarded against private networks.

    `shared_state` acts on the values that all instances of the context's integration share;
    `shared_state_of_thread` is the same for a thread, which waits for it. Where there are `blobs`,
    large binary results may be kept there: up to `max_download_bytes`, of which a step that needs
    the bytes themselves has up to `max_loaded_bytes` loaded for each value.
    """

    http: "httpx.AsyncClient"
    code_timeout_s: float = 10.0
    code_memory_bytes: int = 64 * 1024 * 1024
    max_loaded_bytes: int = MAX_LOADED_BYTES
    max_download_bytes: int = MAX_DOWNLOAD_BYTES
    blobs: "Blobs | None" = None
    shared_state: SharedState | None = None
    shared_state_of_thread: "Callable[[Context, str, Mapping[str, Value]], Value] | None" = None
    python: "PythonProcesses | None" = None
    python_memory_bytes: int = 256 * 1024 * 1024
    """By how much the process of a Python flow or action may grow."""


class Support(enum.Enum):
    """Whether something may, must or must not be set on a flow with this trigger."""

    INVALID = enum.auto()
    VALID = enum.auto()
    REQUIRED = enum.auto()


Hook = Callable[[Mapping[str, Any], Context, World], Awaitable[Mapping[str, Any] | None]]
"""async (inputs, context, world) → `{"crossFlowState": {…}}`, merged into the state, or None.

It runs outside any execution, for 30 s at most. `context.state` reads what the flows of the
instance share, the other scopes are empty; a key set to None is removed.
"""

HOOK_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTraits:
    """What the platform has to know of a trigger before it runs (platform-behaviour, 2.5).

    A branching trigger names its branches: `static_branch_names`, or the keys of the input
    `dynamic_branch_input`. `answers`: its Outcome may have an `answer`, so the caller waits for it.
    `resolves`: its Outcome has a `page` where the flow has a triggerResolver. `started_on` starts
    the flow when that happens to the instance, always or where the input `started_if` is true.
    """

    schedule_support: Support = Support.INVALID
    synchronous_support: Support = Support.VALID
    allows_branching: bool = False
    static_branch_names: tuple[str, ...] = ()
    dynamic_branch_input: str = ""
    answers: bool = False
    is_polling: bool = False
    resolves: Support = Support.INVALID
    started_on: Occasion | None = None
    started_if: str = ""
    on_deploy: Hook | None = None
    on_delete: Hook | None = None
    webhook_create: Hook | None = None
    webhook_delete: Hook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of a component.

    `touches_world`: its effect can be seen outside, so its result is durable before the next step
    begins. `at_most_once`: after a crash between start and result it is not run again but fails.
    `secret_inputs` are those whose values never stand on the log.
    """

    component: str
    key: str
    label: str
    perform: Callable[..., Any]
    inputs: tuple[Input, ...] = ()
    runs: Runs = Runs.INLINE
    touches_world: bool = False
    at_most_once: bool = False
    is_trigger: bool = False
    trigger: TriggerTraits = TriggerTraits()
    secret_inputs: frozenset[str] = frozenset()
    description: str = ""


def in_thread(component: str, secrets: frozenset[str] = frozenset()) -> Callable[..., Action]:
    """Makes the actions of `component` that may compute for long: (key, label, description,
    perform, *inputs). Of their inputs those named in `secrets` are kept secret.
    """

    def make(
        key: str, label: str, description: str, perform: Callable[..., Outcome], *inputs: Input
    ) -> Action:
        return Action(
            component=component,
            key=key,
            label=label,
            description=description,
            perform=perform,
            inputs=inputs,
            runs=Runs.THREAD,
            secret_inputs=secrets & {declared.key for declared in inputs},
        )

    return make
