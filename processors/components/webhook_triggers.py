"""Webhook triggers: the trigger of a flow that an HTTP request starts; pure.

Its inputs say what an asynchronous caller is answered; ingress reads them from the definition.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome


def _webhook(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=dict(context.payload))


_WEBHOOK = Action(
    component="webhook-triggers",
    key="webhook",
    label="Webhook",
    description="Starts the flow when a request arrives; gives the request.",
    perform=_webhook,
    is_trigger=True,
    inputs=(
        Input(
            key="statusCode",
            label="Response Status Code",
            kind=Kind.NUMBER,
            description="The status that the caller of an asynchronous flow gets.",
            example="202",
        ),
        Input(
            key="contentType",
            label="Response Content Type",
            description="The content type of the answer to an asynchronous call.",
            example="text/plain",
        ),
        Input(
            key="headers",
            label="Response Headers",
            kind=Kind.PAIRS,
            description="Headers of the answer to an asynchronous call.",
            example="X-Accepted: yes",
        ),
        Input(
            key="body",
            label="Response Body",
            description="The body of the answer to an asynchronous call.",
            example="received",
        ),
    ),
)
ACTIONS = (_WEBHOOK, replace(_WEBHOOK, component="http"))
"""Also as `http/webhook`, its former name (platform-behaviour, 8.8)."""
