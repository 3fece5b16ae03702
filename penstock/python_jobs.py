"""Jobs: what a forked process does, one of them in its life: run a flow, or perform an action.

Takes in frames of the worker; gives out frames.

    in    {do: flow, flow, about, limits}      run this flow; turns follow
          {do: go, number, context}            begin the step of this number
          {do: deliver, number, outcome, now}  what it came to, and go on
          {do: perform, component, key, inputs, payload, context, limits}
    out   {say: turn, asks, logs, end, reusable}  the flow has nothing left to do but wait
          {say: step, number, value | error, permanent, logs}
          {say: outcome, … }                   of an action or a trigger

Steps run in threads, so that several run at once. What they print becomes lines of the log. What
hangs is ended from outside: the worker has the process killed.
"""

import asyncio
import inspect
import io
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from penstock import flow_context, flow_driver, memory, python_loading, sdk
from schemas.values import NotSerializable, from_json

if TYPE_CHECKING:
    from penstock.python_child import Frames

MAX_LINES = 1_000
STACK_BYTES = 2 * 1024 * 1024
NO_MEMORY = 77
"""The exit code of a process that has none left."""


class _Printed(io.TextIOBase):
    """What a thread prints, gathered as lines until its step has ended."""

    def __init__(self) -> None:
        self._local = threading.local()

    def write(self, text: str) -> int:
        parts: list[str] = self._parts()
        if len(parts) < MAX_LINES:
            parts.append(text[: flow_context.MAX_LOG_CHARACTERS])
        return len(text)

    def take(self) -> list[tuple[str, str]]:
        """The lines of this thread so far."""
        lines = "".join(self._parts()).splitlines()
        self._local.parts = []
        return [("info", line) for line in lines if line.strip()][:MAX_LINES]

    def _parts(self) -> list[str]:
        if not hasattr(self._local, "parts"):
            self._local.parts = []
        parts: list[str] = self._local.parts
        return parts


class _Job:
    def __init__(self, frames: "Frames", loaded: python_loading.Loaded) -> None:
        self._frames = frames
        self._loaded = loaded
        self._sending = threading.Lock()
        self._printed = _Printed()
        self._driver: flow_driver.Driver | None = None
        self._held: dict[int, dict[str, Any]] = {}
        """Results of steps that ran here, until the flow is given them."""
        self._memory_bytes = 0
        self._modules = len(sys.modules)
        sys.stdout = sys.stderr = self._printed

    def run(self) -> None:
        while (told := self._frames.receive()) is not None:
            match told["do"]:
                case "flow":
                    self._memory_bytes = told["limits"]["memory_bytes"]
                    memory.limit(self._memory_bytes)
                    if self._driver is not None:
                        self._driver.close()
                    self._held.clear()
                    self._driver = self._begun(told)
                    self._say_turn(self._driver.start())
                case "deliver":
                    assert self._driver is not None
                    outcome = told["outcome"]
                    held = self._held.pop(told["number"], None)
                    if held is not None and outcome.get("held"):
                        outcome = held
                    turn = self._driver.deliver(told["number"], outcome, told["now"])
                    self._say_turn(turn)
                case "go":
                    threading.Thread(target=self._step, args=(told,), daemon=True).start()
                case "perform":
                    memory.limit(told["limits"]["memory_bytes"])
                    said = performed(self._loaded, told)
                    self._say({"say": "outcome", **said, "logs": self._printed.take()})

    def _begun(self, told: Mapping[str, Any]) -> flow_driver.Driver:
        return flow_driver.Driver(self._loaded.flows[told["flow"]], told["about"])

    def _say(self, frame: dict[str, Any]) -> None:
        with self._sending, memory.room(), suppress(BrokenPipeError, ConnectionResetError):
            self._frames.send(frame)

    def _say_turn(self, turn: flow_driver.Turn) -> None:
        logs = [*self._printed.take(), *turn.logs]
        said = {"say": "turn", "asks": turn.asks, "logs": logs, "end": turn.end}
        self._say({**said, "reusable": turn.end is not None and self._is_reusable()})

    def _is_reusable(self) -> bool:
        """Whether another execution would find this process about as the first one did."""
        return (
            threading.active_count() == 1
            and len(sys.modules) >= self._modules
            and memory.is_much_left(self._memory_bytes)
        )

    def _step(self, told: Mapping[str, Any]) -> None:
        """In a thread. What it cannot even tell of ends the process, which tells as much."""
        try:
            self._run_step(told)
        except MemoryError:
            os._exit(NO_MEMORY)
        except OSError:
            os._exit(1)

    def _run_step(self, told: Mapping[str, Any]) -> None:
        assert self._driver is not None
        number = told["number"]
        work = self._driver.work[number]
        context = sdk.StepContext(**told["context"], config=self._driver.context.config)
        assert work.function is not None
        args = work.args
        if isinstance(work.function, sdk.Action):
            args = (context, *args)
        said = outcome_of(work.function, args, work.kwargs or {}, context)
        self._held[number] = said
        self._say({"say": "step", "number": number, "logs": self._printed.take(), **said})


def run(frames: "Frames", loaded: python_loading.Loaded) -> None:
    """Do what the worker says until it closes the socket."""
    with open(os.devnull, "r+b") as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    threading.stack_size(STACK_BYTES)
    try:
        _Job(frames, loaded).run()
    except MemoryError:
        os._exit(NO_MEMORY)


def performed(loaded: python_loading.Loaded, told: Mapping[str, Any]) -> dict[str, Any]:
    """What an action or trigger comes to: the fields of the frame `outcome`."""
    action = loaded.actions.get((told["component"], told["key"]))
    if action is None:
        return {"error": f"{told['component']}/{told['key']} is not here"}
    context = sdk.StepContext(**told["context"])
    inputs = from_json(told["inputs"], told["inputs_tagged"])
    if not action.is_trigger:
        return outcome_of(action.function, (context,), inputs, context)
    payload = from_json(told["payload"], told["payload_tagged"])
    args = (context, *map(flow_context.Payload, (payload, inputs)))
    if "hook" in told:
        return outcome_of(action.hooks[told["hook"]], args, {}, context, of_hook)
    return outcome_of(action.function, args, {}, context, of_trigger)


def outcome_of(
    function: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    context: sdk.StepContext,
    shown: Any = None,
) -> dict[str, Any]:
    """What a call of an author's function comes to. Never raises, whatever it does."""
    token = sdk.CURRENT.set(context)
    try:
        result = function(*args, **kwargs)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return shown(result) if shown else _value(result)
    except NotSerializable as error:
        return {"error": f"it returned {error}", "permanent": True}
    except MemoryError:
        return {"error": "it needs more memory than a step may use", "permanent": False}
    except BaseException as error:  # noqa: BLE001  # SystemExit too fails its own step only
        known = error.args[0] if isinstance(error, sdk.Permanent) and error.args else None
        message = str(known) if known else flow_driver.described(error, python_loading.PATH)
        return {"error": message[:10_000], "permanent": isinstance(error, sdk.Permanent)}
    finally:
        sdk.CURRENT.reset(token)


async def _awaited(result: Any) -> Any:
    return await result


def _value(result: Any) -> dict[str, Any]:
    value, tagged = flow_context.plain(result)
    return {"value": value, "tagged": tagged}


def of_hook(result: Any) -> dict[str, Any]:
    """What a hook wants kept. Raises TypeError for anything but a mapping or nothing."""
    if result is not None and not isinstance(result, Mapping):
        raise TypeError(f"a hook returns a mapping or None, not {type(result).__name__}")
    return _value(dict(result or {}))


def of_trigger(result: Any) -> dict[str, Any]:
    """A TriggerResult as a frame has it. Raises TypeError for anything else."""
    if not isinstance(result, sdk.TriggerResult):
        raise TypeError(f"a trigger returns a TriggerResult, not {type(result).__name__}")
    said = _value(result.payload)
    if result.response is not None:
        said["response"] = {
            "status": result.response.status,
            "headers": {str(k): str(v) for k, v in result.response.headers.items()},
            "content_type": result.response.content_type,
            "body": _body(result.response.body),
        }
    states = {
        "execution": result.execution_state,
        "flow": result.state,
        "cross_flow": result.instance_state,
    }
    said["states"] = {scope: flow_context.plain(dict(given)) for scope, given in states.items()}
    if result.items is not None:
        said["items"] = flow_context.plain(list(result.items))
        said["next_page"] = flow_context.plain(result.next_page)
    polling = None if result.polling is None else flow_context.plain(dict(result.polling))
    return {**said, "branch": result.branch, "no_changes": result.no_changes, "polling": polling}


def _body(body: Any) -> str:
    if body is None or isinstance(body, str):
        return body or ""
    import orjson

    return orjson.dumps(flow_context.plain(body)[0]).decode()
