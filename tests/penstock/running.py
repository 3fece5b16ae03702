"""Running: penstock as a process of its own, the way people start it."""

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import httpx
import orjson

from penstock import cli
from tests import servers

PENSTOCK = (str(Path(sys.executable).with_name("penstock")),)
ANSWER_S = 60.0
FLOW = """
definitionVersion: 7
name: {name}
requiredConfigVars:
  - {{key: Greeting, dataType: string, defaultValue: hello}}
flows:
  - name: Receive
    description: ""
    isSynchronous: {synchronous}
    steps:
      - name: Hook Trigger
        description: ""
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers, version: LATEST}}}}
        inputs: {{}}
      - name: Note It
        description: ""
        action: {{key: writeLog, component: {{key: log, version: LATEST}}}}
        inputs:
          message: {{type: configVar, value: Greeting}}
"""


def flow(name: str = "Orders", *, synchronous: bool = True) -> str:
    """An integration with one flow of one step after its trigger."""
    return FLOW.format(name=name, synchronous=str(synchronous).lower())


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


def environment(**given: str) -> dict[str, str]:
    """This process's environment without any PENSTOCK_ variable but those `given`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
    return kept | {f"PENSTOCK_{key.upper()}": value for key, value in given.items()}


def command(*arguments: str | Path, env: Mapping[str, str]) -> Done:
    """Run one client command to its end in this process, with nobody at its terminal."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, env, clear=True))
        stack.enter_context(patch.object(sys, "argv", ["penstock", *map(str, arguments)]))
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stdin = stack.enter_context(Path(os.devnull).open())
        stack.enter_context(patch.object(sys, "stdin", stdin))
        code = _exit_code()
        return Done(code, _text(out), _text(err))


def _exit_code() -> int:
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def process(*arguments: str | Path, env: Mapping[str, str]) -> Done:
    """Run one command to its end as a process, with nobody at its terminal."""
    done = subprocess.run(
        [*PENSTOCK, *map(str, arguments)],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Running:
    """A process that goes on until it is told to end."""

    process: "subprocess.Popen[str]"
    errors: IO[str]
    ready: str = ""

    def wait_until_ready(self) -> str:
        """The line that says so. Fails with what the process said instead."""
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().rstrip("\n")
        assert self.ready, f"ended with {self.process.wait()}: {self.said()}"
        return self.ready

    @property
    def url(self) -> str:
        return self.ready.removeprefix("penstock ready on ")

    def said(self) -> str:
        """What it has written to stderr."""
        return Path(self.errors.name).read_text()

    def children(self) -> list[int]:
        """The processes it has started and that are still there."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(ANSWER_S)


def is_at_work(pid: int) -> bool:
    """Whether the process is there and has not ended, collected by its parent or not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def started(*arguments: str | Path, env: Mapping[str, str]) -> Iterator[Running]:
    """Start a command; it is killed at the end if it is still there."""
    with tempfile.NamedTemporaryFile("w", suffix=".log") as errors:
        process = subprocess.Popen(
            [*PENSTOCK, *map(str, arguments)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            try:
                yield Running(process, errors)
            finally:
                process.kill()


@contextmanager
def up(data: Path, **given: str) -> Iterator[Running]:
    """`penstock up` on a free port, ready."""
    env = environment(data=str(data), **given)
    with started("up", "--port", "0", env=env) as running:
        running.wait_until_ready()
        yield running


def call(url: str, **headers: str) -> httpx.Response:
    """POST to a flow, and what it answers in the end: a synchronous one answers elsewhere."""
    return httpx.post(
        url, json={"order": 1}, headers=headers, timeout=ANSWER_S, follow_redirects=True
    )


def id_in(answer: httpx.Response) -> str:
    """The id of the execution behind an answer, or behind what led to it."""
    first = answer.history[0] if answer.history else answer
    return first.headers["prismatic-executionid"]


def execution_once_ended(execution_id: str, env: Mapping[str, str]) -> Any:
    """The execution, once the views have its beginning and its end. Fails after a while."""
    deadline = servers.Deadline(ANSWER_S)
    while True:
        done = command("executions", "show", execution_id, "--json", env=env)
        if done.code == 0 and done.json["endedAt"] and done.json["receivedAt"]:
            return done.json
        assert not deadline.passed, f"{execution_id} has not ended: {done}"
        deadline.pause()
