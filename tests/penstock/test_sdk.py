"""The SDK: what authors declare, and what is said of a file that declares it wrongly."""

import asyncio
from typing import Any

import pytest

from penstock import manifests, python_files, sdk
from penstock.sdk import Input, action, component, connection, flow, schedule, trigger, webhook

FILE = """
from penstock.sdk import ConfigVar, Integration, flow, schedule, webhook

@flow(trigger=webhook(synchronous=True))
async def place_order(context, trigger):
    "Takes an order."

@flow(trigger=schedule("{cron}", time_zone="Europe/Paris"))
async def tidy(context, trigger):
    pass

integration = Integration(
    name="Orders", flows=[place_order, tidy], config=[ConfigVar(key="Shop", default="main")]
)
"""


def read(text: str) -> python_files.Reading:
    return asyncio.run(python_files.read(text))


def test_the_inputs_of_an_action_follow_from_its_annotations_and_defaults() -> None:
    @action(label="Post Message")
    async def post_message(
        context: Any,
        text: str = Input(label="Text", description="What is said.", example="hello"),
        times: int = 1,
        loud: bool = False,
        tags: list[str] | None = None,
    ) -> None:
        """Posts a message."""

    assert (post_message.key, post_message.description) == ("postMessage", "Posts a message.")
    found = {one.key: (one.kind, one.default, one.required) for one in post_message.inputs}
    assert found == {
        "text": ("text", None, True),
        "times": ("number", 1, False),
        "loud": ("boolean", False, False),
        "tags": ("list", None, False),
    }
    assert post_message.inputs[0].example == "hello"


def test_actions_and_triggers_need_no_parentheses() -> None:
    @action
    def post_message(context: Any, text: str) -> None:
        """Posts a message."""

    @trigger
    def shop_events(context: Any, payload: Any, params: Any) -> None: ...

    shop = component("shop", actions=[post_message], triggers=[shop_events])
    manifest = manifests.of_component(shop)
    assert [one["key"] for one in manifest["actions"]] == ["postMessage"]
    assert [one["isTrigger"] for one in manifest["triggers"]] == [True]


def test_a_component_says_all_of_its_parts_as_data() -> None:
    @connection
    class ApiKey:
        """A key of the shop."""

        url: str = Input(label="URL", default="https://shop.test")
        key: str = Input(label="Key", secret=True)

    @trigger(branches=["Paid"], responds=True)
    def paid(context: Any, payload: Any, params: Any) -> sdk.TriggerResult:
        return sdk.TriggerResult(payload=payload)

    made = component("shop", triggers=[paid], connections=[ApiKey])
    manifest = manifests.of_component(made)
    assert manifest["triggers"][0]["branches"] == ["Paid"]
    [shown] = manifest["connections"]
    assert [(one["key"], one["secret"]) for one in shown["inputs"]] == [
        ("url", False),
        ("key", True),
    ]


def test_what_is_no_action_in_a_component_is_refused_by_name() -> None:
    with pytest.raises(manifests.Undeclared, match="'shop'"):
        manifests.of_component(component("shop", actions=[len]))  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", [lambda context, trigger: None, 5])
def test_a_flow_that_is_no_coroutine_function_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        flow(trigger=webhook())(wrong)


def test_a_schedule_needs_either_a_cron_text_or_a_config_variable() -> None:
    with pytest.raises(ValueError, match="either"):
        schedule()
    with pytest.raises(ValueError, match="either"):
        schedule("* * * * *", config_var="When")


def test_a_file_is_read_into_a_definition_without_running_it_here() -> None:
    reading = read(FILE.format(cron="0 3 * * *"))
    assert reading.definition is not None, reading.problems
    place_order, tidy = reading.definition.flows
    assert (place_order.name, place_order.is_synchronous) == ("place_order", True)
    assert place_order.description == "Takes an order."
    assert tidy.steps[0].schedule is not None
    assert tidy.steps[0].schedule.time_zone == "Europe/Paris"
    assert [(one.key, one.default) for one in reading.definition.config_vars] == [("Shop", "main")]


def test_a_file_that_declares_no_integration_is_one_of_its_flows() -> None:
    text = FILE.format(cron="0 3 * * *")
    reading = read(text[: text.index("integration =")])
    assert reading.definition is not None, reading.problems
    assert reading.definition.name == "place_order"
    assert [flow.name for flow in reading.definition.flows] == ["place_order", "tidy"]


def test_the_names_of_flows_are_found_in_the_package_itself() -> None:
    reading = read(FILE.format(cron="0 3 * * *").replace("from penstock.sdk", "from penstock"))
    assert reading.definition is not None, reading.problems


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("def broken(:", 1, "invalid syntax"),
        ("\n1 / 0", 2, "ZeroDivisionError"),
        ("x = 1", 1, "integration is missing"),
        ("integration = 5", 1, "is of type int"),
        ("import os\nos._exit(4)", 1, "exit code 4"),
        ("raise SystemExit(2)", 1, "SystemExit"),
        (FILE.format(cron="61 * * * *"), 8, "61"),
        (FILE.format(cron="0 3 * * *").replace('name="Orders", ', ""), 12, "name"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(
    text: str, line: int, message: str
) -> None:
    reading = read(text)
    assert reading.definition is None
    assert message in reading.problems[0].message
    assert reading.problems[0].line == line
