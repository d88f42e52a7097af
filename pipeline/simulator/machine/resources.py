"""What the compilers of resources leave in a bundle, as far as a rehearsal can: real names and sizes, plain pictures.

Asset catalogs are not compiled. `Assets.car` holds one sentence that says so, and the loose app icons that actool
writes beside it are plain grey squares of the right size. Storyboards become a .storyboardc folder with an empty index.
Files that need no compiler are copied as they are; those beyond the limits are left out. Everything else (localised
catalogs, data models, shaders, packages' resources) is left out too.
"""

from __future__ import annotations

import json
import plistlib
import zlib
from functools import lru_cache
from struct import pack
from typing import TYPE_CHECKING

from pipeline.regular import Fence, Outside
from pipeline.simulator.machine.project import BuildError, Settings, Target

if TYPE_CHECKING:
    from pathlib import Path

FILE_LIMIT = 1024 * 1024
TOTAL_LIMIT = 4 * 1024 * 1024
"""Bytes of one file, and of all together: what is beyond them is left out, because no judgement rests on it."""
ASSETS = b"This is a rehearsal's placeholder: no asset catalog was compiled.\n"
_COMPILED = frozenset({
    ".swift", ".m", ".mm", ".c", ".cpp", ".cc", ".h", ".hpp", ".metal", ".s", ".xib", ".xcdatamodeld", ".xcdatamodel",
    ".intentdefinition", ".mlmodel", ".xcstrings", ".docc", ".entitlements", ".xcconfig", ".icon", ".xcassets",
    ".xcframework", ".framework", ".bundle", ".storekit", ".xctestplan", ".modulemap", ".a", ".dylib", ".o", ".md",
})  # fmt: skip


_LAYERED = ("brandassets", "solidimagestack")
"""Icons of tvOS and visionOS: actool leaves no loose picture of them."""


@lru_cache(maxsize=16)
def plain_picture(side: int) -> bytes:
    """A grey square PNG, 8-bit RGB without alpha."""
    row = b"\0" + b"\x80" * (3 * side)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    head = pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    picture = zlib.compress(row * side, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", picture) + chunk(b"IEND", b"")


def icns(largest: bytes) -> bytes:
    """An .icns with the sizes that the Mac App Store asks for; `largest` is a PNG of 1024 pixels."""
    entries = ((b"ic09", plain_picture(512)), (b"ic14", plain_picture(512)), (b"ic10", largest))
    body = b"".join(kind + pack(">I", len(data) + 8) + data for kind, data in entries)
    return b"icns" + pack(">I", len(body) + 8) + body


def app_icon(target: Target, settings: Settings) -> tuple[str, bytes]:
    """Name of the app icon, and the PNG of 1024 pixels it is made from; both empty when the target has none.

    Raises:
        BuildError: the settings name an icon that no catalog holds, as actool says it.
    """
    name = settings["ASSETCATALOG_COMPILER_APPICON_NAME"]
    members = list(target.members())
    catalogs = [path for path in members if path.suffix == ".xcassets" and path.is_dir()]
    if not name or any(path.name == f"{name}.icon" for path in members):
        return name, b""
    for catalog in catalogs:
        for folder in catalog.glob(f"**/{name}.appiconset"):
            platform = "mac" if settings.sdk.name == "macosx" else "ios"
            picture = _largest(folder, platform, target.project.fence)
            return (name, picture) if picture else ("", b"")
        if any(next(catalog.glob(f"**/{name}.{kind}"), None) for kind in _LAYERED):
            return "", b""
    if catalogs:
        raise BuildError(
            f"{catalogs[0]}: error: None of the input catalogs contained a matching stickers icon set or app icon set"
            f' named "{name}".'
        )
    return "", b""


def _largest(folder: Path, platform: str, fence: Fence) -> bytes:
    try:
        images = json.loads(fence.read((folder / "Contents.json").absolute())).get("images", [])
    except (OSError, ValueError, AttributeError):
        return b""
    for image in images if isinstance(images, list) else []:
        ours = image.get("platform") == platform or image.get("idiom") in ("ios-marketing", "mac")
        path = folder / str(image.get("filename", ""))
        if ours and image.get("filename") and path.is_file() and path.stat().st_size <= FILE_LIMIT:
            data = _read(path, fence)
            if data[16:24] == pack(">II", 1024, 1024):
                return data
    return b""


def compiled(target: Target, settings: Settings, icon: tuple[str, bytes]) -> dict[str, bytes]:
    """Resources by path below the bundle's resource folder."""
    mac = settings.sdk.name == "macosx"
    out: dict[str, bytes] = {}
    plists = {settings["INFOPLIST_FILE"], settings["CODE_SIGN_ENTITLEMENTS"]}
    skipped = {target.project.folder / path for path in plists if path}
    total = 0
    for path in target.members():
        if path.suffix == ".xcassets" and path.is_dir() and path.name != "Preview Assets.xcassets":
            out["Assets.car"] = ASSETS
        elif path.suffix == ".storyboard":
            empty = plistlib.dumps({"UIViewControllerIdentifiersToNibNames": {}}, fmt=plistlib.FMT_BINARY)
            out[f"{_place(path.with_suffix('.storyboardc'))}/Info.plist"] = empty
        elif path.suffix not in _COMPILED and path not in skipped and path.is_file():
            size = path.stat().st_size
            total += size
            if size <= FILE_LIMIT and total <= TOTAL_LIMIT:
                out[_place(path)] = _read(path, target.project.fence)
    name, largest = icon
    if name and mac:
        out[f"{name}.icns"] = icns(largest or plain_picture(1024))
    elif name:
        out[f"{name}60x60@2x.png"] = plain_picture(120)
        if "2" in settings["TARGETED_DEVICE_FAMILY"]:
            out[f"{name}76x76@2x~ipad.png"] = plain_picture(152)
    return out


def _read(path: Path, fence: Fence) -> bytes:
    """A file of the checkout; of one that lies elsewhere, nothing."""
    try:
        return fence.read(path.absolute())
    except Outside:
        return b""


def _place(path: Path) -> str:
    parent = path.parent.name
    return f"{parent}/{path.name}" if parent.endswith(".lproj") else path.name
