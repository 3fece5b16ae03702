"""SOAP answers: read as a WSDL describes them, or as they stand; in a computing process.

A fault fails the step, with its reason, code and detail.
"""

import datetime
from decimal import Decimal
from typing import Any

from processors.actions import StepError
from processors.components import soap_messages
from processors.components.soap_messages import MAX_DETAIL, namespace
from processors.formats import xml_tree
from processors.formats.errors import Unfit
from schemas.values import Value


def reply(given: Value) -> Value:
    """What an operation gives, under the names of its parts. Raises StepError, also for a fault."""
    from zeep.wsdl.attachments import MessagePack
    from zeep.wsdl.messages.xop import process_xop

    client = soap_messages.client_of(given)
    _, _, operation = soap_messages.operation_of(client, given["method"])
    what = f"the answer of {given['method']} does not fit its WSDL"
    with soap_messages.told(what):
        first, attached = _parts(given)
    body = _checked_answer(given | {"content": first})
    if body is None or getattr(operation.output, "body", None) is None:
        return None
    with soap_messages.told(what):
        if attached and not process_xop(body.getparent(), MessagePack(attached)):
            raise StepError("the service answers with attachments, which are not read")
        _check_element(body, operation)
        # Its public way takes names away wherever an element has one child only.
        return _plain(operation.output._deserialize_body(body)["body"])


def _parts(given: Value) -> tuple[bytes, Any]:
    """The envelope and what comes beside it (SOAP with Attachments, MTOM)."""
    from requests_toolbelt.multipart.decoder import MultipartDecoder

    if not given["contentType"].lower().startswith("multipart/"):
        return given["content"], ()
    first, *others = MultipartDecoder(given["content"], given["contentType"]).parts
    return first.content, others


def bare_reply(given: Value) -> Value:
    """What stands in the body of the answer; names lose their prefixes. Raises StepError."""
    body = _checked_answer(given)
    return None if body is None else _tree(body)


def _checked_answer(given: Value) -> Any:
    """The body of the answer, None where the answer is empty. Raises StepError."""
    status, content = given["status"], given["content"]
    is_fine = 200 <= status < 300
    if not content.strip() and is_fine:
        return None
    try:
        root = soap_messages.parsed(content, "the answer")
    except StepError:
        if is_fine:
            raise
        root = None
    body = None if root is None else root.find(f"{{{namespace(root)}}}Body")
    if body is not None:
        _check_fault(body)
    if not is_fine:
        shown = content[:MAX_DETAIL].decode(errors="replace") or "(no body)"
        raise StepError(f"the service answers with status {status}: {shown}")
    if body is None or not root.tag.endswith("}Envelope"):
        raise StepError("the answer is no SOAP envelope")
    return body


def _check_fault(body: Any) -> None:
    fault = body.find(f"{{{namespace(body)}}}Fault")
    if fault is None:
        return
    texts: dict[str, str] = {}
    for part in fault.iter("{*}faultcode", "{*}faultstring", "{*}Value", "{*}Text", "{*}detail"):
        name = part.tag.rpartition("}")[2]
        texts.setdefault(name, " ".join("".join(part.itertext()).split())[:MAX_DETAIL])
    code = texts.get("faultcode") or texts.get("Value") or "no code"
    reason = texts.get("faultstring") or texts.get("Text") or "no reason"
    detail = texts.get("detail") or _text_of(fault.find(f"{{{namespace(body)}}}Detail"))
    raise StepError(
        f"the service answers with a fault: {reason} ({code})" + (f": {detail}" if detail else "")
    )


def _text_of(element: Any) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())[:MAX_DETAIL]


def _check_element(body: Any, operation: Any) -> None:
    """zeep reads anything as what it expects; in document style the name counts."""
    expected = getattr(getattr(operation.output, "body", None), "qname", None)
    if operation.style != "document" or expected is None or expected.text == body.tag:
        return
    found = body[0].tag if len(body) else "nothing"
    if found != expected.text:
        raise StepError(
            f"the answer of {operation.name} does not fit its WSDL: it must be {expected.text}, "
            f"found {found}"
        )


def _plain(value: Any) -> Value:
    """What zeep gives, as values that JSON has."""
    from lxml import etree
    from zeep.xsd import CompoundValue

    if isinstance(value, CompoundValue):
        return {key: _plain(value[key]) for key in value}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, etree._Element):
        return _tree(value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    return str(value)


def _tree(element: Any) -> Value:
    """The element's content, without prefixes and declarations of names."""
    from lxml import etree

    try:
        (content,) = xml_tree.parse(etree.tostring(_bare(element))).values()
    except Unfit as error:
        raise StepError(f"the answer cannot be read: {error}") from error
    return content


def _bare(element: Any) -> Any:
    """A copy without prefixes; lxml reads nothing that is nested too deep for it."""
    from lxml import etree

    attributes = {etree.QName(name).localname: value for name, value in element.attrib.items()}
    bare = etree.Element(etree.QName(element).localname, attributes)
    bare.text, bare.tail = element.text, element.tail
    bare.extend([_bare(one) for one in element.iterchildren(etree.Element)])
    return bare
