"""Code fetch: the requests that a code step sends with `fetch`; takes and gives JSON objects.

They go out as those of HTTP steps do: guarded against private networks, each with an idempotency
key that follows from the step's. An answer of any status is an answer; what cannot be had at all
is an error of that one `fetch`.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import httpx

from processors.actions import Context, StepError, World
from processors.components import http_exchange
from processors.components.http_bodies import Bound
from processors.components.http_exchange import Call, Retries
from processors.components.redaction import without_secrets
from schemas import ids

MAX_ANSWER_BYTES = 10 * 1024 * 1024
TIMEOUT_S = 60.0
_SCHEMES = ("http", "https")


async def answers(
    requests: Sequence[dict[str, Any]], first: int, context: Context, world: World
) -> list[dict[str, Any]]:
    """What came of each request; they are numbered from `first` within the step."""
    sent = [
        _answer(request, ids.derived("fetch", context.idempotency_key, str(number)), context, world)
        for number, request in enumerate(requests, first)
    ]
    return list(await asyncio.gather(*sent))


async def _answer(
    request: dict[str, Any], key: str, context: Context, world: World
) -> dict[str, Any]:
    try:
        call = _call(request, key, context)
        answer = await http_exchange.carry_out(call, world.http)
    except (http_exchange.Failed, StepError, *http_exchange.ERRORS) as error:
        return {"error": without_secrets(str(error), context.secrets)}
    return {
        "status": answer.status,
        "statusText": answer.reason,
        "headers": answer.headers,
        "url": str(call.url),
        "body": base64.b64encode(answer.held).decode(),
    }


def _call(request: dict[str, Any], key: str, context: Context) -> Call:
    url = httpx.URL(request["url"].partition("#")[0])
    if url.scheme not in _SCHEMES or not url.host:
        raise StepError("fetch needs an absolute http:// or https:// URL")
    given = {name.lower(): value for name, value in request["headers"]}
    headers = {
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "user-agent": "Penstock",
        "idempotency-key": key,
        **{name: value for name, value in given.items() if name not in http_exchange.FRAMING},
    }
    return Call(
        method=request["method"],
        url=url,
        shown=http_exchange.shown(url),
        headers=headers,
        content=None if request["body"] is None else base64.b64decode(request["body"]),
        timeout_s=TIMEOUT_S,
        verify=True,
        bound=Bound(max_bytes=MAX_ANSWER_BYTES),
        retries=Retries(),
        credentials=frozenset(),
        secrets=context.secrets,
        any_status=True,
    )
