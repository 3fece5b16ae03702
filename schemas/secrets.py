"""Secrets: configuration sealed for the log, keys for signing, and the hiding of secrets in texts.

The master key is 32 bytes in url-safe base64, which is a Fernet key as it stands (spec of Fernet,
version 0x80); the signing key is derived from it, so that neither gives the other away.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken

from schemas.errors import Unusable

HIDDEN = "***"
SHORTEST_HIDDEN = 4
"""Shorter secrets than this many characters are not hidden: they would blot out common words."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key from which all others follow. Its text never appears in a repr."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            Fernet(self.text)
        except ValueError:
            raise Unusable(
                "PENSTOCK_MASTER_KEY is not 32 bytes in url-safe base64 (44 characters)"
            ) from None

    def seal(self, content: Any) -> str:
        """`content` (JSON) encrypted and authenticated. Differs at every call."""
        return Fernet(self.text).encrypt(orjson.dumps(content)).decode()

    def unseal(self, sealed: str) -> Any:
        """The inverse of `seal`. Raises Unusable when another master key sealed it."""
        try:
            return orjson.loads(Fernet(self.text).decrypt(sealed))
        except InvalidToken:
            raise Unusable(
                "a configuration on the log was sealed with another master key; "
                "set PENSTOCK_MASTER_KEY to the one it was made with"
            ) from None

    def sign(self, message: bytes) -> bytes:
        """HMAC-SHA256 of `message` under the signing key, 32 bytes."""
        key = hmac.digest(self.text.encode(), b"penstock signed results", hashlib.sha256)
        return hmac.digest(key, message, hashlib.sha256)


def hash_of(api_key: str) -> str:
    """What is kept of an API key for checking: SHA-256 in hex (keys are long and random)."""
    return hashlib.sha256(api_key.encode()).hexdigest()


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by `***`, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_HIDDEN and secret in text:
            text = text.replace(secret, HIDDEN)
    return text
