"""Findings: what a check has to say, where, and the smallest change that mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from pipeline.model.readings import Source
from pipeline.values import dataclass


class Severity(StrEnum):
    """How much a finding matters. ERROR and UNKNOWN block: what was not seen is not a pass."""

    NOTE = "NOTE"
    WARNING = "WARNING"
    UNKNOWN = "UNKNOWN"
    ERROR = "ERROR"

    @property
    def rank(self) -> int:
        """0 for NOTE up to 3 for ERROR."""
        return _RANK[self]


_RANK = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.UNKNOWN: 2, Severity.ERROR: 3}


@dataclass(frozen=True)
class Location:
    """A place in a file. `path` is relative to the app's root with forward slashes; lines and columns count from 1.

    `excerpt` is the offending line without its line end; the engine fills it in, checks leave it empty.
    """

    path: str
    line: int | None = None
    column: int | None = None
    excerpt: str = ""

    def __str__(self) -> str:
        parts = [self.path]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True)
class Finding:
    """One statement of a check.

    A check yields it with summary, remedy, subject and place; the engine adds rule, source, stage and lane.
    `pending` marks, in a proof, what waiting may still mend: patience ends at once when a finding is not pending.
    """

    summary: str
    severity: Severity = Severity.ERROR
    subject: str = ""
    location: Location | None = None
    remedy: str = ""
    apple: str = ""
    pending: bool = False
    rule: str = ""
    source: Source = Source.LIVE
    stage: str = ""
    lane: str = ""
    waived: str = ""

    @property
    def blocks(self) -> bool:
        """Whether a live run must stop here."""
        return not self.waived and self.severity in (Severity.ERROR, Severity.UNKNOWN)


@dataclass(frozen=True)
class Unjudged:
    """What a check says that had nothing to judge by, although all it asked for is known: it counts as not judged."""

    why: str


def alike(finding: Finding) -> Finding:
    """The finding without the step it was found in: what is the same on two lanes counts, and is told, once."""
    return replace(finding, stage="", lane="")


def merged(findings: Iterable[Finding]) -> list[tuple[Finding, ...]]:
    """Findings in groups that are told once, the worst first in each, in the order of their first.

    One group holds what is said alike of several steps, and what one rule says of one line and subject on several
    steps, in whatever words. What a step says twice of a line is two things: there, only what is alike is one.
    """
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(alike(finding), []).append(finding)
    places: dict[tuple[object, ...], list[list[Finding]]] = {}
    for first, group in groups.items():
        if first.location is not None and first.location.line is not None:
            place = (first.rule, first.location.path, first.location.line, first.subject, bool(first.waived))
            places.setdefault(place, []).append(group)
    gone: set[int] = set()
    for rivals in places.values():
        steps = [step for group in rivals for step in {(each.stage, each.lane) for each in group}]
        if len(rivals) > 1 and len(steps) == len(set(steps)):
            rivals.sort(key=lambda group: -group[0].severity.rank)
            gone.update(id(group) for group in rivals[1:])
            rivals[0].extend(each for group in rivals[1:] for each in group)
    return [tuple(group) for group in groups.values() if id(group) not in gone]


def error(
    summary: str,
    *,
    remedy: str,
    subject: str = "",
    at: Location | None = None,
    apple: str = "",
    pending: bool = False,
) -> Finding:
    """A finding that stops the release."""
    return Finding(summary, Severity.ERROR, subject, at, remedy, apple, pending)


def warning(summary: str, *, remedy: str, subject: str = "", at: Location | None = None, apple: str = "") -> Finding:
    """A finding that a person should see and that does not stop the release."""
    return Finding(summary, Severity.WARNING, subject, at, remedy, apple)


def note(summary: str, *, remedy: str = "", subject: str = "", at: Location | None = None, apple: str = "") -> Finding:
    """A remark: often what cannot be known here."""
    return Finding(summary, Severity.NOTE, subject, at, remedy, apple)


def unseen(
    summary: str, *, remedy: str = "", subject: str = "", at: Location | None = None, pending: bool = False
) -> Finding:
    """What could not be observed and therefore is no pass."""
    return Finding(summary, Severity.UNKNOWN, subject, at, remedy, pending=pending)
