"""SOAP: what is sent as a WSDL or one's own XML has it, and what becomes of the answer."""

import base64
import hashlib
from typing import Any

import httpx
import pytest
from lxml import etree

from processors import cleaning
from processors.actions import StepError, World
from processors.components.soap import MAX_DOCUMENTS
from processors.private_networks import PrivateNetworkRefused, guarded_client
from schemas.values import Value
from tests.processors.components.test_kit import action, context

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
AT = "https://shop.example.com"

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:shop"
    xmlns="urn:shop" elementFormDefault="qualified">
  <xs:element name="GetOrder"><xs:complexType><xs:sequence>
    <xs:element name="id" type="xs:int"/><xs:element name="note" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="GetOrderResponse"><xs:complexType><xs:sequence>
    <xs:element name="order" type="Order"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:complexType name="Order"><xs:sequence>
    <xs:element name="total" type="xs:decimal"/><xs:element name="day" type="xs:date"/>
    <xs:element name="paid" type="xs:boolean"/>
    <xs:element name="line" type="xs:string" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType>
  <xs:element name="Login"><xs:complexType><xs:sequence>
    <xs:element name="username" type="xs:string"/><xs:element name="password" type="xs:string"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="LoginResponse"><xs:complexType><xs:sequence>
    <xs:element name="session"><xs:complexType><xs:sequence>
      <xs:element name="id" type="xs:string"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def wsdl(types: str = '<xs:import namespace="urn:shop" schemaLocation="shop.xsd"/>') -> str:
    operations = {"GetOrder": "urn:shop/GetOrder", "Login": ""}
    messages = "".join(
        f'<message name="{name}{kind}"><part name="parameters" element="s:{name}{kind}"/></message>'
        for name in operations
        for kind in ("", "Response")
    )
    abstract = "".join(
        f'<operation name="{name}"><input message="t:{name}"/>'
        f'<output message="t:{name}Response"/></operation>'
        for name in operations
    )
    bound = "".join(
        f'<operation name="{name}"><soap:operation soapAction="{said}"/><input><soap:body '
        'use="literal"/></input><output><soap:body use="literal"/></output></operation>'
        for name, said in operations.items()
    )
    return f"""<?xml version="1.0"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/"
      xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s="urn:shop" xmlns:t="urn:wsdl"
      xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:wsdl">
      <types><xs:schema targetNamespace="urn:types">{types}</xs:schema></types>{messages}
      <portType name="ShopPort">{abstract}</portType>
      <binding name="ShopBinding" type="t:ShopPort">
        <soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>{bound}
      </binding>
      <service name="Shop"><port name="ShopSoap" binding="t:ShopBinding">
        <soap:address location="{AT}/soap"/></port></service></definitions>"""


def envelope(body: str, uri: str = SOAP_11) -> bytes:
    return f'<s:Envelope xmlns:s="{uri}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


ORDER = envelope(
    '<r:GetOrderResponse xmlns:r="urn:shop"><r:order><r:total>12.50</r:total>'
    "<r:day>2026-11-26</r:day><r:paid>true</r:paid><r:line>007</r:line></r:order>"
    "</r:GetOrderResponse>"
)


class Service:
    """Answers by path, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "/shop.wsdl": wsdl().encode(),
            "/shop.xsd": XSD.encode(),
            "/soap": ORDER,
        } | {f"/{path}": answer for path, answer in answers.items()}
        self.received: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        answer = self.answers.get(request.url.path)
        if answer is None:
            return httpx.Response(404)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, content=answer, headers={"content-type": "text/xml"})

    @property
    def last(self) -> httpx.Request:
        return self.received[-1]

    async def run(self, key: str, **inputs: Value) -> Any:
        named = action("soap", key)
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as client:
            world = World(http=client, code_timeout_s=10)
            cleaned = cleaning.clean(named, inputs)
            outcome = await named.perform(cleaned, context(secrets=frozenset(("geheim",))), world)
        return outcome.result


def body_of(request: httpx.Request, uri: str = SOAP_11) -> Any:
    return etree.fromstring(request.content).find(f"{{{uri}}}Body")[0]


CONNECTION: Value = {"wsdlDefinitionURL": f"{AT}/shop.wsdl"}
CALL: dict[str, Value] = {"connection": CONNECTION, "method": "GetOrder", "params": {"id": 17}}


async def test_an_operation_is_called_as_the_wsdl_and_its_imports_say() -> None:
    service = Service()
    result = await service.run("sendRequest", **CALL | {"params": '{"id": "17", "note": "<&>"}'})
    assert result == {"order": {"total": 12.5, "day": "2026-11-26", "paid": True, "line": ["007"]}}
    assert [request.url.path for request in service.received] == [
        "/shop.wsdl",
        "/shop.xsd",
        "/soap",
    ]
    sent = service.last
    assert sent.headers["soapaction"] == '"urn:shop/GetOrder"'
    assert sent.headers["content-type"] == "text/xml; charset=utf-8"
    assert sent.headers["idempotency-key"] == context().idempotency_key
    assert "authorization" not in sent.headers
    asked = body_of(sent)
    assert asked.tag == "{urn:shop}GetOrder"
    assert [(part.tag, part.text) for part in asked] == [
        ("{urn:shop}id", "17"),
        ("{urn:shop}note", "<&>"),
    ]


async def test_a_wsdl_is_taken_as_it_stands_and_a_url_and_headers_given() -> None:
    service = Service(other=ORDER)
    given: dict[str, Value] = {
        "connection": {},
        "overrideUrl": f"{AT}/other",
        "headers": ["<a xmlns='urn:h'>1</a><b/>", "<c/>"],
    }
    inline = wsdl().replace(
        '<xs:schema targetNamespace="urn:types"><xs:import namespace="urn:shop" '
        'schemaLocation="shop.xsd"/></xs:schema>',
        XSD,
    )
    await service.run("sendRequest", **CALL | given | {"wsdl": inline})
    assert [request.url.path for request in service.received] == ["/other"]
    header = etree.fromstring(service.last.content).find(f"{{{SOAP_11}}}Header")
    assert [part.tag for part in header] == ["{urn:h}a", "b", "c"]


RPC = f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:calc"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap12/" targetNamespace="urn:calc"
  xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <message name="Asked"><part name="a" type="xs:int"/><part name="b" type="xs:int"/></message>
  <message name="Told"><part name="sum" type="xs:int"/></message>
  <portType name="Port"><operation name="Add"><input message="t:Asked"/>
    <output message="t:Told"/></operation></portType>
  <binding name="Binding" type="t:Port">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="rpc"/>
    <operation name="Add"><soap:operation soapAction="urn:calc/Add"/>
      <input><soap:body use="literal" namespace="urn:calc"/></input>
      <output><soap:body use="literal" namespace="urn:calc"/></output></operation></binding>
  <service name="Calc"><port name="CalcPort" binding="t:Binding">
    <soap:address location="{AT}/soap"/></port></service></definitions>"""


async def test_an_operation_in_rpc_style_is_called_with_soap_1_2() -> None:
    told = '<c:AddResponse xmlns:c="urn:calc"><sum>3</sum></c:AddResponse>'
    service = Service(soap=envelope(told, SOAP_12))
    result = await service.run("sendRequest", wsdl=RPC, method="Add", params={"a": 1, "b": 2})
    assert result == {"sum": 3}
    assert service.last.headers["content-type"].endswith('; action="urn:calc/Add"')
    asked = body_of(service.last, SOAP_12)
    assert (asked.tag, [(part.tag, part.text) for part in asked]) == (
        "{urn:calc}Add",
        [("a", "1"), ("b", "2")],
    )


async def test_a_service_is_described() -> None:
    service = Service()
    described = await service.run("describeClient", connection=CONNECTION)
    order = {"total": "xs:decimal", "day": "xs:date", "paid": "xs:boolean", "line[]": "xs:string"}
    assert described["Shop"]["ShopSoap"]["GetOrder"] == {
        "input": {"id": "xs:int", "note": "xs:string"},
        "output": {"order": order},
    }
    assert await service.run("getWsdlByUrl", wsdlUrl=f"{AT}/shop.wsdl") == wsdl()


async def test_the_login_method_is_called_with_user_name_and_password() -> None:
    session = '<LoginResponse xmlns="urn:shop"><session><id>42</id></session></LoginResponse>'
    service = Service(soap=envelope(session))
    connection = {
        "wsdlDefinitionURL": f"{AT}/shop.wsdl",
        "loginMethod": "Login",
        "username": "ada",
        "password": "geheim",
    }
    assert await service.run("getWsdlAuth", connection=connection) == {"session": {"id": "42"}}
    assert [part.text for part in body_of(service.last)] == ["ada", "geheim"]
    assert "authorization" not in service.last.headers
    with pytest.raises(StepError, match="loginMethod"):
        await service.run("getWsdlAuth", connection=CONNECTION)


USER: Value = {"username": "ada", "password": "geheim"}
RAW: dict[str, Value] = {"url": f"{AT}/soap", "body": "<Ping xmlns='urn:p'><n>1</n></Ping>"}


@pytest.mark.parametrize("how", ["", "basic", "none", "usernameToken", "usernameTokenDigest"])
async def test_user_name_and_password_are_sent_as_is_asked_for(how: str) -> None:
    service = Service()
    await service.run("rawRequest", **RAW, connection=USER, authentication=how)
    basic = f"Basic {base64.b64encode(b'ada:geheim').decode()}"
    assert service.last.headers.get("authorization") == (basic if how in ("", "basic") else None)
    token = etree.fromstring(service.last.content).find(f".//{WSSE}UsernameToken")
    if how not in ("usernameToken", "usernameTokenDigest"):
        assert token is None
        return
    assert token.findtext(f"{WSSE}Username") == "ada"
    password = token.findtext(f"{WSSE}Password")
    if how == "usernameToken":
        assert password == "geheim"
        return
    nonce = base64.b64decode(token.findtext(f"{WSSE}Nonce"))
    created = token.findtext(f"{WSU}Created").encode()
    assert created == b"2023-11-14T22:13:20Z"
    digest = hashlib.sha1(nonce + created + b"geheim", usedforsecurity=False).digest()
    assert password == base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("version", "uri", "headers"),
    [
        (
            "1.1",
            SOAP_11,
            {"content-type": "text/xml; charset=utf-8", "soapaction": '"urn:p/Ping"'},
        ),
        (
            "1.2",
            SOAP_12,
            {"content-type": 'application/soap+xml; charset=utf-8; action="urn:p/Ping"'},
        ),
    ],
)
async def test_a_raw_request_is_put_into_an_envelope_of_its_version(
    version: str, uri: str, headers: dict[str, str]
) -> None:
    answer = '<p:Pong xmlns:p="urn:p" p:kind="k"><p:n>2</p:n></p:Pong>'
    service = Service(soap=envelope(answer, uri))
    result = await service.run(
        "rawRequest", **RAW, soapAction="urn:p/Ping", soapVersion=version, headers="<h/>"
    )
    assert result == {"Pong": {"@_kind": "k", "n": 2}}
    assert headers.items() <= dict(service.last.headers).items()
    assert ("soapaction" in service.last.headers) == (version == "1.1")
    assert body_of(service.last, uri).tag == "{urn:p}Ping"
    whole = envelope("<Ping/>", uri).decode()
    await service.run("rawRequest", **RAW | {"body": whole}, soapVersion=version)
    assert body_of(service.last, uri).tag == "Ping"


FAULT_11 = envelope(
    "<s:Fault><faultcode>s:Client</faultcode><faultstring>No such order</faultstring>"
    "<detail><id>17</id></detail></s:Fault>"
)
FAULT_12 = envelope(
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>No such order"
    "</s:Text></s:Reason><s:Detail><id>17</id></s:Detail></s:Fault>",
    SOAP_12,
)


@pytest.mark.parametrize("fault", [FAULT_11, FAULT_12])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("asked", [("sendRequest", CALL), ("rawRequest", RAW)])
async def test_a_fault_fails_the_step_with_its_reason(
    fault: bytes, status: int, asked: tuple[str, dict[str, Value]]
) -> None:
    service = Service(soap=httpx.Response(status, content=fault))
    with pytest.raises(StepError, match=r"a fault: No such order \(s:\w+\): 17"):
        await service.run(asked[0], **asked[1])


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("answers", "key", "inputs", "message"),
    [
        ({}, "sendRequest", {"method": "GetOrder"}, r"WSDL Definition \(wsdl\) is required"),
        ({}, "sendRequest", CALL | {"method": "Buy"}, "no operation 'Buy'; it has GetOrder, Login"),
        ({}, "sendRequest", CALL | {"params": {"sku": 1}}, "parameters of GetOrder do not fit"),
        ({}, "sendRequest", CALL | {"params": "[1]"}, r"SOAP Parameters \(params\) must be an"),
        ({}, "sendRequest", CALL | {"wsdl": wsdl(), "connection": {}}, "'shop.xsd'"),
        ({}, "sendRequest", CALL | {"wsdl": "none"}, "is no XML"),
        ({}, "sendRequest", CALL | {"overrideUrl": "ftp://a"}, "http:// or https://"),
        ({"shop.xsd": None}, "sendRequest", CALL, "404"),
        ({"shop.xsd": BOMB + XSD.encode()}, "sendRequest", CALL, "declares a document type"),
        ({"shop.wsdl": BOMB + b"<a>&c;</a>"}, "describeClient", CALL, "declares a document type"),
        ({"soap": BOMB + ORDER}, "sendRequest", CALL, "declares a document type"),
        ({"soap": BOMB + ORDER}, "rawRequest", RAW, "declares a document type"),
        ({"soap": b"<html/>"}, "rawRequest", RAW, "no SOAP envelope"),
        ({"soap": b"moved"}, "rawRequest", RAW, "is no XML"),
        ({"soap": httpx.Response(503, content=b"geheim")}, "rawRequest", RAW, r"503: \*\*\*"),
        ({"soap": envelope("<X/>")}, "sendRequest", CALL, "does not fit its WSDL"),
        ({}, "rawRequest", RAW | {"body": "<a>"}, "is no XML"),
        ({}, "rawRequest", RAW | {"body": "<!DOCTYPE a><a/>"}, "document type"),
        ({}, "rawRequest", RAW | {"soapVersion": "2"}, "1.1 or 1.2"),
        ({}, "rawRequest", RAW | {"soapAction": 'a"\r\nb: c'}, r"SOAP Action \(soapAction\)"),
        ({}, "rawRequest", RAW | {"authentication": "basic"}, "needs a username"),
        ({}, "rawRequest", RAW | {"authentication": "x"}, "one of none, basic"),
    ],
)
async def test_what_cannot_be_done_fails_clearly(
    answers: dict[str, Any], key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        await Service(**answers).run(key, **inputs)


def parts(*contents: bytes) -> httpx.Response:
    """An answer of several parts, as MTOM and SOAP with attachments have it."""
    heads = (b"Content-Type: text/xml", b"Content-ID: <a>\r\nContent-Type: text/plain")
    lines = [b"--x\r\n%s\r\n\r\n%s\r\n" % part for part in zip(heads, contents, strict=False)]
    kind = 'multipart/related; boundary="x"; type="application/xop+xml"'
    content = b"".join(lines) + b"--x--\r\n"
    return httpx.Response(200, content=content, headers={"content-type": kind})


async def test_an_answer_may_come_in_parts() -> None:
    service = Service(soap=parts(ORDER))
    assert (await service.run("sendRequest", **CALL))["order"]["total"] == 12.5
    held = b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a"/>'
    service = Service(soap=parts(ORDER.replace(b"007", held), b"hi"))
    assert (await service.run("sendRequest", **CALL))["order"]["line"] == ["aGk="]
    service = Service(soap=parts(ORDER, b"hi"))
    with pytest.raises(StepError, match="attachments"):
        await service.run("sendRequest", **CALL)
    service = Service(soap=parts(FAULT_11))
    with pytest.raises(StepError, match="No such order"):
        await service.run("sendRequest", **CALL)
    with pytest.raises(StepError, match="is no XML"):
        await service.run("rawRequest", **RAW)


async def test_an_empty_answer_is_none() -> None:
    service = Service(soap=httpx.Response(202))
    assert await service.run("sendRequest", **CALL) is None
    assert await service.run("rawRequest", **RAW) is None


async def test_a_wsdl_that_imports_without_end_is_given_up() -> None:
    class Endless(Service):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            self.received.append(request)
            further = f'<xs:include schemaLocation="x{len(self.received)}.xsd"/>'
            return httpx.Response(200, content=wsdl(further).encode())

    service = Endless()
    with pytest.raises(StepError, match=f"more than {MAX_DOCUMENTS} documents"):
        await service.run("describeClient", connection=CONNECTION)
    assert len(service.received) == MAX_DOCUMENTS


async def test_private_networks_stay_closed_to_wsdl_imports_and_calls() -> None:
    private = "http://127.0.0.1:1/x"
    importing = wsdl(f'<xs:import namespace="urn:x" schemaLocation="{private}"/>')
    asked: list[tuple[str, dict[str, Value]]] = [
        ("getWsdlByUrl", {"wsdlUrl": private}),
        ("describeClient", {"connection": {"wsdlDefinitionURL": private}}),
        ("describeClient", {"wsdl": importing}),
        ("rawRequest", RAW | {"url": private}),
    ]
    for key, inputs in asked:
        named = action("soap", key)
        async with guarded_client(allow_private=False) as client:
            world = World(http=client, code_timeout_s=10)
            with pytest.raises(PrivateNetworkRefused):
                await named.perform(cleaning.clean(named, inputs), context(), world)
