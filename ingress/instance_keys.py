"""The keys of an instance over HTTP, under `/api/v1/instances/{id}/keys`.

Takes in keys to add and to remove; gives out those that are in force then. Old and new ones may be
in force together for as long as callers need.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from eventlog.definitions import Definitions
from ingress import api_keys
from schemas import events, ids
from schemas.catalog import Catalog, Status
from schemas.errors import Refused
from schemas.ids import InstanceId
from schemas.secrets import MasterKey

Said = Callable[[Catalog, InstanceId], Sequence[events.Event]]
Change = Callable[[str, Said], Awaitable[Any]]
"""Says what follows from the catalog, one change at a time (commands.Lifecycle.change)."""


class KeysChange(BaseModel):
    """By flow: keys to add and keys to remove."""

    model_config = ConfigDict(extra="forbid")

    add: dict[str, list[str]] = Field(default_factory=dict)
    remove: dict[str, list[str]] = Field(default_factory=dict)


class FlowKeys(BaseModel):
    name: str
    security: str
    apiKeys: list[str]


class InstanceKeys(BaseModel):
    instanceId: str
    flows: list[FlowKeys]


def router(
    change: Change, definitions: Definitions, master_key: MasterKey, prefix: str
) -> APIRouter:
    api = APIRouter(prefix=prefix, tags=["lifecycle"])

    @api.get("/instances/{instance}/keys", summary="The API keys of an instance, by flow")
    async def read_keys(instance: str) -> InstanceKeys:
        await definitions.read_to_end()
        return _shown(definitions.catalog, instance, master_key)

    @api.post("/instances/{instance}/keys", summary="Add and remove API keys of an instance")
    async def change_keys(instance: str, body: KeysChange) -> InstanceKeys:
        await definitions.read_to_end()
        _living(definitions.catalog, instance)
        changed = partial(
            api_keys.changed,
            add=body.add,
            remove=body.remove,
            seal=master_key.seal,
            unseal=master_key.unseal,
        )
        await change(instance, changed)
        return _shown(definitions.catalog, instance, master_key)

    return api


def _living(catalog: Catalog, instance: str) -> events.InstanceDeployed:
    found = catalog.instances.get(InstanceId(ids.from_global(ids.INSTANCE, instance)))
    if found is None:
        message = f"There is no instance with id: {instance}"
        raise Refused(message, status=404, reason="unknown_instance")
    if found.status is Status.REMOVED:
        message = f"The instance {found.deployed.name!r} was removed."
        raise Refused(message, status=409, reason="instance_removed")
    return found.deployed


def _shown(catalog: Catalog, instance: str, master_key: MasterKey) -> InstanceKeys:
    deployed = _living(catalog, instance)
    definition = catalog.definition(deployed.integration_id, deployed.version)
    held = master_key.unseal(deployed.sealed).get("api_keys", {})
    return InstanceKeys(
        instanceId=ids.to_global(ids.INSTANCE, deployed.instance_id),
        flows=[
            FlowKeys(name=flow.name, security=flow.security, apiKeys=held.get(flow.name, []))
            for flow in definition.flows
        ],
    )
