"""What lies in a product beside code and signatures: icons, screens, privacy manifests, and what should not be there.

PNG as in the PNG specification, with the chunk CgBI that Xcode puts before the header; icns as macOS lists its kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.apple.bundle.containers import Artifact
from pipeline.apple.bundle.dictionaries import read_dictionary
from pipeline.apple.bundle.facts import BundledManifest, Catalog, OriginSignature, Picture
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.macho import read_macho

OWNERS = (".app", ".appex", ".framework")
MANIFEST = "PrivacyInfo.xcprivacy"
CATALOG = "Assets.car"
CATALOG_MAGIC = b"BOMStore"
QUARANTINE = b"com.apple.quarantine"
MOST_PICTURES = 200
_SHORT = 1024 * 1024
_MOST_ICNS_BYTES = 16 * 1024 * 1024
_MOST_KINDS = 200
_ANYBODY_MAY_READ = 0o004


def inside(artifact: Artifact, place: str, info: Mapping[str, Any], catalogs: Mapping[str, Catalog]) -> dict[str, Any]:
    """The fields of a Bundle about pictures and screens, for an app or app extension; `catalogs` by path."""
    deep = artifact.entry(f"{place}/Contents/Info.plist") is not None
    root = f"{place}/Contents/Resources" if deep else place
    beside = [path for path in artifact.entries if path.startswith(f"{root}/")]
    catalog = artifact.entry(f"{root}/{CATALOG}")
    return {
        "catalog": catalog is not None and catalog.size > 0,
        "catalogued": catalogs.get(catalog.path) if catalog else None,
        "pictures": tuple(_pictures(artifact, root, beside, icon_files(info))),
        "icns": _icns(artifact, root, info),
        "screens": frozenset(_screens(path.removeprefix(f"{root}/")) for path in beside) - {""},
    }


def icon_files(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that Info.plist gives the icon's pictures, in any of the ways that iOS knows."""
    found: dict[str, None] = {}
    for key in ("CFBundleIcons", "CFBundleIcons~ipad"):
        icons = info.get(key)
        for files in _files(icons) if isinstance(icons, dict) else ():
            found.update(dict.fromkeys(files))
    found.update(dict.fromkeys(_strings(info.get("CFBundleIconFiles"))))
    return tuple(found)


def _files(icons: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    alternates = icons.get("CFBundleAlternateIcons")
    others = alternates.values() if isinstance(alternates, dict) else ()
    for icon in (icons.get("CFBundlePrimaryIcon"), *others):
        if isinstance(icon, dict):
            yield _strings(icon.get("CFBundleIconFiles"))


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, (list, tuple)) else ()


def _pictures(artifact: Artifact, root: str, beside: list[str], names: tuple[str, ...]) -> Iterator[Picture]:
    if not names:
        return
    stems = tuple(f"{root}/{name.removesuffix('.png')}" for name in names)
    shown = [path for path in beside if path.endswith(".png") and path.startswith(stems)]
    for path in shown[:MOST_PICTURES]:
        try:
            width, height = png_size(artifact.head(path, 64))
        except Malformed:
            width = height = 0
        yield Picture(path.removeprefix(f"{root}/"), width, height)


def png_size(head: bytes) -> tuple[int, int]:
    """Width and height that the first 64 bytes of a PNG tell; zeros when they are no PNG's."""
    at = head.find(b"IHDR", 12, 40)
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or at < 0 or len(head) < at + 12:
        return 0, 0
    return int.from_bytes(head[at + 4 : at + 8], "big"), int.from_bytes(head[at + 8 : at + 12], "big")


def _icns(artifact: Artifact, root: str, info: Mapping[str, Any]) -> tuple[str, ...] | None:
    name = info.get("CFBundleIconFile")
    if not isinstance(name, str) or not name:
        return None
    entry = artifact.entry(f"{root}/{name}") or artifact.entry(f"{root}/{name}.icns")
    if entry is None:
        return None
    try:
        return icns_kinds(artifact.read(entry.path, _MOST_ICNS_BYTES))
    except Malformed:
        return None


def icns_kinds(data: bytes) -> tuple[str, ...] | None:
    """The kinds of picture in an .icns, in order ("ic09", …); None when it is none."""
    if data[:4] != b"icns":
        return None
    kinds: list[str] = []
    at = 8
    while at + 8 <= len(data) and len(kinds) < _MOST_KINDS:
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        if length < 8 or at + length > len(data):
            break
        kinds.append(data[at : at + 4].decode("latin-1"))
        at += length
    return tuple(kinds)


def _screens(path: str) -> str:
    """The name of the compiled storyboard or nib that a file belongs to; empty for any other file."""
    parts = path.split("/")[:2]
    for part in parts:
        name, dot, suffix = part.rpartition(".")
        if dot and suffix in ("storyboardc", "nib"):
            return name
    return ""


def around(artifact: Artifact, place: str) -> dict[str, Any]:
    """The fields of a BuiltApp about what lies anywhere in the product; `place` is the app's folder in it."""
    deep = artifact.entry(f"{place}/Contents/Info.plist") is not None
    return {
        "manifests": tuple(_manifests(artifact, place)),
        "origins": tuple(_origins(artifact)),
        "crowded": tuple(_crowded(artifact, place)) if deep else (),
        "misplaced": () if deep else tuple(_misplaced(artifact, place)),
        "swift_support": any(path.startswith("SwiftSupport/") for path in artifact.entries),
        "quarantined": tuple(_quarantined(artifact)),
        "private": tuple(_private(artifact)),
        "symbols": tuple(_symbols(artifact)),
    }


def _manifests(artifact: Artifact, place: str) -> Iterator[BundledManifest]:
    from pipeline.apple.xcode.facts import PrivacyFlaw
    from pipeline.apple.xcode.privacy import flaws

    for path in artifact.entries:
        if not path.endswith(f"/{MANIFEST}") or not path.startswith(f"{place}/"):
            continue
        try:
            plist = read_dictionary(artifact.read(path, _SHORT))
        except Malformed as fault:
            yield BundledManifest(path, owner_of(path), (PrivacyFlaw(str(fault), "ITMS-91056"),))
            continue
        listed = plist.value.get("NSPrivacyAccessedAPITypes")
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        told = [str(entry.get("NSPrivacyAccessedAPIType", "")) for entry in entries]
        yield BundledManifest(path, owner_of(path), flaws(plist), tuple(dict.fromkeys(told)))


def owner_of(path: str) -> str:
    """The place of the nearest app, app extension or framework around a file."""
    parts = path.split("/")[:-1]
    while parts and not parts[-1].endswith(OWNERS):
        parts.pop()
    return "/".join(parts)


def _origins(artifact: Artifact) -> Iterator[OriginSignature]:
    for path in artifact.entries:
        if path.startswith("Signatures/") and path.endswith(".signature"):
            try:
                told = read_dictionary(artifact.read(path, _SHORT)).value
            except Malformed:
                continue
            metadata = told.get("metadata")
            library = metadata.get("library") if isinstance(metadata, dict) else None
            signed = told.get("signed")
            if isinstance(library, str) and isinstance(signed, bool):
                yield OriginSignature(path, library, signed)


def _crowded(artifact: Artifact, place: str) -> Iterator[tuple[str, str]]:
    """Frameworks that have Versions, with the first thing beside them that should be a link."""
    known: dict[str, str] = {}
    versioned: set[str] = set()
    for path, entry in artifact.entries.items():
        at = path.find(".framework/", len(place))
        while at >= 0:
            where, rest = path[: at + 10], path[at + 11 :]
            first, slash, deeper = rest.partition("/")
            if first == "Versions":
                versioned.add(where)
                if deeper.startswith("Current/"):
                    known.setdefault(where, "Versions/Current")
            elif slash or not entry.link:
                known.setdefault(where, first)
            at = path.find(".framework/", at + 11)
    return ((where, known[where]) for where in sorted(versioned & known.keys()))


def _misplaced(artifact: Artifact, place: str) -> Iterator[str]:
    found: dict[str, None] = {}
    for path in artifact.entries:
        if "/Frameworks/" not in path or "/Watch/" in path or not path.startswith(f"{place}/"):
            continue
        parts = path.split("/")
        for number, part in enumerate(parts[1:-1], start=1):
            if part == "Frameworks" and parts[number - 1].endswith((".appex", ".framework")):
                found["/".join(parts[: number + 1])] = None
    return iter(found)


def _quarantined(artifact: Artifact) -> Iterator[str]:
    for path in artifact.entries:
        if path.rpartition("/")[2].startswith("._") and not path.startswith("__MACOSX/"):
            try:
                if QUARANTINE in artifact.head(path, _SHORT):
                    yield path
            except Malformed:
                continue


def _private(artifact: Artifact) -> Iterator[str]:
    if artifact.kind == "pkg":
        for path, entry in artifact.entries.items():
            if not entry.link and not entry.mode & _ANYBODY_MAY_READ:
                yield path


def _symbols(artifact: Artifact) -> Iterator[str]:
    for path, entry in artifact.entries.items():
        if artifact.kind == "xcarchive" and "/Contents/Resources/DWARF/" in path and path.startswith("dSYMs/"):
            try:
                with artifact.open(path) as file:
                    yield from (part.uuid for part in read_macho(file, entry.size))
            except Malformed:
                continue
