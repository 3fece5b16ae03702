"""The `/api/v1` routes, mounted as an application mounts them."""

from collections.abc import AsyncIterator
from pathlib import Path

import fastapi
import httpx
import pytest
from fastapi.responses import JSONResponse

from eventlog.sqlite import SqliteLog
from projections import api
from projections.store import Views
from schemas import ids
from schemas.errors import Refused
from tests.projections import story


async def answer(_request: fastapi.Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, Refused)
    return JSONResponse({"error": str(refused), "reason": refused.reason}, refused.status)


def token_needed(authorization: str = fastapi.Header("")) -> None:
    if authorization != "Bearer t":
        raise Refused("a token is needed", status=401, reason="unauthorized")


@pytest.fixture
async def client(views: Views, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    log = await SqliteLog.open(tmp_path / "log.db")
    app = fastapi.FastAPI()
    app.add_exception_handler(Refused, answer)
    app.include_router(
        api.router(
            views,
            log,
            clock=lambda: story.START,
            dependencies=[fastapi.Depends(token_needed)],
        )
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test/api/v1",
        headers={"Authorization": "Bearer t"},
    ) as opened:
        yield opened
    await log.close()


@pytest.fixture
def told(views: Views) -> Views:
    story.tell(
        views,
        story.record("definitions", 0, *story.deployments()),
        story.record("admissions", 0, *[story.admitted(n) for n in range(3)], story.refused(3)),
        story.record("executions", 0, story.started(0), story.succeeded(0, "saveIt", result=[1])),
    )
    return views


async def test_executions_are_paged(told: Views, client: httpx.AsyncClient) -> None:
    first = (await client.get("/executions", params={"limit": 2})).json()
    rest = (await client.get("/executions", params={"limit": 2, "after": first["next"]})).json()
    shown = [ids.from_global(ids.EXECUTION, row["id"]) for row in first["executions"]]
    assert shown == [story.execution_id(2), story.execution_id(1)]
    assert (len(rest["executions"]), rest["next"]) == (1, None)


async def test_executions_are_filtered(told: Views, client: httpx.AsyncClient) -> None:
    wanted = {"status": "running", "since": "2023-11-14T22:13:20Z", "flow": "Receive"}
    found = (await client.get("/executions", params=wanted)).json()["executions"]
    assert [row["status"] for row in found] == ["running"]


async def test_an_execution_is_shown(told: Views, client: httpx.AsyncClient) -> None:
    shown = (await client.get(f"/executions/{story.execution_id(0)}")).json()
    assert (shown["status"], shown["steps"][0]["result"]) == ("running", [1])
    assert shown["trigger"]["headers"]["X-Two"] == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/instances", "instances"),
        ("/integrations", "integrations"),
        ("/refusals", "refusals"),
        (f"/executions/{story.execution_id(0)}/logs", "logs"),
        ("/projections", "projections"),
        ("/counts", "executions"),
    ],
)
async def test_every_list_answers(
    told: Views, client: httpx.AsyncClient, path: str, key: str
) -> None:
    answered = await client.get(path)
    assert answered.status_code == 200
    assert key in answered.json()


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/executions/nonsense", 404, "unknown_id"),
        (f"/executions/{story.execution_id(9)}", 404, "unknown_execution"),
        ("/executions?limit=x", 400, "bad_parameter"),
        ("/executions?limit=0", 400, "bad_parameter"),
        ("/executions?status=odd", 400, "bad_parameter"),
        ("/executions?status=refused", 400, "bad_parameter"),
        ("/executions?since=yesterday", 400, "bad_parameter"),
        ("/executions?after=x", 400, "bad_cursor"),
    ],
)
async def test_what_is_wrong_is_said(
    told: Views, client: httpx.AsyncClient, path: str, status: int, reason: str
) -> None:
    answered = await client.get(path)
    assert (answered.status_code, answered.json()["reason"]) == (status, reason)
    assert set(answered.json()) == {"error", "reason"}


async def test_a_rebuild_empties_the_views(told: Views, client: httpx.AsyncClient) -> None:
    answered = await client.post("/rebuild")
    assert answered.status_code == 202
    assert (await client.get("/executions")).json() == {"executions": [], "next": None}


async def test_a_stranger_is_turned_away(client: httpx.AsyncClient) -> None:
    answered = await client.post("/rebuild", headers={"Authorization": ""})
    assert answered.status_code == 401


async def test_the_routes_are_described(client: httpx.AsyncClient) -> None:
    described = (await client.get("http://test/openapi.json")).json()
    assert "/api/v1/executions/{execution_id}" in described["paths"]
    assert "loopPath" in described["components"]["schemas"]["Step"]["properties"]
