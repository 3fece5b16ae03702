"""Targets: what ingress has to know of an endpoint, worked out once per deployment.

Takes in the catalog's endpoint and its flow; gives out who may call, whether callers wait, and what
those are told who do not.
"""

from collections import deque
from dataclasses import dataclass, field

from ingress import requests, triggers
from ingress.answers import Scope
from ingress.triggers import Accepted, Config
from schemas import endpoint_keys, events
from schemas.catalog import Endpoint
from schemas.definitions import Flow
from schemas.errors import Refused
from schemas.events import Reason
from schemas.secrets import hash_of
from schemas.signatures import Scheme

_WINDOW_S = 1.0


@dataclass(slots=True)
class Target:
    """What a request to an endpoint needs to know, worked out once per deployment.

    `flow` is None where the request itself says which flow it is for: then its key and its answer
    are those of the flow that admission finds. `scheme` is how senders sign, if they have to.
    """

    deployed: events.InstanceDeployed
    flow: Flow | None
    key_hashes: tuple[str, ...]
    accepted: Accepted
    scheme: Scheme | None = None
    forwarded: deque[float] = field(default_factory=deque)

    @property
    def synchronous(self) -> bool:
        return self.flow is not None and self.flow.is_synchronous

    def is_flooded(self, now_s: float) -> bool:
        """Whether far more than can be admitted went on to the log within the last second."""
        recent = self.forwarded
        while recent and recent[0] <= now_s - _WINDOW_S:
            recent.popleft()
        return len(recent) >= 4 * self.deployed.rate_limit + 100


def target_of(endpoint: Endpoint, flow: Flow | None, door: Flow | None, config: Config) -> Target:
    """`door` is the flow whose trigger checks the request, see triggers.door_of."""
    deployed = endpoint.instance.deployed
    return Target(
        deployed=deployed,
        flow=flow,
        key_hashes=tuple(deployed.api_key_hashes.get(endpoint.flow, ())),
        accepted=Accepted() if flow is None else triggers.accepted(flow.steps[0], config),
        scheme=None if door is None else triggers.scheme_in_force(door.steps[0], config),
    )


def fits(target: Target, scope: Scope) -> bool:
    """Whether the caller has shown a key of the endpoint's one flow, or needs none."""
    return _objection(target, scope) is None


def check_key(target: Target, scope: Scope) -> None:
    """Raises Refused (401) for a caller without a key of the endpoint's one flow."""
    reason = _objection(target, scope)
    if reason is Reason.MISSING_API_KEY:
        message = "This endpoint needs an API key in the header Api-Key."
        raise Refused(message, status=401, reason=reason.value)
    if reason is not None:
        message = "The API key in the header Api-Key is not one of this endpoint."
        raise Refused(message, status=401, reason=reason.value)


def _objection(target: Target, scope: Scope) -> Reason | None:
    if target.flow is None:
        return None
    return endpoint_keys.objection(target.flow, target.key_hashes, key_hash(scope))


def key_hash(scope: Scope) -> str:
    """The hash of the key that a caller has sent, empty for none."""
    given = requests.header(scope, requests.API_KEY)
    return hash_of(given) if given else ""
