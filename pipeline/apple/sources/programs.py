"""Brings together what is judged of each program: the app, and every program that travels inside it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.apple.sources.facts import EmbeddedSources, TargetSources
from pipeline.apple.xcode.facts import Companions, Kind, TargetEntitlements, TargetSettings
from pipeline.values import dataclass


@dataclass(frozen=True)
class Program:
    """One program: what its sources use, and what its own entitlements ask for. `label` is "" for the app itself."""

    sources: TargetSources
    entitlements: TargetEntitlements
    settings: TargetSettings
    label: str = ""

    @property
    def file(self) -> str:
        """Where its entitlements are written."""
        return self.entitlements.path or self.settings.entitlements_file.text or "the target's entitlements"

    @property
    def whose(self) -> str:
        """How a finding says that it is about another program than the app."""
        return f" in {self.label}" if self.label else ""


def programs(
    sources: TargetSources,
    entitlements: TargetEntitlements,
    settings: TargetSettings,
    embedded: EmbeddedSources,
    companions: Companions,
) -> Iterator[Program]:
    """The app, then the programs inside it whose entitlements are known."""
    yield Program(sources, entitlements, settings)
    for each in companions.targets:
        if each.kind is not Kind.FRAMEWORK and "entitlements" not in each.unread:
            held = embedded.of(each.target)
            yield Program(held.sources, each.entitlements, each.settings, f"the {each.kind} {each.target}")
