"""Requests: an HTTP request as it arrives to a schemas.events.Request.

Takes in an ASGI scope and what the body was kept as (ingress.intake); gives out the endpoint that
the path names and the request as the log keeps it, API keys nowhere.
"""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from ingress.answers import Scope
from schemas.events import BodyEncoding, Request
from schemas.secrets import HIDDEN

TRIGGER = "/trigger/"
API_KEY = b"api-key"
NAMES = "header_names"
"""Where a scope has the names of its headers as they were sent, in the order of `headers`."""


class Address(NamedTuple):
    """The endpoint id as it stands in the URL, percent-decoded, and the path behind it."""

    endpoint: str
    path: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body as the log keeps it: its text, base64, or the key of its blob."""

    kept: str
    encoding: BodyEncoding
    size: int


def address_of(path: str) -> Address:
    """`/trigger/SW5z…==/my/path` is the endpoint `SW5z…==` and the path `my/path`."""
    endpoint, _, rest = path.removeprefix(TRIGGER).partition("/")
    return Address(endpoint, rest)


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (lower case)."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value.decode("latin-1"))
    return None


def base_url(scope: Scope, public_url: str) -> str:
    """Where callers reach us: as configured, or as this caller did."""
    if public_url:
        return public_url.rstrip("/")
    host = header(scope, b"host") or "localhost"
    return f"{scope.get('scheme', 'http')}://{host}"


def url_of(scope: Scope, public_url: str) -> str:
    """The URL of this request, without its query."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"], safe="/=%")
    return base_url(scope, public_url) + path


def request_of(scope: Scope, path: str, content_type: str, body: Body) -> Request:
    """The request as the log keeps it. Values of Api-Key are hidden."""
    headers = scope["headers"]
    # Servers write names in lower case; ours also says how the caller did.
    names = scope.get(NAMES) or [name for name, _ in headers]
    return Request(
        method=scope["method"],
        path=path,
        headers=[
            [sent.decode("latin-1"), HIDDEN if name == API_KEY else value.decode("latin-1")]
            for sent, (name, value) in zip(names, headers, strict=True)
        ],
        query=_query(scope["query_string"]),
        body=body.kept,
        encoding=body.encoding,
        body_bytes=body.size,
        content_type=content_type,
    )


def _query(text: bytes) -> list[list[str]]:
    if not text:
        return []
    return [[*pair] for pair in parse_qsl(text.decode("latin-1"), keep_blank_values=True)]
