"""The registry: every built-in action, described well enough for someone who writes a flow."""

import pytest

from processors import registry
from processors.actions import Action, Runs
from schemas.integration_file import read
from schemas.unknown_inputs import unknown_inputs
from tests.schemas.test_integration_corpus import CORPUS

PROMISED = {
    "branch": {"branchOnExpression", "branchOnValue", "selectExecutedStepResult"},
    "code": {"runCode"},
    "collection-tools": {"createObject"},
    "cross-flow": {"crossFlow", "invokeFlow", "triggerFlow"},
    "http": {"httpGet", "httpPost", "httpPut", "httpPatch", "httpDelete", "httpRequest"},
    "log": {"writeLog"},
    "loop": {"loopOverItems", "loopNTimes", "breakLoop"},
    "management-triggers": {"instanceDeploy", "instanceRemove"},
    "persist-data": {
        "getExecutionValue",
        "saveCrossFlowValue",
        "appendExecutionValueToList",
        "getCrossFlowValue",
        "getInstanceValue",
        "saveInstanceValue",
        "saveExecutionValue",
        "removeCrossFlowValue",
        "incrementExecutionValue",
        "listInstanceKeys",
    },
    "recursive-flow": {"recursiveTrigger", "getCursor", "setCursor", "invokeRecursive"},
    "sleep": {"sleep"},
    "stop-execution": {"stopExecution"},
    "webhook-triggers": {"webhook"},
}


def test_every_promised_action_is_known() -> None:
    known = registry.known()
    assert known.keys() >= PROMISED.keys()
    for component, actions in PROMISED.items():
        assert actions <= known[component]


def test_an_action_is_found_by_component_and_key() -> None:
    found = registry.find("http", "httpGet")
    assert found is not None
    assert (found.component, found.key) == ("http", "httpGet")
    assert registry.find("http", "httpFetch") is None
    assert registry.find("ftp", "httpGet") is None


def test_an_action_is_found_in_any_case_and_no_two_differ_by_case_alone() -> None:
    found = registry.find("hash", "computeSHA3-256")
    assert found is not None
    assert found.key == "computeSha3-256"
    keys = [(component, key.lower()) for component, key in registry.ACTIONS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("action", registry.ACTIONS.values(), ids=lambda action: action.key)
def test_every_input_is_described_with_an_example(action: Action) -> None:
    assert action.label
    assert action.description
    for declared in action.inputs:
        assert declared.label, declared.key
        assert declared.description, declared.key
        assert declared.example, declared.key
    keys = [declared.key for declared in action.inputs]
    assert len(keys) == len(set(keys))


def test_only_requests_and_invocations_touch_the_world() -> None:
    touching = {action.component for action in registry.ACTIONS.values() if action.touches_world}
    assert touching == {
        *("code", "cross-flow", "graphql", "html-utils", "http"),
        *("prismatic", "recursive-flow", "soap"),
    }


def test_what_is_pure_touches_the_world_through_the_journal_alone() -> None:
    inline = [a for a in registry.ACTIONS.values() if a.runs is Runs.INLINE]
    invoking = {action.component for action in inline if action.touches_world}
    assert invoking == {"cross-flow", "recursive-flow"}


@pytest.mark.corpus
def test_actions_have_every_input_that_the_corpus_gives_them() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    readings = [read(file.read_text()) for file in sorted(CORPUS.glob("*.yml"))]
    definitions = [reading.definition for reading in readings if reading.definition is not None]
    assert len(definitions) == len(readings) > 0
    assert [unknown_inputs(one, registry.inputs_of) for one in definitions] == [[]] * len(readings)
