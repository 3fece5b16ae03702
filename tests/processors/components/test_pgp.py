"""PGP: what one action makes another reads, and so does GnuPG where it is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from processors.actions import StepError
from processors.components import pgp
from schemas.values import Value
from tests.processors.components.test_kit import run

TEXT = "Bestellung 17: 3 × Öl"
PASSWORD = "for tests only"
BY_GNUPG = """-----BEGIN PGP MESSAGE-----

jA0ECQMCmxBvhSZ5ieT/0kkBFVxHuN88hlEbjuy2MolO8gZjMRxTZYX32pW15gIO
lENk8ZBXkKqsNIcoJW7IvD7RM75q7DpfVySQxS7fG3FXna9pDNFMswGT
=4cyR
-----END PGP MESSAGE-----
"""
"""`Order 17 has shipped`, as GnuPG 2.2 encrypts it with PASSWORD."""


def result(key: str, **inputs: Any) -> Any:
    return run("pgp", key, inputs).result


class Person:
    """A key pair; the private key is not locked."""

    def __init__(self, name: str) -> None:
        key = pysequoia.Tsk.generate(f"{name} <{name}@example.com>")
        certificate = key.extract_certificate()
        self.private, self.public = str(key), str(certificate)
        self.fingerprint = certificate.fingerprint


ADA, BOB, EVE = Person("ada"), Person("bob"), Person("eve")


def test_every_recipient_reads_a_text_with_the_own_key_and_nobody_else_does() -> None:
    for recipients in (ADA.public + BOB.public, [ADA.public, file(BOB.public.encode())]):
        message = result("encryptString", message=TEXT, publicKey=recipients)
        assert message.startswith("-----BEGIN PGP MESSAGE-----")
        for person in (ADA, BOB):
            assert result("decryptString", message=message, privateKey=person.private) == TEXT
        with pytest.raises(StepError, match="No key to decrypt message"):
            result("decryptString", message=message, privateKey=EVE.private)


def file(content: bytes, content_type: str = "application/octet-stream") -> dict[str, Value]:
    return {"data": content, "contentType": content_type}


def test_a_file_keeps_its_bytes_armored_or_not() -> None:
    content = bytes(range(256))
    bare = result("encryptFile", file=file(content), publicKey=ADA.public, filename="a.bin")
    assert bare["contentType"] == "application/octet-stream"
    assert b"BEGIN PGP" not in bare["data"]
    armored = result("encryptFile", file=content, publicKey=ADA.public, armor="true")
    assert armored["contentType"] == "application/pgp-encrypted"
    assert armored["data"].startswith(b"-----BEGIN PGP MESSAGE-----")
    for encrypted in (bare, armored, armored["data"].decode()):
        decrypted = result("decryptFile", file=encrypted, privateKey=ADA.private)
        assert decrypted == file(content)


def test_a_password_stands_in_place_of_a_key() -> None:
    message = result("encryptString", message=TEXT, password=PASSWORD)
    assert result("decryptString", message=message, password=PASSWORD) == TEXT
    assert result("decryptString", message=BY_GNUPG, password=PASSWORD) == "Order 17 has shipped"
    with pytest.raises(StepError, match="Decrypt Message: the message cannot be decrypted"):
        result("decryptString", message=message, password="another")


def test_what_is_encrypted_can_be_signed_and_the_signature_demanded() -> None:
    signed = result("encryptString", message=TEXT, publicKey=ADA.public, signingKey=BOB.private)
    opened = {"message": signed, "privateKey": ADA.private}
    assert result("decryptString", **opened, verificationKey=[EVE.public, BOB.public]) == TEXT
    with pytest.raises(StepError, match="signature"):
        result("decryptString", **opened, verificationKey=EVE.public)
    unsigned = result("encryptString", message=TEXT, publicKey=ADA.public)
    with pytest.raises(StepError, match="sign"):
        result(
            "decryptString", message=unsigned, privateKey=ADA.private, verificationKey=BOB.public
        )


@pytest.mark.parametrize("mode", ["inline", "clear"])
def test_a_signed_message_says_who_signed_it_and_what_it_says(mode: str) -> None:
    signed = result("sign", data=TEXT, privateKey=ADA.private, mode=mode)
    assert (TEXT in signed) == (mode == "clear")
    verified = result("verify", data=signed, publicKey=BOB.public + ADA.public)
    assert verified == {
        "valid": True,
        "reason": "",
        "signers": [ADA.fingerprint],
        "message": TEXT,
    }
    stranger = result("verify", data=signed, publicKey=EVE.public)
    assert (stranger["valid"], stranger["signers"], stranger["message"]) == (False, [], None)
    assert "\n" not in stranger["reason"]


@pytest.mark.parametrize("armor", [True, False])
def test_a_detached_signature_is_of_one_content_alone(armor: bool) -> None:
    signature = result("sign", data=file(b"\x00\x01"), privateKey=ADA.private, armor=armor)
    assert isinstance(signature, str) == armor
    given = {"signature": signature, "publicKey": ADA.public}
    verified = result("verify", data=b"\x00\x01", **given)
    assert (verified["valid"], verified["signers"]) == (True, [ADA.fingerprint])
    assert not result("verify", data=b"\x00\x02", **given)["valid"]


def test_a_text_that_nobody_signed_is_not_valid() -> None:
    assert not result("verify", data=TEXT, publicKey=ADA.public)["valid"]


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("encryptString", {"message": TEXT}, r"Public Key \(publicKey\) or a Password.*neither"),
        ("encryptString", {"message": TEXT, "password": "p", "publicKey": ADA.public}, "both"),
        ("encryptString", {"message": TEXT, "publicKey": "none"}, "public key 1 cannot be read"),
        ("encryptString", {"publicKey": ADA.public}, r"Message to Encrypt \(message\) is required"),
        ("decryptString", {"message": "x", "password": "p"}, "cannot be decrypted"),
        ("decryptString", {"message": "x", "privateKey": "x"}, r"Private Key \(privateKey\) or"),
        (
            "decryptString",
            {"message": "x", "privateKey": ADA.public},
            r"Private Key \(privateKey\)",
        ),
        ("decryptFile", {"file": "x"}, "neither"),
        ("sign", {"data": TEXT, "privateKey": ADA.private, "mode": "loud"}, "detached, inline or"),
        ("sign", {"data": TEXT}, r"Private Key \(privateKey\) must be one key"),
        ("verify", {"data": TEXT}, r"Public Key \(publicKey\) must be a key"),
        ("verify", {"data": TEXT, "publicKey": ADA.public, "signature": "x"}, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message) as refused:
        result(key, **inputs)
    assert "\n" not in str(refused.value)


def test_a_secret_that_is_no_text_is_not_shown() -> None:
    with pytest.raises(StepError, match=r"Private Key \(privateKey\) must be a text") as refused:
        result("sign", data=TEXT, privateKey={"key": "geheim"})
    assert "geheim" not in str(refused.value)


def test_keys_and_passwords_are_kept_off_the_log() -> None:
    secret = {"password", "privateKey", "passphrase", "signingKey", "signingKeyPassphrase"}
    for action in pgp.ACTIONS:
        declared = {one.key for one in action.inputs}
        assert action.secret_inputs == declared & secret


def test_a_binary_message_is_refused_as_a_text() -> None:
    encrypted = result("encryptFile", file=b"\xff\xfe", password=PASSWORD)
    with pytest.raises(StepError, match="decryptFile"):
        result("decryptString", message=encrypted, password=PASSWORD)


class GnuPG:
    def __init__(self, home: Path) -> None:
        self._home = home

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--pinentry-mode", "loopback"]
        command += ["--passphrase", PASSWORD, "--trust-model", "always", "--armor", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def gnupg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GnuPG]:
    if shutil.which("gpg") is None:
        pytest.skip("GnuPG is not installed: nothing is proven about messages of others")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    yield GnuPG(home)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=60)


def test_gnupg_reads_what_we_make_and_we_what_it_makes(gnupg: GnuPG) -> None:
    gnupg("--quick-gen-key", "gnu@example.com", "rsa2048", "sign,encrypt")
    public = gnupg("--export", "gnu@example.com").decode()
    locked = gnupg("--export-secret-key", "gnu@example.com").decode()
    opening = {"privateKey": locked, "passphrase": PASSWORD}

    ours = result("encryptString", message=TEXT, publicKey=ADA.public + public)
    assert gnupg("--decrypt", given=ours.encode()).decode() == TEXT
    packed, theirs = (
        gnupg("--encrypt", "--sign", "-r", "gnu@example.com", *more, given=TEXT.encode())
        for more in ([], ["--compress-algo", "none"])
    )
    assert result("decryptString", message=theirs, **opening, verificationKey=public) == TEXT
    assert result("decryptString", message=packed, **opening) == TEXT
    with pytest.raises(StepError, match="signed before it was compressed"):
        result("decryptString", message=packed, **opening, verificationKey=public)

    signed = result("sign", data=TEXT, **opening, mode="clear")
    assert gnupg("--decrypt", given=signed.encode()).decode().strip() == TEXT
    detached = gnupg("--detach-sign", given=TEXT.encode())
    assert result("verify", data=TEXT, signature=detached, publicKey=public)["valid"]

    with pytest.raises(StepError, match="or its passphrase is wrong"):
        result("decryptString", message=theirs, privateKey=locked, passphrase="another")


def test_a_small_message_that_unpacks_to_a_huge_one_is_refused(gnupg: GnuPG) -> None:
    bomb = gnupg("--compress-level", "9", "--symmetric", given=bytes(200_000_000))
    assert len(bomb) < 1_000_000
    with pytest.raises(StepError, match="Decrypt File"):
        result("decryptFile", file=bomb, password=PASSWORD)
