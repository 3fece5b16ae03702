"""SOAP inputs: what the actions of soap declare that they take; pure."""

from dataclasses import replace

from processors.actions import Input, Kind
from processors.components import http_inputs

AUTHENTICATIONS = ("none", "basic", "usernameToken", "usernameTokenDigest")

CONNECTION = Input(
    key="connection",
    label="Connection",
    kind=Kind.CONNECTION,
    description="`username` and `password`; `wsdlDefinitionURL`, where the WSDL is; `loginMethod`, "
    "the operation that Get Authentication calls.",
    example='{"username": "ada", "password": "…", "wsdlDefinitionURL": "https://…?wsdl"}',
)
WSDL = Input(
    key="wsdl",
    label="WSDL Definition",
    kind=Kind.ANY,
    default="",
    description="The WSDL as a text or a file; by default that of the connection's URL.",
    example="<wsdl:definitions …>",
)
WSDL_URL = Input(
    key="wsdlUrl",
    label="WSDL URL",
    required=True,
    description="The URL of the WSDL.",
    example="https://example.com/calculator.asmx?WSDL",
)
METHOD = Input(
    key="method",
    label="Method",
    required=True,
    description="The name of the operation.",
    example="Add",
)
OVERRIDE_URL = Input(
    key="overrideUrl",
    label="SOAP URL Override",
    description="Where the call goes, in place of the address in the WSDL.",
    example="https://example.com/calculator.asmx",
)
HEADERS = Input(
    key="headers",
    label="Request Headers",
    kind=Kind.ANY,
    default="",
    description="XML that stands in the header of the envelope; a text or a list of texts.",
    example='<Session xmlns="urn:example">42</Session>',
)
PARAMETERS = Input(
    key="params",
    label="SOAP Parameters",
    kind=Kind.JSON,
    description="An object with the parameters of the operation, nested as its types are.",
    example='{"intA": 1, "intB": 2}',
)
AUTHENTICATION = Input(
    key="authentication",
    label="Authentication",
    description=f"One of {', '.join(AUTHENTICATIONS)}: how user name and password of the "
    "connection are sent. By default basic, and none where the connection has a loginMethod.",
    example="usernameToken",
)
TIMEOUT = http_inputs.TIMEOUT
URL = replace(http_inputs.URL, example="https://example.com/calculator.asmx")
BODY = Input(
    key="body",
    label="Body",
    kind=Kind.ANY,
    required=True,
    description="XML of what stands in the body, or of the whole envelope.",
    example='<Add xmlns="http://tempuri.org/"><intA>1</intA><intB>2</intB></Add>',
)
ACTION = Input(
    key="soapAction",
    label="SOAP Action",
    description="What the service calls this request.",
    example="http://tempuri.org/Add",
)
VERSION = Input(
    key="soapVersion",
    label="SOAP Version",
    default="1.1",
    description="1.1 or 1.2.",
    example="1.2",
)
