"""Compression: what callers pack is unpacked, bombs and junk are refused early."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.answers import RefusedWith
from ingress.compression import Decoder, decoder_of
from schemas.bodies import Malformed
from schemas.errors import Refused

MAX = 10_000_000


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip": (gzip.compress, "gzip"),
    "x-gzip": (gzip.compress, " X-GZIP "),
    "deflate": (zlib.compress, "deflate"),
    "raw": (raw_deflate, "deflate"),
    "members": (lambda content: gzip.compress(content[:7]) + gzip.compress(content[7:]), "gzip"),
}


def decoder(coding: str, max_bytes: int = MAX) -> Decoder:
    found = decoder_of(coding, max_bytes)
    assert found is not None
    return found


def unpacked(found: Decoder, *chunks: bytes) -> bytes:
    pieces = [piece for chunk in chunks for piece in found.feed(chunk)]
    found.close()
    return b"".join(pieces)


@pytest.mark.parametrize("name", PACKERS)
@given(content=st.binary(max_size=400), repeats=st.integers(1, 400), cut=st.integers(0, 500))
def test_what_was_packed_comes_out(name: str, content: bytes, repeats: int, cut: int) -> None:
    pack, coding = PACKERS[name]
    packed = pack(content * repeats)
    assert unpacked(decoder(coding), packed[:cut], packed[cut:]) == content * repeats


@pytest.mark.parametrize("coding", [None, "", "identity"])
def test_without_a_coding_there_is_nothing_to_do(coding: str | None) -> None:
    assert decoder_of(coding, MAX) is None


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_another_coding_is_refused_with_those_that_are_read(coding: str) -> None:
    with pytest.raises(RefusedWith) as raised:
        decoder_of(coding, MAX)
    assert (raised.value.status, raised.value.reason) == (415, "unsupported_encoding")
    assert raised.value.headers == ((b"accept-encoding", b"gzip, deflate"),)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_after_little_work(coding: str) -> None:
    pack, _ = PACKERS[coding]
    bomb = pack(bytes(50_000_000))
    found = decoder(coding, 1_000_000_000)
    chunks = [bomb[at : at + 1_000] for at in range(0, len(bomb), 1_000)]
    with pytest.raises(Refused, match="100 times its size") as raised:
        unpacked(found, *chunks)
    assert raised.value.status == 413
    assert found.given_bytes < 5_000_000


def test_what_unpacks_to_more_than_a_body_may_be_is_refused() -> None:
    content = bytes(range(256)) * 10
    with pytest.raises(Refused, match="more than 2000 bytes"):
        unpacked(decoder("gzip", 2_000), gzip.compress(content))
    assert unpacked(decoder("gzip", len(content)), gzip.compress(content)) == content


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"abc")[:-1]),
        ("gzip", gzip.compress(b"abc") + b"junk"),
        ("deflate", zlib.compress(b"abc") + b"junk"),
        ("deflate", b"\xff\xff\xff"),
        ("gzip", b"\x1f"),
    ],
)
def test_what_is_not_in_its_coding_is_malformed(coding: str, sent: bytes) -> None:
    with pytest.raises(Malformed) as raised:
        unpacked(decoder(coding), sent)
    assert raised.value.reason == "malformed_encoding"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_empty_body_has_nothing_to_unpack(coding: str) -> None:
    assert unpacked(decoder(coding)) == b""
