"""The catalog: what exists now, folded from the `definitions` topic. Every process keeps one.

Takes in the events of `definitions` in order; gives out integrations by version, customers,
instances and endpoints. Of two publications of one version the first on the log wins.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from schemas import events
from schemas.definitions import Definition, Flow
from schemas.errors import Bug
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.integration_file import read_published


class Status(enum.StrEnum):
    """What an instance does with requests: run them, or refuse them."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Instance:
    """One deployment and its status."""

    deployed: events.InstanceDeployed
    status: Status


class Endpoint(NamedTuple):
    """What an endpoint id leads to."""

    instance: Instance
    flow: str


@dataclass(slots=True)
class Catalog:
    """The fold. `apply` changes it in place: it holds all that is deployed, once per process."""

    versions: dict[tuple[IntegrationId, int], events.IntegrationPublished] = field(
        default_factory=dict
    )
    latest: dict[IntegrationId, int] = field(default_factory=dict)
    customers: dict[CustomerId, events.CustomerRegistered] = field(default_factory=dict)
    instances: dict[InstanceId, Instance] = field(default_factory=dict)
    _statuses: dict[InstanceId, Status] = field(default_factory=dict)
    """Also of instances whose deployment comes later: compaction may leave that order."""
    _endpoints: dict[EndpointId, tuple[InstanceId, str]] = field(default_factory=dict)
    _parsed: dict[tuple[IntegrationId, int], Definition] = field(default_factory=dict)

    def apply(self, said: Iterable[events.Event]) -> None:
        """Fold events in log order; events of other topics leave the catalog as it is."""
        for event in said:
            match event:
                case events.IntegrationPublished():
                    key = (event.integration_id, event.version)
                    self.versions.setdefault(key, event)
                    known = self.latest.get(event.integration_id, 0)
                    self.latest[event.integration_id] = max(known, event.version)
                case events.CustomerRegistered():
                    self.customers[event.customer_id] = event
                case events.InstanceDeployed():
                    self._deploy(event)
                case events.InstancePaused():
                    self._set(event.instance_id, Status.PAUSED)
                case events.InstanceResumed():
                    self._set(event.instance_id, Status.ACTIVE)
                case events.InstanceRemoved():
                    self._set(event.instance_id, Status.REMOVED)

    def endpoint(self, endpoint_id: EndpointId) -> Endpoint | None:
        """Where requests to `endpoint_id` go; also for paused and removed instances."""
        found = self._endpoints.get(endpoint_id)
        if found is None:
            return None
        instance_id, flow = found
        return Endpoint(self.instances[instance_id], flow)

    def definition(self, integration_id: IntegrationId, version: int) -> Definition:
        """The parsed definition of a published version, parsed once."""
        key = (integration_id, version)
        if key not in self._parsed:
            definition = read_published(self.versions[key].definition)
            if definition is None:
                raise Bug(f"version {version} of integration {integration_id} does not parse")
            self._parsed[key] = definition
        return self._parsed[key]

    def flow_of(self, endpoint: Endpoint) -> Flow:
        """The flow behind an endpoint, as in the version that is deployed."""
        deployed = endpoint.instance.deployed
        flow = self.definition(deployed.integration_id, deployed.version).flow(endpoint.flow)
        if flow is None:
            raise Bug(f"instance {deployed.instance_id} has no flow {endpoint.flow!r}")
        return flow

    def _deploy(self, event: events.InstanceDeployed) -> None:
        known = self.instances.get(event.instance_id)
        paused = self._statuses.get(event.instance_id) is Status.PAUSED
        status = Status.PAUSED if paused else Status.ACTIVE
        self._statuses[event.instance_id] = status
        if known is not None:
            for endpoint_id in known.deployed.endpoints.values():
                self._endpoints.pop(endpoint_id, None)
        self.instances[event.instance_id] = Instance(event, status)
        for flow, endpoint_id in event.endpoints.items():
            self._endpoints[endpoint_id] = (event.instance_id, flow)

    def _set(self, instance_id: InstanceId, status: Status) -> None:
        self._statuses[instance_id] = status
        known = self.instances.get(instance_id)
        if known is not None:
            self.instances[instance_id] = replace(known, status=status)


def topic_key(event: events.Event) -> str:
    """The key of an event of `definitions`: compaction keeps the last event of each key."""
    match event:
        case events.IntegrationPublished():
            return f"integration/{event.integration_id}/{event.version}"
        case events.CustomerRegistered():
            return f"customer/{event.customer_id}"
        case events.InstanceDeployed():
            return f"instance/{event.instance_id}"
        case events.InstancePaused() | events.InstanceResumed() | events.InstanceRemoved():
            return f"instance/{event.instance_id}/status"
        case _:
            raise Bug(f"{type(event).__name__} does not belong on definitions")
