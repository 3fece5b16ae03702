"""Code: JavaScript of a flow's author, run in a sandbox process with limits.

The code sets `module.exports` (or `export default`) to a function of `(context, stepResults)`. Its
promise gives `{data, statusCode?, executionState?, instanceState?, crossFlowState?}`: `data` is
the step's result, and a state is merged into the persisted one, where null removes a key. With a
`statusCode` there may be `contentType` and `headers`, and `body` instead of `data`.
Bytes go in and come out as Buffers. What the code sees of time and chance is the step's: run again,
it does the same again. `fetch` is there in an action of its own, which touches the world.
"""

import asyncio
import itertools
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from processors import loading
from processors.actions import (
    Action,
    Change,
    Context,
    Input,
    Kind,
    LogLine,
    Outcome,
    Runs,
    StepError,
    World,
)
from processors.components import code_fetch, code_processes, persist_data
from processors.components.code_processes import Limits, Serve
from processors.components.code_sandbox import FIRST_LIBRARY_LINE
from processors.components.redaction import without_secrets
from schemas.definitions import Pair
from schemas.errors import Retryable
from schemas.events import Scope
from schemas.stored import Stored
from schemas.values import Value, dump, to_text

MAX_RESULT_BYTES = 50 * 1024 * 1024
MAX_GIVEN_BYTES = 8 * 1024 * 1024
"""Of each value in the blob store: as base64, as text and as bytes it has to fit in the sandbox."""

_MAX_MESSAGE_CHARS = 2_000
_EXPORT_DEFAULT = re.compile(r"^[ \t]*export[ \t]+default[ \t]+", re.MULTILINE)
_UNSHOWN = "(a value that cannot be shown) was thrown"
_NULLS = frozenset(("null", "null was thrown"))  # what the engine throws when an error has no room
_THROWN = "Error: "
"""An error that the author has thrown says what callers are to be told, and nothing else."""
_LINE = re.compile(r"<input>:(\d+)")
_LONE_SURROGATE = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_SHARED = "integrationState"
_STATES = {
    "executionState": Scope.EXECUTION,
    "instanceState": Scope.FLOW,
    "crossFlowState": Scope.CROSS_FLOW,
}
_FROM_PAYLOAD = (
    "customer",
    "instance",
    "integration",
    "user",
    "flow",
    "webhookUrls",
    "webhookApiKeys",
    "invokeUrl",
    "startedAt",
    "globalDebug",
)


def run_code(
    inputs: Mapping[str, Any], context: Context, world: World, serve: Serve | None = None
) -> Outcome:
    """Run `inputs["code"]`, which finds `inputs["data"]` as `context.data`.

    With `serve` it may fetch.
    """
    shared = shared_for(inputs["code"], context, world)
    known = {**context_of(context), **shared, "data": inputs["data"]}
    answer = called(inputs["code"], known, context.results, context, world, serve)
    outcome = _outcome(answer, known, context)
    keep_shared(answer.get("result"), known, context, world)
    return outcome


def shared_for(code: str, context: Context, world: World) -> dict[str, Value]:
    """What all instances of the integration share, where the code names it: it is fetched."""
    if _SHARED not in code:
        return {}
    return {_SHARED: _share(persist_data.ALL_SHARED, {}, context, world)}


def keep_shared(
    returned: Value, known: Mapping[str, Value], context: Context, world: World
) -> None:
    """Merge what the code returned for all instances of the integration."""
    state = returned.get(_SHARED) if isinstance(returned, dict) else None
    if state is None:
        return
    if not isinstance(state, dict):
        raise StepError(f"{_SHARED} must be an object, found {str(state)[:100]}")
    pairs = [Pair(key, value) for key, value in _changed(state, known.get(_SHARED))]
    if pairs:
        _share(persist_data.SAVE_SHARED, {"dynamicValues": pairs}, context, world)


def _share(key: str, inputs: Mapping[str, Value], context: Context, world: World) -> Value:
    if world.shared_state_of_thread is None:
        raise StepError(f"{_SHARED} cannot be reached here")
    return world.shared_state_of_thread(context, key, inputs)


def called(
    code: str,
    known: Mapping[str, Value],
    argument: Mapping[str, Any],
    context: Context,
    world: World,
    serve: Serve | None = None,
) -> Mapping[str, Value]:
    """What `code` gives for its two arguments, and its log: `{"result": …, "logs": […]}`."""
    limits = Limits(
        time_s=world.code_timeout_s,
        memory_bytes=world.code_memory_bytes,
        result_bytes=MAX_RESULT_BYTES,
    )
    script = _as_script(code).encode(errors="replace")
    try:
        given = _given(known, argument, context, world, may_fetch=serve is not None)
        more = (serve,) if serve is not None else ()
        answer = code_processes.POOL.run(script, given, limits, *more)
    except code_processes.Ended as ended:
        raise StepError(_why_ended(ended, limits)) from ended
    except code_processes.Rejected as rejected:
        message = _message(rejected.report, limits)
        raise StepError(without_secrets(message, context.secrets)) from rejected
    return _loaded(answer)


async def _run_with_fetch(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    loop, sent = asyncio.get_running_loop(), itertools.count()

    def serve(requests: bytes) -> bytes:
        asked = orjson.loads(_LONE_SURROGATE.sub(r"\1\\ufffd", requests.decode(errors="replace")))
        first = next(sent)
        for _ in asked[1:]:
            next(sent)
        answering = code_fetch.answers(asked, first, context, world)
        return orjson.dumps(asyncio.run_coroutine_threadsafe(answering, loop).result())

    return await asyncio.to_thread(run_code, inputs, context, world, serve)


def _as_script(code: str) -> str:
    """ES modules cannot give their exports away here: `export default` becomes an assignment."""
    if "module.exports" in code:
        return code
    return _EXPORT_DEFAULT.sub("module.exports = ", code, count=1)


def context_of(context: Context) -> dict[str, Value]:
    states = {name: dict(context.state(scope)) for name, scope in _STATES.items()}
    return {
        **{name: context.payload[name] for name in _FROM_PAYLOAD if name in context.payload},
        **states,
        "executionId": context.payload.get("executionId", context.execution_id),
        "stepName": context.step,
        "loopPath": context.loop_path,
        "attemptNumber": context.attempt,
        "configVars": dict(context.config),
        "batch": {"enabled": True, "batchSize": context.batch_size}
        if context.batch_size
        else {"enabled": False},
    }


def _given(
    known: Mapping[str, Value],
    argument: Mapping[str, Any],
    context: Context,
    world: World,
    *,
    may_fetch: bool,
) -> bytes:
    said = {
        "context": dict(known),
        "stepResults": dict(argument),
        "now": context.now // 1000,
        "seed": context.idempotency_key,
        "fetch": may_fetch,
    }

    def default(value: object) -> Value:
        return _of_stored(value, world) if isinstance(value, Stored) else _as_buffer(value)

    try:
        return orjson.dumps(said, default=default, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        if isinstance(error.__cause__, StepError | Retryable):
            raise error.__cause__ from None
        raise StepError(f"The results of earlier steps cannot be given to code: {error}") from error


def _of_stored(stored: Stored, world: World) -> Value:
    """A Buffer; of what is too large for the sandbox something that says so once it is read."""
    if stored.size <= MAX_GIVEN_BYTES:
        return _as_buffer(loading.load_in_thread(stored, world))
    message = f"a value of {stored.size} bytes is in the blob store"
    limit = f"code is given values of {MAX_GIVEN_BYTES} bytes from there at most"
    return {"type": "Buffer", "tooLarge": f"{message}; {limit}"}


def _as_buffer(value: object) -> Value:
    if isinstance(value, bytes | bytearray):
        return {"type": "Buffer", "base64": b64encode(value).decode()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _why_ended(ended: code_processes.Ended, limits: Limits) -> str:
    if ended.timed_out:
        return _too_long(limits)
    return (
        "The code ended its sandbox: a value nested too deep, or it"
        f" needs more than {limits.memory_bytes // 1024**2} MiB of memory"
    )


def _too_long(limits: Limits) -> str:
    return f"The code took longer than {limits.time_s:g} s"


def _message(report: bytes, limits: Limits) -> str:
    """One sentence from what the engine reports: its own limits by name, else error and line."""
    told = orjson.loads(_LONE_SURROGATE.sub(r"\1\\ufffd", report.decode(errors="replace")))
    lines = str(told["message"]).strip().splitlines() or ["null"]
    message = lines[0][:_MAX_MESSAGE_CHARS]
    if message in ("InternalError: interrupted", "Error: the code waits too long"):
        return _too_long(limits)
    memory = f"The code needs more than {limits.memory_bytes // 1024**2} MiB of memory"
    if message == "InternalError: out of memory":
        return memory
    if message == _UNSHOWN:  # what has no room left cannot be shown either
        return f"{memory}, or it threw a value that cannot be shown"
    if message in _NULLS or message.startswith("(Failed obtaining"):
        return f"{memory}, or it threw null"
    if message.startswith(_THROWN):
        return message.removeprefix(_THROWN)
    lines_of_stack = map(int, _LINE.findall(str(told["stack"])))
    line = next((line for line in lines_of_stack if line < FIRST_LIBRARY_LINE), None)
    return f"{message} (line {line})" if line else message


def _loaded(answer: bytes) -> Mapping[str, Value]:
    try:
        loaded = orjson.loads(answer)
    except orjson.JSONDecodeError:
        loaded = _repaired(answer)
    try:
        orjson.dumps([[[[[[[[loaded]]]]]]]])  # the log holds what nests up to 254 levels
    except TypeError as error:
        raise StepError(f"The code's result cannot be kept: {error}") from error
    if not isinstance(loaded, dict):
        raise StepError("The code changed how values become JSON, so its result cannot be read")
    return _with_bytes(loaded) if b'"Buffer"' in answer else loaded


def _repaired(answer: bytes) -> Value:
    """Half of a surrogate pair is a text in JavaScript, but not in UTF-8."""
    try:
        return orjson.loads(_LONE_SURROGATE.sub(r"\1\\ufffd", answer.decode(errors="replace")))
    except orjson.JSONDecodeError as error:
        raise StepError(f"The code's result is no JSON that can be kept: {error}") from error


def _outcome(answer: Mapping[str, Value], known: Mapping[str, Value], context: Context) -> Outcome:
    returned = answer.get("result")
    returned = returned if isinstance(returned, dict) else {}
    status = _status(returned.get("statusCode"))
    return Outcome(
        result=returned.get("data", returned.get("body") if status is not None else None),
        status=status,
        content_type=_content_type(returned.get("contentType")),
        headers=_headers(returned.get("headers")),
        changes=tuple(changes_in(returned, known)),
        logs=tuple(lines_in(answer.get("logs"), context.secrets)),
    )


def _with_bytes(value: Value) -> Value:
    if isinstance(value, list):
        return [_with_bytes(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"type", "data"} and value["type"] == "Buffer":
        return _as_bytes(value)
    return {key: _with_bytes(inner) for key, inner in value.items()}


def _as_bytes(value: dict[str, Value]) -> Value:
    data = value["data"]
    if isinstance(data, list) and all(type(one) is int and 0 <= one < 256 for one in data):
        return bytes(data)
    return value


def _status(status: Value) -> int | None:
    if status is None:
        return None
    if type(status) is not int or not 200 <= status <= 599:
        raise StepError(f"statusCode must be a number from 200 to 599, found {repr(status)[:100]}")
    return status


def _content_type(given: Value) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or not given.isprintable():
        raise StepError(f"contentType must be a content type, found {str(given)[:100]!r}")
    return given


def _headers(given: Value) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise StepError(f"headers must be an object, found {str(given)[:100]}")
    return {name: to_text(value) for name, value in given.items() if value is not None}


def changes_in(returned: Mapping[str, Value], known: Mapping[str, Value]) -> Iterator[Change]:
    """What the code returned of its states that is not what it was given in `known`.

    Much code returns a state whole, `{...context.instanceState, seen: 1}`. What it has only passed
    on is no write of its own, or it would undo what another run has written meanwhile.
    """
    for name, scope in _STATES.items():
        state = returned.get(name)
        if state is None:
            continue
        if not isinstance(state, dict):
            raise StepError(f"{name} must be an object, found {str(state)[:100]}")
        for key, value in _changed(state, known.get(name)):
            yield Change(scope, key, value, removed=value is None)


def _changed(state: Mapping[str, Value], before: Value) -> Iterator[tuple[str, Value]]:
    had = before if isinstance(before, Mapping) else {}
    for key, value in state.items():
        is_as_before = key in had and had[key] == value and dump(had[key]) == dump(value)
        if not is_as_before:
            yield key, value


def lines_in(lines: Value, secrets: frozenset[str]) -> Iterator[LogLine]:
    for line in lines if isinstance(lines, list) else ():
        match line:
            case [str(level), str(message)]:
                yield LogLine(level, without_secrets(message, secrets))


_INPUTS = (
    Input(
        key="code",
        label="Code",
        required=True,
        description="A function of the execution's context and the results of earlier "
        "steps. It returns an object; its `data` is the result of this step.",
        example="module.exports = async ({ logger, configVars }, stepResults) => "
        "({ data: stepResults.getOrder.results.id });",
    ),
    Input(
        key="data",
        label="Data",
        kind=Kind.ANY,
        description="A value that the code finds as `context.data`.",
        example='{"limit": 10}',
    ),
)

ACTIONS = (
    Action(
        component="code",
        key="runCode",
        label="Code Block",
        description="Runs JavaScript and gives the data that it returns.",
        perform=run_code,
        runs=Runs.THREAD,
        inputs=_INPUTS,
    ),
    Action(
        component="code",
        key="runCodeWithFetch",
        label="Code Block with Network",
        description="Runs JavaScript that may send requests with `fetch`, and gives the data that "
        "it returns.",
        perform=_run_with_fetch,
        runs=Runs.ASYNC,
        touches_world=True,
        inputs=_INPUTS,
    ),
)
