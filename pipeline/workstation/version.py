"""Version and build strings: what App Store Connect takes, when two mean the same, and which one a tag names."""

from __future__ import annotations

import re

LONGEST = 18
"""Characters, periods included (Apple Developer Forums 694844; the validator says it of CFBundleVersion)."""

_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)*")
LENGTH_LIMIT = 256
COUNTED = 3
"""Apple counts [Major].[Minor].[Patch] and promises nothing for more."""


def is_numeric(text: str) -> bool:
    """Whether it is made of integers and periods only, as CFBundleVersion and CFBundleShortVersionString must be."""
    return _NUMBERS.fullmatch(text) is not None


def parts(text: str) -> tuple[int, ...]:
    """The integers without zeros at the end: 2.5 and 2.5.0 are the same. Empty for what is not numeric."""
    if not is_numeric(text) or len(text) > LENGTH_LIMIT:
        return ()
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def same(one: str, other: str) -> bool:
    """Whether two versions are the same to the App Store."""
    return one == other or (parts(one) != () and parts(one) == parts(other))


def version_in(tag: str, pattern: str) -> str:
    """The version that a tag names by a pattern such as "v{version}"; empty when the tag is no such tag."""
    before, found, after = pattern.partition("{version}")
    if not found or not tag.startswith(before) or not tag.endswith(after):
        return ""
    version = tag[len(before) : len(tag) - len(after)]
    return version if is_numeric(version) else ""
