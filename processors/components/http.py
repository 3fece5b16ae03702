"""HTTP: requests to other services, with retries, redirects and bounded answers.

Every request carries the step's idempotency key, so that a service can tell a repetition. Messages
and log lines name the URL without user info and query, and no value that is known to be secret.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson

from processors import cleaning
from processors.actions import (
    Action,
    Context,
    Input,
    Kind,
    LogLine,
    Outcome,
    Runs,
    StepError,
    World,
)
from processors.components import http_exchange, http_form
from processors.components.http_exchange import Answer, Call, Retries
from processors.components.redaction import without_secrets
from schemas.definitions import Pair
from schemas.values import NotSerializable, Value, dump

DEFAULT_TIMEOUT_MS = 60_000
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_BINARY = "application/octet-stream"
_BOM = b"\xef\xbb\xbf"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


async def _perform(
    method: str, inputs: Mapping[str, Any], context: Context, world: World
) -> Outcome:
    call = _call(method, inputs, context, world)
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
        value = orjson.loads(answer.body.removeprefix(_BOM))
        orjson.dumps([[[[[[[[value]]]]]]]])  # what is nested too deep for the log stays text
    except (orjson.JSONDecodeError, TypeError):
        return _text(answer)
    return value


def _text(answer: Answer) -> str:
    _, _, charset = answer.content_type.lower().partition("charset=")
    name = charset.split(";")[0].strip("\"' ") or "utf-8"
    try:
        return answer.body.decode(name, errors="replace")
    except (LookupError, ValueError):
        return answer.body.decode(errors="replace")


def _full(answer: Answer, data: Value) -> Value:
    return {
        "status": answer.status,
        "statusText": answer.reason,
        "headers": answer.headers,
        "data": data,
    }


def _debug_lines(call: Call, answer: Answer) -> tuple[LogLine, ...]:
    sent, received = len(call.content or b""), len(answer.body)
    message = f"{call}: {sent} bytes sent, answered {answer.status} with {received} bytes"
    return (LogLine("debug", without_secrets(message, call.secrets)),)


def _call(method: str, inputs: Mapping[str, Any], context: Context, world: World) -> Call:
    url = _url(inputs["url"], inputs["queryParams"])
    content, content_type = _content(inputs.get("data"))
    authorization = _authorization(inputs["connection"])
    _check_response_type(inputs["responseType"])
    return Call(
        method=method,
        url=url,
        shown=f"{url.scheme}://{url.netloc.decode()}{url.path}",
        headers=_headers(inputs["headers"], context, content_type, authorization),
        content=content,
        timeout_s=_timeout_s(inputs["timeout"]),
        verify=not inputs["ignoreSslErrors"],
        max_bytes=world.max_response_bytes,
        retries=_retries(inputs),
        credentials=frozenset(authorization),
        secrets=context.secrets,
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
    return (timeout_ms or DEFAULT_TIMEOUT_MS) / 1000


def _url(text: str, params: Iterable[Pair]) -> httpx.URL:
    query = [(name, cleaning.to_text(value)) for name, value in params if value is not None]
    base, _, _ = text.strip().partition("#")
    if query:
        base += ("&" if "?" in base else "?") + urlencode(query, quote_via=quote)
    try:
        url = httpx.URL(base)
    except http_exchange.ERRORS as error:
        raise StepError(f"URL (url) is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        shown = base.partition("?")[0][:200]
        raise StepError(f"URL (url) must begin with http:// or https://, found {shown!r}")
    return url


def _content(data: Value) -> tuple[bytes | None, str]:
    """The bytes to send and their content type, for each kind of value."""
    if data is None or data == "":
        return None, ""
    if isinstance(data, str):
        return data.encode(errors="replace"), _FORM
    if isinstance(data, bytes):
        return data, _BINARY
    if _is_file(data):
        content, _ = _content(data["data"])
        return content, str(data["contentType"] or _BINARY)
    try:
        return dump(data), _JSON
    except NotSerializable as error:
        raise StepError(f"Data (data) cannot be sent as JSON: {error}") from error


def _is_file(data: Value) -> bool:
    """`{data, contentType}` with text or bytes: how payloads and files stand in results."""
    if not isinstance(data, dict) or data.keys() != {"data", "contentType"}:
        return False
    return isinstance(data["data"], str | bytes) and isinstance(data["contentType"], str)


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


_URL = Input(
    key="url",
    label="URL",
    required=True,
    description="Where the request goes: an absolute http:// or https:// URL.",
    example="https://api.example.com/v1/orders",
)
_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.ANY,
    description="The body. An object is sent as JSON; a text as it is, as form data unless a "
    "Content-Type header says otherwise; a file as its bytes with its content type.",
    example='{"order": 17}',
)
_METHOD = Input(
    key="method",
    label="Method",
    default="GET",
    description="GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS.",
    example="POST",
)
_OPTIONS = (
    Input(
        key="connection",
        label="Connection",
        kind=Kind.CONNECTION,
        description="Adds credentials: `username` and `password` as Basic, `token` (also "
        "`token.access_token`, `access_token`, `accessToken`) or `apiKey` as Bearer; an `apiKey` "
        "with `headerName` as that header.",
        example='{"username": "ada", "password": "…"}',
    ),
    Input(
        key="headers",
        label="Headers",
        kind=Kind.PAIRS,
        description="Sent as given; they win over those of the connection and of the data.",
        example="X-Request-Source: orders",
    ),
    Input(
        key="queryParams",
        label="Query Parameters",
        kind=Kind.PAIRS,
        description="Added to the URL, encoded; one whose value is null is left out.",
        example="page: 2",
    ),
    Input(
        key="responseType",
        label="Response Type",
        default="json",
        description="json: the parsed body, or text where it is not JSON. text: the text. binary: "
        "an object with the bytes as `data`, and `contentType`.",
        example="binary",
    ),
    Input(
        key="timeout",
        label="Timeout",
        kind=Kind.NUMBER,
        default=DEFAULT_TIMEOUT_MS,
        description="How many milliseconds each attempt may take.",
        example="2000",
    ),
    Input(
        key="includeFullResponse",
        label="Include Full Response",
        kind=Kind.BOOLEAN,
        default=False,
        description="Gives an object with `status`, `statusText`, `headers` and `data` instead of "
        "the data alone. HEAD always does.",
        example="true",
    ),
    Input(
        key="maxRetries",
        label="Max Retry Count",
        kind=Kind.NUMBER,
        default=0,
        description="How often a failed attempt is followed by another, within this one step. All "
        "together may take 15 minutes.",
        example="3",
    ),
    Input(
        key="retryDelayMS",
        label="Retry Delay (ms)",
        kind=Kind.NUMBER,
        default=0,
        description="How many milliseconds to wait before another attempt.",
        example="500",
    ),
    Input(
        key="retryOnAllErrors",
        label="Retry On All Errors",
        kind=Kind.BOOLEAN,
        default=False,
        description="Tries again after any failure; otherwise after a lost connection, and after "
        "a status of 500 and above where the method is not POST or PATCH.",
        example="true",
    ),
    Input(
        key="useExponentialBackoff",
        label="Use Exponential Backoff",
        kind=Kind.BOOLEAN,
        default=False,
        description="Doubles the delay each time; from 100 ms where none is given.",
        example="true",
    ),
    Input(
        key="ignoreSslErrors",
        label="Ignore SSL Errors",
        kind=Kind.BOOLEAN,
        default=False,
        description="Does not check the server's certificate.",
        example="false",
    ),
    Input(
        key="debugRequest",
        label="Debug Request",
        kind=Kind.BOOLEAN,
        default=False,
        description="Writes method, URL, sizes and status to the log.",
        example="true",
    ),
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
        inputs=(_URL, *((_DATA,) if sends_data else ()), *_OPTIONS),
        runs=Runs.ASYNC,
        touches_world=True,
    )


async def _request(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    method = inputs["method"].strip().upper()
    if method not in _METHODS:
        raise StepError(f"Method (method) is one of {', '.join(_METHODS)}, found {method!r}")
    return await _perform(method, inputs, context, world)


_FORM_METHODS = ("POST", "PUT", "PATCH")


async def _post_form(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    method = inputs["httpMethod"].strip().upper()
    if method not in _FORM_METHODS:
        allowed = ", ".join(_FORM_METHODS)
        raise StepError(f"HTTP Method (httpMethod) is one of {allowed}, found {method[:20]!r}")
    boundary = f"penstock-{context.idempotency_key}"
    parts = (inputs["formData"], inputs["fileData"], inputs["fileDataFileNames"])
    content = http_form.body(boundary, *parts)
    content_type = f"multipart/form-data; boundary={boundary}"
    form = {"data": content, "contentType": content_type}
    return await _perform(method, {**inputs, "data": form}, context, world)


_FORM_INPUTS = (
    Input(
        key="formData",
        label="Form Data",
        kind=Kind.PAIRS,
        description="Fields and their values, each sent as a text.",
        example="order: 17",
    ),
    Input(
        key="fileData",
        label="File Data",
        kind=Kind.PAIRS,
        description="Fields and their files: texts, bytes, or objects with data and contentType.",
        example="invoice: downloadFile.results",
    ),
    Input(
        key="fileDataFileNames",
        label="File Data File Names",
        kind=Kind.PAIRS,
        description="Fields of files and how the file is called; by default as its field.",
        example="invoice: invoice-17.pdf",
    ),
    Input(
        key="httpMethod",
        label="HTTP Method",
        default="post",
        description=f"One of {', '.join(_FORM_METHODS)}.",
        example="put",
    ),
)

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
        inputs=(_METHOD, _URL, _DATA, *_OPTIONS),
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
        inputs=(_URL, *_FORM_INPUTS, *_OPTIONS),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
