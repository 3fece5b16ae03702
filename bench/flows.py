"""The flows that are measured, as texts of integration files."""

FLOW = "Measured"

_HEAD = f"""definitionVersion: 7
name: Measured
description: ""
flows:
  - name: {FLOW}
    description: ""
    isSynchronous: false
    steps:
      - name: Trigger
        description: ""
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers, isPublic: true}}}}
        inputs: {{}}
"""


PYTHON_SAVES = f"""
from penstock.sdk import Integration, flow, webhook

@flow(trigger=webhook(), name="{FLOW}")
async def measured(context, trigger):
    order = trigger.body.data["order"]
    for number in (1, 2, 3):
        await context.execution_state.set(f"key{{number}}", order)
    return order

integration = Integration(name="Measured", flows=[measured])
"""
PYTHON_STEPS = f"""
from penstock.sdk import Integration, flow, webhook

def same(value):
    return value

@flow(trigger=webhook(), name="{FLOW}")
async def measured(context, trigger):
    order = trigger.body.data["order"]
    for name in ("reserve", "charge", "ship"):
        order = await context.step(name, same, order)
    return order

integration = Integration(name="Measured", flows=[measured])
"""


def one_step() -> str:
    """One pure step: an object made of a constant."""
    return _HEAD + _step(
        "Answer",
        "collection-tools",
        "createObject",
        "keyValueInput: {type: complex, value: "
        "[{name: {type: value, value: done}, type: value, value: yes}]}",
    )


def three_saves() -> str:
    """Three values saved for the execution, each from the request's body."""
    return _HEAD + "".join(_save(number) for number in (1, 2, 3))


def three_requests(url: str) -> str:
    """Three GET requests, one after another."""
    given = f'url: {{type: value, value: "{url}"}}'
    return _HEAD + "".join(_step(f"Fetch {n}", "http", "httpGet", given) for n in (1, 2, 3))


def _save(number: int) -> str:
    return _step(
        f"Save {number}",
        "persist-data",
        "saveExecutionValue",
        f"keyInput: {{type: value, value: key{number}}}",
        "valueInput: {type: reference, value: trigger.results.body.data.order}",
    )


def _step(name: str, component: str, action: str, *inputs: str) -> str:
    given = "\n".join(f"          {each}" for each in inputs)
    return f"""      - name: {name}
        description: ""
        action: {{key: {action}, component: {{key: {component}, version: LATEST, isPublic: true}}}}
        inputs:
{given}
"""
