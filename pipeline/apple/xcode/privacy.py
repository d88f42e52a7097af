"""Judges the form of a privacy manifest against the keys, types and reasons that Apple lists.

Source: developer.apple.com/documentation/bundleresources/privacy-manifest-files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.apple.xcode.facts import PrivacyFlaw
from pipeline.apple.xcode.plists import KeyPath, Plist

FILE = "PrivacyInfo.xcprivacy"

REASONS = {
    "NSPrivacyAccessedAPICategoryFileTimestamp": "DDA9.1 C617.1 3B52.1 0A2A.1",
    "NSPrivacyAccessedAPICategorySystemBootTime": "35F9.1 8FFB.1 3D61.1",
    "NSPrivacyAccessedAPICategoryDiskSpace": "85F4.1 E174.1 7D9E.1 B728.1 AB6B.1",
    "NSPrivacyAccessedAPICategoryActiveKeyboards": "3EC4.1 54BD.1",
    "NSPrivacyAccessedAPICategoryUserDefaults": "CA92.1 1C8F.1 C56D.1 AC6B.1",
}
_TOP = {
    "NSPrivacyTracking": bool,
    "NSPrivacyTrackingDomains": list,
    "NSPrivacyCollectedDataTypes": list,
    "NSPrivacyAccessedAPITypes": list,
}
_COLLECTED = {
    "NSPrivacyCollectedDataType": str,
    "NSPrivacyCollectedDataTypeLinked": bool,
    "NSPrivacyCollectedDataTypeTracking": bool,
    "NSPrivacyCollectedDataTypePurposes": list,
}
_KINDS = {bool: "a boolean", list: "an array", str: "a string"}
_INVALID, _REASON, _TRACKING = "ITMS-91056", "ITMS-91055", "ITMS-91064"


def flaws(manifest: Plist) -> tuple[PrivacyFlaw, ...]:
    """What Apple would not accept, with lines."""
    value = manifest.value
    if not isinstance(value, dict):
        return (PrivacyFlaw("the manifest is no dictionary", _INVALID, 1),)
    told = [*_top_level(value), *_collected_types(value), *_accessed_types(value)]
    return tuple(PrivacyFlaw(text, apple, _line(manifest, path)) for text, apple, path in told)


Told = tuple[str, str, KeyPath]


def _top_level(value: dict[str, Any]) -> Iterator[Told]:
    for key, inner in value.items():
        kind = _TOP.get(key)
        if kind is None and key.startswith("NSPrivacy"):
            yield f"{key} is not a key of a privacy manifest", _INVALID, (key,)
        elif kind is not None and not isinstance(inner, kind):
            yield f"{key} has to be {_KINDS[kind]}", _INVALID, (key,)
    if _items(value, "NSPrivacyTrackingDomains") and value.get("NSPrivacyTracking") is not True:
        text = "NSPrivacyTrackingDomains are given although NSPrivacyTracking is not true"
        yield text, _TRACKING, ("NSPrivacyTrackingDomains",)


def _collected_types(value: dict[str, Any]) -> Iterator[Told]:
    key = "NSPrivacyCollectedDataTypes"
    for position, entry in enumerate(_items(value, key)):
        for text in _collected(entry):
            yield text, _INVALID, (key, position)


def _accessed_types(value: dict[str, Any]) -> Iterator[Told]:
    key = "NSPrivacyAccessedAPITypes"
    seen: set[str] = set()
    for position, entry in enumerate(_items(value, key)):
        for text, apple in _accessed(entry, seen):
            yield text, apple, (key, position)


def _line(manifest: Plist, path: KeyPath) -> int | None:
    while path:
        if path in manifest.lines:
            return manifest.lines[path]
        path = path[:-1]
    return None


def _items(value: dict[str, Any], key: str) -> list[Any]:
    inner = value.get(key)
    return inner if isinstance(inner, list) else []


def _collected(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["an entry of NSPrivacyCollectedDataTypes is no dictionary"]
    name = entry.get("NSPrivacyCollectedDataType", "an entry of NSPrivacyCollectedDataTypes")
    found = []
    for key, kind in _COLLECTED.items():
        if key not in entry:
            found.append(f"{name} lacks {key}")
        elif not isinstance(entry[key], kind):
            found.append(f"{key} of {name} has to be {_KINDS[kind]}")
        elif kind is list and not entry[key]:
            found.append(f"{key} of {name} is empty")
    return found


def _accessed(entry: Any, seen: set[str]) -> list[tuple[str, str]]:
    if not isinstance(entry, dict):
        return [("an entry of NSPrivacyAccessedAPITypes is no dictionary", _INVALID)]
    category = entry.get("NSPrivacyAccessedAPIType")
    allowed = REASONS.get(category, "").split() if isinstance(category, str) else []
    if not allowed:
        return [(f"{category!r} is not a category of required-reason API", _INVALID)]
    found = []
    if category in seen:
        found.append((f"{category} occurs twice", _INVALID))
    seen.add(str(category))
    reasons = entry.get("NSPrivacyAccessedAPITypeReasons")
    if not isinstance(reasons, list) or not reasons:
        found.append((f"{category} gives no reasons", _REASON))
        return found
    return found + [
        (f"{reason!r} is not a reason for {category}: {', '.join(allowed)}", _REASON)
        for reason in reasons
        if reason not in allowed
    ]
