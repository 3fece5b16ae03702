"""Webhooks: a request at `/trigger/{endpoint}/{path}` becomes an event, and waits for a reply.

Takes in ASGI calls, bare of any framework because every microsecond here is paid by each request;
gives out WebhookReceived on `triggers`. The rate limit is admission's; only a flood far above it is
turned away here, so that it cannot fill the log.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from eventlog import at_hand
from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from ingress import answers, decisions, intake, methods, repeats, requests, targets
from ingress.answers import Answer, Disconnected, Receive, Scope, Send
from ingress.known_endpoints import KnownEndpoints
from ingress.refused_calls import NOWHERE, RefusedCalls
from ingress.replying import Call, Replying
from ingress.requests import Address, Body
from ingress.results import Results
from ingress.targets import Target
from ingress.waiting import Node, Ticket
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
        self._bodies = intake.Bodies(blobs, max_bytes=max_body_bytes, max_text_bytes=max_text_bytes)
        self._node = node
        self._public_url = public_url
        self._answering = answering
        self._decision_s = decision_s
        self._result_s = result_s
        self._endpoints = KnownEndpoints(definitions, master_key)
        self._refused = RefusedCalls(log)
        self._replying = Replying(
            log=log,
            endpoints=self._endpoints,
            results=results,
            find_end=find_end,
            public_url=public_url,
            too_late=self._too_late,
        )
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
        call = Call(scope, receive, address.endpoint, target, *_waits(scope, target), key=key)
        return await self._accept(call, endpoint_id, address.path)

    async def _accept(self, call: Call, endpoint_id: EndpointId, path: str) -> Answer:
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
        return await self._replying.answer(call, reply, execution_id)

    async def _append(
        self, call: Call, endpoint_id: EndpointId, request: events.Request, ticket: Ticket
    ) -> ExecutionId:
        """Return once the request is durable. Raises Refused (431) and LogUnavailable."""
        value = self._encoded(call, endpoint_id, request, ticket)
        await self._give_up_if_too_large(value, request)
        call.target.forwarded.append(self._now())
        [at] = await self._log.append([NewRecord(TRIGGERS.name, endpoint_id, value)])
        return ids.execution_of(at.partition, at.offset)

    def _too_late(self) -> str:
        """When the result would have had to be there."""
        ended = self._node.has_ended
        return "before this server ended" if ended else f"within {self._result_s:g} seconds"

    def _is_answered(self, flow: Flow | None) -> bool:
        """Whether the trigger of a flow may answer the caller itself."""
        if flow is None:
            return False
        trigger = flow.steps[0]
        return trigger.answers or (trigger.component, trigger.action) in self._answering

    async def _waits_on(self, call: Call, decided: events.AdmissionDecided) -> bool:
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
        self, call: Call, endpoint_id: EndpointId, request: events.Request, ticket: Ticket
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
