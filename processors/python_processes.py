"""Python processes: where the code of authors runs; takes in code and jobs, gives their frames.

For each text of code there is one parent process, which has loaded it, and forks jobs
(penstock.python_child). A job serves one execution at a time, and another one when that has come
to its end; one that hangs is ended here, one that ends by itself takes nobody along. No
environment is passed on, so no setting or key is there to be found; texts hash alike everywhere,
so that a set has one order in every run of a flow.
"""

import asyncio
import itertools
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

LOAD_S = 20.0
"""How long it may take to load an author's code."""

MAX_PARENTS = 16
"""So many versions of code stay loaded; beyond that those at rest are ended."""

MAX_JOBS = 64
"""So many jobs run at once in this process; others wait for one to end."""

ATTEMPTS = 3
MAX_USES = 100
"""So many executions a job serves, one after another."""

MAX_IDLE = 8
"""So many jobs of one code are kept for the next execution."""

STATUS_S = 1.0
NO_MEMORY = 77
"""The exit code of a job that has no memory left (penstock.python_jobs)."""

MAX_FRAME_BYTES = 256 * 1024 * 1024
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}
"""Texts hash alike everywhere; and a thread takes no 64 MB of a job's address space (malloc(3))."""

_NONSENSE = "its process wrote on the connection to its worker"
_LENGTH = struct.Struct(">I")
_READ_BYTES = 1 << 18

Frame = Mapping[str, Any]


class NotLoaded(Exception):
    """The code cannot be run. Holds what is wrong with it: message, line and path."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(f"{one['message']} (line {one['line']})" for one in problems))
        self.problems = problems


class Ended(Exception):
    """The process of a job has ended; the message says how."""


@dataclass(slots=True)
class Job:
    """One forked process: frames to it and from it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    parent: "Parent"
    number: int
    uses: int = 1
    pid: int = 0

    def send(self, frame: Frame) -> None:
        self.writer.write(_framed(frame))

    async def drain(self) -> None:
        with suppress(ConnectionError):
            await self.writer.drain()

    async def receive(self) -> Any:
        """The next frame. Raises Ended."""
        try:
            length = _LENGTH.unpack(await self.reader.readexactly(_LENGTH.size))[0]
            if length > MAX_FRAME_BYTES:
                raise Ended(_NONSENSE)
            return orjson.loads(await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Ended(await self.parent.reason(self)) from None
        except orjson.JSONDecodeError:
            raise Ended(_NONSENSE) from None

    def end(self) -> None:
        """End it, whatever it is doing. Idempotent."""
        self.writer.close()
        self.parent.forget(self)


@dataclass(slots=True)
class Parent:
    """The process that has loaded one text of code."""

    process: asyncio.subprocess.Process
    control: socket.socket
    manifest: Any = None
    jobs: dict[int, Job] = field(default_factory=dict)
    idle: list[Job] = field(default_factory=list)
    _statuses: dict[int, "asyncio.Future[int]"] = field(default_factory=dict)
    _following: "asyncio.Task[None] | None" = None
    _buffer: bytearray = field(default_factory=bytearray)
    ended: bool = False

    async def load(self, told: Frame) -> None:
        """Raises NotLoaded."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOAD_S):
                await loop.sock_sendall(self.control, _framed(told))
                found = await self._next()
        except TimeoutError:
            raise _not_loaded(f"it took longer than {LOAD_S:g} s to load") from None
        if found is None:
            code = await self.process.wait()
            raise _not_loaded(f"it ended its process while it was loaded ({_described(code)})")
        if "problems" in found:
            raise NotLoaded(found["problems"])
        self.manifest = found
        self._following = asyncio.ensure_future(self._follow())

    async def fork(self, number: int) -> Job:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self.control, [_framed({"fork": number})], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_BYTES)
        job = Job(reader, writer, self, number)
        self.jobs[number] = job
        self._statuses[number] = asyncio.get_running_loop().create_future()
        return job

    async def reason(self, job: Job) -> str:
        """How the process of a job ended."""
        status = self._statuses.get(job.number)
        if status is None:
            return "its process ended"
        try:
            async with asyncio.timeout(STATUS_S):
                code = await asyncio.shield(status)
        except TimeoutError:
            return "its process ended"
        return f"it ended its process ({_described(code)})"

    def forget(self, job: Job) -> None:
        if self.jobs.pop(job.number, None) is None:
            return
        status = self._statuses.pop(job.number)
        if not status.done():
            status.cancel()
            self._kill(job)

    def close(self) -> None:
        """End the process and all its jobs."""
        self.ended = True
        for job in self.idle:
            job.writer.close()
        if self._following is not None:
            self._following.cancel()
        self.control.close()
        with suppress(ProcessLookupError):
            self.process.kill()

    def _kill(self, job: Job) -> None:
        """An idle job ends with its socket; this is for one that does not look at it."""
        with suppress(OSError):
            self.control.send(_framed({"kill": job.number}))

    async def _follow(self) -> None:
        while (told := await self._next()) is not None:
            status = self._statuses.get(told["ended"])
            if status is not None and not status.done():
                status.set_result(told["status"])
        self.ended = True
        for status in self._statuses.values():
            if not status.done():
                status.set_result(-signal.SIGKILL)

    async def _next(self) -> Any:
        loop = asyncio.get_running_loop()
        while True:
            if len(self._buffer) >= _LENGTH.size:
                end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
                if len(self._buffer) >= end:
                    found = orjson.loads(bytes(self._buffer[_LENGTH.size : end]))
                    del self._buffer[:end]
                    return found
            try:
                data = await loop.sock_recv(self.control, _READ_BYTES)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data


class PythonProcesses:
    """The processes of this worker, started when they are needed. `program` is the module."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._parents: dict[str, Parent] = {}
        self._starting: dict[str, asyncio.Lock] = {}
        self._room = asyncio.Semaphore(MAX_JOBS)
        self._wanting = 0
        self._resting: dict[int, Callable[[], None]] = {}
        """By job: what asks the execution that rests in it to leave."""
        self._leaving: set[int] = set()
        self._numbers = itertools.count(1)

    async def manifest(self, told: Frame) -> Any:
        """What code declares; its process is ended again. Raises NotLoaded."""
        parent = await self._start()
        try:
            await parent.load(told)
            return parent.manifest
        finally:
            parent.close()
            await parent.process.wait()

    async def open(self, key: str, told: Frame) -> Job:
        """A process of the code `told`, which `key` names. Raises NotLoaded."""
        self._wanting += 1
        self._ask_to_leave()
        try:
            await self._room.acquire()
        finally:
            self._wanting -= 1
        try:
            return await self._opened(key, told)
        except BaseException:
            self._room.release()
            raise

    async def _opened(self, key: str, told: Frame) -> Job:
        for _ in range(ATTEMPTS):
            parent = await self._parent(key, told)
            while parent.idle:
                job = parent.idle.pop()
                if not job.reader.at_eof():
                    job.uses += 1
                    return job
                job.end()
            try:
                return await parent.fork(next(self._numbers))
            except OSError:  # it has ended, and we have not been told yet
                parent.close()
        raise _not_loaded("the process that has loaded it ends again and again")

    def rest(self, job: Job, leave: Callable[[], None]) -> None:
        """Nothing is under way in the job; `leave` is called, once, where others want its room."""
        self._resting[job.number] = leave
        self._ask_to_leave()

    def go_on(self, job: Job) -> None:
        """The job does not rest, or does not leave, any more. Idempotent."""
        self._resting.pop(job.number, None)
        self._leaving.discard(job.number)

    def _ask_to_leave(self) -> None:
        while self._resting and self._room.locked() and self._wanting > len(self._leaving):
            number, leave = self._resting.popitem()
            self._leaving.add(number)
            leave()

    def close_job(self, job: Job, *, at_rest: bool = False) -> None:
        """Every job that was opened is closed, once. One `at_rest` may serve again."""
        self.go_on(job)
        self._room.release()
        idle = job.parent.idle
        if at_rest and job.uses < MAX_USES and len(idle) < MAX_IDLE and not job.parent.ended:
            idle.append(job)
        else:
            job.end()

    async def close(self) -> None:
        """End everything. Idempotent."""
        parents, self._parents = list(self._parents.values()), {}
        for parent in parents:
            parent.close()
        await asyncio.gather(*(parent.process.wait() for parent in parents))

    async def _parent(self, key: str, told: Frame) -> Parent:
        async with self._starting.setdefault(key, asyncio.Lock()):
            known = self._parents.pop(key, None)
            if known is not None and known.ended:
                known.close()
                known = None
            if known is None:
                self._make_room()
                known = await self._start()
                try:
                    await known.load(told)
                except BaseException:
                    known.close()
                    raise
            self._parents[key] = known  # the last one is the one used last
            return known

    def _make_room(self) -> None:
        at_rest = [
            key for key, parent in self._parents.items() if len(parent.jobs) == len(parent.idle)
        ]
        for key in at_rest[: max(0, len(self._parents) - MAX_PARENTS + 1)]:
            self._parents.pop(key).close()
            self._starting.pop(key, None)

    async def _start(self) -> Parent:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-sP",
                "-m",
                self._program,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # an interrupt in the terminal is not the code's failure
            )
        ours.setblocking(False)
        return Parent(process, ours)


def _framed(frame: Frame) -> bytes:
    data = orjson.dumps(frame, option=orjson.OPT_NON_STR_KEYS)
    return _LENGTH.pack(len(data)) + data


def _not_loaded(message: str) -> NotLoaded:
    return NotLoaded([{"message": message, "line": 1, "path": ""}])


def _described(code: int) -> str:
    if code == NO_MEMORY:
        return "it had no more memory"
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
