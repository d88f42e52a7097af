"""RC2 with short keys, decryption only: the Keychain encrypts the certificates of a .p12 with 40 bits of it.

cryptography offers RC2 with 128-bit keys alone. Specification: RFC 2268.
"""

from __future__ import annotations

import struct

BLOCK = 8

_PI = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def decrypt(key: bytes, vector: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks in CBC mode; every bit of the key counts. Padding is left where it is."""
    schedule = _expanded(key)
    found = bytearray()
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        found += bytes(a ^ b for a, b in zip(_block(schedule, block), vector, strict=True))
        vector = block
    return bytes(found)


def _expanded(key: bytes) -> tuple[int, ...]:
    """The key schedule: 64 words of 16 bits (RFC 2268, 2)."""
    size = len(key)
    schedule = bytearray(key)
    for place in range(size, 128):
        schedule.append(_PI[(schedule[place - 1] + schedule[place - size]) & 0xFF])
    schedule[128 - size] = _PI[schedule[128 - size]]
    for place in range(127 - size, -1, -1):
        schedule[place] = _PI[schedule[place + 1] ^ schedule[place + size]]
    return struct.unpack("<64H", schedule)


def _block(schedule: tuple[int, ...], block: bytes) -> bytes:
    """One block back through 16 rounds of mixing, with a mash before the 5th and the 11th (RFC 2268, 4)."""
    words = list(struct.unpack("<4H", block))
    for number in range(15, -1, -1):
        for place, turn in ((3, 5), (2, 3), (1, 2), (0, 1)):
            word = words[place]
            word = (word >> turn) | (word << (16 - turn)) & 0xFFFF
            chosen = words[place - 1]
            mixed = (chosen & words[place - 2]) + (~chosen & words[place - 3])
            words[place] = (word - schedule[4 * number + place] - mixed) & 0xFFFF
        if number in {5, 11}:
            for place in (3, 2, 1, 0):
                words[place] = (words[place] - schedule[words[place - 1] & 63]) & 0xFFFF
    return struct.pack("<4H", *words)
