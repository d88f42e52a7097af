"""Version and build numbers as App Store Connect compares them: number by number, not letter by letter."""

from __future__ import annotations

PARTS_LIMIT = 8
DIGITS_LIMIT = 18


def version_key(text: str) -> tuple[int, ...] | None:
    """What to order by: X.Y equals X.Y.0, and leading zeros do not count. None when it is not numbers and dots.

    Source: fastlane's build watcher, which had to learn that App Store Connect drops leading zeros and holds X.Y and
    X.Y.0 for the same version.
    """
    parts = text.strip().split(".")
    if len(parts) > PARTS_LIMIT or not all(p.isascii() and p.isdecimal() and len(p) <= DIGITS_LIMIT for p in parts):
        return None
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def same_version(one: str, other: str) -> bool:
    """Whether App Store Connect holds both for the same version or build number."""
    key = version_key(one)
    return one.strip() == other.strip() if key is None else key == version_key(other)


def spellings(text: str) -> tuple[str, ...]:
    """The ways one number may be written at App Store Connect, which finds only the one that was used first."""
    key = version_key(text)
    if key is None:
        return (text.strip(),)
    found = [text.strip(), ".".join(map(str, key))]
    found += [".".join(map(str, key + (0,) * (length - len(key)))) for length in (2, 3) if length > len(key)]
    return tuple(dict.fromkeys(found))
