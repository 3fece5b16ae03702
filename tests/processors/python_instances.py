"""Python integrations for tests of the pipeline: an instance deployed from the text of a file."""

from collections.abc import Mapping
from typing import Any

from eventlog.log import EventLog
from penstock import python_files
from schemas import events
from schemas.ids import CustomerId
from tests.processors.at_work import MASTER_KEY
from tests.processors.instances import INSTANCE, INTEGRATION, endpoint_of, tell


async def deploy(
    log: EventLog, text: str, *, version: int = 1, config: Mapping[str, Any] | None = None
) -> None:
    """An instance of the Python file `text`, with an endpoint for each flow."""
    reading = await python_files.read(text)
    assert reading.definition is not None, reading.problems
    await tell(
        log,
        events.IntegrationPublished(
            integration_id=INTEGRATION,
            name="Test",
            version=version,
            definition=text,
            language="python",
            manifest=reading.manifest,
        ),
        events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="acme"),
        events.InstanceDeployed(
            instance_id=INSTANCE,
            name="Test",
            integration_id=INTEGRATION,
            version=version,
            customer_id=CustomerId("c"),
            endpoints={flow.name: endpoint_of(flow.name) for flow in reading.definition.flows},
            rate_limit=100_000,
            sealed=MASTER_KEY.seal({"config": dict(config or {}), "api_keys": {}}),
        ),
    )
