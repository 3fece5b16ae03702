"""The HTTP client of steps: an httpx.AsyncClient without what no step has.

Cookies, hooks, authentication flows and logging cost a request more than the exchange itself. A
streamed request goes straight to the transport; where it leads next is still httpx's to say.
"""

from typing import Any

import httpx

_ANSWERED = "answered"


class Client(httpx.AsyncClient):
    """Sends over `transport`, and keeps nothing from one request to the next."""

    def __init__(self, transport: httpx.AsyncBaseTransport, **options: Any) -> None:
        super().__init__(transport=transport, **options)
        self._straight = transport
        self._redirects = httpx.AsyncClient(transport=_Answered(), **options)

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        follow_redirects: Any = False,
        **more: Any,
    ) -> httpx.Response:
        """As AsyncClient.send. User info of the URL is sent as basic authentication."""
        if not stream or follow_redirects is True:
            return await super().send(
                request, stream=stream, follow_redirects=follow_redirects, **more
            )
        url = request.url
        if url.userinfo:
            request = next(httpx.BasicAuth(url.username, url.password).auth_flow(request))
        response = await self._straight.handle_async_request(request)
        response.request = request
        if not response.has_redirect_location:
            return response
        request.extensions = request.extensions | {_ANSWERED: response}
        return await self._redirects.send(request, stream=True)


class _Answered(httpx.AsyncBaseTransport):
    """Gives the answer that is there already, for httpx to build the next request from."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = request.extensions[_ANSWERED]
        return response
