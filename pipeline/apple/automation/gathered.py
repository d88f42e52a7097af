"""What the scan of all files gathers, and the shapes of the identifiers it looks for."""

from __future__ import annotations

import re
from dataclasses import field

from pipeline.apple.automation.facts import (
    Call,
    ExportOptions,
    Exposed,
    Job,
    Named,
)
from pipeline.apple.xcode.facts import Problem
from pipeline.values import dataclass

VARIABLE_KINDS = (
    ("bundle id", re.compile(r"(?:^|_)(?:BUNDLE_ID(?:ENTIFIER)?|APP_IDENTIFIER)(?:_|$)")),
    ("team", re.compile(r"(?:^|_)(?:DEVELOPMENT_TEAM|TEAM_ID)$")),
    ("container", re.compile(r"CONTAINER")),
)
SHAPES = {
    "bundle id": re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+"),
    "team": re.compile(r"[A-Z0-9]{10}"),
    "container": re.compile(r"iCloud\.[A-Za-z0-9.-]+"),
    "profile": re.compile(r"(?![0-9a-fA-F]{8}-[0-9a-fA-F]{4}-).*\S.*"),
}


@dataclass
class Findings:
    """What the scan of all files has gathered so far."""

    files: list[str] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    exposed: list[Exposed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    plans: list[ExportOptions] = field(default_factory=list)
    unfollowed: int = 0


IDENTITIES = frozenset({"bundle id", "team", "profile", "container"})
"""Kinds of names that are compared with what the projects say about themselves."""
