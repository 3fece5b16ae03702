"""Sandbox processes: where JavaScript runs; takes code, input and limits, gives its answer.

A sandbox serves one thread at a time and is kept for the next run. It starts with an empty
environment, so that no setting or key is there to be found, and ends with this process.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from processors.components import code_sandbox
from processors.components.code_sandbox import ASKED, DONE, HEAD, LENGTH, READY, REPLY

MAX_PROCESSES = 8
_MAX_RUNS = 1_000
_MAX_KEPT = 4
_JAVASCRIPT = (sys.executable, "-I", str(Path(code_sandbox.__file__)))


class Ended(Exception):
    """The sandbox's process ended before it answered; `timed_out` where its alarm did it."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"the sandbox ended with {returncode}")
        self.timed_out = returncode in (-signal.SIGALRM, -signal.SIGPROF)


class Rejected(Exception):
    """The code failed; `report` is JSON of its message and stack."""

    def __init__(self, report: bytes) -> None:
        super().__init__("the code failed")
        self.report = report


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    time_s: float
    memory_bytes: int
    result_bytes: int


Serve = Callable[[bytes], bytes]
"""From the JSON of a list of requests to that of their answers."""


def _serve_nothing(_requests: bytes) -> bytes:
    raise RuntimeError("a sandbox asks for the network, and nobody has allowed it to")


class _Sandbox:
    """One process. Answers are read and questions written through the bare pipes."""

    def __init__(self, command: Sequence[str] = _JAVASCRIPT) -> None:
        self._runs = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
            cwd="/",
            start_new_session=True,  # an interrupt in the terminal is not the code's failure
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def is_ready(self) -> bool:
        """Wait until the last run is cleared away; False where that ended the process."""
        is_fresh = self._runs < _MAX_RUNS and self._process.poll() is None
        return is_fresh and self._read(1) == READY

    def run(self, code: bytes, given: bytes, limits: Limits, serve: Serve) -> bytes:
        """What the code answers. Raises Ended and Rejected."""
        self._runs += 1
        sizes = (len(code), len(given))
        head = HEAD.pack(limits.time_s, limits.memory_bytes, limits.result_bytes, *sizes)
        self._write(head + code + given)
        kind, answer = self._reply()
        while kind == ASKED:
            content = serve(answer)
            self._write(LENGTH.pack(len(content)) + content)
            kind, answer = self._reply()
        if kind != DONE:
            raise Rejected(answer)
        return answer

    def _reply(self) -> tuple[bytes, bytes]:
        kind, length = REPLY.unpack(self._read(REPLY.size) or self._ended())
        content = self._read(length) if length else b""
        if length and not content:
            self._ended()
        return kind, content

    def end(self) -> int:
        self._process.kill()
        self._in.close()
        self._out.close()
        return self._process.wait()

    def _ended(self) -> bytes:
        raise Ended(self._process.wait())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with contextlib.suppress(BrokenPipeError):  # what it answers, or that it ended, says more
            while view:
                view = view[os.write(self._in.fileno(), view) :]

    def _read(self, count: int) -> bytes:
        """`count` bytes, or none where the process ended before."""
        parts = bytearray()
        while len(parts) < count:
            part = os.read(self._out.fileno(), min(count - len(parts), 1 << 20))
            if not part:
                return b""
            parts += part
        return bytes(parts)


class Pool:
    """Up to MAX_PROCESSES sandboxes; a thread that finds none free waits for one.

    `command` starts a process that speaks the protocol of code_sandbox.
    """

    def __init__(self, command: Sequence[str] = _JAVASCRIPT) -> None:
        self._command = command
        self._free = threading.BoundedSemaphore(MAX_PROCESSES)
        self._kept: list[_Sandbox] = []
        self._lock = threading.Lock()

    def run(
        self, code: bytes, given: bytes, limits: Limits, serve: Serve = _serve_nothing
    ) -> bytes:
        """What the code answers; `serve` answers its requests. Raises Ended and Rejected."""
        with self._free:
            sandbox = self._take()
            try:
                answer = sandbox.run(code, given, limits, serve)
            except Rejected:
                self._keep(sandbox)
                raise
            except BaseException:
                sandbox.end()
                raise
            self._keep(sandbox)
            return answer

    def close(self) -> None:
        """End all sandboxes that are not at work. Idempotent."""
        with self._lock:
            kept, self._kept = self._kept, []
        for sandbox in kept:
            sandbox.end()

    def _take(self) -> _Sandbox:
        while True:
            with self._lock:
                sandbox = self._kept.pop() if self._kept else None
            if sandbox is None:
                break
            if sandbox.is_ready():
                return sandbox
            sandbox.end()
        sandbox = _Sandbox(self._command)
        if not sandbox.is_ready():
            raise RuntimeError(f"the sandbox process does not start: {sandbox.end()}")
        return sandbox

    def _keep(self, sandbox: _Sandbox) -> None:
        with self._lock:
            if len(self._kept) < _MAX_KEPT:
                self._kept.append(sandbox)
                return
        sandbox.end()


POOL = Pool()
"""The one of this process; empty until the first run."""
atexit.register(POOL.close)
