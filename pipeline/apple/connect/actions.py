"""What can be changed at App Store Connect."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pipeline.model import Action, Platform, Risk, late
from pipeline.values import dataclass


def builds_of(bundle_id: str, platform: Platform) -> str:
    """The name of an app's builds on one platform, which only one run may change at a time."""
    return f"builds of {bundle_id} for {platform.label}"


@dataclass(frozen=True)
class DiscardUpload(Action):
    """Take away an unfinished upload that stands where ours is to come.

    `begun` is when it was begun, in UTC. It belongs to the promise, so that an approval stands for the upload that was
    read about, and not for one that somebody else began since. `why` says what keeps ours from going on with it.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    bundle_id: str
    platform: Platform
    version: str
    build: str
    begun: str
    upload_id: str = late()
    why: str = late()

    @property
    def subject(self) -> str:
        """The app's builds on one platform, as for an upload."""
        return builds_of(self.bundle_id, self.platform)

    def describe(self) -> str:
        named = f"discard the unfinished upload of build {self.version} ({self.build}) for {self.platform.label}"
        return named + (f", begun {self.begun}" if self.begun else "") + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class UploadBuild(Action):
    """Put an exported build on App Store Connect. A build number can be used once, so it cannot be undone.

    `path` is the .ipa or .pkg, `sha256` lower-case hex, `size` in bytes; `app_id` is App Store Connect's. `artifact` is
    the sha256 once more where the artifact was given by a person: who approves that plan approves this very file.
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
    artifact: str = ""

    @property
    def wider(self) -> tuple[str, ...]:
        return (replace(self, artifact="").promise,) if self.artifact else ()

    @property
    def subject(self) -> str:
        """The app's builds on one platform: two uploads at once would fight over the build number."""
        return builds_of(self.bundle_id, self.platform)

    def describe(self) -> str:
        return f"upload build {self.version} ({self.build}) for {self.platform.label}"
