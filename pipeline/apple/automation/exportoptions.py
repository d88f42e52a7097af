"""Reads ExportOptions.plist, and the texts that scripts write into one, with the line of each key.

Keys and values: `xcodebuild -help`, "Available keys for -exportOptionsPlist".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from pipeline.apple.automation.facts import ExportOptions, Option
from pipeline.apple.xcode.plists import BrokenPlist, KeyPath, Plist, parse
from pipeline.model import Location

LIMIT = 1024 * 1024
_FILE = re.compile(r"(?:^|/)[^/]*export[-_ ]?options?[^/]*\.plist$", re.IGNORECASE)
_VARIABLE = re.compile(
    r"\$(?:\{\{((?:[^}]|\}(?!\})){0,500})\}\}|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|\([^()\n]*\)|\{[^{}\n]*\})"
)
_METHOD = re.compile(r"<key>method\s{0,40}</key>")
UNKNOWN = "\ufffc"
"""Stands in a text for what only the shell knows."""
UNKNOWN_SHOWN = "…"
"""The same, where people read it."""
_KEYS = frozenset({"method", "teamID", "provisioningProfiles", "signingStyle", "destination", "uploadSymbols"})
_PROFILES = "provisioningProfiles"


def is_named_so(path: str) -> bool:
    """Whether a file is called as export options are."""
    return bool(_FILE.search(path))


def read(data: bytes, path: str, shift: int = 0) -> ExportOptions | None:
    """Export options; None for a property list that holds none of their keys.

    `shift` is added to all lines: the line before the first one of a text within another file.
    """
    try:
        found = parse(data)
    except BrokenPlist as fault:
        line = fault.line + shift if fault.line else (shift + 1 if shift else None)
        return ExportOptions(Location(path, line), flaw=fault.reason)
    if not isinstance(found.value, dict):
        return ExportOptions(Location(path, shift + 1), flaw="it is no dictionary")
    if not _KEYS & set(found.value):
        return None
    plain, profiles = [], []
    for key, value in found.value.items():
        if isinstance(value, (str, bool, int, float)):
            plain.append(_option(found, (key,), value, path, shift))
    held = found.value.get(_PROFILES)
    for key, value in held.items() if isinstance(held, dict) else ():
        if isinstance(value, str):
            profiles.append(_option(found, (_PROFILES, key), value, path, shift))
    unclear = any(not each.known for each in (*plain, *profiles))
    return ExportOptions(Location(path, shift + 1 if shift else None), tuple(plain), tuple(profiles), unclear)


def read_text(text: str, path: str, shift: int, names: Mapping[str, str]) -> ExportOptions | None:
    """Export options out of a here-document, in which a script replaces variables; None when it is something else."""
    if "<plist" not in text or not _METHOD.search(text):
        return None

    def value(match: re.Match[str]) -> str:
        told = names.get((match[1] or match[2] or match[3] or "").strip())
        return UNKNOWN if told is None else told.replace("&", "&amp;").replace("<", "&lt;")

    bare = text.lstrip()
    shift += text[: len(text) - len(bare)].count("\n")
    options = read(_VARIABLE.sub(value, bare).encode("utf-8", "replace"), path, shift)
    if options is None or (options.flaw and (UNKNOWN in _VARIABLE.sub(value, bare))):
        # What a variable brings may be what is missing.
        return None
    return replace(options, location=Location(path, shift + 1))


def _option(plist: Plist, keys: KeyPath, value: object, path: str, shift: int) -> Option:
    line = plist.lines.get(keys)
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    name = str(keys[-1])
    known = UNKNOWN not in text and UNKNOWN not in name
    return Option(
        name.replace(UNKNOWN, UNKNOWN_SHOWN)[:200],
        text.replace(UNKNOWN, UNKNOWN_SHOWN)[:200],
        Location(path, line + shift if line else None),
        known,
    )
