"""An execution that goes on as another instance's: once, wherever a worker dies meanwhile."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from eventlog.kafka import KafkaLog
from eventlog.log import NewRecord, Record
from eventlog.opening import open_log
from processors import dispatches, execution, faust_host, idempotency
from schemas import codec, events
from schemas.ids import InstanceId, execution_of
from schemas.instants import Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, EXECUTIONS, TRIGGERS, Topic
from tests.ingress.serving import SYNC, Served, processing, served
from tests.ingress.test_preprocess import post, text_of, until_ended
from tests.schemas.wire_samples import SAMPLES

ENDS = (events.ExecutionCompleted, events.ExecutionFailed)


def requested() -> events.DispatchRequested:
    sample = next(sample for name, sample in SAMPLES if name == "dispatch.requested")
    [event] = codec.decode(sample).events
    assert isinstance(event, events.DispatchRequested)
    return event


def test_what_is_dispatched_twice_is_admitted_once() -> None:
    keys = idempotency.State()
    event = requested()
    received_at = event.admission.received_at
    said = dispatches.decide(event, received_at, keys=keys, partition=2, offset=5)
    admitted, told = said
    assert isinstance(admitted, events.ExecutionAdmitted)
    assert isinstance(told, events.AdmissionDecided)
    assert admitted == replace(
        event.admission,
        trigger_partition=2,
        trigger_offset=5,
        preprocess=None,
        continues=True,
        idempotency_key=idempotency.of_dispatch(event.admission.execution_id),
        fingerprint="",
    )
    for outcome in said:
        idempotency.evolve(keys, outcome)
    later = Instant(received_at + 5)
    assert dispatches.decide(event, later, keys=keys, partition=2, offset=6) == []


def test_the_keys_of_dispatches_are_kept_apart_from_those_of_callers() -> None:
    keys = idempotency.State()
    event = requested()
    [admitted, _] = dispatches.decide(
        event, event.admission.received_at, keys=keys, partition=0, offset=0
    )
    idempotency.evolve(keys, admitted)
    assert list(keys.held) == [idempotency.DISPATCHES]


def test_what_has_begun_on_the_same_partition_is_not_ended_by_the_handover() -> None:
    execution_id = requested().admission.execution_id
    starts: list[events.Event] = [
        events.ExecutionStarted(
            execution_id=execution_id,
            instance_id=InstanceId("n"),
            flow="f",
            admission_partition=0,
            admission_offset=offset,
            trigger_offset=offset,
            preprocess=offset == 0,
            continues=offset == 1,
        )
        for offset in (0, 1)
    ]
    handed_over: events.Event = events.ExecutionHandedOver(execution_id=execution_id)
    state = execution.State()
    for offset, event in enumerate([starts[0], starts[1], handed_over]):
        execution.evolve(state, offset, event)
    assert state.open[execution_id].continues
    before = execution.State()
    for offset, event in enumerate([starts[0], handed_over]):
        execution.evolve(before, offset, event)
    assert not before.open


async def records(ingress: Served, topic: Topic) -> list[Record]:
    return await ingress.log.read(topic, 0, 0, max_records=10_000)


def says(record: Record, kind: type[events.Event]) -> bool:
    return any(isinstance(event, kind) for event in codec.decode(record.value).events)


@asynccontextmanager
async def left_behind(file: Path, kept: dict[Topic, Sequence[Record]]) -> AsyncIterator[Served]:
    """A log that holds these records: what a worker had come to when it died."""
    log = await open_log(f"sqlite:///{file}")
    for topic, some in kept.items():
        await log.append([NewRecord(topic.name, r.key, r.value, r.partition) for r in some])
    async with served(file.parent, log=log) as ingress:
        yield ingress


async def test_a_worker_may_die_at_any_point_of_the_handover(tmp_path: Path) -> None:
    async with served(tmp_path) as ingress:
        url = await ingress.url(text_of("shared_instance"), customer="acme")
        async with processing(ingress):
            await post(ingress, url, "Second", **SYNC)
            await until_ended(ingress)
        topics = (DEFINITIONS, TRIGGERS, ADMISSIONS, EXECUTIONS)
        whole = {topic: await records(ingress, topic) for topic in topics}
    # The request, then the dispatch; two admissions; the journal, record by record.
    assert [len(whole[topic]) for topic in (TRIGGERS, ADMISSIONS)] == [2, 2]
    journal = whole[EXECUTIONS]
    first = execution_of(0, 0)
    dispatched = next(n for n, r in enumerate(journal) if says(r, events.FlowDispatched))
    end = next(n for n, record in enumerate(journal) if says(record, ENDS[0]))
    cuts = [(1, 1, n) for n in range(1, dispatched + 2)]
    cuts += [(2, 1, dispatched + 1)]
    cuts += [(2, 2, n) for n in range(dispatched + 1, end + 1)]
    for number, (triggers, admissions, executions) in enumerate(cuts):
        kept: dict[Topic, Sequence[Record]] = {
            DEFINITIONS: whole[DEFINITIONS],
            TRIGGERS: whole[TRIGGERS][:triggers],
            ADMISSIONS: whole[ADMISSIONS][:admissions],
            EXECUTIONS: journal[:executions],
        }
        async with left_behind(tmp_path / f"{number}.db", kept) as again, processing(again):
            # Whatever was said twice has had its effect by the time that a later request ends.
            await post(again, url, "Second", **SYNC)
            said = await until_ended(again, 2)
            said = [event for event in said if getattr(event, "execution_id", "") == first]
            starts = [event for event in said if isinstance(event, events.ExecutionStarted)]
            assert [event.continues for event in starts] == [False, True]
            steps = [event.step for event in said if isinstance(event, events.StepSucceeded)]
            assert steps == ["preprocess/trigger", "preprocess/made", "trigger", "made"]
            assert sum(isinstance(event, ENDS) for event in said) == 1


CUSTOMERS = [f"customer-{n}" for n in range(8)]


@pytest.mark.kafka
async def test_on_kafka_two_partitions_and_two_nodes_are_one_endpoint(
    tmp_path: Path, kafka_bootstrap: str, topic_prefix: str
) -> None:
    kafka = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
    async with served(tmp_path, log=kafka) as ingress:
        for customer in CUSTOMERS:
            url = await ingress.url(text_of("shared_instance"), customer=customer)
        async with processing(ingress, faust_host.run):
            for customer in CUSTOMERS:
                waited = await post(ingress, url, "Second", customer, **SYNC)
                assert waited.json() == {"flow": "Second", "customer": customer, "own": "2"}
                at_once = await post(ingress, url, "First", customer)
                assert (at_once.status_code, at_once.text) == (200, "from First")
            unknown = await post(ingress, url, "First", "initech")
            again = await KafkaLog.open(kafka_bootstrap, prefix=topic_prefix)
            async with served(tmp_path, log=again) as other:
                keyed = [
                    await post(node, url, "First", CUSTOMERS[0], **{"idempotency-key": "a"})
                    for node in (ingress, other, ingress)
                ]
        partitions: dict[str, set[int]] = {}
        ended: list[str] = []
        for partition in range(kafka.partitions(EXECUTIONS)):
            for record in await kafka.read(EXECUTIONS, partition, 0, max_records=10_000):
                for event in codec.decode(record.value).events:
                    if isinstance(event, events.ExecutionStarted):
                        partitions.setdefault(event.execution_id, set()).add(partition)
                    if isinstance(event, ENDS):
                        ended.append(event.execution_id)
    first, *repeats = [answer.headers["prismatic-executionid"] for answer in keyed]
    assert {answer.status_code for answer in keyed} == {200}
    assert set(repeats) == {first}
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "unknown_customer")
    assert len(ended) == len(set(ended))
    assert max(len(found) for found in partitions.values()) == 2
