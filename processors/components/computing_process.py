"""The inside of a computing process: takes a function's name and a value, gives its value.

It speaks the protocol of code_sandbox: in place of code stands `module:function`, in place of
input JSON of (value, whether it is tagged), as schemas.values.to_json gives it.
"""

import importlib
import os
import resource
import signal
import sys
from typing import BinaryIO

import orjson

from processors.actions import StepError
from processors.components.code_sandbox import DONE, FAILED, HEAD, READY, REPLY
from schemas.values import from_json, to_json

_GRACE_S = 0.25
_PATIENCE = 3
_MAX_MESSAGE_CHARS = 2_000


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions, answers = sys.stdin.buffer, _answers()
    while True:
        answers.write(READY)
        answers.flush()
        head = questions.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        limit_s, memory, most, name_bytes, given_bytes = HEAD.unpack(head)
        name, given = questions.read(name_bytes).decode(), questions.read(given_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        # Both end the process. The limit is one of work: on a busy machine, and the first time,
        # when modules are imported, waiting for a processor does not count, up to a bound.
        signal.setitimer(signal.ITIMER_PROF, limit_s + _GRACE_S)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE * limit_s + _GRACE_S)
        kind, answer = _run(name, given, most)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(REPLY.pack(kind, len(answer)) + answer)
        answers.flush()


def _answers() -> BinaryIO:
    """The pipe to the parent; what a library prints goes nowhere."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return pipe


def _run(name: str, given: bytes, most: int) -> tuple[bytes, bytes]:
    module, _, function = name.partition(":")
    try:
        result = getattr(importlib.import_module(module), function)(from_json(*orjson.loads(given)))
        answer = orjson.dumps(to_json(result), option=orjson.OPT_NON_STR_KEYS)
    except StepError as error:
        return FAILED, _told(str(error))
    except MemoryError:
        return FAILED, b"needs too much memory"
    except RecursionError:
        return FAILED, b"something is nested too deep"
    except Exception as error:  # noqa: BLE001 - whatever a library raises, users' input caused it
        return FAILED, _told(f"{type(error).__name__}: {error}")
    if len(answer) > most:
        return FAILED, f"the result is larger than {most} bytes of JSON".encode()
    return DONE, answer


def _told(message: str) -> bytes:
    return message[:_MAX_MESSAGE_CHARS].encode(errors="replace")


if __name__ == "__main__":
    main()
