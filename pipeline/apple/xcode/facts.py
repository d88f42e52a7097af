"""What can be known of an Xcode project before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from pipeline.model import Location
from pipeline.values import dataclass


@dataclass(frozen=True)
class Value:
    """A build setting after expansion, and where it is written. `location` is None for Xcode's own defaults.

    `undefined` names the settings that it refers to and that nothing defines; Xcode takes them for empty. `composed`
    says that it refers to any. `hidden` names the configuration files that were not read and could make it another
    value: what it says here is not known to be what will be built.
    """

    text: str = ""
    location: Location | None = None
    undefined: tuple[str, ...] = ()
    composed: bool = False
    hidden: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file of the project.

    `kind` is one of unreadable, unread, outside, duplicate, missing-base, missing-pods, optional-base, case, syntax.

    `missing` is the path of the configuration file that is not here, `optional` that of one that need not be here.
    `target` is the embedded target it concerns; "" for the lane's own.
    """

    kind: str
    text: str
    location: Location | None = None
    missing: str = ""
    target: str = ""
    optional: str = ""


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
class Catalyst:
    """What the settings make of an iOS app where it is built for Macs: everything is resolved for the SDK of macOS.

    `derives` is DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER, `entitlements` and `info` are the files that count there;
    `unread` names those of "entitlements" and "Info.plist" that could not be read.
    """

    bundle_id: Value = Value()
    derives: Value = Value()
    sandboxed: bool = False
    category: Value = Value()
    entitlements: Value = Value()
    info: Value = Value()
    unread: tuple[str, ...] = ()
    place: Location | None = None


@dataclass(frozen=True)
class TargetSettings:
    """The build settings of a target, in the lane's configuration, for its device SDK.

    `infoplist_file` and `entitlements_file` hold paths relative to the app's root. `bundle_ids` pairs each
    configuration's name with its value. `infoplist_keys` are the INFOPLIST_KEY_ settings that are assigned.
    `packages` are the Swift package products that it links, `build_folder` is CONFIGURATION_BUILD_DIR where the project
    moves it. `architectures` and `excluded_architectures` are ARCHS and EXCLUDED_ARCHS, `embeds_swift` is
    ALWAYS_EMBED_SWIFT_STANDARD_LIBRARIES, `all_icons` ASSETCATALOG_COMPILER_INCLUDE_ALL_APPICON_ASSETS. `place` is
    where the project file defines the target.
    `bundle_ids`, `shadowed` and `extensions` are those of the lane's own target; they are empty for an embedded one, as
    is `catalyst`, which an iOS app has that is built for Macs too.
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
    architectures: Value = Value()
    excluded_architectures: Value = Value()
    embeds_swift: Value = Value()
    alternate_icons: Value = Value()
    all_icons: bool = False
    place: Location | None = None
    packages: tuple[str, ...] = ()
    build_folder: Value = Value()
    catalyst: Catalyst | None = None


@dataclass(frozen=True)
class Undefined:
    """A key of a property list whose value refers to a setting that nothing defines. `rest` is what it expands to.

    `hidden` names the configuration files that were not read and may define it.
    """

    key: str
    names: tuple[str, ...]
    location: Location | None = None
    rest: str = ""
    hidden: tuple[str, ...] = ()


ABSENT, ALL = "", "*"
"""In place of a key: everything that is missing, and everything there is."""


def _hiding(hidden: Mapping[str, tuple[str, ...]], values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    name = key.partition("/")[0]
    found = [*hidden.get(ALL, ())]
    if name not in values:
        found += hidden.get(ABSENT, ())
    found += [file for at, files in hidden.items() if at == key or at.startswith(f"{key}/") for file in files]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class TargetInfo:
    """The Info.plist that the build will hold, as far as the project decides it.

    `places` says where a key was decided; nested ones are written "UIBackgroundModes/0". `path` is the source file;
    "" when the whole of it is generated. `literals` are the texts of the source file before expansion.
    `stamped` names the versions that a script of the target writes into the built file: what stands here does not ship.
    `hidden` names the configuration files that were not read and could make another value of a key; see ABSENT and ALL.
    `lost` are keys that name a launch screen, where no storyboard and no xib of the whole checkout has that name.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    path: str = ""
    literals: Mapping[str, str] = field(default_factory=dict)
    undefined: tuple[Undefined, ...] = ()
    stamped: tuple[str, ...] = ()
    hidden: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def hiding(self, key: str) -> tuple[str, ...]:
        """The files that were not read and could say something else of a key, or of anything in it."""
        return _hiding(self.hidden, self.values, key)

    def text(self, key: str) -> str:
        """A string value; "" for anything else."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def value(self, key: str) -> Value:
        """A string value with its place, and with what could make it another."""
        return Value(self.text(key), self.place(key), hidden=self.hiding(key))

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

    `injected` names keys that no file holds and that build settings add. `prefixed` holds those of the values that use
    `$(AppIdentifierPrefix)`, with it left as it is: the prefix is the profile's to say, and seldom not the team.
    `hidden` names the configuration files that were not read and could make another value of a key; see ABSENT and ALL.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    path: str = ""
    injected: tuple[str, ...] = ()
    undefined: tuple[Undefined, ...] = ()
    prefixed: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def hiding(self, key: str) -> tuple[str, ...]:
        """The files that were not read and could say something else of a key, or of anything in it."""
        return _hiding(self.hidden, self.values, key)

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
    `alpha` says that there is an alpha channel, `clear` that a pixel is in fact not opaque, `undecided` that it was not
    found out: of transparency without a channel (tRNS), and where the picture is cut off.
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
    undecided: bool = False

    @property
    def pixels(self) -> int:
        """The width that the entry asks for, in pixels; 0 when it cannot be told."""
        try:
            return round(float(self.size.partition("x")[0]) * float(self.scale.removesuffix("x") or 1))
        except (ValueError, OverflowError):
            return 0


@dataclass(frozen=True)
class LooseIcon:
    """A file that CFBundleIcons names, without scale and ending. `exists` is False when no file bears that name."""

    name: str
    location: Location | None = None
    exists: bool = True


@dataclass(frozen=True)
class AppIcon:
    """The app icon's source. `path` is its Contents.json or its .icon; `catalogs` is where it was looked for.

    `kind` is icon, appiconset, solidimagestack or brandassets. `absent` are catalogs of the target of which nothing is
    in the checkout. `alternates` are the icons that the app may change to, as its settings name them.
    """

    name: str = ""
    path: str = ""
    kind: str = ""
    images: tuple[IconImage, ...] = ()
    flaw: str = ""
    catalogs: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    alternates: tuple[AppIcon, ...] = ()
    loose: tuple[LooseIcon, ...] = ()


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


class Kind(StrEnum):
    """What travels inside an app."""

    EXTENSION = "app extension"
    WATCH_APP = "watch app"
    WATCH_EXTENSION = "watch extension"
    APP_CLIP = "app clip"
    HELPER = "helper app"
    TOOL = "tool"
    SERVICE = "XPC service"
    SYSTEM_EXTENSION = "system extension"
    FRAMEWORK = "framework"

    @property
    def is_program(self) -> bool:
        """Whether it runs as a process of its own, and so has entitlements of its own."""
        return self is not Kind.FRAMEWORK

    @property
    def is_signed_for_itself(self) -> bool:
        """Whether it needs a profile of its own wherever the app needs one."""
        return self in (Kind.EXTENSION, Kind.WATCH_APP, Kind.WATCH_EXTENSION, Kind.APP_CLIP)


@dataclass(frozen=True)
class Enclosed:
    """A thing that a phase of a target puts into its product. `folder` is "Frameworks" and the like."""

    name: str
    folder: str = ""
    location: Location | None = None


@dataclass(frozen=True)
class Companion:
    """A target whose product travels inside the app: an extension, an app clip, a watch app, a helper, a framework.

    Attributes:
        within: the target whose product carries it.
        sdk: what it is built for; watchos for a watch app inside an iOS app.
        info: its Info.plist, as the build will hold it; empty where `unread` names "Info.plist".
        entitlements: what it asks for; empty where `unread` names "entitlements".
        unread: which of the two are there and could not be read, or are not there.
        enclosed: frameworks and libraries that its own phases put into it.
    """

    target: str = ""
    kind: Kind = Kind.EXTENSION
    within: str = ""
    sdk: str = ""
    settings: TargetSettings = TargetSettings()
    info: TargetInfo = TargetInfo()
    entitlements: TargetEntitlements = TargetEntitlements()
    unread: tuple[str, ...] = ()
    icon: AppIcon = AppIcon()
    manifest: PrivacyManifest = PrivacyManifest()
    enclosed: tuple[Enclosed, ...] = ()

    @property
    def bundle_id(self) -> Value:
        """The bundle identifier, as the Info.plist will say."""
        found = self.info.value("CFBundleIdentifier")
        return found or self.settings.bundle_id


@dataclass(frozen=True)
class ResourceBundle:
    """A bundle of resources, without a program of its own, that a target of the project makes and the app carries."""

    target: str
    info: TargetInfo = TargetInfo()


@dataclass(frozen=True)
class Companions:
    """Everything that travels inside the app, outer bundles first, and what the app's own phases put into it.

    `libraries` are libraries and object files among the resources of the app or of what it carries, `development` what
    serves nobody but developers.
    """

    targets: tuple[Companion, ...] = ()
    bundles: tuple[ResourceBundle, ...] = ()
    libraries: tuple[Enclosed, ...] = ()
    development: tuple[Enclosed, ...] = ()


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
    version: Value = Value()


@dataclass(frozen=True)
class SurveyedContainer:
    """One CloudKit container that an entitlements file names. `targets` are the app targets that release that file."""

    container: str
    location: Location
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdleSettings:
    """Settings of one file that nothing reads, in the order of their lines; `location` is that of the first."""

    location: Location
    names: tuple[str, ...]


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
    """Everything that has to agree across the projects of one app.

    `unused` are property lists of no target, `idle` settings that nothing reads. `provisioning` are the places where
    fastlane names profiles in the project before it builds, each with the action that does; `teams` are
    those where a command gives the build a team, looked for only when a target has none.
    """

    targets: tuple[SurveyedTarget, ...] = ()
    containers: tuple[SurveyedContainer, ...] = ()
    unrehearsed: tuple[Unrehearsed, ...] = ()
    problems: tuple[Problem, ...] = ()
    unused: tuple[str, ...] = ()
    idle: tuple[IdleSettings, ...] = ()
    provisioning: tuple[tuple[str, Location], ...] = ()
    teams: tuple[tuple[str, Location], ...] = ()
