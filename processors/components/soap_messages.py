"""SOAP messages: written and read as a WSDL describes them; the functions of a computing process.

Nothing is fetched here: `documents` holds the WSDL at `location` and all that it imports. Document
types and entities are refused, so nothing expands and nothing else is read.
"""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

from processors.actions import StepError
from schemas.values import Value

NOWHERE = "http://wsdl.invalid/"
"""Where a definition stands that came without its URL."""
ENVELOPES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
_XSD = "http://www.w3.org/2001/XMLSchema"
_IMPORTS = {
    "{http://schemas.xmlsoap.org/wsdl/}import": "location",
    f"{{{_XSD}}}import": "schemaLocation",
    f"{{{_XSD}}}include": "schemaLocation",
    f"{{{_XSD}}}redefine": "schemaLocation",
}
_MAX_DEPTH = 8
MAX_DETAIL = 500


def references(given: Value) -> Value:
    """The URLs of what the document imports. Raises StepError."""
    base, found = given["base"], []
    for element in parsed(given["document"], base).iter(*_IMPORTS):
        location = element.get(_IMPORTS[element.tag])
        if not location:
            continue
        url = urljoin(base, location)
        if url.startswith(NOWHERE):
            raise StepError(f"the WSDL imports {location!r}, which only its URL would find")
        found.append(url)
    return found


def describe(given: Value) -> Value:
    """By service, port and operation what goes in and comes out. Raises StepError."""
    return {
        service.name: {
            port.name: {
                name: {"input": _taken(one.input), "output": _taken(one.output)}
                for name, one in _operations(port).items()
            }
            for port in service.ports.values()
        }
        for service in client_of(given).wsdl.services.values()
    }


def request(given: Value) -> Value:
    """`{url, version, action, content}` of a call. Raises StepError."""
    client = client_of(given)
    service, port, operation = operation_of(client, given["method"])
    with told(f"the parameters of {given['method']} do not fit"):
        proxy = client.bind(service.name, port.name)
        envelope = client.create_message(proxy, given["method"], **given["parameters"])
    _add_headers(envelope, given["headers"])
    return {
        "url": given["url"] or port.binding_options.get("address") or "",
        "version": _version(port),
        "action": operation.soapaction or "",
        "content": _written(_secured(envelope, given["security"])),
    }


def enveloped(given: Value) -> Value:
    """The envelope around the body, or the given envelope, as bytes. Raises StepError."""
    from lxml import etree

    uri = ENVELOPES[given["version"]]
    with told("the Body (body) is no XML"):
        parts = _fragments(given["body"])
    if len(parts) == 1 and parts[0].tag == f"{{{uri}}}Envelope":
        envelope = parts[0]
    else:
        envelope = etree.Element(f"{{{uri}}}Envelope", nsmap={"soap": uri})
        etree.SubElement(envelope, f"{{{uri}}}Body").extend(parts)
    _add_headers(envelope, given["headers"])
    return _written(_secured(envelope, given["security"]))


def parsed(document: bytes, what: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise StepError(f"{what} is no XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise StepError(f"{what} declares a document type, which is refused")
    return root


def client_of(given: Value) -> Any:
    from zeep import Client, Settings, Transport

    documents: Mapping[str, bytes] = given["documents"]

    class Held(Transport):  # type: ignore[misc]  # zeep is not fully typed
        def __init__(self) -> None:
            pass

        def load(self, url: str) -> bytes:
            if url not in documents:
                raise StepError(f"the WSDL refers to {url!r}, which was not fetched")
            return documents[url]

    settings = Settings(forbid_dtd=True, forbid_entities=True, forbid_external=False)
    with told("the WSDL cannot be used"):
        return Client(given["location"], transport=Held(), settings=settings)


def _operations(port: Any) -> dict[str, Any]:
    return {name: one for name, one in port.binding.all().items() if hasattr(one, "soapaction")}


def operation_of(client: Any, method: str) -> tuple[Any, Any, Any]:
    """The first service and port that have the operation, in the order of the WSDL."""
    names: set[str] = set()
    for service in client.wsdl.services.values():
        for port in service.ports.values():
            operations = _operations(port)
            if method in operations:
                return service, port, operations[method]
            names |= operations.keys()
    told = ", ".join(sorted(names)[:20]) or "none"
    raise StepError(f"the WSDL has no operation {method!r}; it has {told}")


def _version(port: Any) -> str:
    return "1.2" if port.binding.nsmap["soap-env"] == ENVELOPES["1.2"] else "1.1"


def _taken(message: Any) -> Value:
    body = getattr(message, "body", None)
    return {} if body is None else _described(body.type, 0)


def _described(kind: Any, depth: int) -> Value:
    elements = getattr(kind, "elements", None)
    if not elements or depth >= _MAX_DEPTH:
        name = getattr(kind, "qname", None)
        prefix = "xs:" if name is not None and name.namespace == _XSD else ""
        return f"{prefix}{name.localname}" if name is not None else {}
    described = {}
    for name, element in elements:
        many = "[]" if getattr(element, "accepts_multiple", False) else ""
        described[f"{name}{many}"] = _described(getattr(element, "type", None), depth + 1)
    return described


def namespace(element: Any) -> str:
    return str(element.tag).partition("}")[0].lstrip("{")


def _fragments(text: str) -> list[Any]:
    """The elements of a text that holds any number of them, with or without a declaration."""
    text = text.strip()
    if text.startswith("<?xml"):
        return [parsed(text.encode(), "the text")]
    if "<!DOCTYPE" in text:
        raise StepError("a document type is refused")
    return list(parsed(f"<parts>{text}</parts>".encode(), "the text"))


def _add_headers(envelope: Any, blocks: list[str]) -> None:
    if not blocks:
        return
    with told("the headers are no XML"):
        parts = [part for block in blocks for part in _fragments(block)]
    name = f"{{{namespace(envelope)}}}Header"
    header = envelope.find(name)
    if header is None:
        header = envelope.makeelement(name)
        envelope.insert(0, header)
    header.extend(parts)


def _secured(envelope: Any, security: Value) -> Any:
    """With a user name token (WS-Security UsernameToken Profile 1.0) where one is asked for."""
    if not security:
        return envelope
    from zeep.wsse.username import UsernameToken

    token = UsernameToken(
        security["username"],
        security["password"],
        use_digest=security["digest"],
        nonce=security["nonce"],
        created=datetime.datetime.fromisoformat(security["created"]),
        zulu_timestamp=True,
    )
    secured, _ = token.apply(envelope, {})
    return secured


def _written(envelope: Any) -> bytes:
    from lxml import etree

    content: bytes = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    return content


@contextmanager
def told(what: str) -> Iterator[None]:
    try:
        yield
    except (StepError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise StepError(f"{what}: {str(error)[:MAX_DETAIL] or type(error).__name__}") from error
