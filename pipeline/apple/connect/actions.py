"""What can be changed at App Store Connect."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model import Action, Platform, Risk, late
from pipeline.values import dataclass


@dataclass(frozen=True)
class UploadBuild(Action):
    """Put an exported build on App Store Connect. A build number can be used once, so it cannot be undone.

    `path` is the .ipa or .pkg, `sha256` lower-case hex, `size` in bytes; `app_id` is App Store Connect's.
    """

    risk: ClassVar[Risk] = Risk.IRREVERSIBLE

    bundle_id: str
    platform: Platform
    version: str
    build: str
    app_id: str = late()
    path: str = late()
    sha256: str = late()
    size: int = late(0)

    @property
    def subject(self) -> str:
        """The app's builds on one platform: two uploads at once would fight over the build number."""
        return f"builds of {self.bundle_id} for {self.platform.label}"

    def describe(self) -> str:
        return f"upload build {self.version} ({self.build}) for {self.platform.label}"
