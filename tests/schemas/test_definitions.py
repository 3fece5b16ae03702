"""Reference keys of steps, and flows by name."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.definitions import Definition, Flow, reference_key

WORDS = st.text(string.ascii_letters + string.digits, min_size=1)
SEPARATORS = st.text(st.characters(exclude_characters=string.ascii_letters + string.digits))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Integration Trigger", "integrationTrigger"),
        ('Get "Thread\'s" SNS', "getThreadSSns"),
        ("List GitHub Issues", "listGithubIssues"),
        ("Cross Flow - Get Value", "crossFlowGetValue"),
        ("Deserialize URL-encoded Form Data", "deserializeUrlEncodedFormData"),
        ("GET Request 2", "getRequest2"),
        ("2nd step", "2ndStep"),
        ("✅ Done", "done"),
        ("Café au lait", "cafAuLait"),
        ("ſtep", "tep"),
        ("  Flow 2 Trigger!", "flow2Trigger"),
        ("日本", ""),
        ("", ""),
    ],
)
def test_a_step_is_referred_to_by_its_name_in_camel_case(name: str, key: str) -> None:
    assert reference_key(name) == key


def expected_key(name: str) -> str:
    words: list[str] = re.findall("[0-9a-zA-Z]+", name) or [""]
    first, *rest = words
    return first.lower() + "".join(word[0].upper() + word[1:].lower() for word in rest)


@given(st.text() | st.text(string.ascii_letters + " -_'7é"))
def test_each_run_of_other_characters_parts_words(name: str) -> None:
    assert reference_key(name) == expected_key(name)


@given(st.text())
def test_a_key_has_only_ascii_letters_and_digits_and_begins_in_lower_case(name: str) -> None:
    key = reference_key(name)
    assert re.fullmatch("([0-9a-z][0-9a-zA-Z]*)?", key)


@given(st.lists(WORDS), SEPARATORS.filter(bool))
def test_which_characters_part_the_words_makes_no_difference(words: list[str], other: str) -> None:
    assert reference_key(other.join(words)) == reference_key(" ".join(words))


@given(st.lists(WORDS), SEPARATORS, SEPARATORS)
def test_what_surrounds_the_words_makes_no_difference(
    words: list[str], before: str, after: str
) -> None:
    name = " ".join(words)
    assert reference_key(before + name + after) == reference_key(name)


@given(st.lists(WORDS))
def test_the_case_of_the_words_makes_no_difference(words: list[str]) -> None:
    name = " ".join(words)
    assert reference_key(name.swapcase()) == reference_key(name)


@given(WORDS)
def test_the_key_of_one_word_is_its_own_key(word: str) -> None:
    key = reference_key(word)
    assert reference_key(key) == key


def test_a_flow_is_found_by_its_exact_name() -> None:
    flow = Flow(name="Receive Orders", steps=())
    definition = Definition(name="Orders", flows=(flow,))
    assert definition.flow("Receive Orders") is flow
    assert definition.flow("receive orders") is None
