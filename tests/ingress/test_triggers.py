"""Triggers: how a flow answers those who do not wait, also as configured; whose trigger rules."""

import pytest

from ingress import triggers
from ingress.triggers import Accepted
from schemas.definitions import Definition, Step
from schemas.integration_file import read
from schemas.values import Value
from tests.ingress.serving import definition, flow

CONFIG: dict[str, Value] = {"Status": "201", "Where": "Rome", "Headers": {"X-A": 1, "bad name": 2}}
EXTRA = """
requiredConfigVars:
  - {key: Status, dataType: string}
  - {key: Where, dataType: string}
  - {key: Headers, dataType: code}
"""


def trigger(inputs: str) -> Step:
    return parsed(definition(flow(inputs=inputs), extra=EXTRA)).flows[0].steps[0]


def parsed(text: str) -> Definition:
    reading = read(text)
    assert reading.definition is not None, reading.problems
    return reading.definition


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("", Accepted()),
        ("statusCode: {type: value, value: '202'}", Accepted(status=202)),
        ("statusCode: {type: configVar, value: Status}", Accepted(status=201)),
        ("statusCode: {type: value, value: '99'}", Accepted()),
        ("statusCode: {type: value, value: 'x'}", Accepted()),
        (
            "body: {type: template, value: 'From {{#Where}}'}",
            Accepted(body=b"From Rome", content_type=b"text/plain; charset=utf-8"),
        ),
        ("body: {type: value, value: '{}'}", Accepted(body=b"{}")),
        (
            "contentType: {type: value, value: text/xml}, body: {type: value, value: <a/>}",
            Accepted(body=b"<a/>", content_type=b"text/xml"),
        ),
        (
            "headers: {type: complex, value: [{name: {type: value, value: X-W},"
            " type: configVar, value: Where}, {name: {type: value, value: Content-Length},"
            " type: value, value: '5'}]}",
            Accepted(headers=((b"x-w", b"Rome"),)),
        ),
        ("headers: {type: configVar, value: Headers}", Accepted(headers=((b"x-a", b"1"),))),
    ],
)
def test_an_answer_is_what_the_inputs_come_to(inputs: str, expected: Accepted) -> None:
    assert triggers.accepted(trigger(inputs), lambda: CONFIG) == expected


def test_literal_inputs_need_no_configuration() -> None:
    def nobody() -> dict[str, Value]:
        raise AssertionError("the configuration was opened")

    given = trigger("statusCode: {type: value, value: '202'}, body: {type: value, value: a}")
    assert triggers.accepted(given, nobody).status == 202
    assert triggers.scheme(given, nobody) is None


def test_the_door_of_a_shared_url_is_the_only_flow() -> None:
    one = parsed(definition(flow("Main")))
    assert triggers.door_of(one, "") is one.flows[0]
    two = parsed(definition(flow("Main"), flow("Other")))
    assert triggers.door_of(two, "") is None
    assert triggers.door_of(two, "Other") is two.flows[1]
