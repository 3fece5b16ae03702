"""The programs that a benchmark starts beside itself; none of them outlives it."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import load
from bench.load import LoadFailed, Outcome, Spec
from tests import servers

START_S = 60.0
_PATIENCE_S = 60.0


@contextmanager
def listening(module: str) -> Iterator[str]:
    """The URL of `python -m MODULE PORT` while it runs, on a free port."""
    port = servers.free_port()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        program = servers.Guarded(
            [sys.executable, "-m", module, str(port)], log=Path(folder) / "output"
        )
        try:
            wait_until(program, lambda: servers.accepts_connections(port), module)
            yield f"http://127.0.0.1:{port}"
        finally:
            program.end(signal.SIGTERM)


def wait_until(program: servers.Guarded, is_so: Callable[[], bool], name: str) -> None:
    """Wait for a program that starts. Raises Unobtainable with the end of its output."""
    deadline = servers.Deadline(START_S)
    while not is_so():
        if deadline.passed or not program.running:
            raise servers.Unobtainable(f"{name} did not start:\n{program.tail()}")
        deadline.pause()


def put_load(spec: Spec, meanwhile: Callable[[], None] | None = None) -> Outcome:
    """Put the load on from a process of its own, calling `meanwhile` four times a second.

    Raises LoadFailed.
    """
    command = [sys.executable, "-m", "bench.load", load.spec_to_json(spec)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = servers.Deadline(spec.seconds + load.ANSWER_S + _PATIENCE_S)
    try:
        while True:
            try:
                said, complaint = child.communicate(timeout=0.25)
                break
            except subprocess.TimeoutExpired:
                if deadline.passed:
                    raise LoadFailed(f"the load on {spec.url} does not end") from None
                if meanwhile is not None:
                    meanwhile()
    finally:
        child.kill()
        child.wait()
    if child.returncode:
        raise LoadFailed(complaint.strip().splitlines()[-1] if complaint else "the load failed")
    return load.outcome_from_json(said)
