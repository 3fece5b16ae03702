"""Actions: the contract between the flow engine and the components that its steps name.

A component file has `ACTIONS`, a tuple of `Action`. What an action takes is declared, so that
validation, coercion and documentation follow from it; what it does is one function, `perform`:

    Runs.INLINE   perform(inputs, context) -> Outcome               pure: no clock, no IO, no chance
    Runs.THREAD   perform(inputs, context, world) -> Outcome        may compute for long
    Runs.ASYNC    async perform(inputs, context, world) -> Outcome  waits for the world

`inputs` holds every declared input under its key, coerced by its kind. A failure that the flow's
author should see is a StepError; anything else that is raised counts as a bug of the component.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas import ids
from schemas.events import Request, Scope
from schemas.instants import Instant
from schemas.values import Value

if TYPE_CHECKING:
    import httpx


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
    """bool; the texts true and false; an empty text is the default."""
    JSON = enum.auto()
    """A text that is JSON becomes its value, everything else stays as it is."""
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
    """One input of an action. `default` applies where the step gives nothing or an empty text."""

    key: str
    label: str
    kind: Kind = Kind.TEXT
    default: Value = None
    required: bool = False
    description: str = ""
    example: str = ""


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
class Outcome:
    """What an action came to. `iterations` are (item, index) for the loop whose body follows.

    `status` is set where a last step chooses the HTTP status of a synchronous answer.
    """

    result: Value = None
    branch: str | None = None
    iterations: Sequence[tuple[Value, Value]] | None = None
    changes: tuple[Change, ...] = ()
    logs: tuple[LogLine, ...] = ()
    stop: Stop | None = None
    breaks_loop: bool = False
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an action may know of the execution that it runs in.

    `payload` is the trigger's payload (platform-behaviour, 2.1); `results` maps step keys to
    `{"results": value}` of the steps done so far; `state` reads persisted values; `now` is the
    time of the fact that led here; `idempotency_key` is the same for every attempt at this step.
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

    @property
    def idempotency_key(self) -> str:
        """Derived when asked for: most steps have nobody to send it to."""
        return ids.derived("step", self.execution_id, self.step, self.loop_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What THREAD and ASYNC actions may touch; `http` is guarded against private networks."""

    http: "httpx.AsyncClient"
    code_timeout_s: float = 10.0
    code_memory_bytes: int = 64 * 1024 * 1024
    max_response_bytes: int = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of a component.

    `touches_world`: its effect can be seen outside, so its result is durable before the next step
    begins. `at_most_once`: after a crash between start and result it is not run again but fails.
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
    description: str = ""
