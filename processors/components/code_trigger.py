"""Code trigger: JavaScript of a flow's author decides what a request starts and how it is answered.

The code sets `module.exports` to a function of `(context, payload)`. Its promise gives
`{payload, response?, branch?, polledNoChanges?, instanceState?, crossFlowState?}`: `payload` is the
trigger's result, `response` (`{statusCode, contentType, headers, body}`) the answer to a caller who
does not wait for the flow (platform-behaviour, 2.4).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from processors.actions import (
    Action,
    Answer,
    Context,
    Input,
    Outcome,
    Runs,
    StepError,
    Support,
    TriggerTraits,
    World,
)
from processors.components import code
from schemas.values import Value


def _run(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    shared = code.shared_for(inputs["code"], context, world)
    known = {**code.context_of(context), **shared}
    answer = code.called(inputs["code"], known, context.payload, context, world)
    returned = answer.get("result")
    if not isinstance(returned, dict) or "payload" not in returned:
        raise StepError("The code of a trigger must return an object with a payload")
    branch = returned.get("branch")
    code.keep_shared(returned, known, context, world)
    return Outcome(
        result=returned["payload"],
        branch=None if branch is None else str(branch),
        answer=_answer(returned.get("response")),
        polled_no_changes=returned.get("polledNoChanges") is True,
        changes=tuple(code.changes_in(returned, known)),
        logs=tuple(code.lines_in(answer.get("logs"), context.secrets)),
    )


def _answer(response: Value) -> Answer | None:
    if response is None:
        return None
    if not isinstance(response, dict):
        raise StepError("The response of a trigger must be an object with a statusCode")
    body = response.get("body", "")
    headers = response.get("headers") or {}
    if not isinstance(headers, dict):
        raise StepError("The headers of a trigger's response must be an object of texts")
    return Answer(
        status=response.get("statusCode", 200),
        content_type=response.get("contentType") or "application/json",
        headers=headers,
        body=body if isinstance(body, str) else orjson.dumps(body).decode(),
    )


ACTIONS = (
    Action(
        component="code",
        key="runCodeTrigger",
        label="Code Trigger",
        description="Runs JavaScript on each request; it gives the payload of the flow and may "
        "answer the caller.",
        perform=_run,
        runs=Runs.THREAD,
        is_trigger=True,
        trigger=TriggerTraits(
            schedule_support=Support.VALID,
            allows_branching=True,
            answers=True,
        ),
        inputs=(
            Input(
                key="code",
                label="Code",
                required=True,
                description="A function of the context and the payload. It returns an object with "
                "the `payload` of the flow and, if it likes, the `response` to the caller.",
                example="module.exports = async (context, payload) => ({ payload, "
                "response: { statusCode: 200, contentType: 'text/plain', "
                "body: payload.body.data.challenge } });",
            ),
        ),
    ),
)
