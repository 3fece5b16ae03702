"""The catalog: what exists after these events."""

from typing import Any

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


def shared(customer: str, version: int = 1, **given: Any) -> events.InstanceDeployed:
    """An instance of the customer behind the shared endpoint `e`."""
    name = given.get("name", "n")
    fields: dict[str, Any] = {
        "instance_id": InstanceId(f"{customer}/{name}"),
        "name": name,
        "integration_id": IntegrationId("i"),
        "version": version,
        "customer_id": CustomerId(customer),
        "endpoints": {"Flow": EndpointId("e"), "Other": EndpointId("e")},
        "sealed": "",
        "endpoint_type": "shared_instance",
    }
    return events.InstanceDeployed(**fields | given)


def ruling(*said: events.Event) -> InstanceId | None:
    catalog = Catalog()
    catalog.apply(said)
    endpoint = catalog.endpoint(EndpointId("e"))
    return endpoint.instance.deployed.instance_id if endpoint else None


def test_the_highest_version_deployed_rules_a_shared_endpoint() -> None:
    one, two, three = shared("a"), shared("b", 2), shared("c", 3)
    removed = events.InstanceRemoved(instance_id=three.instance_id)
    assert ruling(one, three, two) == three.instance_id
    assert ruling(one, three, two, removed) == two.instance_id
    assert ruling(removed, one, three, two) == three.instance_id


def test_a_paused_instance_still_rules() -> None:
    two = shared("b", 2)
    assert ruling(two, shared("a"), events.InstancePaused(instance_id=two.instance_id)) == "b/n"


def test_of_several_instances_on_the_highest_version_the_highest_limit_rules() -> None:
    assert ruling(shared("a", 2), shared("b", 2, rate_limit=60), shared("c", 1)) == "b/n"


def test_an_instance_that_gets_endpoints_of_its_own_leaves_the_shared_one() -> None:
    own = shared("a", 2, endpoints={"Flow": EndpointId("own")}, endpoint_type="flow_specific")
    assert ruling(shared("a"), shared("b"), own) == "b/n"
    assert ruling(shared("a"), own) is None


def test_a_customer_may_have_several_instances_behind_a_shared_endpoint() -> None:
    catalog = Catalog()
    catalog.apply([shared("a", 1, name="x"), shared("a", 2, name="z"), shared("a", 2, name="y")])
    found = catalog.sharing(EndpointId("e"), CustomerId("a"))
    assert [one.deployed.name for one in found] == ["y", "z", "x"]
    assert catalog.sharing(EndpointId("e"), CustomerId("b")) == []


def test_the_endpoint_of_an_instance_leads_to_no_flow_by_itself() -> None:
    catalog = Catalog()
    catalog.apply([shared("a", endpoint_type="instance_specific")])
    endpoint = catalog.endpoint(EndpointId("e"))
    assert endpoint is not None
    assert (endpoint.instance.deployed.instance_id, endpoint.flow) == ("a/n", "")


def test_a_customer_is_found_by_its_external_id() -> None:
    catalog = Catalog()
    acme = events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="Acme")
    catalog.apply([acme])
    assert catalog.customer("acme") is acme
    assert catalog.customer("c") is None


def test_what_a_deployment_entails_is_remembered_until_it_is_done() -> None:
    catalog = Catalog()
    entails = events.InstanceDeployed(
        instance_id=InstanceId("n"),
        name="n",
        integration_id=IntegrationId("i"),
        version=1,
        customer_id=CustomerId("c"),
        endpoints={},
        sealed="",
        entails_more=True,
    )
    catalog.apply([entails], 4)
    catalog.apply([events.LifecycleFollowed(instance_id=InstanceId("n"), change=3)], 5)
    assert catalog.unfollowed == {"n": 4}
    catalog.apply([events.LifecycleFollowed(instance_id=InstanceId("n"), change=4)], 6)
    assert catalog.unfollowed == {}
    catalog.apply([entails], 7)
    catalog.apply([DEPLOYED], 8)
    assert catalog.unfollowed == {}
