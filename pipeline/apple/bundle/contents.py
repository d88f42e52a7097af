"""What lies in a product beside code and signatures: icons, screens, privacy manifests, and what should not be there.

PNG as in the PNG specification, with the chunk CgBI that Xcode puts before the header; icns as macOS lists its kinds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO

from pipeline.apple.bundle.containers import Artifact
from pipeline.apple.bundle.dictionaries import read_dictionary
from pipeline.apple.bundle.facts import BundledManifest, Catalog, OriginSignature, Picture, SwiftLibrary
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.macho import Slice, read_macho

OWNERS = (".app", ".appex", ".framework")
MANIFEST = "PrivacyInfo.xcprivacy"
CATALOG = "Assets.car"
CATALOG_MAGIC = b"BOMStore"
QUARANTINE = b"com.apple.quarantine"
MOST_PICTURES = 200
_MOST_NAMES = 10_000
_SHORT = 1024 * 1024
_MOST_ICNS_BYTES = 16 * 1024 * 1024
_MOST_KINDS = 200
_MOST_SWIFT_LIBRARIES = 500
_ANYBODY_MAY_READ = 0o004
_ANYBODY_MAY_RUN = 0o111
_CONTENTS = "/Contents/"
_BESIDE_CONTENTS = frozenset({".LSOverride", ".DS_Store", "Icon\r", ".SoftwareDepot.tracking"})
_BESIDE_VERSIONS = frozenset({".DS_Store"})
_CODE_FOLDERS = (
    *("Frameworks/", "SharedFrameworks/", "PlugIns/", "Plug-ins/", "XPCServices/", "Helpers/", "MacOS/"),
    *("Library/Automator/", "Library/Spotlight/", "Library/LoginItems/"),
)
"""Where rules2 of codesign look for nested code, from a bundle's Contents or a framework's version on."""


def inside(artifact: Artifact, place: str, info: Mapping[str, Any], catalogs: Mapping[str, Catalog]) -> dict[str, Any]:
    """The fields of a Bundle about pictures and screens, for an app or app extension; `catalogs` by path."""
    deep = artifact.entry(f"{place}/Contents/Info.plist") is not None
    root = f"{place}/Contents/Resources" if deep else place
    beside = artifact.below(root)
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


def _pictures(artifact: Artifact, root: str, beside: Sequence[str], names: tuple[str, ...]) -> Iterator[Picture]:
    stems = sorted({f"{root}/{name.removesuffix('.png')}" for name in names[:_MOST_NAMES]})
    for path in islice(_that_begin(stems, beside), MOST_PICTURES):
        try:
            width, height = png_size(artifact.head(path, 64))
        except Malformed:
            width = height = 0
        yield Picture(path.removeprefix(f"{root}/"), width, height)


def _that_begin(stems: Sequence[str], beside: Sequence[str]) -> Iterator[str]:
    """The .png files that begin with any of the stems, each once; stems and files in order."""
    behind = 0
    for stem in stems:
        behind = bisect_left(beside, stem, behind)
        while behind < len(beside) and beside[behind].startswith(stem):
            if beside[behind].endswith(".png"):
                yield beside[behind]
            behind += 1


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
        "swift_support": bool(artifact.below("SwiftSupport")),
        "swift_libraries": tuple(_swift_libraries(artifact)),
        "quarantined": tuple(_quarantined(artifact)),
        "private": tuple(_private(artifact)),
        "symbols": tuple(_symbols(artifact)),
        "record": _record(artifact),
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
    """Bundles that Apple takes for unsealed, with the first thing that it does not allow at their top.

    As BundleDiskRep::setup and BundleDiskRep::validateFrameworkRoot of Apple's Security framework have it.
    """
    found = dict(_beside_contents(artifact, place))
    frameworks: dict[str, None] = {}
    for path in artifact.below(place):
        at = path.find(".framework/Versions/", len(place))
        while at >= 0:
            frameworks[path[: at + 10]] = None
            at = path.find(".framework/Versions/", at + 11)
    for where in frameworks:
        if stray := _beside_versions(artifact, where):
            found[where] = stray
    return iter(sorted(found.items()))


def _beside_contents(artifact: Artifact, place: str) -> Iterator[tuple[str, str]]:
    """Bundles with a folder Contents: the app, and what its signature takes for code inside it."""
    wheres = {place: None}
    for path in artifact.below(place):
        at = path.find(_CONTENTS, len(place) + 1)
        while at >= 0:
            if _is_nested_code(path[:at]):
                wheres[path[:at]] = None
            at = path.find(_CONTENTS, at + 1)
    for where in wheres:
        every = artifact.below(where)
        first, behind = f"{where}{_CONTENTS}", f"{where}{_CONTENTS[:-1]}0"
        others = chain(every[: bisect_left(every, first)], every[bisect_left(every, behind) :])
        for path in others:
            name, slash, _ = path.removeprefix(f"{where}/").partition("/")
            if slash or not _may_lie_there(artifact, path, _BESIDE_CONTENTS):
                yield where, name
                break


def _is_nested_code(where: str) -> bool:
    """Whether the seal of the bundle around it takes a folder for code (rules2, nested) and not for resources."""
    contents, versions = where.rfind(_CONTENTS), where.rfind("/Versions/")
    if contents == versions:
        return False  # It lies beside all Contents itself.
    base = contents + len(_CONTENTS) if contents > versions else where.find("/", versions + 10) + 1
    folder, _, name = where[base:].rpartition("/")
    return "." in name and "." not in folder and (not folder or f"{folder}/".startswith(_CODE_FOLDERS))


def _may_lie_there(artifact: Artifact, path: str, names: frozenset[str]) -> bool:
    """Whether one file is what Apple overlooks, or stands for the attributes of another (AppleDouble)."""
    name, entry = path.rpartition("/")[2], artifact.entries[path]
    plain = not entry.link and not entry.mode & _ANYBODY_MAY_RUN
    return (name in names and plain) or name.startswith("._")


def _beside_versions(artifact: Artifact, where: str) -> str:
    """What lies in a framework beside its versions and is neither a link into the current one nor overlooked."""
    pointer = artifact.entries.get(f"{where}/Versions/Current")
    if artifact.below(f"{where}/Versions/Current"):
        return "Versions/Current"
    known = {"Current", pointer.link.removeprefix("./")} if pointer else set()
    for path in artifact.below(where):
        inside = path.removeprefix(f"{where}/")
        top, _, deeper = inside.partition("/")
        if top == "Versions":
            version, _, rest = deeper.partition("/")
            if version != "Current" and not rest and not _may_lie_there(artifact, path, _BESIDE_VERSIONS):
                return inside
            if rest and known and version not in known and not _is_version(artifact, f"{where}/Versions/{version}"):
                return f"Versions/{version}"
        elif deeper:
            return top
        else:
            link = artifact.entries[path].link.removeprefix("./")
            leads_in = link in {f"Versions/{version}/{top}" for version in known} or (link and not known)
            names = _BESIDE_VERSIONS | {"module.map"}
            if not leads_in and not _may_lie_there(artifact, path, names):
                return top
    return ""


def _is_version(artifact: Artifact, folder: str) -> bool:
    """Whether a folder may be a version of a framework: then it is judged as code of its own."""
    return any(f"{folder}/{inside}Info.plist" in artifact.entries for inside in ("Resources/", ""))


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


def _swift_libraries(artifact: Artifact) -> Iterator[SwiftLibrary]:
    libraries = (path for path in artifact.below("SwiftSupport") if path.endswith(".dylib"))
    for path in islice(libraries, _MOST_SWIFT_LIBRARIES):
        try:
            with artifact.open(path) as file:
                slices = read_macho(file, artifact.entries[path].size)
                by_apple = all(_is_apples(file, part) for part in slices)
        except Malformed:
            continue
        yield SwiftLibrary(path, tuple((part.architecture, part.uuid) for part in slices), by_apple)


def _is_apples(file: BinaryIO, part: Slice) -> bool:
    """Whether somebody signed a slice who is no developer: their certificates name a team."""
    from pipeline.apple.bundle import codesignature
    from pipeline.apple.signing.certificates import read_certificate
    from pipeline.apple.signing.faults import SigningFault
    from pipeline.apple.signing.trust import Anchors

    if part.signature is None:
        return False
    offset, size = part.signature
    read = codesignature.read_from(file, part.offset + offset, size)
    if not read.cms:
        return False
    try:
        signer = read_certificate(codesignature.verify(read.cms, read.directories, Anchors()).certificate)
    except SigningFault as fault:
        raise Malformed(str(fault)) from fault
    return not codesignature.teams_differ("of Apple", signer.team_id)


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


def _record(artifact: Artifact) -> Mapping[str, str]:
    """The texts that Xcode wrote into an archive's own Info.plist about the app."""
    if artifact.kind != "xcarchive" or artifact.entry("Info.plist") is None:
        return {}
    try:
        told = read_dictionary(artifact.read("Info.plist", _SHORT)).value.get("ApplicationProperties")
    except Malformed:
        return {}
    return {key: value for key, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}
