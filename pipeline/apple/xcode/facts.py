"""What can be known of an Xcode project before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pipeline.model import Location
from pipeline.values import dataclass


@dataclass(frozen=True)
class Value:
    """A build setting after expansion, and where it is written. `location` is None for Xcode's own defaults.

    `undefined` names the settings that it refers to and that nothing defines; Xcode takes them for empty.
    """

    text: str = ""
    location: Location | None = None
    undefined: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file of the project.

    `kind` is one of unreadable, duplicate, missing-base, missing-pods, syntax.

    `missing` is the path of the configuration file that is not here.
    """

    kind: str
    text: str
    location: Location | None = None
    missing: str = ""


@dataclass(frozen=True)
class Shadowed:
    """An assignment without effect, because a stronger one says something else."""

    key: str
    text: str
    location: Location
    winner: Value


@dataclass(frozen=True)
class Extension:
    """A bundle that travels inside the app: an app extension, an app clip, a watch app."""

    target: str
    bundle_id: Value
    version: Value
    build: Value
    profile_specifier: Value = Value()


@dataclass(frozen=True)
class TargetSettings:
    """The build settings of the lane's target, in its configuration, for its device SDK.

    `infoplist_file` and `entitlements_file` hold paths relative to the app's root. `bundle_ids` and `team_ids` pair
    each configuration's name with its value. `infoplist_keys` are the INFOPLIST_KEY_ settings that are assigned.
    """

    bundle_id: Value = Value()
    marketing_version: Value = Value()
    build_number: Value = Value()
    team_id: Value = Value()
    code_sign_style: Value = Value()
    code_sign_identity: Value = Value()
    profile_specifier: Value = Value()
    deployment_target: Value = Value()
    product_name: Value = Value()
    product: str = ""
    sdk: str = ""
    infoplist_file: Value = Value()
    infoplist_exists: bool = True
    entitlements_file: Value = Value()
    entitlements_exists: bool = True
    generates_infoplist: bool = False
    device_families: tuple[str, ...] = ()
    app_sandbox: Value = Value()
    app_icon: Value = Value()
    bitcode: Value = Value()
    scheme_shared: bool = True
    bundle_ids: tuple[tuple[str, Value], ...] = ()
    shadowed: tuple[Shadowed, ...] = ()
    infoplist_keys: tuple[tuple[str, Value], ...] = ()
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True)
class Undefined:
    """A key of a property list whose value refers to a setting that nothing defines. `rest` is what it expands to."""

    key: str
    names: tuple[str, ...]
    location: Location | None = None
    rest: str = ""


@dataclass(frozen=True)
class TargetInfo:
    """The Info.plist that the build will hold, as far as the project decides it.

    `places` says where a key was decided; nested ones are written "UIBackgroundModes/0". `path` is the source file;
    "" when the whole of it is generated. `literals` are the texts of the source file before expansion.
    `stamped` names the versions that a script of the target writes into the built file: what stands here does not ship.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    path: str = ""
    literals: Mapping[str, str] = field(default_factory=dict)
    undefined: tuple[Undefined, ...] = ()
    stamped: tuple[str, ...] = ()

    def text(self, key: str) -> str:
        """A string value; "" for anything else."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def place(self, key: str) -> Location | None:
        """Where a key stands, or the nearest thing that contains it, or the file."""
        while key:
            if key in self.places:
                return self.places[key]
            key = key.rpartition("/")[0]
        return Location(self.path) if self.path else None


@dataclass(frozen=True)
class TargetEntitlements:
    """The entitlements that the project asks for; profile and signing decide what is granted.

    `injected` names keys that no file holds and that build settings add.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    path: str = ""
    injected: tuple[str, ...] = ()
    undefined: tuple[Undefined, ...] = ()

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list value; a lone string counts as a list of one."""
        value = self.values.get(key)
        if isinstance(value, str):
            return (value,)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()

    def place(self, key: str) -> Location | None:
        """Where a key stands, or the file."""
        return self.places.get(key) or (Location(self.path) if self.path else None)

    @property
    def containers(self) -> tuple[str, ...]:
        """The CloudKit containers it names."""
        return self.texts("com.apple.developer.icloud-container-identifiers")

    @property
    def cloudkit(self) -> bool:
        """Whether it asks for CloudKit."""
        services = self.texts("com.apple.developer.icloud-services")
        return any(service in ("CloudKit", "CloudKit-Anonymous", "*") for service in services)


@dataclass(frozen=True)
class IconImage:
    """One entry of an icon set. `width`, `height` are in pixels, 0 when the file cannot be read.

    `pointer` says that the checkout holds a Git LFS pointer in place of the picture.
    `alpha` says that there is an alpha channel, `clear` that a pixel near the edge is in fact not opaque.
    """

    idiom: str
    size: str
    scale: str = "1x"
    platform: str = ""
    appearance: str = ""
    filename: str = ""
    line: int | None = None
    exists: bool = False
    width: int = 0
    height: int = 0
    alpha: bool = False
    clear: bool = False
    flaw: str = ""
    pointer: bool = False

    @property
    def pixels(self) -> int:
        """The width that the entry asks for, in pixels; 0 when it cannot be told."""
        try:
            return round(float(self.size.partition("x")[0]) * float(self.scale.removesuffix("x") or 1))
        except ValueError:
            return 0


@dataclass(frozen=True)
class AppIcon:
    """The app icon's source. `path` is its Contents.json or its .icon; `catalogs` is where it was looked for.

    `absent` are catalogs of the target of which nothing is in the checkout.
    """

    name: str = ""
    path: str = ""
    kind: str = ""
    images: tuple[IconImage, ...] = ()
    flaw: str = ""
    catalogs: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrivacyFlaw:
    """One thing that Apple would not accept in a privacy manifest. `apple` is its code."""

    text: str
    apple: str
    line: int | None = None


@dataclass(frozen=True)
class PrivacyManifest:
    """The target's PrivacyInfo.xcprivacy. `strays` are files of that name near the target that are no members of it."""

    path: str = ""
    flaws: tuple[PrivacyFlaw, ...] = ()
    strays: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectProblems:
    """What could not be read, or only in part, on the way to the lane's facts."""

    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class SurveyedTarget:
    """One app target of one project, in the configuration that a release would take."""

    project: str
    target: str
    configuration: str
    platforms: tuple[str, ...]
    bundle_id: Value
    team_id: Value
    rehearsed: bool = False


@dataclass(frozen=True)
class SurveyedContainer:
    """One CloudKit container that an entitlements file names. `targets` are the app targets that use the file."""

    container: str
    location: Location
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unrehearsed:
    """An app that could have been a lane and is none: why, and what would make it one."""

    what: str
    reason: str
    remedy: str
    rival: bool = False
    location: Location | None = None


@dataclass(frozen=True)
class ProjectSurvey:
    """Everything that has to agree across the projects of one app."""

    targets: tuple[SurveyedTarget, ...] = ()
    containers: tuple[SurveyedContainer, ...] = ()
    unrehearsed: tuple[Unrehearsed, ...] = ()
    problems: tuple[Problem, ...] = ()
