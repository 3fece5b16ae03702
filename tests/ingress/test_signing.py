"""Signed requests at the door: who is let in, what is told to whom, and what it costs."""

import base64
import gzip
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.events import BodyEncoding
from tests.ingress.serving import ADMIN, Served, Trigger, definition, flow
from tests.ingress.test_webhook import accepted

SECRET = "AC49CB66-511F-4085-9119-360B1B142F4B"
BODY = b'{"item":"widget","quantity":5,"customer":"abc-123"}'
DIGEST = "dc838d5b2ee53f55b5bcd77271505f52cd4c6c5123a867d9088fb70ac580f5bf"
JSON = {"content-type": "application/json"}
CONFIG = """
requiredConfigVars:
  - {key: Secret, dataType: string, defaultValue: ""}
  - {key: Prefix, dataType: string, defaultValue: "AC49CB66-"}
  - key: Sender
    dataType: connection
    connection: {key: c, component: {key: sender}}
"""


def value(text: str) -> str:
    return f"{{type: value, value: {text!r}}}"


def signed_flow(**inputs: str) -> str:
    """An integration whose trigger checks signatures; inputs are YAML."""
    listed = ", ".join(f"{key}: {given}" for key, given in inputs.items())
    text = (
        flow(inputs=listed)
        .replace("webhook-triggers", "hash")
        .replace("key: webhook}", "key: hmacWebhookTrigger}")
    )
    return definition(text, extra=CONFIG)


def seed_flow(**more: str) -> str:
    inputs = {"hmacHeaderName": value("my-hmac-header"), "secretKey": value(SECRET)}
    return signed_flow(**inputs | more)


def digest(content: bytes, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), content, hashlib.sha256).hex()


async def admitted(
    ingress: Served, url: str, content: Any, signature: str, **headers: str
) -> Trigger:
    sent = {"my-hmac-header": signature} | {k.replace("_", "-"): v for k, v in headers.items()}
    trigger, answer = await accepted(ingress, url, content=content, headers=sent)
    assert answer.status_code == 200
    return trigger


async def refusal(ingress: Served, url: str, content: Any, headers: dict[str, str]) -> str:
    """The reason of a 401 that left no trigger and no waiting caller."""
    answer = await ingress.http.post(url, content=content, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]
    assert await ingress.triggers_on_the_log() == 0
    assert ingress.node.waiting == 0
    return str(answer.json()["reason"])


async def test_the_worked_example_is_let_in_and_nothing_else(ingress: Served) -> None:
    url = await ingress.url(seed_flow())
    sent = JSON | {"my-hmac-header": DIGEST}
    assert await refusal(ingress, url, BODY, JSON) == "missing_signature"
    assert await refusal(ingress, url, BODY + b" ", sent) == "wrong_signature"
    other = sent | {"my-hmac-header": DIGEST[::-1]}
    assert await refusal(ingress, url, BODY, other) == "wrong_signature"
    trigger = await admitted(ingress, url, BODY, DIGEST, content_type="application/json")
    assert trigger.received.request.body == BODY.decode()


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{bad-data"),
        ("application/json", b"[" * 1_000),
        ("multipart/form-data", b"no form"),
        ("multipart/form-data; boundary=x", b"no form" * 60_000),
    ],
)
async def test_a_stranger_learns_nothing_of_what_is_wrong_with_a_body(
    ingress: Served, content_type: str, content: bytes
) -> None:
    url = await ingress.url(seed_flow())
    sent = {"content-type": content_type, "my-hmac-header": DIGEST}
    assert await refusal(ingress, url, content, sent) == "wrong_signature"
    genuine = sent | {"my-hmac-header": digest(content)}
    answer = await ingress.http.post(url, content=content, headers=genuine)
    assert answer.status_code == 400


@pytest.mark.parametrize("size", [1_000, 900_000])
async def test_bytes_and_forms_of_any_size_are_checked_as_they_were_sent(
    ingress: Served, size: int
) -> None:
    url = await ingress.url(seed_flow())
    photo = bytes(range(256)) * (size // 256)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n'
        b"Content-Type: image/png\r\n\r\n" + photo + b"\r\n--x--\r\n"
    )
    for content_type, content in (
        ("image/png", photo),
        ("multipart/form-data; boundary=x", form),
    ):
        trigger = await admitted(ingress, url, content, digest(content), content_type=content_type)
        kept = trigger.received.request
        if kept.encoding == BodyEncoding.BLOB:
            assert await ingress.blobs.get(kept.body) == content
        else:
            assert base64.b64decode(kept.body) == content


async def test_a_large_forged_body_is_not_kept(ingress: Served) -> None:
    url = await ingress.url(seed_flow())
    sent = {"content-type": "image/png", "my-hmac-header": DIGEST}
    assert await refusal(ingress, url, b"x" * 900_000, sent) == "wrong_signature"
    assert ingress.stored_blobs() == []


async def test_the_packed_bytes_are_signed_and_the_unpacked_ones_kept(ingress: Served) -> None:
    url = await ingress.url(seed_flow())
    packed = gzip.compress(BODY)
    trigger = await admitted(ingress, url, packed, digest(packed), content_encoding="gzip")
    assert trigger.received.request.body == BODY.decode()


async def test_an_empty_body_can_be_signed(ingress: Served) -> None:
    url = await ingress.url(seed_flow())
    trigger = await admitted(ingress, url, b"", digest(b""))
    assert trigger.received.request.body == ""


@pytest.mark.parametrize(
    ("secret", "config"),
    [
        ("{type: configVar, value: Secret}", {"Secret": SECRET}),
        ("{type: template, value: '{{#Prefix}}511F-4085-9119-360B1B142F4B'}", {}),
        ("{type: configVar, value: Sender}", {"Sender": {"host": "h", "signingSecret": SECRET}}),
        ("{type: configVar, value: Sender}", {"Sender": {"anything": SECRET}}),
    ],
    ids=["config variable", "template", "named field", "only field"],
)
async def test_the_secret_may_be_configured(
    ingress: Served, secret: str, config: dict[str, Any]
) -> None:
    url = await ingress.url(seed_flow(secretKey=secret), config=config)
    assert (await admitted(ingress, url, BODY, DIGEST)).received.request.body == BODY.decode()
    other = await ingress.http.post(url, content=b"x", headers={"my-hmac-header": DIGEST})
    assert other.status_code == 401


async def test_a_secret_that_is_not_configured_lets_nobody_in(ingress: Served) -> None:
    url = await ingress.url(seed_flow(secretKey="{type: configVar, value: Secret}"))
    sent = {"my-hmac-header": digest(BODY, "")}
    assert await refusal(ingress, url, BODY, sent) == "wrong_signature"


async def test_old_and_new_secret_are_valid_while_they_change(ingress: Served) -> None:
    others = "{type: complex, value: [{type: value, value: old}, {type: configVar, value: Secret}]}"
    url = await ingress.url(seed_flow(otherSecretKeys=others), config={"Secret": "older"})
    for secret in (SECRET, "old", "older"):
        await admitted(ingress, url, BODY, digest(BODY, secret))
    answer = await ingress.http.post(
        url, content=BODY, headers={"my-hmac-header": digest(BODY, "oldest")}
    )
    assert answer.json()["reason"] == "wrong_signature"


async def test_the_inputs_say_how_a_sender_signs(ingress: Served) -> None:
    url = await ingress.url(
        seed_flow(
            hashFunction=value("SHA-512"),
            encoding=value("base64"),
            signaturePrefix=value("sig:"),
            timestampHeaderName=value("X-Time"),
            toleranceSeconds=value("60"),
            signedContent=value("{timestamp}|{body}"),
        )
    )

    def sent_at(seconds: float) -> dict[str, str]:
        at = str(int(seconds))
        mac = hmac.digest(SECRET.encode(), at.encode() + b"|" + BODY, "sha512")
        return {"my-hmac-header": "sig:" + base64.b64encode(mac).decode(), "x-time": at}

    now_s = time.time_ns() / 1e9
    stale = await refusal(ingress, url, BODY, sent_at(now_s - 120))
    assert stale == "stale_timestamp"
    _, answer = await accepted(ingress, url, content=BODY, headers=sent_at(now_s))
    assert answer.status_code == 200


def slack_headers(content: bytes) -> dict[str, str]:
    at = str(time.time_ns() // 1_000_000_000)
    signature = digest(b"v0:" + at.encode() + b":" + content)
    return {
        "content-type": "application/json",
        "x-slack-request-timestamp": at,
        "x-slack-signature": f"v0={signature}",
    }


async def test_slack_hears_its_challenge_back_once_it_is_genuine(ingress: Served) -> None:
    url = await ingress.url(signed_flow(preset=value("slack"), secretKey=value(SECRET)))
    content = b'{"type": "url_verification", "challenge": "3eZbrw1a", "token": "t"}'
    forged = slack_headers(b"other")
    assert await refusal(ingress, url, content, forged) == "wrong_signature"
    answer = await ingress.http.post(url, content=content, headers=slack_headers(content))
    assert (answer.status_code, answer.text) == (200, "3eZbrw1a")
    assert await ingress.triggers_on_the_log() == 0
    event = b'{"type": "event_callback"}'
    await accepted(ingress, url, content=event, headers=slack_headers(event))


async def test_a_signature_is_asked_for_beside_the_api_key(ingress: Served) -> None:
    url = await ingress.url(seed_flow(), apiKeys={"Main": ["k1"]})
    missing = await ingress.http.post(url, content=BODY, headers={"my-hmac-header": DIGEST})
    assert missing.json()["reason"] == "missing_api_key"
    unsigned = await ingress.http.post(url, content=BODY, headers={"api-key": "k1"})
    assert unsigned.json()["reason"] == "missing_signature"
    await admitted(ingress, url, BODY, DIGEST, api_key="k1")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"hashFunction": "sha3"}, "hash function 'sha3'"),
        ({"preset": "gitlab"}, "preset 'gitlab'"),
        ({"hmacHeaderName": ""}, "no header"),
        ({"toleranceSeconds": "soon"}, "tolerance 'soon'"),
        ({"signedContent": "{timestamp}"}, "must hold {body}"),
    ],
)
async def test_a_deployment_is_told_what_nobody_could_sign_by(
    ingress: Served, inputs: dict[str, str], said: str
) -> None:
    given = {key: value(text) for key, text in inputs.items()}
    body = {"definition": seed_flow(**given)}
    answer: httpx.Response = await ingress.http.post(
        "/api/v1/deployments", json=body, headers=ADMIN
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_signature_scheme")
    assert said in answer.json()["error"]


def signing(text: str) -> str:
    """The same flow, with a trigger that checks signatures."""
    inputs = f"hmacHeaderName: {value('my-hmac-header')}, secretKey: {value(SECRET)}"
    text = text.replace("key: webhook-triggers,", "key: hash,")
    text = text.replace("key: webhook}", "key: hmacWebhookTrigger}")
    return text.replace("inputs: {}", f"inputs: {{{inputs}}}")


ROUTED = "endpointType: {}\nflowNameField: {{type: reference, value: {}}}\n"
BY_CUSTOMER = "externalCustomerIdField: {type: reference, value: payload.results.headers.who}\n"
SHARING = {"instance_specific": "", "shared_instance": BY_CUSTOMER}


@pytest.mark.parametrize("endpoint_type", SHARING)
async def test_a_signature_behind_routing_is_refused_at_deployment(
    ingress: Served, endpoint_type: str
) -> None:
    extra = ROUTED.format(endpoint_type, "payload.results.headers.x-flow") + SHARING[endpoint_type]
    text = definition(signing(flow("First")), flow("Second"), extra=extra)
    answer = await ingress.http.post(
        "/api/v1/deployments", json={"definition": text}, headers=ADMIN
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "signature_behind_routing")
    assert "'First'" in answer.json()["error"]


@pytest.mark.parametrize("endpoint_type", SHARING)
async def test_a_preprocess_flow_checks_the_signatures_of_a_shared_url(
    ingress: Served, endpoint_type: str
) -> None:
    by_customer = SHARING[endpoint_type].replace("payload.results.headers.who", "x.results.who")
    extra = ROUTED.format(endpoint_type, "trigger.results.body.data.to") + by_customer
    extra += "preprocessFlowName: Route\n"
    text = definition(signing(flow("Route")), flow("First"), extra=extra)
    deployed = await ingress.deploy(text)
    url = next(one["webhookUrl"] for one in deployed["flows"] if one["name"] == "First")
    sent = {"my-hmac-header": digest(b"other")}
    assert await refusal(ingress, url, BODY, sent) == "wrong_signature"
    call = ingress.call(url, content=BODY, headers={"my-hmac-header": DIGEST})
    trigger = await ingress.processors.next_trigger()
    assert trigger.received.request.body == BODY.decode()
    await ingress.processors.decide(trigger)
    assert (await call).status_code == 200


async def test_the_only_flow_of_an_instance_checks_signatures_at_its_url(ingress: Served) -> None:
    extra = ROUTED.format("instance_specific", "payload.results.headers.x-flow")
    url = await ingress.url(definition(signing(flow()), extra=extra))
    assert await refusal(ingress, url, BODY, {}) == "missing_signature"


async def test_the_secret_of_a_url_that_all_share_is_not_one_customers(ingress: Served) -> None:
    extra = ROUTED.format("shared_instance", "payload.results.headers.x-flow")
    extra += SHARING["shared_instance"] + CONFIG
    text = definition(signing(flow()), extra=extra)
    by_config = text.replace(value(SECRET), "{type: configVar, value: Secret}")
    wish = {"definition": by_config, "config": {"Secret": SECRET}}
    answer = await ingress.http.post("/api/v1/deployments", json=wish, headers=ADMIN)
    assert (answer.status_code, answer.json()["reason"]) == (400, "no_shared_secret")
    url = await ingress.url(text.replace(value(SECRET), "{type: configVar, value: Prefix}"))
    sent = {"my-hmac-header": digest(BODY, "AC49CB66-")}
    call = ingress.call(url, content=BODY, headers=sent)
    await ingress.processors.decide(await ingress.processors.next_trigger())
    assert (await call).status_code == 200


async def test_the_example_takes_what_github_signs(ingress: Served) -> None:
    example = Path(__file__).parents[2] / "examples" / "github_pushes.yml"
    url = await ingress.url(example.read_text(), config={"Webhook Secret": "s3cret"})
    forged = {"x-hub-signature-256": f"sha256={digest(BODY)}"}
    assert await refusal(ingress, url, BODY, forged) == "wrong_signature"
    genuine = {"x-hub-signature-256": f"sha256={digest(BODY, 's3cret')}"}
    _, answer = await accepted(ingress, url, content=BODY, headers=genuine)
    assert (answer.status_code, answer.text) == (202, "noted")
