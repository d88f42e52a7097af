"""Read one product from its container down to its signatures, and tell it as a fact."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pipeline.apple.bundle import codesignature
from pipeline.apple.bundle.containers import BLOCK, Artifact, Entry, open_artifact
from pipeline.apple.bundle.dictionaries import read_dictionary, read_signed
from pipeline.apple.bundle.facts import BuiltApp, Bundle, Executable, Installer, ProductOnDisk, Signature
from pipeline.apple.bundle.faults import Malformed, Unsupported
from pipeline.apple.bundle.macho import Slice, is_macho, read_macho
from pipeline.apple.bundle.seal import SEAL, judge_seal
from pipeline.apple.signing.certificates import Certificate, read_certificate
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import ProvisioningProfile, read_profile
from pipeline.apple.signing.trust import Anchors, Chain, walk

B = TypeVar("B", bound=BuiltApp)
P = TypeVar("P", bound=ProductOnDisk)

BUNDLE_SUFFIXES = (".app", ".appex", ".framework", ".xpc", ".bundle", ".plugin", ".systemextension", ".mdimporter")
OWN_SUFFIXES = (".app", ".appex")
MOST_INFO_BYTES = 8 * 1024 * 1024
MOST_SEAL_BYTES = 64 * 1024 * 1024
MOST_EXECUTABLES = 5_000
_PLATFORMS = {
    "iOS": "IOS",
    "macOS": "MAC_OS",
    "Mac Catalyst": "MAC_OS",
    "tvOS": "TV_OS",
    "visionOS": "VISION_OS",
    "iPhone": "IOS",
    "MacOSX": "MAC_OS",
    "AppleTV": "TV_OS",
    "XR": "VISION_OS",
}


def built_app(fact: type[B], path: Path, anchors: Anchors, at: datetime) -> B:
    """Read a product into a fact; whatever keeps it from being read becomes one of its problems.

    Args:
        fact: ArchivedApp or ExportedApp.
        path: an .ipa, .pkg, .xcarchive or .app.
        anchors: the roots that chains must end in.
        at: the moment (aware) that chains are judged at.
    """
    kind = path.suffix.lower().lstrip(".")
    about: dict[str, Any] = {"path": str(path), "kind": kind, "at": at}
    try:
        if path.is_file():
            about["size"], about["sha256"] = _file_digest(path)
        with open_artifact(path) as artifact:
            about.setdefault("size", artifact.size)
            return _Inspection(artifact, anchors, at).told(fact, about)
    except (Malformed, OSError) as fault:
        return fact(**about, problems=(str(fault),))


def on_disk(fact: type[P], path: Path, *, given: bool) -> P:
    """Look only at the identity of a product: what a plan needs in order to know whether it must be made."""
    if not path.exists():
        return fact(str(path), given=given)
    try:
        with open_artifact(path) as artifact:
            place = _only_app(artifact)
            info = _read_info(artifact, place)
            uuids = _uuids(artifact, place, info)
    except (Malformed, OSError) as fault:
        return fact(str(path), exists=True, given=given, problem=str(fault))
    return fact(
        path=str(path),
        exists=True,
        given=given,
        bundle_id=_text(info, "CFBundleIdentifier"),
        version=_text(info, "CFBundleShortVersionString"),
        build=_text(info, "CFBundleVersion"),
        uuids=uuids,
    )


def _file_digest(path: Path) -> tuple[int, str]:
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            hasher.update(block)
            size += len(block)
    return size, hasher.hexdigest()


def _only_app(artifact: Artifact) -> str:
    places = app_places(artifact)
    if len(places) != 1:
        raise Malformed(_not_one_app(artifact, places))
    return places[0]


def _uuids(artifact: Artifact, place: str, info: Mapping[str, Any]) -> tuple[str, ...]:
    executable = artifact.entry(_executable_path(artifact, place, info))
    if executable is None:
        raise Malformed(f"{place} has no executable")
    with artifact.open(executable.path) as file:
        return tuple(part.uuid for part in read_macho(file, executable.size))


def app_places(artifact: Artifact) -> tuple[str, ...]:
    """Folders of the apps at the top of a product."""
    depth = {"ipa": ("Payload",), "xcarchive": ("Products", "Applications"), "app": ()}.get(artifact.kind)
    places: dict[str, None] = {}
    for path in artifact.entries:
        parts = path.split("/")
        if depth is None:
            at = next((n for n, part in enumerate(parts[:-1]) if part.endswith(".app")), None)
        else:
            inside = tuple(parts[: len(depth)]) == depth and len(parts) > len(depth) + 1
            at = len(depth) if inside and parts[len(depth)].endswith(".app") else None
        if at is not None:
            places["/".join(parts[: at + 1])] = None
    return tuple(places)


def _not_one_app(artifact: Artifact, places: tuple[str, ...]) -> str:
    if places:
        return f"{len(places)} apps instead of one: {', '.join(places[:5])}"
    where = {"ipa": "Payload", "xcarchive": "Products/Applications"}.get(artifact.kind, "its payload")
    stray = next((path for path in artifact.entries if ".app/" in path and not path.startswith("__MACOSX/")), "")
    hint = f"; there is one in {stray.partition('.app/')[0]}.app" if stray else ""
    return f"no app in {where} at the top of {artifact.path.name}{hint}"


def _info_path(artifact: Artifact, place: str) -> str:
    for inside in ("Info.plist", "Contents/Info.plist", "Resources/Info.plist"):
        if artifact.entry(f"{place}/{inside}"):
            return f"{place}/{inside}"
    return ""


def _is_deep(artifact: Artifact, place: str) -> bool:
    """Whether the bundle keeps its files in Contents, as on macOS."""
    return artifact.entry(f"{place}/Contents/Info.plist") is not None


def _read_info(artifact: Artifact, place: str) -> Mapping[str, Any]:
    path = _info_path(artifact, place)
    if not path:
        raise Malformed(f"{place or artifact.path.name} has no Info.plist")
    plist = read_dictionary(artifact.read(path, MOST_INFO_BYTES), path)
    twice = next((key for (key, *deeper), _ in plist.duplicates if not deeper), "")
    if twice and place.endswith(OWN_SUFFIXES):
        # Xcode writes no such list, and Apple's servers and systems need not go by the same value.
        raise Malformed(f"{path} has the key “{twice}” twice")
    found: Mapping[str, Any] = plist.value
    return found


def _executable_path(artifact: Artifact, place: str, info: Mapping[str, Any]) -> str:
    name = _text(info, "CFBundleExecutable")
    return f"{place}/Contents/MacOS/{name}" if _is_deep(artifact, place) else f"{place}/{name}"


def _text(info: Mapping[str, Any], key: str) -> str:
    value = info.get(key)
    return value if isinstance(value, str) else ""


class _Inspection:
    """One product while it is being read."""

    def __init__(self, artifact: Artifact, anchors: Anchors, at: datetime) -> None:
        self._artifact = artifact
        self._anchors = anchors
        self._at = at
        self._problems = list(artifact.problems)
        self._chains: dict[bytes, Chain] = {}

    def told(self, fact: type[B], about: Mapping[str, Any]) -> B:
        """The fact."""
        places = app_places(self._artifact)
        installer = self._installer()
        if len(places) != 1:
            problems = (*self._problems, _not_one_app(self._artifact, places))
            return fact(**about, apps=places, installer=installer, problems=problems)
        place = places[0]
        infos = dict(self._infos(place))
        mains = {self._main(where, info): where for where, info in infos.items()}
        executables = self._executables(place, mains)
        executables.sort(key=lambda executable: (executable.bundle != place, executable.path))
        bundles = {where: self._bundle(where, info, executables) for where, info in infos.items()}
        app = bundles.pop(place, Bundle(place))
        by_bundle = {bundle.place: bundle.signature for bundle in (app, *bundles.values())}
        return fact(
            **about,
            **{name: getattr(app, name) for name in Bundle.__dataclass_fields__},
            platform=_platform(app.info, executables, deep=_is_deep(self._artifact, place)),
            minimum_os=_text(app.info, "MinimumOSVersion") or _text(app.info, "LSMinimumSystemVersion"),
            name=_text(app.info, "CFBundleDisplayName") or _text(app.info, "CFBundleName") or Path(place).stem,
            apps=places,
            nested=tuple(sorted(bundles.values(), key=lambda bundle: bundle.place)),
            executables=tuple(replace(e, signature=by_bundle[e.bundle]) if e.bundle else e for e in executables),
            installer=installer,
            problems=tuple(self._problems),
        )

    def _infos(self, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every bundle with its Info.plist, the app itself first."""
        wheres: dict[str, None] = {place: None}
        for path in self._artifact.entries:
            if path.endswith("/Info.plist") and path.startswith(f"{place}/"):
                where = path.removesuffix("/Info.plist")
                where = where.removesuffix("/Contents").removesuffix("/Resources")
                if where.rpartition("/")[0].endswith("/Versions"):
                    where = where.rsplit("/", 2)[0]
                if where.endswith(BUNDLE_SUFFIXES):
                    wheres[where] = None
        for where in wheres:
            try:
                yield where, _read_info(self._artifact, where)
            except Malformed as fault:
                self._problems.append(str(fault))

    def _main(self, place: str, info: Mapping[str, Any]) -> str:
        entry = self._artifact.entry(_executable_path(self._artifact, place, info))
        if entry is None and _text(info, "CFBundleExecutable"):
            self._problems.append(f"{_executable_path(self._artifact, place, info)} is named by Info.plist and missing")
        elif entry is None and place.endswith((".app", ".appex")):
            self._problems.append(f"the Info.plist of {place} names no executable")
        return entry.path if entry else f"{place}/"

    def _executables(self, place: str, mains: Mapping[str, str]) -> list[Executable]:
        found: list[Executable] = []
        prefix = f"{place}/"
        for path, entry in self._artifact.entries.items():
            if entry.link or entry.size < 28 or not path.startswith(prefix) or path in self._artifact.unreadable:
                continue
            try:
                if not is_macho(self._artifact.head(path, 8)):
                    continue
                if len(found) >= MOST_EXECUTABLES:
                    self._problems.append(f"more than {MOST_EXECUTABLES:,} executables; the others were not read")
                    break
                with self._artifact.open(path) as file:
                    found.append(self._executable(path, entry, file, mains.get(path, "")))
            except Malformed as fault:
                self._problems.append(str(fault) if str(fault).startswith(path) else f"{path}: {fault}")
        return found

    def _executable(self, path: str, entry: Entry, file: BinaryIO, where: str) -> Executable:
        slices = read_macho(file, entry.size)
        around = self._around(where) if where else {}
        told = [self._slice_signature(file, part, around) for part in slices]
        signature, entitlements = told[0]
        for part, (other, _) in zip(slices[1:], told[1:], strict=True):
            signature = _merged(signature, other, part.architecture)
        return Executable(path, where, slices, signature, entitlements)

    def _around(self, place: str) -> Mapping[int, bytes | None]:
        """The files that a bundle's main executable vouches for, by slot number."""
        root = self._root(place)
        seal = self._artifact.entry(f"{root}/{SEAL}")
        return {
            codesignature.INFO_PLIST: self._artifact.read(_info_path(self._artifact, place), MOST_INFO_BYTES),
            codesignature.CODE_RESOURCES: self._artifact.read(seal.path, MOST_SEAL_BYTES) if seal else None,
        }

    def _root(self, place: str) -> str:
        """The folder that holds a bundle's _CodeSignature and that its sealed paths count from."""
        if _is_deep(self._artifact, place):
            return f"{place}/Contents"
        info = self._artifact.entry(_info_path(self._artifact, place))
        # A framework of the macOS kind keeps everything in Versions/A and links to it.
        return info.path.removesuffix("/Resources/Info.plist").removesuffix("/Info.plist") if info else place

    def _slice_signature(
        self, file: BinaryIO, part: Slice, around: Mapping[int, bytes | None]
    ) -> tuple[Signature, Mapping[str, Any]]:
        if part.signature is None:
            return Signature(), {}
        offset, size = part.signature
        try:
            read = codesignature.read_from(file, part.offset + offset, size)
        except Malformed as fault:
            return Signature(present=True, flaws=(str(fault),)), {}
        flaws = [*read.flaws, *codesignature.slot_flaws(read, around)]
        if offset + size != part.size:
            flaws.append(f"{part.size - offset - size:,} bytes follow the signature and are not signed")
        for directory in read.directories:
            flaws.extend(codesignature.page_flaws(directory, file, part.offset, offset))
        best = read.strongest
        signature = Signature(
            present=True,
            adhoc=not read.cms,
            identifier=best.identifier,
            team_id=best.team_id,
            runtime=bool(best.flags & codesignature.RUNTIME),
            flaws=tuple(dict.fromkeys(flaws)),
            cdhashes=tuple(directory.cdhash.hex() for directory in read.directories),
        )
        return (self._signed(signature, read) if read.cms else signature), read.entitlements

    def _signed(self, signature: Signature, read: codesignature.CodeSignature) -> Signature:
        """The signature with its signer."""
        try:
            signer = codesignature.verify(read.cms, read.directories, self._anchors)
            certificate = read_certificate(signer.certificate)
        except (Malformed, SigningFault) as fault:
            return replace(signature, flaws=(*signature.flaws, str(fault)))
        flaws = [*signature.flaws, *signer.flaws]
        if signature.team_id and certificate.team_id and signature.team_id != certificate.team_id:
            flaws.append(f"the code names team {signature.team_id}, its certificate team {certificate.team_id}")
        chain = self._chain(signer.certificate, signer.others)
        return replace(
            signature,
            certificate=certificate,
            trusted=chain.trusted,
            reason=chain.reason,
            missing=chain.missing,
            signed_at=signer.signed_at,
            timestamp=signer.timestamp.at if signer.timestamp else None,
            timestamp_doubt=signer.timestamp.doubt if signer.timestamp else "",
            flaws=tuple(flaws),
        )

    def _chain(self, leaf: bytes, others: tuple[bytes, ...]) -> Chain:
        if leaf not in self._chains:
            self._chains[leaf] = walk(leaf, others, self._anchors, self._at)
        return self._chains[leaf]

    def _bundle(self, place: str, info: Mapping[str, Any], executables: list[Executable]) -> Bundle:
        main = next((executable for executable in executables if executable.bundle == place), None)
        signature = main.signature if main else Signature()
        if signature.present and not (main and main.slices[0].file_type == "object"):
            signature = self._sealed(place, info, signature, executables)
        return Bundle(
            place=place,
            bundle_id=_text(info, "CFBundleIdentifier"),
            version=_text(info, "CFBundleShortVersionString"),
            build=_text(info, "CFBundleVersion"),
            package_type=_text(info, "CFBundlePackageType"),
            info=info,
            entitlements=main.entitlements if main else {},
            signature=signature,
            profile=self._profile(place),
            profile_path=self._profile_path(place),
        )

    def _sealed(
        self, place: str, info: Mapping[str, Any], signature: Signature, executables: list[Executable]
    ) -> Signature:
        root = self._root(place)
        seal = self._artifact.entry(f"{root}/{SEAL}")
        if seal is None:
            return replace(signature, flaws=(*signature.flaws, f"{SEAL} is missing: the bundle's files are not signed"))
        try:
            resources = read_signed(self._artifact.read(seal.path, MOST_SEAL_BYTES), SEAL)
            inside = {
                path.removeprefix(f"{root}/"): entry
                for path, entry in self._artifact.entries.items()
                if path.startswith(f"{root}/")
            }
            executable = self._artifact.entry(_executable_path(self._artifact, place, info))
            judged = judge_seal(
                resources,
                inside,
                lambda path, algorithm: self._artifact.digest(f"{root}/{path}", algorithm),
                lambda path: _code_at(f"{root}/{path}", executables),
                executable.path.removeprefix(f"{root}/") if executable else "",
            )
        except Unsupported as fault:
            return replace(signature, unseen=(*signature.unseen, str(fault)))
        except Malformed as fault:
            return replace(signature, flaws=(*signature.flaws, str(fault)))
        return replace(signature, flaws=signature.flaws + judged.flaws, unseen=signature.unseen + judged.unseen)

    def _profile_path(self, place: str) -> str:
        for inside in ("embedded.mobileprovision", "Contents/embedded.provisionprofile"):
            if entry := self._artifact.entry(f"{place}/{inside}"):
                return entry.path
        return ""

    def _profile(self, place: str) -> ProvisioningProfile | None:
        path = self._profile_path(place)
        if not path:
            return None
        try:
            return read_profile(self._artifact.read(path, MOST_INFO_BYTES), self._anchors, path=path)
        except (Malformed, SigningFault) as fault:
            self._problems.append(f"{path}: {fault}")
            return None

    def _installer(self) -> Installer | None:
        signature = getattr(self._artifact, "signature", None)
        if signature is None:
            return None
        leaf, *others = signature.certificates
        try:
            certificate = read_certificate(leaf)
            chain = self._chain(leaf, tuple(others))
        except SigningFault as fault:
            return Installer(None, signature.holds, reason=str(fault))
        return Installer(certificate, signature.holds, chain.trusted, chain.reason, chain.missing)


def _code_at(path: str, executables: list[Executable]) -> frozenset[bytes] | None:
    """Identities of the code at a path: a bundle or a Mach-O file."""
    for executable in executables:
        versions = f"{executable.bundle}/Versions/"
        if path in (executable.bundle, executable.path) or (executable.bundle and path.startswith(versions)):
            return frozenset(bytes.fromhex(cdhash) for cdhash in executable.signature.cdhashes)
    return None


def _merged(first: Signature, other: Signature, architecture: str) -> Signature:
    """One signature for all architectures: the first slice's, with what is wrong in another."""
    flaws = [f"{flaw} ({architecture})" for flaw in other.flaws if flaw not in first.flaws]
    if first.present != other.present:
        flaws.append(f"only some architectures are signed: {architecture} is{'' if other.present else ' not'}")
    elif _leaf(first.certificate) != _leaf(other.certificate):
        flaws.append(f"{architecture} is signed by another certificate")
    return replace(
        first,
        present=first.present or other.present,
        flaws=(*first.flaws, *flaws),
        cdhashes=first.cdhashes + other.cdhashes,
    )


def _leaf(certificate: Certificate | None) -> str:
    return certificate.sha256 if certificate else ""


def _platform(info: Mapping[str, Any], executables: list[Executable], *, deep: bool) -> str:
    """App Store Connect's name of the platform: as the code says, else as Info.plist says."""
    for executable in executables[:1]:
        for part in executable.slices:
            if found := _PLATFORMS.get(part.platform.removesuffix(" Simulator")):
                return found
    supported = info.get("CFBundleSupportedPlatforms")
    for name in supported if isinstance(supported, list) else ():
        if isinstance(name, str) and (found := _PLATFORMS.get(name.removesuffix("OS").removesuffix("Simulator"))):
            return found
    return "MAC_OS" if deep else ""
