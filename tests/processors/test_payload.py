"""The payload: what a flow sees of a request's body and headers."""

import base64
from typing import Any

import pytest

from processors.payload import payload
from schemas import events
from schemas.catalog import Catalog
from schemas.events import BodyEncoding
from schemas.integration_file import read_published
from schemas.values import Value
from tests.projections import story

CATALOG = Catalog()
CATALOG.apply(story.deployments())
DEFINITION = CATALOG.definition(story.INTEGRATION, 1)


def seen(content_type: str, raw: bytes, *, in_blob: bool = False) -> dict[str, Any]:
    """The payload of a request with this body, kept as ingress keeps it."""
    try:
        kept, encoding = raw.decode(), BodyEncoding.TEXT
    except UnicodeDecodeError:
        kept, encoding = base64.b64encode(raw).decode(), BodyEncoding.BASE64
    if in_blob:
        kept, encoding = "bodies/x", BodyEncoding.BLOB
    request = story.request(
        body=kept, encoding=encoding, body_bytes=len(raw), content_type=content_type
    )
    admitted = story.admitted(0, request=request, invoke_url="http://h/trigger/x")
    return payload(admitted, CATALOG, DEFINITION, api_keys={}, body=raw if in_blob else None)


FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'


@pytest.mark.parametrize("in_blob", [False, True], ids=["in the event", "in a blob"])
@pytest.mark.parametrize(
    ("content_type", "raw", "data", "raw_data"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}, '{"a": 1}'),
        ("application/hal+json", b"[1]", [1], "[1]"),
        ("application/json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}, '{"a": 1}'),
        ("application/json; charset=iso-8859-1", b'"\xfc"', "ü", '"ü"'),
        ("application/xml", b"<a/>", "<a/>", "<a/>"),
        ("text/csv", b"a,b", "a,b", "a,b"),
        ("text/plain; charset=iso-8859-1", b"\xfc", "ü", "ü"),
        ("text/plain; charset=iso-8859-1", "ü".encode(), "Ã¼", "Ã¼"),
        ("text/plain; charset=utf-16", "ü".encode("utf-16"), "ü", "ü"),
        ("text/plain", b"\xff", b"\xff", b"\xff"),
        ("text/plain; charset=no-such", b"a", b"a", b"a"),
        ("application/x-www-form-urlencoded", b"a=1&b=2", "a=1&b=2", "a=1&b=2"),
        ("image/png", b"\x89PNG\0", b"\x89PNG\0", b"\x89PNG\0"),
        ("image/png", b"ascii", b"ascii", b"ascii"),
        ("application/octet-stream", b"ascii", b"ascii", b"ascii"),
        ("", b"ascii", "ascii", "ascii"),
        ("", b"\xff", b"\xff", b"\xff"),
        (
            "multipart/form-data; boundary=x",
            FORM,
            {"a": {"data": "1", "contentType": "text/plain"}},
            FORM,
        ),
        ("multipart/mixed; boundary=x", FORM, FORM, FORM),
    ],
)
def test_a_body_is_what_its_content_type_says(
    content_type: str, raw: bytes, data: Value, raw_data: Value, in_blob: bool
) -> None:
    found = seen(content_type, raw, in_blob=in_blob)
    kind = content_type or None
    assert found["body"] == {"data": data, "contentType": kind}
    assert found["rawBody"] == {"data": raw_data, "contentType": kind}


def test_an_empty_body_is_null() -> None:
    found = seen("application/json", b"")
    assert (found["body"]["data"], found["rawBody"]["data"]) == (None, None)


def test_headers_are_joined_and_the_last_of_a_query_key_stands() -> None:
    request = story.request(
        headers=[["X-A", "1"], ["x-a", "2"], ["X-B", "3"]], query=[["q", "1"], ["q", "2"]]
    )
    found = payload(story.admitted(0, request=request), CATALOG, DEFINITION, api_keys={})
    assert found["headers"] == {"X-A": "1, 2", "X-B": "3"}
    assert found["queryParameters"] == {"q": "2"}


def test_a_flow_knows_where_it_runs_and_how_it_is_called() -> None:
    admitted: events.ExecutionAdmitted = story.admitted(0, invoke_url="https://h/trigger/x/my/path")
    found = payload(admitted, CATALOG, DEFINITION, api_keys={"Receive": ["k1", "k2"]})
    assert found["pathFragment"] == "orders/1"
    assert found["invokeUrl"] == "https://h/trigger/x/my/path"
    assert found["webhookUrls"].keys() == {"Receive"}
    assert found["webhookUrls"]["Receive"].startswith("https://h/trigger/")
    assert found["webhookApiKeys"] == {"Receive": ["k1", "k2"]}
    assert found["customer"]["externalId"] == "acme"
    assert found["instance"]["name"] == "Orders of Acme"
    assert found["integration"]["name"] == "Orders"
    assert found["flow"]["name"] == "Receive"
    assert found["startedAt"] == "2023-11-14T22:13:20.000000Z"
    assert found["executionId"]


@pytest.mark.parametrize(
    ("more", "stable_id", "version"),
    [("", "Receive", ""), ("stableKey: receive-1", "receive-1", "2.4.1")],
)
def test_what_the_author_calls_flow_and_version_is_seen(
    more: str, stable_id: str, version: str
) -> None:
    text = story.DEFINITION.replace("  - name: Receive\n", f"  - name: Receive\n    {more}\n")
    definition = read_published(f"version: {version}\n{text}")
    assert definition is not None
    found: Any = payload(story.admitted(0), CATALOG, definition, api_keys={})
    assert found["flow"]["stableId"] == stable_id
    assert found["integration"]["externalVersion"] == version
