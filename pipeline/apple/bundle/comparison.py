"""Two products side by side: what became of identity, rights, code, privacy and size between one build and the next."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.apple.bundle import codesignature
from pipeline.apple.bundle.codesignature import ENTITLEMENTS, ENTITLEMENTS_DER
from pipeline.apple.bundle.containers import Artifact, open_artifact
from pipeline.apple.bundle.dictionaries import read_dictionary, read_signed
from pipeline.apple.bundle.entitlements import read_der
from pipeline.apple.bundle.facts import BuiltApp, Bundle, Executable, Signature
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.inspection import BUNDLE_SUFFIXES, built_app
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.apple.bundle.macho import Slice
    from pipeline.apple.signing.profiles import ProvisioningProfile
    from pipeline.apple.signing.trust import Anchors

MOST_MANIFEST_BYTES = 4 * 1024 * 1024
MOST_MANIFESTS = 2_000
DEEPEST = 12
LONGEST = 500
MANIFEST = "PrivacyInfo.xcprivacy"
REST = "everything else"

Plain = Mapping[str, str]
"""A tree of values as text, by path: `UIBackgroundModes` or `NSAppTransportSecurity/NSAllowsArbitraryLoads`."""


@dataclass(frozen=True)
class Weight:
    """Bytes of one component: as they lie on a device, and as they are packed; None where that cannot be told."""

    unpacked: int = 0
    packed: int | None = None

    def __add__(self, other: Weight) -> Weight:
        known = self.packed is not None and other.packed is not None
        return Weight(self.unpacked + other.unpacked, (self.packed or 0) + (other.packed or 0) if known else None)


@dataclass(frozen=True)
class Contents:
    """One product as far as it is compared. Places are relative to the app, which itself is "".

    Attributes:
        app: the product as inspection tells it.
        entitlements: of every program with its own, by place: as XML and as DER, None where that form is missing; once
            more under "place (architecture)" for a slice that has others than the first.
        manifests: privacy manifests by path.
        weights: size by component.
    """

    app: BuiltApp = field(default_factory=BuiltApp)
    entitlements: Mapping[str, tuple[Plain | None, Plain | None]] = field(default_factory=dict)
    manifests: Mapping[str, Plain] = field(default_factory=dict)
    weights: Mapping[str, Weight] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Whether there is an app to compare, or a program on its own."""
        return self.app.comparable


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was. `old` is None when it is new, `new` when it is gone.

    `form` says which form of a thing changed where there are two: "XML" or "DER"; empty where both did, or for one.
    """

    place: str
    what: str
    old: str | None = None
    new: str | None = None
    form: str = ""

    @property
    def kind(self) -> str:
        """Whether it was added, removed or changed."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"


@dataclass(frozen=True)
class Growth:
    """What became of the size of one component; None where there was, or is, none."""

    component: str
    old: Weight | None = None
    new: Weight | None = None

    @property
    def difference(self) -> int:
        """How many bytes more it takes unpacked."""
        return (self.new.unpacked if self.new else 0) - (self.old.unpacked if self.old else 0)

    @property
    def packed_difference(self) -> int | None:
        """How many bytes more it takes packed."""
        weights = [each.packed for each in (self.old, self.new) if each]
        if any(each is None for each in weights):
            return None
        return ((self.new.packed or 0) if self.new else 0) - ((self.old.packed or 0) if self.old else 0)


@dataclass(frozen=True)
class ArtifactDifferences:
    """Two products, and what changed from the first to the second."""

    old: BuiltApp = field(default_factory=BuiltApp)
    new: BuiltApp = field(default_factory=BuiltApp)
    information: tuple[Change, ...] = ()
    entitlements: tuple[Change, ...] = ()
    profiles: tuple[Change, ...] = ()
    bundles: tuple[Change, ...] = ()
    code: tuple[Change, ...] = ()
    privacy: tuple[Change, ...] = ()
    signers: tuple[Change, ...] = ()
    growth: tuple[Growth, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether both are one file, byte by byte; folders have no digest of their own."""
        return bool(self.old.sha256) and self.old.sha256 == self.new.sha256

    @property
    def changes(self) -> tuple[Change, ...]:
        """All but the sizes."""
        return (
            *(*self.information, *self.entitlements, *self.profiles, *self.bundles),
            *(*self.code, *self.privacy, *self.signers),
        )

    def __str__(self) -> str:
        return f"{self.old} → {self.new}: {len(self.changes)} changes"


# Reading -------------------------------------------------------------------------------------------------------------


def read_contents(path: Path, anchors: Anchors, at: datetime) -> Contents:
    """Read a product; what cannot be read is among the problems of its app, or left out."""
    app = built_app(BuiltApp, path, anchors, at)
    if app.kind == "tool" and app.executables:
        app = _as_a_bundle(app, app.executables[0])
    if not app.comparable:
        return Contents(app)
    try:
        with open_artifact(path) as artifact:
            return Contents(
                app,
                dict(_entitlements(artifact, app)),
                dict(_manifests(artifact, app)),
                _weights(artifact, app, _packed(path)),
            )
    except (Malformed, OSError):
        # It changed between two looks; what was seen at the first one stands.
        return Contents(app)


def _as_a_bundle(app: BuiltApp, program: Executable) -> BuiltApp:
    """A program on its own, told as an app that consists of nothing else."""
    return replace(
        app,
        place=program.path,
        signature=program.signature,
        entitlements=program.entitlements,
        executables=(replace(program, bundle=program.path),),
    )


def _below(place: str, path: str) -> str | None:
    """A path without the app's own; None for what lies outside the app."""
    if path == place:
        return ""
    return path.removeprefix(f"{place}/") if path.startswith(f"{place}/") else None


def _entitlements(artifact: Artifact, app: BuiltApp) -> Iterator[tuple[str, tuple[Plain | None, Plain | None]]]:
    for one in app.executables:
        where = _below(app.place, one.bundle or one.path)
        if where is None or not one.runs:
            continue
        with suppress(Malformed), artifact.open(one.path) as file:
            first: tuple[Plain | None, Plain | None] = (None, None)
            for number, part in enumerate(one.slices):
                found = _forms(file, part)
                if number == 0:
                    first = found
                elif found == first:
                    continue
                if found != (None, None):
                    yield (f"{where} ({part.architecture})".lstrip() if number else where), found


def _forms(file: BinaryIO, part: Slice) -> tuple[Plain | None, Plain | None]:
    """The entitlements of one slice, as XML and as DER."""
    if part.signature is None:
        return None, None
    offset, size = part.signature
    blobs = codesignature.read_from(file, part.offset + offset, size).blobs
    xml = _form(blobs.get(ENTITLEMENTS), lambda data: read_signed(data, "the signed entitlements"))
    return xml, _form(blobs.get(ENTITLEMENTS_DER), read_der)


def _form(blob: bytes | None, read: Callable[[bytes], Mapping[str, Any]]) -> Plain | None:
    if blob is None:
        return None
    try:
        return plain(read(blob[8:]))
    except Malformed as fault:
        return {"(unreadable)": str(fault)}


def _manifests(artifact: Artifact, app: BuiltApp) -> Iterator[tuple[str, Plain]]:
    paths = [path for path in artifact.entries if posixpath.basename(path) == MANIFEST]
    for path in paths[:MOST_MANIFESTS]:
        where = _below(app.place, path)
        if where is None or path in artifact.unreadable:
            continue
        try:
            yield where, _declared(read_dictionary(artifact.read(path, MOST_MANIFEST_BYTES), path).value)
        except Malformed as fault:
            yield where, {"(unreadable)": str(fault)}


_LISTS = {
    "NSPrivacyAccessedAPITypes": "NSPrivacyAccessedAPIType",
    "NSPrivacyCollectedDataTypes": "NSPrivacyCollectedDataType",
}
"""Lists of a privacy manifest, and the key that tells their entries apart: their order means nothing."""


def _declared(manifest: Mapping[str, Any]) -> Plain:
    found = {key: value for key, value in manifest.items() if key not in _LISTS}
    for key, named in _LISTS.items():
        held = manifest.get(key)
        if not isinstance(held, list):
            continue
        for number, entry in enumerate(held):
            if isinstance(entry, dict):
                name = entry.get(named)
                rest = {inner: value for inner, value in entry.items() if inner != named}
                found[f"{key}/{name if isinstance(name, str) else number}"] = rest or "declared"
    return plain(found)


def _packed(path: Path) -> Mapping[str, int]:
    """Packed sizes by path; empty where a product is not packed file by file."""
    if path.suffix.lower() != ".ipa":
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {member.filename.removeprefix("./"): member.compress_size for member in archive.infolist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return {}


def _weights(artifact: Artifact, app: BuiltApp, packed: Mapping[str, int]) -> Mapping[str, Weight]:
    main = next((one.path for one in app.executables if one.bundle == app.place), "")
    found: dict[str, list[int]] = {}
    for path, entry in artifact.entries.items():
        held = found.setdefault("the executable" if path == main else _component(app.place, path), [0, 0])
        held[0] += entry.size
        held[1] += packed.get(path, 0)
    return {name: Weight(size, small if packed else None) for name, (size, small) in found.items()}


def _component(place: str, path: str) -> str:
    """What of the product a file belongs to: the outermost bundle, else the kind of file, else the top folder."""
    inside = _below(place, path)
    if inside is None:
        # SwiftSupport of an .ipa, dSYMs of an archive, the scripts of a package.
        shared = posixpath.commonpath([place, path])
        return f"beside the app: {path.removeprefix(f'{shared}/' if shared else '').split('/')[0]}"
    *folders, name = inside.split("/")
    for count, folder in enumerate(folders, start=1):
        if folder.endswith(BUNDLE_SUFFIXES):
            return "/".join(folders[:count])
        if folder.endswith(".lproj"):
            return "localizations (*.lproj)"
    if "_CodeSignature" in folders or name in ("embedded.mobileprovision", "embedded.provisionprofile"):
        return "signature and profile"
    if name == "Assets.car" or name.endswith(".dylib"):
        return inside
    top = next((folder for folder in folders if folder not in ("Contents", "Resources")), "")
    return f"{top}/" if top else REST


# Comparing -----------------------------------------------------------------------------------------------------------


def differences(old: Contents, new: Contents) -> ArtifactDifferences:
    """What changed from one product to another; where one holds no app, nothing is compared."""
    if not (old.readable and new.readable):
        return ArtifactDifferences(old.app, new.app)
    before, after = _bundles(old.app), _bundles(new.app)
    return ArtifactDifferences(
        old.app,
        new.app,
        information=tuple(_information(before, after)),
        entitlements=tuple(_rights(old.entitlements, new.entitlements)),
        profiles=tuple(_profiles(before, after)),
        bundles=tuple(_nested(old.app, new.app, before, after)),
        code=tuple(_code(old.app, new.app)),
        privacy=tuple(_trees(old.manifests, new.manifests, "the manifest")),
        signers=tuple(_signers(old.app, new.app, before, after)),
        growth=tuple(
            Growth(name, old.weights.get(name), new.weights.get(name)) for name in sorted({*old.weights, *new.weights})
        ),
    )


def plain(tree: Any, path: str = "", depth: int = 0) -> dict[str, str]:
    """A property list's values as text, by path. A list of single values is one text, in its order."""
    if depth > DEEPEST:
        return {path: "…"}
    if isinstance(tree, Mapping):
        found: dict[str, str] = {} if tree or not path else {path: "{}"}
        for key in sorted(tree, key=str):
            found |= plain(tree[key], f"{path}/{key}" if path else str(key), depth + 1)
        return found
    if isinstance(tree, (list, tuple)):
        if not any(isinstance(item, (Mapping, list, tuple)) for item in tree):
            return {path: ", ".join(map(_worded, tree)) or "[]"}
        found = {}
        for number, item in enumerate(tree):
            found |= plain(item, f"{path}/{number}", depth + 1)
        return found
    return {path: _worded(tree)}


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _compared(place: str, old: Plain, new: Plain, form: str = "") -> Iterator[Change]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield Change(place, key, before, after, form)


def _trees(old: Mapping[str, Plain], new: Mapping[str, Plain], what: str) -> Iterator[Change]:
    """Changes of trees by place; one that came or went is one change."""
    for place in sorted({*old, *new}):
        before, after = old.get(place), new.get(place)
        if before is None or after is None:
            yield Change(place, what, _counted(before), _counted(after))
        else:
            yield from _compared(place, before, after)


def _counted(tree: Plain | None) -> str | None:
    if tree is None:
        return None
    return f"{len(tree)} {'value' if len(tree) == 1 else 'values'}"


def _bundles(app: BuiltApp) -> dict[str, Bundle]:
    return {where: each for each in app.bundles if (where := _below(app.place, each.place)) is not None}


def _information(old: Mapping[str, Bundle], new: Mapping[str, Bundle]) -> Iterator[Change]:
    """Of the app, and of what runs inside it; of frameworks the version is told with them."""
    for place in sorted(old.keys() & new.keys()):
        if old[place].is_app and new[place].is_app:
            yield from _compared(place, plain(old[place].info), plain(new[place].info))


def _rights(
    old: Mapping[str, tuple[Plain | None, Plain | None]], new: Mapping[str, tuple[Plain | None, Plain | None]]
) -> Iterator[Change]:
    for place in sorted({*old, *new}):
        # A slice with entitlements of its own had those of all others where it is not told.
        whole = place.rpartition("(")[0].rstrip() if place.endswith(")") else place
        before = old.get(place) or old.get(whole, (None, None))
        after = new.get(place) or new.get(whole, (None, None))
        found: list[list[Change]] = []
        for form, one, other in zip(("XML", "DER"), before, after, strict=True):
            if (one is None) != (other is None) and place in old and place in new:
                found.append([Change(place, f"the {form} form", _counted(one), _counted(other), form)])
            else:
                found.append(list(_compared(place, one or {}, other or {}, form)))
        xml, der = found
        both = {(each.what, each.old, each.new) for each in xml} & {(each.what, each.old, each.new) for each in der}
        for each in (*xml, *der):
            if (each.what, each.old, each.new) not in both:
                yield each
            elif each.form == "XML":
                yield Change(place, each.what, each.old, each.new)


def _profiles(old: Mapping[str, Bundle], new: Mapping[str, Bundle]) -> Iterator[Change]:
    for place in sorted({*old, *new}):
        before = old[place].profile if place in old else None
        after = new[place].profile if place in new else None
        if before and after:
            yield from _compared(place, _profile(before), _profile(after))
        elif before or after:
            yield Change(place, "the profile", before.name if before else None, after.name if after else None)


def _profile(one: ProvisioningProfile) -> Plain:
    told = {
        "name": one.name,
        "UUID": one.uuid,
        "kind": str(one.kind),
        "App ID": one.application_identifier or one.bundle_id,
        "team": ", ".join(one.team_ids),
        "made": f"{one.created:%Y-%m-%d}",
        "expires": f"{one.expires:%Y-%m-%d}",
        "certificates": ", ".join(sorted(each.sha1.upper() for each in one.developer_certificates)),
        "devices": str(one.devices) if one.devices else "",
    }
    granted = {f"grants {key}": value for key, value in plain(one.entitlements).items()}
    return {key: value for key, value in {**told, **granted}.items() if value}


def _nested(
    old_app: BuiltApp, new_app: BuiltApp, old: Mapping[str, Bundle], new: Mapping[str, Bundle]
) -> Iterator[Change]:
    """Frameworks, extensions and other bundles, and libraries and programs that are in none of them."""
    before = {**{place: _version(each) for place, each in old.items() if place}, **_alone(old_app)}
    after = {**{place: _version(each) for place, each in new.items() if place}, **_alone(new_app)}
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place):
            yield Change(place, "version", before.get(place), after.get(place))


def _version(bundle: Bundle) -> str:
    version = bundle.version or "no version"
    return f"{version} ({bundle.build})" if bundle.build else version


def _alone(app: BuiltApp) -> dict[str, str]:
    paths = (_below(app.place, one.path) for one in app.executables if not one.bundle)
    return dict.fromkeys((path for path in paths if path), "no bundle")


def _code(old: BuiltApp, new: BuiltApp) -> Iterator[Change]:
    before, after = _executables(old), _executables(new)
    for place in sorted(before.keys() & after.keys()):
        one, other = before[place], after[place]
        yield from _compared(place, _built(one), _built(other))
        linked, links = _libraries(one), _libraries(other)
        yield from (Change(place, "links", None, library) for library in links if library not in linked)
        yield from (Change(place, "links", library, None) for library in linked if library not in links)


def _executables(app: BuiltApp) -> dict[str, Executable]:
    """By bundle where it is a bundle's own, so that a renamed program is still the same; else by path."""
    found = ((_below(app.place, one.bundle or one.path), one) for one in app.executables)
    return {place: one for place, one in found if place is not None}


def _built(one: Executable) -> Plain:
    told = {
        "architectures": ", ".join(one.architectures),
        "platform": _each(one, lambda part: part.platform),
        "minimum OS": _each(one, lambda part: part.minimum_os),
        "SDK": _each(one, lambda part: part.sdk),
        "kind": _each(one, lambda part: part.file_type),
    }
    return {key: value for key, value in told.items() if value}


def _each(one: Executable, told: Callable[[Any], str]) -> str:
    """What all slices say, once where they agree."""
    return ", ".join(dict.fromkeys(filter(None, map(told, one.slices))))


def _libraries(one: Executable) -> tuple[str, ...]:
    return tuple(dict.fromkeys(library for part in one.slices for library in part.libraries))


def _signers(
    old_app: BuiltApp, new_app: BuiltApp, old: Mapping[str, Bundle], new: Mapping[str, Bundle]
) -> Iterator[Change]:
    for place in sorted(old.keys() & new.keys()):
        yield from _compared(place, _signed(old[place].signature), _signed(new[place].signature))
    yield from _compared("the package", _installed(old_app), _installed(new_app))


def _signed(one: Signature) -> Plain:
    leaf = one.certificate
    told = {
        "signer": str(one),
        "certificate": leaf.sha1.upper() if leaf else "",
        "certificate expires": f"{leaf.not_after:%Y-%m-%d}" if leaf else "",
        "team": one.team_id,
        "hardened runtime": "on" if one.runtime else "off" if one.present else "",
        "does not hold": "; ".join(one.flaws),
    }
    return {key: value for key, value in told.items() if value}


def _installed(app: BuiltApp) -> Plain:
    if app.kind != "pkg":
        return {}
    leaf = app.installer.certificate if app.installer else None
    return {"signer": leaf.subject_name, "certificate": leaf.sha1.upper()} if leaf else {"signer": "not signed"}
