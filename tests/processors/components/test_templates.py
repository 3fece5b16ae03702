"""Liquid templates, JSONata expressions and checks against schemas: what they document."""

from typing import Any

import pytest

from processors.actions import StepError
from schemas.instants import Instant
from schemas.values import Value
from tests.processors.components.test_kit import context, run

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="order"><xs:complexType><xs:sequence>
<xs:element name="sku" type="xs:string"/><xs:element name="count" type="xs:int"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def liquid(template: str, data: Value = None) -> Value:
    return run("liquid-template", "transform", {"liquidTemplate": template, "data": data}).result


def jsonata(expression: str, data: Value = None, **within: Any) -> Value:
    inputs = {"expression": expression, "data": data}
    return run("jsonata", "transform", inputs, context(**within)).result


@pytest.mark.parametrize(
    ("template", "data", "expected"),
    [
        ("{{ a.b | upcase }}!", {"a": {"b": "x"}}, "X!"),
        ("{{ list | json }}", '{"list": [1, null, true]}', "[1, null, true]"),
        ("{% for i in l %}{{ i.n }},{% endfor %}", {"l": [{"n": 1}, {"n": 2}]}, "1,2,"),
        ("{% if a == 'x' %}yes{% else %}no{% endif %}", {"a": "x"}, "yes"),
        ("[{{ missing.path }}]", {}, "[]"),
        ("plain", None, "plain"),
        ("{{ self }}{{ now }}", {"self": 1, "now": 2}, "12"),
        ("{{ 'now' | date: '%Y-%m-%d' }}", {}, "2023-11-14"),
        ("{{ '2024-02-01' | date: '%d.%m.' }}", {}, "01.02."),
    ],
)
def test_a_template_becomes_text(template: str, data: Value, expected: str) -> None:
    assert liquid(template, data) == expected


@pytest.mark.parametrize(
    ("template", "data", "message"),
    [
        ("", {}, r"Liquid Template \(liquidTemplate\) is required"),
        ("a\n{{ b | unheard }}", {}, r"unknown filter 'unheard' \(line 2\)"),
        ("{% if a %}", {}, "The template: expected tag"),
        ("x", "[1]", r"Data \(data\) must be an object, found \[1\]"),
        ("{{ a | replace: 'x', a | replace: 'x', a }}", {"a": "x" * 2000}, "memory|limit|longer"),
        ("{% for i in (1..99999999) %}{% endfor %}", {}, "limit"),
        ("{% include 'other' %}", {}, "The template"),
    ],
)
def test_a_template_that_does_not_work_says_why(template: str, data: Value, message: str) -> None:
    with pytest.raises(StepError, match=message):
        liquid(template, data)


@pytest.mark.parametrize(
    ("expression", "data", "expected"),
    [
        ("$sum(lines.(price * count))", {"lines": [{"price": 2, "count": 3}]}, 6),
        ("orders[total > 5].id", '{"orders": [{"id": "a", "total": 9}, {"total": 1}]}', "a"),
        ("{'name': $uppercase(name)}", {"name": "ada"}, {"name": "ADA"}),
        ("missing", {}, None),
        ("[1..3]", None, [1, 2, 3]),
        ("$now()", {}, "2023-11-14T22:13:20.000Z"),
    ],
)
def test_an_expression_gives_its_value(expression: str, data: Value, expected: Value) -> None:
    assert jsonata(expression, data) == expected


def test_chance_in_an_expression_is_that_of_the_step() -> None:
    rolled = jsonata("$random()")
    assert jsonata("$random()") == rolled
    assert jsonata("$random()", step="other") != rolled


@pytest.mark.parametrize(
    ("expression", "data", "message"),
    [
        ("", {}, r"Expression \(expression\) is required"),
        ("$sum(", {}, "The expression: "),
        ("$sum('a')", {}, "The expression: .*sum"),
        ("$sum", {}, "gives what is no value"),
        ("($f := function($x){1 + $f($x)}; $f(1))", {}, "nested too deep|longer than"),
        ("$match(a, /^(a+)+$/)", {"a": "a" * 40 + "b"}, "longer than 2 s"),
    ],
)
def test_an_expression_that_does_not_work_says_why(
    expression: str, data: Value, message: str
) -> None:
    with pytest.raises(StepError, match=message):
        jsonata(expression, data)


def test_what_fits_a_json_schema_is_valid() -> None:
    inputs = {"jsonInput": '{"a": 1}', "jsonSchema": SCHEMA}
    valid = run("collection-tools", "validateJsonSchema", inputs).result
    assert valid == {"valid": True, "errors": []}


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        ({"a": "x"}, SCHEMA, "a: 'x' is not of type 'integer'"),
        ({"b": 1}, SCHEMA, "the root: 'a' is a required property"),
        (None, SCHEMA, r"JSON Object \(jsonInput\) is required"),
        ({}, "nonsense", r"JSON Schema \(jsonSchema\) must be a JSON Schema"),
        ({}, {"type": "thing"}, "the JSON Schema is none"),
        ({}, {"$ref": "http://127.0.0.1:1/a.json"}, "refers to what is not in it"),
        ("a" * 40 + "b", {"pattern": "^(a+)+$"}, "longer than 2 s"),
    ],
)
def test_what_does_not_fit_a_json_schema_fails(value: Value, schema: Value, message: str) -> None:
    inputs = {"jsonInput": value, "jsonSchema": schema}
    with pytest.raises(StepError, match=message):
        run("collection-tools", "validateJsonSchema", inputs)


def check_xml(xml: str, schema: str = XSD) -> Value:
    inputs = {"xmlInput": xml, "xmlSchema": schema}
    return run("collection-tools", "validateXmlSchema", inputs).result


def test_what_fits_an_xml_schema_is_valid() -> None:
    valid = check_xml("<order><sku>W</sku><count>2</count></order>")
    assert valid == {"valid": True, "errors": []}


@pytest.mark.parametrize(
    ("xml", "schema", "message"),
    [
        ("<order><sku>W</sku><count>x</count></order>", XSD, "'x' is not a valid value"),
        ("<order>", XSD, "Premature end"),
        ("<order/>", "<a/>", "the XML Schema is none"),
        ("<order/>", "", r"XML Schema \(xmlSchema\) is required"),
    ],
)
def test_what_does_not_fit_an_xml_schema_fails(xml: str, schema: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        check_xml(xml, schema)


def test_an_xml_schema_reads_no_file(tmp_path: Any) -> None:
    other = tmp_path / "other.xsd"
    other.write_text(XSD)
    including = f'<xs:include schemaLocation="{other}"/><xs:element name="x" type="xs:int"/>'
    schema = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{including}</xs:schema>'
    with pytest.raises(StepError, match="the XML Schema is none"):
        check_xml("<order><sku>W</sku><count>2</count></order>", schema)


def test_the_time_in_a_template_is_that_of_the_step() -> None:
    within = context(now=Instant(0))
    inputs = {"liquidTemplate": "{{ 'today' | date: '%Y' }}"}
    assert run("liquid-template", "transform", inputs, within).result == "1970"
