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


@dataclass(frozen=True)
class BuildPolicy:
    """Where a team draws its lines, as `config/` decides; the values here hold where it decides nothing.

    Systems are tuples of numbers, empty for no line. `largest_app` is in megabytes (10^6 bytes) of the .ipa or .pkg,
    `most_frameworks` a count of what the app embeds and loads when it starts; 0 is no line.
    `oldest_ios` is what Apple has announced for spring 2027 (ITMS-90068), `newest_macos` the greatest number of a
    macOS that anybody has heard of.
    """

    oldest_ios: tuple[int, ...] = (15, 0)
    oldest_macos: tuple[int, ...] = ()
    oldest_tvos: tuple[int, ...] = ()
    oldest_visionos: tuple[int, ...] = ()
    newest_macos: tuple[int, ...] = (27,)
    largest_app: int = 0
    most_frameworks: int = 0

    def oldest(self, platform: Platform) -> tuple[int, ...]:
        """The least deployment target on a platform; empty for no line."""
        return {
            Platform.IOS: self.oldest_ios,
            Platform.MAC_OS: self.oldest_macos,
            Platform.TV_OS: self.oldest_tvos,
            Platform.VISION_OS: self.oldest_visionos,
        }[platform]


@dataclass(frozen=True)
class Left:
    """What lies in the checkout and is not judged, and why. `project` is empty for a build product."""

    name: str
    project: str
    why: str


@dataclass(frozen=True)
class Beside:
    """What is judged in one run beside the lanes that are released, and what is left out.

    `related` holds the names of those lanes in `judged` that are other editions of a released app, so that what is
    declared of that holds for them.
    """

    judged: tuple[Lane, ...] = ()
    related: frozenset[str] = frozenset()
    left: tuple[Left, ...] = ()
    products: tuple[Lane, ...] = ()
