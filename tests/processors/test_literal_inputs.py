"""Literal inputs: what no run could take is said when a file is read, with flow, step and path."""

import pytest
import yaml

from processors import literal_inputs, registry
from schemas.integration_file import Reading, read
from tests.schemas.integration_trees import (
    Tree,
    integration,
    reference,
    step,
    template,
    trigger,
    value,
)
from tests.schemas.test_integration_corpus import CORPUS

CHECK = literal_inputs.checks(registry.find)


def reading(action: str, **inputs: Tree) -> Reading:
    tree = integration(trigger(), step("Do it", action, inputs=inputs))
    return read(yaml.safe_dump(tree, sort_keys=False), CHECK)


@pytest.mark.parametrize(
    ("action", "key", "given", "message"),
    [
        ("loop/loopOverItems", "items", value("word"), "Items (items) must be a list or an object"),
        ("loop/loopOverItems", "items", value("5"), "must be a list or an object, found "),
        ("loop/loopNTimes", "iterationCount", value("many"), 'must be a number, found "many"'),
        ("http/httpGet", "includeFullResponse", value("perhaps"), "must be true or false"),
        ("http/httpGet", "headers", value("x"), "must be a list of names and values"),
        (
            "http/httpGet",
            "timeout",
            {"type": "complex", "value": [value("1")]},
            'must be a number, found ["1"]',
        ),
    ],
)
def test_what_no_run_could_take_is_a_problem(
    action: str, key: str, given: Tree, message: str
) -> None:
    [problem] = reading(action, **{key: given}).problems
    assert problem.path == f"flows[0].steps[1].inputs.{key}.value"
    assert problem.message.startswith("flow 'Main', step 'Do it': ")
    assert message in problem.message


def conditions(*tree: object) -> Tree:
    one = {"name": "Yes", "type": "complex", "value": list(tree)}
    return {"type": "complex", "value": [one]}


LEFT = {"name": "", **reference("trigger.results")}


def test_an_operator_that_is_none_is_a_problem_however_deep_it_stands() -> None:
    tree = conditions("and", ["equal", LEFT, LEFT], ["or", ["looksLike", LEFT], ["isTrue", LEFT]])
    [problem] = reading("branch/branchOnExpression", conditions=tree).problems
    assert problem.path == "flows[0].steps[1].inputs.conditions.value"
    assert "there is no operator 'looksLike'; there are equal, notEqual," in problem.message


@pytest.mark.parametrize(
    ("action", "key", "given"),
    [
        ("branch/branchOnExpression", "conditions", conditions("isTrue", LEFT)),
        ("loop/loopOverItems", "items", value('["a"]')),
        ("loop/loopOverItems", "items", value("")),
        ("loop/loopOverItems", "items", reference("trigger.results")),
        ("loop/loopOverItems", "items", template("[{{$trigger.results}}]")),
        ("loop/loopNTimes", "iterationCount", {"type": "configVar", "value": "Page Size"}),
        ("http/httpGet", "timeout", value(" 5 ")),
        ("http/httpGet", "noSuchInput", value("x")),
        ("slack/postMessage", "message", value("x")),
    ],
)
def test_what_may_turn_out_well_is_taken(action: str, key: str, given: Tree) -> None:
    assert reading(action, **{key: given}).problems == ()


@pytest.mark.corpus
def test_no_file_of_the_corpus_has_such_a_problem() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    for file in sorted(CORPUS.glob("*.yml")):
        assert read(file.read_bytes(), CHECK).problems == (), file.name
