"""Results: addresses that cannot be forged, and what is behind them."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.log import NewRecord
from ingress.results import Place, place_of, token_of
from schemas import codec, events, ids
from schemas.errors import Refused
from schemas.events import Response
from schemas.ids import ExecutionId
from schemas.topics import EXECUTIONS
from tests.ingress.serving import KEY, OTHER_KEY, Served, served

FAR = 1 << 40
EXECUTION = ExecutionId(ids.derived("an execution"))
PLACES = st.builds(
    Place,
    st.uuids().map(lambda uuid: ExecutionId(str(uuid))),
    st.integers(0, 65_535),
    st.integers(0, 2**63),
    st.integers(1, FAR),
)


async def keep(ingress: Served, response: Response | None) -> str:
    """The address of a completed execution's result."""
    event = events.ExecutionCompleted(execution_id=EXECUTION, response=response)
    record = NewRecord(EXECUTIONS.name, "instance", codec.encode([event]))
    (at,) = await ingress.log.append([record])
    return f"/results/{token_of(Place(EXECUTION, at.partition, at.offset, FAR), KEY)}"


@given(PLACES)
def test_a_token_leads_back_to_its_place(place: Place) -> None:
    assert place_of(token_of(place, KEY), KEY, place.expires_at_s - 1) == place


@given(PLACES, st.data())
def test_a_token_with_any_byte_changed_is_forged(place: Place, data: st.DataObject) -> None:
    token = token_of(place, KEY)
    # The last character of 67 holds two bits of padding: all before it count whole.
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("ABab01-_").filter(lambda found: found != token[at]))
    with pytest.raises(Refused, match="not genuine"):
        place_of(token[:at] + other + token[at + 1 :], KEY, 0)


@given(PLACES)
def test_a_token_of_another_key_is_forged(place: Place) -> None:
    with pytest.raises(Refused, match="not genuine"):
        place_of(token_of(place, OTHER_KEY), KEY, 0)


@given(st.text())
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(Refused, match="not genuine"):
        place_of(text, KEY, 0)


@given(PLACES)
def test_a_token_expires_at_its_second(place: Place) -> None:
    with pytest.raises(Refused, match="expired"):
        place_of(token_of(place, KEY), KEY, place.expires_at_s)


@pytest.mark.parametrize(
    ("response", "kind", "content"),
    [
        (Response(result={"a": 1}), "application/json", b'{"a":1}'),
        (Response(result=None), "application/json", b"null"),
        (Response(result="plain ü"), "text/plain; charset=utf-8", "plain ü".encode()),
        (Response(result={"$bytes": "AAH/"}, tagged=True), "application/octet-stream", b"\0\1\xff"),
        (
            Response(result={"data": {"$bytes": "AAH/"}, "contentType": "image/png"}, tagged=True),
            "image/png",
            b"\0\1\xff",
        ),
        (
            Response(result={"file": {"$bytes": "AAH/"}}, tagged=True),
            "application/json",
            b'{"file":"AAH/"}',
        ),
        (None, "application/json", b"null"),
    ],
)
async def test_a_result_is_served_in_its_own_form(
    ingress: Served, response: Response | None, kind: str, content: bytes
) -> None:
    answer = await ingress.http.get(await keep(ingress, response))
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == kind
    assert answer.headers["prismatic-executionid"] == ids.to_global(ids.EXECUTION, EXECUTION)
    assert answer.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    ("value", "content"),
    [({"a": "x" * 300_000}, None), ("x" * 300_000, b"x" * 300_000)],
    ids=["json", "text"],
)
async def test_a_large_result_is_served_from_its_blob(
    ingress: Served, value: Any, content: bytes | None
) -> None:
    kept = orjson.dumps(value)
    await ingress.blobs.put("results/large", kept)
    answer = await ingress.http.get(await keep(ingress, Response(blob="results/large")))
    assert answer.content == (kept if content is None else content)


async def test_a_result_whose_blob_is_gone_is_not_found(ingress: Served) -> None:
    answer = await ingress.http.get(await keep(ingress, Response(blob="results/gone")))
    assert (answer.status_code, answer.json()["reason"]) == (404, "result_gone")


async def test_head_gives_the_headers_of_a_result(ingress: Served) -> None:
    answer = await ingress.http.head(await keep(ingress, Response(result={"a": 1})))
    assert (answer.status_code, answer.headers["content-length"]) == (200, "7")


async def test_only_reading_is_allowed(ingress: Served) -> None:
    answer = await ingress.http.post(await keep(ingress, Response(result=1)))
    assert (answer.status_code, answer.json()["reason"]) == (405, "method_not_allowed")


async def test_a_browser_that_is_led_to_a_result_may_go_there(ingress: Served) -> None:
    asked = {
        "origin": "https://app.example.com",
        "access-control-request-method": "GET",
        "access-control-request-headers": "prismatic-synchronous",
    }
    answer = await ingress.http.options(await keep(ingress, Response(result=1)), headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    assert answer.headers["access-control-allow-headers"] == "prismatic-synchronous"


async def test_an_address_of_another_installation_is_forbidden(ingress: Served) -> None:
    token = token_of(Place(EXECUTION, 0, 0, FAR), OTHER_KEY)
    answer = await ingress.http.get(f"/results/{token}")
    assert (answer.status_code, answer.json()["reason"]) == (403, "forged")


async def test_an_expired_address_is_forbidden(ingress: Served) -> None:
    token = token_of(Place(EXECUTION, 0, 0, 1), KEY)
    answer = await ingress.http.get(f"/results/{token}")
    assert (answer.status_code, answer.json()["reason"]) == (403, "expired")


@pytest.mark.parametrize(("partition", "offset"), [(0, 10_000), (9, 0)])
async def test_a_record_that_is_no_longer_there_is_not_found(
    tmp_path: Path, partition: int, offset: int
) -> None:
    async with served(tmp_path) as ingress:
        token = token_of(Place(EXECUTION, partition, offset, FAR), KEY)
        answer = await ingress.http.get(f"/results/{token}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "result_gone")


async def test_a_record_that_does_not_decode_is_an_internal_error_in_json(
    ingress: Served, caplog: pytest.LogCaptureFixture
) -> None:
    (at,) = await ingress.log.append([NewRecord(EXECUTIONS.name, "instance", b"{")])
    token = token_of(Place(EXECUTION, at.partition, at.offset, FAR), KEY)
    answer = await ingress.http.get(f"/results/{token}")
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal")
    assert "a request for a result broke" in caplog.text


async def test_a_record_of_another_execution_is_not_shown(ingress: Served) -> None:
    await keep(ingress, Response(result="secret"))
    token = token_of(Place(ExecutionId(ids.derived("another")), 0, 0, FAR), KEY)
    answer = await ingress.http.get(f"/results/{token}")
    assert answer.status_code == 404
