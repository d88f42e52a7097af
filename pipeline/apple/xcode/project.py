"""One .xcodeproj as its targets, configurations and files, without the object graph that Xcode stores them in."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pipeline.apple.xcode.pbxproj import BrokenList, Table
from pipeline.lazily import cached_property
from pipeline.values import dataclass

APPLICATION = "com.apple.product-type.application"
PREFIX = "com.apple.product-type."
WATCH_CONTAINER = "com.apple.product-type.application.watchapp2-container"
MESSAGES_CONTAINER = "com.apple.product-type.application.messages"
EMBEDDED = (
    "com.apple.product-type.app-extension",
    "com.apple.product-type.app-extension.intents-service",
    "com.apple.product-type.app-extension.messages",
    "com.apple.product-type.app-extension.messages-sticker-pack",
    "com.apple.product-type.extensionkit-extension",
    "com.apple.product-type.watchkit2-extension",
    "com.apple.product-type.application.watchapp2",
    "com.apple.product-type.application.on-demand-install-capable",
    "com.apple.product-type.tv-app-extension",
    "com.apple.product-type.messages-extension",
)
"""Product types that travel inside an application and must bear its version."""
TOOL = "com.apple.product-type.tool"
PROGRAMS = (
    APPLICATION,
    TOOL,
    "com.apple.product-type.xpc-service",
    "com.apple.product-type.system-extension",
    "com.apple.product-type.driver-extension",
)
"""Product types that an application may carry as programs of their own."""
FRAMEWORK = "com.apple.product-type.framework"
RESOURCE_BUNDLE = "com.apple.product-type.bundle"

_GROUP_DEPTH = 64
_MEMBERS_LIMIT = 200_000
"""Members of one target that are looked at; the largest real ones have a few thousand."""
_FILTERS = {"iphoneos": "ios", "macosx": "macos", "appletvos": "tvos", "watchos": "watchos", "xros": "xros"}
"""What platform filters call the SDKs (swift-build, SWBCore/PlatformFilter.swift)."""
FRAMEWORKS = "10"
"""dstSubfolderSpec of the folder for frameworks: Xcode's names for folders are numbers."""
_FOLDERS = {"Frameworks": FRAMEWORKS, "PlugIns": "13", "Executables": "6", "Resources": "7", "Wrapper": "1"}
"""Newer projects name the folder (dstSubfolder) instead."""


@dataclass(frozen=True)
class Configuration:
    """A named set of settings. `base` is the xcconfig file's path relative to the app's root; "" when there is none."""

    name: str
    settings: Table
    base: str
    line: int | None
    identifier: str = ""


@dataclass(frozen=True)
class Target:
    """A native target. `configurations` keep the order of the project file.

    `signing_style` is Xcode's old place for it; CODE_SIGN_STYLE wins (swift-build, ProjectModel/Target.swift 608).
    """

    identifier: str
    name: str
    product_type: str
    product_name: str
    configurations: tuple[Configuration, ...]
    default_configuration: str
    line: int | None
    signing_style: str = ""

    def configuration(self, name: str) -> Configuration | None:
        """The configuration of that name."""
        return next((found for found in self.configurations if found.name == name), None)


@dataclass(frozen=True)
class Copied:
    """One thing that a copy phase puts into a target's product.

    `made_by` is the identifier of the target of this project that makes it. Where another project makes it, `container`
    is that project's path and `remote` the identifier of the product there. `folder` is Xcode's number for the folder.
    """

    name: str
    folder: str
    subfolder: str = ""
    made_by: str = ""
    container: str = ""
    remote: str = ""
    line: int | None = None


class Project:
    """A parsed project file. Paths are relative to the app's root.

    Attributes:
        objects: the objects of the file by their identifiers, for what has no word of its own here.

    Raises:
        BrokenList: the objects or the root object are missing.

    """

    def __init__(self, path: str, tree: Table) -> None:
        self.path = path
        self.file = posixpath.join(path, "project.pbxproj")
        self.objects = tree.table("objects")
        self._root = self.objects.table(tree.text("rootObject"))
        if not self.objects or not self._root:
            raise BrokenList("no project object: rootObject names nothing in objects")
        self.name = posixpath.splitext(posixpath.basename(path))[0]
        self.folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), self._root.text("projectDirPath")))
        self.region = self._root.text("developmentRegion") or "en"
        self._resources: dict[tuple[str, str], tuple[tuple[str, int | None], ...]] = {}

    def line(self, identifier: str) -> int | None:
        """Where an object is defined."""
        return self.objects.line(identifier)

    @cached_property
    def doubled(self) -> tuple[tuple[str, int], ...]:
        """Keys that a dictionary of the file has twice, of which the last one counts, and their lines."""
        index = self.objects.index
        return tuple((key, index.at(offset)) for key, offset in index.doubled) if index else ()

    @cached_property
    def flaws(self) -> tuple[tuple[str, int | None], ...]:
        """References without which a target cannot be built, and that lead nowhere; and their lines."""
        found = []
        holders = [("the project", self._root)]
        for identifier in self._root.texts("targets"):
            table = self.objects.table(identifier)
            if not table.text("isa").endswith("Target"):
                found.append((f"the project lists {identifier}, which is no target here", self._root.line("targets")))
                continue
            holders.append((f"the target {table.text('name')}", table))
        for name, table in holders:
            line, listed = table.line("buildConfigurationList"), table.text("buildConfigurationList")
            held = self.objects.table(listed)
            if held.text("isa") != "XCConfigurationList":
                found.append((f"{name} names {listed or 'no list'}, which is no list of configurations", line))
            found += [
                (f"a list of {name} holds {each}, which is no configuration", held.line("buildConfigurations"))
                for each in held.texts("buildConfigurations")
                if self.objects.table(each).text("isa") != "XCBuildConfiguration"
            ]
        return tuple(found)

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """The configurations of the project itself."""
        return self._configurations(self._root.text("buildConfigurationList"))[0]

    def configuration(self, name: str) -> Configuration | None:
        """The project's configuration of that name."""
        return next((found for found in self.configurations if found.name == name), None)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """All targets that make a product."""
        found = []
        attributes = self._root.table("attributes").table("TargetAttributes")
        for identifier in self._root.texts("targets"):
            table = self.objects.table(identifier)
            if table.text("isa") != "PBXNativeTarget":
                continue
            configurations, default = self._configurations(table.text("buildConfigurationList"))
            product = posixpath.basename(self.objects.table(table.text("productReference")).text("path"))
            found.append(
                Target(
                    identifier,
                    table.text("name"),
                    table.text("productType"),
                    product or f"{table.text('productName') or table.text('name')}.app",
                    configurations,
                    default,
                    self.objects.line(identifier),
                    attributes.table(identifier).text("ProvisioningStyle"),
                )
            )
        return tuple(found)

    @cached_property
    def carried(self) -> frozenset[str]:
        """Identifiers of the targets that serve another app: login items, helpers, watch apps."""
        needed = {found.identifier for app in self.applications for found in self.dependencies(app)}
        copied = {
            self.objects.table(build_file).text("fileRef")
            for target in self.targets
            for phase in self._phases(target, "PBXCopyFilesBuildPhase")
            for build_file in phase.texts("files")
        } - {""}
        return frozenset(t.identifier for t in self.targets if t.identifier in needed or self._product(t) in copied)

    def _product(self, target: Target) -> str:
        return self.objects.table(target.identifier).text("productReference")

    def scripts(self, target: Target) -> tuple[str, ...]:
        """The shell scripts that run while the target is built."""
        return tuple(phase.text("shellScript") for phase in self._phases(target, "PBXShellScriptBuildPhase"))

    @property
    def applications(self) -> tuple[Target, ...]:
        """The targets whose product is an app of its own."""
        return tuple(target for target in self.targets if target.product_type == APPLICATION)

    def target(self, name: str) -> Target | None:
        """The target of that name."""
        return next((target for target in self.targets if target.name == name), None)

    def target_of(self, identifier: str) -> Target | None:
        """The target with that identifier, or the one that makes the product with that identifier."""
        return self._by_identifier.get(identifier)

    @cached_property
    def _by_identifier(self) -> dict[str, Target]:
        products = {product: target for target in self.targets if (product := self._product(target))}
        return {**products, **{target.identifier: target for target in self.targets}}

    def copied(self, target: Target, sdk: str = "") -> tuple[Copied, ...]:
        """What the target's copy phases put into its product when it is built for an SDK ("" for all)."""
        found = []
        for phase in self._phases(target, "PBXCopyFilesBuildPhase"):
            for identifier in phase.texts("files"):
                build_file = self.objects.table(identifier)
                if _is_for(build_file, sdk):
                    line = self.objects.line(identifier)
                    folder = phase.text("dstSubfolderSpec") or _FOLDERS.get(phase.text("dstSubfolder"), "")
                    inner = phase.text("dstPath")
                    found.append(self._copied(build_file, folder, inner, line))
        return tuple(found)

    def _copied(self, build_file: Table, folder: str, subfolder: str, line: int | None) -> Copied:
        identifier = build_file.text("fileRef")
        reference = self.objects.table(identifier)
        name = posixpath.basename(reference.text("path")) or reference.text("name")
        if not reference and (product := self.objects.table(build_file.text("productRef"))):
            name = product.text("productName")
        maker = self._by_identifier.get(identifier)
        if reference.text("isa") != "PBXReferenceProxy":
            return Copied(name, folder, subfolder, maker.identifier if maker else "", line=line)
        proxy = self.objects.table(reference.text("remoteRef"))
        container, remote = self.path_of(proxy.text("containerPortal")), proxy.text("remoteGlobalIDString")
        return Copied(name, folder, subfolder, "", container, remote, line)

    def dependencies(self, target: Target, sdk: str = "") -> tuple[Target, ...]:
        """The targets of this project that are built before the target."""
        found = []
        for identifier in self.objects.table(target.identifier).texts("dependencies"):
            table = self.objects.table(identifier)
            named = table.text("target") or self.objects.table(table.text("targetProxy")).text("remoteGlobalIDString")
            dependency = self._by_identifier.get(named)
            if dependency and _is_for(table, sdk):
                found.append(dependency)
        return tuple(found)

    def products(self, target: Target) -> tuple[str, ...]:
        """The names of the Swift package products that the target links."""
        held = self.objects.table(target.identifier).texts("packageProductDependencies")
        names = (self.objects.table(identifier).text("productName") for identifier in held)
        return tuple(name for name in names if name and not name.startswith("plugin:"))

    def resources(self, target: Target, sdk: str = "") -> tuple[str, ...]:
        """Paths of the files and folders that the target copies as resources, by reference."""
        return tuple(dict.fromkeys(path for path, _ in self.placed_resources(target, sdk)))

    def placed_resources(self, target: Target, sdk: str = "") -> tuple[tuple[str, int | None], ...]:
        """Paths of the resources, each with the line of its membership."""
        key = (target.identifier, sdk)
        if key not in self._resources:
            self._resources[key] = self.members(target, "PBXResourcesBuildPhase", sdk)
        return self._resources[key]

    def bundled(self, target: Target, sdk: str = "") -> tuple[Target, ...]:
        """The targets whose products the target has among its resources."""
        files = (
            self.objects.table(identifier)
            for phase in self._phases(target, "PBXResourcesBuildPhase")
            for identifier in phase.texts("files")
        )
        makers = (self._by_identifier.get(each.text("fileRef")) for each in files if _is_for(each, sdk))
        return tuple(maker for maker in makers if maker)

    def compiles(self, target: Target) -> bool:
        """Whether the target has sources, so that its product holds a program. Folders may hold some without a name."""
        phases = self._phases(target, "PBXSourcesBuildPhase")
        synchronized = self.objects.table(target.identifier).texts("fileSystemSynchronizedGroups")
        return bool(synchronized) or any(phase.texts("files") for phase in phases)

    def synchronized(self, target: Target, sdk: str = "") -> tuple[tuple[str, frozenset[str]], ...]:
        """Folders whose files are members without being named (Xcode 16), each with the paths that are left out."""
        found = []
        for identifier in self.objects.table(target.identifier).texts("fileSystemSynchronizedGroups"):
            group = self.objects.table(identifier)
            folder = self.path_of(identifier)
            left_out = {
                posixpath.join(folder, member)
                for exception in group.texts("exceptions")
                if self.objects.table(exception).text("target") == target.identifier
                for member in _left_out(self.objects.table(exception), sdk)
            }
            found.append((folder, frozenset(left_out)))
        # A file of somebody else's folder becomes a member by an exception that names this target.
        own = set(self.objects.table(target.identifier).texts("fileSystemSynchronizedGroups"))
        for identifier, group in self._synchronized_groups:
            if identifier in own:
                continue
            for exception in group.texts("exceptions"):
                table = self.objects.table(exception)
                if table.text("target") == target.identifier:
                    folder = self.path_of(identifier)
                    found.extend((posixpath.join(folder, m), frozenset()) for m in table.texts("membershipExceptions"))
        return tuple(found)

    @cached_property
    def _synchronized_groups(self) -> tuple[tuple[str, Table], ...]:
        return tuple(
            (identifier, group)
            for identifier, group in self.objects.items()
            if isinstance(group, Table) and group.text("isa").startswith("PBXFileSystemSyn") and "exceptions" in group
        )

    def holds(self, target: Target, path: str) -> bool:
        """Whether a file is a resource of the target, by reference or by the folder it lies in."""
        if path in self.resources(target):
            return True
        within = (
            left for folder, left in self.synchronized(target) if folder in (".", path) or path.startswith(f"{folder}/")
        )
        return any(path not in left_out for left_out in within)

    def path_of(self, identifier: str) -> str:
        """The path of a file reference or group, relative to the app's root; "" when it lies in a build product."""
        parts: list[str] = []
        for _ in range(_GROUP_DEPTH):
            table = self.objects.table(identifier)
            tree, path = table.text("sourceTree"), table.text("path")
            if path:
                parts.append(path)
            if tree in ("SOURCE_ROOT", "<absolute>"):
                break
            if tree not in ("<group>", ""):
                return ""
            if identifier not in self._parents:
                break
            identifier = self._parents[identifier]
        return posixpath.normpath(posixpath.join(self.folder, *reversed(parts)))

    @cached_property
    def _parents(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for identifier, table in self.objects.items():
            if isinstance(table, Table) and "children" in table:
                for child in table.texts("children"):
                    found[child] = identifier
        return found

    def _phases(self, target: Target, kind: str) -> list[Table]:
        phases = (self.objects.table(i) for i in self.objects.table(target.identifier).texts("buildPhases"))
        return [phase for phase in phases if phase.text("isa") == kind]

    def members(self, target: Target, kind: str, sdk: str = "") -> tuple[tuple[str, int | None], ...]:
        """Paths of what a target's phases of one kind (PBXSourcesBuildPhase, say) hold, each with its line."""
        found: list[tuple[str, int | None]] = []
        for phase in self._phases(target, kind):
            for identifier in phase.texts("files"):
                build_file = self.objects.table(identifier)
                if not _is_for(build_file, sdk):
                    continue
                line, reference = self.objects.line(identifier), build_file.text("fileRef")
                variants = self.objects.table(reference).texts("children") or (reference,)
                found.extend((path, line) for one in variants if one and (path := self.path_of(one)))
                if len(found) > _MEMBERS_LIMIT:
                    return tuple(found[:_MEMBERS_LIMIT])
        return tuple(found)

    def _configurations(self, list_identifier: str) -> tuple[tuple[Configuration, ...], str]:
        table = self.objects.table(list_identifier)
        found = []
        for identifier in table.texts("buildConfigurations"):
            one = self.objects.table(identifier)
            found.append(
                Configuration(
                    one.text("name"),
                    one.table("buildSettings"),
                    self._base(one),
                    self.objects.line(identifier),
                    identifier,
                )
            )
        return tuple(found), table.text("defaultConfigurationName")

    def _base(self, configuration: Table) -> str:
        if reference := configuration.text("baseConfigurationReference"):
            return self.path_of(reference) if self.objects.table(reference) else ""
        relative = configuration.text("baseConfigurationReferenceRelativePath")
        if not relative:
            return ""
        anchor = configuration.text("baseConfigurationReferenceAnchor")
        folder = self.path_of(anchor) if anchor else self.folder
        return posixpath.normpath(posixpath.join(folder, relative))


def _is_for(table: Table, sdk: str) -> bool:
    """Whether the platform filters of a build file or a dependency let it take part in a build for an SDK."""
    filters = {*table.texts("platformFilter"), *table.texts("platformFilters")}
    return not sdk or not filters or _FILTERS.get(sdk, sdk) in filters


def _left_out(exceptions: Table, sdk: str) -> Iterator[str]:
    """What an exception set takes from its target's own folder: members that are named, or are for other platforms."""
    yield from exceptions.texts("membershipExceptions")
    filtered = exceptions.table("platformFiltersByRelativePath")
    for path in filtered if sdk else ():
        if _FILTERS.get(sdk, sdk) not in filtered.texts(path):
            yield path
