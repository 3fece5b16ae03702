"""Inputs: what references lead to."""

import pytest

from schemas import inputs
from schemas.definitions import Complex, Entry, Literal, Pair
from schemas.expressions import reference
from schemas.values import Value

RESULTS = {
    "hook": {
        "results": {
            "headers": {"X-GitHub-Event": "push", "x-github-event ": "other"},
            "body": {"data": {"Id": 7, "lines": ["a", "b"], "headers": {"A": {"B": 1}}}},
        }
    }
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hook.results.headers.X-GitHub-Event", "push"),
        ("hook.results.headers.x-github-event", "push"),
        ("hook.results.headers.X-GITHUB-EVENT", "push"),
        ("hook.results.headers.x-gitlab-event", None),
        ("hook.results.body.data.Id", 7),
        ("hook.results.body.data.id", None),
        ("hook.results.body.data.lines.1", "b"),
        ("hook.results.body.data.lines.2", None),
        ("hook.results.body.data.headers.a", {"B": 1}),
        ("hook.results.body.data.headers.a.b", None),
        ("other.results.headers.a", None),
    ],
)
def test_a_reference_leads_to_its_value_and_names_of_headers_in_any_case(
    text: str, expected: Value
) -> None:
    assert inputs.look_up(reference(text), RESULTS) == expected


def test_a_name_that_is_there_as_written_wins() -> None:
    results = {"hook": {"results": {"headers": {"a": 1, "A": 2}}}}
    assert inputs.look_up(reference("hook.results.headers.A"), results) == 2


def test_a_list_within_a_list_is_a_plain_value() -> None:
    names = Complex((Entry(name=Literal("a"), value=Literal("1")),))
    values = Complex((Entry(name=None, value=Literal("1")), Entry(name=None, value=names)))
    outer = Complex(
        (Entry(name=Literal("object"), value=names), Entry(name=Literal("list"), value=values))
    )
    expected = [Pair("object", {"a": "1"}), Pair("list", ["1", {"a": "1"}])]
    assert inputs.resolve(outer, {}, {}) == expected
