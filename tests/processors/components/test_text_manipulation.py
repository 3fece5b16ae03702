"""Text manipulation: what each action documents, its default, and input that it cannot take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.actions import StepError
from schemas.definitions import Pair
from schemas.values import Value
from tests.processors.components.test_kit import run


def result(key: str, /, **inputs: Any) -> Value:
    return run("text-manipulation", key, inputs).result


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("decodeBase64", {"text": "w6Q="}, "ä"),
        ("decodeBase64", {"text": "w6Q"}, "ä"),
        ("decodeBase64", {"text": "_w=="}, b"\xff"),
        ("decodeBase64", {"text": ""}, ""),
        ("encodeBase64", {"text": "ä"}, "w6Q="),
        ("encodeBase64", {"text": {"data": b"\xff", "contentType": "image/png"}}, "/w=="),
        ("encodeBase64", {}, ""),
        ("slice", {"text": "abcdef", "sliceStart": "1", "sliceStop": "-1"}, "bcde"),
        ("slice", {"text": "abc", "sliceStart": "-2"}, "bc"),
        ("slice", {"text": "abc", "sliceStop": "2"}, "ab"),
        ("replace", {"text": "a.b.c", "find": ".", "replace": "-"}, "a-b-c"),
        ("replace", {"text": "/in/x", "find": "/in/", "replace": "/out/"}, "/out/x"),
        ("replace", {"text": "aXbx", "find": "/x/gi", "replace": "$&$&"}, "aXXbxx"),
        ("replace", {"text": "path/x/g", "find": "/x/g", "replace": ""}, "path"),
        ("replace", {"text": "abc", "find": "b"}, "ac"),
        (
            "replaceMultipleSubstring",
            {"text": "abc", "replaceWith": [Pair("a", "b"), Pair("b", 1)]},
            "11c",
        ),
        ("replaceMultipleSubstring", {"text": "abc"}, "abc"),
        ("htmlDecode", {"text": "&lt;a&gt; &amp;amp; &#228;"}, "<a> &amp; ä"),
        ("htmlEncode", {"text": '<a href="x">\'&'}, "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"),
        ("join", {"strings": ["a", 1, True], "separator": ", "}, "a, 1, true"),
        ("join", {"strings": ["a", "s"], "separator": ""}, "as"),
        ("joinLines", {"strings": ["a", "b"]}, "a\nb"),
        (
            "joinLines",
            {"strings": ["a", "b"], "newlineType": "\\r\\n", "numberOfNewlines": "2"},
            "a\r\n\r\nb",
        ),
        ("joinLines", {"strings": ["a", "b"], "newlineType": "\n"}, "a\nb"),
        ("joinLines", {"strings": ["a", "b"], "numberOfNewlines": "1000"}, "a" + "\n" * 1000 + "b"),
        ("joinLines", {"strings": ["a", "b"], "numberOfNewlines": "0"}, "ab"),
        ("lowerCase", {"text": "ÄB"}, "äb"),
        ("upperCase", {"text": "äß"}, "ÄSS"),
        ("match", {"text": "a1b22", "regex": "[0-9]+"}, ["1", "22"]),
        (
            "match",
            {"text": "a1b22", "regex": "([a-z])([0-9])", "regexFlags": "i"},
            ["a1", "a", "1"],
        ),
        ("match", {"text": "abc", "regex": "[0-9]+"}, None),
        ("trim", {"text": " \t a b\n"}, "a b"),
        ("splitLines", {"text": "a\r\n\nb\n"}, ["a", "b"]),
        ("splitLines", {"text": "a\n\nb", "filterBlankLines": "false"}, ["a", "", "b"]),
        ("split", {"text": "approve:17", "separator": ":"}, ["approve", "17"]),
        ("split", {"text": "abc", "separator": ""}, ["a", "b", "c"]),
        ("split", {"text": "", "separator": ","}, [""]),
        ("stringLength", {"text": "äöü"}, 3),
        ("stringLength", {"text": ""}, 0),
    ],
)
def test_each_action_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert result(key, **inputs) == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("decodeBase64", {"text": "a"}, r"Base64 Text \(text\) must be base64 .*found \"a\""),
        ("decodeBase64", {"text": "ä?"}, "must be base64"),
        ("encodeBase64", {"text": {"a": 1}}, "must be a text or a file"),
        ("slice", {"text": "abc", "sliceStart": "0.5"}, r"sliceStart\) must be a whole number"),
        ("slice", {"text": "abc", "sliceStop": "x"}, r"sliceStop\) must be a number, found \"x\""),
        ("replace", {"text": "a", "find": ""}, r"\(find\) is required"),
        ("replace", {"text": "a", "find": "/(/g"}, "SyntaxError"),
        ("replace", {"text": "a" * 40 + "b", "find": "/^(a+)+$/g"}, "longer than 2 s"),
        ("replaceMultipleSubstring", {"text": "a", "replaceWith": "x"}, "names and values"),
        (
            "replaceMultipleSubstring",
            {"text": "a", "replaceWith": [Pair("a", object())]},
            "be texts",
        ),
        ("join", {"strings": "abc"}, r"Strings \(strings\) must be a list"),
        ("join", {"strings": [object()]}, "must be texts"),
        ("joinLines", {"strings": ["a"], "newlineType": "LF"}, 'found "LF"'),
        ("joinLines", {"strings": ["a"], "numberOfNewlines": "1001"}, "at most 1000, found 1001"),
        ("match", {"text": "a", "regex": ""}, r"Regex \(regex\) is required"),
        ("match", {"text": "a", "regex": "a", "regexFlags": "q"}, "SyntaxError"),
        ("match", {"text": "a" * 40 + "b", "regex": "^(a+)+$"}, "longer than 2 s"),
        ("splitLines", {"text": "a", "filterBlankLines": "maybe"}, "true or false"),
        *(
            (key, {"text": {"a": object()}}, r"Text \(text\) must be a text")
            for key in (
                "htmlDecode",
                "htmlEncode",
                "lowerCase",
                "upperCase",
                "trim",
                "split",
                "stringLength",
            )
        ),
    ],
)
def test_what_an_action_cannot_take_is_refused_by_name(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


def test_a_text_that_would_fill_the_memory_is_refused() -> None:
    doubling = [Pair("a", "aaaaaaaaaaaaaaaa")] * 20
    with pytest.raises(StepError, match="more than 52428800 characters"):
        result("replaceMultipleSubstring", text="a", replaceWith=doubling)


def test_a_text_of_a_million_parts_is_refused() -> None:
    with pytest.raises(StepError, match="more than 1000000 parts"):
        result("split", text="x" * 1_000_000, separator="")
    with pytest.raises(StepError, match="more than 1000000 parts"):
        result("splitLines", text="\n" * 1_000_000)
    assert len(result("split", text="a," * 999_999, separator=",")) == 1_000_000


def test_a_large_text_is_decoded_too() -> None:
    assert result("htmlDecode", text="&lt;" * 100_000) == "<" * 100_000


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS, st.text(min_size=1, max_size=2))
def test_what_is_split_is_joined_again(text: str, separator: str) -> None:
    parts = result("split", text=text, separator=separator)
    assert result("join", strings=parts, separator=separator) == text


@given(TEXTS)
def test_what_is_encoded_is_decoded_again(text: str) -> None:
    assert result("decodeBase64", text=result("encodeBase64", text=text)) == text
    assert result("htmlDecode", text=result("htmlEncode", text=text)) == text


@given(st.binary().filter(lambda content: content != b""))
def test_bytes_come_back_from_base64(content: bytes) -> None:
    back = result("decodeBase64", text=result("encodeBase64", text=content))
    assert (back.encode() if isinstance(back, str) else back) == content
