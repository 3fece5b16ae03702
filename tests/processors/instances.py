"""Instances for tests of the pipeline: one deployed from the text of a file, and what it did."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from eventlog.log import EventLog, NewRecord
from schemas import catalog, codec, events, ids
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.integration_file import read
from schemas.topics import ADMISSIONS, DEFINITIONS, EXECUTIONS
from tests.processors.at_work import MASTER_KEY, request, said_on

INSTANCE = InstanceId("n")
INTEGRATION = IntegrationId("i")

ORDER = """
definitionVersion: 7
name: Orders
flows:
  - name: Order
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
"""
"""An integration with one flow, for steps to be added to."""

PATIENCE_S = 90.0
"""Less than pytest's own limit, which ends the whole run."""

E = TypeVar("E")


def endpoint_of(flow: str) -> EndpointId:
    return EndpointId(ids.derived("endpoint", INSTANCE, flow))


def definition(*flows: str) -> str:
    listed = "".join(flows)
    return f"definitionVersion: 7\nname: Test\nrequiredConfigVars: []\nflows:{listed}"


def flow(name: str, trigger: str, *steps: str, extra: str = "") -> str:
    """A flow in YAML. `trigger` and `steps` are `component/action`, with inputs behind a blank."""
    lines = [f"\n  - name: {name}", *([f"    {extra}"] if extra else []), "    steps:"]
    for index, step in enumerate((trigger, *steps)):
        named, _, inputs = step.partition(" ")
        component, _, action = named.partition("/")
        lines += [
            f"      - name: Step {index}",
            f"        action: {{key: {action}, component: {{key: {component}}}}}",
            f"        inputs: {{{inputs}}}",
        ]
        if index == 0:
            lines.append("        isTrigger: true")
    return "\n".join(lines)


async def deploy(
    log: EventLog,
    text: str,
    *,
    version: int = 1,
    api_keys: Mapping[str, Sequence[str]] | None = None,
) -> events.InstanceDeployed:
    """An instance of the integration in `text`, with an endpoint for each flow."""
    reading = read(text)
    assert reading.definition is not None, reading.problems
    deployed = events.InstanceDeployed(
        instance_id=INSTANCE,
        name="Test",
        integration_id=INTEGRATION,
        version=version,
        customer_id=CustomerId("c"),
        endpoints={flow.name: endpoint_of(flow.name) for flow in reading.definition.flows},
        sealed=MASTER_KEY.seal({"config": {}, "api_keys": dict(api_keys or {})}),
    )
    await tell(
        log,
        events.IntegrationPublished(
            integration_id=INTEGRATION, name="Test", version=version, definition=text
        ),
        events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="acme"),
        deployed,
    )
    return deployed


async def tell(log: EventLog, *said: events.Event) -> None:
    """Events of `definitions`."""
    await log.append(
        [NewRecord(DEFINITIONS.name, catalog.topic_key(e), codec.encode([e])) for e in said]
    )


def call(flow: str, body: str = "{}", *, number: int = 1, reply_to: str = "") -> NewRecord:
    """A webhook request to a flow."""
    endpoint_id = endpoint_of(flow)
    return request(number, body, synchronous=False, endpoint_id=endpoint_id, reply_to=reply_to)


async def until(log: EventLog, done: Callable[[list[events.Event]], bool]) -> list[events.Event]:
    """The events of `executions` as soon as `done` says so of them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said, read_up_to = await _all_said(log)
            if done(said):
                return said
            await _grown(log, read_up_to)


async def _all_said(log: EventLog) -> tuple[list[events.Event], list[int]]:
    """Every event of `executions`, and for each partition the offset that is read next."""
    said: list[events.Event] = []
    nexts: list[int] = []
    for partition in range(log.partitions(EXECUTIONS)):
        records = await log.read(EXECUTIONS, partition, 0, max_records=100_000)
        nexts.append(records[-1].offset + 1 if records else 0)
        said += [event for record in records for event in codec.decode(record.value).events]
    return said, nexts


async def _grown(log: EventLog, read_up_to: Sequence[int]) -> None:
    """Return once one of the partitions has more, or after a moment."""
    reads = [
        asyncio.ensure_future(log.read(EXECUTIONS, partition, offset, wait_s=0.5))
        for partition, offset in enumerate(read_up_to)
    ]
    await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
    for reading in reads:
        reading.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


async def ended(log: EventLog, count: int) -> list[events.Event]:
    """The events of `executions` once so many executions have come to their end."""
    ends = events.ExecutionCompleted | events.ExecutionFailed
    return await until(log, lambda said: len([e for e in said if isinstance(e, ends)]) >= count)


async def admitted(log: EventLog) -> dict[ExecutionId, events.ExecutionAdmitted]:
    found = of(events.ExecutionAdmitted, await said_on(log, ADMISSIONS))
    return {event.execution_id: event for event in found}


def of(kind: type[E], said: Iterable[object]) -> list[E]:
    return [event for event in said if isinstance(event, kind)]
