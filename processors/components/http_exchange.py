"""HTTP exchanges: a call carried out, with retries and redirects; takes a call, gives the answer.

Bodies, of either side, are in http_bodies.
"""

import asyncio
from dataclasses import dataclass

import httpx

from eventlog import contents
from eventlog.blobs import BlobMissing, BlobsUnavailable
from processors.components import http_bodies
from processors.components.http_bodies import Bound
from processors.components.http_failures import Failed as Failed
from schemas.stored import Piece, Stored

MAX_REDIRECTS = 5
MAX_TOTAL_S = 900
_MAX_SHOWN_BODY_BYTES = 1024
_BACKOFF_BASE_S = 0.1
_IDEMPOTENT = frozenset(("GET", "PUT", "DELETE", "HEAD", "OPTIONS"))
FRAMING = frozenset(("connection", "content-length", "keep-alive", "te", "transfer-encoding"))
_CREDENTIALS = frozenset(("authorization", "cookie", "proxy-authorization"))

ERRORS = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
"""What httpx raises for requests that cannot be made or answered."""


def shown(url: httpx.URL) -> str:
    """The URL without user info and query, where secrets stand."""
    return f"{url.scheme}://{url.netloc.decode()}{url.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a failed attempt is followed by another, and after which pause."""

    most: int = 0
    delay_s: float = 0.0
    on_all_errors: bool = False
    exponential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is sent, worked out once for all attempts. `shown` is the URL as messages name it.

    Where something in `content` is stored it comes from the blobs of `bound`. `credentials` are the
    names of headers, in lower case, that no other origin may see.
    """

    method: str
    url: httpx.URL
    shown: str
    headers: dict[str, str]
    content: bytes | tuple[Piece, ...] | None
    timeout_s: float
    verify: bool
    bound: Bound
    retries: Retries
    credentials: frozenset[str]
    secrets: frozenset[str]
    any_status: bool = False
    """Whether an answer that refuses or fails is an answer, and not a failure."""

    def __str__(self) -> str:
        return f"{self.method} {self.shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes | Stored

    @property
    def held(self) -> bytes:
        """The body of a call whose bound has no key, so that it is there."""
        assert isinstance(self.body, bytes)
        return self.body

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


async def carry_out(call: Call, client: httpx.AsyncClient) -> Answer:
    """The answer with a 2xx status. Raises Failed, and whatever the client's guard raises."""
    if not call.retries.most and call.timeout_s <= MAX_TOTAL_S:
        return await _in_time(call, client)
    try:
        async with asyncio.timeout(MAX_TOTAL_S):
            return await _attempts(call, client)
    except TimeoutError as error:
        raise Failed(f"{call} with its retries took longer than {MAX_TOTAL_S} s") from error


async def _attempts(call: Call, client: httpx.AsyncClient) -> Answer:
    for attempt in range(1, call.retries.most + 1):
        try:
            return await _in_time(call, client)
        except Failed as failed:
            if not _is_retried(call, failed):
                raise
        await asyncio.sleep(pause_s(call.retries, attempt))
    return await _in_time(call, client)


def _is_retried(call: Call, failed: Failed) -> bool:
    """The rule of axios-retry 3: lost connections, and 5xx of methods that may be repeated."""
    if failed.final:
        return False
    if call.retries.on_all_errors:
        return True
    if failed.status:
        return failed.status >= 500 and call.method in _IDEMPOTENT
    return not failed.timed_out


def pause_s(retries: Retries, attempt: int) -> float:
    """The pause after attempt 1, 2, 3: d, d, d; with exponential back-off d, 2d, 4d."""
    if not retries.exponential:
        return max(0.0, retries.delay_s)
    return min(
        float(MAX_TOTAL_S), (retries.delay_s or _BACKOFF_BASE_S) * 2.0 ** min(attempt - 1, 32)
    )


async def _in_time(call: Call, client: httpx.AsyncClient) -> Answer:
    try:
        async with asyncio.timeout(call.timeout_s):
            return await _follow(call, client)
    except TimeoutError as error:
        message = f"{call} gave no complete answer in {call.timeout_s:g} s"
        raise Failed(message, timed_out=True) from error
    except (BlobMissing, BlobsUnavailable) as error:
        raise Failed(f"{call} cannot be sent: {error}", final=True) from error
    except ERRORS as error:
        unsendable = isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
        message = f"{call} failed: {error or type(error).__name__}"
        raise Failed(message, final=unsendable) from error


async def _follow(call: Call, client: httpx.AsyncClient) -> Answer:
    request = _first(call)
    for _ in range(MAX_REDIRECTS + 1):
        request.extensions = {"verify": call.verify}
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                return await _read(call, response)
            request = _redirected(call, request, response.next_request)
        finally:
            await response.aclose()
    raise Failed(f"{call} was redirected more than {MAX_REDIRECTS} times", final=True)


def _first(call: Call) -> httpx.Request:
    headers = [(name.encode(), value.encode()) for name, value in call.headers.items()]
    content = call.content
    if not isinstance(content, tuple):
        return httpx.Request(call.method, call.url, headers=headers, content=content)
    assert call.bound.blobs is not None, "what is stored comes from a blob store"
    # With a stream httpx leaves these two to us.
    headers += [(b"content-length", b"%d" % contents.total(content))]
    if "host" not in call.headers:
        headers.insert(0, (b"host", call.url.netloc))
    stream = http_bodies.Streamed(call.bound.blobs, content)
    return httpx.Request(call.method, call.url, headers=headers, stream=stream)


def _redirected(call: Call, before: httpx.Request, after: httpx.Request) -> httpx.Request:
    """The next request; one to another origin loses every header that holds a secret."""
    if not _is_trusted_alike(before.url, after.url):
        for name, value in list(after.headers.items()):
            named = name in _CREDENTIALS or name in call.credentials
            if named or any(secret and secret in value for secret in call.secrets):
                del after.headers[name]
    return after


def _is_trusted_alike(before: httpx.URL, after: httpx.URL) -> bool:
    if (before.scheme, before.host, before.port) == (after.scheme, after.host, after.port):
        return True
    upgraded = (before.scheme, after.scheme) == ("http", "https")
    return upgraded and before.host == after.host and before.port is None and after.port is None


async def _read(call: Call, response: httpx.Response) -> Answer:
    if not response.is_success and not call.any_status:
        message = await _refusal(call, response)
        raise Failed(message, status=response.status_code)
    return Answer(
        status=response.status_code,
        reason=response.reason_phrase,
        headers=dict(response.headers),
        body=await http_bodies.read(str(call), response, call.bound),
    )


async def _refusal(call: Call, response: httpx.Response) -> str:
    """Names the status, the call and the first KB of the body; the rest is not read."""
    body = bytearray()
    async for chunk in http_bodies.decoded(str(call), response):
        body += chunk
        if len(body) >= _MAX_SHOWN_BODY_BYTES:
            break
    shown = body[:_MAX_SHOWN_BODY_BYTES].decode(errors="replace") or "(no body)"
    return f"Request failed with status code {response.status_code}: {call}: {shown}"
