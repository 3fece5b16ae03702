"""The trigger payload: what a flow sees of the request that caused it (platform-behaviour, 2.1).

Pure: a function of the admitted trigger, of its body where that is in a blob and has to be read,
and of what the catalog says of the instance. A body of bytes in a blob is passed on as it is
stored. Header names stay as sent; of a name that was sent more than once the values are joined by
`, ` (RFC 9110, 5.3), of a repeated query key the last value stands.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

import orjson

from schemas import bodies, events, forms, ids
from schemas.bodies import Malformed, Media
from schemas.catalog import Catalog
from schemas.definitions import Definition
from schemas.events import BodyEncoding
from schemas.ids import EndpointId
from schemas.instants import to_iso
from schemas.stored import Stored
from schemas.values import Value

Body = bytes | dict[str, Value] | None
"""What has been read of a body in a blob: its bytes; a form, whose large files are still there."""

API_KEYS = "webhookApiKeys"
"""The one field that never goes onto the log."""

_MARK = "\ufeff"


def payload(
    admitted: events.ExecutionAdmitted,
    catalog: Catalog,
    definition: Definition,
    *,
    api_keys: Mapping[str, Sequence[str]],
    body: Body = None,
) -> dict[str, Value]:
    """The payload of one execution of that definition. `body` is given where `is_read` says so.

    The preprocess flow of a shared endpoint belongs to no customer: both are empty there.
    """
    instance = catalog.instances.get(admitted.instance_id)
    deployed = instance.deployed if instance else None
    customer = catalog.customers.get(admitted.customer_id)
    integration = catalog.versions[(admitted.integration_id, admitted.version)]
    flow = definition.flow(admitted.flow)
    base = admitted.invoke_url.partition("/trigger/")[0]
    return {
        **of_request(admitted.request, body),
        "webhookUrls": {
            flow: f"{base}/trigger/{_shown(endpoint)}"
            for flow, endpoint in _endpoints(deployed, admitted, catalog).items()
        },
        API_KEYS: {flow: list(keys) for flow, keys in api_keys.items()},
        "invokeUrl": admitted.invoke_url,
        "executionId": ids.to_global(ids.EXECUTION, admitted.execution_id),
        "customer": {
            "id": ids.to_global(ids.CUSTOMER, customer.customer_id) if customer else "",
            "externalId": customer.external_id if customer else "",
            "name": customer.name if customer else "",
        },
        "instance": {
            "id": ids.to_global(ids.INSTANCE, deployed.instance_id) if deployed else "",
            "name": deployed.name if deployed else "",
        },
        "user": {"id": "", "email": "", "name": "", "externalId": ""},
        "integration": {
            "id": ids.to_global(ids.INTEGRATION, integration.integration_id),
            "name": integration.name,
            "versionSequenceId": str(integration.version),
            "externalVersion": definition.external_version,
        },
        "flow": {
            "id": ids.to_global(ids.ENDPOINT, admitted.endpoint_id),
            "name": admitted.flow,
            "stableId": (flow.stable_key if flow else "") or admitted.flow,
        },
        "startedAt": to_iso(admitted.received_at),
        "globalDebug": False,
    }


@lru_cache(maxsize=4096)
def _shown(endpoint: str) -> str:
    return quote(ids.to_global(ids.ENDPOINT, endpoint), safe="=")


def _endpoints(
    deployed: events.InstanceDeployed | None,
    admitted: events.ExecutionAdmitted,
    catalog: Catalog,
) -> Mapping[str, EndpointId]:
    """By flow: those of the instance, or of a shared endpoint as the version that rules has it."""
    if deployed is not None:
        return deployed.endpoints
    endpoint = catalog.endpoint(admitted.endpoint_id)
    return endpoint.instance.deployed.endpoints if endpoint else {}


def is_read(request: events.Request) -> bool:
    """Whether a body in a blob is text, or may be, so that it has to be read for the payload."""
    media = bodies.media_of(request.content_type)
    return request.encoding == BodyEncoding.BLOB and (media.is_text or not media.kind)


def is_form(request: events.Request) -> bool:
    """Whether a body in a blob is a form, which is read without its large files."""
    is_in_blob = request.encoding == BodyEncoding.BLOB
    return is_in_blob and bodies.media_of(request.content_type).is_form


def of_request(request: events.Request, body: Body = None) -> dict[str, Value]:
    """The part of the payload that follows from the request alone."""
    data, raw = _body(request, body)
    content_type = request.content_type or None
    return {
        "headers": headers(request),
        "queryParameters": dict(request.query),
        "rawBody": {"data": raw, "contentType": content_type},
        "body": {"data": data, "contentType": content_type},
        "pathFragment": request.path,
    }


def headers(request: events.Request) -> dict[str, str]:
    """The headers by name as first sent, repeated ones joined."""
    joined: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for name, value in request.headers:
        known = spelling.setdefault(name.lower(), name)
        joined[known] = f"{joined[known]}, {value}" if known in joined else value
    return joined


def _body(request: events.Request, given: Body) -> tuple[Value, Value]:
    """The parsed body, and the raw one: text where it is text, else bytes."""
    media = bodies.media_of(request.content_type)
    if request.encoding == BodyEncoding.BLOB and not isinstance(given, bytes):
        raw_stored = Stored(request.body, request.body_bytes)
        return raw_stored if given is None else given, raw_stored
    if given is None and request.encoding == BodyEncoding.TEXT:
        if not request.body:
            return None, None
        if media.is_text and media.charset in (None, "utf-8") and request.body[0] != _MARK:
            return _of_text(request.body, media)
        given = request.body.encode()
    raw = given if isinstance(given, bytes) else base64.b64decode(request.body)
    text = bodies.text_of(raw, media) if media.is_text or not media.kind else None
    if text is not None:
        return _of_text(text, media)
    return _of_bytes(raw, media), raw


def _of_text(text: str, media: Media) -> tuple[Value, Value]:
    if not media.is_json:
        return text, text
    try:
        return orjson.loads(text), text
    except orjson.JSONDecodeError:
        return text, text


def _of_bytes(raw: bytes, media: Media) -> Value:
    if not media.is_form:
        return raw
    try:
        return forms.parsed(raw, media)
    except Malformed:
        return raw
