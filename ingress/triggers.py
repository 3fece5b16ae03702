"""Triggers: what the inputs of a flow's trigger say to ingress, once they are resolved.

Takes in a trigger step and the configuration of the instance, which may hold what an input names;
gives out how those are answered who do not wait, and by which signatures senders are known. Whoever
deploys is told what is wrong with the inputs as far as it stands in the file.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import orjson

from ingress import answers
from schemas import configuration, inputs, signatures
from schemas.definitions import Definition, Flow, Literal, Pair, Step
from schemas.errors import Refused
from schemas.integration_routing import FLOW_SPECIFIC, SHARED
from schemas.signatures import PRESETS, BadScheme, Scheme
from schemas.values import Value, to_text

Config = Callable[[], Mapping[str, Value]]
"""The configuration, opened when an input needs it: most triggers name nothing of it."""

_HMAC = (signatures.COMPONENT, signatures.TRIGGER)
_WEBHOOKS = (("webhook-triggers", "webhook"), ("http", "webhook"))
_ANSWERING = frozenset((*_WEBHOOKS, _HMAC))
_SECRET_FIELDS = ("secretKey", "signingSecret", "webhookSecret", "sharedSecret", "secret")
"""The fields of a connection that hold a secret, by how sure that is."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a flow answers those who do not wait; an empty body is the execution id."""

    status: int = 200
    content_type: bytes = answers.JSON
    headers: tuple[answers.Header, ...] = ()
    body: bytes = b""


def accepted(trigger: Step, config: Config) -> Accepted:
    """The answer that the inputs of a trigger say; what is no status or header says nothing."""
    if (trigger.component, trigger.action) not in _ANSWERING:
        return Accepted()
    body = _text(trigger, "body", config)
    kind = _text(trigger, "contentType", config)
    return Accepted(
        status=_status(_text(trigger, "statusCode", config)),
        content_type=answers.content_type_of(kind) if kind or not body else _kind_of(body),
        headers=answers.headers_of(_pairs(_value(trigger, "headers", config))),
        body=body.encode(),
    )


def scheme(trigger: Step, config: Config) -> Scheme | None:
    """By which signatures the senders of a flow are known, None where they need none.

    Raises BadScheme.
    """
    if (trigger.component, trigger.action) != _HMAC:
        return None
    preset = _text(trigger, "preset", config).strip()
    if preset and preset not in PRESETS:
        raise BadScheme(f"preset {preset[:50]!r} is none of {', '.join(PRESETS)}")
    found = PRESETS[preset] if preset else _described(trigger, config)
    tolerance = _text(trigger, "toleranceSeconds", config).strip()
    if tolerance:
        found = replace(found, tolerance_s=_seconds(tolerance))
    signatures.check(found)
    return signatures.with_secrets(found, _secrets(trigger, config))


def scheme_in_force(trigger: Step, config: Config) -> Scheme | None:
    """`scheme`, or one that lets nobody in where the inputs, deployed long ago, say none."""
    try:
        return scheme(trigger, config)
    except BadScheme:
        return Scheme(header="authorization")


def door_of(definition: Definition, flow: str) -> Flow | None:
    """The flow whose trigger a request meets first; `flow` is empty where several share a URL.

    None where only the request itself says which one it is for.
    """
    if flow:
        return definition.flow(flow)
    if definition.routing.preprocess_flow:
        return definition.flow(definition.routing.preprocess_flow)
    return definition.flows[0] if len(definition.flows) == 1 else None


def shared_config(definition: Definition) -> Mapping[str, Value]:
    """The configuration of nobody: that of a URL that all customers share is its defaults."""
    return configuration.configured({}, definition).values


def check(definition: Definition, config: Config) -> None:
    """Raises Refused for a trigger whose signatures nobody could make or ingress not check."""
    is_shared = definition.endpoint_type == SHARED
    if is_shared:
        config = partial(shared_config, definition)
    for flow in definition.flows:
        trigger = flow.steps[0]
        try:
            found = scheme(trigger, config)
        except BadScheme as error:
            message = f"The trigger of the flow {flow.name!r}: {error}."
            raise Refused(message, reason="bad_signature_scheme") from error
        shares = definition.endpoint_type != FLOW_SPECIFIC
        if found is not None and shares and door_of(definition, "") is not flow:
            message = (
                f"The flow {flow.name!r} checks signatures, and shares its URL with other flows:"
                " only the trigger of a preprocess flow, or of the only flow, can do so."
            )
            raise Refused(message, reason="signature_behind_routing")
        if found is not None and is_shared and not found.keys:
            message = (
                f"The flow {flow.name!r} checks signatures at a URL that all customers share: its"
                " secret key must be in the definition, as a text or as a default value."
            )
            raise Refused(message, reason="no_shared_secret")


def _described(trigger: Step, config: Config) -> Scheme:
    def text(key: str) -> str:
        return _text(trigger, key, config).strip()

    return Scheme(
        header=text("hmacHeaderName").lower(),
        hash=(text("hashFunction") or "sha256").lower().replace("-", ""),
        encoding=text("encoding").lower() or "auto",
        prefix=text("signaturePrefix"),
        signed=_text(trigger, "signedContent", config) or signatures.BODY,
        timestamp_header=text("timestampHeaderName").lower(),
    )


def _secrets(trigger: Step, config: Config) -> Iterator[str]:
    for key in ("secretKey", "otherSecretKeys"):
        yield from _texts_in(_value(trigger, key, config))


def _texts_in(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _texts_in(_secret_of(value))
    elif isinstance(value, Pair):
        yield from _texts_in(value.value)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)
    elif value not in (None, ""):
        yield to_text(value)


def _secret_of(connection: Mapping[str, Value]) -> Value:
    """The secret of a connection: a field called so, else the only field that it has."""
    for name in _SECRET_FIELDS:
        if connection.get(name):
            return connection[name]
    return next(iter(connection.values())) if len(connection) == 1 else None


def _value(trigger: Step, key: str, config: Config) -> Value:
    given = trigger.inputs.get(key)
    if given is None or isinstance(given, Literal):
        return given.text if given is not None else None
    return inputs.resolve(given, {}, config())


def _text(trigger: Step, key: str, config: Config) -> str:
    return to_text(_value(trigger, key, config))


def _pairs(value: Value) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from ((str(name), to_text(inner)) for name, inner in value.items())
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Pair):
            yield entry.name, to_text(entry.value)


def _seconds(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 1e9:
        raise BadScheme(f"tolerance {text[:50]!r} is not a number of seconds")
    return int(seconds)


def _status(text: str) -> int:
    text = text.strip()
    status = int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 200
    return status if 200 <= status <= 599 else 200


def _kind_of(body: str) -> bytes:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return answers.TEXT
    return answers.JSON
