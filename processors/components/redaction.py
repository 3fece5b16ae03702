"""Redaction: texts for people without the values that are known to be secret; pure."""

_MIN_SECRET_CHARS = 4


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """`text` with *** for each secret; shorter than four characters they would eat plain words."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET_CHARS:
            text = text.replace(secret, "***")
    return text
