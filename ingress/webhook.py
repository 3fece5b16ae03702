"""Webhooks: a request at `/trigger/{endpoint}/{path}` becomes an event, then gets an answer.

Takes in ASGI calls, bare of any framework because every microsecond here is paid by each request;
gives out WebhookReceived on `triggers`. The rate limit is admission's; only a flood far above it is
turned away here, so that it cannot fill the log.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from eventlog import at_hand
from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from ingress import answers, decisions, intake, methods, repeats, requests, targets, triggers
from ingress.answers import Answer, Disconnected, Receive, Scope, Send
from ingress.known_endpoints import KnownEndpoints
from ingress.refused_calls import NOWHERE, RefusedCalls
from ingress.requests import Address, Body
from ingress.results import Results
from ingress.targets import Target
from ingress.triggers import Accepted
from ingress.waiting import Node, Reply, Ticket
from schemas import bodies, events, ids, signatures
from schemas.definitions import Flow
from schemas.errors import Refused, Retryable
from schemas.events import Reason
from schemas.ids import EndpointId, ExecutionId
from schemas.secrets import MasterKey
from schemas.settings import MAX_LOADED_BYTES
from schemas.signatures import Scheme, Verifier
from schemas.topics import TRIGGERS

DECISION_S = 2.0
RESULT_S = 29.0
MAX_TRIGGER_BYTES = MAX_VALUE_BYTES - 500_000
"""An admission repeats its trigger and adds to it: it must fit on the log too."""

_WORDS = {"true": True, "false": False}
_MALFORMED = "malformed_json"
"""The one refusal whose answer has no reason."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way."""

    scope: Scope
    receive: Receive
    endpoint: str
    target: Target
    synchronous: bool
    by_flow: bool
    key: str = ""
    fingerprint: str = ""


class Webhooks:
    """The ASGI application behind `/trigger/`."""

    def __init__(
        self,
        *,
        log: EventLog,
        blobs: Blobs,
        definitions: Definitions,
        node: Node,
        results: Results,
        master_key: MasterKey,
        public_url: str,
        max_body_bytes: int,
        max_text_bytes: int = MAX_LOADED_BYTES,
        answering: Collection[tuple[str, str]] = (),
        find_end: repeats.FindEnd = repeats.unknown_end,
        decision_s: float = DECISION_S,
        result_s: float = RESULT_S,
    ) -> None:
        self._log = log
        self._blobs = blobs
        self._find_end = find_end
        self._bodies = intake.Bodies(blobs, max_bytes=max_body_bytes, max_text_bytes=max_text_bytes)
        self._node = node
        self._results = results
        self._public_url = public_url
        self._answering = answering
        self._decision_s = decision_s
        self._result_s = result_s
        self._endpoints = KnownEndpoints(definitions, master_key)
        self._refused = RefusedCalls(log)
        self._now: Callable[[], float] = asyncio.get_running_loop().time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == methods.PREFLIGHT:
            return await answers.send(send, methods.preflight(scope))
        address = requests.address_of(scope["path"])
        try:
            answer = await self._answer(address, scope, receive)
        except Disconnected:
            return
        except Refused as refused:
            self._refused.note(self._counted_as(address), refused.reason or _MALFORMED, scope)
            answer = answers.of_refusal(refused)
        except Retryable as away:
            answer = answers.of_absence(away)
        except Exception:
            _logger.exception("a request at %s broke", scope["path"][:200])
            answer = answers.of_bug()
        await answers.send(
            send, answer, methods.headers_for(scope), whole=scope.pop(answers.WHOLE, None)
        )

    async def close(self) -> None:
        """Say what is still to be said."""
        await self._refused.close()

    def _counted_as(self, address: Address) -> EndpointId:
        try:
            endpoint_id = _endpoint_id(address)
        except Refused:
            return NOWHERE
        return endpoint_id if endpoint_id in self._endpoints else NOWHERE

    async def _answer(self, address: Address, scope: Scope, receive: Receive) -> Answer:
        endpoint_id = _endpoint_id(address)
        target = await self._endpoints.find(endpoint_id)
        if target is None:
            raise decisions.unknown(address.endpoint)
        methods.check(scope)
        target = await self._endpoints.once_keyed(endpoint_id, target, scope)
        if scope["method"] == methods.PROBE:
            return Answer(200)
        if target.is_flooded(self._now()):
            self._refused.note(endpoint_id, Reason.RATE_LIMITED.value, scope)
            return decisions.throttled(address.endpoint, target.deployed.rate_limit, None)
        key = repeats.key_of(scope)
        call = _Call(scope, receive, address.endpoint, target, *_waits(scope, target), key=key)
        return await self._accept(call, endpoint_id, address.path)

    async def _accept(self, call: _Call, endpoint_id: EndpointId, path: str) -> Answer:
        content_type = requests.header(call.scope, b"content-type") or ""
        media = bodies.media_of(content_type)
        scheme = call.target.scheme
        verifier = None if scheme is None else _verifier(scheme, call.scope)
        body = await self._bodies.read(call.scope, call.receive, media, verifier)
        if scheme is not None and scheme.answers_challenge:
            challenge = signatures.challenge_in(body.kept)
            if challenge is not None:
                return Answer(200, challenge.encode(), answers.TEXT)
        if call.key:
            call = replace(
                call, fingerprint=await repeats.fingerprint(call.scope, path, body, self._blobs)
            )
        # Registered before the append: the reply may be there before the append returns.
        waits = call.synchronous or self._is_answered(call.target.flow)
        ticket = self._node.expect(for_result=waits)
        try:
            request = requests.request_of(call.scope, path, content_type, body)
            execution_id = await self._append(call, endpoint_id, request, ticket)
            # Those who wait for long do not hold what they have sent meanwhile.
            del body, request
            wait_s = self._result_s if waits else self._decision_s
            reply = await self._node.wait(ticket, wait_s, call.receive)
            if isinstance(reply, events.AdmissionDecided) and await self._waits_on(call, reply):
                call = replace(call, synchronous=reply.synchronous)
                ticket.wait_on()
                reply = await self._node.wait(ticket, self._result_s, call.receive)
        finally:
            self._node.forget(ticket)
        return await self._answer_to(call, reply, execution_id)

    async def _append(
        self, call: _Call, endpoint_id: EndpointId, request: events.Request, ticket: Ticket
    ) -> ExecutionId:
        """Return once the request is durable. Raises Refused (431) and LogUnavailable."""
        value = self._encoded(call, endpoint_id, request, ticket)
        await self._give_up_if_too_large(value, request)
        call.target.forwarded.append(self._now())
        [at] = await self._log.append([NewRecord(TRIGGERS.name, endpoint_id, value)])
        return ids.execution_of(at.partition, at.offset)

    def _is_answered(self, flow: Flow | None) -> bool:
        """Whether the trigger of a flow may answer the caller itself."""
        if flow is None:
            return False
        trigger = flow.steps[0]
        return trigger.answers or (trigger.component, trigger.action) in self._answering

    async def _waits_on(self, call: _Call, decided: events.AdmissionDecided) -> bool:
        """Whether the flow that was found makes the caller wait for more than the decision."""
        if decided.reason is not None:
            return False
        if decided.synchronous:
            return True
        found = decided.instance_id
        if call.target.flow is not None or found is None:
            return False
        deployed = await self._endpoints.deployed(found)
        return self._is_answered(self._endpoints.definition(deployed).flow(decided.flow))

    def _encoded(
        self, call: _Call, endpoint_id: EndpointId, request: events.Request, ticket: Ticket
    ) -> bytes:
        received = events.WebhookReceived(
            endpoint_id=endpoint_id,
            request=request,
            synchronous=call.synchronous,
            reply_to=self._node.id,
            request_no=ticket.request_no,
            invoke_url=requests.url_of(call.scope, self._public_url),
            by_flow=call.by_flow,
            api_key_hash=targets.key_hash(call.scope) if call.target.flow is None else "",
            idempotency_key=call.key,
            fingerprint=call.fingerprint,
            change=self._endpoints.change,
        )
        return at_hand.encode([received])

    async def _give_up_if_too_large(self, value: bytes, request: events.Request) -> None:
        """Only headers or a query of megabytes get here: large bodies are in blobs."""
        if len(value) <= MAX_TRIGGER_BYTES:
            return
        await self._bodies.discard(Body(request.body, request.encoding, request.body_bytes))
        message = "The headers and the query of the request are too large."
        raise Refused(message, status=431, reason="too_large")

    async def _answer_to(
        self, call: _Call, reply: Reply | None, execution_id: ExecutionId
    ) -> Answer:
        match reply:
            case None if call.synchronous:
                shown = ids.to_global(ids.EXECUTION, execution_id)
                ends = "before this server ended"
                when = ends if self._node.has_ended else f"within {self._result_s:g} seconds"
                message = f"Execution {shown} has not finished {when}."
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

    async def _repeated(self, call: _Call, decided: events.AdmissionDecided) -> Answer:
        """What the first request with this key was answered, as far as that is known now."""
        first = decided.execution_id
        if call.synchronous or decided.synchronous:
            found = await repeats.end_of(first, self._log, self._find_end)
            answer = found if isinstance(found, Answer) else await self._result(call, found)
        else:
            answer = decisions.of_accepted(await self._accepted(call, decided), first)
        return replace(answer, headers=(*answer.headers, repeats.REPLAYED))

    async def _accepted(self, call: _Call, decided: events.AdmissionDecided) -> Accepted:
        """The answer that the flow of the endpoint, or else the one that was found, gives."""
        if call.target.flow is not None or decided.instance_id is None:
            return call.target.accepted
        deployed = await self._endpoints.deployed(decided.instance_id)
        flow = self._endpoints.definition(deployed).flow(decided.flow)
        config = partial(self._endpoints.config, deployed)
        return Accepted() if flow is None else triggers.accepted(flow.steps[0], config)

    async def _result(self, call: _Call, ready: events.ResultReady) -> Answer:
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


def _verifier(scheme: Scheme, scope: Scope) -> Verifier:
    def header(name: str) -> str | None:
        return requests.header(scope, name.encode())

    return Verifier(scheme, header, time.time_ns() / 1e9)


def _endpoint_id(address: Address) -> EndpointId:
    try:
        return EndpointId(ids.from_global(ids.ENDPOINT, address.endpoint))
    except Refused as error:
        raise decisions.unknown(address.endpoint) from error


def _waits(scope: Scope, target: Target) -> tuple[bool, bool]:
    """Whether the caller waits for the result, and whether that is left to a flow not known yet.

    The caller's header wins over the flow's setting.
    """
    given = requests.header(scope, b"prismatic-synchronous")
    word = given.strip().lower() if given else ""
    return _WORDS.get(word, target.synchronous), target.flow is None and word not in _WORDS


def _is_true(scope: Scope, name: bytes) -> bool:
    return (requests.header(scope, name) or "").strip().lower() == "true"
