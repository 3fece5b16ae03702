"""Bodies: what bytes say by their content type, and what is not what it says to be."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import bodies
from schemas.bodies import MAX_DEPTH, Malformed, media_of
from schemas.errors import Refused


@pytest.mark.parametrize(
    ("content_type", "is_json", "is_text", "is_form"),
    [
        ("application/json", True, True, False),
        ("Application/JSON; charset=utf-8", True, True, False),
        ("application/vnd.api+json", True, True, False),
        ("text/csv", False, True, False),
        ("application/xml", False, True, False),
        ("application/soap+xml", False, True, False),
        ("application/x-www-form-urlencoded", False, True, False),
        ("multipart/form-data; boundary=x", False, False, True),
        ("multipart/mixed; boundary=x", False, False, False),
        ("image/png", False, False, False),
        ("application/octet-stream", False, False, False),
        ("", False, False, False),
        (";;;", False, False, False),
    ],
)
def test_a_content_type_says_what_kind_of_body_it_is(
    content_type: str, is_json: bool, is_text: bool, is_form: bool
) -> None:
    media = media_of(content_type)
    assert (media.is_json, media.is_text, media.is_form) == (is_json, is_text, is_form)


@pytest.mark.parametrize(
    ("parameters", "charset", "boundary"),
    [
        ("charset=UTF-8", "utf-8", b""),
        ('CHARSET="iso-8859-1"; boundary="a b;c"', "iso8859-1", b"a b;c"),
        (r'boundary="a\"b"; charset=latin1; charset=utf-8', "iso8859-1", b'a"b'),
        ("charset=no-such", "", b""),
        ("charset=", "", b""),
        ("boundary = x", None, b"x"),
    ],
)
def test_parameters_are_read(parameters: str, charset: str | None, boundary: bytes) -> None:
    media = media_of(f"text/plain; {parameters}")
    assert (media.charset, media.boundary) == (charset, boundary)


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "base64", "unicode_escape", "\0"])
def test_codecs_that_are_no_charsets_are_unknown(charset: str) -> None:
    assert media_of(f"text/plain; charset={charset}").charset == ""


@pytest.mark.parametrize(
    ("content_type", "raw", "text"),
    [
        ("text/plain", "ü".encode(), "ü"),
        ("text/plain", b"\xfc", None),
        ("text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        ("text/plain; charset=windows-1252", b"\x80", "€"),
        ("text/plain; charset=utf-16", "ü€".encode("utf-16"), "ü€"),
        ("text/plain; charset=utf-16le", "ü€".encode("utf-16-le"), "ü€"),
        ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfa", "a"),
        ("text/plain", "ü".encode("utf-16"), "ü"),
        ("text/plain", "ü".encode("utf-32"), "ü"),
        ("text/plain; charset=no-such", b"a", None),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
    ],
)
def test_text_is_read_in_its_charset_and_a_mark_wins(
    content_type: str, raw: bytes, text: str | None
) -> None:
    assert bodies.text_of(raw, media_of(content_type)) == text


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("application/json", b'{"a": "\xc3\xbc"}'),
        ("application/json", b'\xef\xbb\xbf{"a": "\xc3\xbc"}'),
        ("application/json; charset=iso-8859-1", b'{"a": "\xfc"}'),
        ("application/json; charset=utf-16", '{"a": "ü"}'.encode("utf-16")),
        ("application/json", '{"a": "ü"}'.encode("utf-16")),
    ],
)
def test_json_is_read_in_its_charset(content_type: str, raw: bytes) -> None:
    assert bodies.parsed_json(raw, media_of(content_type)) == {"a": "ü"}


@pytest.mark.parametrize(
    "raw",
    [
        b"{bad-data",
        b'{"a": "\xfc"}',
        b"\xff\xff",
        b'"\\ud800"',
        b"NaN",
        b" ",
        b"{}{}",
        b'{"a":"\0"}',
    ],
)
def test_what_is_no_json_gets_the_exact_sentence(raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"^Received malformed JSON payload\.$") as raised:
        bodies.parsed_json(raw, media_of("application/json"))
    assert (raised.value.status, raised.value.reason) == (400, "")


@pytest.mark.parametrize("deep", [MAX_DEPTH + 1, 300, 1_100, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_may_nest_so_deep_and_no_deeper(deep: int, opening: bytes, closing: bytes) -> None:
    json = media_of("application/json")
    allowed = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert bodies.parsed_json(allowed, json) == orjson.loads(allowed)
    with pytest.raises(Malformed, match="nests more than 200 levels") as raised:
        bodies.parsed_json(opening * deep + b"1" + closing * deep, json)
    assert raised.value.reason == "nested_too_deep"


def test_wide_json_is_not_deep() -> None:
    raw = b"[" + b"[]," * 10_000 + b"[]]"
    assert len(bodies.parsed_json(raw, media_of("application/json"))) == 10_001


@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_bytes_of_any_content_type_are_read_or_refused(raw: bytes, content_type: str) -> None:
    media = media_of(content_type)
    assert bodies.text_of(raw, media) is None or isinstance(bodies.text_of(raw, media), str)
    with suppress(Malformed):
        bodies.parsed_json(raw, media)


@pytest.mark.parametrize(
    "content_type",
    [
        "a/b;" + "a" * 60_000,
        "a/b;" + "a " * 30_000,
        "a/b;" + "a;" * 30_000,
        'a/b;b="' + "\\" * 60_000,
        "a/b;" + "=" * 60_000,
        "a/b;c=" + " " * 60_000,
        "a/b;charset=" + "x" * 60_000,
    ],
)
def test_a_content_type_of_any_length_is_read_in_no_time(content_type: str) -> None:
    # Where the time grew with the square of the length, each of these took a minute.
    for _ in range(20):
        assert media_of(content_type).kind == "a/b"


def test_the_rest_of_a_content_type_is_read_behind_what_is_no_parameter() -> None:
    media = media_of('a/b; junk; ="x"; charset="utf-8" junk; boundary=x; c')
    assert (media.charset, media.boundary) == ("utf-8", b"x")


def test_json_may_hold_so_many_values_and_a_text_of_any_length() -> None:
    json = media_of("application/json")
    with pytest.raises(Refused, match="more than 2000000 values") as raised:
        bodies.parsed_json(b"[" + b"[]," * 1_000_001 + b"[]]", json)
    assert (raised.value.status, raised.value.reason) == (413, "too_many_values")
    long = b'{"a":"' + b"x" * 30_000_000 + b'"}'
    assert len(bodies.parsed_json(long, json)["a"]) == 30_000_000
