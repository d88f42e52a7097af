"""Writes small Xcode projects for tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

Configurations = Mapping[str, Mapping[str, str]]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def project(
    root: Path,
    name: str = "App",
    targets: Mapping[str, Configurations] | None = None,
    *,
    types: Mapping[str, str] | None = None,
    shared: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
    resources: tuple[str, ...] = (),
    carried: tuple[str, ...] = (),
    styles: Mapping[str, str] | None = None,
    scripts: tuple[str, ...] = (),
    folders: Mapping[str, tuple[str, ...]] | None = None,
) -> Path:
    """A project; `base` maps configurations to xcconfig paths, `shared` configurations to project settings.

    `carried` are targets whose product the first target copies, `styles` maps targets to ProvisioningStyle, `scripts`
    are shell scripts of every target.
    `folders` maps synchronized folders of every target to the members that are left out.
    """
    targets = targets or {name: {"Release": {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}}}
    configurations = list(next(iter(targets.values())))
    objects = []
    for position, path in enumerate(resources):
        objects += [
            f"F{position} = {{isa = PBXFileReference; path = {quoted(path)}; sourceTree = SOURCE_ROOT;}};",
            f"B{position} = {{isa = PBXBuildFile; fileRef = F{position};}};",
        ]
    for position, (folder, left_out) in enumerate((folders or {}).items()):
        members = "".join(f"{quoted(member)}," for member in left_out)
        objects += [
            (
                f"G{position} = {{isa = PBXFileSystemSynchronizedRootGroup; path = {quoted(folder)}; exceptions = (E{position}); "
                'sourceTree = "<group>";};'
            ),
            f"E{position} = {{isa = PBXFileSystemSynchronizedBuildFileExceptionSet; membershipExceptions = ({members}); target = T0;}};",
        ]
    for position, path in enumerate((base or {}).values()):
        objects.append(f"X{position} = {{isa = PBXFileReference; path = {quoted(path)}; sourceTree = SOURCE_ROOT;}};")
    files = "".join(f"B{n}," for n in range(len(resources)))
    groups = "".join(f"G{n}," for n in range(len(folders or {})))
    objects.append(f"R = {{isa = PBXResourcesBuildPhase; files = ({files});}};")
    for position, text in enumerate(scripts):
        objects.append(f"S{position} = {{isa = PBXShellScriptBuildPhase; shellScript = {quoted(text)};}};")
    copied = [position for position, target in enumerate(targets) if target in carried]
    objects += [f"K{position} = {{isa = PBXBuildFile; fileRef = O{position};}};" for position in copied]
    objects.append(f"K = {{isa = PBXCopyFilesBuildPhase; files = ({''.join(f'K{n},' for n in copied)});}};")
    ran = "".join(f"S{n}," for n in range(len(scripts)))
    listed = []
    for position, (target, settings) in enumerate(targets.items()):
        kind = (types or {}).get(target, "com.apple.product-type.application")
        objects.append(
            f"T{position} = {{isa = PBXNativeTarget; name = {quoted(target)}; productType = {quoted(kind)}; "
            f"buildConfigurationList = L{position}; buildPhases = (R,{ran}{'K,' if not position else ''}); "
            f"productReference = O{position}; fileSystemSynchronizedGroups = ({groups}); "
            f"dependencies = ({'D1,' if position == 0 and len(targets) > 1 else ''});}};"
        )
        objects.append(_list(f"L{position}", configurations))
        listed += [_configuration(f"L{position}{c}", c, settings.get(c, {}), "") for c in configurations]
    objects += [*listed, "D1 = {isa = PBXTargetDependency; target = T1;};", _list("L", configurations)]
    for c in configurations:
        reference = f"X{list(base).index(c)}" if base and c in base else ""
        objects.append(_configuration(f"L{c}", c, (shared or {}).get(c, {}), reference))
    named = "".join(f"T{n}," for n in range(len(targets)))
    told = (
        "".join(
            f"T{n} = {{ProvisioningStyle = {styles[target]};}};"
            for n, target in enumerate(targets)
            if target in (styles or {})
        )
        if styles
        else ""
    )
    objects.append(
        f"P = {{isa = PBXProject; buildConfigurationList = L; developmentRegion = en; targets = ({named}); "
        f"attributes = {{TargetAttributes = {{{told}}};}};}};"
    )
    folder = root / f"{name}.xcodeproj"
    folder.mkdir(parents=True, exist_ok=True)
    text = "// !$*UTF8*$!\n{\narchiveVersion = 1;\nobjects = {\n" + "\n".join(objects) + "\n};\nrootObject = P;\n}\n"
    (folder / "project.pbxproj").write_text(text, encoding="utf-8")
    return folder


def _list(identifier: str, configurations: list[str]) -> str:
    named = "".join(f"{quoted(identifier + c)}," for c in configurations)
    return f"{identifier} = {{isa = XCConfigurationList; buildConfigurations = ({named}); defaultConfigurationName = {quoted(configurations[-1])};}};"


def _configuration(identifier: str, name: str, settings: Mapping[str, str], reference: str) -> str:
    written = "\n".join(f"{quoted(key)} = {quoted(value)};" for key, value in settings.items())
    base = f"baseConfigurationReference = {reference};" if reference else ""
    return f"{quoted(identifier)} = {{isa = XCBuildConfiguration; {base} name = {quoted(name)}; buildSettings = {{\n{written}\n}};}};"


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Files by their paths."""
    for path, content in files.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content if isinstance(content, bytes) else content.encode())


def plist(body: str) -> str:
    """An XML property list around the inside of its dictionary; the body begins on line 4."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n<dict>\n{body}\n</dict>\n</plist>\n'


def scheme(target: str, project_file: str, configuration: str = "Release") -> str:
    """A shared scheme that archives a target."""
    return (
        '<?xml version="1.0"?><Scheme><BuildAction><BuildActionEntries><BuildActionEntry buildForArchiving = "YES">'
        f'<BuildableReference BlueprintIdentifier="T0" BlueprintName="{target}" ReferencedContainer="container:{project_file}"/>'
        f'</BuildActionEntry></BuildActionEntries></BuildAction><ArchiveAction buildConfiguration="{configuration}"/></Scheme>'
    )


def workspace(root: Path, name: str, *locations: str) -> Path:
    """An .xcworkspace with file references."""
    references = "".join(f'<FileRef location="{location}"></FileRef>\n' for location in locations)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Workspace version="1.0">\n{references}</Workspace>\n'
    write(root, {f"{name}.xcworkspace/contents.xcworkspacedata": body})
    return root / f"{name}.xcworkspace"


def png(width: int, height: int, pixel: bytes, *, palette: bool = False) -> bytes:
    """A PNG in which all pixels are alike: 3 bytes for RGB, 4 for RGBA; with `palette` one that has a tRNS chunk."""
    colour = {1: 3, 3: 2, 4: 6}[len(pixel)]
    rows = (b"\x00" + pixel * width) * height

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    extra = chunk(b"PLTE", b"\0\0\0") + chunk(b"tRNS", b"\0") if palette else b""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
