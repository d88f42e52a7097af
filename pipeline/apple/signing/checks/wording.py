"""How findings of this room count, list and date."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

NOTICE = timedelta(days=30)
"""How long before its end an identity or a profile is worth a warning."""


def days_until(end: datetime, now: datetime) -> str:
    """How far off it is: in 12 days."""
    days = (end - now).days
    return "today" if days < 1 else "in 1 day" if days == 1 else f"in {days} days"


def listed(words: Iterable[str]) -> str:
    """One after the other: a, b and c."""
    *rest, last = list(words) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def offered(words: Iterable[str]) -> str:
    """In quotes, as a choice: “a” or “b”."""
    return " or ".join(f"“{word}”" for word in words)
