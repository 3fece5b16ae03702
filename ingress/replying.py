"""Replying: from what was said of a request to the answer that its caller gets.

Takes in a call and the reply to it, a decision or a result; gives out an answer. What that needs is
looked up here: how a flow answers those who do not wait, the end of the execution that a repeat
repeats, the address of a result.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from eventlog.log import EventLog
from ingress import answers, decisions, repeats, requests, triggers
from ingress.answers import Answer, Receive, Scope
from ingress.known_endpoints import KnownEndpoints
from ingress.results import Results
from ingress.targets import Target
from ingress.triggers import Accepted
from ingress.waiting import Reply
from schemas import events, ids
from schemas.events import Reason
from schemas.ids import ExecutionId


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way."""

    scope: Scope
    receive: Receive
    endpoint: str
    target: Target
    synchronous: bool
    by_flow: bool
    key: str = ""
    fingerprint: str = ""


class Replying:
    """Answers the callers of one node. `too_late` says when a result would have had to be there."""

    def __init__(
        self,
        *,
        log: EventLog,
        endpoints: KnownEndpoints,
        results: Results,
        find_end: repeats.FindEnd,
        public_url: str,
        too_late: Callable[[], str],
    ) -> None:
        self._log = log
        self._endpoints = endpoints
        self._results = results
        self._find_end = find_end
        self._public_url = public_url
        self._too_late = too_late

    async def answer(self, call: Call, reply: Reply | None, execution_id: ExecutionId) -> Answer:
        """The answer to `reply`, which is None where none came in time."""
        match reply:
            case None if call.synchronous:
                shown = ids.to_global(ids.EXECUTION, execution_id)
                message = f"Execution {shown} has not finished {self._too_late()}."
                content = {"error": message, "reason": "timeout", "executionId": shown}
                return answers.of_json(504, content, execution_id=execution_id)
            case None:
                return answers.of_json(
                    202, decisions.naming(execution_id), execution_id=execution_id
                )
            case events.AdmissionDecided(reason=None):
                return decisions.of_accepted(await self._accepted(call, reply), execution_id)
            case events.AdmissionDecided(reason=Reason.REPEATED):
                return await self._repeated(call, reply)
            case events.AdmissionDecided(limit=limit) if reply.reason is not None:
                limit = limit or call.target.deployed.rate_limit
                return decisions.of_refusal(reply, call.endpoint, limit)
            case events.TriggerAnswered():
                return decisions.of_trigger(reply)
            case events.ResultReady():
                return await self._result(call, reply)
            case events.AdmissionDecided():
                raise AssertionError("both kinds of a decision are above")
            case _:
                assert_never(reply)

    async def _repeated(self, call: Call, decided: events.AdmissionDecided) -> Answer:
        """What the first request with this key was answered, as far as that is known now."""
        first = decided.execution_id
        if call.synchronous or decided.synchronous:
            found = await repeats.end_of(first, self._log, self._find_end)
            answer = found if isinstance(found, Answer) else await self._result(call, found)
        else:
            answer = decisions.of_accepted(await self._accepted(call, decided), first)
        return replace(answer, headers=(*answer.headers, repeats.REPLAYED))

    async def _accepted(self, call: Call, decided: events.AdmissionDecided) -> Accepted:
        """The answer that the flow of the endpoint, or else the one that was found, gives."""
        if call.target.flow is not None or decided.instance_id is None:
            return call.target.accepted
        deployed = await self._endpoints.deployed(decided.instance_id)
        flow = self._endpoints.definition(deployed).flow(decided.flow)
        config = partial(self._endpoints.config, deployed)
        return Accepted() if flow is None else triggers.accepted(flow.steps[0], config)

    async def _result(self, call: Call, ready: events.ResultReady) -> Answer:
        if ready.error is not None:
            return decisions.of_failure(ready.error, ready.reason, ready.execution_id)
        response = ready.response or events.Response()
        if response.status is not None:
            headers = answers.headers_of(response.headers)
            return await self._results.body(response.status, response, ready.execution_id, headers)
        if _is_true(call.scope, b"prismatic-prefer-direct-sync-json-response"):
            direct = await self._results.direct(ready)
            if direct is not None:
                return direct
        base = requests.base_url(call.scope, self._public_url)
        location = self._results.address(ready, base).encode("latin-1")
        headers = ((b"location", location),)
        return Answer(303, headers=headers, execution_id=ready.execution_id)


def _is_true(scope: Scope, name: bytes) -> bool:
    return (requests.header(scope, name) or "").strip().lower() == "true"
