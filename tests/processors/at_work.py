"""The pipeline at work: an integration, requests, the embedded host, what stands on the log.

Instances of other integrations are made by tests.processors.instances.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog, NewRecord
from penstock import startup
from processors import effects, embedded_host
from schemas import catalog, codec, events, ids
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.secrets import MasterKey
from schemas.topics import (
    DEFINITIONS,
    REPLIES,
    TRIGGERS,
    Topic,
)

MASTER_KEY = MasterKey("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
ENDPOINT = EndpointId(ids.derived("endpoint", "test"))
CODE_TIMEOUT_S = 30.0
"""Far more than any code of tests takes that ends: its processes are slow to start when all is."""

FLOW = """
definitionVersion: 7
name: Orders
endpointType: flow_specific
configPages: []
requiredConfigVars: []
flows:
  - name: Order
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
        inputs: {}
      - name: Make Receipt
        action: {key: createObject, component: {key: collection-tools}}
        inputs:
          keyValueInput:
            type: complex
            value:
              - {name: sku, type: reference, value: trigger.results.body.data.sku}
      - name: Each
        action: {key: loopNTimes, component: {key: loop, version: LATEST, isPublic: true}}
        inputs: {iterationCount: {type: value, value: "3"}}
        steps:
          - name: Count
            action: {key: incrementCrossFlowValue, component: {key: persist-data}}
            inputs:
              keyInput: {type: value, value: orders}
              amountInput: {type: value, value: "1"}
"""


async def deploy(log: EventLog, text: str = FLOW, rate_limit: int = 50) -> None:
    """An instance of the integration in `text`, whose first flow is at ENDPOINT."""
    said: list[events.Event] = [
        events.IntegrationPublished(
            integration_id=IntegrationId("i"), name="Orders", version=1, definition=text
        ),
        events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="acme"),
        events.InstanceDeployed(
            instance_id=InstanceId("n"),
            name="Orders",
            integration_id=IntegrationId("i"),
            version=1,
            customer_id=CustomerId("c"),
            endpoints={"Order": ENDPOINT},
            sealed=MASTER_KEY.seal({"config": {}, "api_keys": {}}),
            rate_limit=rate_limit,
        ),
    ]
    await log.append(
        [NewRecord(DEFINITIONS.name, catalog.topic_key(e), codec.encode([e])) for e in said]
    )


def request(
    number: int,
    body: str = '{"sku": "A"}',
    *,
    synchronous: bool = True,
    endpoint_id: EndpointId = ENDPOINT,
    reply_to: str = "node",
) -> NewRecord:
    """A webhook request from the caller `number` of the node `reply_to`."""
    event = events.WebhookReceived(
        endpoint_id=endpoint_id,
        request=events.Request(
            method="POST",
            path="",
            headers=[["Content-Type", "application/json"]],
            query=[],
            body=body,
            encoding=events.BodyEncoding.TEXT,
            body_bytes=len(body),
            content_type="application/json",
        ),
        synchronous=synchronous,
        reply_to=reply_to,
        request_no=number,
        invoke_url="http://localhost/trigger/x",
    )
    return NewRecord(TRIGGERS.name, endpoint_id, codec.encode([event]))


@asynccontextmanager
async def processing(
    log: EventLog, folder: Path, *, code_timeout_s: float = CODE_TIMEOUT_S, **limits: int
) -> AsyncIterator[None]:
    """The embedded host at work on `log`."""
    definitions = Definitions(log)
    ready = asyncio.Event()
    async with effects.world(
        code_timeout_s=code_timeout_s,
        allow_private=True,
        python_program=startup.PYTHON_PROGRAM,
        **limits,
    ) as world:
        host = asyncio.ensure_future(
            embedded_host.run(
                log,
                blobs=Blobs.open(str(folder / "blobs")),
                definitions=definitions,
                master_key=MASTER_KEY,
                world=world,
                ready=ready.set,
            )
        )
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({host, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if host.done():
            await host
        try:
            yield
        finally:
            host.cancel()
            with pytest.raises(asyncio.CancelledError):
                await host


async def said_on(log: EventLog, topic: Topic) -> list[events.Event]:
    """Every event on a topic."""
    found: list[events.Event] = []
    for partition in range(log.partitions(topic)):
        for record in await log.read(topic, partition, 0, max_records=100_000):
            found.extend(codec.decode(record.value).events)
    return found


async def replies(log: EventLog, count: int) -> list[events.Event]:
    """The first `count` replies."""
    found: list[events.Event] = []
    offset = 0
    while len(found) < count:
        for record in await log.read(REPLIES, 0, offset, wait_s=10):
            found.extend(codec.decode(record.value).events)
            offset = record.offset + 1
    return found
