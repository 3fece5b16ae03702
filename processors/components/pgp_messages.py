"""PGP messages: made and read by Sequoia; the functions of a computing process.

A small message can unpack to a huge one, and a key can ask for much work. Of keys a text may hold
several; passphrases are empty where there is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from processors.actions import StepError
from processors.components.files import MAX_BYTES
from schemas.values import Value

OCTETS = "application/octet-stream"
_UNEXPECTED = "Unexpected message structure"
"""What pysequoia (0.1.35) says where a verified message is compressed within its encryption."""


def encrypt(given: Value) -> Value:
    """The encrypted content. Raises StepError."""
    import pysequoia

    with _told("the message cannot be encrypted"):
        return pysequoia.encrypt(
            given["content"],
            recipients=_certificates(given["recipients"]),
            signer=_signer(given) if given["signer"] else None,
            passwords=[given["password"]] if given["password"] else [],
            armor=given["armor"],
        )


def decrypt(given: Value) -> Value:
    """The content, of at most MAX_BYTES. Raises StepError."""
    import pysequoia

    decryptor = None
    if given["keys"]:
        if len(given["keys"]) > 1:
            raise StepError("one Private Key (privateKey) is needed, found several")
        with _told("the Private Key (privateKey) or its passphrase is wrong"):
            tsk = pysequoia.Tsk.from_bytes(given["keys"][0])
            decryptor = tsk.decryptor(password=given["passphrase"] or None)
    signers = _certificates(given["signers"])
    with _told("the message cannot be decrypted"):
        decrypted = pysequoia.decrypt(
            given["content"],
            decryptor=decryptor,
            store=(lambda _ids: signers) if signers else None,
            passwords=[given["password"]] if given["password"] else [],
        )
    if signers and not decrypted.valid_sigs:
        raise StepError("the message is not signed")
    content = decrypted.bytes or b""
    if len(content) > MAX_BYTES:
        raise StepError(f"the message is larger than {MAX_BYTES} bytes")
    return content


def sign(given: Value) -> Value:
    """The signature, or the signed message. Raises StepError."""
    import pysequoia

    modes = pysequoia.SignatureMode
    mode = {"detached": modes.DETACHED, "inline": modes.INLINE, "clear": modes.CLEAR}[given["mode"]]
    signer = _signer(given)
    with _told("the data cannot be signed"):
        return pysequoia.sign(signer, given["content"], mode=mode, armor=given["armor"])


def verify(given: Value) -> Value:
    """Whether and by whom it is signed, and what the signed message says. Raises StepError."""
    import pysequoia

    signers, signature = _certificates(given["signers"]), None
    if given["signature"]:
        with _told("the Signature (signature) cannot be read"):
            signature = pysequoia.Sig.from_bytes(given["signature"])
    try:
        verified = pysequoia.verify(
            bytes=given["content"], store=lambda _ids: signers, signature=signature
        )
    except Exception as error:  # noqa: BLE001 - the library raises what its parts raise
        return {"valid": False, "reason": _first_line(error), "signers": [], "message": None}
    found = sorted({one.certificate for one in verified.valid_sigs})
    if not found:
        return {"valid": False, "reason": "it is not signed", "signers": [], "message": None}
    message = None if signature else _text_or_file(verified.bytes or b"")
    return {"valid": True, "reason": "", "signers": found, "message": message}


def _text_or_file(content: bytes) -> Value:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"data": content, "contentType": OCTETS}


def _signer(given: Value) -> Any:
    import pysequoia

    with _told("the key to sign with or its passphrase is wrong"):
        tsk = pysequoia.Tsk.from_bytes(given["signer"][0])
        return tsk.signer(password=given["passphrase"] or None)


def _certificates(keys: list[bytes]) -> list[Any]:
    """One text may hold several keys."""
    import pysequoia

    found: list[Any] = []
    for number, key in enumerate(keys, 1):
        with _told(f"public key {number} cannot be read"):
            held = pysequoia.Cert.split_bytes(key)
        if not held:
            raise StepError(f"public key {number} cannot be read: there is no key in it")
        found += held
    return found


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Says what went wrong in one line: the library adds where, with its stack."""
    try:
        yield
    except (StepError, MemoryError):
        raise
    except Exception as error:
        reason = _first_line(error)
        if reason == _UNEXPECTED:
            reason = "a message signed before it was compressed cannot be verified"
        raise StepError(f"{what}: {reason}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
