"""The inside of a Python process: loads an author's code once, then forks for each job.

Started as `python -m penstock.python_child FD`, with one end of a socket. Frames are JSON behind
their length (4 bytes).

    in    {source, path} or {packages: true}     load this; told once
          {fork: n} with a socket                run job n on it, in a process of its own
          {kill: n}                              end that process
    out   {manifest: …} or {problems: […]}       what loading came to
          {ended: n, status: code}               below 0: the signal that ended it

A fork starts with the code as loaded and takes a millisecond; what one job does to its memory, no
other job sees. All end with the socket. Only this loop and its jobs run here, no server.
"""

import contextlib
import ctypes
import gc
import os
import resource
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from penstock import python_jobs, python_loading

LENGTH = struct.Struct(">I")
_PDEATHSIG = 1  # PR_SET_PDEATHSIG of prctl(2)


class Frames:
    """Frames over one socket, with the sockets that come along."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self.sockets: list[int] = []

    def send(self, content: Any) -> None:
        """Raises TypeError for what is no JSON."""
        data = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
        self._connection.sendall(LENGTH.pack(len(data)) + data)

    def receive(self) -> Any:
        """The next frame, None at the end."""
        while (found := self._next()) is None:
            if not self.read():
                return None
        return found

    def read(self) -> bool:
        """Read once, however much is there; False at the end."""
        data, sockets, _flags, _address = socket.recv_fds(self._connection, 1 << 20, 8)
        self.sockets += sockets
        self._buffer += data
        return bool(data)

    def whole(self) -> Iterator[Any]:
        """The frames that have been read whole."""
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> Any:
        if len(self._buffer) < LENGTH.size:
            return None
        end = LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
        if len(self._buffer) < end:
            return None
        found = orjson.loads(bytes(self._buffer[LENGTH.size : end]))
        del self._buffer[:end]
        return found


class Parent:
    """The process that has loaded the code."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._frames = Frames(control)
        self._jobs: dict[int, int] = {}  # pid → number
        self._library = ctypes.CDLL(None)

    def run(self) -> None:
        told = self._frames.receive()
        if told is None:
            return
        loaded, found = python_loading.load(told)
        self._frames.send(found)
        if loaded is None:
            return
        gc.collect()
        gc.freeze()  # so that the collector of a fork does not touch, and copy, what is shared
        try:
            self._serve(loaded)
        finally:
            for pid in self._jobs:
                _kill(pid)

    def _serve(self, loaded: python_loading.Loaded) -> None:
        ended, wakes = socket.socketpair()
        for end in (ended, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is ended:
                        with contextlib.suppress(BlockingIOError):
                            ended.recv(4096)
                    elif not self._frames.read():
                        return
                for told in self._frames.whole():
                    self._do(told, loaded)
                self._collect()

    def _do(self, told: Any, loaded: python_loading.Loaded) -> None:
        if "kill" in told:
            for pid in [pid for pid, number in self._jobs.items() if number == told["kill"]]:
                _kill(pid)
            return
        connection = socket.socket(fileno=self._frames.sockets.pop(0))
        pid = os.fork()
        if pid == 0:
            self._become_job(connection, loaded)
        connection.close()
        self._jobs[pid] = told["fork"]

    def _become_job(self, connection: socket.socket, loaded: python_loading.Loaded) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)  # what it sends to its group, and what it has started, is its own
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._library.prctl(_PDEATHSIG, signal.SIGKILL)
            self._control.close()
            python_jobs.run(Frames(connection), loaded)
            code = 0
        finally:
            os._exit(code)

    def _collect(self) -> None:
        while self._jobs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._jobs.pop(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self._frames.send({"ended": number, "status": os.waitstatus_to_exitcode(status)})


def _kill(pid: int) -> None:
    """End a job with all that it has started."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Parent(control).run()


if __name__ == "__main__":
    main()
