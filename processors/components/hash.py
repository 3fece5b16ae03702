"""Hash: the trigger of a flow whose callers sign what they send; pure.

Ingress checks the signature on the bytes as they came, before anything else is done with them
(schemas.signatures), so that a flow that runs has a genuine request. The four inputs of the
response are those of the webhook trigger.
"""

from processors.actions import Action, Input, Kind
from processors.components import webhook_triggers
from schemas import signatures

_WEBHOOK = webhook_triggers.ACTIONS[0]

ACTIONS = (
    Action(
        component=signatures.COMPONENT,
        key=signatures.TRIGGER,
        label="HMAC Webhook Trigger",
        description="Starts the flow when a request arrives that is signed with the secret key.",
        perform=_WEBHOOK.perform,
        is_trigger=True,
        secret_inputs=frozenset(("secretKey", "otherSecretKeys")),
        inputs=(
            Input(
                key="hmacHeaderName",
                label="HMAC Header Name",
                description="The header that holds the signature; not needed with a preset.",
                example="x-hmac-sha256",
            ),
            Input(
                key="secretKey",
                label="Secret Key",
                required=True,
                description="The key that the sender signs with.",
                example="AC49CB66-511F-4085-9119-360B1B142F4B",
            ),
            Input(
                key="otherSecretKeys",
                label="Other Secret Keys",
                kind=Kind.LIST,
                description="Further keys that are accepted, while the sender changes its key.",
                example="the key of last month",
            ),
            Input(
                key="hashFunction",
                label="Hash Function",
                default="sha256",
                description=f"One of {', '.join(signatures.HASHES)}.",
                example="sha512",
            ),
            Input(
                key="preset",
                label="Preset",
                description="Whose signatures to expect, instead of the inputs that say how:"
                f" {', '.join(signatures.PRESETS)}.",
                example="github",
            ),
            Input(
                key="encoding",
                label="Encoding",
                default="auto",
                description="How the signature is written: hex, base64, or auto for either.",
                example="base64",
            ),
            Input(
                key="signaturePrefix",
                label="Signature Prefix",
                description="What stands in the header before the signature.",
                example="v1=",
            ),
            Input(
                key="signedContent",
                label="Signed Content",
                default=signatures.BODY,
                description="What the sender signs: a text with {body}, and {timestamp} if that"
                " is part of it.",
                example="{timestamp}.{body}",
            ),
            Input(
                key="timestampHeaderName",
                label="Timestamp Header Name",
                description="The header with the Unix time in seconds; older requests are refused.",
                example="x-timestamp",
            ),
            Input(
                key="toleranceSeconds",
                label="Tolerance",
                kind=Kind.NUMBER,
                default=signatures.TOLERANCE_S,
                description="How many seconds a timestamp may be away from now.",
                example="60",
            ),
            *_WEBHOOK.inputs,
        ),
    ),
)
