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
    Element,
    children,
    element,
    integer,
    moment,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import Anchors, walk

SIGNER_MARKER = APPLE + "12.19"
"""The marker of “WWDR Provisioning Profile Signing”, under Apple System Integration CA 4 and Root CA - G3."""

MOST_ITEMS = 4096
DEEPEST = 16
_LONGEST_INTEGER = 8
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
    values = _profile(element(message.content))
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
    if isinstance(told, str):
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


def _profile(told: Element) -> dict[str, Any]:
    if told.tag != SET:
        raise SigningFault("Its content is not a set of keys and values")
    return _pairs(told, DEEPEST)


def _pairs(told: Element, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in _inside(told):
        pair = children(entry)
        if entry.tag != SEQUENCE or len(pair) != 2 or pair[0].tag != UTF8_STRING:
            raise SigningFault("It holds an entry that is not a key and a value")
        key = _utf8(pair[0])
        if key in found:
            raise SigningFault("It holds a key twice", why=key)
        found[key] = _value(pair[1], depth - 1)
    return found


def _value(told: Element, depth: int) -> Any:
    if plain := _PLAIN.get(told.tag):
        return plain(told)
    if not depth:
        raise SigningFault("It is nested too deeply", why=f"more than {DEEPEST} levels")
    if told.tag == SEQUENCE:
        return [_value(each, depth - 1) for each in _inside(told)]
    if told.tag == _DICTIONARY:
        return _pairs(told, depth)
    if told.tag == _ENTITLEMENTS:
        parts = children(told)
        if [part.tag for part in parts] == [INTEGER, _DICTIONARY]:
            return _pairs(parts[1], depth)
    raise SigningFault("It holds a value of a kind that is not known", why=f"tag 0x{told.tag:02x}")


def _inside(told: Element) -> list[Element]:
    found = children(told, MOST_ITEMS + 1)
    if len(found) > MOST_ITEMS:
        raise SigningFault("It holds too many values", why=f"more than {MOST_ITEMS:,} in one list")
    return found


def _utf8(told: Element) -> str:
    try:
        return str(told.data[told.content : told.end], "utf-8")
    except UnicodeDecodeError as fault:
        raise SigningFault("It holds text that is not UTF-8") from fault


def _number(told: Element) -> int:
    value = told.value
    if told.tag == INTEGER and 1 <= len(value) <= _LONGEST_INTEGER:
        return integer(told)
    if told.tag == NUMERIC_STRING and value.isdigit() and len(value) <= 2 * _LONGEST_INTEGER:
        return int(value)
    raise SigningFault("It holds a number of a form that is not known")


_PLAIN: dict[int, Callable[[Element], Any]] = {
    UTF8_STRING: _utf8,
    BOOLEAN: lambda told: told.value != b"\0",
    INTEGER: _number,
    NUMERIC_STRING: _number,
    OCTET_STRING: lambda told: told.value,
    UTC_TIME: moment,
    GENERALIZED_TIME: moment,
}
