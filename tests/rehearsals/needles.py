"""Secrets as needles: a private key or a password is found in whatever disguise it may have been written down."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.rehearsals.test_secrets import disguises

PIECE = 24
"""Bytes of a key that are looked for; that many are the same by chance in no two files."""
STEP = 64
_FILL = re.compile(rb"(?:\s|\\r|\\n|:)+")
"""What breaks base64 and hexadecimal digits into lines, also where the line breaks were escaped."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def numbers(key: PrivateKey) -> dict[str, int]:
    """The numbers that nobody may know; every form of a key is made of them."""
    told = key.private_numbers()
    if isinstance(told, ec.EllipticCurvePrivateNumbers):
        return {"scalar": told.private_value}
    return {name: getattr(told, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}


def pieces(data: bytes) -> Iterator[bytes]:
    """A secret's pieces: whoever writes a line of it has written a piece."""
    for at in range(0, max(len(data) - PIECE, 0) + 1, STEP):
        yield data[at : at + PIECE]


def encoded(piece: bytes) -> Iterator[bytes]:
    """Base64 at each of the three places where a piece may begin, without what depends on its neighbours."""
    for shift in range(3):
        whole = (shift + len(piece)) // 3 * 4
        yield base64.b64encode(bytes(shift) + piece)[4 if shift else 0 : whole]


class Needles:
    """Everything that must be found nowhere."""

    def __init__(self) -> None:
        self._plain: dict[bytes, str] = {}
        self._flat: dict[bytes, str] = {}
        self._clean: set[bytes] = set()

    def key(self, name: str, key: PrivateKey) -> None:
        for number, value in numbers(key).items():
            told = f"{name}: {number}"
            for piece in pieces(value.to_bytes((value.bit_length() + 7) // 8, "big")):
                self._plain[piece] = told
                self._plain[repr(piece)[2:-1].encode()] = f"{told} (repr)"
                self._flat |= dict.fromkeys(encoded(piece), f"{told} (base64)")
                self._flat |= {piece.hex().encode(): f"{told} (hex)", piece.hex().upper().encode(): f"{told} (HEX)"}
            self._plain[str(value)[-50:-10].encode()] = f"{told} (decimal)"

    def text(self, name: str, secret: str) -> None:
        self._plain |= {form: told for told, form in disguises(name, secret)}

    def found(self, data: bytes) -> list[str]:
        """Which of them are in there. The same bytes are searched once."""
        if data in self._clean:
            return []
        flat = _FILL.sub(b"", data)
        hits = [told for needle, told in self._plain.items() if needle in data]
        hits += [told for needle, told in self._flat.items() if needle in flat]
        if not hits and len(data) < 1 << 20:
            self._clean.add(data)
        return hits
