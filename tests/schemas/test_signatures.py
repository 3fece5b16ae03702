"""Signatures: the vectors that are published, and what does not fit."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import signatures
from schemas.errors import Refused
from schemas.signatures import PRESETS, BadScheme, Scheme, Verifier

SEED_SECRET = "AC49CB66-511F-4085-9119-360B1B142F4B"
SEED_BODY = b'{"item":"widget","quantity":5,"customer":"abc-123"}'
SEED_DIGEST = "dc838d5b2ee53f55b5bcd77271505f52cd4c6c5123a867d9088fb70ac580f5bf"
SEED = Scheme(header="my-hmac-header")

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'


def verify(
    scheme: Scheme,
    secrets: tuple[str, ...],
    headers: Mapping[str, str],
    body: bytes,
    now_s: float = 0,
) -> str:
    """The reason of the refusal, empty where the request is genuine."""
    try:
        verifier = Verifier(signatures.with_secrets(scheme, secrets), headers.get, now_s)
        verifier.update(body[:7])
        verifier.update(body[7:])
        verifier.finish()
    except Refused as refused:
        return refused.reason if refused.status == 401 else str(refused.status)
    return ""


def test_the_worked_example_of_the_documentation_fits() -> None:
    assert verify(SEED, (SEED_SECRET,), {"my-hmac-header": SEED_DIGEST}, SEED_BODY) == ""


@pytest.mark.parametrize(
    ("preset", "secret", "headers", "body", "now_s"),
    [
        # docs.github.com, "Validating webhook deliveries"
        (
            "github",
            "It's a Secret to Everybody",
            {
                "x-hub-signature-256": "sha256="
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            },
            b"Hello, World!",
            0,
        ),
        # docs.slack.dev, "Verifying requests from Slack"
        (
            "slack",
            "8f742231b10e8888abcd99yyyzzz85a5",
            {
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0="
                "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            },
            SLACK_BODY,
            1_531_420_618,
        ),
        # the libraries of standardwebhooks.com and of Svix
        ("standardWebhooks", STANDARD_SECRET, STANDARD, STANDARD_BODY, 1_614_265_330),
    ],
)
def test_the_vectors_that_vendors_publish_fit_and_only_they(
    preset: str, secret: str, headers: dict[str, str], body: bytes, now_s: int
) -> None:
    scheme = PRESETS[preset]
    assert verify(scheme, (secret,), headers, body, now_s) == ""
    assert verify(scheme, ("an older one", secret), headers, body, now_s) == ""
    assert verify(scheme, (secret,), headers, body + b" ", now_s) == "wrong_signature"
    assert verify(scheme, (secret[:-1],), headers, body, now_s) == "wrong_signature"


def signed(secret: str, content: bytes) -> bytes:
    """By hand, as the vendors without a published vector describe it."""
    return hmac.digest(secret.encode(), content, hashlib.sha256)


@pytest.mark.parametrize(
    "header",
    [
        "t=100,v1={right}",
        "t=100,v1={wrong},v1={right}",
        "t=100, v1={right}, v0={wrong}",
    ],
)
def test_what_stripe_sends_fits(header: str) -> None:
    right = signed("whsec_x", b"100.{}").hex()
    given = {"stripe-signature": header.format(right=right, wrong="0" * 64)}
    assert verify(PRESETS["stripe"], ("whsec_x",), given, b"{}", 130) == ""


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("t=100,v0={right}", "wrong_signature"),
        ("t=101,v1={right}", "wrong_signature"),
        ("v1={right}", "missing_signature"),
        ("t=abc,v1={right}", "stale_timestamp"),
        ("t=1000,v1={right}", "stale_timestamp"),
        ("", "missing_signature"),
    ],
)
def test_what_stripe_would_not_send_does_not_fit(header: str, reason: str) -> None:
    given = {"stripe-signature": header.format(right=signed("whsec_x", b"100.{}").hex())}
    assert verify(PRESETS["stripe"], ("whsec_x",), given, b"{}", 130) == reason


def test_what_shopify_sends_fits() -> None:
    right = base64.b64encode(signed("hush", b"{}")).decode()
    shopify = PRESETS["shopify"]
    assert verify(shopify, ("hush",), {"x-shopify-hmac-sha256": right}, b"{}") == ""
    assert verify(shopify, ("hush",), {"x-shopify-hmac-sha256": right[::-1]}, b"{}") != ""


def test_one_of_several_signatures_of_a_standard_webhook_is_enough() -> None:
    first = "v1," + base64.b64encode(b"x" * 32).decode()
    several = STANDARD | {"webhook-signature": f"{first} {STANDARD['webhook-signature']} v2,zz"}
    scheme = PRESETS["standardWebhooks"]
    assert verify(scheme, (STANDARD_SECRET,), several, STANDARD_BODY, 1_614_265_330) == ""
    other_id = STANDARD | {"webhook-id": "msg_other"}
    refused = verify(scheme, (STANDARD_SECRET,), other_id, STANDARD_BODY, 1_614_265_330)
    assert refused == "wrong_signature"


@pytest.mark.parametrize(("now_s", "reason"), [(400, ""), (401, "stale_timestamp")])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_timestamp_is_good_for_its_tolerance_both_ways(
    now_s: int, reason: str, direction: int
) -> None:
    sent_at = 1_000
    scheme = replace(
        SEED, timestamp_header="x-time", signed="{timestamp}|{body}|{timestamp}", tolerance_s=300
    )
    right = signed("s", b"1000|body|1000").hex()
    given = {"my-hmac-header": right, "x-time": str(sent_at)}
    at_s = sent_at + direction * (now_s - 100)
    assert verify(scheme, ("s",), given, b"body", at_s) == reason


@pytest.mark.parametrize("hash_name", signatures.HASHES)
@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("encoding", ["hex", "base64", "HEX"])
@given(body=st.binary(max_size=50), secret=st.text(min_size=1, max_size=20))
def test_every_hash_fits_in_either_encoding(
    hash_name: str, prefixed: bool, encoding: str, body: bytes, secret: str
) -> None:
    digest = hmac.digest(secret.encode(), body, hash_name)
    spellings = {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "base64": base64.b64encode(digest).decode(),
    }
    given_header = (f"{hash_name}=" if prefixed else "") + spellings[encoding]
    scheme = replace(SEED, hash=hash_name)
    assert verify(scheme, (secret,), {"my-hmac-header": given_header}, body) == ""


@given(st.text(max_size=100))
def test_no_text_is_taken_for_a_signature(text: str) -> None:
    assert verify(SEED, (SEED_SECRET,), {"my-hmac-header": text}, SEED_BODY) != ""


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nobody_is_genuine(secrets: tuple[str, ...]) -> None:
    nothing = hmac.digest(b"", SEED_BODY, "sha256").hex()
    assert verify(SEED, secrets, {"my-hmac-header": nothing}, SEED_BODY) == "wrong_signature"


def test_a_secret_that_is_no_base64_lets_nobody_in() -> None:
    scheme = signatures.with_secrets(PRESETS["standardWebhooks"], ["whsec_???"])
    assert scheme.keys == ()


def test_secrets_are_not_shown() -> None:
    assert SEED_SECRET not in repr(signatures.with_secrets(SEED, [SEED_SECRET]))


@pytest.mark.parametrize(
    "scheme",
    [
        replace(SEED, hash="sha3"),
        replace(SEED, encoding="octal"),
        replace(SEED, signed="{timestamp}"),
        replace(SEED, signed="{timestamp}.{body}"),
        replace(SEED, header=""),
    ],
)
def test_a_scheme_by_which_nobody_can_sign_is_told(scheme: Scheme) -> None:
    with pytest.raises(BadScheme):
        signatures.check(scheme)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_schemes(preset: str) -> None:
    signatures.check(PRESETS[preset])


@pytest.mark.parametrize(
    ("body", "challenge"),
    [
        ('{"type": "url_verification", "challenge": "abc", "token": "t"}', "abc"),
        ('{"type": "event_callback", "challenge": "abc"}', None),
        ('{"type": "url_verification", "challenge": 5}', None),
        ('["url_verification"]', None),
        ('{"type": "url_verification"', None),
        ("", None),
    ],
)
def test_only_a_challenge_is_one(body: str, challenge: str | None) -> None:
    assert signatures.challenge_in(body) == challenge
