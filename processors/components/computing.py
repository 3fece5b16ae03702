"""Computing: functions that users' input could make endless or huge, in processes that can end.

A template, a schema or an expression can hold a regular expression that never returns or a value
that doubles at each step, and no library's own limits cover all of it. So such functions run in a
child process with limits of the kernel; what they need is imported there, and only there.
"""

import atexit
import sys
from collections.abc import Callable

import orjson

from processors.actions import StepError, World
from processors.components.code_processes import Ended, Limits, Pool, Rejected
from schemas.values import NotSerializable, Value, from_json, to_json

MEMORY_BYTES = 1024 * 1024 * 1024
SMALL = 200_000
"""Characters or bytes that are read or written in a few milliseconds."""
MAX_RESULT_BYTES = 50 * 1024 * 1024
Function = Callable[[Value], Value]
"""One of a module; it may raise StepError."""
_POOL = Pool((sys.executable, "-I", "-m", "processors.components.computing_process"))
atexit.register(_POOL.close)


def compute(function: Function, given: Value, what: str, world: World) -> Value:
    """What `function` makes of `given`; `what` names it in messages.

    Raises StepError where the function does, or where it takes too long or too much.
    """
    name = f"{function.__module__}:{function.__qualname__}".encode()
    limits = Limits(
        time_s=world.code_timeout_s, memory_bytes=MEMORY_BYTES, result_bytes=MAX_RESULT_BYTES
    )
    try:
        answer = _POOL.run(name, _written(given, what), limits)
    except Ended as ended:
        raise StepError(_why(ended, what, limits)) from ended
    except Rejected as rejected:
        raise StepError(f"{what}: {rejected.report.decode(errors='replace')}") from rejected
    value, tagged = orjson.loads(answer)
    return from_json(value, tagged)


def compute_by_size(function: Function, given: Value, size: int, what: str, world: World) -> Value:
    """As `compute`, but here and now where `size`, that of the input, is small.

    For functions that take no longer than their input is long. Raises StepError.
    """
    return function(given) if size <= SMALL else compute(function, given, what, world)


def _written(given: Value, what: str) -> bytes:
    try:
        return orjson.dumps(to_json(given), option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, NotSerializable, RecursionError) as error:
        raise StepError(f"{what}: an input cannot be used: {error}") from error


def _why(ended: Ended, what: str, limits: Limits) -> str:
    if ended.timed_out:
        return f"{what} took longer than {limits.time_s:g} s"
    return f"{what} ended its process, most likely by a value too large or nested too deep"
