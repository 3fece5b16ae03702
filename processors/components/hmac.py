"""HMAC: signatures with a shared key, made and checked."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Outcome, Runs, World
from processors.components.hash_digests import FUNCTION, MESSAGE, SECRET, signed
from processors.components.refusals import unfit

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


def _compute(given: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    match given["encoding"].strip().lower():
        case "hex":
            return Outcome(result=signed(given, world).hex())
        case "base64":
            return Outcome(result=base64.b64encode(signed(given, world)).decode())
    raise unfit(_ENCODING, "hex or base64", given["encoding"])


def _verify(given: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    expected = signed(given, world)
    text = given["signature"].strip()
    prefix = f"{given['hashFunction'].strip().lower()}="
    text = text[len(prefix) :] if text.lower().startswith(prefix) else text
    fits = any(hmac.compare_digest(expected, read) for read in _readings(text))
    return Outcome(result=fits)


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
    Action(
        component="hmac",
        key="computeHmac",
        label="Compute HMAC",
        description="Gives the signature of the message.",
        perform=_compute,
        inputs=(FUNCTION, SECRET, MESSAGE, _ENCODING),
        runs=Runs.THREAD,
    ),
    Action(
        component="hmac",
        key="verifyHmac",
        label="Verify HMAC",
        description="Gives whether the signature is that of the message.",
        perform=_verify,
        inputs=(FUNCTION, SECRET, MESSAGE, _SIGNATURE),
        runs=Runs.THREAD,
    ),
)
