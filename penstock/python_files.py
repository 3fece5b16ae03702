"""Python files: what a file of flows declares, or what is wrong with it, without running it here.

Takes in the text; gives out its manifest (schemas.events.IntegrationPublished) or problems with
lines of that file. The file is run in a process of its own, with limits, and that process ended.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import orjson

from penstock import sdk, startup
from processors import registry
from processors.python import components as python_components
from processors.python_processes import NotLoaded, PythonProcesses
from schemas import integration_file
from schemas.definitions import Definition
from schemas.integration_file import Problem

_FLOW = re.compile(r"flows\[(\d+)\]")
_DECLARATION = re.compile(r"^integration\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """A definition and its manifest, or problems."""

    definition: Definition | None
    manifest: str
    problems: tuple[Problem, ...]


async def read(source: str) -> Reading:
    """What the Python file `source` declares. Never raises for what it does."""
    try:
        found = await PythonProcesses(startup.PYTHON_PROGRAM).manifest({"source": source})
    except NotLoaded as error:
        problems = [Problem(one["path"], one["line"], one["message"]) for one in error.problems]
        return Reading(None, "", tuple(problems))
    manifest = orjson.dumps(found["manifest"]).decode()
    reading = integration_file.read(manifest)
    if reading.definition is None:
        return Reading(None, "", tuple(_placed(reading.problems, source, found)))
    return Reading(reading.definition, manifest, ())


async def install_components() -> None:
    """Let this process know what the installed packages publish, without running it here."""
    if metadata.entry_points(group=sdk.COMPONENTS):
        registry.install(await python_components.installed(startup.PYTHON_PROGRAM))


def _placed(problems: tuple[Problem, ...], source: str, found: Mapping[str, Any]) -> list[Problem]:
    """The problems of a manifest, at the lines of the flows or of the declaration they are of."""
    declared = _DECLARATION.search(source)
    line = source.count("\n", 0, declared.start()) + 1 if declared else 1
    lines = list(found["lines"].values())
    placed = []
    for problem in problems:
        flow = _FLOW.match(problem.path)
        number = int(flow[1]) if flow else len(lines)
        at = lines[number] if number < len(lines) else line
        placed.append(Problem(problem.path, at, problem.message))
    return placed
