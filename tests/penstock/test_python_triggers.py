"""Triggers of Python authors: hooks, batches and pages, in processes of their own."""

from pathlib import Path

from eventlog.sqlite import SqliteLog
from schemas import events
from schemas.topics import TRIGGERS
from tests.penstock.test_changes import node
from tests.processors.at_work import processing, said_on
from tests.processors.instances import ended, of

FILE = """
from penstock.sdk import Input, Integration, TriggerResult, flow, starts, trigger

def register(context, payload, params):
    if params.name == "broken":
        raise RuntimeError("the other side is away")
    return {"registered": {"as": params.name, "urls": sorted(payload.webhook_urls)}}

def unregister(context, payload, params):
    known = context.instance_state["registered"]
    return {"registered": None, "gone": known["as"]}

@trigger(
    inputs={"name": Input(label="Name", default="one", example="one")},
    batches=True,
    create_webhook=register,
    on_deploy=lambda context, payload, params: {"deployed": params.name},
    on_remove=unregister,
)
def pages(context, payload, params):
    page = payload.get("paginationState") or 1
    items = [{"n": 10 * page + i} for i in range(3)]
    following = page + 1 if page < 2 else None
    return TriggerResult(payload=payload, items=items, next_page=following)

@flow(trigger=starts(pages, batch_size=2, batches_at_once=2, name=NAME))
async def take(context, trigger):
    return [item["n"] for item in trigger.body.data]

integration = Integration(name="Pages", flows=[take], triggers=[pages])
"""


def file(name: str = "one") -> str:
    return FILE.replace("NAME", repr(name))


async def test_hooks_keep_state_and_items_of_all_pages_run_in_batches(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with processing(log, tmp_path), node(log, tmp_path) as served:
        deployed = await served.deploy(file(), language="python")
        assert deployed["warnings"] == []
        kept = [
            e.cross_flow_state for e in of(events.LifecycleHappened, await said_on(log, TRIGGERS))
        ]
        assert kept == [{"deployed": "one"}, {"registered": {"as": "one", "urls": ["take"]}}]
        await served.http.post(deployed["flows"][0]["webhookUrl"], json={})
        said = await ended(log, 5)
        assert of(events.ExecutionFailed, said) == []
        bodies = [e.request.body for e in of(events.FlowInvoked, said)]
        assert bodies == [
            '[{"n":10},{"n":11}]',
            '[{"n":12}]',
            '[{"n":20},{"n":21}]',
            '[{"n":22}]',
        ]
        removed = await served.remove(deployed)
        assert removed["warnings"] == []
    [*_, gone] = of(events.LifecycleHappened, await said_on(log, TRIGGERS))
    assert gone.cross_flow_state == {"registered": None, "gone": "one"}
    await log.close()


async def test_a_webhook_that_cannot_be_created_warns_with_its_reason(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        deployed = await served.deploy(file("broken"), language="python")
    [warning] = deployed["warnings"]
    assert "webhookLifecycleHandlers.create of flow 'take' failed" in warning
    assert "the other side is away" in warning
    await log.close()
