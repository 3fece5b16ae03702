"""The catalog: what exists after these events."""

import pytest

from schemas import events
from schemas.catalog import Catalog, Status, topic_key
from schemas.errors import Bug
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId

DEPLOYED = events.InstanceDeployed(
    instance_id=InstanceId("n"),
    name="n",
    integration_id=IntegrationId("i"),
    version=1,
    customer_id=CustomerId("c"),
    endpoints={"Flow": EndpointId("e")},
    sealed="",
)
PAUSED = events.InstancePaused(instance_id=InstanceId("n"))
RESUMED = events.InstanceResumed(instance_id=InstanceId("n"))
REMOVED = events.InstanceRemoved(instance_id=InstanceId("n"))


def status_after(*said: events.Event) -> Status:
    catalog = Catalog()
    catalog.apply(said)
    endpoint = catalog.endpoint(EndpointId("e"))
    assert endpoint is not None
    return endpoint.instance.status


def test_an_instance_is_active_until_it_is_paused_and_again_when_resumed() -> None:
    assert status_after(DEPLOYED) is Status.ACTIVE
    assert status_after(DEPLOYED, PAUSED) is Status.PAUSED
    assert status_after(DEPLOYED, PAUSED, RESUMED) is Status.ACTIVE


def test_a_paused_instance_stays_paused_when_it_is_deployed_again() -> None:
    assert status_after(DEPLOYED, PAUSED, DEPLOYED) is Status.PAUSED


def test_compaction_that_removed_the_first_deployment_changes_nothing() -> None:
    assert status_after(PAUSED, DEPLOYED) is Status.PAUSED
    assert status_after(REMOVED, DEPLOYED) is Status.ACTIVE


def test_a_removed_instance_is_still_known_by_its_endpoint() -> None:
    assert status_after(DEPLOYED, REMOVED) is Status.REMOVED


def test_of_two_publications_of_one_version_the_first_stands() -> None:
    first, second = (
        events.IntegrationPublished(
            integration_id=IntegrationId("i"), name="I", version=1, definition=text
        )
        for text in ("first", "second")
    )
    catalog = Catalog()
    catalog.apply([first, second])
    assert catalog.versions[(IntegrationId("i"), 1)] is first


def test_an_endpoint_that_a_new_version_no_longer_has_leads_nowhere() -> None:
    catalog = Catalog()
    catalog.apply([DEPLOYED])
    catalog.apply(
        [
            events.InstanceDeployed(
                instance_id=InstanceId("n"),
                name="n",
                integration_id=IntegrationId("i"),
                version=2,
                customer_id=CustomerId("c"),
                endpoints={},
                sealed="",
            )
        ]
    )
    assert catalog.endpoint(EndpointId("e")) is None


def test_an_event_of_another_topic_has_no_key_on_definitions() -> None:
    with pytest.raises(Bug, match="ExecutionFailed"):
        topic_key(events.ExecutionFailed(execution_id=ExecutionId("x"), error=""))
