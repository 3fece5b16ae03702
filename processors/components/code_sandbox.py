"""The inside of a sandbox: a process of its own that runs JavaScript; takes frames, gives frames.

It is started as a script and imports nothing of ours. JavaScript stays out of the process that
starts it because no limit of QuickJS (1.19) holds everywhere: `JSON.stringify` of something nested
100,000 deep ends the process by a segmentation fault, and a regular expression that backtracks or
`Array(4294967295).indexOf(1)` never looks at the clock. Here an alarm of the kernel ends both.

    in    a head (seconds, bytes of memory, bytes of result, length of code, of input), code, input
    out   `r` once nothing of the last run is left; then per run a kind, a length and a text:
          `o` JSON of {result, logs}   `e` JSON of {message, stack}
          `f` JSON of a list of requests of `fetch`, answered by a length and a list of answers

Code that has no memory left may lose the rejection of a promise, for want of memory, or throw null
in place of an error. How much memory this process has had at most tells that from a promise that
nobody settles and from code that throws null; so a process that came near to the limit ends when it
has answered.

Nothing that the code sees changes from one run to the next: the time is the one that it is given,
chance follows from a seed, and timers go off in their order without anybody waiting for them.
"""

import json
import os
import resource
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import quickjs

HEAD = struct.Struct(">dQQQQ")
REPLY = struct.Struct(">cQ")
READY = b"r"
DONE = b"o"
FAILED = b"e"
ASKED = b"f"
LENGTH = struct.Struct(">Q")
_GRACE_S = 0.25
_NEAR = 7 / 8
_NO_MEMORY = "InternalError: out of memory"
_STATUS = Path("/proc/self/status")
_DOUBTFUL = (
    b'"message":"the promise of the code never settles"',
    b'"message":"null was thrown"',
    b'"message": "null"',
    b'"message": "(Failed obtaining',
    b'"message":"(a value that cannot be shown) was thrown"',
)
"""What is told of code that had no memory left, but of other code too."""
_STACK_BYTES = 512 * 1024
FIRST_LIBRARY_LINE = 100_000
"""Line numbers from here on in a stack are those of the library, not of the author's code."""

_PRELUDE = Path(__file__).with_name("code_prelude.js")
_BUILTINS = Path(__file__).with_name("code_builtins.js")
_LIBRARY = Path(__file__).with_name("code_library.js")

PRELUDE = _PRELUDE.read_text(encoding="utf-8").replace("\n", " ")
"""On one line, so that line numbers in a stack are those of the author's code."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    builtins, library = _apart(_BUILTINS), _apart(_LIBRARY)
    at_rest = _peak_bytes()
    while True:
        context = quickjs.Context()
        context.set_max_stack_size(_STACK_BYTES)
        step = context.eval(PRELUDE)
        context.eval(builtins)
        step("library", library)
        _write(READY)
        head = _read(HEAD.size)
        if not head:
            return
        limit_s, *limits, code_bytes, given_bytes = HEAD.unpack(head)
        code, given = _read(code_bytes).decode(), _read(given_bytes).decode()
        # Ends the process, whatever it is doing; stands until the last object is freed.
        signal.setitimer(signal.ITIMER_REAL, limit_s + _GRACE_S)
        kind, answer = _run(context, step, code, given, limit_s, *limits)
        most_bytes = at_rest + limits[0] * _NEAR
        is_doubtful = kind == FAILED and any(known in answer for known in _DOUBTFUL)
        if is_doubtful and _peak_bytes() > most_bytes:
            answer = json.dumps({"message": _NO_MEMORY, "stack": ""}).encode()
        _write(REPLY.pack(kind, len(answer)) + answer)
        del context, step
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _peak_bytes() > most_bytes:
            return


def _peak_bytes() -> int:
    """How much memory this process has had at most; 0 where the system does not tell."""
    try:
        _, _, after = _STATUS.read_text().partition("VmHWM:")
    except OSError:
        return 0
    return int(after.split(maxsplit=1)[0]) * 1024 if after else 0


def _apart(path: Path) -> str:
    """The file, after blank lines that tell its line numbers from those of the author's code."""
    return "\n" * FIRST_LIBRARY_LINE + path.read_text(encoding="utf-8")


def _run(
    context: Any, step: Any, code: str, given: str, limit_s: float, memory: int, result: int
) -> tuple[bytes, bytes]:
    context.set_memory_limit(memory)
    try:
        reply = _answer(context, step, code, given, limit_s)
        # Room for the result as JSON, which may be built from pieces that are doubled each time.
        context.set_memory_limit(memory + 4 * result)
        reply = reply or step("finish", result)
    except quickjs.JSException as error:
        return FAILED, json.dumps({"message": str(error), "stack": ""}).encode()
    except (UnicodeError, ValueError, MemoryError) as error:
        return FAILED, json.dumps({"message": str(error), "stack": ""}).encode()
    return reply[:1].encode(), reply[1:].encode("utf-8", "replace")


def _answer(context: Any, step: Any, code: str, given: str, limit_s: float) -> str:
    """What went wrong on the way to a settled promise; nothing where all is well."""
    deadline = time.monotonic() + limit_s
    _limit(context, deadline)
    failure: str | None = step("start", code, given)
    while failure is None:
        while context.execute_pending_job():
            _limit(context, deadline)
        _limit(context, deadline)
        comes: str = step("next", limit_s * 1000)
        if comes.startswith("f"):
            step("answered", _asked(comes[1:]))
        elif comes != "t":
            failure = comes
        _limit(context, deadline)
    return failure


def _asked(requests: str) -> str:
    content = requests.encode("utf-8", "replace")
    _write(REPLY.pack(ASKED, len(content)) + content)
    [length] = LENGTH.unpack(_read(LENGTH.size))
    return _read(length).decode()


def _limit(context: Any, deadline: float) -> None:
    """Give the next call what is left of the time: QuickJS starts its clock anew at each call."""
    context.set_time_limit(max(0.001, deadline - time.monotonic()))


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(sys.stdin.fileno(), min(count - len(parts), 1 << 20))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


if __name__ == "__main__":
    main()
