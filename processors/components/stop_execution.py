"""Stop execution: ends a run with success, and says what a synchronous caller gets; pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from processors import cleaning
from processors.actions import Action, Context, Input, Kind, Outcome, StepError, Stop
from schemas.definitions import Pair
from schemas.values import Value

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINE_BREAKS = re.compile(r"[\r\n\0]")


def _stop(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    content_type = inputs["contentType"]
    if _LINE_BREAKS.search(content_type):
        raise StepError(f"Content Type (contentType) is not one: {content_type[:100]!r}")
    stop = Stop(
        status=_status(inputs["statusCode"]),
        body=_body(inputs["jsonBody"], content_type),
        content_type=content_type,
        headers=_headers(inputs["headers"]),
    )
    return Outcome(stop=stop)


def _status(status: float) -> int:
    if not 200 <= status <= 599 or status != int(status):
        raise StepError(f"Status Code (statusCode) must be from 200 to 599, found {status}")
    return int(status)


def _body(body: Value, content_type: str) -> Value:
    """A text that is JSON becomes its value, unless the content type says that it is not JSON."""
    if not isinstance(body, str) or "json" not in content_type.lower():
        return body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _headers(given: Iterable[Pair]) -> dict[str, str]:
    headers = {name: cleaning.to_text(value) for name, value in given if value is not None}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _LINE_BREAKS.search(value):
            raise StepError(f"Headers (headers) holds what is no header: {name[:100]!r}")
    return headers


ACTIONS = (
    Action(
        component="stop-execution",
        key="stopExecution",
        label="Stop Execution",
        description="Ends the execution here, with success.",
        perform=_stop,
        inputs=(
            Input(
                key="statusCode",
                label="Status Code",
                kind=Kind.NUMBER,
                default=200,
                description="The status that a synchronous caller gets.",
                example="404",
            ),
            Input(
                key="jsonBody",
                label="Response Body",
                kind=Kind.ANY,
                passes_stored=True,
                description="What a synchronous caller gets; null where nothing is given.",
                example='{"error": "no such order"}',
            ),
            Input(
                key="contentType",
                label="Response Content Type",
                default="application/json",
                description="The content type of the response.",
                example="text/plain",
            ),
            Input(
                key="headers",
                label="Response Headers",
                kind=Kind.PAIRS,
                description="Further headers of the response.",
                example="Location: https://example.com/done",
            ),
        ),
    ),
)
