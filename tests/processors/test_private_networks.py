"""The guard: nothing private is reached, however it is spelled, named or redirected to."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import private_networks
from processors.actions import StepError
from processors.private_networks import PrivateNetworkRefused, guarded_client

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001::1",
    "2001:db8::1",
    "100::1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "192.0.1.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert private_networks.is_private(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address: str) -> None:
    assert not private_networks.is_private(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_wrapping_changes_nothing(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x64FF9B << 96 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]
    answers = {private_networks.is_private(one) for one in wrapped}
    assert answers == {private_networks.is_private(address)}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://localhost/",
        "http://localhost./",
        "http://LOCALHOST/",
        "http://a.localhost/",
        "http://user:pw@127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
    ],
)
async def test_every_spelling_of_a_private_address_is_refused(url: str) -> None:
    async with guarded_client(allow_private=False) as client:
        with pytest.raises(PrivateNetworkRefused, match=private_networks.SETTING):
            await client.get(url)


async def test_the_refusal_names_host_and_address() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.1.2.3"]

    async with guarded_client(allow_private=False, resolve=resolve) as client:
        with pytest.raises(StepError, match=r"api\.example\.com is at 10\.1\.2\.3"):
            await client.get("http://api.example.com/")


class Stub:
    """A server on the loopback address that counts connections and answers from a table."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.answers: dict[bytes, bytes] = {}
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                path = head.split(b" ")[1]
                writer.write(self.answers.get(path, b"HTTP/1.1 204 No Content\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    served = Stub()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()
    await server.wait_closed()


async def test_a_name_is_resolved_once_and_pinned(stub: Stub) -> None:
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with guarded_client(allow_private=True, resolve=resolve) as client:
        for _ in range(3):
            response = await client.get(f"http://shop.example:{stub.port}/")
            assert response.status_code == 204
    assert asked == [("shop.example", stub.port)]
    assert stub.connections == 1
    assert b"host: shop.example" in stub.requests[0].lower()


async def test_the_next_address_is_tried_where_one_does_not_answer(stub: Stub) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async with guarded_client(allow_private=True, resolve=resolve) as client:
        assert (await client.get(f"http://shop.example:{stub.port}/")).status_code == 204


async def test_a_redirect_to_a_private_address_is_refused(stub: Stub) -> None:
    """A guarded client cannot reach the stub, so the first hop is taken without the guard."""
    moved = b"HTTP/1.1 302 Found\r\nlocation: /inside\r\ncontent-length: 0\r\n\r\n"
    stub.answers[b"/outside"] = moved
    async with guarded_client(allow_private=True) as client:
        response = await client.get(f"http://127.0.0.1:{stub.port}/outside")
    assert response.next_request is not None
    async with guarded_client(allow_private=False) as client:
        with pytest.raises(PrivateNetworkRefused):
            await client.send(response.next_request)
    assert not any(b"/inside" in request for request in stub.requests)


async def test_a_name_without_an_address_fails_as_a_connection_does() -> None:
    async with guarded_client(allow_private=False) as client:
        with pytest.raises(httpx.ConnectError, match=r"nowhere\.invalid"):
            await client.get("http://nowhere.invalid/")


async def test_environment_proxies_are_ignored(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{stub.port}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{stub.port}")
    async with guarded_client(allow_private=False) as client:
        with pytest.raises(PrivateNetworkRefused):
            await client.get("http://10.0.0.1/")
    assert stub.connections == 0


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "http+unix://x/"])
async def test_only_http_leaves(url: str) -> None:
    async with guarded_client(allow_private=True) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get(url)


async def test_cookies_of_one_answer_do_not_reach_the_next_request(stub: Stub) -> None:
    stub.answers[b"/in"] = b"HTTP/1.1 204 No Content\r\nset-cookie: session=alice\r\n\r\n"
    async with guarded_client(allow_private=True) as client:
        await client.get(f"http://127.0.0.1:{stub.port}/in")
        await client.get(f"http://127.0.0.1:{stub.port}/out")
    assert not any(b"cookie" in request.lower() for request in stub.requests)
