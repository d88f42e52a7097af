"""Says which source files make a target: its own, those of the libraries it is built from, and of local packages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from fnmatch import fnmatchcase

from pipeline.apple.sources.conditions import Conditions
from pipeline.apple.sources.packages import FILE, FOLDERS, SIZE_LIMIT, Package, PackageTarget, read_package
from pipeline.apple.sources.scanning import ENDINGS, Module
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.sight import Sight
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Platform
from pipeline.values import dataclass

MOST_FILES = 100_000
MANIFEST = "PrivacyInfo.xcprivacy"
_LIBRARIES = ("com.apple.product-type.library.static", "com.apple.product-type.framework")
_STATIC = "com.apple.product-type.library.static"
_DEBUG = re.compile(r"debug", re.IGNORECASE)
_DEFINED = re.compile(r"-D\s*([A-Za-z_]\w*)")


@dataclass
class Membership:
    """All modules of a lane, and what could not be followed."""

    modules: list[Module] = field(default_factory=list)
    remote: dict[str, None] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    undecided: dict[str, None] = field(default_factory=dict)

    @property
    def packages(self) -> tuple[str, ...]:
        """The names of the local packages, each once."""
        return tuple(dict.fromkeys(module.package for module in self.modules if module.package))


def membership(sight: Sight) -> Membership:
    """What the lane's target is made of."""
    found = Membership()
    packages = _Packages(sight, found)
    seen = {sight.target.identifier}
    pending = [(sight.target, True)]
    while pending:
        target, linked = pending.pop(0)
        settings = sight.settings if target is sight.target else _settings(sight, target)
        _add_target(sight, target, settings, found, linked=linked)
        for product in _products(sight.project, target):
            packages.add(product, linked=linked)
        for dependency in sight.project.dependencies(target, sight.lane.platform.sdk):
            if dependency.identifier not in seen and dependency.product_type in _LIBRARIES:
                seen.add(dependency.identifier)
                static = dependency.product_type == _STATIC or (
                    _settings(sight, dependency).text("MACH_O_TYPE") == "staticlib"
                )
                pending.append((dependency, linked and static))
    return found


def _settings(sight: Sight, target: Target) -> Settings:
    configuration = sight.lane.configuration
    if not target.configuration(configuration):
        configuration = target.default_configuration or configuration
    return sight.workspace.settings(sight.project, target, configuration, sight.lane.platform.sdk, sight.team_id)


def _add_target(sight: Sight, target: Target, settings: Settings, found: Membership, *, linked: bool) -> None:
    kept = []
    left_out = _LeftOut(sight, settings)
    for path, named in _sources(sight.workspace, sight.project, target, sight.lane.platform.sdk):
        if left_out(path):
            continue
        if named and not sight.workspace.has(path):
            if target is sight.target:
                found.absent.append(path)
            continue
        kept.append(path)
    found.modules.append(Module(target.name, tuple(kept), _conditions(sight, settings, found), linked=linked))


def _sources(workspace: Workspace, project: Project, target: Target, sdk: str) -> Iterator[tuple[str, bool]]:
    """The source files of a target, and whether each is named: by reference, else by the folder that it lies in."""
    seen: set[str] = set()
    named = project.members(target, "PBXSourcesBuildPhase", sdk)
    for path, _ in named:
        if path.endswith(ENDINGS) and path not in seen:
            seen.add(path)
            yield path, True
    for folder, excluded in project.synchronized(target, sdk):
        for path in (*workspace.below(folder), *((folder,) if workspace.has(folder) else ())):
            if path.endswith(ENDINGS) and path not in excluded and path not in seen and len(seen) < MOST_FILES:
                seen.add(path)
                if not any(path.startswith(f"{one}/") for one in excluded):
                    yield path, False


class _LeftOut:
    """Whether a release leaves a member out: development assets, and EXCLUDED_SOURCE_FILE_NAMES.

    Source: swift-build, FilesBasedBuildPhaseTaskProducer.swift: development assets are left out of installs, of which
    an archive is one.
    """

    def __init__(self, sight: Sight, settings: Settings) -> None:
        folder = sight.project.folder
        self._folders = tuple(
            sight.workspace.relative(path, folder) for path in _words(settings.text("DEVELOPMENT_ASSET_PATHS"))
        )
        self._excluded = _words(settings.text("EXCLUDED_SOURCE_FILE_NAMES"))
        self._included = _words(settings.text("INCLUDED_SOURCE_FILE_NAMES"))

    def __call__(self, path: str) -> bool:
        if any(path == folder or path.startswith(f"{folder}/") for folder in self._folders):
            return True
        return bool(self._excluded) and _matches(path, self._excluded) and not _matches(path, self._included)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in re.findall(r'"[^"]*"|\'[^\']*\'|\S+', text.replace("\\ ", "\x00")))


def _matches(path: str, patterns: Iterable[str]) -> bool:
    name = posixpath.basename(path)
    return any(fnmatchcase(name, pattern) or fnmatchcase(path, f"*/{pattern}") for pattern in patterns)


def _conditions(sight: Sight, settings: Settings, found: Membership) -> Conditions:
    keys = ("SWIFT_ACTIVE_COMPILATION_CONDITIONS", "OTHER_SWIFT_FLAGS", "GCC_PREPROCESSOR_DEFINITIONS", "OTHER_CFLAGS")
    swift, other, macros, c_flags = (settings.get(key) for key in keys)
    flags = {*swift.text.split(), *_DEFINED.findall(other.text), *_DEFINED.findall(c_flags.text)}
    for macro in macros.text.split():
        name, equals, value = macro.strip("\"'").partition("=")
        if not equals or value.strip("\"'\\") != "0":
            flags.add(name)
    complete = not (swift.undefined or other.undefined) and not _missing_base(sight)
    if not complete:
        found.undecided.setdefault("SWIFT_ACTIVE_COMPILATION_CONDITIONS")
    catalyst = settings.flag("SUPPORTS_MACCATALYST") and sight.lane.platform is Platform.MAC_OS
    return Conditions(sight.lane.platform, frozenset(flags), complete, catalyst)


def _missing_base(sight: Sight) -> bool:
    bases = (holder.configuration(sight.lane.configuration) for holder in (sight.project, sight.target))
    for one in bases:
        if one and one.base:
            _, flaws, there = sight.workspace.xcconfig(one.base)
            if not there or any(flaw.missing for flaw in flaws):
                return True
    return False


@dataclass(frozen=True)
class _Product:
    """A package product that a target links: its name, and the package's folder; None where nobody says it."""

    name: str
    folder: str | None
    remote: bool = False


def _products(project: Project, target: Target) -> Iterator[_Product]:
    objects = project.objects
    holder = objects.table(target.identifier)
    for identifier in holder.texts("packageProductDependencies"):
        table = objects.table(identifier)
        name = table.text("productName")
        if not name or name.startswith("plugin:"):
            continue
        reference = objects.table(table.text("package"))
        kind = reference.text("isa")
        if kind == "XCRemoteSwiftPackageReference":
            yield _Product(name, None, remote=True)
        elif kind == "XCLocalSwiftPackageReference":
            path = reference.text("relativePath") or reference.text("path")
            yield _Product(name, posixpath.normpath(posixpath.join(project.folder, path)))
        else:
            yield _Product(name, None)


class _Packages:
    """Follows package products to the targets of local packages; each target is taken once."""

    def __init__(self, sight: Sight, found: Membership) -> None:
        self._workspace = sight.workspace
        self._platform = sight.lane.platform
        self._found = found
        self._seen: dict[tuple[str, str], bool] = {}
        # Xcode builds packages in its debug configuration when the project's is called so.
        debug = frozenset({"DEBUG"}) if _DEBUG.search(sight.lane.configuration) else frozenset()
        self._flags = frozenset({"SWIFT_PACKAGE", *debug})

    def add(self, product: _Product, *, linked: bool) -> None:
        """Take a product's targets, and all that they depend on."""
        folder = product.folder
        if folder is None and not product.remote:
            folder = self._folder_of(product.name)
        if folder is None or not self._workspace.has(_manifest(folder)):
            self._found.remote.setdefault(product.name)
            return
        package = self._package(folder)
        declared = package.products.get(product.name)
        names = declared.targets if declared else (product.name,)
        for name in names:
            self._take(folder, name, linked=linked and not (declared and declared.dynamic))

    def _package(self, folder: str) -> Package:
        path = _manifest(folder)
        return self._workspace.once(
            ("package", path), lambda: read_package(self._workspace.read(path, SIZE_LIMIT) or b"", folder)
        )

    def _folder_of(self, product: str) -> str | None:
        """The one local package that has such a product; None when there is none, or more than one."""
        folders = self._workspace.once(("package folders",), lambda: tuple(_package_folders(self._workspace)))
        found = [folder for folder in folders if product in self._package(folder).products]
        return found[0] if len(found) == 1 else None

    def _take(self, folder: str, name: str, *, linked: bool) -> None:
        pending = [(folder, name)]
        while pending:
            place = pending.pop(0)
            if place in self._seen:
                continue
            self._seen[place] = linked
            package = self._package(place[0])
            target = package.targets.get(place[1])
            if target is None:
                self._found.remote.setdefault(place[1])
                continue
            if target.kind not in ("target", "executableTarget"):
                continue
            self._found.modules.append(self._module(place[0], package, target, linked=linked))
            for dependency in target.dependencies:
                if dependency.counts(self._platform):
                    pending += self._resolved(place[0], package, dependency.name)

    def _resolved(self, folder: str, package: Package, name: str) -> Iterator[tuple[str, str]]:
        """Where a dependency lies: a target of the package itself, or of a local neighbour; elsewhere otherwise."""
        if name in package.targets:
            yield folder, name
            return
        for path in package.neighbours:
            neighbour = posixpath.normpath(posixpath.join(folder, path))
            if not self._workspace.has(_manifest(neighbour)):
                continue
            product = self._package(neighbour).products.get(name)
            if product:
                yield from ((neighbour, target) for target in product.targets)
                return
        self._found.remote.setdefault(name)

    def _module(self, folder: str, package: Package, target: PackageTarget, *, linked: bool) -> Module:
        place = self._place(folder, target)
        below = self._workspace.below(place) if place else ()
        excluded = tuple(posixpath.normpath(posixpath.join(place, path)) for path in target.exclude)
        only = tuple(
            posixpath.join(place, path.strip("/")) for path in target.sources if path.strip("/.") or path == ""
        )
        files = [path for path in below if not _within(path, excluded)]
        sources = [path for path in files if path.endswith(ENDINGS) and (not only or _within(path, only))]
        manifests = tuple(path for path in files if posixpath.basename(path) == MANIFEST)
        # What the manifest may define under conditions of its own cannot be told.
        complete = ".define" not in package.text and "unsafeFlags" not in package.text
        conditions = Conditions(self._platform, self._flags, complete)
        return Module(target.name, tuple(sources), conditions, package.name, linked, manifests)

    def _place(self, folder: str, target: PackageTarget) -> str:
        if target.path:
            return posixpath.normpath(posixpath.join(folder, target.path))
        for name in FOLDERS:
            place = posixpath.normpath(posixpath.join(folder, name, target.name))
            if self._workspace.below(place):
                return place
        return ""


def _within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _manifest(folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, FILE))


def _package_folders(workspace: Workspace) -> Iterator[str]:
    for path in workspace.tree:
        if posixpath.basename(path) == FILE:
            yield posixpath.dirname(path) or "."
