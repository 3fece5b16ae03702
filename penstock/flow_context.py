"""The context: what a Python flow is given to work with.

Takes in what the driver knows of the execution; gives out asks, one for each thing that the flow
waits for, numbered from 1 in the order in which the flow reaches them.

    kind     asks for                                    fields besides number, key, kind
    step     a function to be run in a process           inputs, retry, timeout_s, pure, …
    action   an action of a component                    component, action, inputs, retry
    sleep    time to pass                                seconds
    signal   something from outside                      signal, seconds
    state    a persisted value, read or written          scope, op, name, value, tagged
    call     another flow of the instance                flow, data, tagged
"""

import asyncio
import inspect
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from penstock import memory, sdk
from processors.recorded_inputs import recorded_values
from schemas import ids, values
from schemas.inputs import HEADERS
from schemas.instants import SECOND
from schemas.values import NotSerializable

MAX_LOG_CHARACTERS = 4096
MAX_NAME_CHARACTERS = 200
STEP_S = 60.0
"""How long an attempt at a step may take where nothing else is said."""
LONGEST_STEP_S = 900.0
RESULT_BYTES = 50 * 1024 * 1024
_AWAITABLE = ("Future", "coroutine", "Task", "_GatheringFuture")

Ask = Callable[[dict[str, Any], "Work"], "asyncio.Future[Any]"]
Log = Callable[[str, str], None]


class Payload(dict[str, Any]):
    """The trigger's payload: a dict whose keys are attributes too, `trigger.body.data`.

    `trigger.path_fragment` is `pathFragment`. A key that is also a method of dicts (`items`) needs
    brackets. Names in `trigger.headers` are found in any case.
    """

    def __getattr__(self, name: str) -> Any:
        words = name.split("_")
        for key in (name, words[0] + "".join(word.capitalize() for word in words[1:])):
            if key in self:
                value = self[key]
                kind = Headers if key == HEADERS else Payload
                return kind(value) if type(value) is dict else value
        raise AttributeError(f"the payload has no {name!r}; it has {', '.join(self) or 'nothing'}")


class Headers(dict[str, str]):
    """Headers by name, as sent; case does not count where one is looked for (RFC 9110, 5.1)."""

    def _spelt(self, name: object) -> str:
        lower = str(name).lower()
        return next((known for known in self if known.lower() == lower), str(name))

    def __missing__(self, name: str) -> str:
        known = self._spelt(name)
        if known == name:
            raise KeyError(name)
        return self[known]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or super().__contains__(self._spelt(name))

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(self._spelt(name), default)


@dataclass(frozen=True, slots=True)
class Work:
    """What is called when a step may begin."""

    key: str
    function: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None


class Context:
    """One execution, as its flow sees it."""

    def __init__(self, about: Mapping[str, Any], ask: Ask, log: Log) -> None:
        self.execution_id: str = about["execution_id"]
        self.config: Mapping[str, Any] = Payload(about["config"])
        self.branch: str | None = about.get("branch")
        """The branch that a branching trigger chose."""
        self.log = Logger(log)
        self.random = random.Random(self.execution_id)
        """The same numbers in every run of this execution."""
        self.state = State(self, "flow")
        """Values of this flow, for all its executions."""
        self.instance_state = State(self, "cross_flow")
        """Values of the instance, for all its flows."""
        self.execution_state = State(self, "execution")
        self._now: int = about["now"]
        self._ask_driver = ask
        self._count = 0
        self._ids = 0
        self._names: dict[str, int] = {}

    def now(self) -> datetime:
        """The time of what the flow was told last: the same in every run of this execution."""
        return datetime.fromtimestamp(self._now // SECOND, UTC) + timedelta(
            microseconds=self._now % SECOND
        )

    def uuid(self) -> uuid.UUID:
        """The next id of this execution: the same in every run of it."""
        self._ids += 1
        return uuid.UUID(ids.derived("flow uuid", self.execution_id, self._ids))

    def step(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retry: sdk.Retry | None = None,
        timeout: float | timedelta | None = None,
        pure: bool | None = None,
        at_most_once: bool | None = None,
        **kwargs: Any,
    ) -> Awaitable[Any]:
        """Run `function` as a step of its own, once; its result is recorded and given.

        Raises sdk.StepFailed when all attempts have failed. `pure` says that it touches nothing
        outside; `timeout` holds for one attempt, 60 s by default and 900 s at most.
        """
        own = function if isinstance(function, sdk.Action) else None
        wanted_s = sdk.seconds(timeout) or (own.timeout if own else None) or STEP_S
        return self._ask(
            "step",
            name,
            Work("", function, args, kwargs),
            inputs=recorded_values(_named(function, args, kwargs), ()),
            retry=_retry(retry),
            timeout_s=min(max(wanted_s, 0.001), LONGEST_STEP_S),
            pure=pure if pure is not None else bool(own and own.pure),
            at_most_once=at_most_once
            if at_most_once is not None
            else bool(own and own.at_most_once),
        )

    def action(
        self,
        name: str,
        component: str,
        action: str,
        *,
        retry: sdk.Retry | None = None,
        **inputs: Any,
    ) -> Awaitable[Any]:
        """Perform an action of a component, built in or installed, as a step."""
        given, tagged = plain(inputs)
        return self._ask(
            "action",
            name,
            component=component,
            action=action,
            inputs=given,
            tagged=tagged,
            retry=_retry(retry),
        )

    def gather(self, *waits: Awaitable[Any]) -> Awaitable[list[Any]]:
        """Wait for several things at once; their results in the order given."""
        return asyncio.gather(*waits)

    def sleep(self, length: float | timedelta, name: str = "sleep") -> Awaitable[None]:
        """Let time pass, seconds or days. A long sleep holds no memory."""
        return self._ask("sleep", name, seconds=max(sdk.seconds(length) or 0.0, 0.0))

    def wait_for(
        self, signal: str, *, timeout: float | timedelta | None = None, name: str = ""
    ) -> Awaitable[Any]:
        """Wait for a signal to this execution, and give its data. Raises sdk.TimedOut."""
        return self._ask("signal", name or signal, signal=signal, seconds=sdk.seconds(timeout))

    def call(self, flow: str, data: Any = None, *, name: str = "") -> Awaitable[Any]:
        """Start another flow of this instance with `data` as its body; gives its execution id."""
        given, tagged = plain(data)
        return self._ask("call", name or f"call {flow}", flow=flow, data=given, tagged=tagged)

    def set_now(self, now: int) -> None:
        """The driver's: what is told next was recorded at `now`."""
        self._now = now

    def ask_state(self, scope: str, op: str, key: str, value: Any = None) -> Awaitable[Any]:
        given, tagged = plain(value)
        asked = {"scope": scope, "op": op, "name": key, "value": given, "tagged": tagged}
        return self._ask("state", f"{op} {key}", None, **asked)

    def _ask(
        self, kind: str, name: str, work: Work | None = None, /, **fields: Any
    ) -> "asyncio.Future[Any]":
        self._count += 1
        key = self._key(name)
        known = Work(key, work.function, work.args, work.kwargs) if work else Work(key)
        return self._ask_driver({"number": self._count, "key": key, "kind": kind, **fields}, known)

    def _key(self, name: str) -> str:
        """The name as given; from its second use on with its count: `charge #2`."""
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"a step needs a name of text, and {name!r} is none")
        name = name[:MAX_NAME_CHARACTERS]
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name} #{count}"


class State:
    """Persisted values of one scope. Reading and writing are steps, so that a replay sees the same.

    `increment` adds to what is there at that moment: of two at once, both count.
    """

    def __init__(self, context: Context, scope: str) -> None:
        self._context = context
        self._scope = scope

    async def get(self, key: str, default: Any = None) -> Any:
        value = await self._context.ask_state(self._scope, "get", key)
        return default if value is None else value

    def set(self, key: str, value: Any) -> Awaitable[None]:
        return self._context.ask_state(self._scope, "set", key, value)

    def increment(self, key: str, by: float = 1) -> Awaitable[float]:
        return self._context.ask_state(self._scope, "increment", key, by)

    def remove(self, key: str) -> Awaitable[None]:
        return self._context.ask_state(self._scope, "remove", key)


class Logger:
    """Lines of the execution's log; `context.log("text")` is one of level info."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __call__(self, *values: Any) -> None:
        self.info(*values)

    def debug(self, *values: Any) -> None:
        self._log("debug", _line(values))

    def info(self, *values: Any) -> None:
        self._log("info", _line(values))

    def warning(self, *values: Any) -> None:
        self._log("warn", _line(values))

    def error(self, *values: Any) -> None:
        self._log("error", _line(values))


def plain(value: Any) -> tuple[Any, bool]:
    """`value` as it comes back from the log, and whether it is tagged. Raises NotSerializable."""
    try:
        given, tagged = values.to_json(value)
        with memory.room():
            content = orjson.dumps(given, option=orjson.OPT_NON_STR_KEYS)
    except RecursionError:
        raise NotSerializable("a value that is nested too deep, or within itself") from None
    except TypeError as error:
        where = values.unfit(value) or str(error)
        hint = "; is an await missing?" if where.startswith(_AWAITABLE) else ""
        raise NotSerializable(f"a value that is no JSON: {where}{hint}") from error
    if len(content) > RESULT_BYTES:
        raise NotSerializable(f"{len(content)} bytes of JSON; {RESULT_BYTES} are allowed")
    return orjson.loads(content), tagged


def _named(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What a function is called with, by the names of its parameters."""
    own = isinstance(function, sdk.Action)
    called = function.function if isinstance(function, sdk.Action) else function
    try:
        given = (None, *args) if own else args
        bound = inspect.signature(called).bind(*given, **kwargs).arguments
    except (TypeError, ValueError):
        return {str(index): value for index, value in enumerate(args)} | dict(kwargs)
    return dict(list(bound.items())[1:] if own else bound)


def _retry(retry: sdk.Retry | None) -> dict[str, float]:
    known = retry or sdk.Retry(attempts=1)
    return {
        "attempts": known.attempts,
        "delay_s": known.delay,
        "backoff": known.backoff,
        "longest_s": known.longest,
    }


def _line(given: tuple[Any, ...]) -> str:
    return " ".join(map(str, given))
