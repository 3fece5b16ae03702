"""Results with bytes in the blob store: served as if they were in the result, and not held."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from ingress.results import MAX_DIRECT_BYTES
from schemas import events, values
from schemas.events import Response
from schemas.ids import ExecutionId
from schemas.stored import Stored
from tests.ingress.serving import Served, served
from tests.ingress.test_results import keep

CONTENT = os.urandom(700_000)
STORED = Stored("downloads/a", len(CONTENT))
TEXT = base64.b64encode(CONTENT).decode()


@pytest.mark.parametrize(
    ("value", "content_type", "body", "kind"),
    [
        (STORED, "", CONTENT, "application/octet-stream"),
        (STORED, "application/pdf", CONTENT, "application/pdf"),
        ({"data": STORED, "contentType": "image/png"}, "", CONTENT, "image/png"),
        (
            {"data": STORED, "contentType": "image/png"},
            "application/json",
            values.dump({"data": TEXT, "contentType": "image/png"}),
            "application/json",
        ),
        ({"a": [STORED, 1]}, "", values.dump({"a": [TEXT, 1]}), "application/json"),
        (Stored("downloads/a", 10, 99), "", CONTENT[99:109], "application/octet-stream"),
    ],
    ids=["bytes", "bytes of a kind", "file", "file as json", "within json", "a part"],
)
@pytest.mark.parametrize("in_blob", [False, True])
async def test_stored_bytes_are_served_from_their_blob(
    ingress: Served, value: Any, content_type: str, body: bytes, kind: str, in_blob: bool
) -> None:
    await ingress.blobs.put(STORED.blob, CONTENT)
    result, tagged = values.to_json(value)
    response = Response(content_type=content_type, result=result, tagged=tagged)
    if in_blob:
        await ingress.blobs.put("results/a", values.dump(result))
        response = Response(content_type=content_type, blob="results/a", tagged=tagged)

    answer = await ingress.http.get(await keep(ingress, response))

    assert answer.status_code == 200
    assert answer.content == body
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["content-type"] == kind


async def test_a_result_whose_stored_bytes_are_gone_is_not_found(ingress: Served) -> None:
    result, tagged = values.to_json({"data": Stored("downloads/gone", 5), "contentType": "a/b"})
    answer = await ingress.http.get(await keep(ingress, Response(result=result, tagged=tagged)))
    assert (answer.status_code, answer.json()["reason"]) == (404, "result_gone")


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": STORED}, values.dump({"a": TEXT})),
        (STORED, None),
        ({"data": STORED, "contentType": "a/b"}, None),
        ({"a": Stored("downloads/a", MAX_DIRECT_BYTES // 4 * 3)}, None),
    ],
    ids=["json", "bytes", "file", "large json"],
)
async def test_only_json_below_the_limit_is_sent_directly(
    ingress: Served, value: Any, body: bytes | None
) -> None:
    await ingress.blobs.put(STORED.blob, CONTENT)
    result, tagged = values.to_json(value)
    ready = events.ResultReady(
        reply_to="",
        request_no=0,
        execution_id=ExecutionId("e"),
        partition=0,
        offset=0,
        response=Response(result=result, tagged=tagged),
    )
    answer = await ingress.app._results.direct(ready)
    assert (answer.body if answer else None) == body


async def _status_of(ingress: Served, url: str, content_type: str) -> tuple[int, str]:
    headers = {"content-type": content_type} if content_type else {}
    answer = await ingress.http.post(url, content=b'"' + b"x" * 2_000 + b'"', headers=headers)
    return answer.status_code, answer.json().get("error", "")


async def test_texts_have_a_smaller_bound_than_bytes(tmp_path: Path) -> None:
    async with served(tmp_path, max_text_bytes=1_000, decision_s=0.05) as ingress:
        url = await ingress.url()
        for text in ("text/csv", "application/json", ""):
            refused = (413, "The request body is larger than 1000 bytes.")
            assert await _status_of(ingress, url, text) == refused
        assert await _status_of(ingress, url, "image/png") == (202, "")
