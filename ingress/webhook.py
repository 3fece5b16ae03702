"""Webhooks: a request at `/trigger/{endpoint}/{path}` becomes an event, then gets an answer.

Takes in ASGI calls, bare of any framework because every microsecond here is paid by each request;
gives out WebhookReceived on `triggers`. The rate limit is admission's; only a flood far above it is
turned away here, so that it cannot fill the log.
"""

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import assert_never

import orjson

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from ingress import answers, requests
from ingress.answers import Answer, Disconnected, Receive, Scope, Send
from ingress.requests import Address, Body
from ingress.results import Results
from ingress.waiting import Node, Reply, Ticket
from schemas import codec, events, ids
from schemas.catalog import Endpoint
from schemas.definitions import Complex, Entry, Flow, Literal, Step
from schemas.errors import Refused, Retryable
from schemas.events import Reason
from schemas.ids import EndpointId, ExecutionId
from schemas.secrets import hash_of
from schemas.topics import TRIGGERS

DECISION_S = 2.0
RESULT_S = 29.0
MAX_TRIGGER_BYTES = MAX_VALUE_BYTES - 500_000
"""An admission repeats its trigger and adds to it: it must fit on the log too."""

REFRESH_EVERY_S = 0.2
_WINDOW_S = 1.0
_LOG_EVERY_S = 1.0
_NEEDS_KEY = frozenset(("customer_required", "organization"))
_ANSWERING = frozenset((("webhook-triggers", "webhook"), ("hash", "hmacWebhookTrigger")))
_WORDS = {"true": True, "false": False}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """How a flow answers those who do not wait; an empty body is the execution id."""

    status: int = 200
    content_type: bytes = answers.JSON
    headers: tuple[answers.Header, ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class Target:
    """What a request to an endpoint needs to know, worked out once per deployment."""

    deployed: events.InstanceDeployed
    synchronous: bool
    needs_key: bool
    key_hashes: tuple[str, ...]
    accepted: Accepted
    forwarded: deque[float] = field(default_factory=deque)

    def is_flooded(self, now_s: float) -> bool:
        """Whether far more than can be admitted went on to the log within the last second."""
        recent = self.forwarded
        while recent and recent[0] <= now_s - _WINDOW_S:
            recent.popleft()
        return len(recent) >= 4 * self.deployed.rate_limit + 100


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way."""

    scope: Scope
    receive: Receive
    endpoint: str
    target: Target
    synchronous: bool


def target_of(endpoint: Endpoint, flow: Flow) -> Target:
    deployed = endpoint.instance.deployed
    hashes = tuple(deployed.api_key_hashes.get(endpoint.flow, ()))
    secured = flow.security != "unsecured"
    return Target(
        deployed=deployed,
        synchronous=flow.is_synchronous,
        needs_key=secured and (flow.security in _NEEDS_KEY or bool(hashes)),
        key_hashes=hashes,
        accepted=_accepted(flow.steps[0]) if flow.steps else Accepted(),
    )


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
        public_url: str,
        max_body_bytes: int,
        decision_s: float = DECISION_S,
        result_s: float = RESULT_S,
    ) -> None:
        self._log = log
        self._bodies = requests.Bodies(blobs, max_bytes=max_body_bytes)
        self._definitions = definitions
        self._node = node
        self._results = results
        self._public_url = public_url
        self._decision_s = decision_s
        self._result_s = result_s
        self._targets: dict[EndpointId, Target] = {}
        self._refresh = Refresh(definitions)
        self._floods = _Floods()
        self._now: Callable[[], float] = asyncio.get_running_loop().time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        except requests.Malformed as malformed:
            answer = answers.of_json(400, {"error": str(malformed)})
        except Refused as refused:
            answer = answers.of_refusal(refused)
        except Retryable as away:
            answer = answers.of_absence(away)
        await answers.send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        address = requests.address_of(scope["path"])
        endpoint_id = _endpoint_id(address)
        target = self._target(endpoint_id)
        if target is None:
            await self._refresh.now()
            target = self._target(endpoint_id)
        if target is None:
            raise _unknown(address.endpoint)
        _check_key(target, scope)
        if target.is_flooded(self._now()):
            self._floods.count(address.endpoint, self._now())
            return _throttled(address.endpoint, target.deployed.rate_limit, None)
        synchronous = _chosen(scope, target)
        call = _Call(scope, receive, address.endpoint, target, synchronous)
        return await self._accept(call, endpoint_id, address.path)

    def _target(self, endpoint_id: EndpointId) -> Target | None:
        endpoint = self._definitions.catalog.endpoint(endpoint_id)
        if endpoint is None:
            self._targets.pop(endpoint_id, None)
            return None
        target = self._targets.get(endpoint_id)
        if target is None or target.deployed is not endpoint.instance.deployed:
            target = target_of(endpoint, self._definitions.catalog.flow_of(endpoint))
            self._targets[endpoint_id] = target
        return target

    async def _accept(self, call: _Call, endpoint_id: EndpointId, path: str) -> Answer:
        content_type = requests.header(call.scope, b"content-type") or ""
        must_be_json = requests.is_json(content_type)
        body = await self._bodies.read(call.scope, call.receive, must_be_json=must_be_json)
        request = requests.request_of(call.scope, path, content_type, body)
        # Registered before the append: the reply may be there before the append returns.
        ticket = self._node.expect(for_result=call.synchronous)
        try:
            value = self._encoded(call, endpoint_id, request, ticket)
            await self._give_up_if_too_large(value, body)
            call.target.forwarded.append(self._now())
            appended = await self._log.append([NewRecord(TRIGGERS.name, endpoint_id, value)])
            execution_id = ids.execution_of(appended[0].partition, appended[0].offset)
            wait_s = self._result_s if call.synchronous else self._decision_s
            reply = await self._node.wait(ticket, wait_s, call.receive)
        finally:
            self._node.forget(ticket)
        return await self._answer_to(call, reply, execution_id)

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
        )
        return codec.encode([received])

    async def _give_up_if_too_large(self, value: bytes, body: Body) -> None:
        """Only headers or a query of megabytes get here: large bodies are in blobs."""
        if len(value) <= MAX_TRIGGER_BYTES:
            return
        await self._bodies.discard(body)
        message = "The headers and the query of the request are too large."
        raise Refused(message, status=431, reason="too_large")

    async def _answer_to(
        self, call: _Call, reply: Reply | None, execution_id: ExecutionId
    ) -> Answer:
        match reply:
            case None if call.synchronous:
                shown = ids.to_global(ids.EXECUTION, execution_id)
                message = f"Execution {shown} has not finished within {self._result_s:g} seconds."
                content = {"error": message, "reason": "timeout", "executionId": shown}
                return answers.of_json(504, content, execution_id=execution_id)
            case None:
                return answers.of_json(202, _naming(execution_id), execution_id=execution_id)
            case events.AdmissionDecided(reason=None):
                return _accepted_answer(call.target.accepted, execution_id)
            case events.AdmissionDecided(reason=reason, limit=limit) if reason is not None:
                limit = limit or call.target.deployed.rate_limit
                return _refused_answer(Reason(reason), call.endpoint, limit, execution_id)
            case events.ResultReady():
                return await self._result(call, reply)
            case events.AdmissionDecided():
                raise AssertionError("both kinds of a decision are above")
            case _:
                assert_never(reply)

    async def _result(self, call: _Call, ready: events.ResultReady) -> Answer:
        if ready.error is not None:
            return answers.of_json(400, {"error": ready.error}, execution_id=ready.execution_id)
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


class Refresh:
    """Reading `definitions` to its end for those who found nothing, a few times a second at most.

    Who asks waits for a reading that begins after the question; questions that come in between
    share one reading.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._began_s = float("-inf")
        self._next: asyncio.Task[None] | None = None

    async def now(self) -> None:
        """Return once everything said before the call has been read. Raises LogUnavailable."""
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        await asyncio.shield(self._next)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._began_s + REFRESH_EVERY_S - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._next = None
        self._began_s = loop.time()
        await self._definitions.read_to_end()


class _Floods:
    """Counts what a flood had turned away; one line of log per second at most."""

    def __init__(self) -> None:
        self._turned_away = 0
        self._logged_s = float("-inf")

    def count(self, endpoint: str, now_s: float) -> None:
        self._turned_away += 1
        if now_s - self._logged_s >= _LOG_EVERY_S:
            _logger.warning("flood: %d requests turned away, %s", self._turned_away, endpoint)
            self._turned_away, self._logged_s = 0, now_s


def _endpoint_id(address: Address) -> EndpointId:
    try:
        return EndpointId(ids.from_global(ids.ENDPOINT, address.endpoint))
    except Refused as error:
        raise _unknown(address.endpoint) from error


def _unknown(endpoint: str) -> Refused:
    message = f"There is no endpoint with id: {endpoint}"
    return Refused(message, status=404, reason="unknown_endpoint")


def _check_key(target: Target, scope: Scope) -> None:
    if not target.needs_key:
        return
    given = requests.header(scope, requests.API_KEY)
    if given is None:
        message = "This endpoint needs an API key in the header Api-Key."
        raise Refused(message, status=401, reason="missing_api_key")
    given_hash = hash_of(given)
    fits = [hmac.compare_digest(given_hash, known) for known in target.key_hashes]
    if not any(fits):
        message = "The API key in the header Api-Key is not one of this endpoint."
        raise Refused(message, status=401, reason="wrong_api_key")


def _chosen(scope: Scope, target: Target) -> bool:
    """Whether the caller waits for the result: its header wins over the flow's setting."""
    given = requests.header(scope, b"prismatic-synchronous")
    word = given.strip().lower() if given else ""
    return _WORDS.get(word, target.synchronous)


def _is_true(scope: Scope, name: bytes) -> bool:
    return (requests.header(scope, name) or "").strip().lower() == "true"


def _naming(execution_id: ExecutionId) -> dict[str, str]:
    return {"executionId": ids.to_global(ids.EXECUTION, execution_id)}


def _accepted_answer(accepted: Accepted, execution_id: ExecutionId) -> Answer:
    if accepted.body:
        body, kind = accepted.body, accepted.content_type
    else:
        body, kind = orjson.dumps(_naming(execution_id)), answers.JSON
    return Answer(accepted.status, body, kind, accepted.headers, execution_id)


def _refused_answer(reason: Reason, endpoint: str, limit: int, execution_id: ExecutionId) -> Answer:
    match reason:
        case Reason.RATE_LIMITED:
            return _throttled(endpoint, limit, execution_id)
        case Reason.UNKNOWN_ENDPOINT:
            status, message = 404, str(_unknown(endpoint))
        case Reason.INSTANCE_PAUSED:
            status, message = 409, f"The instance of the endpoint with id: {endpoint} is paused."
        case Reason.INSTANCE_REMOVED:
            status, message = 409, f"The instance of the endpoint with id: {endpoint} was removed."
        case _:
            assert_never(reason)
    content = {"error": message, "reason": reason.value}
    return answers.of_json(status, content, execution_id=execution_id)


def _throttled(endpoint: str, limit: int, execution_id: ExecutionId | None) -> Answer:
    message = (
        f"Endpoint with id: {endpoint} has exceeded maximum allowed throughput of"
        f" {limit} requests/second. Please throttle your requests."
    )
    headers = (answers.RETRY_SOON,)
    return answers.of_json(429, {"error": message}, headers=headers, execution_id=execution_id)


def _accepted(trigger: Step) -> Accepted:
    """The answer that the inputs of a trigger say; inputs that are no literals say nothing."""
    if (trigger.component, trigger.action) not in _ANSWERING:
        return Accepted()
    body = _literal(trigger, "body")
    kind = _literal(trigger, "contentType")
    return Accepted(
        status=_status(_literal(trigger, "statusCode")),
        content_type=answers.content_type_of(kind) if kind else _kind_of(body),
        headers=answers.headers_of(_literal_pairs(trigger)),
        body=body.encode(),
    )


def _literal(step: Step, key: str) -> str:
    found = step.inputs.get(key)
    return found.text if isinstance(found, Literal) else ""


def _literal_pairs(step: Step) -> Iterable[tuple[str, str]]:
    found = step.inputs.get("headers")
    for item in found.items if isinstance(found, Complex) else ():
        if isinstance(item, Entry):
            name, value = item
            if isinstance(name, Literal) and isinstance(value, Literal):
                yield name.text, value.text


def _status(text: str) -> int:
    text = text.strip()
    status = int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 200
    return status if 200 <= status <= 599 else 200


def _kind_of(body: str) -> bytes:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return b"text/plain; charset=utf-8"
    return answers.JSON
