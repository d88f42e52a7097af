"""What can be changed in TestFlight."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model import Action, Platform, Risk, late
from pipeline.values import dataclass


@dataclass(frozen=True)
class AddBuildToGroup(Action):
    """Give a build to an internal group; its testers are told at once. A person can take it away again."""

    risk: ClassVar[Risk] = Risk.GUARDED

    bundle_id: str
    group: str
    version: str
    build: str
    platform: Platform
    build_id: str = late()
    group_id: str = late()

    @property
    def subject(self) -> str:
        """The group, which one release at a time may fill."""
        return f"TestFlight group {self.group} of {self.bundle_id}"

    def describe(self) -> str:
        return f"give build {self.version} ({self.build}) for {self.platform.label} to {self.group}"
