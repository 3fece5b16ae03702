"""The reference of components: it is current, and its tables hold what actions declare."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from penstock import cli, component_docs
from processors import registry
from processors.actions import Action, Input, Kind, Outcome
from schemas.errors import Unusable

PAGE = Path(__file__).parents[2] / "docs" / "components.md"


def test_the_page_is_current() -> None:
    made = component_docs.markdown(registry.ACTIONS.values())
    assert PAGE.read_text() == made, "the actions have changed: run `make docs`"


def test_a_table_keeps_its_cells_whatever_an_input_says() -> None:
    declared = Input(
        key="a",
        label="A | B",
        kind=Kind.LIST,
        default=["x|y"],
        description="One\nor the other.",
        example="`|`",
    )
    action = Action(
        component="c", key="k", label="L", description="D.", perform=Outcome, inputs=(declared,)
    )
    page = component_docs.sections([action])
    assert "### c/k" in page
    row = r'| `a` | A \| B | list | `["x\|y"]` | One or the other. | `` `\|` `` |'
    assert page.rstrip().splitlines()[-1] == row


def said(*arguments: str) -> str:
    outcome = CliRunner().invoke(cli.app, ["components", *arguments])
    if outcome.exception is not None:
        raise outcome.exception
    return outcome.stdout


def test_the_command_lists_and_shows() -> None:
    assert "math/abs" in said()
    shown = said("math/ABS")
    assert shown.startswith("## math")
    assert shown.count("###") == 1
    assert said("--markdown") == PAGE.read_text()
    (found,) = orjson.loads(said("http/httpGet", "--json"))["actions"]
    assert found["touchesWorld"] is True
    assert {"key": "url", "required": True}.items() <= found["inputs"][0].items()


@pytest.mark.parametrize(
    ("name", "message"),
    [("ftp", "no built-in component 'ftp'"), ("http/brew", "no built-in action")],
)
def test_what_is_not_there_is_said(name: str, message: str) -> None:
    with pytest.raises(Unusable, match=message):
        said(name)
