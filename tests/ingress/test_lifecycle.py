"""Lifecycle: what is said for what is asked, given what has been said before."""

from typing import Any

import pytest

from ingress import lifecycle
from ingress.lifecycle import Wish
from schemas import events
from schemas.catalog import Catalog, Mark, Status, topic_key
from schemas.errors import Refused
from schemas.ids import InstanceId
from schemas.instants import Instant
from schemas.secrets import hash_of
from tests.ingress.serving import KEY, definition, flow

CONFIG = """requiredConfigVars:
  - {key: Region, dataType: string, defaultValue: eu}
  - {key: Zone, dataType: string}
  - {key: Sizes, dataType: number, collectionType: valuelist}
  - key: Account
    dataType: connection
    connection: {component: {key: http, isPublic: true}, key: basic}
"""
PLAIN = definition()
CONFIGURED = definition(extra=CONFIG)


def deployed(
    catalog: Catalog, text: str = PLAIN, **wish: Any
) -> tuple[lifecycle.Deployed, dict[str, Any]]:
    """Deploy into `catalog`; also what was sealed."""
    read = lifecycle.read_definition(text)
    done = lifecycle.deploy(catalog, text, read, Wish(**wish), KEY.seal, KEY.unseal)
    catalog.apply(done.said)
    return done, KEY.unseal(done.instance.sealed)


def kinds(said: tuple[events.Event, ...]) -> list[type]:
    return [type(event) for event in said]


def test_a_first_deployment_publishes_registers_and_deploys() -> None:
    done, _ = deployed(Catalog(), customer="acme")
    assert kinds(done.said) == [
        events.IntegrationPublished,
        events.CustomerRegistered,
        events.InstanceDeployed,
    ]
    assert (done.instance.name, done.instance.version, done.instance.rate_limit) == (
        "Orders",
        1,
        50,
    )


def test_the_same_names_are_the_same_instance_with_the_same_urls() -> None:
    catalog = Catalog()
    first, _ = deployed(catalog)
    again, _ = deployed(catalog, definition(extra="description: new"))
    assert again.instance.instance_id == first.instance.instance_id
    assert again.instance.endpoints == first.instance.endpoints
    assert again.instance.version == 2
    assert kinds(again.said) == [events.IntegrationPublished, events.InstanceDeployed]


@pytest.mark.parametrize("wish", [{"customer": "other"}, {"instance": "other"}])
def test_another_customer_or_name_is_another_instance(wish: dict[str, str]) -> None:
    catalog = Catalog()
    first, _ = deployed(catalog)
    other, _ = deployed(catalog, **wish)
    assert other.instance.instance_id != first.instance.instance_id
    assert not set(other.instance.endpoints.values()) & set(first.instance.endpoints.values())


def test_the_same_text_is_the_same_version() -> None:
    catalog = Catalog()
    deployed(catalog)
    again, _ = deployed(catalog)
    assert again.instance.version == 1
    assert kinds(again.said) == [events.InstanceDeployed]


def test_an_earlier_text_is_a_new_version_all_the_same() -> None:
    catalog = Catalog()
    for text in (PLAIN, definition(extra="description: b"), PLAIN):
        done, _ = deployed(catalog, text)
    assert done.instance.version == 3


def test_configuration_and_keys_are_sealed() -> None:
    done, sealed = deployed(
        Catalog(),
        CONFIGURED,
        config={"Region": "us", "Account": '{"password": "hidden"}'},
        api_keys={"Main": ["the-key"]},
    )
    assert sealed == {
        "config": {"Region": "us", "Account": {"password": "hidden"}},
        "api_keys": {"Main": ["the-key"]},
    }
    assert done.instance.api_key_hashes == {"Main": [hash_of("the-key")]}
    assert "hidden" not in repr(done.said)
    assert "the-key" not in repr(done.said)


def test_a_redeployment_keeps_what_it_does_not_mention() -> None:
    catalog = Catalog()
    deployed(
        catalog,
        CONFIGURED,
        config={"Region": "us", "Zone": "a"},
        api_keys={"Main": ["the-key"]},
        rate_limit=7,
    )
    again, sealed = deployed(catalog, CONFIGURED, config={"Zone": "b"})
    assert sealed == {
        "config": {"Region": "us", "Zone": "b"},
        "api_keys": {"Main": ["the-key"]},
    }
    assert again.instance.rate_limit == 7


def test_revisions_count_the_configurations_of_an_instance() -> None:
    catalog = Catalog()
    first, _ = deployed(catalog, CONFIGURED, config={"Region": "us"}, api_keys={"Main": ["k1"]})
    same, _ = deployed(catalog, CONFIGURED + "description: new\n", config={"Region": "us"})
    other, _ = deployed(catalog, CONFIGURED, api_keys={"Main": ["k2"]})
    assert [done.instance.revision for done in (first, same, other)] == [1, 1, 2]
    assert same.instance.sealed == first.instance.sealed
    instance_id = first.instance.instance_id
    former = KEY.unseal(catalog.configurations[(instance_id, 1)])
    assert former["api_keys"] == {"Main": ["k1"]}
    keys = [topic_key(done.instance) for done in (first, same, other)]
    assert (keys[0] == keys[1], keys[0] == keys[2]) == (True, False)
    catalog.apply([events.InstanceRemoved(instance_id=instance_id)])
    assert deployed(catalog, CONFIGURED)[0].instance.revision == 3


def test_a_kept_value_that_does_not_fit_the_new_definition_is_refused() -> None:
    catalog = Catalog()
    deployed(catalog, CONFIGURED, config={"Zone": "eu"})
    retyped = CONFIGURED.replace("key: Zone, dataType: string", "key: Zone, dataType: number")
    with pytest.raises(Refused, match="Zone must be a number"):
        deployed(catalog, retyped)
    deployed(catalog, retyped, config={"Zone": "5"})


def test_a_redeployment_drops_what_the_definition_no_longer_has() -> None:
    catalog = Catalog()
    deployed(catalog, CONFIGURED, config={"Region": "us"}, api_keys={"Main": ["the-key"]})
    again, sealed = deployed(catalog, definition(flow("Other")))
    assert sealed == {"config": {}, "api_keys": {}}
    assert list(again.instance.endpoints) == ["Other"]


def test_keys_given_anew_replace_the_former_ones() -> None:
    catalog = Catalog()
    deployed(catalog, api_keys={"Main": ["old"]})
    done, _ = deployed(catalog, api_keys={"Main": ["new"]})
    assert done.api_keys == {"Main": ["new"]}


def test_a_removed_instance_begins_afresh() -> None:
    catalog = Catalog()
    first, _ = deployed(catalog, api_keys={"Main": ["old"]}, rate_limit=7)
    catalog.apply(lifecycle.remove(catalog, first.instance.instance_id))
    again, sealed = deployed(catalog)
    assert again.instance.rate_limit == 50
    assert sealed["api_keys"] == {}
    assert catalog.instances[again.instance.instance_id].status is Status.ACTIVE


def test_a_paused_instance_stays_paused_when_deployed_again() -> None:
    catalog = Catalog()
    first, _ = deployed(catalog)
    catalog.apply(lifecycle.pause(catalog, first.instance.instance_id))
    deployed(catalog)
    assert catalog.instances[first.instance.instance_id].status is Status.PAUSED


def test_an_organization_secures_a_flow_by_its_own_keys() -> None:
    text = definition(
        flow(security="organization").replace(
            "    steps:", "    organizationApiKeys: [org-key]\n    steps:"
        )
    )
    done, _ = deployed(Catalog(), text)
    assert done.api_keys == {"Main": ["org-key"]}


@pytest.mark.parametrize(
    ("text", "wish", "reason", "said"),
    [
        (CONFIGURED, {"config": {"Regoin": "x"}}, "unknown_config_variable", "'Region', 'Zone'"),
        (PLAIN, {"config": {"Any": "x"}}, "unknown_config_variable", "none"),
        (CONFIGURED, {"config": {"Account": "s3cret"}}, "bad_connection", "Account"),
        (CONFIGURED, {"config": {"Account": "[1]"}}, "bad_connection", "JSON object"),
        (
            CONFIGURED,
            {"config": {"Sizes": '[1, "s3cret"]'}},
            "bad_config_value",
            r"Sizes\[1\] must",
        ),
        (PLAIN, {"api_keys": {"Mian": ["k"]}}, "unknown_flow", "'Main'"),
        (PLAIN, {"api_keys": {"Main": [""]}}, "bad_api_key", "'Main'"),
        (definition(flow(security="unsecured")), {"api_keys": {"Main": ["k"]}}, None, "unsecured"),
        (PLAIN, {"rate_limit": 0}, "bad_rate_limit", "not 0"),
    ],
)
def test_a_wish_that_does_not_fit_is_refused(
    text: str, wish: dict[str, Any], reason: str | None, said: str
) -> None:
    with pytest.raises(Refused, match=said) as refused:
        deployed(Catalog(), text, **wish)
    assert refused.value.status == 400
    assert reason is None or refused.value.reason == reason
    assert "s3cret" not in str(refused.value)


TWO_FLOWS = (flow("First"), flow("Second"))
BY_HEADER = """flowNameField: {type: reference, value: payload.results.headers.x-flow}
externalCustomerIdField: {type: reference, value: payload.results.headers.x-customer}
"""


def endpoints_of(catalog: Catalog, endpoint_type: str, customer: str) -> dict[str, str]:
    extra = f"endpointType: {endpoint_type}\n{BY_HEADER}"
    done, _ = deployed(catalog, definition(*TWO_FLOWS, extra=extra), customer=customer)
    assert done.instance.endpoint_type == endpoint_type
    return {str(flow): str(endpoint) for flow, endpoint in done.instance.endpoints.items()}


def test_each_flow_of_each_instance_has_its_own_endpoint() -> None:
    one, other = (endpoints_of(Catalog(), "flow_specific", name) for name in ("a", "b"))
    assert len({*one.values(), *other.values()}) == 4


def test_an_instance_specific_endpoint_is_one_for_all_flows_of_the_instance() -> None:
    one, other = (endpoints_of(Catalog(), "instance_specific", name) for name in ("a", "b"))
    assert list(one) == ["First", "Second"]
    assert (len(set(one.values())), len({*one.values(), *other.values()})) == (1, 2)


def test_a_shared_endpoint_is_one_for_all_customers() -> None:
    one, other = (endpoints_of(Catalog(), "shared_instance", name) for name in ("a", "b"))
    assert one == other
    assert len(set(one.values())) == 1


def test_a_definition_with_problems_names_them_all() -> None:
    with pytest.raises(lifecycle.InvalidDefinition) as invalid:
        lifecycle.read_definition("definitionVersion: 6\nflows: 5")
    assert len(invalid.value.problems) > 1


def test_a_definition_above_the_limit_is_refused() -> None:
    with pytest.raises(Refused, match="3000000") as refused:
        lifecycle.read_definition("#" * 3_000_001)
    assert refused.value.status == 413


def test_saying_it_twice_says_nothing_more() -> None:
    catalog = Catalog()
    done, _ = deployed(catalog)
    for command, said in (
        (lifecycle.resume, 0),
        (lifecycle.pause, 1),
        (lifecycle.pause, 0),
        (lifecycle.resume, 1),
        (lifecycle.remove, 1),
        (lifecycle.remove, 0),
    ):
        result = command(catalog, done.instance.instance_id)
        assert len(result) == said
        catalog.apply(result)


@pytest.mark.parametrize("command", [lifecycle.pause, lifecycle.resume])
def test_a_removed_instance_is_neither_paused_nor_resumed(command: Any) -> None:
    catalog = Catalog()
    done, _ = deployed(catalog)
    catalog.apply(lifecycle.remove(catalog, done.instance.instance_id))
    with pytest.raises(Refused, match="was removed") as refused:
        command(catalog, done.instance.instance_id)
    assert refused.value.status == 409


@pytest.mark.parametrize("command", [lifecycle.pause, lifecycle.resume, lifecycle.remove])
def test_an_instance_that_is_not_there_is_not_found(command: Any) -> None:
    with pytest.raises(Refused, match="no instance") as refused:
        command(Catalog(), InstanceId("00000000-0000-0000-0000-000000000000"))
    assert refused.value.status == 404


SCHEDULED = definition(
    flow().replace("isTrigger: true", "isTrigger: true\n        schedule: SCHEDULE"),
    extra="requiredConfigVars:\n  - {key: When, dataType: schedule}\n",
)


def scheduled(schedule: str) -> str:
    return SCHEDULED.replace("SCHEDULE", schedule)


BY_VALUE = scheduled("{type: value, value: '*/5 * * * *'}")
BY_VARIABLE = scheduled("{type: configVar, value: When}")


def test_a_deployment_says_when_its_flows_fire() -> None:
    done, _ = deployed(Catalog(), BY_VARIABLE, config={"When": '{"value": "0 8 * * *"}'})
    assert [known.expression for known in done.instance.schedules] == ["0 8 * * *"]


def test_a_schedule_goes_on_where_a_deployment_changes_something_else() -> None:
    catalog = Catalog()
    first, _ = deployed(catalog, BY_VALUE)
    catalog.apply(first.said, *Mark(7, Instant(100)))
    again, _ = deployed(catalog, BY_VALUE, rate_limit=5)
    (known,) = again.instance.schedules
    assert (known.since, known.change) == (100, 7)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, r"flows\[0\]\.steps\[0\]\.schedule\.value .* 'When', which has no value"),
        ({"When": "0 0 30 2 *"}, r"When\.value .* can never fire"),
        ({"When": {"value": "0 8 * * *", "timeZone": "Mars"}}, r"When\.timeZone .* time zone"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_its_path(config: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        deployed(Catalog(), BY_VARIABLE, config=config)


def test_a_resumption_says_since_when_the_instance_was_paused() -> None:
    catalog = Catalog()
    done, _ = deployed(catalog)
    instance_id = done.instance.instance_id
    catalog.apply(lifecycle.pause(catalog, instance_id), *Mark(9, Instant(500)))
    (resumed,) = lifecycle.resume(catalog, instance_id)
    assert resumed == events.InstanceResumed(instance_id=instance_id, paused_at=Instant(500))
