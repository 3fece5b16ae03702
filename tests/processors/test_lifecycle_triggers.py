"""Deployments and removals as triggers: each flow once for each change, and hooks' state once."""

from pathlib import Path

from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from schemas import codec, events
from schemas.events import InvokeType, Occasion
from schemas.ids import InstanceId
from schemas.topics import ADMISSIONS, DEFINITIONS, TRIGGERS
from tests.processors.at_work import processing, said_on
from tests.processors.instances import (
    INSTANCE,
    admitted,
    call,
    definition,
    deploy,
    ended,
    flow,
    of,
    tell,
)

COUNTS = "persist-data/incrementCrossFlowValue keyInput: {type: value, value: runs}"
TEXT = definition(
    flow("Set Up", "management-triggers/instanceDeploy", COUNTS),
    flow("Clean Up", "management-triggers/instanceRemove", COUNTS),
    flow(
        "Read",
        "webhook-triggers/webhook",
        "persist-data/getCrossFlowValue keyInput: {type: value, value: kept}",
    ),
)


def happened(flow: str, change: int, occasion: Occasion = Occasion.DEPLOY) -> NewRecord:
    event = events.LifecycleHappened(
        instance_id=INSTANCE,
        occasion=occasion,
        change=change,
        part="flow",
        flow=flow,
        base_url="https://hooks.test",
    )
    return NewRecord(TRIGGERS.name, INSTANCE, codec.encode([event]))


def returned(state: dict[str, object]) -> NewRecord:
    event = events.LifecycleHappened(
        instance_id=INSTANCE,
        occasion=Occasion.DEPLOY,
        change=-1,
        part="onInstanceDeploy",
        cross_flow_state=state,
    )
    return NewRecord(TRIGGERS.name, INSTANCE, codec.encode([event]))


async def opened(folder: Path) -> EventLog:
    log = await SqliteLog.open(folder / "log.db")
    await deploy(log, TEXT)
    return log


async def test_a_deploy_flow_sees_the_urls_of_all_flows_and_its_instance(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    async with processing(log, tmp_path):
        await log.append([happened("Set Up", 2)])
        said = await ended(log, 1)
    [run] = (await admitted(log)).values()
    assert (run.invoke_type, run.change) == (InvokeType.DEPLOY_FLOW, 2)
    seen = of(events.StepSucceeded, said)[0].result
    assert set(seen["webhookUrls"]) == {"Set Up", "Clean Up", "Read"}
    assert all(
        url.startswith("https://hooks.test/trigger/") for url in seen["webhookUrls"].values()
    )
    assert seen["instance"]["name"] == "Test"
    await log.close()


async def test_a_change_that_is_told_twice_starts_its_flow_once(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    async with processing(log, tmp_path):
        await log.append([happened("Set Up", 2), happened("Set Up", 2)])
        await ended(log, 1)
    async with processing(log, tmp_path):
        await log.append([happened("Set Up", 2), happened("Set Up", 1), happened("Set Up", 7)])
        said = await ended(log, 2)
    assert [e.result for e in of(events.StepSucceeded, said) if e.step == "step1"] == [1, 2]
    await log.close()


async def test_two_flows_start_with_one_deployment(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(
        log,
        definition(
            flow("A", "management-triggers/instanceDeploy", COUNTS),
            flow("B", "management-triggers/instanceDeploy", COUNTS),
        ),
    )
    async with processing(log, tmp_path):
        await log.append([happened("A", 2), happened("B", 2), happened("A", 2)])
        said = await ended(log, 2)
    assert [e.flow for e in of(events.ExecutionStarted, said)] == ["A", "B"]
    await log.close()


async def test_the_flow_of_a_removed_instance_still_runs(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await tell(log, events.InstanceRemoved(instance_id=INSTANCE))
    async with processing(log, tmp_path):
        await log.append([happened("Clean Up", 3, Occasion.REMOVE)])
        said = await ended(log, 1)
    assert of(events.ExecutionFailed, said) == []
    [run] = (await admitted(log)).values()
    assert run.invoke_type == InvokeType.TEAR_DOWN_FLOW
    await log.close()


async def test_what_hooks_return_is_there_for_all_flows_until_a_null_takes_it_away(
    tmp_path: Path,
) -> None:
    log = await opened(tmp_path)
    async with processing(log, tmp_path):
        await log.append([returned({"kept": {"id": 7}}), call("Read")])
        await ended(log, 1)
    async with processing(log, tmp_path):
        await log.append([call("Read"), returned({"kept": None}), call("Read")])
        said = await ended(log, 3)
    read = [e.result for e in of(events.StepSucceeded, said) if e.step == "step1"]
    assert read == [{"id": 7}, {"id": 7}, None]
    await log.close()


async def test_an_instance_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TEXT)
    stranger = events.LifecycleHappened(
        instance_id=InstanceId("m"),
        occasion=Occasion.DEPLOY,
        change=1,
        part="flow",
        flow="Set Up",
    )
    async with processing(log, tmp_path):
        await log.append([NewRecord(TRIGGERS.name, "m", codec.encode([stranger])), call("Read")])
        await ended(log, 1)
    [refused] = of(events.TriggerRefused, await said_on(log, ADMISSIONS))
    assert refused.reason == events.Reason.UNKNOWN_ENDPOINT
    await log.close()


async def test_a_worker_that_has_not_read_a_deployment_reads_it_before_it_runs_its_flow(
    tmp_path: Path,
) -> None:
    """Admission, in another process, has."""
    decided = await opened(tmp_path)
    async with processing(decided, tmp_path):
        await decided.append([happened("Set Up", 2)])
        await ended(decided, 1)
    [run] = (await admitted(decided)).values()
    late = await SqliteLog.open(tmp_path / "late.db")
    published, *rest = await said_on(decided, DEFINITIONS)
    await tell(late, published)
    async with processing(late, tmp_path):
        await tell(late, *rest)
        await late.append([NewRecord(ADMISSIONS.name, INSTANCE, codec.encode([run]))])
        said = await ended(late, 1)
    assert of(events.ExecutionFailed, said) == []
    await late.close()
    await decided.close()
