"""How findings about products name many things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.model import Finding, Severity, error, warning

SHOWN = 3


def named(names: Iterable[str]) -> str:
    """The first few of several names, and how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:SHOWN])
    return f"{shown} and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else shown


def said(severity: Severity) -> Callable[..., Finding]:
    """The way to say something of that severity."""
    return error if severity is Severity.ERROR else warning


def grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Names by what is to be said of them."""
    found: dict[str, list[str]] = {}
    for words, name in pairs:
        found.setdefault(words, []).append(name)
    return found


def strings(value: Any, depth: int = 0) -> Iterable[str]:
    """All texts inside a value of a property list, dictionaries' keys left out."""
    if isinstance(value, str):
        yield value
    elif depth < 64 and isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner, depth + 1)
    elif depth < 64 and isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner, depth + 1)
