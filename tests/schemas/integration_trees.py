"""Integration files for tests: a full one as text, and small ones as trees to build upon."""

from typing import Any

import yaml

from schemas.definitions import (
    Definition,
)
from schemas.integration_file import Problem, Reading, read

Tree = dict[str, Any]


def step(name: str, action: str = "http/httpGet", **more: Any) -> Tree:
    component, key = action.split("/")
    return {"name": name, "action": {"key": key, "component": {"key": component}}, **more}


def trigger(name: str = "Trigger", action: str = "webhook-triggers/webhook", **more: Any) -> Tree:
    return step(name, action, isTrigger=True, **more)


def value(text: object) -> Tree:
    return {"type": "value", "value": text}


def reference(text: str) -> Tree:
    return {"type": "reference", "value": text}


def template(text: str) -> Tree:
    return {"type": "template", "value": text}


def integration(*steps: Tree, **more: Any) -> Tree:
    flow = {"name": "Main", "steps": list(steps) or [trigger()]}
    config_vars = [
        {"key": "Page Size", "dataType": "number", "defaultValue": "10"},
        {"key": "When", "dataType": "schedule"},
    ]
    base = {"definitionVersion": 7, "name": "Sample", "requiredConfigVars": config_vars}
    return {**base, "flows": [flow], **more}


def in_flow(*steps: Tree, **more: Any) -> Tree:
    tree = integration(*steps)
    tree["flows"][0].update(more)
    return tree


def read_tree(tree: object) -> Reading:
    return read(yaml.safe_dump(tree, allow_unicode=True))


def definition_of(tree: Tree) -> Definition:
    reading = read_tree(tree)
    assert reading.problems == ()
    assert reading.definition is not None
    return reading.definition


def only_problem(tree: Tree) -> Problem:
    reading = read_tree(tree)
    assert len(reading.problems) == 1, reading.problems
    assert reading.definition is None
    return reading.problems[0]


def branch(name: str, *steps: Tree) -> Tree:
    return {"name": name, "steps": list(steps)}


def check_it_reads(file: str) -> None:
    """Reading `file` gives a definition, or problems that stand on its lines."""
    reading = read(file)
    assert (reading.definition is None) == bool(reading.problems)
    last_line = max(len(file.splitlines()), 1)
    for problem in reading.problems:
        assert problem.message
        assert 1 <= problem.line <= last_line


LOOP = "loop/loopOverItems"
FULL = """\
definitionVersion: 7
name: Orders
description: Sends orders on
category: Sales
endpointType: flow_specific
configPages:
  - name: Configuration
    elements:
      - {type: configVar, value: Shop Connection}
      - {type: htmlElement, value: <p>Hello</p>}
requiredConfigVars:
  - key: Shop Connection
    dataType: connection
    orgOnly: true
    connection:
      key: apiKey
      component: {key: shop, isPublic: true, version: LATEST}
    inputs:
      apiKey: {type: value, value: null}
      base: {type: template, value: "https://{{#host}}/", meta: {orgOnly: true}}
  - key: Shop Id
    dataType: string
    defaultValue: "007"
    description: Which shop
flows:
  - name: Receive
    description: Takes orders in
    isSynchronous: true
    endpointSecurityType: organization
    organizationApiKeys: [one, two]
    someNewKey: {anything: [goes]}
    steps:
      - name: Integration Trigger
        isTrigger: true
        action:
          key: webhook
          component: {key: webhook-triggers, isPublic: true, version: LATEST}
        inputs:
          statusCode: {type: value, value: 200}
          headers: {type: complex, value: []}
      - name: Loop Over Items
        action: {key: loopOverItems, component: {key: loop}}
        inputs:
          items: {type: reference, value: integrationTrigger.results.body.data.0.order lines}
        steps:
          - name: Is it new?
            action: {key: branchOnExpression, component: {key: branch}}
            errorConfig: {errorHandlerType: retry, maxAttempts: 3, delaySeconds: 10,
                          usesExponentialBackoff: true, ignoreFinalError: false}
            inputs:
              conditions:
                type: complex
                value:
                  - name: New
                    type: complex
                    value:
                      - and
                      - [isEmpty, {name: "", type: reference, value: loopOverItems.currentItem.id}]
            branches:
              - name: New
                steps:
                  - name: POST Request
                    action: {key: httpPost, component: {key: http}}
                    inputs:
                      connection: {type: configVar, value: ""}
                      url:
                        type: template
                        value: "{{#Shop Id}}/{{$loopOverItems.index}}?a={{b}}"
                      queryParams:
                        type: complex
                        value:
                          - {name: plain, type: value, value: true}
                          - name: {type: reference, value: loopOverItems.currentItem.name}
                            type: configVar
                            value: Shop Id
              - name: Else
"""
