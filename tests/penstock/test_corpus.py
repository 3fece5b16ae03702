"""Integration files that others wrote: all import into a running server, which names what it lacks.

What the steps of a file name is read here from the bare YAML, not with our own reading of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from processors import registry
from tests.penstock import running
from tests.schemas.test_integration_corpus import CORPUS

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def files() -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    found = sorted(CORPUS.glob("*.yml"))
    assert found, f"{CORPUS} holds no .yml file"
    return found


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    data = tmp_path_factory.mktemp("corpus") / "data"
    with running.up(data) as server:
        yield running.environment(data=str(data), url=server.url)


def _steps(part: Any) -> Iterator[Any]:
    """All steps of a flow, of its loops and of its branches."""
    for step in part.get("steps", ()):
        yield step
        yield from _steps(step)
        for branch in step.get("branches", ()):
            yield from _steps(branch)


def _lacking(content: Any) -> list[str]:
    """Components that are not there, and actions that those which are there do not have."""
    known = registry.known()
    actions = [step["action"] for flow in content["flows"] for step in _steps(flow)]
    named = {(action["component"]["key"], action["key"]) for action in actions}
    components = {component for component, _ in named if component not in known}
    return sorted(components | {f"{c}/{a}" for c, a in named if c in known and a not in known[c]})


def test_every_file_of_the_corpus_imports_and_what_it_lacks_is_named(
    files: list[Path], env: dict[str, str]
) -> None:
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        done = running.command("import", file, "--json", env=env)
        assert done.code == 0, f"{file.name}: {done.err}"
        lacking = _lacking(content)
        assert done.json["unknownComponents"] == lacking, file.name
        assert [name for name in lacking if name not in done.err] == [], file.name
        assert done.json["flows"] == [flow["name"] for flow in content["flows"]], file.name
        assert done.json["version"] == 1, file.name


def test_every_file_of_the_corpus_is_exported_to_the_byte(
    files: list[Path], env: dict[str, str], tmp_path: Path
) -> None:
    for file in files:
        imported = running.command("import", file, "--json", env=env).json
        exported = tmp_path / file.name
        done = running.command("export", imported["integrationId"], "--json", env=env)
        assert done.code == 0, done.err
        exported.write_text(done.json["definition"], newline="")
        assert exported.read_bytes() == file.read_bytes(), file.name
        # The same text is the same version: nothing was lost.
        assert running.command("import", exported, "--json", env=env).json == imported, file.name
