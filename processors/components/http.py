"""HTTP: requests to other services, with retries, redirects and bounded answers.

Every request carries the step's idempotency key, so that a service can tell a repetition. Messages
and log lines name the URL without user info and query, and no value that is known to be secret.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson

from eventlog import contents
from processors import cleaning, loading
from processors.actions import (
    Action,
    Context,
    LogLine,
    Outcome,
    Runs,
    StepError,
    World,
)
from processors.components import http_content, http_exchange, http_form, http_inputs
from processors.components.http_bodies import Bound
from processors.components.http_content import Content
from processors.components.http_exchange import Answer, Call, Retries
from processors.components.redaction import without_secrets
from schemas.definitions import Pair
from schemas.settings import PREFIX
from schemas.stored import size_of
from schemas.values import Value

_BINARY = "application/octet-stream"
_BOM = b"\xef\xbb\xbf"


async def _perform(
    method: str,
    inputs: Mapping[str, Any],
    context: Context,
    world: World,
    content: tuple[Content, str] | None = None,
) -> Outcome:
    """Without `content` the input `data`, if there is one, is what is sent."""
    given = http_content.of_data(inputs.get("data")) if content is None else content
    call = _call(method, inputs, given, context, world)
    try:
        answer = await http_exchange.carry_out(call, world.http)
    except http_exchange.Failed as failed:
        raise StepError(without_secrets(str(failed), context.secrets)) from failed
    data = _parsed(answer, inputs["responseType"])
    full = inputs["includeFullResponse"] or method == "HEAD"
    return Outcome(
        result=_full(answer, data) if full else data,
        logs=_debug_lines(call, answer) if inputs["debugRequest"] else (),
    )


def _parsed(answer: Answer, response_type: str) -> Value:
    if response_type == "binary":
        return {"data": answer.body, "contentType": answer.content_type or _BINARY}
    if response_type == "json":
        return _json_or_text(answer)
    return _text(answer)


def _json_or_text(answer: Answer) -> Value:
    try:
        value = orjson.loads(answer.held.removeprefix(_BOM))
        orjson.dumps([[[[[[[[value]]]]]]]])  # what is nested too deep for the log stays text
    except (orjson.JSONDecodeError, TypeError):
        return _text(answer)
    return value


def _text(answer: Answer) -> str:
    _, _, charset = answer.content_type.lower().partition("charset=")
    name = charset.split(";")[0].strip("\"' ") or "utf-8"
    try:
        return answer.held.decode(name, errors="replace")
    except (LookupError, ValueError):
        return answer.held.decode(errors="replace")


def _full(answer: Answer, data: Value) -> Value:
    return {
        "status": answer.status,
        "statusText": answer.reason,
        "headers": answer.headers,
        "data": data,
    }


def _debug_lines(call: Call, answer: Answer) -> tuple[LogLine, ...]:
    content = call.content
    sent = contents.total(content if isinstance(content, tuple) else (content or b"",))
    received = size_of(answer.body)
    message = f"{call}: {sent} bytes sent, answered {answer.status} with {received} bytes"
    return (LogLine("debug", without_secrets(message, call.secrets)),)


def _call(
    method: str,
    inputs: Mapping[str, Any],
    given: tuple[Content, str],
    context: Context,
    world: World,
) -> Call:
    url = _url(inputs["url"], inputs["queryParams"])
    content, content_type = given
    authorization = _authorization(inputs["connection"])
    _check_response_type(inputs["responseType"])
    return Call(
        method=method,
        url=url,
        shown=http_exchange.shown(url),
        headers=_headers(inputs["headers"], context, content_type, authorization),
        content=content,
        timeout_s=_timeout_s(inputs["timeout"]),
        verify=not inputs["ignoreSslErrors"],
        bound=_bound(inputs["responseType"], context, world),
        retries=_retries(inputs),
        credentials=frozenset(authorization),
        secrets=context.secrets,
    )


def _bound(response_type: str, context: Context, world: World) -> Bound:
    if response_type != "binary" or world.blobs is None:
        hint = f" for step {context.step!r}, which needs them in memory ({loading.SETTING})"
        return Bound(max_bytes=world.max_loaded_bytes, hint=hint, blobs=world.blobs)
    return Bound(
        max_bytes=world.max_download_bytes,
        hint=f" for step {context.step!r} to keep ({PREFIX}MAX_DOWNLOAD_BYTES)",
        blobs=world.blobs,
        key=f"downloads/{context.execution_id}/{secrets.token_hex(16)}",
    )


def _retries(inputs: Mapping[str, Any]) -> Retries:
    return Retries(
        most=int(inputs["maxRetries"]),
        delay_s=inputs["retryDelayMS"] / 1000,
        on_all_errors=inputs["retryOnAllErrors"],
        exponential=inputs["useExponentialBackoff"],
    )


def _check_response_type(response_type: str) -> None:
    if response_type not in ("json", "text", "binary"):
        raise StepError(f"Response Type is json, text or binary, found {response_type!r}")


def _timeout_s(timeout_ms: float) -> float:
    if timeout_ms < 0:
        raise StepError(f"Timeout (timeout) must not be negative, found {timeout_ms}")
    return (timeout_ms or http_inputs.DEFAULT_TIMEOUT_MS) / 1000


def _parsed_url(text: str) -> httpx.URL:
    """Steps call the same URLs again and again; long ones are likely to be new each time."""
    return _cached_url(text) if len(text) <= _CACHED_LENGTH else httpx.URL(text)


_CACHED_LENGTH = 500
_cached_url = lru_cache(maxsize=512)(httpx.URL)


def _url(text: str, params: Iterable[Pair]) -> httpx.URL:
    query = [(name, cleaning.to_text(value)) for name, value in params if value is not None]
    base, _, _ = text.strip().partition("#")
    if query:
        base += ("&" if "?" in base else "?") + urlencode(query, quote_via=quote)
    try:
        url = _parsed_url(base)
    except http_exchange.ERRORS as error:
        raise StepError(f"URL (url) is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        shown = base.partition("?")[0][:200]
        raise StepError(f"URL (url) must begin with http:// or https://, found {shown!r}")
    return url


def _headers(
    given: Iterable[Pair], context: Context, content_type: str, authorization: Mapping[str, str]
) -> dict[str, str]:
    headers = {
        "accept": "application/json, text/plain, */*",
        "accept-encoding": "gzip, deflate",
        "user-agent": "Penstock",
        "idempotency-key": context.idempotency_key,
    }
    if content_type:
        headers["content-type"] = content_type
    headers |= authorization
    for name, value in given:
        if value is not None and name.lower() not in http_exchange.FRAMING:
            headers[name.lower()] = cleaning.to_text(value)
    return headers


def _authorization(connection: Mapping[str, Value]) -> dict[str, str]:
    """What a connection's fields stand for; the first that is there counts."""
    if not connection:
        return {}
    token = connection.get("token")
    granted = token.get("access_token") if isinstance(token, dict) else token
    for bearer in (granted, connection.get("access_token"), connection.get("accessToken")):
        if bearer:
            return {"authorization": f"Bearer {bearer}"}
    if connection.get("username"):
        pair = f"{connection['username']}:{connection.get('password') or ''}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if connection.get("apiKey"):
        header = str(connection.get("headerName") or "").lower()
        key = str(connection["apiKey"])
        return {header: key} if header else {"authorization": f"Bearer {key}"}
    fields = ", ".join(sorted(connection))
    raise StepError(
        "Connection (connection) needs a token, a user name and password, or an apiKey; "
        f"it has the fields {fields}"
    )


def _action(key: str, method: str, *, sends_data: bool) -> Action:
    async def perform(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
        return await _perform(method, inputs, context, world)

    return Action(
        component="http",
        key=key,
        label=f"{method} Request",
        description=f"Sends a {method} request and gives the body of the answer.",
        perform=perform,
        inputs=(
            http_inputs.URL,
            *((http_inputs.DATA,) if sends_data else ()),
            *http_inputs.OPTIONS,
        ),
        runs=Runs.ASYNC,
        touches_world=True,
    )


async def _request(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    method = inputs["method"].strip().upper()
    if method not in http_inputs.METHODS:
        raise StepError(
            f"Method (method) is one of {', '.join(http_inputs.METHODS)}, found {method!r}"
        )
    return await _perform(method, inputs, context, world)


async def _post_form(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    method = inputs["httpMethod"].strip().upper()
    if method not in http_inputs.FORM_METHODS:
        allowed = ", ".join(http_inputs.FORM_METHODS)
        raise StepError(f"HTTP Method (httpMethod) is one of {allowed}, found {method[:20]!r}")
    boundary = f"penstock-{context.idempotency_key}"
    parts = (inputs["formData"], inputs["fileData"], inputs["fileDataFileNames"])
    form = http_form.body(boundary, *parts)
    content_type = f"multipart/form-data; boundary={boundary}"
    return await _perform(method, inputs, context, world, (http_content.joined(form), content_type))


ACTIONS = (
    _action("httpGet", "GET", sends_data=False),
    _action("httpPost", "POST", sends_data=True),
    _action("httpPut", "PUT", sends_data=True),
    _action("httpPatch", "PATCH", sends_data=True),
    _action("httpDelete", "DELETE", sends_data=False),
    _action("httpHead", "HEAD", sends_data=False),
    Action(
        component="http",
        key="httpRequest",
        label="Request",
        description="Sends a request with any method and gives the body of the answer.",
        perform=_request,
        inputs=(http_inputs.METHOD, http_inputs.URL, http_inputs.DATA, *http_inputs.OPTIONS),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
    Action(
        component="http",
        key="httpPostFormData",
        label="POST Form Data",
        description="Sends fields and files as multipart/form-data, and gives the body of the "
        "answer.",
        perform=_post_form,
        inputs=(http_inputs.URL, *http_inputs.FORM, *http_inputs.OPTIONS),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
