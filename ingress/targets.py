"""Targets: what ingress has to know of an endpoint, worked out once per deployment.

Takes in the catalog's endpoint and its flow; gives out who may call, whether callers wait, and what
those are told who do not.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from ingress import answers, requests
from ingress.answers import Scope
from schemas import endpoint_keys, events
from schemas.catalog import Endpoint
from schemas.definitions import Complex, Entry, Flow, Literal, Step
from schemas.errors import Refused
from schemas.events import Reason
from schemas.secrets import hash_of

_WINDOW_S = 1.0
_ANSWERING = frozenset((("webhook-triggers", "webhook"), ("hash", "hmacWebhookTrigger")))


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a flow answers those who do not wait; an empty body is the execution id."""

    status: int = 200
    content_type: bytes = answers.JSON
    headers: tuple[answers.Header, ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class Target:
    """What a request to an endpoint needs to know, worked out once per deployment.

    `flow` is None where the request itself says which flow it is for: then its key and its answer
    are those of the flow that admission finds.
    """

    deployed: events.InstanceDeployed
    flow: Flow | None
    key_hashes: tuple[str, ...]
    accepted: Accepted
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


def target_of(endpoint: Endpoint, flow: Flow | None) -> Target:
    deployed = endpoint.instance.deployed
    return Target(
        deployed=deployed,
        flow=flow,
        key_hashes=tuple(deployed.api_key_hashes.get(endpoint.flow, ())),
        accepted=accepted_by(flow),
    )


def check_key(target: Target, scope: Scope) -> None:
    """Raises Refused (401) for a caller without a key of the endpoint's one flow."""
    if target.flow is None:
        return
    reason = endpoint_keys.objection(target.flow, target.key_hashes, key_hash(scope))
    if reason is Reason.MISSING_API_KEY:
        message = "This endpoint needs an API key in the header Api-Key."
        raise Refused(message, status=401, reason=reason.value)
    if reason is not None:
        message = "The API key in the header Api-Key is not one of this endpoint."
        raise Refused(message, status=401, reason=reason.value)


def key_hash(scope: Scope) -> str:
    """The hash of the key that a caller has sent, empty for none."""
    given = requests.header(scope, requests.API_KEY)
    return hash_of(given) if given else ""


def accepted_by(flow: Flow | None) -> Accepted:
    """How `flow` answers those who do not wait."""
    return _accepted(flow.steps[0]) if flow is not None and flow.steps else Accepted()


def _accepted(trigger: Step) -> Accepted:
    """The answer that the inputs of a trigger say; inputs that are no literals say nothing."""
    if (trigger.component, trigger.action) not in _ANSWERING:
        return Accepted()
    body = _literal(trigger, "body")
    kind = _literal(trigger, "contentType")
    return Accepted(
        status=_status(_literal(trigger, "statusCode")),
        content_type=answers.content_type_of(kind) if kind else _kind_of(body),
        headers=answers.headers_of(_literal_pairs(trigger)),
        body=body.encode(),
    )


def _literal(step: Step, key: str) -> str:
    found = step.inputs.get(key)
    return found.text if isinstance(found, Literal) else ""


def _literal_pairs(step: Step) -> Iterable[tuple[str, str]]:
    found = step.inputs.get("headers")
    for item in found.items if isinstance(found, Complex) else ():
        if isinstance(item, Entry):
            name, value = item
            if isinstance(name, Literal) and isinstance(value, Literal):
                yield name.text, value.text


def _status(text: str) -> int:
    text = text.strip()
    status = int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 200
    return status if 200 <= status <= 599 else 200


def _kind_of(body: str) -> bytes:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return b"text/plain; charset=utf-8"
    return answers.JSON
