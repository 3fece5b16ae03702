"""Requests that come again with their idempotency key, with the processors at work."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingress import repeats
from processors import admission_host, key_keeper
from schemas import codec, events, ids
from schemas.ids import ExecutionId
from schemas.instants import SECOND
from schemas.topics import ADMISSIONS, EXECUTIONS
from tests.ingress.serving import SYNC, Served, definition, flow, processing, served
from tests.ingress.test_preprocess import TARGET, TYPES, text_of, until_ended

DIRECT = SYNC | {"prismatic-prefer-direct-sync-json-response": "true"}
MADE = f"definitionVersion: 7\nname: Orders\nflows:{TARGET % ('Main', 'false', 'Main', 1)}"


@pytest.fixture
async def ingress(tmp_path: Path) -> AsyncIterator[Served]:
    """An ingress that finds the end of an execution on the log itself."""

    async def find_end(execution_id: ExecutionId) -> repeats.Place | None:
        return await end_on(running, execution_id)

    async with served(tmp_path, find_end=find_end) as running:
        yield running


async def end_on(ingress: Served, execution_id: ExecutionId) -> repeats.Place | None:
    for record in await ingress.log.read(EXECUTIONS, 0, 0, max_records=10_000):
        for event in codec.decode(record.value).events:
            ends = isinstance(event, events.ExecutionCompleted | events.ExecutionFailed)
            if ends and getattr(event, "execution_id", None) == execution_id:
                return repeats.Place(record.partition, record.offset)
    return None


async def post(ingress: Served, url: str, key: str, content: Any = None, **headers: str) -> Any:
    given = headers | {"idempotency-key": key}
    return await ingress.http.post(url, json=content or {"a": 1}, headers=given)


async def ran(ingress: Served) -> int:
    records = await ingress.log.read(ADMISSIONS, 0, 0, max_records=10_000)
    said = [event for record in records for event in codec.decode(record.value).events]
    return sum(isinstance(event, events.ExecutionAdmitted) for event in said)


async def test_a_repeat_is_answered_with_the_first_execution(ingress: Served) -> None:
    url = await ingress.url()
    async with processing(ingress):
        first = await post(ingress, url, "a")
        again = await post(ingress, url, '"a"')
        other = await post(ingress, url, "b")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() != other.json()
    assert again.headers["prismatic-executionid"] == first.json()["executionId"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await ran(ingress) == 2


@pytest.mark.parametrize("said_again_after", [20_000, 1])
async def test_it_holds_over_a_restart_of_the_processors(
    ingress: Served, said_again_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_keeper, "SAID_AGAIN_AFTER", said_again_after)
    # The stretch that is read for the limit is not to bring keys along by chance.
    monkeypatch.setattr(admission_host, "CLOCKS_APART", -SECOND)
    url = await ingress.url()
    async with processing(ingress):
        first = await post(ingress, url, "a")
    async with processing(ingress):
        again = await post(ingress, url, "a")
        await post(ingress, url, "b")
    async with processing(ingress):
        assert (await post(ingress, url, "a")).json() == first.json()
    assert again.json() == first.json()
    assert await ran(ingress) == 2
    records = await ingress.log.read(ADMISSIONS, 0, 0)
    said = [event for record in records for event in codec.decode(record.value).events]
    said_again = any(isinstance(event, events.KeysRemembered) for event in said)
    assert said_again is (said_again_after == 1)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_the_same_key_with_another_request_is_422(ingress: Served, size: int) -> None:
    url = await ingress.url()
    async with processing(ingress):
        await post(ingress, url, "a", ["x" * size])
        same = await post(ingress, url, "a", ["x" * size])
        answers = [
            await post(ingress, url, "a", ["y" * size]),
            await post(ingress, f"{url}/other", "a", ["x" * size]),
            await post(ingress, f"{url}?other=1", "a", ["x" * size]),
        ]
    assert same.status_code == 200
    for answer in answers:
        assert (answer.status_code, answer.json()["reason"]) == (422, "idempotency_key_reused")
    assert await ran(ingress) == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
async def test_a_key_that_is_empty_or_too_long_is_400(ingress: Served, key: str) -> None:
    answer = await post(ingress, await ingress.url(), key)
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_idempotency_key")
    assert await ingress.triggers_on_the_log() == 0


async def test_who_waits_gets_the_result_of_the_first(ingress: Served) -> None:
    url = await ingress.url(MADE)
    async with processing(ingress):
        first = await post(ingress, url, "a", **DIRECT)
        again = await post(ingress, url, "a", **DIRECT)
        redirected = await post(ingress, url, "a", **SYNC)
        result = await ingress.http.get(redirected.headers["location"])
    assert first.json() == again.json() == result.json()
    assert first.json()["flow"] == "Main"
    assert (again.headers["idempotent-replayed"], redirected.status_code) == ("true", 303)
    assert await ran(ingress) == 1


async def test_who_waits_gets_the_error_of_the_first(ingress: Served) -> None:
    url = await ingress.url(MADE.replace("collection-tools", "not-there"))
    async with processing(ingress):
        first = await post(ingress, url, "a", **SYNC)
        again = await post(ingress, url, "a", **SYNC)
    assert first.status_code == again.status_code == 400
    assert first.json() == again.json()


async def test_who_waits_gets_the_result_also_where_the_views_are_a_moment_behind(
    tmp_path: Path,
) -> None:
    asked: list[ExecutionId] = []

    async def find_end(execution_id: ExecutionId) -> repeats.Place | None:
        asked.append(execution_id)
        return None if len(asked) == 1 else await end_on(running, execution_id)

    async with served(tmp_path, find_end=find_end) as running:
        url = await running.url(MADE)
        async with processing(running):
            first = await post(running, url, "a", **DIRECT)
            again = await post(running, url, "a", **DIRECT)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_who_waits_where_nobody_waited_first_gets_its_id(ingress: Served) -> None:
    url = await ingress.url(MADE)
    async with processing(ingress):
        first = await post(ingress, url, "a")
        while (await post(ingress, url, "a", **SYNC)).status_code == 409:
            pass
        again = await post(ingress, url, "a", **SYNC)
    assert again.status_code == 200
    assert again.json() == {"executionId": first.headers["prismatic-executionid"]}


async def test_who_waits_for_one_that_still_runs_is_told_to_come_again(tmp_path: Path) -> None:
    async with served(tmp_path) as ingress:
        url = await ingress.url(MADE)
        async with processing(ingress):
            first = await post(ingress, url, "a")
            answer = await post(ingress, url, "a", **SYNC)
    assert (answer.status_code, answer.json()["reason"]) == (409, "still_running")
    assert answer.json()["executionId"] == first.headers["prismatic-executionid"]
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("endpoint_type", TYPES)
async def test_a_repeat_runs_no_preprocess_flow_again(ingress: Served, endpoint_type: str) -> None:
    url = await ingress.url(text_of(endpoint_type), customer="acme")
    content = {"to": "First", "who": "acme"}
    async with processing(ingress):
        first = await post(ingress, url, "a", content)
        again = await post(ingress, url, "a", content)
        await until_ended(ingress)
    assert again.status_code == 200
    assert again.json() == {"executionId": first.headers["prismatic-executionid"]}
    assert await ran(ingress) == {"instance_specific": 1, "shared_instance": 2}[endpoint_type]


async def test_a_large_body_is_searched_for_the_key_of_its_flow(ingress: Served) -> None:
    field = "    idempotencyKeyField: {type: reference, value: trigger.results.body.data.id}\n"
    url = await ingress.url(definition(flow() + field))
    headers = {"content-type": "application/json"}
    contents = [orjson.dumps({"pad": letter * 400_000, "id": 7}) for letter in "xy"]
    async with processing(ingress):
        told = [await ingress.http.post(url, content=c, headers=headers) for c in contents]
    assert told[0].json() == told[1].json()
    assert ids.from_global(ids.EXECUTION, told[0].json()["executionId"])
    assert await ran(ingress) == 1
