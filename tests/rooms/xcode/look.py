"""Looks at a folder as the engine would: lanes, facts by probes, findings of the room's checks."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.apple.xcode import checks, gateway
from pipeline.apple.xcode.checks import alignment
from pipeline.apple.xcode.discovery import Discovery, discover
from pipeline.apple.xcode.resolved import SettingsQuery
from pipeline.engine.wiring import needs_of, registry_of
from pipeline.model import Beside, BuildPolicy, Declaration, Finding, Lane, Reading
from pipeline.ports.files import Files, LiveFiles

REGISTRY = registry_of([gateway])


def readings(files: LiveFiles, lane: Lane | None, declared: Declaration) -> dict[type, Reading[Any]]:
    """All facts of a lane, or of the app."""
    given_by_config = (declared, Beside(), BuildPolicy())
    found: dict[type, Reading[Any]] = {type(each): Reading.of(each) for each in given_by_config}
    given: dict[type, Any] = {Files: files, Lane: lane, Declaration: declared, SettingsQuery: SettingsQuery()}
    if lane:
        found[Lane] = Reading.of(lane)
    for fact, probe in REGISTRY.probes.items():
        if lane is None and str(probe.scope) != "APP":
            continue
        seen = probe.function(**{need.name: given[need.wanted] for need in probe.needs})
        found[fact] = seen if isinstance(seen, Reading) else Reading.of(seen)
    return found


def judge(module: ModuleType, facts: dict[type, Reading[Any]]) -> list[tuple[str, Finding]]:
    """What the checks of a module say; those that lack a fact are passed over, as the engine does."""
    found = []
    for check in [value for value in vars(module).values() if hasattr(value, "check_mark")]:
        needed = {need.name: facts[need.wanted] for need in needs_of(check)}
        if all(reading.value is not None for reading in needed.values()):
            arguments = {name: reading.value for name, reading in needed.items()}
            found += [(check.check_mark.rule, finding) for finding in check(**arguments)]
    return found


class Look:
    """One folder, looked at once."""

    def __init__(self, root: Path, declared: Declaration | None = None, **options: Any) -> None:
        self.files = LiveFiles(root)
        self.found: Discovery = discover(self.files, **options)
        declared = declared or Declaration()
        self.facts = {lane.name: readings(self.files, lane, declared) for lane in self.found.lanes}
        self.findings = {name: judge(checks, facts) for name, facts in self.facts.items()}
        self.findings[""] = judge(alignment, readings(self.files, None, declared))

    def told(self, lane: str, severity: str = "") -> set[tuple[str, str, int | None]]:
        """(rule, path, line) of the findings of a lane ("" for the app), of one severity or of all."""
        return {
            (
                rule,
                finding.location.path if finding.location else "",
                finding.location.line if finding.location else None,
            )
            for rule, finding in self.findings[lane]
            if not severity or str(finding.severity) == severity
        }

    def value(self, lane: str, fact: type) -> Any:
        """A fact."""
        return self.facts[lane][fact].value
