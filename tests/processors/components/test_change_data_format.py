"""Change data format, CSV and XML: what each action documents, defaults, and what it refuses."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.actions import StepError
from schemas.values import Value
from tests.processors.components.test_kit import run

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def result(key: str, /, **inputs: Any) -> Value:
    return run("change-data-format", key, inputs).result


def file(data: Value, content_type: str = "text/plain") -> Value:
    return {"data": data, "contentType": content_type}


XML = "<orders><order><sku>W</sku><n>01</n></order><order><sku>V</sku><n>2</n></order></orders>"
LATIN_1 = '<?xml version="1.0" encoding="ISO-8859-1"?><a>ä</a>'.encode("latin-1")
CSV = "sku,n\nW,01\nV,2\n"
ROWS = [{"sku": "W", "n": "01"}, {"sku": "V", "n": "2"}]


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("convertToBoolean", {"value": "Yes"}, True),
        ("convertToBoolean", {"value": "f"}, False),
        ("convertToBoolean", {"value": 0}, False),
        ("convertToBoolean", {}, False),
        ("convertToInt", {"value": "-7.9"}, -7),
        ("convertToInt", {"value": None}, 0),
        ("convertToInt", {"value": "1e300"}, 1e300),
        ("convertToNumber", {"value": " 2.50 "}, 2.5),
        ("convertToNumber", {"value": ""}, 0),
        ("convertToNumber", {"value": "9" * 30}, 1e30),
        ("convertToString", {"value": 12.0}, "12"),
        ("convertToString", {"value": {"a": [True]}}, '{"a":[true]}'),
        ("convertToString", {"value": None}, ""),
        ("convertToString", {"value": file(b"\xc3\xa4")}, "ä"),
        ("deserializeFromJson", {"data": '{"a": [1, null]}'}, {"a": [1, None]}),
        ("deserializeFromJson", {"data": file(b"[1]")}, [1]),
        ("deserializeFromJson", {"data": {"already": 1}}, {"already": 1}),
        ("deserializeFromBinary", {"data": file(b'{"a": 1}')}, {"a": 1}),
        ("deserializeFromBinary", {"data": b"plain"}, "plain"),
        ("deserializeFromBinary", {"data": 5}, 5),
        (
            "deserializeFormData",
            {"data": "a=1&b=x+y&a=2&c="},
            {"a": ["1", "2"], "b": "x y", "c": ""},
        ),
        ("deserializeFormData", {"data": file("payload=%7B%7D", "")}, {"payload": "{}"}),
        ("deserializeFormData", {"data": file({"a": "1"})}, {"a": "1"}),
        ("deserializeFormData", {"data": ""}, {}),
        ("deserializeJsonl", {"data": ""}, []),
        ("serializeFormData", {"data": {"a": [1, 2], "b": "x y", "c": None}}, "a=1&a=2&b=x+y&c="),
        ("serializeFormData", {"data": '{"a": true}'}, "a=true"),
        ("deserializeJsonl", {"data": '{"a": 1}\n\n[2]\r\n'}, [{"a": 1}, [2]]),
        ("serializeJsonl", {"data": [{"a": 1}, "x"]}, '{"a":1}\n"x"\n'),
        ("serializeJsonl", {}, ""),
        ("binaryToJson", {"data": {"a": "ä"}}, '{"a":"ä"}'),
        ("binaryToJson", {"data": "text"}, '"text"'),
        ("binaryToJson", {"data": file(b'{ "a": 1 }')}, '{"a":1}'),
        ("binaryToJson", {"data": file(b"\xff")}, '"/w=="'),
        ("prettyPrint", {"data": {"a": [1]}}, '{\n  "a": [\n    1\n  ]\n}'),
        ("prettyPrint", {"data": '{"a":1}'}, '{\n  "a": 1\n}'),
        ("deserializeFromXml", {"data": "<a><b>2</b></a>"}, {"a": {"b": 2}}),
        ("deserializeFromXml", {"data": "<a>2</a>", "numbersAsStrings": "true"}, {"a": "2"}),
        ("deserializeFromXml", {"data": file(b"<a>x</a>")}, {"a": "x"}),
        ("deserializeFromXml", {"data": file(LATIN_1)}, {"a": "ä"}),
        ("deserializeFromCsv", {"data": CSV}, ROWS),
        ("deserializeFromCsv", {"data": "a\n1\n", "csvHeader": "false"}, [["a"], ["1"]]),
        ("deserializeFromCsv", {"data": "a__b\n1\n", "unFlatten": "true"}, [{"a": {"b": "1"}}]),
        ("deserializeFromYaml", {"data": "a: [1, yes]"}, {"a": [1, "yes"]}),
        ("binaryToXml", {"data": {"a": {"b": 1}}}, "<a><b>1</b></a>"),
        ("binaryToCsv", {"data": ROWS}, CSV),
        ("binaryToCsv", {"data": {"a": 1}}, "a\n1\n"),
        ("binaryToYaml", {"data": {"a": [1, "2"]}}, 'a:\n- 1\n- "2"\n'),
        ("jsonToXml", {"data": '{"a": {"b": 1}}'}, "<a><b>1</b></a>"),
        ("jsonToCsv", {"data": '[{"a": 1, "b": {"c": 2}}]'}, "a,b__c\n1,2\n"),
        ("jsonToCsv", {"data": "[[1, 2], [3, 4]]"}, "1,2\n3,4\n"),
        ("jsonToYaml", {"data": {"a": 1}}, "a: 1\n"),
        ("xmlToJson", {"data": "<a>1</a>"}, '{"a":1}'),
        ("xmlToCsv", {"data": XML}, CSV),
        ("xmlToYaml", {"data": "<a>x</a>"}, "a: x\n"),
        ("csvToJson", {"data": CSV}, '[{"sku":"W","n":"01"},{"sku":"V","n":"2"}]'),
        (
            "csvToXml",
            {"data": "a\n1\n"},
            "<root><item><a>1</a></item></root>",
        ),
        ("csvToYaml", {"data": "a\nx\n"}, "- a: x\n"),
        ("yamlToJson", {"data": "a: 1"}, '{"a":1}'),
        ("yamlToXml", {"data": "a: {b: 1}"}, "<a><b>1</b></a>"),
        ("yamlToCsv", {"data": "- {a: 1}\n- {a: 2}"}, "a\n1\n2\n"),
    ],
)
def test_each_conversion_gives_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert result(key, **inputs) == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        (
            "convertToBoolean",
            {"value": "perhaps"},
            r"Value \(value\) must be true or false.*perhaps",
        ),
        ("convertToInt", {"value": "x"}, r'must be a number, found "x"'),
        ("convertToNumber", {"value": [1]}, r"must be a number, found \[1\]"),
        ("convertToString", {"value": {"a": object()}}, "written as text"),
        ("deserializeFromJson", {"data": "{a"}, r"Data \(data\) must be JSON .*found"),
        ("deserializeFromJson", {"data": file(b"\xff")}, "must be JSON"),
        ("deserializeFormData", {"data": 5}, "a text or a file, found 5"),
        ("deserializeFormData", {"data": "a=1&" * 100_001}, "at most 100000 fields"),
        ("serializeFormData", {"data": [1]}, "an object"),
        ("deserializeJsonl", {"data": '{"a": 1}\n{'}, "JSON in line 2"),
        ("serializeJsonl", {"data": "x"}, "must be a list"),
        ("binaryToJson", {"data": [object()]}, "that JSON can hold"),
        ("prettyPrint", {"data": "{"}, "must be JSON"),
        ("deserializeFromBinary", {"data": "x" * (50 * 1024 * 1024 + 1)}, "at most 52428800 bytes"),
        ("deserializeFromXml", {"data": "<a>"}, r"Data \(data\) is not XML: line 1"),
        ("deserializeFromXml", {"data": 5}, "must be XML as a text or a file, found 5"),
        ("deserializeFromCsv", {"data": '"a'}, "is not CSV: line 1"),
        ("deserializeFromYaml", {"data": "a: b: c"}, "is not YAML: line 1"),
        ("binaryToXml", {"data": "\x01"}, "is not what XML can hold: the character"),
        ("binaryToCsv", {"data": [1]}, "row 1 must be an object"),
        ("binaryToYaml", {"data": {"a": object()}}, "is not what YAML can hold"),
        ("jsonToXml", {"data": "{"}, "is not JSON"),
        ("jsonToCsv", {"data": "[1]"}, "row 1 must be an object"),
        ("jsonToYaml", {"data": "{"}, "is not JSON"),
        ("xmlToJson", {"data": "x"}, "is not XML"),
        ("xmlToCsv", {"data": "x"}, "is not XML"),
        ("xmlToYaml", {"data": "x"}, "is not XML"),
        ("csvToJson", {"data": "a\n1,2\n"}, "row 2 has 2 values for 1 columns"),
        ("csvToXml", {"data": "a\n1,2\n"}, "row 2 has 2 values for 1 columns"),
        ("csvToYaml", {"data": "a\n1,2\n"}, "row 2 has 2 values for 1 columns"),
        ("yamlToJson", {"data": "*a"}, "is not YAML"),
        ("yamlToXml", {"data": "*a"}, "is not YAML"),
        ("yamlToCsv", {"data": "- 1"}, "is not what CSV can hold: row 1 must be an object"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


def test_large_texts_are_converted_too() -> None:
    rows = [{"sku": f"W-{number}", "note": "x" * 90} for number in range(5000)]
    text = result("binaryToCsv", data=rows)
    assert len(text) > 400_000
    assert result("deserializeFromCsv", data=text) == rows
    with pytest.raises(StepError, match=r"Deserialize CSV: Data \(data\) is not CSV: line 500"):
        result("deserializeFromCsv", data=text + '"')


def test_large_forms_and_lines_are_read_and_written_too() -> None:
    fields = {"a": "ä" * 100_000, "b": ["x", "y"]}
    assert result("deserializeFormData", data=result("serializeFormData", data=fields)) == fields
    values = [{"number": number, "text": "x" * 50} for number in range(5000)]
    assert result("deserializeJsonl", data=result("serializeJsonl", data=values)) == values


@given(VALUES)
def test_json_and_yaml_are_read_back_as_they_were(value: Value) -> None:
    value = [value]  # an empty text alone counts as no value
    assert result("deserializeFromJson", data=result("binaryToJson", data=value)) == value
    lines = result("serializeJsonl", data=[value, value])
    assert result("deserializeJsonl", data=lines) == [value, value]
    again = result("yamlToJson", data=result("binaryToYaml", data=value))
    assert result("deserializeFromJson", data=again) == value


@given(st.dictionaries(st.text(max_size=4), st.text(max_size=5) | st.lists(st.text(), min_size=2)))
def test_a_form_is_read_back_as_it_was(fields: dict[str, Value]) -> None:
    assert result("deserializeFormData", data=result("serializeFormData", data=fields)) == fields


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("parse", {"csv": "a,b\n1,2\n"}, [["a", "b"], ["1", "2"]]),
        ("parse", {"csv": 'a;"b;c"', "delimiter": ";"}, [["a", "b;c"]]),
        ("parse", {"csv": "a\tb", "delimiter": "\\t"}, [["a", "b"]]),
        ("parse", {"csv": file(b"a\n1"), "ignoreHeaders": "true"}, [["1"]]),
        ("parse", {"csv": ""}, []),
        ("generateFromObject", {"inputArray": ROWS}, CSV),
        ("generateFromObject", {"inputArray": [{"a": 1}], "includeHeader": "false"}, "1\n"),
        (
            "generateFromObject",
            {"inputArray": [{"a": 1, "b": ";"}], "delimiter": ";"},
            'a;b\n1;";"\n',
        ),
        ("generateFromObject", {"inputArray": []}, ""),
        ("generate", {"data": [[1, "x"], '["y", 2]', "z"]}, "1,x\ny,2\nz\n"),
    ],
)
def test_each_csv_action_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert run("csv", key, inputs).result == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("parse", {"csv": 'a\n"b'}, r"CSV Data \(csv\) cannot be read: line 2"),
        ("parse", {"csv": {"a": 1}}, "a text or a file"),
        ("parse", {"csv": "a", "delimiter": "ab"}, "the delimiter must be one character"),
        ("generateFromObject", {"inputArray": ["x"]}, "row 1 must be an object"),
        ("generateFromObject", {"inputArray": "x"}, "must be a list"),
        ("generate", {"data": [[object()]]}, "cannot stand in CSV"),
    ],
)
def test_what_csv_cannot_take_is_refused(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        run("csv", key, inputs)


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("parse", {"xml": "<a><b>1</b></a>"}, {"a": {"b": 1}}),
        ("parse", {"xml": b"<a>1</a>", "numbersAsStrings": "true"}, {"a": "1"}),
        ("generate", {"data": {"a": {"@_id": 1, "b": "x"}}}, '<a id="1"><b>x</b></a>'),
        ("generate", {"data": '{"a": 1, "b": 2}', "rootName": "r"}, "<r><a>1</a><b>2</b></r>"),
        (
            "generate",
            {"data": {"a": 1}, "includeDeclaration": "true"},
            '<?xml version="1.0" encoding="UTF-8"?>\n<a>1</a>',
        ),
    ],
)
def test_each_xml_action_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert run("xml", key, inputs).result == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("parse", {"xml": "<a"}, r"XML \(xml\) cannot be read: line 1"),
        ("parse", {"xml": 7}, "a text or a file, found 7"),
        ("parse", {}, "is required"),
        ("generate", {"data": {"a": "\x00"}}, r"U\+0000 cannot stand in XML"),
        ("generate", {"data": ""}, "is required"),
    ],
)
def test_what_xml_cannot_take_is_refused(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        run("xml", key, inputs)


def test_bytes_in_a_value_are_base64_in_every_text() -> None:
    encoded = base64.b64encode(b"\xff\x00").decode()
    assert encoded in result("binaryToJson", data={"a": b"\xff\x00"})
