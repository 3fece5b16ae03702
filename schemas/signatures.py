"""Signatures: who sent a request, by an HMAC over its body as it was sent (RFC 2104). Pure.

Takes in a scheme, the headers and the bytes of the body as they come; says in the end whether one
of the signatures in the header fits one of the secrets. What is signed is a text around the body:

    preset            header                   signed                        signature
    (none)            hmacHeaderName           {body}                        hex or base64
    github            x-hub-signature-256      {body}                        sha256=hex
    shopify           x-shopify-hmac-sha256    {body}                        base64
    slack             x-slack-signature        v0:{timestamp}:{body}         v0=hex
    stripe            stripe-signature         {timestamp}.{body}            t=…,v1=hex,v1=hex
    standardWebhooks  webhook-signature        {id}.{timestamp}.{body}       v1,base64 v1,base64
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from schemas.errors import Refused

COMPONENT, TRIGGER = "hash", "hmacWebhookTrigger"
HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
ENCODINGS = ("auto", "hex", "base64")
TOLERANCE_S = 300
BODY, TIMESTAMP, ID = "{body}", "{timestamp}", "{id}"
MOST_SIGNATURES = 20
"""So many signatures of one header are compared."""

_KEY_PREFIX = "whsec_"
_LONGEST_TIMESTAMP = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a sender signs. `separator` parts several signatures in one header.

    With `in_pairs` the header holds `name=value` pairs: `t` is the timestamp, and signatures are
    those whose name and `=` are the `prefix`. Without a timestamp header nothing is stale.
    """

    header: str
    hash: str = "sha256"
    encoding: str = "auto"
    prefix: str = ""
    separator: str = ""
    signed: str = BODY
    timestamp_header: str = ""
    id_header: str = ""
    in_pairs: bool = False
    tolerance_s: int = TOLERANCE_S
    keys_in_base64: bool = False
    answers_challenge: bool = False
    keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def is_timed(self) -> bool:
        return self.in_pairs or bool(self.timestamp_header)


PRESETS: Mapping[str, Scheme] = {
    "github": Scheme(header="x-hub-signature-256", encoding="hex", prefix="sha256="),
    "shopify": Scheme(header="x-shopify-hmac-sha256", encoding="base64"),
    "slack": Scheme(
        header="x-slack-signature",
        encoding="hex",
        prefix="v0=",
        signed="v0:{timestamp}:{body}",
        timestamp_header="x-slack-request-timestamp",
        answers_challenge=True,
    ),
    "stripe": Scheme(
        header="stripe-signature",
        encoding="hex",
        prefix="v1=",
        separator=",",
        signed="{timestamp}.{body}",
        in_pairs=True,
    ),
    "standardWebhooks": Scheme(
        header="webhook-signature",
        encoding="base64",
        prefix="v1,",
        separator=" ",
        signed="{id}.{timestamp}.{body}",
        timestamp_header="webhook-timestamp",
        id_header="webhook-id",
        keys_in_base64=True,
    ),
}


class BadScheme(ValueError):
    """The inputs of a trigger say no scheme; the message says why."""


def with_secrets(scheme: Scheme, secrets: Iterable[str]) -> Scheme:
    """`scheme` with the keys that the texts of its secrets stand for."""
    keys = (_key(secret, scheme.keys_in_base64) for secret in secrets)
    return replace(scheme, keys=tuple(dict.fromkeys(key for key in keys if key)))


def check(scheme: Scheme) -> None:
    """Raises BadScheme for what nobody can sign by."""
    if scheme.hash not in HASHES:
        raise BadScheme(f"hash function {scheme.hash[:50]!r} is none of {', '.join(HASHES)}")
    if scheme.encoding not in ENCODINGS:
        raise BadScheme(f"encoding {scheme.encoding[:50]!r} is none of {', '.join(ENCODINGS)}")
    if scheme.signed.count(BODY) != 1:
        raise BadScheme(f"signed content {scheme.signed[:50]!r} must hold {BODY} once")
    if TIMESTAMP in scheme.signed and not scheme.is_timed:
        raise BadScheme(f"signed content holds {TIMESTAMP}, and no timestamp header is named")
    if not scheme.header:
        raise BadScheme("no header is named that holds the signature")


class Verifier:
    """Sees the body of one request, and says in the end whether its sender is genuine."""

    def __init__(self, scheme: Scheme, header: Callable[[str], str | None], now_s: float) -> None:
        """Raises Refused (401) where no body could make it genuine."""
        given = header(scheme.header)
        if not given:
            message = f"This endpoint needs a signature in the header {scheme.header}."
            raise Refused(message, status=401, reason="missing_signature")
        self._scheme = scheme
        timestamp = _timestamp(scheme, given, header)
        if scheme.is_timed:
            _check_age(timestamp, scheme.tolerance_s, now_s)
        sender_id = (header(scheme.id_header) or "") if scheme.id_header else ""
        head, _, tail = scheme.signed.partition(BODY)
        fill = {TIMESTAMP: timestamp, ID: sender_id}
        start = _filled(head, fill)
        self._tail = _filled(tail, fill)
        self._wanted = _signatures(scheme, given)
        self._macs = [hmac.new(key, start, scheme.hash) for key in scheme.keys]

    def update(self, chunk: bytes) -> None:
        for mac in self._macs:
            mac.update(chunk)

    def finish(self) -> None:
        """Raises Refused (401) where no signature fits; each is compared in constant time."""
        self.update(self._tail)
        digests = [mac.digest() for mac in self._macs]
        fits = [hmac.compare_digest(d, wanted) for d in digests for wanted in self._wanted]
        if not any(fits):
            message = f"The signature in the header {self._scheme.header} does not fit the request."
            raise Refused(message, status=401, reason="wrong_signature")


def challenge_in(body: str) -> str | None:
    """What Slack wants to hear back when a URL is entered there, None in every other body."""
    if '"url_verification"' not in body:
        return None
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict) or said.get("type") != "url_verification":
        return None
    challenge = said.get("challenge")
    return challenge if isinstance(challenge, str) else None


def _key(secret: str, in_base64: bool) -> bytes:
    """Empty for a secret that is none."""
    if not in_base64:
        return secret.encode()
    text = secret.strip().removeprefix(_KEY_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _timestamp(scheme: Scheme, given: str, header: Callable[[str], str | None]) -> str:
    if scheme.in_pairs:
        pairs = (pair.strip().partition("=") for pair in given.split(","))
        return next((value for name, _, value in pairs if name == "t"), "")
    return (header(scheme.timestamp_header) or "").strip() if scheme.timestamp_header else ""


def _check_age(timestamp: str, tolerance_s: int, now_s: float) -> None:
    if not timestamp:
        message = "This endpoint needs a signature with a timestamp."
        raise Refused(message, status=401, reason="missing_signature")
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < _LONGEST_TIMESTAMP
    if not is_number or abs(now_s - int(timestamp)) > tolerance_s:
        message = f"The timestamp of the signature is not within {tolerance_s} seconds of now."
        raise Refused(message, status=401, reason="stale_timestamp")


def _filled(text: str, fill: Mapping[str, str]) -> bytes:
    for place, value in fill.items():
        text = text.replace(place, value)
    return text.encode("utf-8", "surrogateescape")


def _signatures(scheme: Scheme, given: str) -> list[bytes]:
    """The signatures in the header, as bytes; what cannot be one of this hash is left out."""
    parts = given.split(scheme.separator) if scheme.separator else [given]
    stripped = [part.strip() for part in parts[:MOST_SIGNATURES]]
    prefix = scheme.prefix
    if prefix:
        texts = [text[len(prefix) :] for text in stripped if text.startswith(prefix)]
    else:
        # Many senders name the function that they use, and nobody has to say so here.
        texts = [text.removeprefix(f"{scheme.hash}=") for text in stripped]
    size = hashlib.new(scheme.hash).digest_size
    decoded = [_decoded(text, scheme.encoding, size) for text in texts]
    return [signature for signature in decoded if len(signature) == size]


def _decoded(text: str, encoding: str, size: int) -> bytes:
    is_hex = encoding == "hex" or (encoding == "auto" and len(text) == 2 * size)
    try:
        if is_hex:
            return bytes.fromhex(text)
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        return b""
