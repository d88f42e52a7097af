"""Findings as GitHub's workflow commands, so that they show at their lines in a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.findings import Severity
from pipeline.reports import words
from pipeline.reports.checkout import in_repository
from pipeline.reports.groups import Group, grouped, where
from pipeline.reports.text import clipped, encodable, shown

if TYPE_CHECKING:
    from pipeline.model.run import Run

PER_KIND = 10
"""GitHub shows this many annotations of each kind per step and silently drops the rest."""

_KIND = {Severity.ERROR: "error", Severity.UNKNOWN: "warning", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_LONGEST = 4000
_OWN_NOTICES = 2


def render(run: Run) -> str:
    """One command a line, worst first; then what was left out, and how much was judged, as notices."""
    kinds: dict[str, list[Group]] = {"error": [], "warning": [], "notice": []}
    for group in grouped(run):
        kinds["notice" if group.finding.waived else _KIND[group.finding.severity]].append(group)
    lines, left = [], 0
    verdict = words.tone(run) is not words.Tone.CLEAN and not kinds["error"]
    if verdict:
        lines.append(_command("error", {"title": words.headline(run)}, words.verdict(run)))
    for kind, groups in kinds.items():
        room = PER_KIND - (_OWN_NOTICES if kind == "notice" else 0) - (verdict and kind == "error")
        lines += [_told(run, kind, group) for group in groups[:room]]
        left += len(groups[room:])
    if left:
        more = f"{words.amount(left, 'more finding')} did not fit here; the other reports have them all"
        lines.append(_command("notice", {"title": "More findings"}, more))
    lines.append(_command("notice", {"title": words.headline(run)}, run.last_line))
    return "\n".join(lines) + "\n"


def _told(run: Run, kind: str, group: Group) -> str:
    finding, place = group.finding, group.finding.location
    properties: dict[str, object] = {}
    if place:
        properties["file"] = in_repository(run, place.path)
        if place.line is not None:
            properties["line"] = place.line
            if place.column is not None:
                properties["col"] = place.column
    properties["title"] = " ".join(filter(None, (finding.rule, finding.apple))) or group.label
    parts = [finding.summary, finding.remedy and f"help: {finding.remedy}", f"on: {where(run, group)}"]
    if finding.waived:
        parts.append(f"waived: {finding.waived}")
    return _command(kind, properties, "\n".join(shown(part, lines=True) for part in parts if part))


def _command(kind: str, properties: dict[str, object], message: str) -> str:
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value != "")
    return f"::{kind} {told}::{_data(clipped(message, _LONGEST))}"


def _data(text: str) -> str:
    """Escaped as actions/runner's ActionCommand reads a message."""
    return encodable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    """Escaped as actions/runner's ActionCommand reads a property."""
    return _data(shown(value)).replace(":", "%3A").replace(",", "%2C")
