"""Endpoint keys: whether a caller has shown one that the flow takes (platform-behaviour, 1.7).

Only hashes are compared, all of them in every case, so that time tells nothing.
"""

import hmac
from collections.abc import Sequence

from schemas.definitions import Flow
from schemas.events import Reason

UNSECURED = "unsecured"
ORGANIZATION = "organization"
REQUIRED = "customer_required"


def needs_key(flow: Flow, hashes: Sequence[str]) -> bool:
    """Whether callers of `flow` need a key, where these are the hashes of those it takes."""
    if flow.security == UNSECURED:
        return False
    return flow.security in (ORGANIZATION, REQUIRED) or bool(hashes)


def objection(flow: Flow, hashes: Sequence[str], given_hash: str) -> Reason | None:
    """Why a caller who showed the key of this hash, empty for none, may not call `flow`."""
    if not needs_key(flow, hashes):
        return None
    if not given_hash:
        return Reason.MISSING_API_KEY
    fits = [hmac.compare_digest(given_hash, known) for known in hashes]
    return None if any(fits) else Reason.WRONG_API_KEY
