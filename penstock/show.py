"""Show: what commands print, as tables for people or as JSON for programs."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
import typer

from schemas.errors import PenstockError

if TYPE_CHECKING:
    from schemas.integration_file import Problem

UNBOUNDED = 10_000
"""The width where nobody looks at a terminal: programs that cut columns need whole lines."""
RESULT_CHARACTERS = 160


class Said(PenstockError):
    """A failure that has been said already: only the exit code is missing."""


def say(message: str) -> None:
    """A line on stderr: what happened, or what is wrong."""
    typer.echo(message, err=True)


def write(line: str) -> None:
    """A line on stdout, at once: others wait for it."""
    typer.echo(line)
    sys.stdout.flush()


def write_text(text: str) -> None:
    """`text` on stdout to the byte: no line is added or ended otherwise."""
    typer.echo(text.encode(), nl=False)


def as_json(content: object) -> None:
    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column.upper(), overflow="fold")
    for row in rows:
        shown.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    if sys.stdout.isatty():
        Console(soft_wrap=False).print(shown)
        return
    # Rich fills lines up with blanks to the width of the last column.
    console = Console(width=UNBOUNDED, soft_wrap=False)
    with console.capture() as captured:
        console.print(shown)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def problems(file: str, found: "Sequence[Problem | dict[str, Any]]") -> None:
    """What is wrong with an integration file, one line each."""
    for problem in found:
        known = problem_object(problem)
        say(f"{file}:{known['line']}: {known['path'] or '(file)'}: {known['message']}")


def problem_object(problem: "Problem | dict[str, Any]") -> dict[str, Any]:
    if isinstance(problem, dict):
        return {key: problem.get(key) for key in ("path", "line", "message")}
    return {"path": problem.path, "line": problem.line, "message": problem.message}


def warnings(found: Sequence[str]) -> None:
    """What went wrong beside what was asked for."""
    for warning in found:
        say(f"warning: {warning}")


def unknown_components(names: Sequence[str]) -> None:
    if names:
        say(f"warning: components that are not there: {', '.join(names)}; their steps will fail")


def deployed(answer: dict[str, Any]) -> None:
    write(f"instance {answer['instanceId']} of version {answer['version']}")
    rows = [
        (flow["name"], flow["webhookUrl"], ", ".join(flow["apiKeys"]) or None)
        for flow in answer["flows"]
    ]
    table(("flow", "url", "api keys"), rows)


def imported(answer: dict[str, Any]) -> None:
    write(f"integration {answer['integrationId']} at version {answer['version']}")
    for flow in answer["flows"]:
        write(f"  {flow}")


def instances(answer: dict[str, Any]) -> None:
    rows = [
        (
            found["id"],
            found["name"],
            found["status"],
            _name(found["integration"]),
            found["version"],
            (found["customer"] or {}).get("externalId"),
            ", ".join(flow["name"] for flow in found["flows"]),
        )
        for found in answer["instances"]
    ]
    table(("id", "name", "status", "integration", "version", "customer", "flows"), rows)


def executions(answer: dict[str, Any]) -> None:
    rows = [
        (
            found["id"],
            found["status"],
            found["flow"],
            _name(found["instance"]),
            found["receivedAt"],
            found["endedAt"],
            found["error"],
        )
        for found in answer["executions"]
    ]
    table(("id", "status", "flow", "instance", "received", "ended", "error"), rows)


def execution(found: dict[str, Any]) -> None:
    for label in ("id", "status", "flow", "receivedAt", "startedAt", "endedAt", "error"):
        if found[label] is not None:
            write(f"{label:<11} {found[label]}")
    for label in ("instance", "integration"):
        if found[label] is not None:
            write(f"{label:<11} {_name(found[label])}")
    if found["resultType"] not in (None, "COMPLETED", "ERROR"):
        write(f"{'result':<11} {found['resultType']}")
    if found["invokedBy"] is not None:
        write(f"{'invoked by':<11} {found['invokedBy']}")
    for invoked in found["invoked"]:
        write(f"{'invoked':<11} {invoked}")
    write("")
    rows = [
        (
            _marked(step["name"], step),
            step["status"],
            step["loopPath"] or None,
            step["attempt"],
            step["startedAt"],
            _result(step),
        )
        for step in found["steps"]
    ]
    table(("step", "status", "loop", "attempt", "started", "result"), rows)


def logs(answer: dict[str, Any]) -> None:
    rows = [
        (
            line["timestamp"],
            line["level"],
            _marked(line["stepName"], line) or None,
            line["loopPath"] or None,
            line["message"],
        )
        for line in answer["logs"]
    ]
    table(("time", "level", "step", "loop", "message"), rows)


def events(answer: dict[str, Any]) -> None:
    rows = [
        (
            found["time"],
            f"{found['topic']}/{found['partition']}",
            found["offset"],
            found["type"],
            _cut(orjson.dumps(found["content"]).decode()),
        )
        for found in answer["events"]
    ]
    table(("time", "partition", "offset", "type", "content"), rows)
    if answer["truncated"]:
        say("there is more on the log than is shown here")


def _marked(name: str, shown: dict[str, Any]) -> str:
    """The name of a step, and whether its flow was the preprocess flow."""
    return f"{name} (preprocess)" if shown["fromPreprocessFlow"] else name


def _result(step: dict[str, Any]) -> str:
    """What a step came to, or its beginning: whole results are for --json."""
    return _cut(step["error"] or orjson.dumps(step["result"]).decode())


def _cut(text: str) -> str:
    return text if len(text) <= RESULT_CHARACTERS else text[:RESULT_CHARACTERS] + "…"


def _name(found: dict[str, Any] | None) -> str | None:
    return (found["name"] or found["id"]) if found else None
