"""Webhooks: what is recorded of a request, and what its caller is answered."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from schemas import events, ids
from schemas.events import BodyEncoding, Reason, Response
from tests.ingress.serving import PUBLIC_URL, SYNC, Served, Trigger, definition, flow, served

JSON = {"content-type": "application/json"}
MALFORMED = {"error": "Received malformed JSON payload."}


def shown(trigger: Trigger) -> str:
    return ids.to_global(ids.EXECUTION, trigger.execution_id)


async def accepted(ingress: Served, url: str, **given: Any) -> tuple[Trigger, httpx.Response]:
    call = ingress.call(url, **given)
    trigger = await ingress.processors.next_trigger()
    await ingress.processors.decide(trigger)
    return trigger, await call


async def completed(
    ingress: Served, url: str, response: Response, **headers: str
) -> tuple[Trigger, httpx.Response]:
    call = ingress.call(url, headers=SYNC | {k.replace("_", "-"): v for k, v in headers.items()})
    trigger = await ingress.processors.next_trigger()
    await ingress.processors.complete(trigger, response)
    return trigger, await call


async def test_an_admitted_caller_gets_the_execution_id(ingress: Served) -> None:
    trigger, answer = await accepted(ingress, await ingress.url(), json={"a": 1})
    assert answer.status_code == 200
    assert answer.json() == {"executionId": shown(trigger)}
    assert answer.headers["prismatic-executionid"] == shown(trigger)
    assert answer.headers["content-type"] == "application/json"
    assert ingress.node.waiting == 0


async def test_the_request_is_recorded_as_it_was_sent(ingress: Served) -> None:
    url = await ingress.url()
    trigger, _ = await accepted(
        ingress,
        f"{url}/my/custom%20path?a=1&b=&a=%C3%BC",
        method="PUT",
        content='{"ü": 1}'.encode(),
        headers=JSON | {"x-one": "first"},
    )
    request = trigger.received.request
    assert (request.method, request.path) == ("PUT", "my/custom path")
    assert request.query == [["a", "1"], ["b", ""], ["a", "ü"]]
    assert ["x-one", "first"] in request.headers
    assert (request.body, request.encoding, request.body_bytes) == (
        '{"ü": 1}',
        BodyEncoding.TEXT,
        9,
    )
    assert request.content_type == "application/json"
    assert trigger.received.invoke_url == f"{url}/my/custom%20path"


async def test_a_request_without_a_body_is_accepted(ingress: Served) -> None:
    trigger, answer = await accepted(ingress, await ingress.url(), method="GET", headers=JSON)
    assert answer.status_code == 200
    assert trigger.received.request.body == ""


async def test_bytes_that_are_no_text_are_recorded_as_base64(ingress: Served) -> None:
    content = bytes(range(256))
    trigger, _ = await accepted(ingress, await ingress.url(), content=content)
    request = trigger.received.request
    assert request.encoding == BodyEncoding.BASE64
    assert base64.b64decode(request.body) == content


async def test_a_large_body_goes_to_the_blob_store(ingress: Served) -> None:
    content = orjson.dumps(["x" * 300_000])
    trigger, answer = await accepted(ingress, await ingress.url(), content=content, headers=JSON)
    request = trigger.received.request
    assert answer.status_code == 200
    assert (request.encoding, request.body_bytes) == (BodyEncoding.BLOB, len(content))
    assert await ingress.blobs.get(request.body) == content


@pytest.mark.parametrize("spelling", ["bare", "unpadded", "escaped"])
async def test_an_endpoint_is_known_in_every_spelling(ingress: Served, spelling: str) -> None:
    url = await ingress.url()
    base, _, shown_id = url.rpartition("/")
    bare = ids.from_global(ids.ENDPOINT, shown_id)
    spelt = {
        "bare": bare,
        "unpadded": shown_id.rstrip("="),
        "escaped": shown_id.replace("=", "%3D"),
    }
    trigger, answer = await accepted(ingress, f"{base}/{spelt[spelling]}")
    assert answer.status_code == 200
    assert trigger.received.endpoint_id == bare


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/x+JSON"])
@pytest.mark.parametrize("content", [b"{bad-data", b'["' + b"x" * 300_000])
async def test_malformed_json_is_refused_with_the_exact_sentence(
    ingress: Served, content_type: str, content: bytes
) -> None:
    headers = {"content-type": content_type}
    answer = await ingress.http.post(await ingress.url(), content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (400, MALFORMED)
    execution_id = answer.headers["prismatic-executionid"]
    assert ids.to_global(ids.EXECUTION, ids.from_global(ids.EXECUTION, execution_id))
    assert await ingress.triggers_on_the_log() == 0


async def test_what_is_not_said_to_be_json_need_not_be(ingress: Served) -> None:
    _, answer = await accepted(ingress, await ingress.url(), content=b"{bad-data")
    assert answer.status_code == 200


@pytest.mark.parametrize("endpoint", ["nonsense", ids.to_global(ids.ENDPOINT, ids.derived("x"))])
async def test_an_unknown_endpoint_is_not_found(ingress: Served, endpoint: str) -> None:
    answer = await ingress.http.post(f"/trigger/{endpoint}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "unknown_endpoint"
    assert await ingress.triggers_on_the_log() == 0


async def test_a_flow_deployed_through_another_node_is_found_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as first:
        url = await first.url()
        # As far as this node has read, nothing is deployed.
        first.definitions.catalog.__init__()  # type: ignore[misc]  # back to an empty fold
        first.definitions._next = 0
        _, answer = await accepted(first, url)
        assert answer.status_code == 200


async def test_a_body_above_the_limit_is_refused(ingress: Served) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 100_000

    url = await ingress.url()
    declared = await ingress.http.post(url, content=b"x" * 2_000_001)
    streamed = await ingress.http.post(url, content=endless())
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    assert await ingress.triggers_on_the_log() == 0


async def test_headers_too_large_for_the_log_are_refused(ingress: Served) -> None:
    headers = {"x-large": "x" * 3_600_000}
    answer = await ingress.http.post(await ingress.url(), headers=headers)
    assert answer.status_code == 431
    assert ingress.node.waiting == 0


async def test_a_secured_flow_needs_one_of_its_keys(ingress: Served) -> None:
    url = await ingress.url(apiKeys={"Main": ["first-key", "second-key"]})
    missing = await ingress.http.post(url)
    wrong = await ingress.http.post(url, headers={"Api-Key": "first-kez"})
    assert (missing.status_code, missing.json()["reason"]) == (401, "missing_api_key")
    assert (wrong.status_code, wrong.json()["reason"]) == (401, "wrong_api_key")
    trigger, answer = await accepted(ingress, url, headers={"Api-Key": "second-key"})
    assert answer.status_code == 200
    assert "second-key" not in repr(trigger.received)
    assert ["api-key", "***"] in [
        [name.lower(), value] for name, value in trigger.received.request.headers
    ]


async def test_an_unsecured_flow_needs_no_key(ingress: Served) -> None:
    _, answer = await accepted(ingress, await ingress.url(definition(flow(security="unsecured"))))
    assert answer.status_code == 200


async def test_above_the_limit_the_sentence_names_endpoint_and_limit(ingress: Served) -> None:
    url = await ingress.url(rateLimit=7)
    call = ingress.call(url)
    trigger = await ingress.processors.next_trigger()
    await ingress.processors.decide(trigger, Reason.RATE_LIMITED, 7)
    answer = await call
    endpoint = url.rpartition("/")[2]
    assert answer.status_code == 429
    assert answer.json() == {
        "error": f"Endpoint with id: {endpoint} has exceeded maximum allowed throughput of"
        " 7 requests/second. Please throttle your requests."
    }
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.INSTANCE_PAUSED, 409),
        (Reason.INSTANCE_REMOVED, 409),
        (Reason.UNKNOWN_ENDPOINT, 404),
    ],
)
@pytest.mark.parametrize("headers", [{}, SYNC])
async def test_a_refusal_tells_its_reason(
    ingress: Served, reason: Reason, status: int, headers: dict[str, str]
) -> None:
    call = ingress.call(await ingress.url(), headers=headers)
    await ingress.processors.decide(await ingress.processors.next_trigger(), reason)
    answer = await call
    assert (answer.status_code, answer.json()["reason"]) == (status, reason.value)


async def test_a_flood_is_turned_away_without_reaching_the_log(tmp_path: Path) -> None:
    async with served(tmp_path, decision_s=0.001) as ingress:
        url = await ingress.url(rateLimit=1)
        endpoint = ids.EndpointId(ids.from_global(ids.ENDPOINT, url.rpartition("/")[2]))
        await ingress.http.post(url)
        webhooks = ingress.app._webhooks
        webhooks._now = lambda: 1_000.0
        webhooks._endpoints._targets[endpoint].forwarded.clear()
        calls = [await ingress.http.post(url) for _ in range(106)]
        codes = [answer.status_code for answer in calls]
        assert codes == [202] * 104 + [429] * 2
        assert await ingress.triggers_on_the_log() == 105
        webhooks._now = lambda: 1_001.0
        assert (await ingress.http.post(url)).status_code == 202


async def test_without_a_decision_the_caller_gets_202_and_the_execution_id(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, decision_s=0.001) as ingress:
        answer = await ingress.http.post(await ingress.url())
        trigger = await ingress.processors.next_trigger()
        assert answer.status_code == 202
        assert answer.json() == {"executionId": shown(trigger)}
        await ingress.processors.decide(trigger)
        assert ingress.node.waiting == 0


async def test_a_flow_chooses_how_it_accepts(ingress: Served) -> None:
    inputs = (
        "statusCode: {type: value, value: '201'}, body: {type: value, value: received},"
        " contentType: {type: value, value: text/plain},"
        " headers: {type: complex, value: [{name: {type: value, value: X-Seen},"
        " type: value, value: 'yes'}]}"
    )
    _, answer = await accepted(ingress, await ingress.url(definition(flow(inputs=inputs))))
    assert (answer.status_code, answer.text) == (201, "received")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-seen"] == "yes"


async def test_a_status_alone_keeps_the_execution_id(ingress: Served) -> None:
    inputs = "statusCode: {type: value, value: '202'}"
    url = await ingress.url(definition(flow(inputs=inputs)))
    trigger, answer = await accepted(ingress, url)
    assert (answer.status_code, answer.json()) == (202, {"executionId": shown(trigger)})


@pytest.mark.parametrize("by_flow", [True, False])
@pytest.mark.parametrize("by_header", [None, "true", "False"])
async def test_the_header_wins_over_the_flow_about_waiting(
    ingress: Served, by_flow: bool, by_header: str | None
) -> None:
    url = await ingress.url(definition(flow(synchronous=by_flow)))
    headers = {} if by_header is None else {"prismatic-synchronous": by_header}
    call = ingress.call(url, headers=headers)
    trigger = await ingress.processors.next_trigger()
    expected = by_flow if by_header is None else by_header == "true"
    assert trigger.received.synchronous is expected
    await ingress.processors.fail(trigger, "done")
    await call


async def test_a_result_is_behind_a_redirect(ingress: Served) -> None:
    response = Response(result={"item": "Widgets"})
    trigger, answer = await completed(ingress, await ingress.url(), response)
    assert (answer.status_code, answer.content) == (303, b"")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["prismatic-executionid"] == shown(trigger)
    assert answer.headers["location"].startswith(f"{PUBLIC_URL}/results/")
    result = await ingress.http.get(answer.headers["location"])
    assert (result.status_code, result.json()) == (200, {"item": "Widgets"})


@pytest.mark.parametrize("value", [{"a": [1, None]}, "plain text", None, 5])
async def test_a_caller_may_have_the_json_directly(ingress: Served, value: Any) -> None:
    _, answer = await completed(
        ingress,
        await ingress.url(),
        Response(result=value),
        prismatic_prefer_direct_sync_json_response="true",
    )
    assert (answer.status_code, answer.json()) == (200, value)


@pytest.mark.parametrize(
    "response",
    [
        Response(result="x" * 3_500_000, headers={}),
        Response(result={"$bytes": "AAH/"}, tagged=True),
        Response(result={"data": {"$bytes": "AAH/"}, "contentType": "image/png"}, tagged=True),
    ],
    ids=["large", "bytes", "file"],
)
async def test_large_and_binary_results_are_not_sent_directly(
    tmp_path: Path, response: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingress.results.MAX_DIRECT_BYTES", 1_000_000)
    async with served(tmp_path) as ingress:
        _, answer = await completed(
            ingress,
            await ingress.url(),
            response,
            prismatic_prefer_direct_sync_json_response="true",
        )
    assert answer.status_code == 303


async def test_a_chosen_status_comes_with_its_body_and_without_redirect(ingress: Served) -> None:
    response = Response(
        status=415,
        headers={"X-Why": "type", "content-length": "1", "Date": "now"},
        result={"no": 1},
    )
    _, answer = await completed(ingress, await ingress.url(), response)
    assert (answer.status_code, answer.json()) == (415, {"no": 1})
    assert answer.headers["x-why"] == "type"
    assert "date" not in answer.headers


@pytest.mark.parametrize(
    ("response", "kind", "content"),
    [
        (Response(status=200), "application/json", b"null"),
        (Response(status=200, content_type="text/html", result="<p>"), "text/html", b"<p>"),
        (
            Response(status=200, content_type="application/json", result="a"),
            "application/json",
            b'"a"',
        ),
        (Response(status=204, result={"a": 1}), None, b""),
    ],
)
async def test_a_chosen_body_is_sent_in_its_content_type(
    ingress: Served, response: Response, kind: str | None, content: bytes
) -> None:
    _, answer = await completed(ingress, await ingress.url(), response)
    assert (answer.headers.get("content-type"), answer.content) == (kind, content)


@pytest.mark.parametrize(
    ("value", "tagged", "content_type", "content"),
    [
        (["x" * 1_000] * 300, False, "application/json", None),
        ("a,b\n" * 100_000, False, "text/csv", b"a,b\n" * 100_000),
        ({"$bytes": "AAEC" * 100_000}, True, "image/png", b"\0\1\2" * 100_000),
    ],
    ids=["json", "text", "bytes"],
)
async def test_a_result_in_a_blob_is_sent_like_any_other(
    ingress: Served, value: Any, tagged: bool, content_type: str, content: bytes | None
) -> None:
    kept = orjson.dumps(value)
    await ingress.blobs.put("results/large", kept)
    response = Response(status=200, content_type=content_type, blob="results/large", tagged=tagged)
    _, answer = await completed(ingress, await ingress.url(), response)
    expected = kept if content is None else content
    assert (answer.content, answer.headers["content-type"]) == (expected, content_type)
    assert answer.headers["content-length"] == str(len(expected))


async def test_a_failed_flow_tells_its_error(ingress: Served) -> None:
    call = ingress.call(await ingress.url(), headers=SYNC)
    trigger = await ingress.processors.next_trigger()
    await ingress.processors.fail(trigger, "The widget requested is not in the database")
    answer = await call
    assert answer.status_code == 400
    assert answer.json() == {"error": "The widget requested is not in the database"}
    assert answer.headers["prismatic-executionid"] == shown(trigger)


async def test_a_result_that_takes_too_long_names_the_execution(tmp_path: Path) -> None:
    async with served(tmp_path, result_s=0.001) as ingress:
        answer = await ingress.http.post(await ingress.url(), headers=SYNC)
        trigger = await ingress.processors.next_trigger()
        assert (answer.status_code, answer.json()["executionId"]) == (504, shown(trigger))
        assert shown(trigger) in answer.json()["error"]
        assert ingress.node.waiting == 0


async def test_replies_find_their_own_callers(ingress: Served) -> None:
    url = await ingress.url()
    calls = [ingress.call(url, headers=SYNC, json=number) for number in range(20)]
    triggers = [await ingress.processors.next_trigger() for _ in calls]
    for trigger in reversed(triggers):
        await ingress.processors.fail(trigger, trigger.received.request.body)
    answers = [(await call).json()["error"] for call in calls]
    assert answers == [str(number) for number in range(20)]


async def test_a_reply_for_another_node_is_nobodys(ingress: Served) -> None:
    call = ingress.call(await ingress.url())
    trigger = await ingress.processors.next_trigger()
    other = events.AdmissionDecided(
        reply_to="another",
        request_no=trigger.received.request_no,
        execution_id=trigger.execution_id,
        reason=Reason.INSTANCE_PAUSED,
    )
    await ingress.processors.reply(other)
    await ingress.processors.decide(trigger)
    assert (await call).status_code == 200


async def test_a_caller_who_leaves_is_forgotten(ingress: Served) -> None:
    url = httpx.URL(await ingress.url())
    left = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not left.is_set():
            left.set()
            return {"type": "http.request", "body": b""}
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"prismatic-synchronous", b"true")]
    scope = {"type": "http", "method": "POST", "path": url.path, "query_string": b""}
    await ingress.app({**scope, "headers": headers}, receive, send)
    assert sent == []
    assert ingress.node.waiting == 0
    assert await ingress.triggers_on_the_log() == 1


async def test_a_caller_who_leaves_within_the_body_leaves_nothing(ingress: Served) -> None:
    url = httpx.URL(await ingress.url())
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x" * 300_000, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": url.path, "query_string": b""}
    await ingress.app({**scope, "headers": []}, receive, send)
    assert await ingress.triggers_on_the_log() == 0


async def test_a_log_that_does_not_answer_is_a_503(ingress: Served) -> None:
    url = await ingress.url()
    await ingress.log.close()
    answer = await ingress.http.post(url)
    assert (answer.status_code, answer.json()["reason"]) == (503, "log_unavailable")
    assert ".db" not in answer.json()["error"]
    assert answer.headers["retry-after"] == "1"
    assert ingress.node.waiting == 0
