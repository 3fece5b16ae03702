"""YAML with lines: what is not YAML, what would unfold without end, and that nothing crashes."""

import copy
import random
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import yaml_lines
from schemas.integration_file import read
from tests.schemas.integration_trees import (
    FULL,
    branch,
    check_it_reads,
    definition_of,
    integration,
    step,
    trigger,
)


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("---\n", 1, "the file is empty"),
        ("- a\n", 1, "must be a mapping, not a list"),
        ("just text", 1, "must be a mapping, not a text"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a:\n\t- b\n", 2, "a tab cannot indent"),
        ("a: 1\nb: \0\n", 2, "U+0000"),
        ("a: 1\nb: \ud800\n", 2, "U+D800"),
        (b"a: 1\nb: \xff\n", 2, "0xFF is not UTF-8"),
        ("a: 1\n---\na: 2\n", 2, "more than one YAML document"),
        ("a: *b\n", 1, "the alias *b names no anchor"),
        ("a: &b\n  - *b\n", 2, "the alias *b stands inside what it names"),
        ("a: &b 1\nc: &b\n  - *b\n", 3, "the alias *b stands inside what it names"),
        ("a: !!python/name:os.system x\n", 1, "tag"),
        ("a: !thing {b: 1}\n", 1, "the tag !thing is not known"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(file: str | bytes, line: int, message: str) -> None:
    found = read(file).problems
    assert (found[0].line, message in found[0].message) == (line, True), found


@pytest.mark.parametrize("key", ["1", "true", "null", "[a]", "{a: b}"])
def test_a_key_that_is_no_text_is_a_problem(key: str) -> None:
    problems = read(f"{FULL}other:\n  ? {key}\n  : 1\n").problems
    assert [problem.line for problem in problems] == [FULL.count("\n") + 2]
    assert "is not a text" in problems[0].message


def test_a_key_that_is_there_twice_is_a_problem_wherever_it_stands() -> None:
    (problem,) = read(FULL + "extra:\n  - a: 1\n    a: 2\n").problems
    assert problem.path == "extra[0].a"
    assert "the key 'a' is there twice" in problem.message


def test_anchors_aliases_and_merges_mean_what_they_name() -> None:
    file = """\
definitionVersion: 7
name: N
flows:
  - name: F
    steps:
      - &trigger
        name: T
        isTrigger: true
        action: &webhook {key: webhook, component: {key: webhook-triggers}}
      - {name: A, action: *webhook}
  - name: G
    steps:
      - <<: *trigger
        name: Other
"""
    definition = read(file).definition
    assert definition is not None
    assert definition.flows[0].steps[1].component == "webhook-triggers"
    assert definition.flows[1].steps[0].name == "Other"
    assert definition.flows[1].steps[0].is_trigger


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]")
    (problem,) = read("\n".join(lines)).problems
    assert "more than 200,000 values" in problem.message


@pytest.mark.parametrize(
    "file",
    [
        "[" * 100_000,
        "- " * 100_000,
        "a: " + "{a: " * 50_000,
        "".join(f"a{n}: &a{n} [*a{n - 1}]\n" if n else "a0: &a0 []\n" for n in range(300)),
    ],
    ids=["flow", "block", "mapping", "aliases"],
)
def test_deep_nesting_is_refused(file: str) -> None:
    (problem,) = read(file).problems
    assert f"deeper than {yaml_lines.MAX_DEPTH} levels" in problem.message


def test_the_deepest_file_that_is_allowed_can_be_read() -> None:
    inner = step("Deepest")
    for level in range(48):
        inner = step(f"Step {level}", branches=[branch("A", inner)])
    definition_of(integration(trigger(), inner))


def test_a_deep_tree_of_conditions_can_be_read() -> None:
    tree: Any = "x"
    for _ in range(190):
        tree = [tree]
    definition_of(integration(trigger(inputs={"a": {"type": "complex", "value": tree}})))


def test_a_file_above_the_limit_is_refused() -> None:
    file = "a: " + "ü" * (yaml_lines.MAX_BYTES // 2)
    (problem,) = read(file).problems
    assert "larger than 4,194,304 bytes" in problem.message


YAML_PIECES = st.sampled_from(
    [*"[]{}'\"|>#%\t\0\na7", ": ", "- ", "? ", "  ", "&a ", "*a", "!!str ", "<<", "---\n", "...\n"]
)


@given(st.text() | st.lists(YAML_PIECES, max_size=40).map("".join))
@example("\ufeff")
@example("{<<")
@example("%YAML 1.3\n---\na")
@example('"\\0"')
def test_no_text_crashes_the_reading(text: str) -> None:
    check_it_reads(text)


@given(st.binary())
def test_no_bytes_crash_the_reading(file: bytes) -> None:
    read(file)


@given(st.integers(0, len(FULL)), st.integers(0, 30), st.lists(YAML_PIECES, max_size=3))
def test_no_cut_and_no_insertion_crashes_the_reading(at: int, cut: int, new: list[str]) -> None:
    check_it_reads(FULL[:at] + "".join(new) + FULL[at + cut :])


JUNK = st.sampled_from(
    [None, True, 5, -1.5, float("inf"), "", "x", "a.results", "{{$", "configVar", "\0"]
) | st.sampled_from(
    [[], [None], ["and"], {}, {"type": "value"}, {"type": "complex", "value": [[[]]]}, {"key": 1}]
)


@given(st.randoms(use_true_random=False), st.lists(JUNK, min_size=1, max_size=4))
def test_no_wrong_value_anywhere_crashes_the_reading(
    chance: random.Random, junk: list[Any]
) -> None:
    tree = yaml.safe_load(FULL)
    for value_ in junk:
        place_junk(tree, value_, chance)
    check_it_reads(yaml.safe_dump(copy.deepcopy(tree)))


def place_junk(tree: Any, value_: Any, chance: random.Random) -> None:
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    if not keys:
        return
    key = chance.choice(keys)
    if isinstance(tree[key], dict | list) and tree[key] and chance.random() < 0.85:
        place_junk(tree[key], value_, chance)
    else:
        tree[key] = copy.deepcopy(value_)


CRON_PIECES = st.sampled_from([*"0123456789*,-/#?LlRH ", "jan", "mon", "SUN", "60", "31", " * * "])


@given(st.lists(CRON_PIECES, max_size=20).map("".join))
@example("0-99999999 * * * *")
def test_no_cron_text_crashes_the_reading(cron: str) -> None:
    tree = integration()
    tree["flows"][0]["steps"][0]["schedule"] = {"type": "value", "value": cron}
    check_it_reads(yaml.safe_dump(tree))
