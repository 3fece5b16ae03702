"""Formats: what is written is read back, and what is not of its format says where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.formats import csv_rows, xml_tree, yaml_text
from processors.formats.errors import Unfit
from schemas.values import Value

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["yes", "null", "~", "0o7", "0x1F", "1e3", ".5", "2024-01-01", "- a", "a: b"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,5}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), max_size=6)
ELEMENTS = st.recursive(
    WORDS,
    lambda inner: st.dictionaries(
        NAMES, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


@given(VALUES)
def test_yaml_is_read_back_as_it_was(value: Value) -> None:
    assert yaml_text.parse(yaml_text.write(value)) == value


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)))
def test_rows_are_read_back_as_they_were(rows: list[list[str]]) -> None:
    assert csv_rows.parse("\ufeff" + csv_rows.write(rows)) == rows


@given(st.lists(st.fixed_dictionaries({"a": WORDS, "b": WORDS}), min_size=1))
def test_objects_are_read_back_from_their_columns(objects: list[Value]) -> None:
    assert csv_rows.parse_objects(csv_rows.write_objects(objects, ";"), ";") == objects


@given(NAMES, ELEMENTS)
def test_a_document_is_read_back_as_it_was(name: str, element: Value) -> None:
    value = {name: element}
    assert xml_tree.parse(xml_tree.write(value), numbers=False) == value


@given(st.dictionaries(NAMES, st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))))
def test_attributes_are_read_back_with_their_white_space(attributes: dict[str, str]) -> None:
    value = {"a": {f"@_{name}": text for name, text in attributes.items()} or ""}
    assert xml_tree.parse(xml_tree.write(value), numbers=False) == value


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<order><sku>W-1</sku><n>2</n></order>", {"order": {"sku": "W-1", "n": 2}}),
        ("<a><b>1</b><b>x</b><b>2.5</b></a>", {"a": {"b": [1, "x", 2.5]}}),
        ("<a id='7'>text<b/></a>", {"a": {"@_id": "7", "b": "", "#text": "text"}}),
        ("<a>007</a>", {"a": "007"}),
        ("<a>12345678901234567890</a>", {"a": "12345678901234567890"}),
        (
            "<s:a xmlns:s='urn:x'><![CDATA[<&]]></s:a>",
            {"s:a": {"@_xmlns:s": "urn:x", "#text": "<&"}},
        ),
        ('<?xml version="1.0" encoding="UTF-16"?><a>ä</a>', {"a": "ä"}),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>ä</a>'.encode("latin-1"), {"a": "ä"}),
        ("<!DOCTYPE a><a/>", {"a": ""}),
    ],
)
def test_a_document_becomes_a_value(document: str | bytes, expected: Value) -> None:
    assert xml_tree.parse(document) == expected


BOMB = (
    '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (BOMB[0], "the entity 'x' is declared"),
        (BOMB[1], "the entity 'x' is declared"),
        ("<a>\n<b></a>", "line 2: mismatched tag"),
        ("", "no element found"),
        ("<a>" * 300, "deeper than 200"),
        ("<a>&undefined;</a>", "undefined entity"),
        (b'<?xml version="1.0" encoding="none"?><a/>', "unknown encoding"),
        (b"<a>\xff</a>", "not well-formed"),
    ],
)
def test_what_is_no_document_says_why(document: str | bytes, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        xml_tree.parse(document)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": [1, None, True]}}, "<a><b>1</b><b></b><b>true</b></a>"),
        ({"a": 1, "b": "<&"}, "<root><a>1</a><b>&lt;&amp;</b></root>"),
        ([1, {"x": 2}], "<root><item>1</item><item><x>2</x></item></root>"),
        ({"a": []}, "<root></root>"),
        ({"First Name": "x", "1": 2}, "<root><First_Name>x</First_Name><_1>2</_1></root>"),
        ({"a": {"@_id": 7, "#text": "t"}}, '<a id="7">t</a>'),
        ("text", "<root>text</root>"),
    ],
)
def test_a_value_becomes_a_document(value: Value, expected: str) -> None:
    assert xml_tree.write(value) == expected


def test_what_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(Unfit, match=r"U\+0001 cannot stand in XML"):
        xml_tree.write({"a": "\x01"})
    deep: Value = "x"
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(Unfit, match="deeper than 200"):
        xml_tree.write(deep)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: [1, 2.5, x, yes, ~]\nb: {c: true}",
            {"a": [1, 2.5, "x", "yes", None], "b": {"c": True}},
        ),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("d: 2024-01-01", {"d": "2024-01-01"}),
        ("base: &b {x: 1}\nuse: {<<: *b, y: 2}", {"base": {"x": 1}, "use": {"x": 1, "y": 2}}),
        ("n: 0x1F\no: 0o17\ni: .inf", {"n": 31, "o": 15, "i": ".inf"}),
        ("", None),
        ("99999999999999999999", 1e20),
    ],
)
def test_yaml_becomes_a_value(text: str, expected: Value) -> None:
    assert yaml_text.parse(text) == expected


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "more than 200,000 values"),
        ("[" * 1000, "deeper than 200"),
        ("a: *b", "names no anchor"),
        ("a: b: c", "line 1: not YAML"),
        ("!!python/object/apply:os.system [ls]", "the tag .* is not known"),
        ("a: 1\na: 2", "there twice"),
    ],
)
def test_what_is_no_yaml_says_why(text: str, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        yaml_text.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,"b\nc', "line 2: unexpected end of data"),
        ('a,"b"c', "line 1: "),
    ],
)
def test_what_is_no_csv_says_where(text: str, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        csv_rows.parse(text)


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(Unfit, match="must be one character"):
        csv_rows.parse("a", delimiter)


def test_columns_with_underscores_nest_only_where_asked() -> None:
    text = "person__first,person__last,id\nAda,Lovelace,1\n"
    assert csv_rows.parse_objects(text) == [
        {"person__first": "Ada", "person__last": "Lovelace", "id": "1"}
    ]
    nested = [{"person": {"first": "Ada", "last": "Lovelace"}, "id": "1"}]
    assert csv_rows.parse_objects(text, nested=True) == nested
    assert csv_rows.write_objects(nested) == text


@pytest.mark.parametrize("text", ["a,a__b\n1,2\n", "a__b,a\n1,2\n"])
def test_a_column_is_either_a_value_or_an_object(text: str) -> None:
    with pytest.raises(Unfit, match="exclude one another"):
        csv_rows.parse_objects(text, nested=True)


def test_rows_shorter_than_the_header_are_filled_and_longer_ones_refused() -> None:
    assert csv_rows.parse_objects("a,b\n1\n") == [{"a": "1", "b": ""}]
    with pytest.raises(Unfit, match="row 2 has 3 values for 2 columns"):
        csv_rows.parse_objects("a,b\n1,2,3\n")


def test_objects_with_different_keys_share_one_header() -> None:
    text = csv_rows.write_objects([{"a": 1, "l": [1, "x"]}, {"b": None}])
    assert text == 'a,l,b\n1,"[1,""x""]",\n,,\n'
    with pytest.raises(Unfit, match="row 1 must be an object, found int"):
        csv_rows.write_objects([3])
