"""Writes small projects with sources for tests, and looks at them as the engine would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.apple.sources import gateway
from pipeline.apple.sources.facts import DeclaredReasons, TargetSources
from pipeline.model import Declaration, Lane, Platform
from pipeline.ports.files import LiveFiles
from tests.rooms.xcode.make import quoted, write

SETTINGS = {"PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}


def app(
    root: Path,
    files: Mapping[str, str],
    *,
    members: Mapping[str, tuple[str, ...]] | None = None,
    folders: Mapping[str, tuple[str, ...]] | None = None,
    settings: Mapping[str, str] | None = None,
    packages: Mapping[str, str] | None = None,
    library: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """A project App.xcodeproj whose target App compiles `members` (paths with the platforms that they are for).

    `folders` are synchronized, with what is left out; `packages` maps products to the folders of local packages, or
    to "" for remote ones; `library` are the members of a static library that App depends on.
    """
    objects: list[str] = []

    def phase(identifier: str, paths: Mapping[str, tuple[str, ...]]) -> None:
        for number, (path, only) in enumerate(paths.items()):
            filters = f"platformFilters = ({','.join(only)});" if only else ""
            objects.append(
                f"{identifier}F{number} = {{isa = PBXFileReference; path = {quoted(path)}; sourceTree = SOURCE_ROOT;}};"
                f"{identifier}B{number} = {{isa = PBXBuildFile; fileRef = {identifier}F{number}; {filters}}};"
            )
        listed = "".join(f"{identifier}B{number}," for number in range(len(paths)))
        objects.append(f"{identifier} = {{isa = PBXSourcesBuildPhase; files = ({listed});}};")

    phase("S", members or {})
    for number, (folder, left_out) in enumerate((folders or {}).items()):
        named = "".join(f"{quoted(path)}," for path in left_out)
        objects.append(
            f"G{number} = {{isa = PBXFileSystemSynchronizedRootGroup; path = {quoted(folder)}; exceptions = (E{number}); "
            f'sourceTree = "<group>";}}; E{number} = {{isa = PBXFileSystemSynchronizedBuildFileExceptionSet; '
            f"membershipExceptions = ({named}); target = T;}};"
        )
    for number, (product, folder) in enumerate((packages or {}).items()):
        kind = (
            f"XCLocalSwiftPackageReference; relativePath = {quoted(folder)}"
            if folder
            else "XCRemoteSwiftPackageReference"
        )
        objects.append(
            f"Q{number} = {{isa = XCSwiftPackageProductDependency; productName = {quoted(product)}; package = R{number};}};"
            f"R{number} = {{isa = {kind};}};"
        )
    written = "".join(f"{key} = {quoted(value)};" for key, value in {**SETTINGS, **(settings or {})}.items())
    groups = "".join(f"G{number}," for number in range(len(folders or {})))
    products = "".join(f"Q{number}," for number in range(len(packages or {})))
    objects.append(
        "T = {isa = PBXNativeTarget; name = App; productType = com.apple.product-type.application; buildPhases = (S,); "
        f"buildConfigurationList = L; fileSystemSynchronizedGroups = ({groups}); packageProductDependencies = ({products}); "
        f"dependencies = ({'D' if library else ''});}};"
        "L = {isa = XCConfigurationList; buildConfigurations = (C);};"
        f"C = {{isa = XCBuildConfiguration; name = Release; buildSettings = {{{written}}};}};"
        "P = {isa = PBXProject; buildConfigurationList = L; targets = (T,U,);};"
    )
    if library:
        phase("V", library)
        objects.append(
            "U = {isa = PBXNativeTarget; name = Kit; productType = com.apple.product-type.library.static; "
            "buildPhases = (V,); buildConfigurationList = L;}; D = {isa = PBXTargetDependency; target = U;};"
        )
    text = "// !$*UTF8*$!\n{objects = {\n" + "\n".join(objects) + "\n}; rootObject = P;}\n"
    write(root, {"App.xcodeproj/project.pbxproj": text, **files})


def lane(platform: Platform = Platform.IOS) -> Lane:
    return Lane("lane", platform, "App.xcodeproj", "App", "Release")


def sources(root: Path, platform: Platform = Platform.IOS) -> TargetSources:
    found = gateway.sources_of_target(LiveFiles(root), lane(platform), Declaration())
    assert found.value is not None, found.why
    return found.value


def reasons(root: Path) -> DeclaredReasons:
    found = gateway.reasons_of_target(LiveFiles(root), lane(), Declaration())
    assert found.value is not None, found.why
    return found.value
