"""HMAC: signatures with a shared key, made and checked; pure."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from processors.actions import Input, Runs
from processors.components import computed
from processors.components.hash_digests import FUNCTION, MESSAGE, SECRET, SECRETS, signed
from processors.components.refusals import unfit
from schemas.values import Value

_ENCODING = Input(
    key="encoding",
    label="Encoding",
    default="hex",
    description="How the signature is written: hex or base64.",
    example="base64",
)
_SIGNATURE = Input(
    key="signature",
    label="Signature",
    required=True,
    description="The signature to check, in hexadecimal or base64, also as `sha256=…`.",
    example="sha256=5d61…",
)


def _compute(given: Mapping[str, Any]) -> Value:
    match given["encoding"].strip().lower():
        case "hex":
            return signed(given).hex()
        case "base64":
            return base64.b64encode(signed(given)).decode()
    raise unfit(_ENCODING, "hex or base64", given["encoding"])


def _verify(given: Mapping[str, Any]) -> Value:
    expected = signed(given)
    text = given["signature"].strip()
    prefix = f"{given['hashFunction'].strip().lower()}="
    text = text[len(prefix) :] if text.lower().startswith(prefix) else text
    return any(hmac.compare_digest(expected, read) for read in _readings(text))


def _readings(text: str) -> list[bytes]:
    readings = []
    for decode in (binascii.unhexlify, _from_base64):
        try:
            readings.append(decode(text.encode()))
        except (binascii.Error, ValueError):
            continue
    return readings


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


ACTIONS = (
    computed.action(
        "hmac",
        "computeHmac",
        "Compute HMAC",
        "Gives the signature of the message.",
        _compute,
        FUNCTION,
        SECRET,
        MESSAGE,
        _ENCODING,
        runs=Runs.THREAD,
        secret_inputs=SECRETS,
    ),
    computed.action(
        "hmac",
        "verifyHmac",
        "Verify HMAC",
        "Gives whether the signature is that of the message.",
        _verify,
        FUNCTION,
        SECRET,
        MESSAGE,
        _SIGNATURE,
        runs=Runs.THREAD,
        secret_inputs=SECRETS,
    ),
)
