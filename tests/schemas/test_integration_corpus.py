"""Integration files that others wrote: all read, and all that they lack is named."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.integration_file import read, unknown_components
from tests.schemas.integration_trees import check_it_reads

CORPUS = Path(
    os.environ.get("PENSTOCK_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
BUILT_IN = {
    "branch": {"branchOnExpression", "branchOnValue"},
    "change-data-format": {"deserializeFromJson", "deserializeFormData", "deserializeFromXml"},
    "code": {"runCode"},
    "collection-tools": {"createObject", "chunks", "flatten"},
    "cross-flow": {"crossFlow", "invokeFlow"},
    "http": {"httpGet", "httpPost"},
    "log": {"writeLog"},
    "loop": {"loopOverItems", "loopNTimes"},
    "management-triggers": {"instanceDeploy", "instanceRemove"},
    "persist-data": {"saveCrossFlowValue", "getCrossFlowValue", "removeCrossFlowValue"},
    "schedule-triggers": {"schedule"},
    "text-manipulation": {"replace"},
    "webhook-triggers": {"webhook"},
}
UNKNOWN = {
    "amazon-sqs-fifo-queue.yml": ["aws-sqs", "loop/breakLoop"],
    "example-with-loop.yml": ["google-cloud-storage"],
    "google-drive-webhooks.yml": ["google-drive"],
    "slack-interactivity-router.yml": [],
    "split-payload-example.yml": [
        "loop/breakLoop",
        "messagepack",
        "persist-data/appendExecutionValueToList",
        "persist-data/getExecutionValue",
        "prismatic",
        "sleep",
        "text-manipulation/upperCase",
    ],
}


@pytest.fixture(scope="module")
def corpus() -> dict[str, str]:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    files = sorted(CORPUS.glob("*.yml"))
    assert files, f"{CORPUS} holds no .yml file"
    return {path.name: path.read_text(encoding="utf-8") for path in files}


@pytest.mark.corpus
def test_every_file_of_the_corpus_reads_without_problems(corpus: dict[str, str]) -> None:
    assert {name: read(text).problems for name, text in corpus.items()} == dict.fromkeys(corpus, ())


@pytest.mark.corpus
def test_a_file_written_anew_means_the_same(corpus: dict[str, str]) -> None:
    for name, text in corpus.items():
        again = yaml.safe_dump(yaml.safe_load(text), allow_unicode=True, sort_keys=True)
        assert read(again).definition == read(text).definition, name


@pytest.mark.corpus
def test_components_of_corpus_files_that_are_not_there_are_named(corpus: dict[str, str]) -> None:
    for name, expected in UNKNOWN.items():
        definition = read(corpus[name]).definition
        assert definition is not None
        assert unknown_components(definition, BUILT_IN) == expected


@pytest.mark.corpus
def test_a_renamed_step_breaks_the_references_of_a_corpus_file(corpus: dict[str, str]) -> None:
    renamed = corpus["example-with-loop.yml"].replace("name: Download File", "name: Fetch File")
    (problem,) = read(renamed).problems
    assert "'downloadFile.results' names no step" in problem.message
    line = renamed.splitlines()[problem.line - 1]
    assert line.strip() == "value: downloadFile.results"


@pytest.mark.corpus
@given(data=st.data())
def test_no_lost_line_of_a_corpus_file_crashes_the_reading(
    corpus: dict[str, str], data: st.DataObject
) -> None:
    text = corpus[data.draw(st.sampled_from(sorted(UNKNOWN)))]
    lines = text.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    check_it_reads("".join(lines[:at] + lines[at + 1 :]))
