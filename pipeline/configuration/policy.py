"""Policy on findings: severities that `config/` decides, and waivers with a reason and a last day.

A waiver that has run out is a finding of its own (PLCY001); here it only stops to waive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.model import Finding, Severity

if TYPE_CHECKING:
    from datetime import date

    from pipeline.configuration.settings import PolicySettings, Waiver


def policy_of(settings: PolicySettings, today: Callable[[], date]) -> Callable[[Finding], Finding]:
    """The function that the engine applies to every finding. An expired waiver waives nothing and says so."""

    def applied(finding: Finding) -> Finding:
        severity = settings.severity.get(finding.rule)
        if severity and finding.severity is not Severity.UNKNOWN:
            finding = replace(finding, severity=Severity(severity))
        for waiver in settings.waivers:
            if _covers(waiver, finding):
                if waiver.until >= today():
                    return replace(finding, waived=f"{waiver.reason} (until {waiver.until})")
                finding = replace(finding, summary=f"{finding.summary} (its waiver ran out on {waiver.until})")
        return finding

    return applied


def _covers(waiver: Waiver, finding: Finding) -> bool:
    path = finding.location.path if finding.location else ""
    return (
        waiver.rule == finding.rule
        and (not waiver.subject or fnmatchcase(finding.subject, waiver.subject))
        and (not waiver.path or fnmatchcase(path, waiver.path))
    )
