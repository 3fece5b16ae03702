"""Hash: digests of texts and files, and HMACs of them, in hexadecimal.

Some digests are old: they are there to talk to systems that use them, not to protect anything.
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any

from processors.actions import Action, Input, Kind, Runs, StepError
from processors.components import computed
from processors.components.files import bytes_of
from processors.components.refusals import unfit
from schemas.values import Value

DIGESTS: Mapping[str, str] = {
    "blake2b512": "blake2b512",
    "blake2s256": "blake2s256",
    "md5": "md5",
    "md5-sha1": "md5-sha1",
    "ripemd160": "ripemd160",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha3-224": "sha3_224",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha512-224": "sha512_224",
    "sha512-256": "sha512_256",
    "sm3": "sm3",
}
"""How actions name a digest, and how hashlib does."""

MESSAGE = Input(
    key="message",
    label="Message",
    kind=Kind.ANY,
    default="",
    description="A text, which is read as UTF-8, or a file.",
    example="Hello",
)
FUNCTION = Input(
    key="hashFunction",
    label="Hash Function",
    default="sha256",
    description=f"One of {', '.join(DIGESTS)}.",
    example="sha512",
)
SECRET = Input(
    key="secretKey",
    label="Secret Key",
    kind=Kind.ANY,
    required=True,
    description="The key, as a text or a file.",
    example="AC49CB66-511F-4085-9119-360B1B142F4B",
)
SECRETS = frozenset((SECRET.key,))


def hashed(name: str, message: Value) -> Value:
    """The digest of `message` in hexadecimal. Raises StepError."""
    return _new(name, bytes_of(MESSAGE, message)).hexdigest()


def signed(given: Mapping[str, Any]) -> bytes:
    """The HMAC of the message (RFC 2104). Raises StepError."""
    name = _known(given["hashFunction"])
    _new(name, b"")
    key, message = bytes_of(SECRET, given["secretKey"]), bytes_of(MESSAGE, given["message"])
    return hmac.digest(key, message, DIGESTS[name])


def _known(name: str) -> str:
    function = name.strip().lower().replace("_", "-")
    if function not in DIGESTS:
        raise unfit(FUNCTION, f"one of {', '.join(DIGESTS)}", name)
    return function


def _new(name: str, content: bytes) -> "hashlib._Hash":
    try:
        return hashlib.new(DIGESTS[name], content, usedforsecurity=False)
    except ValueError as error:  # what OpenSSL was built without
        raise StepError(f"The digest {name} is not there on this machine: {error}") from error


_tool = partial(computed.action, "hash")


def _digest(name: str) -> Action:
    told = name.upper()
    return _tool(
        f"compute{name.capitalize()}",
        f"Compute {told} Hash",
        f"Gives the {told} digest in hexadecimal.",
        lambda given: hashed(name, given["message"]),
        MESSAGE,
        runs=Runs.THREAD,
    )


ACTIONS = (
    *map(_digest, DIGESTS),
    _tool(
        "computeHash",
        "Compute Hash",
        "Gives the digest in hexadecimal.",
        lambda given: hashed(_known(given["hashFunction"]), given["message"]),
        FUNCTION,
        MESSAGE,
        runs=Runs.THREAD,
    ),
    _tool(
        "computeHmac",
        "Compute HMAC Hash",
        "Gives the HMAC in hexadecimal.",
        lambda given: signed(given).hex(),
        FUNCTION,
        SECRET,
        MESSAGE,
        runs=Runs.THREAD,
        secret_inputs=SECRETS,
    ),
)
