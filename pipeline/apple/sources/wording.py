"""What several checks of this room say in the same way."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.apple.sources.facts import Use

_SHOWN = 2


def grouped(uses: Iterable[Use]) -> dict[str, list[Use]]:
    """The uses by what they name, the certain ones first."""
    found: dict[str, list[Use]] = {}
    for use in sorted(uses, key=lambda use: (not use.certain, not use.imported)):
        found.setdefault(use.name, []).append(use)
    return found


def where(uses: list[Use]) -> str:
    """What is used where, of the first places: "CKContainer(identifier:) in A.swift:3, B.swift:7"."""
    places = [str(use.location) for use in uses[1 : _SHOWN + 1] if use.location]
    others = f" (also {', '.join(places)})" if places else ""
    return f"{uses[0].symbol}{others}"


def holder(use: Use) -> str:
    """Whose code it is, where it is not the target's own."""
    if not use.package:
        return ""
    return f" of the package {use.package}" + ("" if use.imported else " (linked, and imported by nothing)")
