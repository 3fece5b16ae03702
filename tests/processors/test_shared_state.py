"""Shared state: what instances of an integration share, in one process and in several."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.kafka import KafkaLog
from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from processors import effects, execution, shared_state
from processors.components import persist_data
from processors.execution_host import ExecutionHost
from processors.shared_state_host import ClaimLost
from schemas import catalog, codec, events
from schemas.events import Scope
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.instants import Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, EXECUTIONS, partition_of
from tests.processors import facts, instances
from tests.processors.at_work import MASTER_KEY, said_on
from tests.processors.instances import ORDER

INTEGRATION = IntegrationId("i")
FLOW = (
    ORDER
    + """
      - name: Count
        action: {key: incrementIntegrationValue, component: {key: persist-data}}
        inputs: {keyInput: {type: value, value: orders}}
      - name: Keep
        action: {key: saveIntegrationValue, component: {key: persist-data}}
        inputs:
          dynamicValues:
            type: complex
            value:
              - name: {type: reference, value: trigger.results.executionId}
                type: reference
                value: count.results
"""
)
CODE = (
    ORDER
    + """
      - name: Count
        action: {key: runCode, component: {key: code}}
        inputs:
          code:
            type: value
            value: |
              module.exports = async ({ integrationState, executionId }) => ({
                data: Object.keys(integrationState).length + 1,
                integrationState: { [executionId]: 1 },
              });
"""
)


def instance_in(partition: int) -> InstanceId:
    """The id of an instance whose executions belong to this partition."""
    names = (InstanceId(f"n{number}") for number in range(1_000))
    return next(name for name in names if partition_of(name, 4) == partition)


INSTANCES = [instance_in(partition) for partition in range(4)]


async def deploy(log: EventLog, text: str = FLOW) -> None:
    said: list[events.Event] = [
        events.IntegrationPublished(
            integration_id=INTEGRATION, name="Orders", version=1, definition=text
        ),
        events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="acme"),
    ]
    said += [
        events.InstanceDeployed(
            instance_id=instance,
            name=instance,
            integration_id=INTEGRATION,
            version=1,
            customer_id=CustomerId("c"),
            endpoints={"Order": EndpointId(f"e-{instance}")},
            sealed=MASTER_KEY.seal({}),
        )
        for instance in INSTANCES
    ]
    await log.append(
        [NewRecord(DEFINITIONS.name, catalog.topic_key(e), codec.encode([e]), 0) for e in said]
    )


def admitted(number: int, instance: InstanceId) -> NewRecord:
    event = facts.admitted(
        ExecutionId(f"{instance}-{number}"),
        trigger_offset=number,
        endpoint_id=EndpointId(f"e-{instance}"),
        instance_id=instance,
        flow="Order",
    )
    return NewRecord(ADMISSIONS.name, instance, codec.encode([event]))


@asynccontextmanager
async def worker(log: EventLog, folder: Path, *partitions: int) -> AsyncIterator[ExecutionHost]:
    """A process that has been given these partitions of execution, and follows them."""
    definitions = Definitions(log)
    await definitions.read_to_end()
    async with effects.world(code_timeout_s=30, allow_private=True) as world:
        host = ExecutionHost(
            log,
            blobs=Blobs.open(str(folder / "blobs")),
            definitions=definitions,
            master_key=MASTER_KEY,
            world=world,
            owner="test",
        )
        for partition in partitions:
            await host.assign(partition)
        following = [asyncio.ensure_future(follow(log, host, number)) for number in partitions]
        try:
            yield host
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            for partition in partitions:
                host.revoke(partition)


async def follow(log: EventLog, host: ExecutionHost, partition: int) -> None:
    offset = 0
    try:
        while True:
            records = await log.read(ADMISSIONS, partition, offset, wait_s=10)
            if records:
                await host.on_batch(partition, records)
                offset = records[-1].offset + 1
    except Exception as error:
        if not host.failed.done():
            host.failed.set_exception(error)
        raise


async def ended(log: EventLog, count: int, *hosts: ExecutionHost) -> list[events.Event]:
    """Everything on the journal once so many executions have ended; raises what ends a host."""
    kinds = (events.ExecutionCompleted, events.ExecutionFailed)

    def done(said: list[events.Event]) -> bool:
        for host in hosts:
            if host.failed.done():
                host.failed.result()
        return sum(isinstance(event, kinds) for event in said) >= count

    return await instances.until(log, done)


def counts(said: list[events.Event]) -> list[int]:
    """What the steps that count were given, in order of the numbers."""
    kinds = events.StepSucceeded
    return sorted(e.result for e in said if isinstance(e, kinds) and e.step == "count")


def kept(said: list[events.Event]) -> set[str]:
    """The keys under which values stand, written each once."""
    changed = [e.key for e in said if isinstance(e, events.StateChanged) and e.key != "orders"]
    assert max(Counter(changed).values()) == 1
    return set(changed)


@pytest.mark.parametrize("split", [[(0, 1, 2, 3)], [(0, 1), (2, 3)], [(0,), (1,), (2, 3)]])
async def test_every_instance_counts_and_writes_wherever_it_runs(
    tmp_path: Path, split: list[tuple[int, ...]]
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", partitions=4)
    await deploy(log)
    workers = [worker(log, tmp_path, *partitions) for partitions in split]
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(each) for each in workers]
        await log.append([admitted(number, one) for number in range(5) for one in INSTANCES])
        said = await ended(log, 20, *hosts)
    assert counts(said) == list(range(1, 21))
    assert len(kept(said)) == 20
    await log.close()


async def test_code_sees_and_changes_shared_values(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", partitions=4)
    await deploy(log, CODE)
    async with worker(log, tmp_path, 0, 1) as one, worker(log, tmp_path, 2, 3) as other:
        for number, instance in enumerate(INSTANCES):
            await log.append([admitted(number, instance)])
            said = await ended(log, number + 1, one, other)
    assert counts(said) == [1, 2, 3, 4]
    await log.close()


@pytest.mark.kafka
async def test_two_workers_on_kafka_share_values(
    tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    first = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    second = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    await deploy(first)
    async with worker(first, tmp_path, 0, 1) as one, worker(second, tmp_path, 2, 3) as other:
        await first.append([admitted(number, each) for number in range(5) for each in INSTANCES])
        said = await ended(first, 20, one, other)
    assert counts(said) == list(range(1, 21))
    assert len(kept(said)) == 20
    await first.close()
    await second.close()


async def test_shared_values_are_there_after_a_restart(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", partitions=4)
    await deploy(log)
    for number in range(2):
        async with worker(log, tmp_path, 0, 1, 2, 3) as host:
            await log.append([admitted(number, INSTANCES[number])])
            said = await ended(log, number + 1, host)
    assert counts(said) == [1, 2]
    await log.close()


async def test_who_has_lost_the_partition_answers_nobody(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", partitions=4)
    await deploy(log)
    async with worker(log, tmp_path, 0, 1, 2, 3) as host:
        owner = partition_of(INTEGRATION, 4)
        claim = codec.encode([events.PartitionClaimed(owner="another")])
        await log.append([NewRecord(EXECUTIONS.name, "", claim, owner)])
        await log.append([admitted(0, INSTANCES[0])])
        with pytest.raises(ClaimLost, match=f"executions/{owner} was claimed again"):
            await host.failed
    said = await said_on(log, EXECUTIONS)
    assert not any(isinstance(event, events.ExecutionCompleted) for event in said)
    await log.close()


def asked(action: str, request_id: str = "r", **inputs: object) -> events.StateRequested:
    return shared_state.requested(
        request_id=request_id,
        integration_id=INTEGRATION,
        execution_id="e",
        action=action,
        inputs=inputs,
        now=Instant(0),
        asked_by=0,
    )


def carried_out(state: execution.State, request: events.StateRequested) -> events.StateAnswered:
    """What the owner says to a request, folded as its journal would be."""
    said = shared_state.decide(state, request, persist_data.perform_shared)
    if not said:
        return shared_state.repeated(state, request)
    answer = said[-1]
    assert isinstance(answer, events.StateAnswered)
    for offset, event in enumerate([*said[:-1], shared_state.remembered(answer)]):
        execution.evolve(state, offset, event)
    return answer


def test_a_request_that_comes_again_changes_nothing_and_is_answered_alike() -> None:
    state = execution.State()
    request = asked("incrementIntegrationValue", keyInput="n")
    first = carried_out(state, request)
    carried_out(state, asked("incrementIntegrationValue", "other", keyInput="n"))
    assert carried_out(state, request) == first
    assert (first.result, execution.read_values(state, Scope.INTEGRATION, "i")) == (1, {"n": 2})


def test_of_a_long_result_a_repeat_gives_the_value_as_it_is_now() -> None:
    state = execution.State()
    request = asked("saveIntegrationValue", keyInput="k", valueInput="x" * 100_000)
    first = carried_out(state, request)
    assert state.answered["r"].event.is_long
    assert carried_out(state, request) == first


def test_answers_are_remembered_up_to_a_count() -> None:
    state = execution.State()
    for number in range(execution.MAX_ANSWERED + 1):
        carried_out(state, asked("incrementIntegrationValue", str(number), keyInput="n"))
    assert len(state.answered) == execution.MAX_ANSWERED
    assert "0" not in state.answered


def test_what_cannot_be_done_is_answered_with_the_reason() -> None:
    state = execution.State()
    carried_out(state, asked("saveIntegrationValue", keyInput="k", valueInput="word"))
    for action, more, problem in [
        ("incrementIntegrationValue", {"keyInput": "k"}, "'k' does not hold a number"),
        ("saveIntegrationValue", {"keyInput": "b", "valueInput": "x" * 2_000_000}, "are allowed"),
        ("appendIntegrationValueToList", {"keyInput": "k"}, "does not hold a list"),
    ]:
        answer = carried_out(state, asked(action, action, **more))
        assert problem in answer.error
    assert execution.read_values(state, Scope.INTEGRATION, "i") == {"k": "word"}
