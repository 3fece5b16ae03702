"""Penstock as its users run it: `penstock up` in a folder of its own, and its clients' commands."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import programs, usage
from bench.rows import Invalid
from tests import servers

RATE_LIMIT = 1_000_000
DEPLOY_S = 60.0
ENDS_S = 120.0
"""How long accepted executions may take to end once nothing more is accepted."""

_PENSTOCK = Path(sys.executable).with_name("penstock")
_READY = re.compile(r"^penstock ready on (http://\S+)$", re.MULTILINE)


class Penstock:
    """One `penstock up`. Between `stop` and `start` its data stays."""

    def __init__(self, folder: Path, log: str | None, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._log = log
        self._port = servers.free_port()
        self._environment = _without_ours(os.environ) | {
            "PENSTOCK_TOKEN": secrets.token_urlsafe(),
            "PENSTOCK_URL": f"http://127.0.0.1:{self._port}",
            **settings,
        }
        self._process: servers.Guarded | None = None

    @property
    def log_url(self) -> str:
        return self._log or f"sqlite:///{self._folder / 'data' / 'log.db'}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return once it says that it is ready. Raises Unobtainable with the end of its output."""
        options = ["--port", str(self._port), "--data", str(self._folder / "data")]
        if self._log:
            options += ["--log", self._log]
        output = self._folder / f"output-{secrets.token_hex(4)}"
        try:
            self._process = servers.Guarded(
                [_PENSTOCK, "up", *options], log=output, environment=self._environment
            )
        except OSError as error:
            raise servers.Unobtainable(f"the command penstock: {error.strerror}") from error
        programs.wait_until(
            self._process, lambda: bool(_READY.search(output.read_text())), "penstock up"
        )

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(signal.SIGTERM)

    def tail(self) -> str:
        """The last lines of its output, for people; they may name folders of this machine."""
        return self._process.tail() if self._process else ""

    def deploy(self, definition: str, suffix: str = ".yml") -> str:
        """Deploy a file with one flow, without a limit that matters; gives its URL."""
        file = self._folder / f"measured{suffix}"
        file.write_text(definition)
        command = [str(_PENSTOCK), "deploy", str(file), "--rate-limit", str(RATE_LIMIT), "--json"]
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=DEPLOY_S,
                check=True,
            )
            url: str = json.loads(done.stdout)["flows"][0]["webhookUrl"]
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise Invalid(f"penstock deploy failed:\n{said.strip()[-300:]}") from error
        return url

    def resident_mb(self) -> float:
        return usage.resident_mb(self._process.pid) if self._process else 0.0

    def processor_s(self) -> float:
        return usage.processor_s(self._process.pid) if self._process else 0.0

    def ended(self) -> int:
        """How many executions the views show as ended. Raises Invalid if any did not succeed."""
        found = self._get("/api/v1/counts")
        counts: dict[str, int] = found["executions"]
        bad = {name: n for name, n in counts.items() if name in ("failed", "canceled", "refused")}
        if bad or found["refusals"]:
            raise Invalid(f"executions: {counts}, refused triggers: {found['refusals']}")
        return counts.get("succeeded", 0)

    def wait_until_ended(self, executions: int) -> None:
        """Wait until that many executions have ended in the views. Raises Invalid."""
        deadline = servers.Deadline(ENDS_S)
        while (ended := self.ended()) < executions:
            if deadline.passed:
                raise Invalid(f"{ended} of {executions} accepted executions ended in {ENDS_S} s")
            deadline.pause()

    def _get(self, path: str) -> Any:
        token = self._environment["PENSTOCK_TOKEN"]
        request = urllib.request.Request(
            self._environment["PENSTOCK_URL"] + path,
            headers={"authorization": f"Bearer {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ENDS_S) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise Invalid(f"GET {path}: {error}") from error


@contextmanager
def penstock(log: str | None = None, **settings: str) -> Iterator[Penstock]:
    """`penstock up` on a fresh embedded log, or on `log`; `settings` are environment variables."""
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        Penstock(Path(folder), log, settings) as up,
    ):
        try:
            yield up
        except Invalid as error:
            on = "Kafka" if log else "the embedded log"
            raise Invalid(f"on {on}: {error}\n{up.tail()}") from error


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if not key.startswith("PENSTOCK_")}
