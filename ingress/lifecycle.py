"""Lifecycle: what an import, a deployment, a pause, a resumption and a removal say. Pure.

Takes in the catalog and what was asked for; gives out the events of `definitions` that follow, and
what the asker is told. Ids follow from names: the same integration name is one integration, the
same customer and instance name one instance with the same URLs.

A redeployment keeps what it does not mention: configuration values key by key, API keys flow by
flow, the rate limit, and that the instance is paused. A removed instance begins afresh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ingress import api_keys, triggers
from ingress.api_keys import Seal, Unseal
from schemas import config_values, configuration, events, ids, integration_file, schedules
from schemas.catalog import Catalog, Instance, Status
from schemas.definitions import PYTHON, YAML, Definition, RequiredConfigVar
from schemas.errors import Refused
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.integration_inputs import CheckStep, anything
from schemas.integration_routing import FLOW_SPECIFIC, SHARED

MAX_DEFINITION_BYTES = 3_000_000
DEFAULT_CUSTOMER = "default"
DEFAULT_RATE_LIMIT = 50


class InvalidDefinition(Refused):
    """A definition that does not read. Holds every problem."""

    def __init__(self, problems: Sequence[integration_file.Problem]) -> None:
        first = problems[0]
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        message = f"The definition has {count}: line {first.line}: {first.message}"
        super().__init__(message, reason="invalid_definition")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a deployment is asked for. `config` values are texts, of connections also objects.

    `base_url` and `entails_more` are the server's own (events.InstanceDeployed).
    """

    customer: str = DEFAULT_CUSTOMER
    instance: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    api_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rate_limit: int | None = None
    base_url: str = ""
    entails_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    said: tuple[events.Event, ...]
    integration_id: IntegrationId
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """`api_keys` are the keys in force, by flow."""

    said: tuple[events.Event, ...]
    instance: events.InstanceDeployed
    api_keys: Mapping[str, Sequence[str]]


def read_definition(text: str, check: CheckStep = anything) -> Definition:
    """The definition in `text`. Raises InvalidDefinition, and Refused (413)."""
    check_size(text)
    reading = integration_file.read(text, check)
    if reading.definition is None:
        raise InvalidDefinition(reading.problems)
    return reading.definition


def check_size(text: str) -> None:
    """Raises Refused (413)."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_DEFINITION_BYTES:
        message = f"The definition is {size} bytes long, more than {MAX_DEFINITION_BYTES}."
        raise Refused(message, status=413, reason="too_large")


def publish(catalog: Catalog, text: str, definition: Definition, *, manifest: str = "") -> Imported:
    """The next version; the latest one again where its text is the same.

    A Python file has a manifest (IntegrationPublished). Raises Refused for what cannot be.
    """
    api_keys.check_publishable(definition)
    integration_id = IntegrationId(ids.derived("integration", definition.name))
    latest = catalog.latest.get(integration_id, 0)
    known = catalog.versions.get((integration_id, latest))
    if known is not None and known.definition == text:
        return Imported(said=(), integration_id=integration_id, version=latest)
    published = events.IntegrationPublished(
        integration_id=integration_id,
        name=definition.name,
        version=latest + 1,
        definition=text,
        language=PYTHON if manifest else YAML,
        manifest=manifest,
    )
    return Imported(said=(published,), integration_id=integration_id, version=latest + 1)


def version_of(
    catalog: Catalog, text: str, definition: Definition, *, manifest: str = ""
) -> events.IntegrationPublished:
    """The version that a deployment would run now."""
    imported = publish(catalog, text, definition, manifest=manifest)
    for event in imported.said:
        if isinstance(event, events.IntegrationPublished):
            return event
    return catalog.versions[(imported.integration_id, imported.version)]


def deploy(
    catalog: Catalog,
    text: str,
    definition: Definition,
    wish: Wish,
    seal: Seal,
    unseal: Unseal,
    *,
    manifest: str = "",
) -> Deployed:
    """Publish and deploy. Raises Refused for what the definition does not have."""
    imported = publish(catalog, text, definition, manifest=manifest)
    customer_id = CustomerId(ids.derived("customer", wish.customer))
    name = wish.instance or definition.name
    instance_id = InstanceId(ids.derived("instance", imported.integration_id, customer_id, name))
    known = catalog.instances.get(instance_id)
    former = None if known is not None and known.status is Status.REMOVED else known
    held = unseal(former.deployed.sealed) if former else {}
    config = _config(definition, wish.config, held.get("config", {}))
    formerly = schedules.placed(former.deployed, *former.deployed_at) if former else []
    keys = api_keys.in_force(definition, wish.api_keys, held.get("api_keys", {}))
    content = {"config": config, "api_keys": keys}
    triggers.check(definition, lambda: configuration.configured(content, definition).values)
    latest = known.deployed.revision if known else 0
    is_same = latest > 0 and content == held
    deployed = events.InstanceDeployed(
        instance_id=instance_id,
        name=name,
        integration_id=imported.integration_id,
        version=imported.version,
        customer_id=customer_id,
        endpoints=_endpoints(definition, imported.integration_id, instance_id),
        sealed=former.deployed.sealed if former and is_same else _sealed(seal, content),
        api_key_hashes=api_keys.hashes(keys),
        rate_limit=_rate_limit(wish.rate_limit, former),
        endpoint_type=definition.endpoint_type,
        key_fields={
            flow.name: list(flow.idempotency_key.path)
            for flow in definition.flows
            if flow.idempotency_key is not None
        },
        revision=latest if is_same else latest + 1,
        schedules=schedules.resolved(definition, config, formerly),
        base_url=wish.base_url,
        entails_more=wish.entails_more,
        is_first=former is None,
    )
    said = (*imported.said, *_customer(catalog, customer_id, wish.customer), deployed)
    return Deployed(said=said, instance=deployed, api_keys=keys)


def pause(catalog: Catalog, instance_id: InstanceId) -> tuple[events.Event, ...]:
    status = _living(catalog, instance_id)
    if status is Status.PAUSED:
        return ()
    return (events.InstancePaused(instance_id=instance_id),)


def resume(catalog: Catalog, instance_id: InstanceId) -> tuple[events.Event, ...]:
    status = _living(catalog, instance_id)
    if status is Status.ACTIVE:
        return ()
    since = catalog.instances[instance_id].standing.since
    return (events.InstanceResumed(instance_id=instance_id, paused_at=since.at),)


def remove(catalog: Catalog, instance_id: InstanceId) -> tuple[events.InstanceRemoved, ...]:
    if _known(catalog, instance_id).status is Status.REMOVED:
        return ()
    return (events.InstanceRemoved(instance_id=instance_id),)


def _known(catalog: Catalog, instance_id: InstanceId) -> Instance:
    found = catalog.instances.get(instance_id)
    if found is None:
        shown = ids.to_global(ids.INSTANCE, instance_id)
        message = f"There is no instance with id: {shown}"
        raise Refused(message, status=404, reason="unknown_instance")
    return found


def _living(catalog: Catalog, instance_id: InstanceId) -> Status:
    found = _known(catalog, instance_id)
    if found.status is Status.REMOVED:
        message = f"The instance {found.deployed.name!r} was removed."
        raise Refused(message, status=409, reason="instance_removed")
    return found.status


def _endpoints(
    definition: Definition, integration_id: IntegrationId, instance_id: InstanceId
) -> dict[str, EndpointId]:
    """By flow: one each, one for the instance, or one for all instances of the integration."""
    common = integration_id if definition.endpoint_type == SHARED else instance_id
    if definition.endpoint_type != FLOW_SPECIFIC:
        endpoint_id = EndpointId(ids.derived("endpoint", common))
        return dict.fromkeys((flow.name for flow in definition.flows), endpoint_id)
    return {
        flow.name: EndpointId(ids.derived("endpoint", instance_id, flow.name))
        for flow in definition.flows
    }


def _customer(
    catalog: Catalog, customer_id: CustomerId, external_id: str
) -> tuple[events.Event, ...]:
    if customer_id in catalog.customers:
        return ()
    return (
        events.CustomerRegistered(
            customer_id=customer_id, external_id=external_id, name=external_id
        ),
    )


def _rate_limit(wished: int | None, former: Instance | None) -> int:
    if wished is None:
        return former.deployed.rate_limit if former else DEFAULT_RATE_LIMIT
    if wished < 1:
        message = f"The rate limit must be 1 request/second or more, not {wished}."
        raise Refused(message, reason="bad_rate_limit")
    return wished


def _config(
    definition: Definition, wished: Mapping[str, Any], former: Mapping[str, Any]
) -> dict[str, Any]:
    known = {var.key: var for var in definition.config_vars}
    config = {
        key: _value(known[key], value)
        for key, value in former.items()
        if key in known and key not in wished
    }
    for key, value in wished.items():
        if key not in known:
            listed = ", ".join(map(repr, known)) or "none"
            message = f"There is no config variable {key!r}; the integration has: {listed}."
            raise Refused(message, reason="unknown_config_variable")
        config[key] = _value(known[key], value)
    return config


def _value(var: RequiredConfigVar, value: Any) -> Any:
    """As it is kept: a text, or the fields of a connection. Messages show no value: a secret."""
    try:
        typed = config_values.typed(var, value)
    except config_values.Unfit as error:
        if var.data_type == "connection":
            raise _bad_connection(var) from error
        message = f"The config variable {var.key!r} does not fit: {var.key}{error.path} {error}."
        raise Refused(message, reason="bad_config_value") from error
    if var.data_type != "connection":
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if not isinstance(typed, dict):
        raise _bad_connection(var)
    return typed


def _bad_connection(var: RequiredConfigVar) -> Refused:
    message = (
        f"The connection {var.key!r} must be configured with a JSON object of its fields,"
        """ as in 'Key={"field": "value"}'."""
    )
    return Refused(message, reason="bad_connection")


def _sealed(seal: Seal, content: Any) -> str:
    try:
        return seal(content)
    except TypeError as error:
        message = "The configuration holds what JSON cannot."
        raise Refused(message, reason="bad_config") from error
