"""The driver: runs the coroutine of a Python flow from one thing that it waits for to the next.

Takes in what steps came to, one at a time (`deliver`); gives out turns: what the flow has asked for
since, what it has logged, and how it has ended. It keeps no clock, does no IO and starts no step.

The coroutine has an event loop of its own whose only events are deliveries. So the order in which
its tasks go on follows from the order of the deliveries, and the same deliveries make the same
turns, in any process. Timers, sockets and threads are refused there: what waits for the world is
a step.
"""

import asyncio
import selectors
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from penstock import flow_context, sdk
from schemas import values
from schemas.values import NotSerializable

MAX_LOG_LINES = 1_000
"""Of one turn; further ones are counted and dropped."""

_REFUSED = {
    "call_at": "a flow waits for time with context.sleep and the timeouts of its steps",
    "run_in_executor": "what runs in a thread belongs in a step",
    "getaddrinfo": "what talks to the network belongs in a step",
    "create_connection": "what talks to the network belongs in a step",
    "sock_connect": "what talks to the network belongs in a step",
    "subprocess_exec": "what starts a process belongs in a step",
}
"""What the event loop of a flow does not do, and what its author does instead."""


class Misused(Exception):
    """The flow did something outside of its steps that would not happen again in a replay."""


class _Selector(selectors.SelectSelector):
    """Tells the loop to stop when nothing is left to do but wait."""

    def __init__(self) -> None:
        super().__init__()
        self.on_idle: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout != 0:
            self.on_idle()
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop without a clock or an outside world."""

    def __init__(self) -> None:
        selector = _Selector()
        super().__init__(selector)
        selector.on_idle = self.stop
        for name, advice in _REFUSED.items():
            setattr(self, name, _refusal(advice))

    def create_task(self, coro: Any, **named: Any) -> Any:
        """As asyncio's, and of what the context gives too: a future, which has begun already."""
        return super().create_task(_of(coro) if asyncio.isfuture(coro) else coro, **named)


async def _of(future: "asyncio.Future[Any]") -> Any:
    return await future


def _refusal(advice: str) -> Callable[..., NoReturn]:
    def refuse(*_given: Any, **_named: Any) -> NoReturn:
        raise Misused(advice)

    return refuse


@dataclass(slots=True)
class Turn:
    """What a flow did until it had nothing left to do: JSON in every field.

    `end` is `{"value": …}`, `{"failed": message, "step": key}`, or None where the flow waits.
    """

    asks: list[dict[str, Any]] = field(default_factory=list)
    logs: list[tuple[str, str]] = field(default_factory=list)
    end: dict[str, Any] | None = None


class Driver:
    """One execution of one flow. `work` is what the steps asked for would run, by number."""

    def __init__(self, flow: sdk.Flow, about: Mapping[str, Any]) -> None:
        self._flow = flow
        self._loop = _Loop()
        self._turn = Turn()
        self._dropped = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._task: asyncio.Task[Any] | None = None
        self.work: dict[int, flow_context.Work] = {}
        self.context = flow_context.Context(about, self._ask, self.log)
        payload = values.from_json(about["payload"], bool(about.get("tagged")))
        self._payload = flow_context.Payload(payload or {})

    def start(self) -> Turn:
        """Run the flow from its beginning."""
        coroutine: Any = self._flow.function(self.context, self._payload)
        self._task = self._loop.create_task(coroutine)
        return self._run()

    def deliver(self, number: int, outcome: Mapping[str, Any], now: int) -> Turn:
        """Give what was asked for under `number` its outcome, and go on.

        `outcome` is `{"value": …, "tagged": …}` or `{"error": message, "timed_out": …}`.
        """
        self.context.set_now(now)
        waiting = self._waiting.pop(number)
        work = self.work.pop(number, None)
        if waiting.done():  # the flow has cancelled it
            return self._run()
        if "error" in outcome:
            failed = sdk.TimedOut if outcome.get("timed_out") else sdk.StepFailed
            waiting.set_exception(failed(work.key if work else "", outcome["error"]))
        else:
            value = values.from_json(outcome.get("value"), bool(outcome.get("tagged")))
            waiting.set_result(value)
        return self._run()

    def close(self) -> None:
        """Drop the coroutine where it stands; what it does about that is of no consequence."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with suppress(SystemExit):
            self._loop.run_forever()
        self._loop.close()

    def log(self, level: str, message: str) -> None:
        if len(self._turn.logs) < MAX_LOG_LINES:
            self._turn.logs.append((level, message[: flow_context.MAX_LOG_CHARACTERS]))
        else:
            self._dropped += 1

    def _ask(self, ask: dict[str, Any], work: flow_context.Work) -> "asyncio.Future[Any]":
        within = sdk.CURRENT.get(None)
        if within is not None:
            message = f"{ask['key']!r} is asked for within the step {within.step!r}"
            raise Misused(f"{message}: only the flow itself has steps, one beside another")
        self._turn.asks.append(ask)
        self.work[ask["number"]] = work
        future = self._loop.create_future()
        self._waiting[ask["number"]] = future
        return future

    def _run(self) -> Turn:
        assert self._task is not None
        with suppress(SystemExit):  # the task has it, and ends with it
            self._loop.run_forever()
        if self._dropped:
            self._turn.logs.append(("warn", f"{self._dropped} more lines were dropped"))
        if self._task.done():
            self._turn.end = _end_of(self._task, self._flow.function)
        elif not self._waiting:
            failed = "the flow waits for something that is none of its steps"
            self._turn.end = {"failed": failed, "step": ""}
        turn, self._turn, self._dropped = self._turn, Turn(), 0
        return turn


def _end_of(task: "asyncio.Task[Any]", function: Any) -> dict[str, Any]:
    if task.cancelled():
        return {"failed": "the flow cancelled itself", "step": ""}
    error = task.exception()
    if error is None:
        return _result_of(task.result())
    while isinstance(error, BaseExceptionGroup):  # of an asyncio.TaskGroup: the first one speaks
        error = error.exceptions[0]
    step = error.step if isinstance(error, sdk.StepFailed) else ""
    failed = str(error) if step else described(error, function.__code__.co_filename)
    return {"failed": failed, "step": step}


def _result_of(result: Any) -> dict[str, Any]:
    response = result if isinstance(result, sdk.Response) else None
    try:
        value, tagged = flow_context.plain(response.body if response else result)
    except NotSerializable as error:
        return {"failed": f"the flow returned {error}", "step": ""}
    end: dict[str, Any] = {"value": value, "tagged": tagged}
    if response is not None:
        end["status"] = response.status
        end["content_type"] = response.content_type
        end["headers"] = {str(name): str(text) for name, text in response.headers.items()}
    return end


def described(error: BaseException, path: str) -> str:
    """`ValueError: no such sku (line 12)`, with the last line of the author's file on the way."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == path
    ]
    at = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{at}"
