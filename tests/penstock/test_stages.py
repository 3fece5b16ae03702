"""Stages: they begin together, end in order, and none outlives another's failure."""

import asyncio
from pathlib import Path

import httpx
import pytest

from penstock import stages, startup
from penstock.stages import Ready, Stage, StageFailed
from schemas.errors import Bug, Unusable
from tests.ingress.serving import SYNC, served


class Told:
    """Stages that write down what becomes of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def going_on(self, name: str) -> Stage:
        async def go_on(ready: Ready) -> None:
            ready()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.lines.append(f"{name} ended")

        return Stage(name, go_on)

    def failing(self, name: str, error: Exception) -> Stage:
        async def fail(ready: Ready) -> None:
            ready()
            raise error

        return Stage(name, fail)


async def test_a_stage_that_fails_ends_the_others_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    both = [told.going_on("ingress"), told.failing("worker", Bug("the state is not ours"))]
    with pytest.raises(StageFailed, match="worker has ended: Bug: the state is not ours"):
        await stages.run(both, lambda: None)
    assert told.lines == ["ingress ended"]
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(logged) == 1
    assert "worker has ended: Bug: the state is not ours" in logged[0]
    assert "\n" not in logged[0]


async def test_what_cannot_be_used_comes_out_as_it_is() -> None:
    with pytest.raises(Unusable, match="no such thing"):
        await stages.run([Told().failing("worker", Unusable("no such thing"))], lambda: None)


async def test_stages_end_in_their_order() -> None:
    told = Told()
    announced = asyncio.Event()
    both = [told.going_on("ingress"), told.going_on("worker"), told.going_on("projector")]
    main = asyncio.create_task(stages.run(both, announced.set))
    await announced.wait()
    main.cancel()
    with pytest.raises(asyncio.CancelledError):
        await main
    assert told.lines == ["ingress ended", "worker ended", "projector ended"]


async def test_nothing_is_announced_before_every_stage_is_ready() -> None:
    told = Told()
    announced, go = asyncio.Event(), asyncio.Event()

    async def late(ready: Ready) -> None:
        await go.wait()
        ready()
        await asyncio.Event().wait()

    both = [told.going_on("ingress"), Stage("worker", late)]
    main = asyncio.create_task(stages.run(both, announced.set))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not announced.is_set()
    go.set()
    await announced.wait()
    main.cancel()
    with pytest.raises(asyncio.CancelledError):
        await main


async def test_who_still_waits_when_the_server_ends_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FINISH_S", stages.ANSWER_S)
    answering = asyncio.Event()
    with startup.listening("127.0.0.1", 0) as listener:
        async with served(tmp_path) as ingress, httpx.AsyncClient() as http:
            serving = asyncio.create_task(stages._serve(ingress.app, listener, answering.set))
            await answering.wait()
            path = httpx.URL(await ingress.url()).path
            url = f"{startup.address_of('127.0.0.1', listener)}{path}"
            call = asyncio.create_task(http.post(url, headers=SYNC, timeout=30))
            await ingress.processors.next_trigger()
            serving.cancel()
            answer = await call
            with pytest.raises(asyncio.CancelledError):
                await serving
    assert (answer.status_code, answer.json()["reason"]) == (504, "timeout")
    assert "before this server ended" in answer.json()["error"]
