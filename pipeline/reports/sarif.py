"""Findings as SARIF 2.1.0 (OASIS), for GitHub code scanning and editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline.model.actions import Outcome, digest
from pipeline.model.errors import EXIT_BLOCKED, EXIT_CLEAN
from pipeline.model.findings import Severity
from pipeline.model.readings import Source
from pipeline.reports import words
from pipeline.reports.checkout import in_repository
from pipeline.reports.groups import Group, grouped, where
from pipeline.reports.text import clipped, encodable, shown

if TYPE_CHECKING:
    from pipeline.model.findings import Location
    from pipeline.model.run import Run

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RULE_PAGE = "docs/rules/{rule}.md"
PUBLISHED = ""
"""The address under which RULE_PAGE can be read on the web. SARIF 3.49.12 wants helpUri absolute: none without it."""
ROOT = "%SRCROOT%"

LEVEL = {Severity.NOTE: "note", Severity.WARNING: "warning", Severity.UNKNOWN: "warning", Severity.ERROR: "error"}
"""UNKNOWN keeps the kind "fail": any other kind demands the level "none" (SARIF 3.27.10), which hosts do not show."""

_NOWHERE = "no file belongs to this finding"
_LONGEST = 2000


def render(run: Run) -> str:
    """One SARIF run; the last property of its property bag says how much was judged, and on what."""
    groups = grouped(run)
    rules = _rules(run, groups)
    order = {rule["id"]: number for number, rule in enumerate(rules)}
    told: dict[str, Any] = {
        "tool": {
            "driver": {"name": "apple-release-pipeline", "rules": rules},
        },
        "automationDetails": {"id": f"release/{_said(run.app)}/"},
        "invocations": [_invocation(run)],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The repository's root folder."}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(run, group, order[_rule(group)]) for group in groups],
        "properties": {
            "theatre": words.theatre(run),
            "passed": words.tone(run) is words.Tone.CLEAN,
            "verdict": words.verdict(run),
            "basis": run.last_line,
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [told]}, indent=2, ensure_ascii=False) + "\n"


def _rule(group: Group) -> str:
    return _said(group.finding.rule) or "unnamed"


def _rules(run: Run, groups: tuple[Group, ...]) -> list[dict[str, Any]]:
    titles = {_said(judgement.rule): _said(judgement.title) for judgement in run.judgements}
    for group in groups:
        titles.setdefault(_rule(group), "")
    return [_described(rule, title) for rule, title in sorted(titles.items()) if rule]


def _described(rule: str, title: str) -> dict[str, Any]:
    page = RULE_PAGE.format(rule=rule)
    told: dict[str, Any] = {"id": rule, "shortDescription": {"text": title or rule}}
    if PUBLISHED:
        told["helpUri"] = f"{PUBLISHED}/{_uri(page)}"
    return {**told, "help": {"text": f"See {page}."}}


def _result(run: Run, group: Group, index: int) -> dict[str, Any]:
    finding = group.finding
    remedy = f"\n\nRemedy: {finding.remedy}" if finding.remedy else ""
    told: dict[str, Any] = {
        "ruleId": _rule(group),
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "message": {"text": _said(f"{finding.summary}{remedy}", lines=True) or _rule(group)},
        "locations": [_location(run, finding.location, finding.subject)],
        "partialFingerprints": {"pipelineFinding/v1": _fingerprint(group)},
        "properties": {
            "severity": finding.severity,
            "source": finding.source,
            "subject": _said(finding.subject),
            "apple": _said(finding.apple),
            "on": where(run, group),
        },
    }
    if finding.waived:
        told["suppressions"] = [
            {"kind": "external", "state": "accepted", "justification": _said(finding.waived, lines=True)}
        ]
    return told


def _location(run: Run, place: Location | None, subject: str) -> dict[str, Any]:
    physical: dict[str, Any] = {
        "artifactLocation": {
            "uri": _uri(in_repository(run, place.path) if place else _NOWHERE),
            "uriBaseId": ROOT,
        }
    }
    if place and place.line is not None and place.line > 0:
        physical["region"] = region = {"startLine": place.line}
        if place.column is not None and place.column > 0:
            region["startColumn"] = place.column
        if place.excerpt:
            physical["region"]["snippet"] = {"text": _said(place.excerpt)}
    told: dict[str, Any] = {"physicalLocation": physical}
    if subject:
        told["logicalLocations"] = [{"name": _said(subject)}]
    return told


def _invocation(run: Run) -> dict[str, Any]:
    told: dict[str, Any] = {"executionSuccessful": run.exit_code in (EXIT_CLEAN, EXIT_BLOCKED)}
    if run.exit_code is not None:
        told["exitCode"] = run.exit_code
        told["exitCodeDescription"] = words.verdict(run)
    for name, at in (("startTimeUtc", run.began), ("endTimeUtc", run.ended)):
        if at is not None and at.tzinfo is not None:
            told[name] = words.utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")
    told["toolExecutionNotifications"] = [
        {"level": "error", "message": {"text": _said(f"{step.name}: {action.describe}: {action.error}", lines=True)}}
        for step in run.steps
        for action in step.actions
        if action.outcome in (Outcome.FAILED, Outcome.UNCERTAIN)
    ]
    told["toolConfigurationNotifications"] = [
        {"level": "warning", "message": {"text": _said(f"{step.name}: {told.rule} was not judged: {told.why}")}}
        for step in run.steps
        for told in step.judgements
        if told.source is Source.UNKNOWN
    ]
    return told


def _fingerprint(group: Group) -> str:
    """Stays the same when lines move: made of what was found and in which file, not of where in the file."""
    finding = group.finding
    place = finding.location
    told = (finding.rule, finding.subject, place.path if place else "", finding.summary)
    return digest([encodable(text) for text in told])[:32]


def _said(text: str, *, lines: bool = False) -> str:
    return clipped(shown(text, lines=lines), _LONGEST)


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(encodable(path), safe="/")
