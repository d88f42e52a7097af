"""Parses each file of an app once for all lanes, and resolves settings for a target in a configuration."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from pipeline.apple.xcode.facts import Problem
from pipeline.apple.xcode.pbxproj import BrokenList, UnreadList
from pipeline.apple.xcode.pbxproj import parse as parse_project
from pipeline.apple.xcode.plists import BrokenPlist, Plist
from pipeline.apple.xcode.plists import parse as parse_plist
from pipeline.apple.xcode.project import Configuration, Project, Target
from pipeline.apple.xcode.schemes import FOLDER, BrokenScheme, Scheme
from pipeline.apple.xcode.schemes import parse as parse_scheme
from pipeline.apple.xcode.settings import Context, Gap, Level, Settings, settings_of
from pipeline.apple.xcode.workspacedata import FILE as CONTENTS
from pipeline.apple.xcode.workspacedata import LIMIT as WORKSPACE_LIMIT
from pipeline.apple.xcode.workspacedata import BrokenWorkspace, WorkspaceData
from pipeline.apple.xcode.workspacedata import parse as parse_workspace
from pipeline.apple.xcode.xcconfig import Assignment, Flaw, load
from pipeline.lazily import cached_property
from pipeline.model import Location
from pipeline.regular import Outside
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.apple.xcode.kept import Kept

T = TypeVar("T")

READ_LIMIT = 32 * 1024 * 1024
PLIST_LIMIT = 4 * 1024 * 1024
"""The largest real property lists of a project have a tenth of it."""
PROJECT_LIMIT = 32 * 1024 * 1024
"""The largest public projects have a fifth of it; reading three quarters of it takes three seconds and 340 MB."""
XCCONFIG_LIMIT = 4 * 1024 * 1024
HEADER_LIMIT = 256 * 1024

DEPLOYMENT = {
    "iphoneos": "IPHONEOS_DEPLOYMENT_TARGET",
    "macosx": "MACOSX_DEPLOYMENT_TARGET",
    "appletvos": "TVOS_DEPLOYMENT_TARGET",
    "watchos": "WATCHOS_DEPLOYMENT_TARGET",
    "xros": "XROS_DEPLOYMENT_TARGET",
}


@dataclass(frozen=True)
class Loaded:
    """A property list as far as it could be read: the list, or what is wrong, or neither when there is no file."""

    plist: Plist | None = None
    problem: Problem | None = None


class Workspace:
    """The app's files as Xcode sees them.

    Args:
        root: the app's root as an absolute path with forward slashes.
        tree: all files, relative to the root.
        read: bytes of a path with at most that many bytes; None when there is no such file; raises OSError or
            ValueError with a reason when it cannot be read.
        record: what an earlier run found over these files; without one everything is found anew.

    """

    def __init__(
        self, root: str, tree: Sequence[str], read: Callable[[str, int], bytes | None], record: Kept | None = None
    ) -> None:
        self.record = record
        self.root = root.rstrip("/")
        self.tree = sorted(tree)
        self._read = read
        self._files = frozenset(tree)
        self._lock = RLock()
        self._cache: dict[tuple[str, ...], object] = {}

    def has(self, path: str) -> bool:
        """Whether there is such a file. Paths that leave the root, or lead through a link, are asked of the disk.

        What lies outside of the checkout is taken to be there: nobody looks, and so nobody can say that it is missing.
        """
        if path in self._files or self.spelled(path) in self._files:
            return True
        if not path.startswith(("..", "/")) and not self._is_behind_a_link(path):
            return False
        try:
            return self._bytes(path, READ_LIMIT) is not None
        except Outside:
            return True
        except (OSError, ValueError):
            return False

    def _is_behind_a_link(self, path: str) -> bool:
        """Whether a folder of it is a link, which the tree tells among the files."""
        folder = posixpath.dirname(path)
        while folder and folder not in self._files:
            folder = folder.rpartition("/")[0]
        return folder != ""

    def is_outside(self, path: str) -> bool:
        """Whether a path leads out of the checkout, so that what it names was not read."""
        try:
            self._bytes(path, READ_LIMIT)
        except Outside:
            return True
        except (OSError, ValueError):
            return False
        return False

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """The bytes of a file; None when there is none or it cannot be read."""
        try:
            return self._bytes(path, limit)
        except (OSError, ValueError):
            return None

    def _bytes(self, path: str, limit: int) -> bytes | None:
        path = path if path in self._files or path.startswith("..") else self.spelled(path)
        return self._read(path, limit)

    def spelled(self, path: str) -> str:
        """The path as the disk spells it: a Mac's disk does not tell capitals from small letters."""
        return path if path in self._files else self._folded.get(path.casefold(), path)

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {path.casefold(): path for path in reversed(self.tree)}

    def relative(self, path: str, folder: str) -> str:
        """A path from a build setting, made relative to the app's root."""
        full = posixpath.normpath(posixpath.join(self.root, folder, path))
        return posixpath.relpath(full, self.root) if self.root else full.lstrip("/")

    def below(self, folder: str) -> Sequence[str]:
        """All files in a folder and its folders; of "." all there are."""
        if folder == ".":
            return self.tree
        # "0" is the character after "/", so it begins what comes after everything in the folder.
        return self.tree[bisect_left(self.tree, f"{folder}/") : bisect_left(self.tree, f"{folder}0")]

    @cached_property
    def project_paths(self) -> tuple[str, ...]:
        """All .xcodeproj folders, except those that dependency managers write."""
        suffix = ".xcodeproj/project.pbxproj"
        return tuple(
            posixpath.dirname(path)
            for path in self.tree
            if path.endswith(suffix) and not any(part in ("Pods", "Build") for part in path.split("/")[:-2])
        )

    def project(self, path: str) -> Project:
        """The parsed project.

        Raises:
            BrokenList: the project file is there and cannot be understood, or is not there at all.

        """

        def parse() -> Project | BrokenList:
            try:
                data = self._bytes(posixpath.join(path, "project.pbxproj"), PROJECT_LIMIT)
                if data is None:
                    return BrokenList("there is no project.pbxproj that can be read")
                return Project(path, parse_project(data))
            except BrokenList as fault:
                return fault
            except (OSError, ValueError) as fault:
                return UnreadList(str(fault))

        found = self.once(("project", path), parse)
        if isinstance(found, BrokenList):
            raise found
        return found

    @cached_property
    def _contents(self) -> tuple[tuple[WorkspaceData, ...], tuple[tuple[str, Problem], ...]]:
        found, broken = [], []
        for path in self.tree:
            folder, _, name = path.rpartition("/")
            if name != CONTENTS or not folder.endswith(".xcworkspace") or _is_others(folder):
                continue
            try:
                found.append(parse_workspace(self.read(path, WORKSPACE_LIMIT) or b"", folder, self.root))
            except BrokenWorkspace as fault:
                place = Location(path, fault.line)
                broken.append((folder, Problem("unreadable", f"the workspace cannot be read: {fault.reason}", place)))
        return tuple(found), tuple(broken)

    @property
    def workspaces(self) -> tuple[WorkspaceData, ...]:
        """The .xcworkspace folders, except those inside projects and packages and those of dependency managers."""
        return self._contents[0]

    @property
    def broken_workspaces(self) -> tuple[tuple[str, Problem], ...]:
        """Those that cannot be read, each with what is wrong."""
        return self._contents[1]

    def schemes(self, project: str) -> tuple[tuple[Scheme, ...], tuple[Problem, ...]]:
        """The shared schemes of a project and of the workspaces that refer to it."""
        return self.once(("schemes", project), lambda: self._schemes(project))

    @cached_property
    def _scheme_paths(self) -> tuple[str, ...]:
        return tuple(path for path in self.tree if path.endswith(".xcscheme") and FOLDER in path)

    def _schemes(self, project: str) -> tuple[tuple[Scheme, ...], tuple[Problem, ...]]:
        found, problems = [], []
        holders = {project, *(one.path for one in self.workspaces if project in one.projects)}
        for path in self._scheme_paths:
            if path[: path.index(FOLDER)] not in holders:
                continue
            try:
                found.append(parse_scheme(self.read(path) or b"", path))
            except BrokenScheme as fault:
                problems.append(
                    Problem("unreadable", f"the scheme cannot be read: {fault}", Location(path, fault.line))
                )
        return tuple(found), tuple(problems)

    def plist(self, path: str) -> Loaded:
        """A property list."""

        def parse() -> Loaded:
            try:
                data = self._bytes(path, PLIST_LIMIT)
            except Outside:
                return _fenced(path)
            except (OSError, ValueError) as fault:
                return Loaded(None, Problem("unreadable", f"cannot be read: {fault}", Location(path)))
            if data is None:
                return Loaded()
            try:
                return Loaded(parse_plist(data))
            except BrokenPlist as fault:
                return Loaded(None, unreadable(path, data, fault.reason, fault.line))

        return self.once(("plist", path), parse)

    def info(self, path: str, settings: Settings) -> Loaded:
        """The source of an Info.plist, after the C preprocessor where the target asks for it."""
        if not settings.flag("INFOPLIST_PREPROCESS"):
            return self.plist(path)
        definitions = settings.text("INFOPLIST_PREPROCESSOR_DEFINITIONS")
        prefix = settings.get("INFOPLIST_PREFIX_HEADER")
        # Of its folder this is relative, as INFOPLIST_FILE is.
        header = self.relative(prefix.text, settings.text("SRCROOT")) if prefix.text else ""
        unsure = bool(prefix.undefined or prefix.hidden)

        def parse() -> Loaded:
            from pipeline.apple.xcode.preprocessor import NotPreprocessed, definitions_of, preprocessed

            try:
                data = self._bytes(path, PLIST_LIMIT)
            except Outside:
                return _fenced(path)
            except (OSError, ValueError):
                return Loaded()
            if data is None:
                return Loaded()
            macros = definitions_of(definitions)
            if header or unsure:
                try:
                    macros |= _macros("" if unsure else header, self.read)
                except NotPreprocessed as fault:
                    # The header is not at fault: a build may write it, and the compiler understands more of it.
                    return Loaded(None, Problem("outside", f"cannot be told: {fault.reason}", Location(path)))
            try:
                text = preprocessed(data.decode("utf-8-sig", "surrogateescape"), macros)
                return Loaded(parse_plist(text.encode("utf-8", "surrogateescape")))
            except (NotPreprocessed, BrokenPlist) as fault:
                text = f"cannot be read as the C preprocessor would leave it: {fault.reason}"
                return Loaded(None, Problem("unreadable", text, Location(path, fault.line)))

        return self.once(("info", path, definitions, header, str(unsure)), parse)

    def xcconfig(self, path: str) -> tuple[tuple[Assignment, ...], tuple[Flaw, ...], bool]:
        """The assignments of a configuration file, what is wrong with it, and whether it is there."""

        def parse() -> tuple[tuple[Assignment, ...], tuple[Flaw, ...], bool]:
            if not self.has(path):
                return (), (), False
            return (*load(path, lambda named: self._bytes(named, XCCONFIG_LIMIT)), True)

        return self.once(("xcconfig", path), parse)

    def settings(  # what settings depend on
        self, project: Project, target: Target, configuration: str, sdk: str, team_id: str = ""
    ) -> Settings:
        """The settings of a target in a configuration for an SDK; "" stands for no SDK in particular.

        `team_id` is a DEVELOPMENT_TEAM given on the command line.
        """
        key = ("settings", project.path, target.identifier, configuration, sdk, team_id)
        return self.once(key, lambda: self._settings(project, target, configuration, sdk, team_id))

    def _settings(  # what settings depend on
        self, project: Project, target: Target, configuration: str, sdk: str, team_id: str
    ) -> Settings:
        levels: list[tuple[Level, tuple[Assignment, ...]]] = []
        gaps: list[Gap] = []
        of_project = project.configuration(configuration)
        of_target = target.configuration(configuration)
        for found, file_level, level in (
            (of_project, Level.PROJECT_FILE, Level.PROJECT),
            (of_target, Level.TARGET_FILE, Level.TARGET),
        ):
            if found is None:
                continue
            if found.base:
                assignments, flaws, there = self.xcconfig(found.base)
                levels.append((file_level, assignments))
                gaps += _gaps(file_level, flaws) if there else [Gap(found.base, file_level)]
            levels.append((level, self.written(found, project)))
        if team_id:
            # As the archive is given it on xcodebuild's command line.
            levels.append((Level.COMMAND, (Assignment("DEVELOPMENT_TEAM", (), team_id, "", None),)))
        defaults = self._defaults(project, target, configuration, sdk)
        return Settings(levels, Context(sdk, configuration), defaults, lambda: self._assigned(project), gaps)

    def _assigned(self, project: Project) -> frozenset[str]:
        """The names that any configuration of the project or of its targets assigns, under whatever condition."""

        def gather() -> frozenset[str]:
            names: set[str] = set()
            for configurations in (project.configurations, *(target.configurations for target in project.targets)):
                for configuration in configurations:
                    names.update(assignment.key for assignment in self.written(configuration, project))
                    if configuration.base:
                        names.update(assignment.key for assignment in self.xcconfig(configuration.base)[0])
            return frozenset(names)

        return self.once(("assigned", project.path), gather)

    def assigned_texts(self, project: Project, keys: Sequence[str]) -> tuple[frozenset[str], bool]:
        """What any configuration of the project or of its targets assigns to some settings, as it is written.

        Also, whether all configuration files are here, so that it is known.
        """
        found: set[str] = set()
        whole = True
        for configurations in (project.configurations, *(target.configurations for target in project.targets)):
            for configuration in configurations:
                base, flaws, there = self.xcconfig(configuration.base) if configuration.base else ((), (), True)
                whole = whole and there and not any(flaw.missing for flaw in flaws)
                found |= {a.value for a in (*base, *self.written(configuration, project)) if a.key in keys}
        return frozenset(found), whole

    def written(self, configuration: Configuration, project: Project) -> tuple[Assignment, ...]:
        """The assignments of a configuration in the project file."""
        key = ("written", project.path, configuration.identifier)
        return self.once(key, lambda: settings_of(configuration.settings, project.file))

    def _defaults(self, project: Project, target: Target, configuration: str, sdk: str) -> dict[str, str]:
        source = posixpath.normpath(posixpath.join(self.root, project.folder))
        return {
            "TARGET_NAME": target.name,
            "TARGETNAME": target.name,
            "PROJECT_NAME": project.name,
            "PROJECT": project.name,
            "SRCROOT": source,
            "SOURCE_ROOT": source,
            "PROJECT_DIR": source,
            "PROJECT_FILE_PATH": posixpath.join(self.root, project.path),
            "CONFIGURATION": configuration,
            "PLATFORM_NAME": sdk,
            "SDK_NAME": sdk,
            "EFFECTIVE_PLATFORM_NAME": f"-{sdk}" if sdk and sdk != "macosx" else "",
            "DEVELOPMENT_LANGUAGE": project.region,
            "PRODUCT_NAME": "$(TARGET_NAME)",
            "FULL_PRODUCT_NAME": "$(WRAPPER_NAME)",
            **_DEFAULTS,
            **_of_product(target.product_type, sdk),
            "CODE_SIGN_STYLE": target.signing_style,
            "TARGETED_DEVICE_FAMILY": _FAMILIES.get(sdk, "1"),
        }

    def kept(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What was made for that key, in this run or in one before, if no file has changed since.

        `key` names everything besides files that it depends on. It is made of plain values and of our own dataclasses;
        Unseen is kept too.
        """
        record = self.record
        return self.once(("kept", *key), make if record is None else lambda: record.recall(key, make))

    def once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What was made for that key; made now when nobody asked before."""
        with self._lock:
            if key not in self._cache:
                self._cache[key] = make()
            return self._cache[key]  # type: ignore[return-value]


def _gaps(level: Level, flaws: Sequence[Flaw]) -> list[Gap]:
    """The files that were not read among those of a configuration file."""
    return [
        Gap(flaw.missing or flaw.optional, level, flaw.after, optional=not flaw.missing)
        for flaw in flaws
        if flaw.missing or flaw.optional
    ]


def _macros(header: str, read: Callable[[str, int], bytes | None]) -> dict[str, str]:
    """The macros of INFOPLIST_PREFIX_HEADER, which is included before the property list.

    Raises:
        NotPreprocessed: the header is not here, or holds more than `#define NAME value` on lines of their own.

    """
    from pipeline.apple.xcode.preprocessor import MACRO_LIMIT, NotPreprocessed

    data = read(header, HEADER_LIMIT) if header else None
    if data is None:
        named = f"INFOPLIST_PREFIX_HEADER names {header}" if header else "what INFOPLIST_PREFIX_HEADER names"
        raise NotPreprocessed(f"{named}{', which' if header else ''} was not found or read in the checkout", 1)
    found: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8-sig", "surrogateescape").splitlines(), 1):
        plain = re.sub(r"/\*.*?\*/|(?:^|(?<=\s))//.*", " ", line).strip()
        if not plain or plain == "#pragma once":
            continue
        match = re.fullmatch(r"#[ \t]*define[ \t]+([A-Za-z_]\w*)(?:[ \t]+(.*))?", plain)
        if not match or plain.endswith("\\") or "//" in plain or "/*" in plain or len(found) >= MACRO_LIMIT:
            raise NotPreprocessed(f"{header}:{number} (INFOPLIST_PREFIX_HEADER) holds more than plain macros", number)
        found[match[1]] = match[2] or ""
    for name, value in found.items():
        if not found.keys().isdisjoint(re.findall(r"\w+", value)):
            raise NotPreprocessed(f"{header} (INFOPLIST_PREFIX_HEADER) makes {name} of other macros", 1)
    return found


def _fenced(path: str) -> Loaded:
    return Loaded(None, Problem("outside", "lies outside of the checkout, and is not read", Location(path)))


_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|={7})(?: |\r?$)", re.MULTILINE)


def unreadable(path: str, data: bytes, reason: str, line: int | None) -> Problem:
    """What is wrong with a file; a merge that somebody did not finish is the cause of whatever else its reader says."""
    if conflict := _CONFLICT.search(data):
        reason, line = "unresolved merge conflict", data.count(b"\n", 0, conflict.start()) + 1
    return Problem("unreadable", f"cannot be read: {reason}", Location(path, line))


def _of_product(product_type: str, sdk: str) -> dict[str, str]:
    """What a product type decides (swift-build: DarwinProductTypes.xcspec, DarwinPackageTypes.xcspec)."""
    wrapper, package = next(
        (held for suffix, held in _PACKAGES.items() if product_type.endswith(suffix) or f"{suffix}." in product_type),
        ("app", "APPL"),
    )
    found = {"WRAPPER_EXTENSION": wrapper, "PRODUCT_BUNDLE_PACKAGE_TYPE": package}
    # swift-build, SWBCore/Settings/Settings.swift 2311.
    if sdk == "watchos" and product_type.endswith(".application"):
        found["INFOPLIST_KEY_WKApplication"] = "YES"
    return found


_PACKAGES = {
    ".system-extension": ("systemextension", "SYSX"),
    ".driver-extension": ("dext", "DEXT"),
    "-extension": ("appex", "XPC!"),
    ".xpc-service": ("xpc", "XPC!"),
    ".framework": ("framework", "FMWK"),
    ".framework.static": ("framework", "FMWK"),
    ".bundle": ("bundle", "BNDL"),
}
"""Wrapper extension and CFBundlePackageType by the end of the product type; "app" and APPL for all others."""
_FAMILIES = {"macosx": "", "appletvos": "3", "xros": "7", "watchos": "4"}
"""TARGETED_DEVICE_FAMILY where a project sets none; 1, the iPhone, for all others."""

_DEFAULTS = {
    "ACTION": "install",
    "AppIdentifierPrefix": "$(DEVELOPMENT_TEAM).",
    "CFBundleIdentifier": "$(PRODUCT_BUNDLE_IDENTIFIER)",
    "CODE_SIGNING_ALLOWED": "YES",
    "CURRENT_ARCH": "arm64",
    "EXECUTABLE_NAME": "$(EXECUTABLE_PREFIX)$(PRODUCT_NAME)$(EXECUTABLE_SUFFIX)",
    "EXECUTABLE_PREFIX": "",
    "EXECUTABLE_SUFFIX": "",
    "GENERATE_INFOPLIST_FILE": "NO",
    "LOCAL_APPS_DIR": "/Applications",
    "PRODUCT_MODULE_NAME": "$(PRODUCT_NAME:c99extidentifier)",
    "TeamIdentifierPrefix": "$(DEVELOPMENT_TEAM).",
    "WRAPPER_NAME": "$(PRODUCT_NAME).$(WRAPPER_EXTENSION)",
}


def _is_others(workspace: str) -> bool:
    """Whether a workspace is part of a project or a package, or written by a dependency manager."""
    return any(part in ("Pods", "Build", ".swiftpm") or part.endswith(".xcodeproj") for part in workspace.split("/"))
