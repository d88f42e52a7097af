"""What can be done with a project: archive it, and export the archive for the App Store."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model import Action, Lane, Platform, Risk, late
from pipeline.values import dataclass


@dataclass(frozen=True)
class ArchiveApp(Action):
    """Build an .xcarchive. `team_id`, when given, is passed to xcodebuild and wins over the project's.

    `path` is where the archive shall be, as an absolute path. `workspace`, when given, is opened instead of `project`.
    """

    risk: ClassVar[Risk] = Risk.REVERSIBLE

    project: str
    scheme: str
    configuration: str
    platform: Platform
    bundle_id: str
    version: str
    build: str
    team_id: str = ""
    workspace: str = ""
    path: str = late()

    @classmethod
    def of(
        cls, lane: Lane, *, bundle_id: str, version: str, build: str, team_id: str = "", path: str = ""
    ) -> ArchiveApp:
        """The archive of a lane. A lane without a scheme has the one that Xcode makes up for its target."""
        scheme = lane.scheme or lane.target
        return cls(
            lane.project,
            scheme,
            lane.configuration,
            lane.platform,
            bundle_id,
            version,
            build,
            team_id,
            lane.workspace,
            path,
        )

    @property
    def subject(self) -> str:
        return f"archive {self.bundle_id} {self.platform.label}"

    def describe(self) -> str:
        held = f" of {self.workspace}" if self.workspace else ""
        return f"archive {self.version} ({self.build}) for {self.platform.label} with the scheme {self.scheme}{held}"


@dataclass(frozen=True)
class ExportApp(Action):
    """Export an archive as the package that App Store Connect takes.

    `archive` and `destination` are absolute paths; an empty destination is the folder "export" beside the archive.
    """

    risk: ClassVar[Risk] = Risk.REVERSIBLE

    platform: Platform
    bundle_id: str
    version: str
    build: str
    method: str = "app-store-connect"
    archive: str = late()
    destination: str = late()

    @classmethod
    def of(
        cls, lane: Lane, *, bundle_id: str, version: str, build: str, archive: str = "", destination: str = ""
    ) -> ExportApp:
        """The export of a lane's archive."""
        return cls(lane.platform, bundle_id, version, build, archive=archive, destination=destination)

    @property
    def subject(self) -> str:
        return f"export {self.bundle_id} {self.platform.label}"

    def describe(self) -> str:
        return f"export {self.version} ({self.build}) for {self.platform.label} as {self.method}"
