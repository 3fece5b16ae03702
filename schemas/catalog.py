"""The catalog: what exists now, folded from the `definitions` topic. Every process keeps one.

Takes in the events of `definitions` in order; gives out integrations by version, customers,
instances and endpoints. Of two publications of one version the first on the log wins.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from schemas import events
from schemas.definitions import YAML, Definition, Flow
from schemas.errors import Bug
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.instants import Instant
from schemas.integration_file import read_published
from schemas.integration_routing import FLOW_SPECIFIC, SHARED

NO_TIME = Instant(0)


class Status(enum.StrEnum):
    """What an instance does with requests: run them, or refuse them."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Mark(NamedTuple):
    """Where an event stands on `definitions`, and when it was appended."""

    offset: int = -1
    at: Instant = NO_TIME


NOWHERE = Mark()


class Standing(NamedTuple):
    """A status, since when, and since when an instance that was resumed had been paused."""

    status: Status
    since: Mark = NOWHERE
    paused_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One deployment and its status. `deployed_at` and `standing` say since when they hold."""

    deployed: events.InstanceDeployed
    deployed_at: Mark
    standing: Standing

    @property
    def status(self) -> Status:
        return self.standing.status


class Endpoint(NamedTuple):
    """What an endpoint id leads to. `flow` is empty where each request says which one it is for.

    Where the customer is found in the request too, `instance` is the one whose version rules.
    """

    instance: Instance
    flow: str


@dataclass(slots=True)
class Sharing:
    """The instances behind one shared endpoint, removed ones included; changed in place."""

    by_customer: dict[CustomerId, dict[InstanceId, None]] = field(default_factory=dict)
    _ruling: InstanceId | None = None
    """Worked out when asked for: many deployments may come before the first request."""

    def add(self, deployed: events.InstanceDeployed) -> None:
        self.by_customer.setdefault(deployed.customer_id, {})[deployed.instance_id] = None
        self._ruling = None

    def remove(self, deployed: events.InstanceDeployed) -> bool:
        """Whether none is left."""
        held = self.by_customer.get(deployed.customer_id, {})
        held.pop(deployed.instance_id, None)
        if not held:
            self.by_customer.pop(deployed.customer_id, None)
        self._ruling = None
        return not self.by_customer

    def ruling(self, instances: Mapping[InstanceId, Instance]) -> Instance:
        """The instance whose version and limit hold for all: that of the highest version deployed.

        Of several on that version the one with the highest limit rules. Removed ones are compared
        in the same way once there is no other.
        """
        if self._ruling is None:
            held = [instance_id for some in self.by_customer.values() for instance_id in some]
            self._ruling = max(held, key=lambda one: _rank(instances[one]))
        return instances[self._ruling]


def _rank(instance: Instance) -> tuple[bool, int, int, str]:
    deployed = instance.deployed
    living = instance.status is not Status.REMOVED
    return living, deployed.version, deployed.rate_limit, deployed.instance_id


@dataclass(slots=True)
class Catalog:
    """The fold. `apply` changes it in place: it holds all that is deployed, once per process."""

    versions: dict[tuple[IntegrationId, int], events.IntegrationPublished] = field(
        default_factory=dict
    )
    latest: dict[IntegrationId, int] = field(default_factory=dict)
    released: dict[tuple[IntegrationId, int], str] = field(default_factory=dict)
    """The comments of versions that have been released."""
    customers: dict[CustomerId, events.CustomerRegistered] = field(default_factory=dict)
    instances: dict[InstanceId, Instance] = field(default_factory=dict)
    configurations: dict[tuple[InstanceId, int], str] = field(default_factory=dict)
    """What was sealed for each revision of an instance's configuration."""
    unfollowed: dict[InstanceId, int] = field(default_factory=dict)
    """Instances whose last deployment or removal entails more than is done, and its offset."""
    _standings: dict[InstanceId, Standing] = field(default_factory=dict)
    """Also of instances whose deployment comes later: compaction may leave that order."""
    _endpoints: dict[EndpointId, tuple[InstanceId, str]] = field(default_factory=dict)
    _shared: dict[EndpointId, Sharing] = field(default_factory=dict)
    _by_external_id: dict[str, CustomerId] = field(default_factory=dict)
    _parsed: dict[tuple[IntegrationId, int], Definition] = field(default_factory=dict)

    def apply(self, said: Iterable[events.Event], offset: int = -1, at: Instant = NO_TIME) -> None:
        """Fold events in log order, those of the record at `offset` that was appended at `at`.

        Events of other topics leave the catalog as it is.
        """
        mark = Mark(offset, at)
        for event in said:
            match event:
                case events.IntegrationPublished():
                    key = (event.integration_id, event.version)
                    self.versions.setdefault(key, event)
                    known = self.latest.get(event.integration_id, 0)
                    self.latest[event.integration_id] = max(known, event.version)
                case events.VersionReleased():
                    self.released[(event.integration_id, event.version)] = event.comment
                case events.CustomerRegistered():
                    self.customers[event.customer_id] = event
                    self._by_external_id[event.external_id] = event.customer_id
                case events.InstanceDeployed():
                    self._deploy(event, mark)
                    self._follow(event.instance_id, offset, event.entails_more)
                case events.InstancePaused():
                    self._set(event.instance_id, Standing(Status.PAUSED, mark))
                case events.InstanceResumed():
                    resumed = Standing(Status.ACTIVE, mark, event.paused_at)
                    self._set(event.instance_id, resumed)
                case events.InstanceRemoved():
                    self._set(event.instance_id, Standing(Status.REMOVED, mark))
                    self._follow(event.instance_id, offset, event.entails_more)
                case events.LifecycleFollowed():
                    if self.unfollowed.get(event.instance_id, offset) <= event.change:
                        self.unfollowed.pop(event.instance_id, None)

    def endpoint(self, endpoint_id: EndpointId) -> Endpoint | None:
        """Where requests to `endpoint_id` go; also for paused and removed instances."""
        found = self._endpoints.get(endpoint_id)
        if found is None:
            shared = self._shared.get(endpoint_id)
            return Endpoint(shared.ruling(self.instances), "") if shared else None
        instance_id, flow = found
        return Endpoint(self.instances[instance_id], flow)

    def customer(self, external_id: str) -> events.CustomerRegistered | None:
        """The customer of that external id."""
        customer_id = self._by_external_id.get(external_id)
        return None if customer_id is None else self.customers[customer_id]

    def sharing(self, endpoint_id: EndpointId, customer_id: CustomerId) -> list[Instance]:
        """The instances of a customer behind a shared endpoint, the preferred one first.

        That is the one on the highest version; of several, the one whose name comes first.
        """
        shared = self._shared.get(endpoint_id)
        held = shared.by_customer.get(customer_id, {}) if shared else {}
        found = [self.instances[instance_id] for instance_id in held]
        return sorted(found, key=lambda one: (-one.deployed.version, one.deployed.name))

    def definition(self, integration_id: IntegrationId, version: int) -> Definition:
        """The parsed definition of a published version, parsed once."""
        key = (integration_id, version)
        if key not in self._parsed:
            published = self.versions[key]
            is_yaml = published.language == YAML
            definition = read_published(published.definition if is_yaml else published.manifest)
            if definition is None:
                raise Bug(f"version {version} of integration {integration_id} does not parse")
            self._parsed[key] = definition
        return self._parsed[key]

    def is_parsed(self, integration_id: IntegrationId, version: int) -> bool:
        """Whether `definition` answers at once; the first time may take seconds."""
        return (integration_id, version) in self._parsed

    def flow_of(self, endpoint: Endpoint) -> Flow:
        """The flow behind an endpoint of one flow, as in the version that is deployed."""
        deployed = endpoint.instance.deployed
        flow = self.definition(deployed.integration_id, deployed.version).flow(endpoint.flow)
        if flow is None:
            raise Bug(f"instance {deployed.instance_id} has no flow {endpoint.flow!r}")
        return flow

    def _deploy(self, event: events.InstanceDeployed, mark: Mark) -> None:
        known = self.instances.get(event.instance_id)
        standing = self._standings.get(event.instance_id)
        if standing is None or standing.status is Status.REMOVED:
            standing = Standing(Status.ACTIVE, mark)
        self._standings[event.instance_id] = standing
        if known is not None:
            self._close(known.deployed)
        self.instances[event.instance_id] = Instance(event, mark, standing)
        self.configurations[(event.instance_id, event.revision)] = event.sealed
        self._open(event)

    def _open(self, deployed: events.InstanceDeployed) -> None:
        single = deployed.endpoint_type == FLOW_SPECIFIC
        for flow, endpoint_id in deployed.endpoints.items():
            if deployed.endpoint_type == SHARED:
                self._shared.setdefault(endpoint_id, Sharing()).add(deployed)
            else:
                self._endpoints[endpoint_id] = (deployed.instance_id, flow if single else "")

    def _close(self, deployed: events.InstanceDeployed) -> None:
        for endpoint_id in deployed.endpoints.values():
            shared = self._shared.get(endpoint_id)
            if shared is None:
                self._endpoints.pop(endpoint_id, None)
            elif shared.remove(deployed):
                del self._shared[endpoint_id]

    def _follow(self, instance_id: InstanceId, offset: int, entails_more: bool) -> None:
        if entails_more:
            self.unfollowed[instance_id] = offset
        else:
            self.unfollowed.pop(instance_id, None)

    def _set(self, instance_id: InstanceId, standing: Standing) -> None:
        self._standings[instance_id] = standing
        known = self.instances.get(instance_id)
        if known is not None:
            self.instances[instance_id] = replace(known, standing=standing)
            if known.deployed.endpoint_type == SHARED:
                self._open(known.deployed)


def topic_key(event: events.Event) -> str:
    """The key of an event of `definitions`: compaction keeps the last event of each key."""
    match event:
        case events.IntegrationPublished():
            return f"integration/{event.integration_id}/{event.version}"
        case events.VersionReleased():
            return f"integration/{event.integration_id}/{event.version}/release"
        case events.CustomerRegistered():
            return f"customer/{event.customer_id}"
        case events.InstanceDeployed(revision=revision):
            # Each revision has a key of its own, so that compaction keeps every configuration.
            return f"instance/{event.instance_id}" + (f"/{revision}" if revision else "")
        case events.InstancePaused() | events.InstanceResumed() | events.InstanceRemoved():
            return f"instance/{event.instance_id}/status"
        case events.LifecycleFollowed():
            return f"instance/{event.instance_id}/followed"
        case _:
            raise Bug(f"{type(event).__name__} does not belong on definitions")
