"""The one ASGI application of an ingress node: webhooks and results bare, all else on FastAPI.

Takes in what the process has opened (log, blobs, definitions, node) and further routers to mount;
gives out an ASGI callable that is also the context manager of its tasks. Whoever opens it follows
`definitions` (Definitions.run); here it is only read to its end at start and before a 404.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import EventLog
from ingress import (
    answers,
    api,
    changes,
    commands,
    exporting,
    instance_keys,
    readiness,
    releasing,
    repeats,
    requests,
    results,
)
from ingress.answers import Message, Receive, Scope, Send
from ingress.requests import TRIGGER
from ingress.results import Results
from ingress.waiting import Node
from ingress.webhook import DECISION_S, RESULT_S, Webhooks
from schemas.errors import Refused
from schemas.integration_inputs import CheckStep, anything
from schemas.secrets import MasterKey
from schemas.settings import MAX_LOADED_BYTES
from schemas.unknown_inputs import InputsOf, nothing

API = "/api"
MAX_API_BYTES = 16 * 1024 * 1024
"""A definition of 3 MB, escaped at worst, and its configuration."""

_logger = logging.getLogger(__name__)


class Application:
    """ASGI: `async with application(...) as app`, then serve `app`."""

    def __init__(
        self,
        *,
        log: EventLog,
        definitions: Definitions,
        node: Node,
        token: str,
        webhooks: Webhooks,
        results: Results,
        changes: changes.Changes,
        build_rest: Callable[[api.FindProblem], FastAPI],
    ) -> None:
        self._definitions = definitions
        self._node = node
        self._readiness = readiness.Readiness(log, node)
        self._token = b"Bearer " + token.encode()
        self._webhooks = webhooks
        self._results = results
        self._changes = changes
        self._catching_up: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._rest = build_rest(self._find_problem)

    async def __aenter__(self) -> Self:
        """Read the definitions, find where the replies are to be followed from, and follow them."""
        await self._definitions.read_to_end()
        await self._node.start()
        self._following = asyncio.create_task(self._node.run(), name="following replies")
        self._following.add_done_callback(_report)
        self._catching_up = asyncio.create_task(self._changes.run(), name="following changes")
        self._catching_up.add_done_callback(_report)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        tasks = [task for task in (self._following, self._catching_up) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._webhooks.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http":
            if path.startswith(TRIGGER):
                return await self._webhooks(scope, receive, send)
            if path.startswith(results.PREFIX):
                return await self._results(scope, receive, send)
        if path == API or path.startswith(API + "/"):
            if not self._is_admin(scope):
                return await _turn_away(scope, send)
            receive = _bounded(receive)
        await self._rest(scope, receive, send)

    def end_waits(self) -> None:
        """Answer all who wait for a flow by what is known now: the process is about to end."""
        self._node.end()

    async def _find_problem(self) -> readiness.Problem | None:
        """Why it is not ready; None where the replies are followed and the log takes records."""
        if self._following is None or self._following.done():
            return readiness.AWAY
        return await self._readiness.problem()

    def _is_admin(self, scope: Scope) -> bool:
        given = requests.header(scope, b"authorization") or ""
        scheme, _, token = given.partition(" ")
        shown = f"{scheme.capitalize()} {token.strip()}".encode("latin-1")
        return hmac.compare_digest(shown, self._token)


def application(
    *,
    log: EventLog,
    blobs: Blobs,
    definitions: Definitions,
    node: Node,
    master_key: MasterKey,
    token: str,
    public_url: str,
    max_body_bytes: int,
    max_text_bytes: int = MAX_LOADED_BYTES,
    result_ttl_s: int,
    known: commands.Known,
    read_python: commands.ReadPython,
    hooks: changes.Hooks | None = None,
    answering: Collection[tuple[str, str]] = (),
    routers: Sequence[APIRouter] = (),
    check: CheckStep = anything,
    inputs_of: InputsOf = nothing,
    find_end: repeats.FindEnd = repeats.unknown_end,
    decision_s: float = DECISION_S,
    result_s: float = RESULT_S,
) -> Application:
    """All of HTTP. Call it within the event loop; routers under /api need the token too."""
    signed = Results(log=log, blobs=blobs, key=master_key, ttl_s=result_ttl_s)
    webhooks = Webhooks(
        log=log,
        blobs=blobs,
        definitions=definitions,
        node=node,
        results=signed,
        master_key=master_key,
        public_url=public_url,
        max_body_bytes=max_body_bytes,
        max_text_bytes=max_text_bytes,
        answering=answering,
        find_end=find_end,
        decision_s=decision_s,
        result_s=result_s,
    )
    followed = changes.Changes(log, definitions, hooks)
    lifecycle = commands.Lifecycle(
        log=log,
        definitions=definitions,
        master_key=master_key,
        known=known,
        check=check,
        inputs_of=inputs_of,
        public_url=public_url,
        changes=followed,
        read_python=read_python,
    )
    own = (
        exporting.router(definitions, api.PREFIX),
        releasing.router(lifecycle.say, api.PREFIX),
        instance_keys.router(lifecycle.change, definitions, master_key, api.PREFIX),
    )
    return Application(
        log=log,
        definitions=definitions,
        node=node,
        token=token,
        webhooks=webhooks,
        results=signed,
        changes=followed,
        build_rest=partial(api.build, lifecycle, (*routers, *own)),
    )


async def _turn_away(scope: Scope, send: Send) -> None:
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1008})
        return
    message = "The API needs the admin token: Authorization: Bearer TOKEN."
    refused = answers.of_refusal(Refused(message, status=401, reason="unauthorized"))
    challenge = (b"www-authenticate", b"Bearer")
    await answers.send(send, answers.Answer(401, refused.body, headers=(challenge,)))


def _bounded(receive: Receive) -> Receive:
    """`receive`, refusing bodies that FastAPI would otherwise gather without a bound."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_API_BYTES:
            raise HTTPException(413, f"The request body is larger than {MAX_API_BYTES} bytes.")
        return message

    return counted


def _report(following: "asyncio.Task[None]") -> None:
    if not following.cancelled() and following.exception() is not None:
        _logger.critical("%s has ended", following.get_name(), exc_info=following.exception())
