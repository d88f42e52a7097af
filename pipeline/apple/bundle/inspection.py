"""Read one product from its container down to its signatures, and tell it as a fact."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from pipeline.apple.bundle import codesignature, contents
from pipeline.apple.bundle.containers import BLOCK, Artifact, Entry, copied, open_artifact
from pipeline.apple.bundle.crew import Crew
from pipeline.apple.bundle.dictionaries import read_dictionary, read_signed
from pipeline.apple.bundle.facts import BuiltApp, Bundle, Catalog, Executable, Installer, ProductOnDisk, Signature
from pipeline.apple.bundle.faults import Malformed, StaticLibrary, Unsupported
from pipeline.apple.bundle.interfaces import wanted
from pipeline.apple.bundle.macho import Slice, is_macho, read_macho
from pipeline.apple.bundle.seal import SEAL, hashes_of, judge_seal
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
        path: an .ipa, .pkg, .xcarchive, .app or Mach-O file.
        anchors: the roots that chains must end in.
        at: the moment (aware) that chains are judged at.
    """
    about: dict[str, Any] = {"path": str(path), "kind": path.suffix.lower().lstrip("."), "at": at}
    try:
        size = path.stat().st_size if path.is_file() else None
        with Crew(size) as crew:
            digest = crew.begin(_file_digest, path) if size is not None else None
            about["size"] = size or 0
            try:
                with open_artifact(path) as artifact:
                    about |= {"kind": artifact.kind, "size": artifact.size if size is None else size}
                    found = _Inspection(artifact, anchors, at, crew).told(fact, about)
            except Malformed as fault:
                found = fact(**about, problems=(str(fault),))
            return replace(found, sha256=digest()) if digest else found
    except OSError as fault:
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


def _file_digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def platform_of(artifact: Artifact) -> str:
    """App Store Connect's name of a product's platform, as far as its Info.plist and main program tell; else empty.

    Raises:
        Malformed: there is no app in it that can be read.
    """
    if artifact.kind == "tool":
        place, info, path = "", {}, artifact.path.name
    else:
        place = _only_app(artifact)
        if any(inside.startswith(f"{place}/Contents/") for inside in artifact.entries):
            # Even where the Info.plist is missing: no other system's apps look like this.
            return "MAC_OS"
        info = dict(_read_info(artifact, place))
        path = _executable_path(artifact, place, info)
    entry = artifact.entry(path)
    slices = _first_slices(artifact, entry) if entry else ()
    return _platform(info, [Executable(path, place, slices)], deep=_is_deep(artifact, place))


def _only_app(artifact: Artifact) -> str:
    places = app_places(artifact)
    if len(places) != 1:
        raise Malformed(_not_one_app(artifact, places))
    return places[0]


def _uuids(artifact: Artifact, place: str, info: Mapping[str, Any]) -> tuple[str, ...]:
    executable = artifact.entry(_executable_path(artifact, place, info))
    if executable is None:
        raise Malformed(f"{place} has no executable")
    return tuple(part.uuid for part in _first_slices(artifact, executable))


def _first_slices(artifact: Artifact, entry: Entry) -> tuple[Slice, ...]:
    """The slices of code, for what their load commands say.

    Those of code for one architecture stand at its beginning: the rest need not be unpacked.
    """
    try:
        head = artifact.head(entry.path, BLOCK)
        return read_macho(io.BytesIO(head), len(head), whole=entry.size)
    except Malformed:
        with artifact.open(entry.path) as file:
            return read_macho(file, entry.size)


def app_places(artifact: Artifact) -> tuple[str, ...]:
    """Folders of the apps at the top of a product."""
    if artifact.kind == "tool":
        return ()
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
    if artifact.kind == "tool":
        return f"{artifact.path.name} is a program on its own; only apps go to the App Store"
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


_LIBRARY = "library"
_Told = Executable | Catalog | str | None
"""What one file turned out to be."""
_ARCHIVE = b"!<arch>\n"
_SMALLEST_CODE = 28


class _Seen(NamedTuple):
    """What was found while all files were read: code, paths of static libraries, and asset catalogs by path."""

    executables: list[Executable]
    libraries: list[str]
    catalogs: dict[str, Catalog]


def _hashing(blocks: Iterator[bytes], hashers: list[Any]) -> Iterator[bytes]:
    for block in blocks:
        for hasher in hashers:
            hasher.update(block)
        yield block


class _Inspection:
    """One product while it is being read."""

    def __init__(self, artifact: Artifact, anchors: Anchors, at: datetime, crew: Crew) -> None:
        self._artifact = artifact
        self._anchors = anchors
        self._at = at
        self._crew = crew
        self._problems = list(artifact.problems)
        self._chains: dict[tuple[bytes, tuple[bytes, ...]], Chain] = {}
        self._certificates: dict[bytes, Certificate] = {}
        self._seals: dict[str, Mapping[str, Any] | Malformed] = {}
        self._paths = sorted(artifact.entries)

    def told(self, fact: type[B], about: Mapping[str, Any]) -> B:
        """The fact."""
        places = app_places(self._artifact)
        installer = self._installer()
        if len(places) != 1:
            problems = (*self._problems, _not_one_app(self._artifact, places))
            loose = self._survey("", {}).executables if self._artifact.kind == "tool" else []
            told: dict[str, Any] = {"executables": tuple(loose)}
            if loose:
                told["platform"] = _platform({}, loose, deep=False)
            return fact(**about, apps=places, installer=installer, problems=problems, **told)
        place = places[0]
        infos = dict(self._infos(place))
        mains = {self._main(where, info): where for where, info in infos.items()}
        for where in infos:
            self._read_seal(where)
        seen = self._survey(place, mains)
        executables = sorted(seen.executables, key=lambda executable: (executable.bundle != place, executable.path))
        bundles = {where: self._bundle(where, info, executables, seen.catalogs) for where, info in infos.items()}
        app = bundles.pop(place, None) or Bundle(
            place, profile=self._profile(place), profile_path=self._profile_path(place)
        )
        by_bundle = {bundle.place: bundle.signature for bundle in (app, *bundles.values())}
        return fact(
            **about,
            **{name: getattr(app, name) for name in Bundle.__dataclass_fields__},
            **contents.around(self._artifact, place),
            platform=_platform(app.info, executables, deep=_is_deep(self._artifact, place)),
            minimum_os=_text(app.info, "MinimumOSVersion") or _text(app.info, "LSMinimumSystemVersion"),
            name=_text(app.info, "CFBundleDisplayName") or _text(app.info, "CFBundleName") or Path(place).stem,
            apps=places,
            nested=tuple(sorted(bundles.values(), key=lambda bundle: bundle.place)),
            executables=tuple(replace(e, signature=by_bundle[e.bundle]) if e.bundle else e for e in executables),
            libraries=tuple(seen.libraries),
            installer=installer,
            problems=tuple(self._problems),
        )

    def _infos(self, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every bundle with its Info.plist, the app itself first."""
        wheres: dict[str, None] = {place: None}
        versions: dict[str, str] = {}
        for path in self._artifact.entries:
            if path.endswith("/Info.plist") and path.startswith(f"{place}/"):
                where = path.removesuffix("/Info.plist")
                where = where.removesuffix("/Contents").removesuffix("/Resources")
                if where.rpartition("/")[0].endswith("/Versions"):
                    versions[where] = path
                    where = where.rsplit("/", 2)[0]
                if where.endswith(BUNDLE_SUFFIXES):
                    wheres[where] = None
        for where, path in versions.items():
            current = self._artifact.entry(_info_path(self._artifact, where.rsplit("/", 2)[0]))
            if current and current.path != path and not where.endswith("/Current"):
                wheres[where] = None  # Another version than the current one is code that Apple judges by itself.
        for where in wheres:
            try:
                yield where, _read_info(self._artifact, where)
            except Malformed as fault:
                self._problems.append(str(fault))

    def _main(self, place: str, info: Mapping[str, Any]) -> str:
        entry = self._artifact.entry(_executable_path(self._artifact, place, info))
        if entry is None and place.endswith(".bundle"):
            return f"{place}/"  # Resources alone need no code; BUND033 tells of one that names some.
        if entry is None and _text(info, "CFBundleExecutable"):
            self._problems.append(f"{_executable_path(self._artifact, place, info)} is named by Info.plist and missing")
        elif entry is None and place.endswith((".app", ".appex")):
            self._problems.append(f"the Info.plist of {place} names no executable")
        return entry.path if entry else f"{place}/"

    def _survey(self, place: str, mains: Mapping[str, str]) -> _Seen:
        """Read every file once: code is judged, what a seal lists is hashed, the rest is only unpacked."""
        hashes = self._hashes_wanted()
        seen = _Seen([], [], {})
        paths = [
            path
            for path, entry in self._artifact.entries.items()
            if not entry.link
            and path not in self._artifact.unreadable
            and (self._artifact.checksummed or path in hashes or path.startswith(place))
        ]

        def read(path: str) -> _Told:
            return self._file(path, place, mains.get(path, ""), hashes.get(path, ()))

        sizes = [self._artifact.entries[path].size for path in paths]
        for path, found in zip(paths, self._crew.gather(read, paths, sizes), strict=True):
            if isinstance(found, Malformed):
                self._problems.append(str(found) if str(found).startswith(path) else f"{path}: {found}")
            elif isinstance(found, Executable):
                seen.executables.append(found)
            elif isinstance(found, Catalog):
                seen.catalogs[path] = found
            elif found == _LIBRARY:
                seen.libraries.append(path)
        if len(seen.executables) > MOST_EXECUTABLES:
            self._problems.append(f"more than {MOST_EXECUTABLES:,} executables")
        return seen

    def _hashes_wanted(self) -> dict[str, tuple[str, ...]]:
        """The files that seals list, each with the algorithms of their hashes."""
        found: dict[str, tuple[str, ...]] = {}
        for where, seal in self._seals.items():
            if isinstance(seal, Malformed):
                continue
            root = self._root(where)
            for path, algorithm in hashes_of(seal):
                full = f"{root}/{path}"
                found[full] = tuple({*found.get(full, ()), algorithm})
        return found

    def _file(self, path: str, place: str, where: str, algorithms: tuple[str, ...]) -> _Told:
        entry = self._artifact.entries[path]
        blocks = self._artifact.blocks(path)
        first = next(blocks, b"")
        every = chain((first,), blocks) if first else iter(())
        hashers = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
        if hashers:
            every = _hashing(every, list(hashers.values()))
        inside = path.startswith(place)
        if inside and entry.size >= _SMALLEST_CODE and is_macho(first[:8]):
            with self._seekable(path, every, entry, hashed=bool(hashers)) as file:
                try:
                    found: _Told = self._executable(path, entry, file, where)
                except StaticLibrary:
                    found = _LIBRARY
        elif inside and path.endswith(f"/{contents.CATALOG}") and first.startswith(contents.CATALOG_MAGIC):
            from pipeline.apple.bundle.catalogs import read_catalog

            with self._seekable(path, every, entry, hashed=bool(hashers)) as file:
                found = read_catalog(file, entry.size)
        else:
            for _ in every:
                pass
            found = _LIBRARY if inside and first.startswith(_ARCHIVE) and path.endswith(".a") else None
        for algorithm, hasher in hashers.items():
            self._artifact.remember(path, algorithm, hasher.digest())
        return found

    def _seekable(self, path: str, blocks: Iterator[bytes], entry: Entry, *, hashed: bool) -> BinaryIO:
        """Code as a file that can be sought; what lies on disk already is not copied, unless it is hashed as well."""
        if self._artifact.checksummed or hashed:
            return copied(blocks, entry.size)
        return self._artifact.open(path)

    def _executable(self, path: str, entry: Entry, file: BinaryIO, where: str) -> Executable:
        slices = read_macho(file, entry.size, wanted())
        around = self._around(where) if where else {}
        told = [(part.architecture, *self._slice_signature(file, part, around)) for part in slices]
        rights: dict[str, Mapping[str, Any]] = {}
        for number, (name, signature, claimed) in enumerate(told):
            if signature.present:
                rights[f"{name}, slice {number}" if name in rights else name] = claimed
        entitlements = next(iter(rights.values()), {})
        return Executable(
            path,
            where,
            slices,
            _merged([(name, signature) for name, signature, _ in told]),
            entitlements,
            rights if any(dict(claimed) != dict(entitlements) for claimed in rights.values()) else {},
            tuple(name for name, signature, _ in told if rights and not signature.present),
        )

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
        with self._crew.turn:
            # Two that hash small pages at once take the interpreter from each other after every page.
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
            certificate = self._certificate(signer.certificate)
        except (Malformed, SigningFault) as fault:
            return replace(signature, flaws=(*signature.flaws, str(fault)))
        flaws = [*signature.flaws, *signer.flaws]
        if codesignature.teams_differ(signature.team_id, certificate.team_id):
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

    def _certificate(self, leaf: bytes) -> Certificate:
        if leaf not in self._certificates:
            self._certificates[leaf] = read_certificate(leaf)
        return self._certificates[leaf]

    def _chain(self, leaf: bytes, others: tuple[bytes, ...]) -> Chain:
        # One signer may come with other issuers elsewhere: each signature is judged by what it carries itself.
        if (leaf, others) not in self._chains:
            self._chains[leaf, others] = walk(leaf, others, self._anchors, self._at)
        return self._chains[leaf, others]

    def _bundle(
        self,
        place: str,
        info: Mapping[str, Any],
        executables: list[Executable],
        catalogs: Mapping[str, Catalog],
    ) -> Bundle:
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
            rights=main.rights if main else {},
            signature=signature,
            profile=self._profile(place),
            profile_path=self._profile_path(place),
            executable=_executable_path(self._artifact, place, info) if _text(info, "CFBundleExecutable") else "",
            **(contents.inside(self._artifact, place, info, catalogs) if place.endswith(OWN_SUFFIXES) else {}),
        )

    def _read_seal(self, place: str) -> None:
        root = self._root(place)
        seal = self._artifact.entry(f"{root}/{SEAL}")
        if seal is not None:
            try:
                self._seals[place] = read_signed(self._artifact.read(seal.path, MOST_SEAL_BYTES), SEAL)
            except Malformed as fault:
                self._seals[place] = fault

    def _below(self, folder: str) -> list[str]:
        """All files below a folder."""
        first, behind = f"{folder}/", f"{folder}0"  # The digit is the next character behind the slash.
        return self._paths[bisect_left(self._paths, first) : bisect_left(self._paths, behind)]

    def _sealed(
        self, place: str, info: Mapping[str, Any], signature: Signature, executables: list[Executable]
    ) -> Signature:
        root = self._root(place)
        resources = self._seals.get(place)
        if resources is None:
            return replace(signature, flaws=(*signature.flaws, f"{SEAL} is missing: the bundle's files are not signed"))
        try:
            if isinstance(resources, Malformed):
                raise resources
            inside = {path[len(root) + 1 :]: self._artifact.entries[path] for path in self._below(root)}
            executable = self._artifact.entry(_executable_path(self._artifact, place, info))
            judged = judge_seal(
                resources,
                inside,
                lambda path, algorithm: self._artifact.digest(f"{root}/{path}", algorithm),
                lambda path: code_at(f"{root}/{path}", executables),
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
            certificate = self._certificate(leaf)
            chain = self._chain(leaf, tuple(others))
        except SigningFault as fault:
            return Installer(None, signature.holds, reason=str(fault))
        return Installer(certificate, signature.holds, chain.trusted, chain.reason, chain.missing)


def code_at(path: str, executables: list[Executable]) -> frozenset[bytes] | None:
    """Identities of the code at a path: a bundle, one version of a framework, or a Mach-O file."""
    found = next((each for each in executables if path in (each.bundle, each.path)), None)
    if found is None and path.rpartition("/")[0].endswith("/Versions"):
        # A framework may hold bundles of its own in Versions/B: only that folder itself stands for the framework.
        found = next((each for each in executables if each.bundle == path.rsplit("/", 2)[0]), None)
    return frozenset(bytes.fromhex(cdhash) for cdhash in found.signature.cdhashes) if found else None


def _merged(slices: Sequence[tuple[str, Signature]]) -> Signature:
    """One signature for all architectures: the first that names a signer, with what is wrong in the others.

    That linkers sign arm64 ad hoc, and x86_64 not at all, is nothing that changed after signing.
    """
    _, first = min(slices, key=lambda each: (not each[1].present, each[1].certificate is None, each[1].adhoc))
    merged = first
    for architecture, other in slices:
        if other is first:
            continue
        flaws = [f"{flaw} ({architecture})" for flaw in other.flaws if flaw not in first.flaws]
        if not other.present and first.certificate:
            flaws.append(f"only some architectures are signed: {architecture} is not")
        elif other.present and _leaf(first.certificate) != _leaf(other.certificate):
            flaws.append(f"{architecture} is signed {'ad hoc' if other.adhoc else 'by another certificate'}")
        elif other.certificate and merged.trusted and not other.trusted:
            # The same signer, whose issuers one slice carries and the other does not.
            merged = replace(merged, trusted=False, reason=other.reason, missing=other.missing)
        merged = replace(merged, flaws=(*merged.flaws, *flaws))
    return replace(merged, cdhashes=tuple(cdhash for _, each in slices for cdhash in each.cdhashes))


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
