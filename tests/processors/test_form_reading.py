"""A form in the blob store reads as it would in memory, but for the large files left there."""

import os
from pathlib import Path

import pytest

from eventlog import contents
from eventlog.blobs import Blobs
from processors import form_reading
from processors.actions import StepError
from schemas import events, forms
from schemas.bodies import media_of
from schemas.stored import found_in, replaced

TYPE = "multipart/form-data; boundary=XyZ"
PHOTO = os.urandom(900_000) + b"\r\n--Xy" + os.urandom(3_000)


def part(name: str, content: bytes, more: str = "", file: str = "") -> bytes:
    named = f'; filename="{file}"' if file else ""
    head = f'--XyZ\r\nContent-Disposition: form-data; name="{name}"{named}{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


FORM = (
    part("person", b'{"firstname": "Ada"}', "\r\nContent-Type: application/json")
    + part("photo", PHOTO, "\r\nContent-Type: image/png", "p.png")
    + part("note", b"hello " * 20_000)
    + part("small", b"\0\1", "\r\nContent-Type: image/gif", "s.gif")
    + part("empty", b"", "\r\nContent-Type: image/gif", "e.gif")
    + part("photo", b"\r" * 100_000, "\r\nContent-Type: image/png", "q.png")
    + b"--XyZ--\r\n"
)


def request(body: bytes) -> events.Request:
    return events.Request(
        method="POST",
        path="",
        headers=[],
        query=[],
        body="bodies/form",
        encoding=events.BodyEncoding.BLOB,
        body_bytes=len(body),
        content_type=TYPE,
    )


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 4, 5, 6, 7, 8])
async def test_a_form_reads_alike_wherever_its_chunks_end(tmp_path: Path, shift: int) -> None:
    blobs = Blobs.open(str(tmp_path / "blobs"))
    body = part("pad", b"x" * (262_144 - 60 + shift)) + FORM
    await blobs.put("bodies/form", body)

    found = await form_reading.read(blobs, request(body), 10_000_000)

    stored = found_in(found)
    assert [one.size for one in stored] == [100_000, len(PHOTO)]
    loaded = {one: await contents.whole(blobs, one) for one in stored}
    assert replaced(found, loaded) == forms.parsed(body, media_of(TYPE))


async def test_texts_of_a_form_have_a_bound(tmp_path: Path) -> None:
    blobs = Blobs.open(str(tmp_path / "blobs"))
    await blobs.put("bodies/form", FORM)
    with pytest.raises(StepError, match="its texts need more than 100000 bytes"):
        await form_reading.read(blobs, request(FORM), 100_000)


async def test_what_is_no_form_is_what_it_is(tmp_path: Path) -> None:
    blobs = Blobs.open(str(tmp_path / "blobs"))
    await blobs.put("bodies/form", FORM[:-20])
    assert await form_reading.read(blobs, request(FORM), 10_000_000) is None


async def test_a_form_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="it is gone"):
        await form_reading.read(Blobs.open(str(tmp_path / "blobs")), request(FORM), 1)
