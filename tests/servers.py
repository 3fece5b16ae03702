"""Server processes for tests: started beside us, never outliving us, reached over a free port."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

FIRST_PORT, LAST_PORT = 20_000, 31_999


class Unobtainable(Exception):
    """A server that cannot be had on this machine. The message says what would be needed."""


class Guarded:
    """A child process in a session of its own, and a watchdog that ends it when we are killed.

    The watchdog is a shell that waits for the end of a pipe which only we hold open, so it works
    whatever ends us and whichever thread started the child (unlike PR_SET_PDEATHSIG). It sends
    `last_signal` and removes `scratch`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
        scratch: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                user=user,
                group=user and _group_of(user),
                extra_groups=[] if user else None,
            )
        self._watchdog = subprocess.Popen(
            [
                "sh",
                "-c",
                _WATCH,
                "watch",
                last_signal.name[3:],
                str(self._child.pid),
                scratch or "",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def end(self, first_signal: signal.Signals, patience_s: float = 20.0) -> None:
        """Send `first_signal`, wait, and kill what has not ended by then. Idempotent."""
        if self.running:
            self._child.send_signal(first_signal)
            try:
                self._child.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._dismiss_watchdog()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its output, for error messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _dismiss_watchdog(self) -> None:
        self._watchdog.kill()
        self._watchdog.wait()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()


_WATCH = 'read -r _; kill -s "$1" -- "-$2"; if [ -n "$3" ]; then sleep 1; rm -rf "$3"; fi'


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def free_port() -> int:
    """A port on the loopback interface that nothing listens on now.

    It is none of those that the system gives to connections (from 32768 on Linux): one that is
    picked now and listened on later could be some client's by then.
    """
    while True:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def docker_answers() -> bool:
    """Whether a daemon is there, at DOCKER_HOST or the usual socket; a client is not enough."""
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    is_local = host.scheme == "unix"
    with socket.socket(socket.AF_UNIX if is_local else socket.AF_INET) as probe:
        probe.settimeout(2)
        try:
            probe.connect(host.path if is_local else (host.hostname, host.port or 2375))
        except OSError:
            return False
    return True


def output_of(command: Sequence[str | Path], *, timeout_s: float, **options: object) -> str:
    """Run a command to its end. Raises Unobtainable with the end of its output where it fails."""
    try:
        done = subprocess.run(  # type: ignore[call-overload]  # options are Popen's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            **options,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unobtainable(f"{command[0]}: {error}") from error
    text: str = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Unobtainable(f"{command[0]} ended with {done.returncode}: {text[-500:].strip()}")
    return text


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


class Deadline:
    """How long to go on waiting for a server that starts."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return time.monotonic() > self._ends_at

    def pause(self) -> None:
        """Wait a moment before the next look at a process that has no way to call us."""
        time.sleep(0.1)


def environment_with(**changes: str) -> dict[str, str]:
    return {**os.environ, **changes}
