"""Digests that hashlib does not have: MD4 (RFC 1320) and Whirlpool (ISO/IEC 10118-3, 2003); pure.

Old, and slow as they are written here: to talk to systems that use them, not to protect anything.
"""

import struct
from collections.abc import Callable, Iterator

BLOCK_BYTES = 64
_MASK = 0xFFFFFFFF


def md4(message: bytes) -> bytes:
    """The 16 bytes of the digest."""
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    length = struct.pack("<Q", 8 * len(message) & 0xFFFFFFFFFFFFFFFF)
    for block in _blocks(message, length):
        mixed = _md4_rounds(state, struct.unpack("<16I", block))
        a, b, c, d = ((old + new) & _MASK for old, new in zip(state, mixed, strict=True))
        state = (a, b, c, d)
    return struct.pack("<4I", *state)


_Choice = Callable[[int, int, int], int]
_MD4_ROUNDS: tuple[tuple[_Choice, int, tuple[int, ...], tuple[int, ...]], ...] = (
    (lambda x, y, z: (x & y) | (~x & z), 0, tuple(range(16)), (3, 7, 11, 19)),
    (
        lambda x, y, z: (x & y) | (x & z) | (y & z),
        0x5A827999,
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        (3, 5, 9, 13),
    ),
    (
        lambda x, y, z: x ^ y ^ z,
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
    ),
)
"""For each round: the function, the constant, the order of words, the rotations."""


def _md4_rounds(state: tuple[int, int, int, int], words: tuple[int, ...]) -> tuple[int, ...]:
    a, b, c, d = state
    for choice, constant, order, rotations in _MD4_ROUNDS:
        for step, index in enumerate(order):
            total = (a + choice(b, c, d) + words[index] + constant) & _MASK
            shift = rotations[step % 4]
            a, b, c, d = d, (total << shift | total >> (32 - shift)) & _MASK, b, c
    return a, b, c, d


def whirlpool(message: bytes) -> bytes:
    """The 64 bytes of the digest."""
    state = [0] * 8
    for block in _blocks(message, (8 * len(message)).to_bytes(32, "big")):
        rows = list(struct.unpack(">8Q", block))
        ciphered = _encipher(rows, state)
        state = [one ^ two ^ three for one, two, three in zip(ciphered, state, rows, strict=True)]
    return struct.pack(">8Q", *state)


def _encipher(rows: list[int], key: list[int]) -> list[int]:
    state = [row ^ part for row, part in zip(rows, key, strict=True)]
    for number in range(10):
        key = _round(key)
        key[0] ^= int.from_bytes(bytes(_BOX[8 * number : 8 * number + 8]), "big")
        state = [row ^ part for row, part in zip(_round(state), key, strict=True)]
    return state


def _round(rows: list[int]) -> list[int]:
    """Substitute bytes, shift columns, mix rows; a row is eight bytes in one integer."""
    mixed = []
    for row in range(8):
        total = 0
        for column in range(8):
            byte = rows[(row - column) % 8] >> (56 - 8 * column) & 0xFF
            total ^= _TABLES[column][byte]
        mixed.append(total)
    return mixed


def _substitution() -> list[int]:
    upper = (1, 11, 9, 12, 13, 6, 15, 3, 14, 8, 7, 4, 10, 2, 5, 0)
    lower = [upper.index(value) for value in range(16)]
    middle = (7, 12, 11, 13, 14, 4, 9, 15, 6, 3, 8, 10, 2, 5, 1, 0)
    box = []
    for byte in range(256):
        high, low = upper[byte >> 4], lower[byte & 15]
        mixed = middle[high ^ low]
        box.append(upper[high ^ mixed] << 4 | lower[low ^ mixed])
    return box


def _product(one: int, two: int) -> int:
    """In the field of 256 elements with the polynomial 0x11D."""
    product = 0
    while two:
        product ^= one if two & 1 else 0
        one = one << 1 ^ (0x11D if one & 0x80 else 0)
        two >>= 1
    return product


def _tables() -> list[list[int]]:
    """For each column, what each of its bytes adds to a row."""
    matrix = (1, 1, 4, 1, 8, 5, 2, 9)
    return [
        [
            int.from_bytes(
                bytes(_product(value, matrix[(place - column) % 8]) for place in range(8)), "big"
            )
            for value in _BOX
        ]
        for column in range(8)
    ]


def _blocks(message: bytes, length: bytes) -> Iterator[bytes]:
    """`message` with a bit of 1, zeros and its length, in whole blocks."""
    zeros = -(len(message) + 1 + len(length)) % BLOCK_BYTES
    padded = message + b"\x80" + bytes(zeros) + length
    for start in range(0, len(padded), BLOCK_BYTES):
        yield padded[start : start + BLOCK_BYTES]


_BOX = _substitution()
_TABLES = _tables()
