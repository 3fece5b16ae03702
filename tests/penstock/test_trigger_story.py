"""A deployment, its deploy flow, a flow that it starts, a challenge and a removal: on both logs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.kafka import KafkaLog
from eventlog.log import EventLog
from eventlog.sqlite import SqliteLog
from processors import effects, faust_host
from schemas import events
from schemas.topics import ADMISSIONS, DEFINITIONS
from tests.penstock.test_changes import Hooked, Served, hooked, hooked_flow, node
from tests.processors.at_work import MASTER_KEY, processing, said_on
from tests.processors.instances import definition, ended, flow, of

__all__ = ["hooked"]

CHALLENGE = (
    "module.exports = async (context, payload) => ({ payload, response: "
    "{ statusCode: 200, contentType: 'text/plain', body: payload.body.data.challenge } });"
)
TEXT = definition(
    hooked_flow("One"),
    flow(
        "Set Up",
        "management-triggers/instanceDeploy",
        "cross-flow/invokeFlow flowName: {type: value, value: Second},"
        " data: {type: reference, value: step0.results.webhookUrls}",
    ),
    flow(
        "Second",
        "cross-flow/crossFlow",
        "persist-data/incrementCrossFlowValue keyInput: {type: value, value: runs}",
    ),
    flow("Clean Up", "management-triggers/instanceRemove"),
    flow("Hook", f'code/runCodeTrigger code: {{type: value, value: "{CHALLENGE}"}}'),
)


async def tell(log: EventLog, served: Served, hooked: Hooked) -> None:
    """The story; what runs it is the caller's choice."""
    deployed = await served.deploy(TEXT)
    said = await ended(log, 2)
    assert of(events.ExecutionFailed, said) == []
    assert hooked.calls == ["deploy One", "create One"]
    urls = {one["name"]: one["webhookUrl"] for one in deployed["flows"]}
    [invoked] = of(events.FlowInvoked, said)
    assert all(url in invoked.request.body for url in urls.values())
    answer = await served.http.post(urls["Hook"], json={"challenge": "c7"})
    assert (answer.status_code, answer.text) == (200, "c7")
    await ended(log, 3)
    await served.remove(deployed)
    said = await ended(log, 4)
    flows = [event.flow for event in of(events.ExecutionStarted, said)]
    assert flows == ["Set Up", "Second", "Hook", "Clean Up"]
    assert hooked.calls[2:] == ["delete One", "unhook One"]
    counted = [e.value for e in of(events.StateChanged, said) if e.key == "runs"]
    assert counted == [1]
    admitted = of(events.ExecutionAdmitted, await said_on(log, ADMISSIONS))
    types = [event.invoke_type for event in admitted]
    assert types == ["DEPLOY_FLOW", "CROSS_FLOW", "WEBHOOK", "TEAR_DOWN_FLOW"]
    assert len(of(events.LifecycleFollowed, await said_on(log, DEFINITIONS))) == 2


async def test_the_story_on_the_embedded_log(tmp_path: Path, hooked: Hooked) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with processing(log, tmp_path), node(log, tmp_path) as served:
        await tell(log, served, hooked)
    await log.close()


@pytest.mark.kafka
async def test_the_story_on_kafka(
    tmp_path: Path, hooked: Hooked, kafka_bootstrap: str, topic_prefix: str
) -> None:
    log = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    running = worker(log, tmp_path)
    async with running, node(log, tmp_path) as served:
        await tell(log, served, hooked)
    await log.close()


@asynccontextmanager
async def worker(log: KafkaLog, folder: Path) -> AsyncIterator[None]:
    async with effects.world(code_timeout_s=30, allow_private=True) as world:
        host = asyncio.ensure_future(
            faust_host.run(
                log,
                blobs=Blobs.open(str(folder / "blobs")),
                definitions=Definitions(log),
                master_key=MASTER_KEY,
                world=world,
            )
        )
        try:
            yield
        finally:
            host.cancel()
            with pytest.raises(asyncio.CancelledError):
                await host


async def test_the_example_registers_itself_proves_its_address_and_cleans_up(
    tmp_path: Path,
) -> None:
    text = (Path(__file__).parents[2] / "examples" / "registration.yml").read_text()
    log = await SqliteLog.open(tmp_path / "log.db")
    async with processing(log, tmp_path), node(log, tmp_path) as served:
        deployed = await served.deploy(text)
        await ended(log, 2)
        urls = {one["name"]: one["webhookUrl"] for one in deployed["flows"]}
        proved = await served.http.post(urls["Receive"], json={"challenge": "c7"})
        event = await served.http.post(urls["Receive"], json={"kind": "order"})
        await ended(log, 4)
        await served.remove(deployed)
        said = await ended(log, 5)
    assert (proved.status_code, proved.text) == (200, "c7")
    assert list(event.json()) == ["executionId"]
    assert of(events.ExecutionFailed, said) == []
    changes = [
        (e.key, None if e.removed else e.value)
        for e in of(events.StateChanged, said)
        if e.scope == events.Scope.CROSS_FLOW
    ]
    assert changes == [("registered", urls["Receive"]), ("events", 1), ("registered", None)]
    await log.close()
