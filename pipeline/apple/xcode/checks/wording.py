"""Phrases that several checks of projects share: what is undefined, what is spoilt, the first of many names."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.apple.xcode.facts import Undefined
from pipeline.apple.xcode.settings import TEAM


def names_of(each: Undefined) -> str:
    """The undefined settings that a value refers to; "" when it is only the team, of which PROJ020 speaks."""
    return ", ".join(name for name in each.names if name != TEAM)


def listed(names: Sequence[str], most: int) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_spoilt(each: Undefined) -> bool:
    """Whether an undefined setting leaves a hole, and not just an empty prefix or suffix of a whole value."""
    rest = each.rest.strip()
    return not rest or rest.startswith((".", "-")) or rest.endswith((".", "-", "/")) or ".." in rest
