"""One .xcodeproj as its targets, configurations and files, without the object graph that Xcode stores them in."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cached_property

from pipeline.apple.xcode.pbxproj import BrokenList, Table
from pipeline.values import dataclass

APPLICATION = "com.apple.product-type.application"
EMBEDDED = (
    "com.apple.product-type.app-extension",
    "com.apple.product-type.extensionkit-extension",
    "com.apple.product-type.watchkit2-extension",
    "com.apple.product-type.application.watchapp2",
    "com.apple.product-type.application.on-demand-install-capable",
    "com.apple.product-type.tv-app-extension",
    "com.apple.product-type.messages-extension",
)
"""Product types that travel inside an application and must bear its version."""

_GROUP_DEPTH = 64


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


class Project:
    """A parsed project file. Paths are relative to the app's root.

    Raises:
        BrokenList: the objects or the root object are missing.

    """

    def __init__(self, path: str, tree: Table) -> None:
        self.path = path
        self.file = posixpath.join(path, "project.pbxproj")
        self._objects = tree.table("objects")
        self._root = self._objects.table(tree.text("rootObject"))
        if not self._objects or not self._root:
            raise BrokenList("no project object: rootObject names nothing in objects")
        self.name = posixpath.splitext(posixpath.basename(path))[0]
        self.folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), self._root.text("projectDirPath")))
        self.region = self._root.text("developmentRegion") or "en"

    def line(self, identifier: str) -> int | None:
        """Where an object is defined."""
        return self._objects.line(identifier)

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
            table = self._objects.table(identifier)
            if table.text("isa") != "PBXNativeTarget":
                continue
            configurations, default = self._configurations(table.text("buildConfigurationList"))
            product = posixpath.basename(self._objects.table(table.text("productReference")).text("path"))
            found.append(
                Target(
                    identifier,
                    table.text("name"),
                    table.text("productType"),
                    product or f"{table.text('productName') or table.text('name')}.app",
                    configurations,
                    default,
                    self._objects.line(identifier),
                    attributes.table(identifier).text("ProvisioningStyle"),
                )
            )
        return tuple(found)

    @cached_property
    def carried(self) -> frozenset[str]:
        """Identifiers of the targets that serve another app: login items, helpers, watch apps."""
        needed = {found for app in self.applications for found in self._dependencies(app)}
        copied = {
            self._objects.table(build_file).text("fileRef")
            for target in self.targets
            for phase in self._phases(target, "PBXCopyFilesBuildPhase")
            for build_file in phase.texts("files")
        } - {""}
        return frozenset(t.identifier for t in self.targets if t.identifier in needed or self._product(t) in copied)

    def _dependencies(self, target: Target) -> Iterator[str]:
        for identifier in self._objects.table(target.identifier).texts("dependencies"):
            table = self._objects.table(identifier)
            yield table.text("target") or self._objects.table(table.text("targetProxy")).text("remoteGlobalIDString")

    def _product(self, target: Target) -> str:
        return self._objects.table(target.identifier).text("productReference")

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

    def embedded_in(self, target: Target) -> tuple[Target, ...]:
        """The extensions, app clips and watch apps that the target's product carries."""
        named = {found.identifier: found for found in self.targets}
        products = {self._product(target): target for target in self.targets}
        found: dict[str, Target] = {}
        for identifier in self._dependencies(target):
            dependency = named.get(identifier)
            if dependency and dependency.product_type in EMBEDDED:
                found[dependency.identifier] = dependency
        for phase in self._phases(target, "PBXCopyFilesBuildPhase"):
            for build_file in phase.texts("files"):
                product = products.get(self._objects.table(build_file).text("fileRef"))
                if product and product.product_type in EMBEDDED:
                    found[product.identifier] = product
        return tuple(found.values())

    def resources(self, target: Target) -> tuple[str, ...]:
        """Paths of the files and folders that the target copies as resources, by reference."""
        return self._members(target, "PBXResourcesBuildPhase")

    def synchronized(self, target: Target) -> tuple[tuple[str, frozenset[str]], ...]:
        """Folders whose files are members without being named (Xcode 16), each with the paths that are left out."""
        found = []
        for identifier in self._objects.table(target.identifier).texts("fileSystemSynchronizedGroups"):
            group = self._objects.table(identifier)
            folder = self.path_of(identifier)
            left_out = {
                posixpath.join(folder, member)
                for exception in group.texts("exceptions")
                if self._objects.table(exception).text("target") == target.identifier
                for member in self._objects.table(exception).texts("membershipExceptions")
            }
            found.append((folder, frozenset(left_out)))
        # A file of somebody else's folder becomes a member by an exception that names this target.
        own = set(self._objects.table(target.identifier).texts("fileSystemSynchronizedGroups"))
        for identifier, group in self._synchronized_groups:
            if identifier in own:
                continue
            for exception in group.texts("exceptions"):
                table = self._objects.table(exception)
                if table.text("target") == target.identifier:
                    folder = self.path_of(identifier)
                    found.extend((posixpath.join(folder, m), frozenset()) for m in table.texts("membershipExceptions"))
        return tuple(found)

    @cached_property
    def _synchronized_groups(self) -> tuple[tuple[str, Table], ...]:
        return tuple(
            (identifier, group)
            for identifier, group in self._objects.items()
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
            table = self._objects.table(identifier)
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
        for identifier, table in self._objects.items():
            if isinstance(table, Table) and "children" in table:
                for child in table.texts("children"):
                    found[child] = identifier
        return found

    def _phases(self, target: Target, kind: str) -> list[Table]:
        phases = (self._objects.table(i) for i in self._objects.table(target.identifier).texts("buildPhases"))
        return [phase for phase in phases if phase.text("isa") == kind]

    def _members(self, target: Target, kind: str) -> tuple[str, ...]:
        found: list[str] = []
        for phase in self._phases(target, kind):
            for build_file in phase.texts("files"):
                reference = self._objects.table(build_file).text("fileRef")
                variants = self._objects.table(reference).texts("children") or (reference,)
                found.extend(path for one in variants if one and (path := self.path_of(one)))
        return tuple(found)

    def _configurations(self, list_identifier: str) -> tuple[tuple[Configuration, ...], str]:
        table = self._objects.table(list_identifier)
        found = []
        for identifier in table.texts("buildConfigurations"):
            one = self._objects.table(identifier)
            found.append(
                Configuration(
                    one.text("name"),
                    one.table("buildSettings"),
                    self._base(one),
                    self._objects.line(identifier),
                    identifier,
                )
            )
        return tuple(found), table.text("defaultConfigurationName")

    def _base(self, configuration: Table) -> str:
        if reference := configuration.text("baseConfigurationReference"):
            return self.path_of(reference) if self._objects.table(reference) else ""
        relative = configuration.text("baseConfigurationReferenceRelativePath")
        if not relative:
            return ""
        anchor = configuration.text("baseConfigurationReferenceAnchor")
        folder = self.path_of(anchor) if anchor else self.folder
        return posixpath.normpath(posixpath.join(folder, relative))
