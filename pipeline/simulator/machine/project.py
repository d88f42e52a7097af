"""Reads an Xcode project and works out its build settings, on its own, so that two readers can be compared.

Resolution follows swift-build (Settings.swift, MacroValueAssignmentTable.swift): levels are laid on each other, the
last matching assignment wins, `$(inherited)` is the next one below, and a condition never outranks a later assignment.
"""

from __future__ import annotations

import os
import re
from dataclasses import field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openstep_parser import OpenStepDecoder

from pipeline import regular
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SIZE_LIMIT = 64 * 1024 * 1024
INCLUDE_LIMIT = 256
"""Files that one xcconfig may include, itself and the included ones together."""
EXPANSION_DEPTH = 64
EXPANSION_LIMIT = 20_000
"""Macros that one value may mention, directly and indirectly."""
LENGTH_LIMIT = 1_000_000
APPLICATION = "com.apple.product-type.application"


class BuildError(Exception):
    """Why Xcode would refuse; the message is Xcode's, `code` its exit status."""

    def __init__(self, message: str, code: int = 65) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Sdk:
    """A platform's SDK as Xcode 26.2 (17C52) has it; values as an archive made by that Xcode carries them."""

    name: str
    version: str
    build: str
    label: str
    platform: str
    """As CFBundleSupportedPlatforms spells it."""
    macho_platform: int
    """LC_BUILD_VERSION's platform (mach-o/loader.h)."""
    deployment: str
    """The build setting that holds the lowest supported system."""
    architectures: tuple[str, ...]

    @property
    def canonical(self) -> str:
        """Name with version: iphoneos26.2."""
        return f"{self.name}{self.version}"


SDKS = {
    "iphoneos": Sdk("iphoneos", "26.2", "23C53", "iOS", "iPhoneOS", 2, "IPHONEOS_DEPLOYMENT_TARGET", ("arm64",)),
    "macosx": Sdk("macosx", "26.2", "25C57", "macOS", "MacOSX", 1, "MACOSX_DEPLOYMENT_TARGET", ("x86_64", "arm64")),
    "appletvos": Sdk("appletvos", "26.2", "23K51", "tvOS", "AppleTVOS", 3, "TVOS_DEPLOYMENT_TARGET", ("arm64",)),
    "xros": Sdk("xros", "26.2", "23N301", "visionOS", "XROS", 11, "XROS_DEPLOYMENT_TARGET", ("arm64",)),
}
"""Of tvOS and visionOS the systems' own builds are told: nobody has seen an archive of those."""
_FAMILIES = {"iphoneos": "1", "appletvos": "3", "xros": "7"}
"""TARGETED_DEVICE_FAMILY where a project sets none."""


@dataclass(frozen=True)
class _Assignment:
    conditions: tuple[tuple[str, str], ...]
    value: str


_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_.-]*)((?:\[[^\]]*\])*)$")
_LINE = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_.-]*)((?:\s*\[[^\]]*\])*)\s*=(.*)$")
_INCLUDE = re.compile(r'^\s*#include(\??)\s*"([^"]+)"')


def _conditions(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for bracket in re.findall(r"\[([^\]]*)\]", text):
        for part in bracket.split(","):
            name, _, pattern = part.partition("=")
            found.append((name.strip(), pattern.strip()))
    return tuple(found)


class Settings:
    """Layers of assignments, lowest first, and their values for one SDK and configuration."""

    def __init__(self, sdk: Sdk, configuration: str) -> None:
        self.sdk = sdk
        self.configuration = configuration
        self._stack: dict[str, list[_Assignment]] = {}

    def push(self, values: Mapping[str, Any]) -> None:
        """Lay a pbxproj's buildSettings, or any other mapping, on top."""
        for key in sorted(values):
            match = _KEY.match(key)
            if match:
                self.assign(match[1], _conditions(match[2]), _as_text(values[key]))

    def assign(self, name: str, conditions: tuple[tuple[str, str], ...], value: str) -> None:
        """Lay one assignment on top; one that can never match here is left away."""
        if all(self._holds(kind, pattern) for kind, pattern in conditions):
            self._stack.setdefault(name, []).append(_Assignment(conditions, value))

    def _holds(self, kind: str, pattern: str) -> bool:
        if kind == "sdk":
            return fnmatchcase(self.sdk.canonical, pattern) or fnmatchcase(self.sdk.name, pattern)
        if kind == "config":
            return fnmatchcase(self.configuration, pattern)
        if kind == "arch":
            return fnmatchcase(self.sdk.architectures[-1], pattern)
        if kind == "variant":
            return fnmatchcase("normal", pattern)
        return pattern == "*"

    def names(self) -> list[str]:
        """All settings with a value here, sorted."""
        return sorted(self._stack)

    def __getitem__(self, name: str) -> str:
        return self._fresh()._of(name)  # noqa: SLF001

    def flag(self, name: str) -> bool:
        """Whether a setting is YES."""
        return self[name] == "YES"

    @property
    def signs_manually(self) -> bool:
        """Whether CODE_SIGN_STYLE is Manual; where nothing is said at all, a profile that is named is taken."""
        style = self["CODE_SIGN_STYLE"].lower()
        return style == "manual" or (not style and bool(self["PROVISIONING_PROFILE_SPECIFIER"]))

    def expand(self, text: str) -> str:
        """A text with all its macros replaced."""
        return text if "$" not in text else self._fresh().expanded(text, "")

    def _fresh(self) -> _Evaluation:
        return _Evaluation(self._stack)


class _Evaluation:
    """One evaluation. `_below` tells of each setting on the way how many of its assignments are left for it.

    A setting that is met again stands for its next lower value (swift-build, MacroEvaluationProgram.swift 462-490).
    """

    def __init__(self, stack: Mapping[str, list[_Assignment]]) -> None:
        self._stack = stack
        self._below: dict[str, int] = {}
        self._spent = 0

    def _of(self, name: str) -> str:
        stack = self._stack.get(name, ())
        left = self._below.get(name, len(stack))
        self._spent += 1
        if not left or len(self._below) > EXPANSION_DEPTH or self._spent > EXPANSION_LIMIT:
            return ""
        before = self._below.get(name)
        self._below[name] = left - 1
        value = self.expanded(stack[left - 1].value, name)
        if before is None:
            del self._below[name]
        else:
            self._below[name] = before
        return value

    def expanded(self, text: str, name: str) -> str:
        """The text with its macros replaced; `name` is the setting whose value it is."""
        out: list[str] = []
        at = 0
        while (here := text.find("$", at)) >= 0:
            out.append(text[at:here])
            value, at = self._reference(text, here, name)
            out.append(value)
        joined = "".join([*out, text[at:]])
        return joined if len(joined) <= LENGTH_LIMIT else ""

    def _reference(self, text: str, here: int, name: str) -> tuple[str, int]:
        follower = text[here + 1 : here + 2]
        if follower in _PAIRS:
            end = _closing(text, here + 1)
            if end < 0:
                return text[here:], len(text)
            return self._macro(text[here + 2 : end], name), end + 1
        word = _WORD.match(text, here + 1)
        if word is None:
            return "$", here + (2 if follower == "$" else 1)
        asked, end = word[0], word.end()
        if text.startswith("$(", end):
            more, end = self._reference(text, end, name)
            asked += more
        if asked == "inherited":
            return (self._of(name) if name else ""), end
        return (self._of(asked) if asked in self._stack else f"${asked}"), end

    def _macro(self, inner: str, name: str) -> str:
        asked, *operators = _parted(inner)
        asked = self.expanded(asked, name)
        asked = name if asked in ("inherited", "value") else asked
        value = self._of(asked) if asked else ""
        for operator in operators:
            verb, equals, argument = operator.partition("=")
            value = _operate(value, verb, self.expanded(argument, name) if equals else "")
        return value


_PAIRS = {"(": ")", "{": "}", "[": "]"}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def _closing(text: str, start: int) -> int:
    """Where the bracket at `start` closes; brackets inside count where a dollar sign stands before them."""
    expected = [_PAIRS[text[start]]]
    for at in range(start + 1, len(text)):
        if text[at] == expected[-1]:
            expected.pop()
            if not expected:
                return at
        elif text[at - 1] == "$" and text[at] in _PAIRS:
            expected.append(_PAIRS[text[at]])
    return -1


def _parted(inner: str) -> list[str]:
    """Name and operators: the parts between colons that lie in no reference."""
    parts, at, start = [], 0, 0
    while at < len(inner):
        if inner[at] == "$" and inner[at + 1 : at + 2] in _PAIRS:
            at = max(_closing(inner, at + 1), at)
        elif inner[at] == ":":
            parts.append(inner[start:at])
            start = at + 1
        at += 1
    return [*parts, inner[start:]]


def _operate(value: str, name: str, argument: str) -> str:
    if name == "default":
        return value or argument
    if name == "rfc1034identifier":
        return re.sub(r"^[0-9]|[^A-Za-z0-9-]", "-", value)
    if name in ("c99extidentifier", "identifier"):
        return re.sub(r"^[0-9]|[^A-Za-z0-9_]", "_", value)
    simple: dict[str, Callable[[str], str]] = {
        "lower": str.lower,
        "upper": str.upper,
        "file": lambda text: Path(text).name,
        "dir": lambda text: f"{str(Path(text).parent).rstrip('/')}/",
        "base": lambda text: Path(text).stem,
        "suffix": lambda text: Path(text).suffix,
        "standardizepath": os.path.normpath,
    }
    return simple[name](value) if name in simple else value


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(f'"{item}"' if " " in str(item) else str(item) for item in value)
    return str(value)


def _whole_lines(text: str) -> Iterator[str]:
    """Lines without their comments; one that ends in a backslash goes on in the next."""
    begun = ""
    for line in text.splitlines():
        whole = f"{begun}{line.split('//', 1)[0].rstrip()}"
        begun = f"{whole[:-1].rstrip()} " if whole.endswith("\\") else ""
        if not begun:
            yield whole
    yield begun


def _xcconfig(path: Path, settings: Settings, read: Callable[[Path], bytes], opened: list[Path] | None = None) -> None:
    opened = [] if opened is None else opened
    if len(opened) >= INCLUDE_LIMIT:
        return
    opened.append(path)
    try:
        text = read(path).decode("utf-8", "replace")
    except OSError:
        return
    for line in _whole_lines(text):
        included = _INCLUDE.match(line)
        if included:
            _xcconfig(path.parent / included[2], settings, read, opened)
            continue
        match = _LINE.match(line)
        if match:
            value = match[3].strip().removesuffix(";").rstrip()
            settings.assign(match[1], _conditions(match[2]), value)


@dataclass
class Target:
    """One native target of a project."""

    project: Project
    identifier: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in Xcode."""
        return str(self.values.get("name", ""))

    @property
    def product_type(self) -> str:
        """com.apple.product-type.application and the like."""
        return str(self.values.get("productType", ""))

    @property
    def configurations(self) -> list[str]:
        """Names of its build configurations."""
        return [str(c.get("name", "")) for c in self.project.configurations_of(self.values)]

    def settings(
        self, sdk: Sdk, configuration: str, overrides: Mapping[str, str], xcconfig: Path | None = None
    ) -> Settings:
        """Its settings, with `overrides` and `xcconfig` as given on xcodebuild's command line.

        Raises:
            BuildError: neither project nor target has that configuration.
        """
        settings = Settings(sdk, configuration)
        settings.push(self._defaults(sdk, configuration))
        for level in (self.project.root, self.values):
            for candidate in self.project.configurations_of(level):
                if candidate.get("name") == configuration:
                    base = self.project.base_configuration(candidate)
                    if base:
                        _xcconfig(base, settings, self.project.fence.read)
                    settings.push(_mapping(candidate.get("buildSettings")))
                    break
            else:
                raise BuildError(
                    f'xcodebuild: error: The project named "{self.project.name}" does not contain a build configuration'
                    f' named "{configuration}".',
                )
        if xcconfig:
            _xcconfig(xcconfig, settings, regular.read)
        settings.push(overrides)
        # The destination decides the platform, whatever SDKROOT says: `auto` in particular.
        settings.push({"SDKROOT": sdk.name})
        return settings

    def _defaults(self, sdk: Sdk, configuration: str) -> dict[str, str]:
        mac = sdk.name == "macosx"
        wrapper = "$(WRAPPER_NAME)"
        return {
            "ARCHS": " ".join(sdk.architectures),
            "AppIdentifierPrefix": "$(DEVELOPMENT_TEAM).",
            "CFBundleIdentifier": "$(PRODUCT_BUNDLE_IDENTIFIER)",
            "CODE_SIGN_IDENTITY": "Apple Development",
            "CODE_SIGN_STYLE": self.project.signing_style(self.identifier),
            "CODE_SIGNING_ALLOWED": "YES",
            "CONFIGURATION": configuration,
            "CONTENTS_FOLDER_PATH": f"{wrapper}/Contents" if mac else wrapper,
            "DEVELOPMENT_LANGUAGE": self.project.region,
            "EFFECTIVE_PLATFORM_NAME": "" if mac else f"-{sdk.name}",
            "EXECUTABLE_NAME": "$(EXECUTABLE_PREFIX)$(PRODUCT_NAME)$(EXECUTABLE_SUFFIX)",
            "FULL_PRODUCT_NAME": wrapper,
            "INSTALL_PATH": "$(LOCAL_APPS_DIR)",
            "LOCAL_APPS_DIR": "/Applications",
            "PLATFORM_NAME": sdk.name,
            "PRODUCT_BUNDLE_PACKAGE_TYPE": "APPL",
            "PRODUCT_MODULE_NAME": "$(PRODUCT_NAME:c99extidentifier)",
            "PRODUCT_NAME": "$(TARGET_NAME)",
            "PROJECT_DIR": str(self.project.folder),
            "PROJECT_NAME": self.project.name,
            "SDKROOT": sdk.name,
            "SDK_NAME": sdk.canonical,
            "SDK_VERSION": sdk.version,
            "SKIP_INSTALL": "NO",
            "SRCROOT": str(self.project.folder),
            "SUPPORTED_PLATFORMS": "",
            "TARGETED_DEVICE_FAMILY": _FAMILIES.get(sdk.name, ""),
            "TARGET_NAME": self.name,
            "TeamIdentifierPrefix": "$(DEVELOPMENT_TEAM).",
            "WRAPPER_EXTENSION": "app",
            "WRAPPER_NAME": "$(WRAPPER_PREFIX)$(PRODUCT_NAME).$(WRAPPER_EXTENSION)",
            **{known.deployment: known.version for known in SDKS.values()},
        }

    def platforms(self, configuration: str) -> list[str]:
        """Names of the SDKs, among those this Xcode has, that the target is built for."""
        plain = self.settings(SDKS["iphoneos"], configuration, {})
        declared = plain["SUPPORTED_PLATFORMS"].split()
        if declared:
            return [name for name in SDKS if name in declared]
        root = self._sdk_root(configuration).rstrip("0123456789.")
        return [name for name in SDKS if name == root] if root != "auto" else list(SDKS)

    def _sdk_root(self, configuration: str) -> str:
        found = "macosx"
        for level in (self.project.root, self.values):
            for candidate in self.project.configurations_of(level):
                if candidate.get("name") == configuration:
                    base = self.project.base_configuration(candidate)
                    probe = Settings(SDKS["macosx"], configuration)
                    if base:
                        _xcconfig(base, probe, self.project.fence.read)
                    probe.push(_mapping(candidate.get("buildSettings")))
                    found = probe["SDKROOT"] or found
        return found

    def members(self) -> Iterator[Path]:
        """Files that its resource phases and synchronized folders hold; sources and packages are left out."""
        project = self.project
        for phase in project.objects_of(self.values.get("buildPhases")):
            if phase.get("isa") != "PBXResourcesBuildPhase":
                continue
            for build_file in project.objects_of(phase.get("files")):
                yield from project.files_of(str(build_file.get("fileRef", "")))
        for identifier in _texts(self.values.get("fileSystemSynchronizedGroups")):
            yield from project.synchronized(identifier, self.identifier)


@dataclass
class Project:
    """An .xcodeproj.

    Args:
        path: the .xcodeproj folder.
        within: the app's root, outside of whose checkout nothing is read; "" for the folder that holds the project.

    Raises:
        BuildError: it is missing or unreadable, in xcodebuild's words.
    """

    path: Path
    within: str = ""
    _cache: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        file = self.path / "project.pbxproj"
        try:
            if file.stat().st_size > SIZE_LIMIT:
                raise BuildError(self._unreadable("The file is too large."), 74)
            text = self.fence.read(file.absolute()).decode("utf-8", "replace")
        except OSError:
            if not self.path.exists():
                raise BuildError(f"xcodebuild: error: '{self.path}' does not exist.", 66) from None
            raise BuildError(self._unreadable("The project file cannot be read."), 74) from None
        try:
            document = OpenStepDecoder.ParseFromString(text)
            self.objects: dict[str, Any] = document["objects"]
            self.root: dict[str, Any] = self.objects[document["rootObject"]]
        except Exception:  # noqa: BLE001  # openstep_parser raises plain Exception
            damaged = f"The project ‘{self.name}’ is damaged and cannot be opened."
            reason = f"{damaged} Examine the project file for invalid edits."
            raise BuildError(self._unreadable(reason), 74) from None

    def _unreadable(self, reason: str) -> str:
        where = f"'{self.path.name}' from folder '{self.folder}'"
        return f"xcodebuild: error: Unable to read project {where}.\n\tReason: {reason}"

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    @cached_property
    def fence(self) -> regular.Fence:
        """The bounds of the checkout."""
        return regular.Fence(str(Path(self.within or self.folder).absolute()))

    @property
    def folder(self) -> Path:
        """SRCROOT."""
        return self.path.parent

    @property
    def region(self) -> str:
        """The development language."""
        return str(self.root.get("developmentRegion", "en"))

    @cached_property
    def targets(self) -> list[Target]:
        """Its native targets, in Xcode's order."""
        found = []
        for identifier in _texts(self.root.get("targets")):
            values = _mapping(self.objects.get(identifier))
            if values.get("isa") == "PBXNativeTarget":
                found.append(Target(self, identifier, values))
        return found

    @property
    def configurations(self) -> list[str]:
        """Names of the project's build configurations."""
        return [str(c.get("name", "")) for c in self.configurations_of(self.root)]

    @cached_property
    def schemes(self) -> dict[str, tuple[str, str]]:
        """Scheme name -> (identifier of the target that it archives, its archive configuration).

        Shared and personal scheme files; every target without one of them has the scheme that Xcode makes by itself.
        """
        found: dict[str, tuple[str, str]] = {}
        for pattern in ("xcshareddata/xcschemes/*.xcscheme", "xcuserdata/*/xcschemes/*.xcscheme"):
            for path in sorted(self.path.glob(pattern)):
                references, configuration = scheme_of(path, self.fence.read)
                found.setdefault(path.stem, (self._released([each for each, _ in references]), configuration))
        served = {identifier for identifier, _ in found.values()}
        for target in self.targets:
            if target.identifier not in served and "bundle.u" not in target.product_type:
                found.setdefault(target.name, (target.identifier, "Release"))
        return found

    def _released(self, identifiers: list[str]) -> str:
        """Of everything that a scheme archives, the target that the archive is named for: the app."""
        applications = {t.identifier for t in self.targets if t.product_type == APPLICATION}
        return next((i for i in identifiers if i in applications), identifiers[0] if identifiers else "")

    def signing_style(self, identifier: str) -> str:
        """Where Xcode 8 wrote a target's style of signing; CODE_SIGN_STYLE wins over it."""
        attributes = _mapping(_mapping(self.root.get("attributes")).get("TargetAttributes"))
        return str(_mapping(attributes.get(identifier)).get("ProvisioningStyle", ""))

    def configurations_of(self, owner: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The build configurations of the project or of a target."""
        listing = _mapping(self.objects.get(str(owner.get("buildConfigurationList", ""))))
        return self.objects_of(listing.get("buildConfigurations"))

    def objects_of(self, identifiers: object) -> list[Mapping[str, Any]]:
        """The objects behind a list of identifiers; those that are missing are left out."""
        return [_mapping(self.objects[i]) for i in _texts(identifiers) if i in self.objects]

    def base_configuration(self, configuration: Mapping[str, Any]) -> Path | None:
        """The xcconfig file that a configuration is based on."""
        anchor = configuration.get("baseConfigurationReferenceAnchor")
        if anchor:
            folder = self.location(str(anchor))
            relative = configuration.get("baseConfigurationReferenceRelativePath")
            return folder / str(relative) if folder and relative else None
        reference = configuration.get("baseConfigurationReference")
        return self.location(str(reference)) if reference else None

    def location(self, identifier: str) -> Path | None:
        """Where a file reference or group lies; None when it is no place in the source tree."""
        return self._location(identifier, 0)

    def _location(self, identifier: str, depth: int) -> Path | None:
        node = _mapping(self.objects.get(identifier))
        if not node or depth > EXPANSION_DEPTH:
            return None
        path = str(node.get("path", ""))
        tree = node.get("sourceTree", "<group>")
        if tree == "<absolute>":
            return Path(path)
        if tree == "SOURCE_ROOT":
            return self.folder / path
        if tree != "<group>":
            return None
        parent = self._parents.get(identifier)
        if parent is None:
            return self.folder / str(self.root.get("projectDirPath", "")) / path
        above = self._location(parent, depth + 1)
        return above / path if above else None

    @cached_property
    def _parents(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for identifier, node in self.objects.items():
            for child in _texts(_mapping(node).get("children")):
                found[child] = identifier
        return found

    def files_of(self, identifier: str) -> Iterator[Path]:
        """The file behind a reference, or the files of a variant group (one per language)."""
        node = _mapping(self.objects.get(identifier))
        if node.get("isa") == "PBXVariantGroup":
            for child in _texts(node.get("children")):
                yield from self.files_of(child)
            return
        place = self.location(identifier)
        if place is not None:
            yield place

    def synchronized(self, identifier: str, target: str) -> Iterator[Path]:
        """Files of a folder that Xcode 16 keeps in step with the disk, without those that `target` excepts."""
        folder = self.location(identifier)
        if folder is None or not folder.is_dir():
            return
        excepted = set()
        for exception in self.objects_of(_mapping(self.objects.get(identifier)).get("exceptions")):
            if exception.get("target") == target:
                excepted |= set(_texts(exception.get("membershipExceptions")))
        yield from _walk(folder, folder, excepted)


_BUNDLES = (".xcassets", ".bundle", ".framework", ".xcframework", ".icon", ".xcdatamodeld", ".docc")


def _walk(folder: Path, root: Path, excepted: set[str]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or str(entry.relative_to(root)) in excepted:
            continue
        if entry.is_symlink() and entry.is_dir():
            continue  # a link may lead back to where it lies
        if entry.is_dir() and entry.suffix not in _BUNDLES:
            yield from _walk(entry, root, excepted)
        else:
            yield entry


def scheme_of(path: Path, read: Callable[[Path], bytes] = regular.read) -> tuple[list[tuple[str, str]], str]:
    """What a scheme archives, in its order, and its archive configuration.

    Each target is told by its identifier and by the path of its project, relative to the folder that holds the
    project or workspace of the scheme.
    """
    text = read(path).decode("utf-8", "replace")
    archived: list[tuple[str, str]] = []
    for entry in re.findall(r"<BuildActionEntry\b(.*?)</BuildActionEntry>", text, re.DOTALL):
        reference = re.search(r'BlueprintIdentifier\s*=\s*"([^"]*)"', entry)
        if reference and 'buildForArchiving = "NO"' not in entry:
            container = re.search(r'ReferencedContainer\s*=\s*"container:([^"]*)"', entry)
            archived.append((reference[1], container[1] if container else ""))
    configuration = re.search(r'<ArchiveAction\b[^>]*?buildConfiguration\s*=\s*"([^"]*)"', text, re.DOTALL)
    return archived, configuration[1] if configuration else "Release"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
