"""Methods: which ones a webhook takes, and what browsers of other origins are told (Fetch, 4.10).

Takes in an ASGI scope; gives out the answer to a preflight, the refusal of another method, and the
`access-control-*` headers of every answer. No cookie counts here, so any origin may call; who may
start what is a matter of API keys and signatures.
"""

import re

from ingress.answers import Answer, Header, RefusedWith, Scope

ALLOWED = ("POST", "PUT", "PATCH", "DELETE", "GET")
PROBE = "HEAD"
"""Some senders see by a HEAD whether a URL is there; it starts nothing."""
PREFLIGHT = "OPTIONS"
_PREFLIGHT_S = b"86400"

_LISTED = ", ".join(ALLOWED).encode()
_HEADERS = (
    b"Accept,Api-Key,Authorization,Content-Encoding,Content-Type,Host,Idempotency-Key,"
    b"Prismatic-Prefer-Direct-Sync-Json-Response,Prismatic-Synchronous,User-Agent,Via,"
    b"X-Forwarded-For,X-Forwarded-Port,X-Forwarded-Proto"
)
_ALLOW_HEADERS: Header = (b"access-control-allow-headers", _HEADERS)
_ALLOW_ORIGIN: Header = (b"access-control-allow-origin", b"*")
_EXPOSED: Header = (
    b"access-control-expose-headers",
    b"prismatic-executionid, location, retry-after, idempotent-replayed",
)
_OF_METHOD: dict[str, tuple[Header, ...]] = {
    method: ((b"access-control-allow-methods", method.encode()), _ALLOW_HEADERS)
    for method in (*ALLOWED, PROBE)
}
_OF_OTHERS: tuple[Header, ...] = ((b"access-control-allow-methods", _LISTED), _ALLOW_HEADERS)
_ASKED_FOR = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,4000}")


def headers_for(scope: Scope) -> tuple[Header, ...]:
    """What every answer to `scope` says to browsers; to those of another origin a little more."""
    found = _OF_METHOD.get(scope["method"], _OF_OTHERS)
    for name, _ in scope["headers"]:
        if name == b"origin":
            return (*found, _ALLOW_ORIGIN, _EXPOSED)
    return found


def check(scope: Scope) -> None:
    """Raises Refused (405) for a method that nothing is there for."""
    method = scope["method"]
    if method not in ALLOWED and method != PROBE:
        message = f"A webhook takes {', '.join(ALLOWED)}, not {method[:50]}."
        allow = (b"allow", b"%s, %s, %s" % (_LISTED, PROBE.encode(), PREFLIGHT.encode()))
        reason = "method_not_allowed"
        raise RefusedWith(message, status=405, reason=reason, headers=(allow,))


def preflight(scope: Scope, allowed: bytes = _LISTED) -> Answer:
    """What a browser asks before it calls: nothing is started, and no key is needed."""
    wanted = next(
        (value for name, value in scope["headers"] if name == b"access-control-request-headers"),
        b"",
    )
    headers = wanted if _ASKED_FOR.fullmatch(wanted) else _HEADERS
    return Answer(
        204,
        headers=(
            _ALLOW_ORIGIN,
            (b"access-control-allow-methods", allowed),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", _PREFLIGHT_S),
        ),
    )
