"""Who signed the code that a person names: the certificates that travel inside signatures, and whether they hold.

A certificate in a signature needs no keychain to be seen, so a released app tells when its signer's certificate ends.
The files around the code (Info.plist, the seal of the resources) are not judged here; `inspection` does that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pipeline.apple.bundle import codesignature
from pipeline.apple.bundle.containers import Artifact, ZipArtifact
from pipeline.apple.bundle.facts import GivenSignature
from pipeline.apple.bundle.faults import Malformed, Unsupported
from pipeline.apple.bundle.macho import Slice, is_macho, read_macho
from pipeline.apple.bundle.timestamps import WRONG as WRONG_STAMP
from pipeline.apple.bundle.timestamps import Timestamp, read_timestamp
from pipeline.apple.signing.certificates import Certificate
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import Anchors, walk
from pipeline.model import UsageFault

if TYPE_CHECKING:
    from pipeline.apple.bundle.packages import InstallerSignature

MOST_HASHED = 4 * 1024**3
"""Bytes of one architecture that are hashed again; an executable larger than that is no app's."""

_APP = ".app/"
PRODUCT_FOLDERS = (".app", ".xcarchive")
_NEVER_SIGNED = frozenset({"object", "dsym"})
_ZIP_MAGICS = (b"PK\3\4", b"PK\5\6")
_XAR_MAGIC = b"xar!"


class _Found(NamedTuple):
    """What was found at one place of a product; `rank` puts the product's own program before what it carries."""

    rank: tuple[bool, int, str]
    place: str
    signature: GivenSignature


def read_signers(
    paths: Iterable[Path],
    opened: Callable[[Path], BinaryIO],
    named: Sequence[str],
    anchors: Anchors,
    at: datetime,
) -> Iterator[GivenSignature]:
    """Every signature in the given files; what holds no code is passed over, and so is what cannot be opened.

    Recognised by content: Mach-O (thin and fat), zip archives with Mach-O inside, installer packages; .ipa and .pkg by
    name too, so that one which is neither is told as such. Inside one product all code with the same signer and the
    same judgement becomes one item.

    Args:
        paths: the files.
        opened: opens one for reading; raises UsageFault.
        named: what a person named: an .app or .xcarchive at or below it is one product.
        anchors: the roots that chains must end in.
        at: the moment (aware) for signatures that do not say when they were made, or say a later one.
    """
    reader = _Reader(anchors, at)
    tops = frozenset(Path(each) for each in named)
    products: dict[str, list[_Found]] = {}
    seen: set[tuple[int, int]] = set()
    for path in paths:
        try:
            file = opened(path)
        except UsageFault:
            continue
        with file:
            about = os.fstat(file.fileno())
            # A framework links to its own current version, and a folder may be named twice.
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            try:
                found = [*reader.file(path, file, about.st_size)]
            except OSError as fault:
                found = [_faulty(str(path), f"{path.name} cannot be read ({fault.strerror or fault})")]
        if found:
            products.setdefault(_product(path, tops), []).extend(found)
    for product, found in products.items():
        yield from _merged(product, found)


def _product(path: Path, tops: frozenset[Path]) -> str:
    """The outermost .app or .xcarchive that was named or lies below what was named; else the file itself."""
    for folder in reversed(path.parents):
        if folder.name.endswith(PRODUCT_FOLDERS) and (folder in tops or not tops.isdisjoint(folder.parents)):
            return str(folder)
    return str(path)


def _merged(product: str, found: list[_Found]) -> Iterator[GivenSignature]:
    """One item for each signer and judgement, the product's own program first."""
    groups: dict[tuple[object, ...], list[_Found]] = {}
    for each in sorted(found, key=lambda one: one.rank):
        groups.setdefault(_judgement(each.signature), []).append(each)
    for number, (first, *others) in enumerate(groups.values()):
        inside = number > 0 and first.place != product
        origin = f"{product}: {first.place.removeprefix(product).lstrip('/')}" if inside else product
        yield replace(first.signature, origin=origin, others=len(others))


def _judgement(signature: GivenSignature) -> tuple[object, ...]:
    """What makes two signatures of one product one row."""
    leaf = signature.leaf
    signer = leaf.sha256 if leaf else ""
    told = (signature.unsigned, signature.adhoc, signature.trusted, signature.reason)
    doubts = (signature.fault, signature.unread, signature.timestamp_doubt)
    return (signer, signature.team_id, signature.is_installer, *told, *doubts)


class _Reader:
    """Reads files of every kind with one set of anchors."""

    def __init__(self, anchors: Anchors, at: datetime) -> None:
        self._anchors = anchors
        self._at = at
        self._known: dict[str, Certificate] = {}

    def file(self, path: Path, file: BinaryIO, size: int) -> Iterator[_Found]:
        """Everything signed in one file of any kind."""
        head = file.read(8)
        suffix = path.suffix.lower()
        if is_macho(head):
            yield from self._code(file, size, str(path))
        elif head.startswith(_XAR_MAGIC) or suffix == ".pkg":
            yield from self._package(path, file, size)
        elif head.startswith(_ZIP_MAGICS) or suffix == ".ipa":
            yield from self._zip(path)

    def _zip(self, path: Path) -> Iterator[_Found]:
        # Any other zip may hold anything, and then this is not the one to say that it is broken or holds no code.
        is_app = path.suffix.lower() == ".ipa"
        try:
            with ZipArtifact(path) as artifact:
                if not is_app and not any(_APP in member for member in artifact.unreadable):
                    artifact.unreadable.clear()
                found = [*self._members(artifact, str(path))]
        except Malformed as fault:
            found = [_refused(str(path), fault)] if is_app else []
        yield from found
        if is_app and not found:
            yield _faulty(str(path), f"{path.name} holds no code")

    def _package(self, path: Path, file: BinaryIO, size: int) -> Iterator[_Found]:
        from pipeline.apple.bundle.packages import PackageArtifact, Xar

        try:
            file.seek(0)
            xar = Xar(file, size)
            signature = xar.signature()
            changed = xar.changed()
        except Malformed as fault:
            yield _refused(str(path), fault)
            return
        told = GivenSignature(unsigned=True, reason="the package is not signed", is_installer=True)
        if signature is not None:
            told = self._installer(replace(told, unsigned=False, reason=""), signature)
            told = _doubted(told, changed)
        # The installer's signature is the package's own: it comes before all code.
        yield _Found((False, 0, ""), str(path), replace(told, platform_words="installer package"))
        try:
            with PackageArtifact(path) as artifact:
                yield from self._members(artifact, str(path))
        except Malformed as fault:
            if not changed:
                yield _refused(f"{path}/Payload", fault)

    def _installer(self, told: GivenSignature, signature: InstallerSignature) -> GivenSignature:
        leaf, *others = signature.certificates
        stamped = read_timestamp(signature.token, signature.octets, self._anchors) if signature.token else None
        told = self._signed(_stamped(told, stamped), leaf, tuple(others), signature.signed_at)
        if not signature.holds:
            told = _doubted(told, ["the signature does not fit the package's table of contents"])
        return _doubted(told, [f"{WRONG_STAMP}: {stamped.flaw}"] if stamped and stamped.flaw else [])

    def _members(self, artifact: Artifact, product: str) -> Iterator[_Found]:
        """The code inside a container. What is damaged is told when nothing else is, what cannot be unpacked always."""
        if artifact.unreadable:
            yield _unread(product, "; ".join(artifact.unreadable_words()))
        problem, any_code = "", False
        for member, entry in artifact.entries.items():
            place = f"{product}/{member}"
            try:
                if entry.link or entry.size < 28 or member in artifact.unreadable:
                    continue
                if not is_macho(artifact.head(member, 8)):
                    continue
                with artifact.open(member) as file:
                    yield from self._code(file, entry.size, place)
                any_code = True
            except Malformed as fault:
                problem = problem or str(fault)
        if problem and not any_code:
            yield _faulty(product, problem)

    def _code(self, file: BinaryIO, size: int, place: str) -> Iterator[_Found]:
        """One item for the architectures that are judged alike: nearly always one."""
        try:
            slices = read_macho(file, size)
        except Malformed as fault:
            yield _faulty(place, str(fault))
            return
        parts = [part for part in slices if part.file_type not in _NEVER_SIGNED]
        judged = sorted(((self._slice(file, part), part) for part in parts), key=lambda each: repr(_judgement(each[0])))
        for _, alike in groupby(judged, key=lambda each: _judgement(each[0])):
            told = list(alike)
            signature, first = told[0]
            rank = (first.file_type != "executable", place.count("/"), place)
            yield _Found(rank, place, replace(signature, platform_words=_platform_words([part for _, part in told])))

    def _slice(self, file: BinaryIO, part: Slice) -> GivenSignature:
        if part.signature is None:
            return GivenSignature(unsigned=True, reason="the code is not signed")
        offset, size = part.signature
        try:
            read = codesignature.read_from(file, part.offset + offset, size)
        except Malformed as fault:
            return GivenSignature(fault=str(fault), reason=str(fault))
        told = GivenSignature(identifier=read.strongest.identifier, team_id=read.strongest.team_id)
        flaws = [*_flaws(file, part, read)]
        if part.size > MOST_HASHED:
            unread = f"{part.size:,} bytes of code were not hashed"
            told = replace(told, unread=unread, reason=unread)
        if not read.cms:
            return _doubted(replace(told, adhoc=True, reason="signed ad hoc: it names no signer"), flaws)
        try:
            signer = codesignature.verify(read.cms, read.directories, self._anchors)
        except Malformed as fault:
            return _doubted(told, [*flaws, str(fault)])
        told = self._signed(_stamped(told, signer.timestamp), signer.certificate, signer.others, signer.signed_at)
        told = _doubted(told, [*flaws, *signer.flaws])
        leaf, team = told.leaf, read.strongest.team_id
        if leaf and codesignature.teams_differ(team, leaf.team_id):
            told = _doubted(told, [f"the code names team {team}, its certificate belongs to {leaf.team_id}"])
        return told

    def _signed(
        self, told: GivenSignature, leaf: bytes, others: tuple[bytes, ...], signed_at: datetime | None
    ) -> GivenSignature:
        """With the chain as it was when the signature was made; Apple asks for no more once something is signed."""
        made = told.timestamp or signed_at or self._at
        try:
            chain = walk(leaf, others, self._anchors, min(made, self._at))
        except SigningFault as fault:
            return _doubted(told, [str(fault)])
        certificates = tuple(self._known.setdefault(each.sha256, each) for each in chain.certificates)
        return replace(
            told,
            team_id=told.team_id or (certificates[0].team_id if certificates else ""),
            certificates=certificates,
            trusted=chain.trusted and not told.unread,
            reason=chain.reason or told.unread,
            signed_at=signed_at,
        )


def _flaws(file: BinaryIO, part: Slice, read: codesignature.CodeSignature) -> Iterator[str]:
    """What of the code itself is not what its directories say."""
    offset, size = part.signature or (0, 0)
    yield from read.flaws
    yield from codesignature.slot_flaws(read, {})
    if offset + size != part.size:
        yield f"{part.size - offset - size:,} bytes follow the signature and are not signed"
    if part.size > MOST_HASHED:
        return
    for directory in read.directories:
        yield from codesignature.page_flaws(directory, file, part.offset, offset)


def _stamped(told: GivenSignature, timestamp: Timestamp | None) -> GivenSignature:
    return replace(told, timestamp=timestamp.at, timestamp_doubt=timestamp.doubt) if timestamp else told


def _doubted(told: GivenSignature, flaws: Sequence[str]) -> GivenSignature:
    """A signature that has a flaw is trusted by nobody, whatever its chain ends in."""
    if not flaws:
        return told
    fault = told.fault or flaws[0]
    return replace(told, trusted=False, fault=fault, reason=told.reason or fault)


def _faulty(place: str, fault: str) -> _Found:
    return _Found((False, 0, place), place, GivenSignature(fault=fault, reason=fault))


def _unread(place: str, why: str) -> _Found:
    return _Found((False, 0, place), place, GivenSignature(unread=why, reason=why))


def _refused(place: str, fault: Malformed) -> _Found:
    """What could not be opened: damaged, or of a variant that is not read here."""
    return (_unread if isinstance(fault, Unsupported) else _faulty)(place, str(fault))


def _platform_words(parts: Sequence[Slice]) -> str:
    """“macOS, arm64 and x86_64”."""
    platforms = "/".join(dict.fromkeys(part.platform for part in parts if part.platform))
    *most, last = dict.fromkeys(part.architecture for part in parts)
    architectures = f"{', '.join(most)} and {last}" if most else last
    return f"{platforms}, {architectures}" if platforms else architectures
