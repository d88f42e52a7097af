"""A lane is one app on one platform; a declaration is what `config/` says about it."""

from __future__ import annotations

from enum import StrEnum

from pipeline.values import dataclass


class Platform(StrEnum):
    """Apple's platforms, spelled as App Store Connect spells them."""

    IOS = "IOS"
    MAC_OS = "MAC_OS"
    TV_OS = "TV_OS"
    VISION_OS = "VISION_OS"

    @property
    def label(self) -> str:
        """The name Apple uses in prose: iOS, macOS, tvOS, visionOS."""
        return {"IOS": "iOS", "MAC_OS": "macOS", "TV_OS": "tvOS", "VISION_OS": "visionOS"}[self.value]

    @property
    def sdk(self) -> str:
        """The SDK a device build uses: iphoneos, macosx, appletvos, xros."""
        return {"IOS": "iphoneos", "MAC_OS": "macosx", "TV_OS": "appletvos", "VISION_OS": "xros"}[self.value]


@dataclass(frozen=True)
class Lane:
    """One app on one platform. `project` is the .xcodeproj's path relative to the app's root, with forward slashes.

    `workspace` is the path of the .xcworkspace that the project is built in; "" when it is built on its own.
    """

    name: str
    platform: Platform
    project: str
    target: str
    configuration: str
    scheme: str = ""
    workspace: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Declaration:
    """What `config/` declares about one app on one platform. An empty value means: nothing was declared.

    Where a file declares it, `path` names that file so that findings can point at it.
    """

    app: str = ""
    bundle_id: str = ""
    team_id: str = ""
    version: str = ""
    build: str = ""
    containers: tuple[str, ...] = ()
    schema: str = ""
    tag: str = "v{version}"
    groups: tuple[str, ...] = ()
    path: str = ""
