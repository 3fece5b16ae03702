"""Known endpoints: what this node knows of its endpoints, and when it has to look again.

Takes in the definitions as far as they are read; gives out targets, worked out once per deployment,
and what else of a deployment an answer may need. Before anybody is told that something is not there
the definitions are read to their end.
"""

from collections.abc import Mapping
from functools import partial

from eventlog.definitions import Definitions
from ingress import targets, triggers
from ingress.answers import Scope
from ingress.refreshing import Refresh
from ingress.targets import Target
from schemas import configuration, events
from schemas.definitions import Definition
from schemas.ids import EndpointId, InstanceId
from schemas.integration_routing import SHARED
from schemas.secrets import MasterKey
from schemas.values import Value


class KnownEndpoints:
    """One node's view of what is deployed."""

    def __init__(self, definitions: Definitions, master_key: MasterKey) -> None:
        self._definitions = definitions
        self._key = master_key
        self._refresh = Refresh(definitions)
        self._targets: dict[EndpointId, Target] = {}

    def __contains__(self, endpoint_id: EndpointId) -> bool:
        """Whether a request has been led there."""
        return endpoint_id in self._targets

    @property
    def change(self) -> int:
        """Everything on `definitions` below it is known here."""
        return self._definitions.next_offset

    async def find(self, endpoint_id: EndpointId) -> Target | None:
        """What is behind an endpoint now, None where there is nothing. Raises LogUnavailable."""
        target = self._target(endpoint_id)
        if target is None:
            await self._refresh.now()
            target = self._target(endpoint_id)
        return target

    async def once_keyed(self, endpoint_id: EndpointId, target: Target, scope: Scope) -> Target:
        """The target once the caller's key fits: one that another node took a moment ago does.

        Raises Refused (401).
        """
        if targets.fits(target, scope):
            return target
        await self._refresh.now()
        target = self._target(endpoint_id) or target
        targets.check_key(target, scope)
        return target

    async def deployed(self, instance_id: InstanceId) -> events.InstanceDeployed:
        """The deployment of an instance that admission has found."""
        catalog = self._definitions.catalog
        if instance_id not in catalog.instances:
            await self._refresh.now()
        return catalog.instances[instance_id].deployed

    def definition(self, deployed: events.InstanceDeployed) -> Definition:
        return self._definitions.catalog.definition(deployed.integration_id, deployed.version)

    def config(self, deployed: events.InstanceDeployed) -> Mapping[str, Value]:
        """The configuration of an instance, opened."""
        opened = self._key.unseal(deployed.sealed)
        return configuration.configured(opened, self.definition(deployed)).values

    def _target(self, endpoint_id: EndpointId) -> Target | None:
        endpoint = self._definitions.catalog.endpoint(endpoint_id)
        if endpoint is None:
            self._targets.pop(endpoint_id, None)
            return None
        deployed = endpoint.instance.deployed
        target = self._targets.get(endpoint_id)
        if target is None or target.deployed is not deployed:
            flow = self._definitions.catalog.flow_of(endpoint) if endpoint.flow else None
            door = triggers.door_of(self.definition(deployed), endpoint.flow)
            config = partial(self._door_config, deployed)
            target = targets.target_of(endpoint, flow, door, config)
            self._targets[endpoint_id] = target
        return target

    def _door_config(self, deployed: events.InstanceDeployed) -> Mapping[str, Value]:
        """What inputs may name before it is known for whom a request is."""
        if deployed.endpoint_type == SHARED:
            return triggers.shared_config(self.definition(deployed))
        return self.config(deployed)
