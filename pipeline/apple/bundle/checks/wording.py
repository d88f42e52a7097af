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


def kind_of(value: Any) -> str:
    """What a value of a property list is, for people: “the number 250”."""
    if isinstance(value, bool):
        return f"the value {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f"the number {value:.40g}" if isinstance(value, float) else f"the number {str(value)[:40]}"
    kinds = ((Mapping, "a dictionary"), ((list, tuple), "a list"), (bytes, "data"))
    return next((words for kind, words in kinds if isinstance(value, kind)), "no text")


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
