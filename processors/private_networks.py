"""Private networks: which addresses a step may reach, and the HTTP client that holds it to them.

A host name is resolved once per connection, every address that it has is checked, and the bytes go
to an address that passed: a name cannot point elsewhere between the check and the connection, and
a redirect is a request like any other. Environment proxies and Unix sockets are never used.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from http.cookiejar import CookieJar
from typing import Any

import httpx

from processors.actions import StepError
from processors.components import http_client, http_connections

SETTING = "PENSTOCK_ALLOW_PRIVATE_NETWORKS"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; a cloud's metadata at .192
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "168.63.129.16/32",  # a cloud's host agent, at a public address
        "64:ff9b:1::/48",  # local-use NAT64, RFC 8215
        "::ffff:0:0:0/96",  # translated IPv4, RFC 2765
        "2001::/32",  # Teredo, RFC 4380: wraps two IPv4 addresses
        "5f00::/16",  # segment routing, RFC 9602
        "fec0::/10",  # site-local, RFC 3879
    )
)
_WRAPPINGS = (
    (ipaddress.ip_network("::ffff:0:0/96"), 0),  # IPv4-mapped, RFC 4291
    (ipaddress.ip_network("::/96"), 0),  # IPv4-compatible, RFC 4291
    (ipaddress.ip_network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.ip_network("2002::/16"), 80),  # 6to4, RFC 3056
)
"""Networks whose addresses hold an IPv4 address, and how many bits from the right it stands."""


class PrivateNetworkRefused(StepError):
    """A host that is, or has, an address which steps may not reach."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            f"{host} is at {address}, which is not a public address; "
            f"steps may reach private networks where {SETTING} is on"
        )


class _NoCookies(CookieJar):
    """Keeps and sends nothing: one client serves all customers."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        pass

    def add_cookie_header(self, request: Any) -> None:
        pass


def guarded_client(
    *, allow_private: bool, resolve: http_connections.Resolve | None = None
) -> httpx.AsyncClient:
    """The client that steps use. `resolve` gives all addresses of a host, by default getaddrinfo.

    Without a time limit of its own: whoever sends a request sets it. It raises
    PrivateNetworkRefused, and httpx.TransportError for everything that fails on the way.
    """
    # At INFO httpx writes every URL with its query, in which steps may send secrets.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    look_up = resolve or _look_up
    guarded = look_up if allow_private else _checked(look_up)
    return http_client.Client(
        http_connections.Transport(guarded),
        cookies=_NoCookies(),
        timeout=None,
        trust_env=False,
        follow_redirects=False,
    )


def is_private(address: Address) -> bool:
    """Whether `address`, or the IPv4 address that it wraps, is not on the public internet."""
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_private(wrapped)
    special = not address.is_global or address.is_multicast or address.is_reserved
    return special or any(address in network for network in _CLOSED)


def _wrapped(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    for network, shift in _WRAPPINGS:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None


def _checked(look_up: http_connections.Resolve) -> http_connections.Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if _is_local_name(host):
            raise PrivateNetworkRefused(host, "this machine")
        addresses = await look_up(host, port)
        for address in addresses:
            if is_private(ipaddress.ip_address(address)):
                raise PrivateNetworkRefused(host, address)
        return addresses

    return resolve


def _is_local_name(host: str) -> bool:
    """RFC 6761, 6.3: `localhost` and all names below it, however a resolver might answer."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


async def _look_up(host: str, port: int) -> Sequence[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"no address found for {host}: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
