"""penstock.testing: flows in a plain test, the example of the documentation included."""

from pathlib import Path
from typing import Any

import pytest

from penstock import testing
from penstock.sdk import flow, webhook

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ORDER = EXAMPLES / "order_approval.py"
SLACK = """
definitionVersion: 7
name: Orders
flows:
  - name: Order
    isSynchronous: true
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
        inputs: {}
      - name: Wait
        action: {key: sleep, component: {key: sleep}}
        inputs: {ms: {type: value, value: "900000"}}
      - name: Post Message
        action: {key: slackPostMessage, component: {key: slack}}
        inputs:
          message: {type: reference, value: trigger.results.body.data.text}
"""
SISTERS = """
definitionVersion: 7
name: Sisters
flows:
  - name: Called
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: crossFlow, component: {key: cross-flow}}
        inputs: {}
  - name: Caller
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: instanceDeploy, component: {key: management-triggers}}
        inputs: {}
      - name: URL
        action: {key: lowerCase, component: {key: text-manipulation}}
        inputs:
          text: {type: reference, value: trigger.results.webhookUrls.Called}
      - name: Invoke
        action: {key: invokeFlow, component: {key: cross-flow}}
        inputs:
          flowName: {type: value, value: Called}
          data: {type: value, value: hello}
"""


@pytest.fixture
def slack(tmp_path: Path) -> Path:
    path = tmp_path / "slack.yml"
    path.write_text(SLACK)
    return path


def test_a_component_that_is_not_here_is_stood_in_for_with_its_inputs(slack: Path) -> None:
    seen: list[object] = []
    done = testing.run(
        slack,
        payload={"text": "hi"},
        stand_ins={"Post Message": lambda inputs: seen.append(inputs) or {"ok": True}},  # type: ignore[func-returns-value]
    )
    assert done.error == ""
    assert done.result == {"ok": True}
    assert seen == [{"message": "hi"}]
    assert done.took_s > 900


@pytest.mark.parametrize("name", ["slack", "slack/slackPostMessage", "postMessage"])
def test_a_stand_in_goes_by_component_action_or_step(slack: Path, name: str) -> None:
    assert testing.run(slack, stand_ins={name: 5}).result == 5


def test_without_a_stand_in_a_missing_component_fails_by_name(slack: Path) -> None:
    assert "'slack'" in testing.run(slack).error


def test_a_stand_in_may_fail_its_step(slack: Path) -> None:
    done = testing.run(slack, stand_ins={"slack": ValueError("away")})
    assert (done.failed_step, done.error) == ("postMessage", "ValueError: away")


def test_a_built_in_step_can_be_stood_in_for_too(slack: Path) -> None:
    done = testing.run(slack, stand_ins={"Wait": None, "slack": 1})
    assert done.took_s < 1


def test_the_state_of_before_is_there_and_that_of_after_is_told() -> None:
    done = testing.run(
        EXAMPLES / "orders.yml", payload={"sku": "W"}, state={"cross_flow": {"orders": 41}}
    )
    assert done.result == {"number": 42, "sku": "W"}
    assert done.state["cross_flow"] == {"orders": 42}


def test_an_unknown_flow_and_a_wrong_file_are_named(slack: Path, tmp_path: Path) -> None:
    with pytest.raises(testing.NotRunnable, match=r"no flow 'Nope'; there are \['Order'\]"):
        testing.run(slack, "Nope")
    broken = tmp_path / "broken.py"
    broken.write_text("\n1 / 0")
    with pytest.raises(testing.NotRunnable, match="line 2"):
        testing.run(broken)


def test_a_step_that_did_not_end_is_named_with_those_that_did(slack: Path) -> None:
    with pytest.raises(KeyError, match="'trigger'"):
        testing.run(slack, stand_ins={"slack": 1}).step("nope")


def test_the_example_answers_a_challenge_by_itself() -> None:
    done = testing.run(EXAMPLES / "url_challenge.py", payload={"challenge": "abc"})
    assert done.result == "proved"
    assert done.step("trigger").branch == "Challenge"


def test_the_example_counts_other_events() -> None:
    done = testing.run(
        EXAMPLES / "url_challenge.py", payload={"kind": "paid"}, state={"flow": {"seen paid": 1}}
    )
    assert done.result == {"kind": "paid", "count": 2}


def test_a_small_order_is_placed_at_once() -> None:
    done = testing.run(ORDER, payload={"sku": "W-1", "total": 5, "card": "visa"})
    assert done.result["status"] == "placed"
    assert [one.key for one in done.steps] == [
        "trigger",
        "reserve stock",
        "charge",
        "increment orders",
    ]


def test_a_large_order_waits_for_its_approval() -> None:
    done = testing.run(
        ORDER,
        payload={"sku": "W-1", "total": 500, "card": "flaky"},
        signals={"approved": {"by": "ann"}},
    )
    assert done.result["approvedBy"] == "ann"
    assert done.step("charge").attempt == 3


def test_an_order_that_nobody_approves_gives_its_stock_back() -> None:
    done = testing.run(ORDER, payload={"sku": "W-1", "total": 500, "card": "visa"})
    assert done.result == {"status": "expired"}
    assert done.step("release stock").error == ""
    assert done.took_s > 3 * 86_400


def test_an_order_with_a_stolen_card_is_declined_at_once() -> None:
    done = testing.run(ORDER, payload={"sku": "W-1", "total": 5, "card": "stolen"})
    assert done.result == {"status": "declined", "why": "the card is stolen"}
    assert done.step("charge").attempt == 1


def test_a_flow_knows_the_urls_of_its_sisters_and_may_invoke_them(tmp_path: Path) -> None:
    path = tmp_path / "sisters.yml"
    path.write_text(SISTERS)
    done = testing.run(path, "Caller")
    assert done.error == ""
    assert done.invoked == (("Called", "hello"),)
    assert done.step("url").result.startswith("https://penstock.test/trigger/")


def test_a_flow_can_be_run_as_it_stands() -> None:
    @flow(trigger=webhook())
    async def double(context: Any, trigger: Any) -> Any:
        return trigger.body.data * 2

    assert testing.run(double, payload=4).result == 8


def test_values_of_the_integration_are_there_too(tmp_path: Path) -> None:
    path = tmp_path / "count.yml"
    path.write_text(
        SLACK.replace("slackPostMessage", "incrementIntegrationValue")
        .replace("key: slack}", "key: persist-data}")
        .replace("message: {type: reference, value: trigger.results.body.data.text}",
                 "keyInput: {type: value, value: n}")
    )  # fmt: skip
    assert testing.run(path).result == 1
    assert testing.run(path, state={"integration": {"n": 4}}).result == 5
