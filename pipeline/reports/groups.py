"""Findings and tables as a person wants to read them: what is the same on two lanes is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.findings import Finding, Severity, alike, merged
from pipeline.model.readings import Source
from pipeline.reports import words
from pipeline.reports.text import shown
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.model.exhibits import Exhibit
    from pipeline.model.run import Run


@dataclass(frozen=True)
class Group:
    """One finding and the places, as (stage, lane), where it was found, with the severity it has there."""

    finding: Finding
    places: tuple[tuple[str, str], ...]
    severities: tuple[Severity, ...]

    @property
    def label(self) -> str:
        """The severity as a word, "error" to "note", or "waived"."""
        return "waived" if self.finding.waived else self.finding.severity.lower()


def grouped(run: Run) -> tuple[Group, ...]:
    """All findings of a run, worst first, those of one place put together."""
    order = {(step.stage, step.lane): number for number, step in enumerate(run.steps)}
    groups = []
    for group in merged(run.findings):
        places = {(finding.stage, finding.lane): finding.severity for finding in group}
        told = sorted(places, key=lambda place: order.get(place, 0))
        groups.append(Group(alike(group[0]), tuple(told), tuple(places[each] for each in told)))
    return tuple(groups)


def where(run: Run, group: Group) -> str:
    """Lanes and stages in words: "iOS, macOS project" or "iOS project; macOS bundle".

    A lane where the finding weighs less says so: "iOS, tvOS (a note) project". Of many that are not released, some are
    named and the others counted.
    """
    lanes: dict[str, list[str]] = {}
    apart = {told.get("name", "") for told in run.beside}
    beside: dict[str, int] = {}
    for (stage, lane), severity in zip(group.places, group.severities, strict=True):
        if lane in apart:
            beside[stage] = beside.get(stage, 0) + 1
            if beside[stage] > _NAMED:
                continue
        name = words.lane(run, lane) if lane else ""
        less = "" if severity is group.finding.severity else f" ({_LESS[severity]})"
        lanes.setdefault(stage, []).append(f"{name}{less}")
    for stage, count in beside.items():
        if count > _NAMED:
            lanes[stage][-1] += f" and {count - _NAMED} more"
    parts = [" ".join(filter(None, (", ".join(filter(None, names)), stage))) for stage, names in lanes.items()]
    return "; ".join(part for part in parts if part) or "the whole app"


_NAMED = 3
_LESS = {
    Severity.ERROR: "an error",
    Severity.UNKNOWN: "unknown",
    Severity.WARNING: "a warning",
    Severity.NOTE: "a note",
}


def counted(run: Run) -> str:
    """How many findings of each severity: "2 errors, 1 warning"; identical findings on two lanes count once."""
    tally: dict[str, int] = {}
    for group in grouped(run):
        tally[group.label] = tally.get(group.label, 0) + 1
    order = [severity.lower() for severity in sorted(Severity, key=lambda one: -one.rank)]
    told = [words.amount(tally[label], label) for label in order if label in tally]
    if "waived" in tally:
        told.append(f"{tally['waived']} waived")
    return ", ".join(told) or "no findings"


@dataclass(frozen=True)
class Table:
    """One exhibit and the lanes, "" for the whole app, that show the same."""

    exhibit: Exhibit
    source: Source
    past: bool
    lanes: tuple[str, ...]

    @property
    def title(self) -> str:
        """The exhibit's own title."""
        return shown(self.exhibit.title) or "an unnamed table"

    def remark(self, run: Run) -> str:
        """What must be said beside the title: the lanes, that it is simulated, or that it is no longer so."""
        told = [", ".join(words.lane(run, lane) for lane in self.lanes if lane)]
        told.append(words.SOURCE[self.source] if self.source is Source.SIMULATED else "")
        told.append("as it was before the actions" if self.past else "")
        return ", ".join(filter(None, told))

    @property
    def instead(self) -> str:
        """What is said instead of the table; empty when there are rows."""
        if self.exhibit.rows and self.exhibit.columns:
            return ""
        return shown(self.exhibit.empty) or "nothing to show"


def tables(run: Run) -> tuple[Table, ...]:
    """All exhibits of a run, in the order of its steps, identical ones put together."""
    lanes: dict[tuple[Exhibit, Source, bool], dict[str, None]] = {}
    for step in run.steps:
        for record in step.exhibits:
            lanes.setdefault((record.exhibit, record.source, record.past), {})[step.lane] = None
    return tuple(Table(*key, tuple(found)) for key, found in lanes.items())


def shows(run: Run) -> bool:
    """Whether the run was made to show its tables: nothing in it wants to change anything, and each step has one."""
    return bool(run.steps) and all(step.exhibits and not step.actions for step in run.steps)
