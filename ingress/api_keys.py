"""API keys: which keys the flows of an instance take, at deployment and when they change. Pure.

Takes in what was asked for and what was in force; gives out what is in force then, or the event
that changes it (platform-behaviour, 1.7). While an old and a new key are both in force callers move
from the one to the other, so that no request is refused meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas import events, schedules
from schemas.catalog import Catalog
from schemas.definitions import Definition, Flow
from schemas.endpoint_keys import ORGANIZATION, REQUIRED, UNSECURED
from schemas.errors import Refused
from schemas.ids import InstanceId
from schemas.secrets import hash_of

MOST_KEYS = 20

Keys = Mapping[str, Sequence[str]]
"""By flow."""

Seal = Callable[[Any], str]
Unseal = Callable[[str], Any]


def check_publishable(definition: Definition) -> None:
    """Raises Refused for a flow that its organization secures without a key."""
    for flow in definition.flows:
        if flow.security == ORGANIZATION and not any(flow.organization_api_keys):
            message = f"The flow {flow.name!r} is secured as organization and has no API keys."
            raise Refused(message, reason="api_key_required")


def in_force(definition: Definition, wished: Keys, former: Keys) -> dict[str, list[str]]:
    """The keys of a deployment: as wished, flow by flow, else as before. Raises Refused."""
    for name, keys in wished.items():
        _check(definition, name, keys)
    found: dict[str, list[str]] = {}
    for flow in definition.flows:
        keys = _keys_of(flow, wished.get(flow.name), former.get(flow.name, ()))
        if flow.security == REQUIRED and not keys:
            message = f"The flow {flow.name!r} needs an API key: it is secured as {REQUIRED}."
            raise Refused(message, reason="api_key_required")
        if keys:
            found[flow.name] = keys
    return found


def hashes(keys: Keys) -> dict[str, list[str]]:
    return {flow: [hash_of(key) for key in some] for flow, some in keys.items()}


def changed(
    catalog: Catalog,
    instance_id: InstanceId,
    *,
    add: Keys,
    remove: Keys,
    seal: Seal,
    unseal: Unseal,
) -> tuple[events.Event, ...]:
    """The deployment as it is, with keys added and removed; nothing where that changes nothing."""
    instance = catalog.instances[instance_id]
    deployed = instance.deployed
    definition = catalog.definition(deployed.integration_id, deployed.version)
    content = unseal(deployed.sealed)
    held: Keys = content.get("api_keys", {})
    keys = in_force(definition, _wished(definition, held, add, remove), held)
    if keys == held:
        return ()
    deployment = replace(
        deployed,
        sealed=seal({**content, "api_keys": keys}),
        api_key_hashes=hashes(keys),
        revision=deployed.revision + 1,
        schedules=schedules.placed(deployed, *instance.deployed_at),
        entails_more=False,
    )
    return (deployment,)


def _wished(definition: Definition, held: Keys, add: Keys, remove: Keys) -> dict[str, list[str]]:
    wished: dict[str, list[str]] = {}
    for name in {**add, **remove}:
        _check(definition, name, [*add.get(name, ()), *remove.get(name, ())])
        kept = [key for key in held.get(name, ()) if key not in remove.get(name, ())]
        if len(kept) + len(set(remove.get(name, ()))) > len(held.get(name, ())):
            message = f"The flow {name!r} has no such API key to remove."
            raise Refused(message, status=404, reason="unknown_api_key")
        wished[name] = list(dict.fromkeys([*kept, *add.get(name, ())]))
    return wished


def _keys_of(flow: Flow, wished: Sequence[str] | None, former: Sequence[str]) -> list[str]:
    if flow.security == UNSECURED:
        return []
    if flow.security == ORGANIZATION:
        return [key for key in flow.organization_api_keys if key]
    return list(dict.fromkeys(former if wished is None else wished))


def _check(definition: Definition, name: str, keys: Sequence[str]) -> None:
    flow = definition.flow(name)
    if flow is None:
        listed = ", ".join(repr(flow.name) for flow in definition.flows)
        message = f"There is no flow {name!r} for an API key; the integration has: {listed}."
        raise Refused(message, reason="unknown_flow")
    if keys and flow.security in (UNSECURED, ORGANIZATION):
        message = f"The flow {name!r} is secured as {flow.security}: it takes no API keys."
        raise Refused(message, reason="no_api_keys_here")
    if len(keys) > MOST_KEYS:
        message = f"The flow {name!r} takes at most {MOST_KEYS} API keys, not {len(keys)}."
        raise Refused(message, reason="too_many_api_keys")
    for key in keys:
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            message = f"An API key of flow {name!r} is empty or not made of printable ASCII."
            raise Refused(message, reason="bad_api_key")
