"""Newer profiles carry a second copy of themselves, signed apart: Apple's systems go by it, so it must say the same.

Apple calls it the new source of truth (TN3125, "The future is DER"). Its shape is not published; this is what profiles
of 2021 to 2026 for iOS and macOS have: CMS signed data, whose content is a SET of SEQUENCE { UTF8String key, value }.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pipeline.apple.signing.certificates import APPLE, NEVER
from pipeline.apple.signing.cms import read_signed
from pipeline.apple.signing.der import (
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    NUMERIC_STRING,
    OCTET_STRING,
    SEQUENCE,
    SET,
    UTC_TIME,
    UTF8_STRING,
    bounds,
    generalized_time,
    utc_time,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import Anchors, walk

SIGNER_MARKER = APPLE + "12.19"
"""The marker of “WWDR Provisioning Profile Signing”, under Apple System Integration CA 4 and Root CA - G3."""

MOST_ITEMS = 4096
DEEPEST = 16
_LONGEST_INTEGER = 8
_NOTHING = (0, 0, 0)
_DICTIONARY = 0xB0
_ENTITLEMENTS = 0x70
"""[APPLICATION 16] { INTEGER 1, [16] { … } }, as the DER entitlements of a code signature."""


def read_twin(data: bytes, anchors: Anchors) -> Mapping[str, Any]:
    """The values of a DER-Encoded-Profile whose signature holds and was made by Apple's signer of such copies.

    Dates are aware, in UTC; DeveloperCertificates are SHA-256 digests; numbers, which older copies have as text, are
    integers.

    Raises:
        SigningFault: it cannot be read, or its signature does not hold or is not Apple's.
    """
    message = read_signed(data)
    signature = message.only
    if signature.intact is not True or signature.bare:
        raise SigningFault("Its signature does not hold", why=signature.why or "it has no signed attributes")
    values = _profile(message.content)
    created = values.get("CreationDate")
    at = signature.signed_at or (created if isinstance(created, datetime) else NEVER)
    chain = walk(signature.certificate, message.certificates, anchors, at)
    if not chain.trusted:
        raise SigningFault("Its signer is not Apple's", why=chain.reason)
    signer = chain.certificates[0]
    if SIGNER_MARKER not in signer.markers:
        raise SigningFault("Its signer may not sign such copies", why=f"it is “{signer.subject_name}”")
    return values


def differences(content: Mapping[str, Any], twin: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that both have with different values, in the property list's order; inside Entitlements each by name.

    The order of a list counts for nothing. A key that only one of them has is no difference: the copy alone tells the
    distribution type. Dates are aware in both.
    """
    return tuple(_differing(content, twin))


def _differing(content: Mapping[str, Any], twin: Mapping[str, Any]) -> Iterator[str]:
    for key, value in content.items():
        if key not in twin:
            continue
        if key == "Entitlements":
            yield from _entitlements(value, twin[key])
        elif not _same(_digested(value) if key == "DeveloperCertificates" else value, twin[key]):
            yield key


def _entitlements(told: Any, twin: Any) -> Iterator[str]:
    if not isinstance(told, dict) or not isinstance(twin, dict):
        yield "Entitlements"
        return
    for name in dict.fromkeys((*told, *twin)):
        if name not in told or name not in twin or not _same(told[name], twin[name]):
            yield f"Entitlements: {name}"


def _digested(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [hashlib.sha256(each).digest() if isinstance(each, bytes) else each for each in value]


def _same(told: Any, twin: Any) -> bool:
    if isinstance(told, (str, bytes, datetime)):
        return bool(told == twin)
    if isinstance(told, list) and told == twin and all(isinstance(each, (str, bytes)) for each in told):
        return True
    return _plain(told) == _plain(twin)


def _plain(value: Any) -> object:
    """A value that equals another only if both are of one type and say the same: in Python, True equals 1."""
    if isinstance(value, dict):
        return frozenset((key, _plain(each)) for key, each in value.items())
    if isinstance(value, list):
        return frozenset(Counter(map(_plain, value)).items())
    return value if isinstance(value, (str, bytes)) else (type(value), value)


def _profile(content: bytes) -> dict[str, Any]:
    tag, start, end = bounds(content, 0, len(content))
    if tag != SET:
        raise SigningFault("Its content is not a set of keys and values")
    return _pairs(content, start, end, DEEPEST)


def _pairs(data: bytes, position: int, limit: int, depth: int) -> dict[str, Any]:
    """The values by key; read without elements in between, because a copy consists of little else than such pairs."""
    found: dict[str, Any] = {}
    while position < limit:
        tag, start, end = bounds(data, position, limit)
        key_tag, key_start, key_end = bounds(data, start, end)
        value_tag, value_start, value_end = bounds(data, key_end, end) if key_end < end else _NOTHING
        if tag != SEQUENCE or key_tag != UTF8_STRING or value_end != end:
            raise SigningFault("It holds an entry that is not a key and a value")
        key = _utf8(data[key_start:key_end])
        if key in found:
            raise SigningFault("It holds a key twice", why=key)
        plain = _PLAIN.get(value_tag)
        found[key] = plain(data[value_start:end]) if plain else _nested(value_tag, data, value_start, end, depth - 1)
        position = end
        if len(found) > MOST_ITEMS:
            raise SigningFault("It holds too many values", why=f"more than {MOST_ITEMS:,} in one dictionary")
    return found


def _nested(tag: int, data: bytes, start: int, end: int, depth: int) -> Any:
    if not depth:
        raise SigningFault("It is nested too deeply", why=f"more than {DEEPEST} levels")
    if tag == SEQUENCE:
        return _list(data, start, end, depth)
    if tag == _DICTIONARY:
        return _pairs(data, start, end, depth)
    if tag == _ENTITLEMENTS:
        version, _, position = bounds(data, start, end)
        inner, start, position = bounds(data, position, end) if position < end else _NOTHING
        if (version, inner, position) == (INTEGER, _DICTIONARY, end):
            return _pairs(data, start, end, depth)
    raise SigningFault("It holds a value of a kind that is not known", why=f"tag 0x{tag:02x}")


def _list(data: bytes, position: int, limit: int, depth: int) -> list[Any]:
    found: list[Any] = []
    while position < limit:
        tag, start, position = bounds(data, position, limit)
        plain = _PLAIN.get(tag)
        found.append(plain(data[start:position]) if plain else _nested(tag, data, start, position, depth - 1))
        if len(found) > MOST_ITEMS:
            raise SigningFault("It holds too many values", why=f"more than {MOST_ITEMS:,} in one list")
    return found


def _utf8(value: bytes) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as fault:
        raise SigningFault("It holds text that is not UTF-8") from fault


def _integer(value: bytes) -> int:
    if 1 <= len(value) <= _LONGEST_INTEGER:
        return int.from_bytes(value, "big", signed=True)
    raise SigningFault("It holds a number of a form that is not known")


def _digits(value: bytes) -> int:
    if value.isdigit() and len(value) <= 2 * _LONGEST_INTEGER:
        return int(value)
    raise SigningFault("It holds a number of a form that is not known")


_PLAIN: dict[int, Callable[[bytes], Any]] = {
    UTF8_STRING: _utf8,
    BOOLEAN: b"\0".__ne__,
    INTEGER: _integer,
    NUMERIC_STRING: _digits,
    OCTET_STRING: bytes,
    UTC_TIME: utc_time,
    GENERALIZED_TIME: generalized_time,
}
