"""Request keys: what a request is known by when it comes again. Pure.

Its caller may say so (the header Idempotency-Key, of which ingress has made a hash), or its flow
may name the place where requests hold it. The first goes with a fingerprint of the request: a
repeat must not differ. The second does not: a sender that counts its attempts sends other bodies.
"""

from collections.abc import Sequence
from typing import NamedTuple

from processors import idempotency, payload, routing
from schemas import events
from schemas.catalog import Catalog, Endpoint
from schemas.events import BodyEncoding, Reason


class Key(NamedTuple):
    """What a request is known by, empty for nothing, and what else must be equal in a repeat."""

    text: str = ""
    fingerprint: str = ""


def key_of(
    catalog: Catalog, course: routing.Course, event: events.WebhookReceived, body: bytes | None
) -> Key | Reason:
    """The key of a request that runs `course`, or why that cannot be told."""
    instance = catalog.instances.get(course.instance_id)
    path = instance.deployed.key_fields.get(course.flow) if instance else None
    key = Key(event.idempotency_key, event.fingerprint)
    if not key.text and path:
        if body is None and _is_in_blob(event, path):
            return Reason.BODY_TOO_LARGE
        found = routing.text_in(payload.of_request(event.request, body), path)
        key = Key(idempotency.of_field(found)) if found else Key()
    if not key.text or course.flow_is_fixed:
        return key
    return key._replace(text=idempotency.scoped(key.text, course.instance_id, course.flow))


def needs_body(catalog: Catalog, endpoint: Endpoint, event: events.WebhookReceived) -> bool:
    """Whether a body that is in a blob has to be looked into, to route the request or know it."""
    deployed = endpoint.instance.deployed
    if endpoint.flow:
        return _is_in_blob(event, deployed.key_fields.get(endpoint.flow, ()))
    if any(_is_in_blob(event, path) for path in deployed.key_fields.values()):
        return True
    definition = catalog.definition(deployed.integration_id, deployed.version)
    return routing.is_in_blob(definition.routing, event.request)


def _is_in_blob(event: events.WebhookReceived, path: Sequence[str]) -> bool:
    if event.idempotency_key or event.request.encoding != BodyEncoding.BLOB:
        return False
    return bool(path) and path[0] in routing.IN_BODY
