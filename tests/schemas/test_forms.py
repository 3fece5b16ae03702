"""Forms: parts as flows see them, however the bytes come; and what is no form."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import forms
from schemas.bodies import Malformed, media_of
from schemas.errors import Refused
from schemas.forms import MAX_PARTS, Form

FORM = media_of("multipart/form-data; boundary=XyZ")


def part(headers: str, content: bytes) -> bytes:
    return b"--XyZ\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


def named(name: str, content: bytes, more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"{more}', content)


END = b"--XyZ--\r\n"
PHOTO = bytes(range(256)) + b"\r\n--Xy\r\n--Xy"
PERSON = named("person", b'{"firstname":"Taylor"}', "\r\nContent-Type: application/json")


def test_the_form_of_the_documentation() -> None:
    photo = named("photo", PHOTO, '; filename="taylor.png"\r\nContent-Type: image/png')
    assert forms.parsed(PERSON + photo + END, FORM) == {
        "person": {"data": {"firstname": "Taylor"}, "contentType": "application/json"},
        "photo": {"data": PHOTO, "contentType": "image/png", "fileName": "taylor.png"},
    }


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (named("a", b"text"), {"data": "text", "contentType": "text/plain"}),
        (named("a", b"\xff"), {"data": b"\xff", "contentType": "text/plain"}),
        (named("a", b""), {"data": "", "contentType": "text/plain"}),
        (
            named("a", b"\xfc", "\r\nContent-Type: text/plain; charset=iso-8859-1"),
            {"data": "ü", "contentType": "text/plain; charset=iso-8859-1"},
        ),
        (
            named("a", b"x,y", '; filename="ü.csv"\r\nContent-Type: text/csv'),
            {"data": "x,y", "contentType": "text/csv", "fileName": "ü.csv"},
        ),
        (
            named("a", b"x", '; filename="x"'),
            {"data": b"x", "contentType": "application/octet-stream", "fileName": "x"},
        ),
        (
            named("a", b"", "\r\nContent-Type: application/json"),
            {"data": None, "contentType": "application/json"},
        ),
    ],
)
def test_a_part_is_read_like_a_body_of_its_content_type(
    sent: bytes, expected: dict[str, Any]
) -> None:
    assert forms.parsed(sent + END, FORM) == {"a": expected}


def test_parts_of_one_name_are_a_list() -> None:
    sent = named("a", b"1") + named("b", b"x") + named("a", b"2") + named("a", b"3") + END
    found = forms.parsed(sent, FORM)
    assert [inner["data"] for inner in found["a"]] == ["1", "2", "3"]
    assert found["b"]["data"] == "x"


def test_a_form_without_parts_is_empty() -> None:
    assert forms.parsed(END, FORM) == {}


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (PERSON, "malformed_multipart"),
        (PERSON[:-20], "malformed_multipart"),
        (b"", "malformed_multipart"),
        (b"no form at all", "malformed_multipart"),
        (part("Content-Disposition: form-data", b"x") + END, "malformed_multipart"),
        (part("no header", b"x") + END, "malformed_multipart"),
        (part("x: " + "a" * 10_000, b"x") + END, "malformed_multipart"),
        (part("\r\n".join(["a: 1"] * 100), b"x") + END, "malformed_multipart"),
        (named("p", b"{bad", "\r\nContent-Type: application/json") + END, "malformed_json"),
        (named("a", b"1") * (MAX_PARTS + 1) + END, "too_many_parts"),
    ],
)
def test_what_is_no_form_is_refused(sent: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as raised:
        forms.parsed(sent, FORM)
    assert (raised.value.status, raised.value.reason) == (400, reason)


def test_as_many_parts_as_are_allowed_are_read() -> None:
    assert len(forms.parsed(named("a", b"1") * MAX_PARTS + END, FORM)["a"]) == MAX_PARTS


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_needs_a_boundary(content_type: str) -> None:
    with pytest.raises(Malformed, match="no boundary"):
        forms.parsed(END, media_of(content_type))


def test_a_boundary_is_not_too_long() -> None:
    with pytest.raises(Malformed, match="too long"):
        forms.parsed(END, media_of("multipart/form-data; boundary=" + "x" * 300))


def test_only_what_is_kept_takes_room() -> None:
    form = Form(FORM, keep=forms.is_json, max_kept_bytes=100)
    form.feed(named("photo", b"x" * 1_000, "\r\nContent-Type: image/png") + PERSON + END)
    assert [bytes(found.content) for found in form.close()] == [b"", b'{"firstname":"Taylor"}']
    form = Form(FORM, keep=forms.is_json, max_kept_bytes=100)
    with pytest.raises(Refused) as raised:
        form.feed(named("p", b"[" + b"1," * 100, "\r\nContent-Type: application/json"))
    assert raised.value.status == 413


@given(st.data())
def test_a_form_is_the_same_however_its_bytes_come(data: st.DataObject) -> None:
    whole = PERSON + named("photo", PHOTO, "\r\nContent-Type: image/png") + END
    form = Form(FORM, keep=forms.everything)
    rest = whole
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        form.feed(rest[:cut])
        rest = rest[cut:]
    assert [bytes(found.content) for found in form.close()] == [b'{"firstname":"Taylor"}', PHOTO]


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=10))
def test_any_bytes_are_a_form_or_refused(raw: bytes, boundary: bytes) -> None:
    media = media_of("multipart/form-data; boundary=" + repr(boundary))
    for sent in (raw, b"--" + media.boundary + raw):
        with suppress(Malformed):
            forms.parsed(sent, media)
