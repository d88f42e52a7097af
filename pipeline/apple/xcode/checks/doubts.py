"""What rests on a configuration file that was not read is not known: told once for each cause, and as no fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.apple.xcode.checks.wording import listed
from pipeline.model import Finding, Severity

_LISTED = 6
_DOUBTED = {Severity.ERROR: Severity.UNKNOWN, Severity.WARNING: Severity.NOTE}


def doubted(finding: Finding, *hidden: Iterable[str]) -> Finding:
    """A finding as it stands, or what is left of it where files that were not read could say otherwise.

    Then what would be an error is UNKNOWN, which blocks as well, and what would be a warning is a note.

    Args:
        finding: what is wrong if nothing else was written anywhere.
        hidden: for each value that it rests on, the files that were not read and could make it another one.
    """
    files = tuple(dict.fromkeys(file for each in hidden for file in each))
    return _told(finding, files, ()) if files else finding


class Doubts:
    """The findings of one check: what is certain goes through, the rest is told at the end, once for each cause."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], list[tuple[Finding, str]]] = {}

    def of(self, finding: Finding, *hidden: Iterable[str], name: str = "") -> Iterator[Finding]:
        """The finding, if it is certain. `name` is what it is about where it is told with others."""
        files = tuple(dict.fromkeys(file for each in hidden for file in each))
        if files:
            self._kept.setdefault(files, []).append((finding, name or finding.subject))
        else:
            yield finding

    def told(self) -> Iterator[Finding]:
        """One finding for each cause."""
        for files, kept in self._kept.items():
            worst, own = max(kept, key=lambda each: each[0].severity.rank)
            others = dict.fromkeys(name for _, name in kept if name != own)
            yield _told(worst, files, tuple(others))


def _told(finding: Finding, files: tuple[str, ...], others: tuple[str, ...]) -> Finding:
    more = f" (likewise {listed(others, _LISTED)})" if others else ""
    were = "was" if len(files) == 1 else "were"
    return replace(
        finding,
        summary=f"{finding.summary}{more}; not certain, because {listed(files, _LISTED)} {were} not read",
        severity=_DOUBTED.get(finding.severity, finding.severity),
        remedy=f"put {listed(files, _LISTED)} in place and run this again; if that changes nothing, {finding.remedy}",
        apple="",
    )
