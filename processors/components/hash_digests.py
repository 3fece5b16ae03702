"""Hash: digests of texts and files, and HMACs of them, in hexadecimal.

Some digests are old: they are there to talk to systems that use them, not to protect anything.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, StepError, World, in_thread
from processors.components.computing import compute
from processors.components.files import bytes_of
from processors.components.refusals import unfit
from schemas.values import Value

DIGESTS: Mapping[str, str] = {
    "blake2b512": "blake2b512",
    "blake2s256": "blake2s256",
    "md4": "",
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
    "whirlpool": "",
}
"""How actions name a digest, and how hashlib does; empty for those of old_digests."""

_Digest = Callable[[Mapping[str, Any], World], bytes]

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


def signed(given: Mapping[str, Any], world: World) -> bytes:
    """The HMAC of the message (RFC 2104). Raises StepError."""
    name = known(given["hashFunction"])
    key, message = bytes_of(SECRET, given["secretKey"]), bytes_of(MESSAGE, given["message"])
    if not DIGESTS[name]:
        return _old({"name": name, "key": key, "message": message}, world)
    _new(name, b"")
    return hmac.digest(key, message, DIGESTS[name])


def _hashed(name: str, message: Value, world: World) -> bytes:
    content = bytes_of(MESSAGE, message)
    if not DIGESTS[name]:
        return _old({"name": name, "key": None, "message": content}, world)
    return _new(name, content).digest()


def _old(given: Mapping[str, Value], world: World) -> bytes:
    """In a computing process: written in Python, they take long for long messages."""
    digest: bytes = compute(old_digest, given, f"The {given['name']} digest", world)
    return digest


def old_digest(given: Value) -> Value:
    """The digest of the message, or its HMAC where there is a key."""
    from processors.components import old_digests

    function = old_digests.md4 if given["name"] == "md4" else old_digests.whirlpool
    message, key = given["message"], given["key"]
    if key is None:
        return function(message)
    size = old_digests.BLOCK_BYTES
    padded = (function(key) if len(key) > size else key).ljust(size, b"\0")
    inner = function(bytes(byte ^ 0x36 for byte in padded) + message)
    return function(bytes(byte ^ 0x5C for byte in padded) + inner)


def known(name: str) -> str:
    """The digest of that name. Raises StepError."""
    function = name.strip().lower().replace("_", "-")
    if function not in DIGESTS:
        raise unfit(FUNCTION, f"one of {', '.join(DIGESTS)}", name)
    return function


def _new(name: str, content: bytes) -> "hashlib._Hash":
    try:
        return hashlib.new(DIGESTS[name], content, usedforsecurity=False)
    except ValueError as error:  # what OpenSSL was built without
        raise StepError(f"The digest {name} is not there on this machine: {error}") from error


_make = in_thread("hash")


def _action(key: str, label: str, description: str, digest: _Digest, *inputs: Input) -> Action:
    def perform(given: Mapping[str, Any], _context: Context, world: World) -> Outcome:
        return Outcome(result=digest(given, world).hex())

    made: Action = _make(key, label, description, perform, *inputs)
    return made


def _named(name: str) -> Action:
    told = name.upper()
    return _action(
        f"compute{name.capitalize()}",
        f"Compute {told} Hash",
        f"Gives the {told} digest in hexadecimal.",
        lambda given, world: _hashed(name, given["message"], world),
        MESSAGE,
    )


ACTIONS = (
    *map(_named, DIGESTS),
    _action(
        "computeHash",
        "Compute Hash",
        "Gives the digest in hexadecimal.",
        lambda given, world: _hashed(known(given["hashFunction"]), given["message"], world),
        FUNCTION,
        MESSAGE,
    ),
    _action(
        "computeHmac",
        "Compute HMAC Hash",
        "Gives the HMAC in hexadecimal.",
        signed,
        FUNCTION,
        SECRET,
        MESSAGE,
    ),
)
