"""PGP: messages and files encrypted, decrypted, signed and verified (OpenPGP, RFC 9580).

What is done with them stands in pgp_messages and runs in a computing process. Keys and passwords
never stand on the log, nor in messages.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import Context, Input, Kind, Outcome, StepError, World, in_thread
from processors.components import pgp_messages
from processors.components.computing import compute
from processors.components.files import MAX_BYTES, bytes_of, content_input, inside, text_of
from processors.components.refusals import unfit
from schemas.values import Value

_ENCRYPTED = "application/pgp-encrypted"


def _key(key: str, label: str, description: str) -> Input:
    return content_input(key, label, description, "-----BEGIN PGP PRIVATE KEY BLOCK----- …")


def _passphrase(key: str, label: str) -> Input:
    return Input(
        key=key,
        label=label,
        description="The passphrase of the private key, where it has one.",
        example="correct horse battery staple",
    )


def _file(key: str, label: str, description: str) -> Input:
    example = '{"data": …, "contentType": "text/csv"}'
    return content_input(key, label, description, example, required=True)


def _public_key(key: str, label: str, description: str) -> Input:
    return content_input(key, label, description, "-----BEGIN PGP PUBLIC KEY BLOCK----- …")


_MESSAGE = Input(
    key="message",
    label="Message to Encrypt",
    required=True,
    description="The text.",
    example="Order 17 has shipped",
)
_FILE = _file("file", "File to Encrypt", "The file, or its bytes.")
_FILENAME = Input(
    key="filename",
    label="Filename",
    description="Taken as the platform has it, and not used: encrypted files carry no name.",
    example="orders.csv",
)
_PASSWORD = Input(
    key="password",
    label="Password",
    description="The password, in place of a key.",
    example="correct horse battery staple",
)
_RECIPIENTS = _public_key(
    "publicKey",
    "Public Key",
    "The key of who may decrypt it; several in one text, or a list of keys, for several recipients."
    " Either this or a password.",
)
_SIGNING_KEY = _key("signingKey", "Signing Key", "A private key, to sign what is encrypted.")
_SIGNING_PASSPHRASE = _passphrase("signingKeyPassphrase", "Signing Key Passphrase")
_ENCRYPTED_MESSAGE = content_input(
    "message",
    "Encrypted Message",
    "The encrypted message, armored or as bytes.",
    "-----BEGIN PGP MESSAGE----- …",
    required=True,
)
_ENCRYPTED_FILE = _file("file", "File to Decrypt", "The encrypted file, armored or not.")
_PRIVATE_KEY = _key(
    "privateKey", "Private Key", "The key to decrypt with. Either this or a password."
)
_PRIVATE_PASSPHRASE = _passphrase("passphrase", "Private Key Passphrase")
_VERIFICATION_KEY = _public_key(
    "verificationKey",
    "Verification Key",
    "The public keys of those who may have signed it; fails where none of them has. Messages that "
    "were compressed after signing, as GnuPG does unless told otherwise, cannot be verified.",
)
_DATA = _file("data", "Data", "The text or file.")
_SIGNER = _key("privateKey", "Private Key", "The key to sign with.")
_MODE = Input(
    key="mode",
    label="Mode",
    default="detached",
    description="detached: the signature alone. inline: a signed message. clear: a text that stays "
    "readable, with its signature.",
    example="inline",
)
_SIGNED = _file("data", "Data", "The signed message; or what a detached signature is of.")
_SIGNATURE = content_input(
    "signature",
    "Signature",
    "The detached signature, armored or as bytes; nothing for a signed message.",
    "-----BEGIN PGP SIGNATURE----- …",
)
_SIGNERS = _public_key(
    "publicKey", "Public Key", "The keys of those who may have signed it, as for recipients."
)


def _armor(default: bool) -> Input:
    return Input(
        key="armor",
        label="Armor",
        kind=Kind.BOOLEAN,
        default=default,
        description="Writes the result as a text (ASCII armor) rather than as bytes.",
        example="true",
    )


_SECRETS = frozenset(("password", "privateKey", "passphrase", "signingKey", "signingKeyPassphrase"))


def _keys(declared: Input, given: Value) -> list[bytes]:
    """The keys as bytes; a list of them, one, or none."""
    found = given if isinstance(given, list) else [given]
    for one in found:
        if not isinstance(inside(one), str | bytes):  # what it is may be a secret
            raise StepError(f"{declared.label} ({declared.key}) must be a text or a file")
    return [content for one in found if (content := bytes_of(declared, one).strip())]


def _encryption(inputs: Mapping[str, Any], content: bytes, armor: bool) -> dict[str, Value]:
    recipients = _keys(_RECIPIENTS, inputs["publicKey"])
    _check_one_way(bool(recipients), inputs["password"], "Public Key (publicKey)")
    return {
        "content": content,
        "recipients": recipients,
        "password": inputs["password"],
        "signer": _keys(_SIGNING_KEY, inputs["signingKey"]),
        "passphrase": inputs["signingKeyPassphrase"],
        "armor": armor,
    }


def _check_one_way(has_key: bool, password: str, key: str) -> None:
    if has_key == bool(password):
        found = "both" if has_key else "neither"
        raise StepError(f"Either a {key} or a Password (password) is needed, found {found}")


def _encrypt_string(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    given = _encryption(inputs, text_of(_MESSAGE, inputs["message"]).encode(), armor=True)
    return Outcome(result=compute(pgp_messages.encrypt, given, "Encrypt Message", world).decode())


def _encrypt_file(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    armor = inputs["armor"]
    given = _encryption(inputs, bytes_of(_FILE, inputs["file"]), armor)
    content = compute(pgp_messages.encrypt, given, "Encrypt File", world)
    return Outcome(
        result={"data": content, "contentType": _ENCRYPTED if armor else pgp_messages.OCTETS}
    )


def _decryption(inputs: Mapping[str, Any], declared: Input, what: str, world: World) -> bytes:
    keys = _keys(_PRIVATE_KEY, inputs["privateKey"])
    _check_one_way(bool(keys), inputs["password"], "Private Key (privateKey)")
    given: Value = {
        "content": bytes_of(declared, inputs[declared.key]),
        "keys": keys,
        "passphrase": inputs["passphrase"],
        "password": inputs["password"],
        "signers": _keys(_VERIFICATION_KEY, inputs["verificationKey"]),
    }
    content: bytes = compute(pgp_messages.decrypt, given, what, world)
    return content


def _decrypt_string(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    content = _decryption(inputs, _ENCRYPTED_MESSAGE, "Decrypt Message", world)
    try:
        return Outcome(result=content.decode())
    except UnicodeDecodeError as error:
        raise StepError("The message is no text; Decrypt File (decryptFile) gives bytes") from error


def _decrypt_file(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    content = _decryption(inputs, _ENCRYPTED_FILE, "Decrypt File", world)
    return Outcome(result={"data": content, "contentType": pgp_messages.OCTETS})


def _sign(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    mode = inputs["mode"].strip().lower()
    if mode not in ("detached", "inline", "clear"):
        raise unfit(_MODE, "detached, inline or clear", inputs["mode"])
    keys = _keys(_SIGNER, inputs["privateKey"])
    if len(keys) != 1:
        raise unfit(_SIGNER, "one key", f"{len(keys)} keys")
    given: Value = {
        "content": bytes_of(_DATA, inputs["data"]),
        "signer": keys,
        "passphrase": inputs["passphrase"],
        "mode": mode,
        "armor": inputs["armor"],
    }
    content = compute(pgp_messages.sign, given, "Sign", world)
    as_text = inputs["armor"] or mode == "clear"
    return Outcome(
        result=content.decode()
        if as_text
        else {"data": content, "contentType": pgp_messages.OCTETS}
    )


def _verify(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    signers = _keys(_SIGNERS, inputs["publicKey"])
    if not signers:
        raise unfit(_SIGNERS, "a key", inputs["publicKey"])
    signature = inside(inputs["signature"])
    given: Value = {
        "content": bytes_of(_SIGNED, inputs["data"]),
        "signature": bytes_of(_SIGNATURE, signature) if signature else b"",
        "signers": signers,
    }
    return Outcome(result=compute(pgp_messages.verify, given, "Verify", world))


_action = in_thread("pgp", _SECRETS)

_ENCRYPTION = (_PASSWORD, _RECIPIENTS, _SIGNING_KEY, _SIGNING_PASSPHRASE)
_DECRYPTION = (_PASSWORD, _PRIVATE_KEY, _PRIVATE_PASSPHRASE, _VERIFICATION_KEY)

ACTIONS = (
    _action(
        "encryptString",
        "Encrypt Message",
        "Gives the encrypted text, armored.",
        _encrypt_string,
        _MESSAGE,
        *_ENCRYPTION,
    ),
    _action(
        "encryptFile",
        "Encrypt File",
        "Gives the encrypted file.",
        _encrypt_file,
        _FILE,
        _FILENAME,
        *_ENCRYPTION,
        _armor(default=False),
    ),
    _action(
        "decryptString",
        "Decrypt Message",
        "Gives the text.",
        _decrypt_string,
        _ENCRYPTED_MESSAGE,
        *_DECRYPTION,
    ),
    _action(
        "decryptFile",
        "Decrypt File",
        f"Gives the file; of at most {MAX_BYTES} bytes.",
        _decrypt_file,
        _ENCRYPTED_FILE,
        *_DECRYPTION,
    ),
    _action(
        "sign",
        "Sign",
        "Gives the signature, or the signed message.",
        _sign,
        _DATA,
        _SIGNER,
        _PRIVATE_PASSPHRASE,
        _MODE,
        _armor(default=True),
    ),
    _action(
        "verify",
        "Verify",
        "Gives `{valid, reason, signers, message}`: the fingerprints of those who have signed it, "
        "and what a signed message says.",
        _verify,
        _SIGNED,
        _SIGNATURE,
        _SIGNERS,
    ),
)
