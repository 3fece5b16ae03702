"""Old digests: those of their standards, whatever the length of the message."""

import pytest

from processors.components.old_digests import md4, whirlpool


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_is_that_of_rfc_1320(message: bytes, digest: str) -> None:
    assert md4(message).hex() == digest


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "19fa61d75522a4669b44e39c1d2e1726c530232130d407f89afee0964997f7a7"),
        (b"abc", "4e2448a4c6f486bb16b6562c73b4020bf3043e3a731bce721ae1b303d97e6d4c"),
        (
            b"The quick brown fox jumps over the lazy dog",
            "b97de512e91e3828b40d2b0fdce9ceb3c4a71f9bea8d88e75c4fa854df36725f",
        ),
    ],
)
def test_whirlpool_is_that_of_its_standard(message: bytes, digest: str) -> None:
    assert whirlpool(message).hex().startswith(digest)


def test_messages_around_the_length_of_a_block_differ() -> None:
    lengths = range(30, 70)
    assert len({md4(b"x" * length) for length in lengths}) == len(lengths)
    assert len({whirlpool(b"x" * length) for length in lengths}) == len(lengths)
