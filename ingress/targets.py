"""Targets: what ingress has to know of an endpoint, worked out once per deployment.

Takes in the catalog's endpoint and its flow; gives out who may call, whether callers wait, and what
those are told who do not.
"""

import hmac
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from ingress import answers, requests
from ingress.answers import Scope
from schemas import events
from schemas.catalog import Endpoint
from schemas.definitions import Complex, Entry, Flow, Literal, Step
from schemas.errors import Refused
from schemas.secrets import hash_of

_WINDOW_S = 1.0
_NEEDS_KEY = frozenset(("customer_required", "organization"))
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
    """What a request to an endpoint needs to know, worked out once per deployment."""

    deployed: events.InstanceDeployed
    synchronous: bool
    needs_key: bool
    key_hashes: tuple[str, ...]
    accepted: Accepted
    forwarded: deque[float] = field(default_factory=deque)

    def is_flooded(self, now_s: float) -> bool:
        """Whether far more than can be admitted went on to the log within the last second."""
        recent = self.forwarded
        while recent and recent[0] <= now_s - _WINDOW_S:
            recent.popleft()
        return len(recent) >= 4 * self.deployed.rate_limit + 100


def target_of(endpoint: Endpoint, flow: Flow) -> Target:
    deployed = endpoint.instance.deployed
    hashes = tuple(deployed.api_key_hashes.get(endpoint.flow, ()))
    secured = flow.security != "unsecured"
    return Target(
        deployed=deployed,
        synchronous=flow.is_synchronous,
        needs_key=secured and (flow.security in _NEEDS_KEY or bool(hashes)),
        key_hashes=hashes,
        accepted=_accepted(flow.steps[0]) if flow.steps else Accepted(),
    )


def check_key(target: Target, scope: Scope) -> None:
    if not target.needs_key:
        return
    given = requests.header(scope, requests.API_KEY)
    if given is None:
        message = "This endpoint needs an API key in the header Api-Key."
        raise Refused(message, status=401, reason="missing_api_key")
    given_hash = hash_of(given)
    fits = [hmac.compare_digest(given_hash, known) for known in target.key_hashes]
    if not any(fits):
        message = "The API key in the header Api-Key is not one of this endpoint."
        raise Refused(message, status=401, reason="wrong_api_key")


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
