"""SOAP: operations of web services called as their WSDL describes them, or with XML of one's own.

WSDL, the schemas that it imports and the calls themselves go out as HTTP steps do: guarded against
private networks, within time, calls with the step's idempotency key. What is read and written is
worked on in a computing process (soap_messages, soap_answers).
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import httpx

from processors.actions import Action, Context, Input, Outcome, Runs, StepError, World
from processors.components import (
    http_exchange,
    http_inputs,
    soap_answers,
    soap_inputs,
    soap_messages,
)
from processors.components.computing import Function, compute
from processors.components.files import bytes_of, inside, text_of
from processors.components.http_bodies import Bound
from processors.components.http_exchange import Answer, Call, Retries
from processors.components.redaction import without_secrets
from processors.components.refusals import unfit
from schemas import ids
from schemas.instants import to_iso
from schemas.values import Value

MAX_DOCUMENTS = 50
MAX_DOCUMENT_BYTES = 5 * 1024 * 1024
MAX_ANSWER_BYTES = 20 * 1024 * 1024


async def _get_wsdl(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    found = await _fetched(inputs["wsdlUrl"], {}, context, world)
    return Outcome(result=found.decode(errors="replace"))


async def _describe(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    contract = await _contract(inputs, context, world)
    return Outcome(result=await _computed(soap_messages.describe, contract, context, world))


async def _send(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    parameters = inputs["params"]
    if parameters is None or parameters == "":
        parameters = {}
    if not isinstance(parameters, dict):
        raise unfit(soap_inputs.PARAMETERS, "an object", parameters)
    return await _called(inputs, parameters, context, world)


async def _log_in(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    connection = inputs["connection"]
    method = connection.get("loginMethod")
    if not method:
        raise StepError("Connection (connection) names no loginMethod")
    asked = {
        **inputs,
        "method": str(method),
        "overrideUrl": "",
        "headers": "",
        "authentication": "none",
    }
    parameters = {key: connection.get(key) or "" for key in ("username", "password")}
    return await _called(asked, parameters, context, world)


async def _called(
    inputs: Mapping[str, Any], parameters: Value, context: Context, world: World
) -> Outcome:
    security, basic = _authentication(inputs, context)
    contract = await _contract(inputs, context, world)
    given = contract | {
        "method": inputs["method"],
        "parameters": parameters,
        "headers": _blocks(inputs["headers"]),
        "security": security,
        "url": inputs["overrideUrl"].strip(),
    }
    asked = await _computed(soap_messages.request, given, context, world)
    answer = await _exchanged(asked, basic, inputs["timeout"], context, world)
    replied = contract | _told(answer) | {"method": inputs["method"]}
    return Outcome(result=await _computed(soap_answers.reply, replied, context, world))


async def _raw(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    version = inputs["soapVersion"].strip()
    if version not in soap_messages.ENVELOPES:
        raise unfit(soap_inputs.VERSION, "1.1 or 1.2", inputs["soapVersion"])
    security, basic = _authentication(inputs, context)
    given = {
        "body": text_of(soap_inputs.BODY, inputs["body"]),
        "headers": _blocks(inputs["headers"]),
        "version": version,
        "security": security,
    }
    content = await _computed(soap_messages.enveloped, given, context, world)
    asked = {
        "url": inputs["url"],
        "version": version,
        "action": inputs["soapAction"],
        "content": content,
    }
    answer = await _exchanged(asked, basic, inputs["timeout"], context, world)
    told = _told(answer)
    return Outcome(result=await _computed(soap_answers.bare_reply, told, context, world))


def _told(answer: Answer) -> dict[str, Value]:
    return {"status": answer.status, "contentType": answer.content_type, "content": answer.body}


def _blocks(headers: Value) -> list[str]:
    blocks = headers if isinstance(headers, list) else [headers]
    return [text for one in blocks if (text := text_of(soap_inputs.HEADERS, one).strip())]


def _authentication(
    inputs: Mapping[str, Any], context: Context
) -> tuple[dict[str, Value] | None, dict[str, str]]:
    """The user name token that goes into the envelope, and the header that goes beside it."""
    connection = inputs["connection"]
    username, password = (str(connection.get(key) or "") for key in ("username", "password"))
    default = "basic" if username and not connection.get("loginMethod") else "none"
    how = inputs["authentication"].strip() or default
    if how not in soap_inputs.AUTHENTICATIONS:
        raise unfit(
            soap_inputs.AUTHENTICATION, f"one of {', '.join(soap_inputs.AUTHENTICATIONS)}", how
        )
    if how != "none" and not username:
        raise StepError(f"Connection (connection) needs a username for {how} authentication")
    if how == "basic":
        return None, _basic(username, password)
    if how == "none":
        return None, {}
    attempt = ids.derived("nonce", context.idempotency_key, str(context.attempt))
    token: dict[str, Value] = {
        "username": username,
        "password": password,
        "digest": how == "usernameTokenDigest",
        "nonce": attempt,
        "created": to_iso(context.now),
    }
    return token, {}


def _basic(username: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


async def _contract(inputs: Mapping[str, Any], context: Context, world: World) -> dict[str, Value]:
    """The WSDL and all that it imports, by URL. Raises StepError."""
    connection = inputs["connection"]
    url = str(connection.get("wsdlDefinitionURL") or "").strip()
    if inside(inputs["wsdl"]):
        location = url or soap_messages.NOWHERE
        documents = {location: bytes_of(soap_inputs.WSDL, inputs["wsdl"])}
    elif url:
        location = url
        username, password = (str(connection.get(key) or "") for key in ("username", "password"))
        credentials = _basic(username, password) if username else {}
        documents = {url: await _fetched(url, credentials, context, world)}
    else:
        raise StepError(
            "WSDL Definition (wsdl) is required where Connection (connection) names no "
            "wsdlDefinitionURL"
        )
    unread = [location]
    while unread:
        base = unread.pop()
        given: Value = {"document": documents[base], "base": base}
        for found in await _computed(soap_messages.references, given, context, world):
            if found in documents:
                continue
            if len(documents) >= MAX_DOCUMENTS:
                raise StepError(f"the WSDL imports more than {MAX_DOCUMENTS} documents")
            documents[found] = await _fetched(found, {}, context, world)
            unread.append(found)
    return {"location": location, "documents": documents}


async def _fetched(url: str, credentials: dict[str, str], context: Context, world: World) -> bytes:
    headers = {"accept": "text/xml, application/xml, */*", **credentials}
    call = _call("GET", url, headers, None, http_inputs.DEFAULT_TIMEOUT_MS, context)
    return (await _carried_out(call, world)).held


async def _exchanged(
    asked: Mapping[str, Any],
    credentials: dict[str, str],
    timeout_ms: float,
    context: Context,
    world: World,
) -> Answer:
    """The answer, of any status: a fault comes with 500."""
    action = asked["action"].strip()
    if not action.isprintable() or '"' in action:
        raise unfit(soap_inputs.ACTION, "a text without quotation marks and line ends", action)
    headers = {"accept": "text/xml, application/soap+xml, multipart/related", **credentials}
    if asked["version"] == "1.2":
        named = f'; action="{action}"' if action else ""
        headers["content-type"] = f"application/soap+xml; charset=utf-8{named}"
    else:
        headers |= {"content-type": "text/xml; charset=utf-8", "soapaction": f'"{action}"'}
    headers["idempotency-key"] = context.idempotency_key
    call = _call("POST", asked["url"], headers, asked["content"], timeout_ms, context)
    return await _carried_out(call, world)


def _call(
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | None,
    timeout_ms: float,
    context: Context,
) -> Call:
    try:
        target = httpx.URL(url.strip().partition("#")[0])
    except http_exchange.ERRORS as error:
        raise StepError(f"the URL of the service is not a URL: {error}") from error
    if target.scheme not in ("http", "https") or not target.host:
        shown = url.partition("?")[0][:200]
        raise StepError(f"the service must have an http:// or https:// URL, found {shown!r}")
    if timeout_ms < 0:
        raise unfit(soap_inputs.TIMEOUT, "0 or more", timeout_ms)
    return Call(
        method=method,
        url=target,
        shown=http_exchange.shown(target),
        headers={"accept-encoding": "gzip, deflate", "user-agent": "Penstock", **headers},
        content=content,
        timeout_s=(timeout_ms or http_inputs.DEFAULT_TIMEOUT_MS) / 1000,
        verify=True,
        bound=Bound(max_bytes=MAX_DOCUMENT_BYTES if content is None else MAX_ANSWER_BYTES),
        retries=Retries(),
        credentials=frozenset(("authorization",)),
        secrets=context.secrets,
        any_status=content is not None,
    )


async def _carried_out(call: Call, world: World) -> Answer:
    try:
        return await http_exchange.carry_out(call, world.http)
    except http_exchange.Failed as failed:
        raise StepError(without_secrets(str(failed), call.secrets)) from failed


async def _computed(function: Function, given: Value, context: Context, world: World) -> Any:
    """In a thread, for the process answers when it is done."""
    try:
        return await asyncio.to_thread(compute, function, given, "SOAP", world)
    except StepError as error:
        raise StepError(without_secrets(str(error), context.secrets)) from error


def _action(key: str, label: str, description: str, perform: Any, *inputs: Input) -> Action:
    return Action(
        component="soap",
        key=key,
        label=label,
        description=description,
        perform=perform,
        inputs=inputs,
        runs=Runs.ASYNC,
        touches_world=True,
    )


_SENT = (soap_inputs.HEADERS, soap_inputs.AUTHENTICATION, soap_inputs.TIMEOUT)

ACTIONS = (
    _action(
        "getWsdlByUrl",
        "Get WSDL Definition",
        "Gives the XML of the WSDL.",
        _get_wsdl,
        soap_inputs.WSDL_URL,
    ),
    _action(
        "describeClient",
        "Describe Client",
        "Gives by service, port and operation an object with the names and types of `input` and "
        "`output`; `[]` stands behind the name of what may repeat.",
        _describe,
        soap_inputs.CONNECTION,
        soap_inputs.WSDL,
    ),
    _action(
        "sendRequest",
        "Request",
        "Calls an operation and gives its answer as an object, typed as the WSDL says. Fails where "
        "the service answers with a fault.",
        _send,
        soap_inputs.CONNECTION,
        soap_inputs.WSDL,
        soap_inputs.METHOD,
        soap_inputs.OVERRIDE_URL,
        soap_inputs.PARAMETERS,
        *_SENT,
    ),
    _action(
        "getWsdlAuth",
        "Get Authentication",
        "Calls the connection's loginMethod with its username and password, and gives the answer.",
        _log_in,
        soap_inputs.CONNECTION,
        soap_inputs.WSDL,
        soap_inputs.TIMEOUT,
    ),
    _action(
        "rawRequest",
        "Raw Request",
        "Sends XML in an envelope and gives what stands in the body of the answer, as the XML "
        "component reads it, without prefixes. Fails where the service answers with a fault.",
        _raw,
        soap_inputs.CONNECTION,
        soap_inputs.URL,
        soap_inputs.BODY,
        soap_inputs.ACTION,
        soap_inputs.VERSION,
        *_SENT,
    ),
)
