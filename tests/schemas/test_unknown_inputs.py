"""Unknown inputs: named with their step, wherever it stands, and nothing else is."""

from schemas.unknown_inputs import UnknownInputs, unknown_inputs
from tests.schemas.integration_trees import branch, definition_of, in_flow, step, trigger, value

KNOWN = {("http", "httpGet"): {"url"}, ("webhook-triggers", "webhook"): {"body"}}


def inputs_of(component: str, action: str) -> set[str] | None:
    return KNOWN.get((component, action))


def test_inputs_that_an_action_does_not_have_are_named_with_their_step() -> None:
    odd = {"url": value("u"), "uri": value("u"), "body": value("b")}
    tree = in_flow(
        trigger(inputs={"body": value("b")}),
        step("Get", inputs=odd),
        step("Outer", steps=[step("Inner", inputs={"x": value("1")})]),
        step("Fork", branches=[branch("Else", step("Leaf", inputs={"y": value("1")}))]),
        step("Not There", "slack/postMessage", inputs={"z": value("1")}),
    )
    found = unknown_inputs(definition_of(tree), inputs_of)
    assert [(one.step, one.inputs) for one in found] == [
        ("Get", ("body", "uri")),
        ("Inner", ("x",)),
        ("Leaf", ("y",)),
    ]
    assert found[0].action == "http/httpGet"
    assert isinstance(found[0], UnknownInputs)


def test_a_step_with_the_inputs_of_its_action_is_not_named() -> None:
    tree = in_flow(trigger(), step("Get", inputs={"url": value("u")}))
    assert unknown_inputs(definition_of(tree), inputs_of) == []
