"""Reading integration files: what the format allows, and what is wrong with its path."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from schemas.definitions import (
    Branch,
    Complex,
    ConfigPage,
    ConfigVar,
    Element,
    Entry,
    ErrorConfig,
    FlowRetry,
    Literal,
    Queue,
    Reference,
    RequiredConfigVar,
    Schedule,
    Step,
    Template,
    TriggerResolver,
)
from schemas.integration_file import read, read_published, unknown_components
from tests.schemas.integration_trees import (
    FULL,
    LOOP,
    Tree,
    branch,
    definition_of,
    in_flow,
    integration,
    only_problem,
    read_tree,
    reference,
    step,
    template,
    trigger,
    value,
)

Edit = Callable[[Tree], object]


def test_a_full_file_becomes_a_definition() -> None:
    definition = read(FULL).definition
    assert definition is not None
    assert (definition.name, definition.category) == ("Orders", "Sales")
    assert definition.components == {"webhook-triggers", "loop", "branch", "http"}
    flow = definition.flows[0]
    assert (flow.is_synchronous, flow.security) == (True, "organization")
    assert flow.organization_api_keys == ("one", "two")
    assert flow.steps[0] == Step(
        key="integrationTrigger",
        name="Integration Trigger",
        component="webhook-triggers",
        action="webhook",
        inputs={"statusCode": Literal("200"), "headers": Complex(())},
        is_trigger=True,
    )
    items = Reference("integrationTrigger", "results", ("body", "data", "0", "order lines"))
    assert flow.steps[1].inputs == {"items": items}


def test_branches_loops_and_inputs_nest() -> None:
    definition = read(FULL).definition
    assert definition is not None
    branching = definition.flows[0].steps[1].steps[0]
    assert branching.error_config == ErrorConfig(
        handler="retry", max_attempts=3, delay_s=10.0, exponential=True
    )
    condition = ("isEmpty", Entry(None, Reference("loopOverItems", "currentItem", ("id",))))
    conditions = Complex((Entry(Literal("New"), Complex(("and", condition))),))
    assert branching.inputs == {"conditions": conditions}
    assert branching.branches[1] == Branch(name="Else", steps=())
    post = branching.branches[0].steps[0]
    assert post.inputs["connection"] == ConfigVar("")
    index = Reference("loopOverItems", "index", ())
    assert post.inputs["url"] == Template((ConfigVar("Shop Id"), "/", index, "?a={{b}}"))
    name = Reference("loopOverItems", "currentItem", ("name",))
    pairs = (Entry(Literal("plain"), Literal("true")), Entry(name, ConfigVar("Shop Id")))
    assert post.inputs["queryParams"] == Complex(pairs)


def test_config_variables_are_read_with_their_connection() -> None:
    definition = read(FULL).definition
    assert definition is not None
    assert definition.config_vars == (
        RequiredConfigVar(
            key="Shop Connection",
            data_type="connection",
            org_only=True,
            inputs={
                "apiKey": Literal(""),
                "base": Template(("https://", ConfigVar("host"), "/")),
            },
            connection=("shop", "apiKey"),
        ),
        RequiredConfigVar(
            key="Shop Id", data_type="string", default="007", description="Which shop"
        ),
    )


def test_bytes_with_a_byte_order_mark_and_windows_line_ends_are_read_alike() -> None:
    file = "\ufeff" + FULL.replace("\n", "\r\n")
    assert read(file.encode()) == read(FULL)


def test_missing_optional_keys_get_defaults() -> None:
    tree: Tree = {"definitionVersion": 7, "name": "Small", "flows": [{"name": "F"}]}
    tree["flows"][0]["steps"] = [{**trigger(), "inputs": None}]
    definition = definition_of(tree)
    assert (definition.endpoint_type, definition.config_vars) == ("flow_specific", ())
    assert definition.flows[0].security == "customer_optional"
    assert definition.flows[0].steps[0].inputs == {}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("12", "12"),
        ("1.50", "1.50"),
        ("True", "true"),
        ("null", ""),
        ("", ""),
        ("'null'", "null"),
        ("yes", "yes"),
        ("2024-01-01", "2024-01-01"),
        ("!!str 5", "5"),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_scalars_of_a_value_become_its_text(written: str, text: str) -> None:
    indented = written.replace("\n", "\n" + " " * 12)
    file = f"""\
definitionVersion: 7
name: N
flows:
  - name: F
    steps:
      - name: T
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers}}}}
        inputs:
          a:
            type: value
            value: {indented}
"""
    definition = read(file).definition
    assert definition is not None
    assert definition.flows[0].steps[0].inputs == {"a": Literal(text)}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a.results", ()),
        ("a.results.b.0.c d", ("b", "0", "c d")),
        ("a.results.headers.X-GitHub-Event", ("headers", "X-GitHub-Event")),
        ('a.results[".tag"].b', (".tag", "b")),
        ('a.results.[".tag"]', (".tag",)),
        ("a.results['x y'][12]", ("x y", "12")),
        ("a.results.webhookUrls.Flow [beta]", ("webhookUrls", "Flow [beta]")),
        (" a.results.b ", ("b",)),
        ("a.error.message", ("error", "message")),
    ],
)
def test_reference_paths(written: str, path: tuple[str, ...]) -> None:
    definition = definition_of(
        integration(trigger("A"), step("B", inputs={"x": reference(written)}))
    )
    assert definition.flows[0].steps[1].inputs["x"] == Reference("a", "results", path)


@pytest.mark.parametrize(
    "written", ["a", "a.b.c", ".results", "a..results", "a.results.", "a.results['b", "a[0]b"]
)
def test_malformed_references_are_problems(written: str) -> None:
    problem = only_problem(integration(trigger("A"), step("B", inputs={"x": reference(written)})))
    assert problem.path == "flows[0].steps[1].inputs.x.value"
    assert f"{written!r} is not a reference" in problem.message


@pytest.mark.parametrize(
    "steps",
    [
        [step("L", LOOP, steps=[step("B", inputs={"x": reference("l.currentItem.a")})])],
        [step("L", LOOP, steps=[step("B")]), step("C", inputs={"x": reference("l.results.0")})],
        [step("L", LOOP, steps=[step("B")]), step("C", inputs={"x": reference("b.results")})],
        [
            step("S", branches=[branch("X", step("B")), branch("Else")]),
            step("C", inputs={"x": reference("b.results")}),
        ],
        [
            step(
                "S",
                branches=[
                    branch("X", step("B")),
                    branch("Else", step("C", inputs={"x": template("{{$b.results}}")})),
                ],
            )
        ],
        [step("S", branches=[branch("X", step("B", inputs={"x": reference("s.results")}))])],
    ],
    ids=["item", "loop", "inner step", "earlier branch", "sibling branch", "own branch"],
)
def test_references_to_steps_that_stand_before_are_accepted(steps: list[Tree]) -> None:
    definition_of(integration(trigger(), *steps))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([step("B", inputs={"x": reference("c.results")})], "names no step of the flow"),
        ([step("B", inputs={"x": reference("B.results")})], "names no step of the flow"),
        ([step("B", inputs={"x": reference("b.results")})], "is to the step itself"),
        (
            [step("B", inputs={"x": template("{{$c.results}}")}), step("C")],
            "the reference 'c.results' is to the step 'C', which stands after it",
        ),
        (
            [step("L", LOOP), step("B", inputs={"x": reference("l.currentItem")})],
            "the reference 'l.currentItem' stands outside the loop 'L'",
        ),
        (
            [step("L", LOOP, steps=[step("M")], inputs={"x": reference("m.results")})],
            "is to the step 'M', which stands after it",
        ),
    ],
)
def test_references_that_lead_nowhere_are_problems(steps: list[Tree], message: str) -> None:
    assert message in only_problem(integration(trigger(), *steps)).message


def test_a_reference_in_another_flow_does_not_count() -> None:
    tree = integration(trigger(), step("Other"))
    steps = [trigger(), step("B", inputs={"x": reference("other.results")})]
    tree["flows"].append({"name": "Second", "steps": steps})
    problem = only_problem(tree)
    assert problem.path == "flows[1].steps[1].inputs.x.value"
    assert problem.message.startswith("flow 'Second', step 'B': ")


@pytest.mark.parametrize(
    "written", ["{{$trigger.results", "a {{#Page Size} b", "{{$x {{#Page Size}}"]
)
def test_an_unterminated_template_is_a_problem(written: str) -> None:
    problem = only_problem(integration(trigger(), step("B", inputs={"x": template(written)})))
    assert "is not closed by }}" in problem.message


def test_braces_of_other_languages_in_a_template_are_text() -> None:
    written = "{{ a }} {% if b %} ${c} {{#Page Size}} }}"
    definition = definition_of(integration(trigger(), step("B", inputs={"x": template(written)})))
    expected = Template(("{{ a }} {% if b %} ${c} ", ConfigVar("Page Size"), " }}"))
    assert definition.flows[0].steps[1].inputs["x"] == expected


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("{{$trigger.results.a}}", (Reference("trigger", "results", ("a",)),)),
        ("{{$ trigger.results }}", (Reference("trigger", "results", ()),)),
        ("}}{{#Page Size}}{{", ("}}", ConfigVar("Page Size"), "{{")),
        ("{{# Page Size }}", (ConfigVar("Page Size"),)),
        (
            """{{$trigger.results["a}}b"]['c{{'].d}}""",
            (Reference("trigger", "results", ("a}}b", "c{{", "d")),),
        ),
        (
            "{{$trigger.error}}{{$trigger.results.0}}",
            (
                Reference("trigger", "results", ("error",)),
                Reference("trigger", "results", ("0",)),
            ),
        ),
        ("{{$trigger.results.a\n}}", (Reference("trigger", "results", ("a",)),)),
    ],
)
def test_templates(written: str, parts: tuple[object, ...]) -> None:
    definition = definition_of(integration(trigger(), step("B", inputs={"x": template(written)})))
    assert definition.flows[0].steps[1].inputs["x"] == Template(parts)  # type: ignore[arg-type]  # as written above


def edit_first_step(**more: Any) -> Edit:
    return lambda tree: tree["flows"][0]["steps"][0].update(more)


def edit_flow(**more: Any) -> Edit:
    return lambda tree: tree["flows"][0].update(more)


def edit_top(**more: Any) -> Edit:
    return lambda tree: tree.update(more)


def drop(*path: Any) -> Edit:
    def edit(tree: Any) -> None:
        for key in path[:-1]:
            tree = tree[key]
        del tree[path[-1]]

    return edit


def inputs(**more: Any) -> Edit:
    return edit_first_step(inputs=more)


def schedule(text: object, zone: str = "", kind: str = "minute", how: str = "value") -> Edit:
    meta = {"scheduleType": kind, "timeZone": zone}
    return edit_first_step(schedule={"type": how, "value": text, "meta": meta})


def queue(**config: Any) -> Edit:
    return edit_flow(queueConfig=config)


def retry(**config: Any) -> Edit:
    return edit_flow(retryConfig=config)


def errors(**config: Any) -> Edit:
    return edit_first_step(errorConfig=config)


def config_var(**more: Any) -> Edit:
    return lambda tree: tree["requiredConfigVars"].append({"key": "New", **more})


STEP = "flows[0].steps[0]"
NEW = "requiredConfigVars[2]"
PART = "configPages[0].elements[0]"
CONNECTION = {"key": "basic", "component": {"key": "http"}}
PAGE = {"name": "P", "elements": [{"type": "configVar", "value": "Gone"}]}

WRONG: list[tuple[Edit, str, str]] = [
    (edit_top(definitionVersion=6), "definitionVersion", "is '6'"),
    (drop("definitionVersion"), "definitionVersion", "is missing"),
    (edit_top(name=" "), "name", "missing or empty"),
    (edit_top(name="a\0b"), "name", "U+0000"),
    (edit_top(name=["a"]), "name", "a text, not a list"),
    (edit_top(endpointType="private"), "endpointType", "'private'"),
    (edit_top(flows=[]), "flows", "needs a flow"),
    (drop("flows"), "flows", "needs a flow"),
    (edit_top(flows={"a": 1}), "flows", "a list, not a mapping"),
    (edit_top(flows=["a"]), "flows[0]", "a mapping, not a text"),
    (lambda t: t["flows"].append(t["flows"][0]), "flows[1].name", "'Main' is also on line"),
    (edit_flow(steps=[]), "flows[0].steps", "has no steps"),
    (drop("flows", 0, "name"), "flows[0].name", "name is missing"),
    (edit_flow(isSynchronous="maybe"), "flows[0].isSynchronous", "true or false"),
    (edit_flow(endpointSecurityType="open"), "flows[0].endpointSecurityType", "'open'"),
    (edit_flow(organizationApiKeys="k"), "flows[0].organizationApiKeys", "a list"),
    (drop("flows", 0, "steps", 0, "isTrigger"), f"{STEP}.isTrigger", "first step"),
    (
        lambda t: t["flows"][0]["steps"].append(trigger("Again")),
        "flows[0].steps[1].isTrigger",
        "only the first",
    ),
    (lambda t: t["flows"][0]["steps"].append(5), "flows[0].steps[1]", "not a number"),
    (edit_first_step(name=""), f"{STEP}.name", "missing or empty"),
    (edit_first_step(name="日本"), f"{STEP}.name", "ASCII letter or digit"),
    (drop("flows", 0, "steps", 0, "action"), f"{STEP}", "action is missing"),
    (drop("flows", 0, "steps", 0, "action", "key"), f"{STEP}.action.key", "key is missing"),
    (edit_first_step(action={"key": "a"}), f"{STEP}.action", "action.component is missing"),
    (edit_first_step(action={"key": "a", "component": {}}), f"{STEP}.action.component.key", "key"),
    (inputs(a={"type": "secret", "value": "x"}), f"{STEP}.inputs.a.type", "'secret'"),
    (inputs(a={"value": "x"}), f"{STEP}.inputs.a", "needs a type"),
    (inputs(a="x"), f"{STEP}.inputs.a", "a mapping, not a text"),
    (inputs(a=value(["x"])), f"{STEP}.inputs.a.value", "a text, not a list"),
    (inputs(a={"type": "complex", "value": "x"}), f"{STEP}.inputs.a.value", "a list"),
    (
        inputs(a={"type": "complex", "value": [{"name": ["x"], **value("y")}]}),
        f"{STEP}.inputs.a.value[0].name",
        "a text, not a list",
    ),
    (
        inputs(a={"type": "complex", "value": ["and", ["equal", {"type": "x"}]]}),
        f"{STEP}.inputs.a.value[1][1].type",
        "'x'",
    ),
    (inputs(a={"type": "configVar", "value": "Gone"}), f"{STEP}.inputs.a.value", "'Gone'"),
    (inputs(a=template("{{#Gone}}")), f"{STEP}.inputs.a.value", "'Gone'"),
    (
        edit_first_step(branches=[branch("A"), branch("A")]),
        f"{STEP}.branches[1].name",
        "'A' is also on line",
    ),
    (edit_first_step(branches=[branch("")]), f"{STEP}.branches[0].name", "missing or empty"),
    (errors(errorHandlerType="panic"), f"{STEP}.errorConfig.errorHandlerType", "'panic'"),
    (errors(maxAttempts=6), f"{STEP}.errorConfig.maxAttempts", "from 0 to 5, not '6'"),
    (errors(maxAttempts=1.5), f"{STEP}.errorConfig.maxAttempts", "whole number"),
    (errors(delaySeconds=-1), f"{STEP}.errorConfig.delaySeconds", "from 0 to 60"),
    (errors(delaySeconds="soon"), f"{STEP}.errorConfig.delaySeconds", "'soon'"),
    (errors(ignoreFinalError=3), f"{STEP}.errorConfig.ignoreFinalError", "true or false"),
    (schedule("* * * *"), f"{STEP}.schedule.value", "has 4 fields, not 5"),
    (schedule("* * * * * * *"), f"{STEP}.schedule.value", "has 7 fields, not 5"),
    (schedule("0 0 30 2 *"), f"{STEP}.schedule.value", "can never fire"),
    (schedule("61 * * * *"), f"{STEP}.schedule.value", "not a cron expression"),
    (schedule("@daily"), f"{STEP}.schedule.value", "has one field"),
    (schedule("R * * * *"), f"{STEP}.schedule.value", "not a cron expression"),
    (schedule("٣ * * * *"), f"{STEP}.schedule.value", "not a cron expression"),
    (schedule("*/0 * * * *"), f"{STEP}.schedule.value", "not a cron expression"),
    (schedule("0 0 * * *", zone="Mars/Base"), f"{STEP}.schedule.meta.timeZone", "'Mars/Base'"),
    (schedule("0 0 * * *", zone="America"), f"{STEP}.schedule.meta.timeZone", "'America'"),
    (schedule("0 0 * * *", kind="month"), f"{STEP}.schedule.meta.scheduleType", "'month'"),
    (schedule("Gone", how="configVar"), f"{STEP}.schedule.value", "'Gone'"),
    (schedule("Page Size", how="configVar"), f"{STEP}.schedule.value", "of type number"),
    (schedule("* * * * *", how="cron"), f"{STEP}.schedule.type", "'cron'"),
    (
        lambda t: t["flows"][0]["steps"].append(step("B", schedule={"type": "value"})),
        "flows[0].steps[1].schedule",
        "only a trigger",
    ),
    (retry(maxAttempts=11), "flows[0].retryConfig.maxAttempts", "from 0 to 10"),
    (retry(delayMinutes=61), "flows[0].retryConfig.delayMinutes", "from 0 to 60"),
    (
        retry(uniqueRequestIdField=reference("other.results.id")),
        "flows[0].retryConfig.uniqueRequestIdField.value",
        "trigger.results",
    ),
    (queue(concurrencyLimit=1), "flows[0].queueConfig.concurrencyLimit", "from 2 to 15"),
    (queue(concurrencyLimit=16), "flows[0].queueConfig.concurrencyLimit", "from 2 to 15"),
    (queue(singletonExecutions=True), "flows[0].queueConfig", "needs a trigger with a schedule"),
    (
        queue(dedupeIdField=value("x")),
        "flows[0].queueConfig.dedupeIdField.value",
        "must be a reference to trigger.results",
    ),
    (
        edit_flow(queueConfig={"usesFifoQueue": True}, isSynchronous=True),
        "flows[0].queueConfig",
        "synchronous",
    ),
    (
        edit_flow(
            queueConfig={"usesFifoQueue": True},
            steps=[trigger(action="management-triggers/instanceDeploy")],
        ),
        "flows[0].queueConfig",
        "management",
    ),
    (
        edit_flow(
            queueConfig={"usesFifoQueue": True},
            steps=[trigger(schedule={"type": "value", "value": "0 * * * *"})],
        ),
        "flows[0].queueConfig",
        "scheduled",
    ),
    (
        edit_flow(
            queueConfig={"usesFifoQueue": True, "singletonExecutions": True},
            steps=[trigger()],
        ),
        "flows[0].queueConfig",
        "exclude one another",
    ),
    (edit_flow(triggerResolver=5), "flows[0].triggerResolver", "a mapping"),
    (
        edit_flow(triggerResolver={"batchSize": 0}),
        "flows[0].triggerResolver.batchSize",
        "from 1 to 1000000",
    ),
    (edit_flow(schemas={"invoke": "x"}), "flows[0].schemas.invoke", "a mapping"),
    (edit_flow(isAgentFlow="x"), "flows[0].isAgentFlow", "true or false"),
    (edit_top(preprocessFlowName="Main"), "preprocessFlowName", "other than flow_specific"),
    (
        edit_top(preprocessFlowName="Gone", endpointType="instance_specific"),
        "preprocessFlowName",
        "no flow 'Gone'",
    ),
    (
        edit_top(endpointType="shared_instance", flowNameField=value("x")),
        "flowNameField",
        "type reference",
    ),
    (edit_top(configPages=[PAGE]), "configPages[0].elements[0].value", "'Gone'"),
    (edit_top(configPages=["a"]), "configPages[0]", "a mapping"),
    (config_var(dataType="text"), "requiredConfigVars[2].dataType", "'text'"),
    (config_var(), "requiredConfigVars[2]", "dataType is missing"),
    (config_var(key="Page Size", dataType="string"), "requiredConfigVars[2].key", "also on line"),
    (config_var(key=None, dataType="string"), "requiredConfigVars[2].key", "missing or empty"),
    (
        config_var(dataType="connection", connection={"key": "a"}),
        "requiredConfigVars[2].connection",
        "component is missing",
    ),
    (config_var(dataType="number", defaultValue="ten"), f"{NEW}.defaultValue", "must be a number"),
    (config_var(dataType="boolean", defaultValue="maybe"), f"{NEW}.defaultValue", "true or false"),
    (config_var(dataType="date", defaultValue="soon"), f"{NEW}.defaultValue", "must be a date"),
    (config_var(dataType="timestamp", defaultValue="x"), f"{NEW}.defaultValue", "an instant"),
    (
        config_var(dataType="schedule", defaultValue="* *"),
        f"{NEW}.defaultValue",
        "does not say when: the text has 2",
    ),
    (config_var(dataType="jsonForm", defaultValue="{"), f"{NEW}.defaultValue", "must be JSON"),
    (
        config_var(dataType="picklist", pickList=["a", "b"], defaultValue="c"),
        f"{NEW}.defaultValue",
        "one of 'a', 'b'",
    ),
    (
        config_var(dataType="number", collectionType="valuelist", defaultValue='[1, "x"]'),
        f"{NEW}.defaultValue",
        "defaultValue[1] must be a number",
    ),
    (
        config_var(dataType="string", collectionType="keyvaluelist", defaultValue='[{"k": 1}]'),
        f"{NEW}.defaultValue",
        "defaultValue[0] must be an object of key and value",
    ),
    (config_var(dataType="string", collectionType="set"), f"{NEW}.collectionType", "'set'"),
    (
        config_var(dataType="connection", collectionType="valuelist"),
        f"{NEW}.collectionType",
        "no collectionType",
    ),
    (config_var(dataType="code", codeLanguage="perl"), f"{NEW}.codeLanguage", "'perl'"),
    (config_var(dataType="schedule", scheduleType="month"), f"{NEW}.scheduleType", "'month'"),
    (config_var(dataType="schedule", timeZone="Mars/Base"), f"{NEW}.timeZone", "'Mars/Base'"),
    (config_var(dataType="string", pickList="a"), f"{NEW}.pickList", "a list"),
    (config_var(dataType="string", dataSource={"key": "a"}), f"{NEW}.dataSource", "is missing"),
    (
        config_var(dataType="string", meta={"visibleToOrgDeployer": "perhaps"}),
        f"{NEW}.meta.visibleToOrgDeployer",
        "true or false",
    ),
    (
        config_var(dataType="string", inputs={"a": {**value("x"), "meta": {"orgOnly": 3}}}),
        f"{NEW}.inputs.a.meta.orgOnly",
        "true or false",
    ),
    (
        config_var(dataType="connection", onPremiseConnectionConfig="maybe"),
        f"{NEW}.onPremiseConnectionConfig",
        "'maybe'",
    ),
    (
        config_var(
            dataType="connection",
            connection=CONNECTION,
            inputs={"a": template("{{#b}}"), "b": template("{{#c}}"), "c": template("x{{#a}}")},
        ),
        f"{NEW}.inputs.a",
        "New.a → New.b → New.c → New.a",
    ),
    (
        config_var(
            dataType="connection",
            connection=CONNECTION,
            inputs={"a": {"type": "configVar", "value": "New"}},
        ),
        f"{NEW}.inputs.a",
        "New.a → New → New.a",
    ),
    (edit_top(configPages=[{"name": "P", "elements": [{"value": "x"}]}]), PART, "needs a type"),
    (
        edit_top(configPages=[{"name": "P", "elements": [{"type": "video", "value": "x"}]}]),
        f"{PART}.type",
        "'video'",
    ),
    (edit_top(configPages=[{"elements": []}]), "configPages[0].name", "missing or empty"),
    (
        edit_top(configPages=[{"name": "P", "userLevelConfigured": "x"}]),
        "configPages[0].userLevelConfigured",
        "true or false",
    ),
    (edit_top(labels="x"), "labels", "a list"),
    (
        edit_flow(steps=[trigger(), step("Leave", "loop/breakLoop")]),
        "flows[0].steps[1].action",
        "there is none around it",
    ),
    (
        config_var(dataType="picklist", inputs={"c": {"type": "configVar", "value": "Gone"}}),
        "requiredConfigVars[2].inputs.c.value",
        "'Gone'",
    ),
]


@pytest.mark.parametrize(("edit", "path", "message"), WRONG)
def test_what_is_wrong_is_said_with_its_path(edit: Edit, path: str, message: str) -> None:
    tree = copy.deepcopy(integration())
    edit(tree)
    reading = read_tree(tree)
    assert reading.definition is None
    found = [problem for problem in reading.problems if problem.path == path]
    assert any(message in problem.message for problem in found), reading.problems


RIGHT: list[Edit] = [
    edit_top(definitionVersion="7"),
    edit_top(brandNew={"deep": [1, {"a": None}]}, labels=["x"], documentation="# Hi"),
    edit_top(endpointType="instance_specific"),
    edit_top(
        endpointType="shared_instance",
        externalCustomerIdField=reference("payload.results.headers.c"),
    ),
    edit_top(endpointType="instance_specific", flowNameField=reference("onExecution.results.f")),
    edit_flow(isSynchronous="true"),
    edit_flow(triggerResolver={"batchSize": 200}, schemas={"invoke": {"type": "object"}}),
    schedule("", kind="once"),
    schedule(None, kind="none"),
    schedule("*/5 8-16 * * 1-5"),
    schedule("00 00 */1 * *", zone="Europe/Berlin", kind="day"),
    schedule("0 0 1 jan SUN"),
    schedule("When", how="configVar", kind="custom"),
    edit_first_step(schedule={"type": "value", "value": "0 0 * * *", "meta": None}),
    edit_first_step(branches=[branch("Notification"), {"name": "URL Verify", "steps": None}]),
    errors(errorHandlerType="ignore", delaySeconds="2.5", maxAttempts="5"),
    retry(maxAttempts=10, delayMinutes=60, uniqueRequestIdField=reference("trigger.results.id")),
    queue(usesFifoQueue=True, concurrencyLimit=15, dedupeIdField=reference("trigger.results.id")),
    queue(usesFifoQueue=False, concurrencyLimit=None),
    inputs(a=None, b={"type": "complex", "value": None}, c={"type": "reference", "value": ""}),
    inputs(a={"type": "complex", "value": [1, None, value(True), ["not", []]]}),
    errors(errorHandlerType="", delaySeconds="", maxAttempts="", ignoreFinalError=""),
    retry(maxAttempts="", delayMinutes="", usesExponentialBackoff=""),
    queue(usesFifoQueue="", concurrencyLimit="", singletonExecutions="", dedupeIdField=""),
    edit_flow(isSynchronous="", endpointSecurityType="", isAgentFlow=""),
    edit_top(endpointType="", version="12"),
    config_var(dataType="string", collectionType="", codeLanguage="", scheduleType=""),
    config_var(dataType="objectSelection", defaultValue=5),
    config_var(dataType="connection", useScopedConfigVar="org-key"),
    config_var(dataType="string", inputs={"a": reference("any.results"), "b": template("{{#b}}")}),
]


@pytest.mark.parametrize("edit", RIGHT)
def test_what_the_format_allows_is_accepted(edit: Edit) -> None:
    tree = copy.deepcopy(integration())
    edit(tree)
    definition_of(tree)


def test_singleton_executions_go_with_a_schedule() -> None:
    scheduled = trigger(schedule={"type": "value", "value": "0 * * * *"})
    tree = in_flow(scheduled, queueConfig={"singletonExecutions": True})
    expected = Schedule(kind="value", value="0 * * * *", schedule_type="custom", time_zone="")
    assert definition_of(tree).flows[0].steps[0].schedule == expected


def test_config_variables_and_pages_are_carried() -> None:
    tree = integration()
    config_var(
        dataType="number",
        collectionType="valuelist",
        pickList=["1", 2],
        dataSource={"key": "sizes", "component": {"key": "shop"}},
    )(tree)
    elements = [{"type": "htmlElement", "value": "<p>"}, {"type": "configVar", "value": "New"}]
    page = {"name": "You", "tagline": "t", "userLevelConfigured": True, "elements": elements}
    definition = definition_of({**tree, "configPages": [page], "labels": ["a"]})
    assert definition.config_vars[2] == RequiredConfigVar(
        key="New",
        data_type="number",
        collection="valuelist",
        pick_list=("1", "2"),
        data_source=("shop", "sizes"),
        user_level=True,
    )
    assert definition.pages == (
        ConfigPage(
            name="You",
            tagline="t",
            user_level=True,
            elements=(
                Element(kind="htmlElement", value="<p>"),
                Element(kind="configVar", value="New"),
            ),
        ),
    )
    assert definition.labels == ("a",)


def test_a_published_definition_is_read_although_later_rules_would_refuse_it() -> None:
    tree = integration()
    config_var(dataType="number", defaultValue="ten")(tree)
    text = yaml.safe_dump(tree)
    assert read(text).definition is None
    published = read_published(text)
    assert published is not None
    assert published.config_vars[2].default == "ten"


def test_settings_of_a_flow_are_carried() -> None:
    by_id = reference("trigger.results.body.data.id")
    flow = definition_of(
        in_flow(
            retryConfig={
                "maxAttempts": 3,
                "delayMinutes": 5,
                "usesExponentialBackoff": True,
                "uniqueRequestIdField": by_id,
            },
            queueConfig={"usesFifoQueue": True, "concurrencyLimit": 4, "dedupeIdField": by_id},
            triggerResolver={"batchSize": 200, "concurrentBatchLimit": 2},
            schemas={"invoke": {"type": "object", "required": ["a"], "minProperties": 1}},
        )
    ).flows[0]
    found = Reference("trigger", "results", ("body", "data", "id"))
    assert flow.retry == FlowRetry(
        max_attempts=3, delay_minutes=5, exponential=True, unique_request_id=found
    )
    assert flow.queue == Queue(fifo=True, concurrency_limit=4, dedupe_id=found)
    assert flow.resolver == TriggerResolver(batch_size=200, concurrent_batch_limit=2)
    schema = {"type": "object", "required": ["a"], "minProperties": 1}
    assert flow.schemas == {"invoke": schema}


def test_a_flow_without_settings_has_their_defaults() -> None:
    flow = definition_of(integration()).flows[0]
    assert (flow.retry, flow.queue, flow.resolver, flow.schemas) == (None, Queue(), None, {})


def test_a_preprocess_flow_has_no_queue() -> None:
    tree = in_flow(queueConfig={"usesFifoQueue": True})
    tree |= {"endpointType": "instance_specific", "preprocessFlowName": "Main"}
    tree["flows"].append({"name": "Other", "steps": [trigger()]})
    assert "preprocess" in only_problem(tree).message


def test_steps_with_one_reference_key_are_named_both() -> None:
    tree = integration(trigger(), step("Get it"), step("L", LOOP, steps=[step("GET: it!")]))
    problem = only_problem(tree)
    assert problem.path == "flows[0].steps[2].steps[0].name"
    assert "step 'GET: it!': has the same reference key 'getIt' as" in problem.message
    assert "the step 'Get it' on line " in problem.message


def test_one_reading_finds_every_problem_in_order_of_lines() -> None:
    file = """\
definitionVersion: 8
name: ""
flows:
  - name: Main
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
        inputs:
          url:
            type: reference
            value: nobody.results
          url: {type: value}
      - name: Second
        action: {key: writeLog}
"""
    places = [(problem.path, problem.line) for problem in read(file).problems]
    assert places == [
        ("definitionVersion", 1),
        ("name", 2),
        ("flows[0].steps[0].inputs.url.value", 12),
        ("flows[0].steps[0].inputs.url", 13),
        ("flows[0].steps[1].action", 15),
    ]


def test_values_of_inputs_are_not_shown_because_they_may_be_secret() -> None:
    tree = integration(trigger(inputs={"password": {"type": "value", "value": ["hunter2"]}}))
    assert "hunter2" not in only_problem(tree).message


def test_unknown_components_are_listed_once_and_sorted() -> None:
    inner = step("D", "slack/postMessage")
    tree = integration(
        trigger(action="acme/hook"),
        step("A", "http/httpBrew"),
        step("B", "http/httpGet"),
        step("C", LOOP, steps=[inner, step("E", "slack/getUser")]),
        step("F", "branch/branchOnValue", branches=[branch("Else", step("G", "http/httpBrew"))]),
    )
    known = {"http": {"httpGet"}, "loop": {"loopOverItems"}, "branch": {"branchOnValue"}}
    assert unknown_components(definition_of(tree), known) == ["acme", "http/httpBrew", "slack"]


def test_a_schedule_carries_its_policies() -> None:
    meta = {"catchUp": "all", "maxCatchUp": 5, "overlap": "queue", "jitterSeconds": 30}
    scheduled = trigger(schedule={"type": "value", "value": "30 0 * * * *", "meta": meta})
    found = definition_of(in_flow(scheduled)).flows[0].steps[0].schedule
    assert found is not None
    policies = (found.catch_up, found.max_catch_up, found.overlap, found.jitter_s)
    assert policies == ("all", 5, "queue", 30)


@pytest.mark.parametrize(
    ("meta", "path"),
    [
        ({"catchUp": "some"}, f"{STEP}.schedule.meta.catchUp"),
        ({"overlap": "merge"}, f"{STEP}.schedule.meta.overlap"),
        ({"jitterSeconds": -1}, f"{STEP}.schedule.meta.jitterSeconds"),
        ({"scheduleType": "once"}, f"{STEP}.schedule.value"),
        ({"timeZone": "Europe/Atlantis"}, f"{STEP}.schedule.meta.timeZone"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said_with_its_path(meta: dict[str, Any], path: str) -> None:
    scheduled = trigger(schedule={"type": "value", "value": "0 * * * *", "meta": meta})
    reading = read_tree(in_flow(scheduled))
    assert [problem.path for problem in reading.problems] == [path]
