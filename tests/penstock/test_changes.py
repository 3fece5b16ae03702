"""Deployments and removals over HTTP, with hooks of triggers and the flows that they start."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from ingress.app import application
from ingress.changes import Changes
from ingress.waiting import Node
from penstock import python_files, startup
from processors import effects, finding, hooks, registry
from processors.actions import (
    Action,
    Context,
    Input,
    Outcome,
    StepError,
    Support,
    TriggerTraits,
    World,
)
from schemas import codec, events
from schemas.ids import InstanceId
from schemas.topics import DEFINITIONS, TRIGGERS
from tests.ingress.serving import ADMIN, TOKEN
from tests.processors.at_work import MASTER_KEY, processing, said_on
from tests.processors.instances import admitted, definition, ended, flow, of

BASE = "https://hooks.test"
SECRET = "secret-of-tests"


@dataclass(slots=True)
class Hooked:
    """A trigger whose hooks note their calls, keep state, and fail where they are told to."""

    calls: list[str] = field(default_factory=list)
    seen: list[Mapping[str, Any]] = field(default_factory=list)
    fail: str = ""
    hang: str = ""
    returns: Any = None

    def hook(self, phase: str) -> Any:
        async def called(
            inputs: Mapping[str, Any], context: Context, _world: World
        ) -> Mapping[str, Any] | None:
            name = f"{phase} {inputs['name']}"
            self.calls.append(name)
            self.seen.append(dict(context.state(events.Scope.CROSS_FLOW)))
            if self.fail == name:
                raise StepError(f"the other side says no to {SECRET}")
            if self.hang == name:
                await asyncio.Event().wait()
            if self.returns is not None:
                return dict(self.returns)
            return {"crossFlowState": {name: context.payload["webhookUrls"]}}

        return called

    def action(self) -> Action:
        return Action(
            component="tests",
            key="hooked",
            label="Hooked",
            perform=lambda _inputs, context: Outcome(result=dict(context.payload)),
            is_trigger=True,
            inputs=(Input(key="name", label="Name"),),
            trigger=TriggerTraits(
                on_deploy=self.hook("deploy"),
                on_delete=self.hook("delete"),
                webhook_create=self.hook("create"),
                webhook_delete=self.hook("unhook"),
                resolves=Support.VALID,
            ),
        )


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> Hooked:
    hooked = Hooked()
    known = {**registry.ACTIONS, ("tests", "hooked"): hooked.action()}
    monkeypatch.setattr(registry, "ACTIONS", MappingProxyType(known))
    return hooked


@dataclass(slots=True)
class Served:
    log: EventLog
    http: httpx.AsyncClient

    async def deploy(self, text: str, status: int = 200, **wish: Any) -> dict[str, Any]:
        body = {"definition": text, **wish}
        answer = await self.http.post("/api/v1/deployments", json=body, headers=ADMIN)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def remove(self, deployed: dict[str, Any]) -> dict[str, Any]:
        url = f"/api/v1/instances/{deployed['instanceId']}"
        answer = await self.http.delete(url, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@asynccontextmanager
async def node(log: EventLog, folder: Path, timeout_s: float = 30) -> AsyncIterator[Served]:
    """Ingress on `log`, without processors."""
    definitions = Definitions(log)
    world_of_tests = effects.world(
        code_timeout_s=30, allow_private=True, python_program=startup.PYTHON_PROGRAM
    )
    async with world_of_tests as world:
        app = application(
            log=log,
            blobs=Blobs.open(str(folder / "blobs")),
            definitions=definitions,
            node=Node(log),
            master_key=MASTER_KEY,
            token=TOKEN,
            public_url=BASE,
            max_body_bytes=1_000_000,
            result_ttl_s=60,
            known=registry.known(),
            answering=registry.answering(),
            read_python=python_files.read,
            hooks=hooks.Hooks(
                log,
                find_in=finding.Finder().find_in,
                master_key=MASTER_KEY,
                world=world,
                timeout_s=timeout_s,
            ),
        )
        transport = httpx.ASGITransport(app)
        async with app, httpx.AsyncClient(transport=transport, base_url=BASE) as http:
            yield Served(log, http)


def hooked_flow(name: str) -> str:
    return flow(name, f"tests/hooked name: {{type: value, value: {name}}}")


SET_UP = flow(
    "Set Up",
    "management-triggers/instanceDeploy",
    "persist-data/listCrossFlowKeys ",
)
CLEAN_UP = flow("Clean Up", "management-triggers/instanceRemove")
TEXT = definition(hooked_flow("One"), SET_UP, hooked_flow("Two"), CLEAN_UP)


async def test_a_deployment_runs_hooks_then_flows_then_creates_webhooks(
    tmp_path: Path, hooked: Hooked
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with processing(log, tmp_path), node(log, tmp_path) as served:
        deployed = await served.deploy(TEXT)
        said = await ended(log, 1)
        assert deployed["warnings"] == []
        assert hooked.calls == ["deploy One", "deploy Two", "create One", "create Two"]
        assert set(hooked.seen[-1]) == {"deploy One", "deploy Two", "create One"}
        kinds = [
            (type(event).__name__, getattr(event, "part", ""))
            for event in await said_on(log, TRIGGERS)
        ]
        assert kinds == [
            ("LifecycleHappened", "onInstanceDeploy"),
            ("LifecycleHappened", "flow"),
            ("LifecycleHappened", "webhookLifecycleHandlers.create"),
        ]
        [keys] = [e.result for e in of(events.StepSucceeded, said) if e.step == "step1"]
        assert keys[:2] == ["deploy One", "deploy Two"]
        hooked.calls.clear()
        removed = await served.remove(deployed)
        await ended(log, 2)
        assert removed["status"] == "removed"
        assert hooked.calls == ["delete One", "delete Two", "unhook One", "unhook Two"]
        await served.deploy(TEXT)
        await ended(log, 3)
    assert [run.flow for run in (await admitted(log)).values()] == ["Set Up", "Clean Up", "Set Up"]
    await log.close()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"fail": "deploy Two"}, "the other side says no"),
        ({"hang": "deploy Two"}, "did not end within 0.05 s"),
        ({"returns": {"instanceState": {"a": 1}}}, "returned instanceState; only crossFlowState"),
        ({"returns": {"crossFlowState": [1]}}, "crossFlowState is list, not an object"),
        ({"returns": {"crossFlowState": {"a": object()}}}, "crossFlowState at 'a' holds"),
    ],
)
async def test_a_failing_deploy_hook_fails_the_deployment_and_leaves_the_instance_as_it_was(
    tmp_path: Path, hooked: Hooked, broken: dict[str, Any], reason: str
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path, timeout_s=0.05) as served:
        await served.deploy(TEXT)
        before = await said_on(log, DEFINITIONS), await said_on(log, TRIGGERS)
        for name, value in broken.items():
            setattr(hooked, name, value)
        told = await served.deploy(TEXT + "\n# changed\n", status=422)
        assert told["reason"] == "deploy_hook_failed"
        assert told["error"].startswith("onInstanceDeploy of flow '")
        assert reason in told["error"]
        assert told["error"].endswith("The instance is as it was.")
        assert (await said_on(log, DEFINITIONS), await said_on(log, TRIGGERS)) == before
        hooked.fail = hooked.hang = ""
        hooked.returns = None
        await served.deploy(TEXT)
    await log.close()


async def test_what_a_hook_says_of_a_secret_is_hidden(tmp_path: Path, hooked: Hooked) -> None:
    hooked.fail = "deploy One"
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        told = await served.deploy(TEXT, status=422, apiKeys={"One": [SECRET]})
    assert SECRET not in told["error"]
    await log.close()


async def test_hooks_that_fail_on_removal_warn_and_the_instance_is_removed(
    tmp_path: Path, hooked: Hooked
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        deployed = await served.deploy(TEXT)
        hooked.fail = "delete One"
        removed = await served.remove(deployed)
        assert removed["status"] == "removed"
        [warning] = removed["warnings"]
        assert "onInstanceDelete of flow 'One'" in warning
        assert hooked.calls[-2:] == ["unhook One", "unhook Two"]
    await log.close()


async def test_pausing_and_resuming_fire_nothing(tmp_path: Path, hooked: Hooked) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        deployed = await served.deploy(TEXT)
        hooked.calls.clear()
        told = len(await said_on(log, TRIGGERS))
        for verb in ("pause", "resume"):
            url = f"/api/v1/instances/{deployed['instanceId']}/{verb}"
            assert (await served.http.post(url, headers=ADMIN)).status_code == 200
        assert hooked.calls == []
        assert len(await said_on(log, TRIGGERS)) == told
    await log.close()


async def test_a_process_that_starts_follows_a_deployment_that_another_one_left_undone(
    tmp_path: Path, hooked: Hooked
) -> None:
    """As if it had ended right after InstanceDeployed, and again right before LifecycleFollowed."""
    whole = await SqliteLog.open(tmp_path / "whole.db")
    async with node(whole, tmp_path) as served:
        await served.deploy(TEXT)
    said = await said_on(whole, DEFINITIONS)
    told = await said_on(whole, TRIGGERS)
    log = await SqliteLog.open(tmp_path / "log.db")
    kept = [event for event in said if not isinstance(event, events.LifecycleFollowed)]
    await log.append([NewRecord(DEFINITIONS.name, "", codec.encode([event])) for event in kept])
    await log.append([NewRecord(TRIGGERS.name, "", codec.encode([event])) for event in told[:2]])
    async with processing(log, tmp_path):
        hooked.calls.clear()
        async with node(log, tmp_path):
            while not of(events.LifecycleFollowed, await said_on(log, DEFINITIONS)):
                high = (await log.marks(DEFINITIONS, 0)).high
                await log.read(DEFINITIONS, 0, high, wait_s=1)
        assert hooked.calls == ["create One", "create Two"]
        async with node(log, tmp_path) as served:
            await served.deploy(TEXT)
        executed = await ended(log, 2)
    assert len(of(events.LifecycleFollowed, await said_on(log, DEFINITIONS))) == 2
    assert [e.flow for e in of(events.ExecutionStarted, executed)] == ["Set Up", "Set Up"]
    await log.close()
    await whole.close()


async def test_a_flow_that_sets_what_its_trigger_does_not_take_is_not_deployed(
    tmp_path: Path, hooked: Hooked
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    text = TEXT + "\n        branches: [{name: A, steps: []}]\n"
    async with node(log, tmp_path) as served:
        told = await served.deploy(text, status=400)
    assert told["reason"] == "trigger_misused"
    assert "flow 'Clean Up'" in told["error"]
    assert "no branch 'A'" in told["error"]
    assert hooked.calls == []
    assert await said_on(log, DEFINITIONS) == []
    await log.close()


async def test_a_first_deployment_fetches_all_once_where_the_flow_wants_it(
    tmp_path: Path, hooked: Hooked
) -> None:
    resolver = "triggerResolver: {enabled: true, batchSize: 2, runInitialSyncOnDeploy: true}"
    text = definition(flow("Items", "tests/hooked", extra=resolver))
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        for deployment in (text, text + "\n# again\n"):
            deployed = await served.deploy(deployment)
        await served.remove(deployed)
        await served.deploy(text)
    told = of(events.LifecycleHappened, await said_on(log, TRIGGERS))
    assert [event.flow for event in told if event.flow] == ["Items", "Items"]
    await log.close()


async def test_a_change_that_its_process_has_left_is_followed_by_one_that_goes_on(
    tmp_path: Path, hooked: Hooked
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    async with node(log, tmp_path) as served:
        await served.deploy(TEXT)
        [_, *said] = reversed(await said_on(log, DEFINITIONS))
        left = await SqliteLog.open(tmp_path / "left.db")
        definitions = Definitions(left)
        async with effects.world(code_timeout_s=30, allow_private=True) as world:
            known = hooks.Hooks(
                left, find_in=finding.Finder().find_in, master_key=MASTER_KEY, world=world
            )
            changes = Changes(left, definitions, known, every_s=0.01, left_after_s=0.02)
            tasks = [asyncio.create_task(some) for some in (definitions.run(), changes.run())]
            for event in reversed(said):
                await left.append([NewRecord(DEFINITIONS.name, "", codec.encode([event]))])
            while not of(events.LifecycleFollowed, await said_on(left, DEFINITIONS)):
                high = (await left.marks(DEFINITIONS, 0)).high
                await left.read(DEFINITIONS, 0, high, wait_s=1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        started = [e.flow for e in of(events.LifecycleHappened, await said_on(left, TRIGGERS))]
        assert started[0] == "Set Up"
        await left.close()
    await log.close()


async def test_changes_of_one_instance_wait_for_one_another_and_others_do_not(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    changes = Changes(log, Definitions(log), None)
    inside: list[str] = []
    two, go_on = asyncio.Event(), asyncio.Event()

    async def change(name: str) -> None:
        async with changes.alone(InstanceId(name)):
            inside.append(name)
            if len(inside) == 2:
                two.set()
            await go_on.wait()
            assert inside.count(name) == 1
            inside.remove(name)

    tasks = [asyncio.create_task(change(name)) for name in ("a", "b", "a", "a")]
    await two.wait()
    assert sorted(inside) == ["a", "b"]
    go_on.set()
    await asyncio.gather(*tasks)
    await log.close()
