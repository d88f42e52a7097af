"""Everything that was found anywhere, each certificate and profile once: what the table of `certs.table` shows."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from pipeline.apple.signing.certificates import NEVER, Certificate, CertificateKind
from pipeline.apple.signing.choice import KIND_NAMES
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders
from pipeline.apple.signing.identities import Authorities, paired
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal, entitlement_allows
from pipeline.apple.signing.security import EXPIRED, NOT_VALID_YET, REVOKED
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Reading
from pipeline.values import dataclass

UNLISTED = "UNLISTED"
"""The problem of a certificate that App Store Connect does not list, though it lists all that are in force."""
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
_TIMELY = frozenset({EXPIRED, NOT_VALID_YET})
"""Codes of the keychain for what its dates rule out, or those of an authority above it."""


@dataclass(frozen=True)
class Found:
    """One thing found at one place.

    Attributes:
        problem: the code that the keychain puts behind it, or of a profile the state that App Store Connect gives it;
            empty for none.
        judged: whether it is ours to renew; what merely lies there is shown and nothing more.
        told: whether the rules of the place itself tell of its fault, or that it stays shut.
    """

    material: Material
    problem: str = ""
    judged: bool = True
    told: bool = False


@dataclass(frozen=True)
class Gap:
    """A place that a person named, and that gave nothing or could not be looked into."""

    place: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate and everything that is known of it.

    Attributes:
        keyed: whether its private key is at one of the places; None when that cannot be known.
        places: where it lies, in the order in which it was found.
        problem: the code that the keychain puts behind it, or UNLISTED; empty for none.
        trusted: whether its chain ends in an Apple root, or did on its last day; None when an issuer is missing.
        distrust: why it is not known to.
        above: the authorities above it, its issuer first.
        successor: whether others of the same team take its place, for everything that it is for: they last longer or,
            where it can be used no more, are in force.
        early: whether its time has not begun, and until then nothing of its kind is in force.
    """

    certificate: Certificate
    keyed: bool | None = None
    places: tuple[str, ...] = ()
    problem: str = ""
    trusted: bool | None = None
    distrust: str = ""
    above: tuple[Certificate, ...] = ()
    judged: bool = True
    successor: bool = False
    early: bool = False

    @property
    def root(self) -> str:
        """SHA-256 of the authority on which all of its chain hangs; empty where it is not known."""
        return self.above[-1].sha256 if self.above and self.trusted else ""

    def is_refused(self, at: datetime) -> bool:
        """Whether it was taken back, or the keychain does not take it, for more than what its own dates say."""
        return bool(self.problem) and (self.problem not in _TIMELY or self.certificate.valid_at(at))

    def hangs_on_expired(self, at: datetime) -> bool:
        """Whether it is in date, and an authority above it is not."""
        return self.certificate.not_after > at and any(each.not_after <= at for each in self.above)

    def is_forged(self, at: datetime) -> bool:
        """Whether it claims to be a developer's, and its chain is broken by neither time nor a missing link."""
        return self.certificate.kind in KIND_NAMES and self.trusted is False and not self.hangs_on_expired(at)


@dataclass(frozen=True)
class HeldProfile:
    """A profile, where it lies, and whether another takes its place.

    Attributes:
        problem: the state that App Store Connect gives it; empty where it is in force, or that is not known.
        shut: whether it was not read, so that only what somebody told of it is known; its place says why.
        successor: whether one of its kind that grants as much lasts longer or, where it can be used no more, is in
            force.
    """

    profile: ProvisioningProfile
    places: tuple[str, ...] = ()
    problem: str = ""
    shut: bool = False
    judged: bool = True
    successor: bool = False

    def is_invalid(self, at: datetime) -> bool:
        """Whether App Store Connect calls it invalid, for more than that it has ended."""
        return bool(self.problem) and self.ends > at

    @property
    def ends(self) -> datetime:
        """Until when it is of use: its own end, or that of its last certificate, whatever comes first."""
        last = max((each.not_after for each in self.profile.developer_certificates), default=_FOR_EVER)
        return min(self.profile.expires, last)

    @property
    def outlasts_certificates(self) -> bool:
        """Whether it is of no use any more before its own end."""
        return self.ends < self.profile.expires


@dataclass(frozen=True)
class Holdings:
    """Everything that was found.

    Attributes:
        certificates: by the day on which they end.
        profiles: by the day on which they end.
        authorities: those that certificates in date hang on, and those that were found, by the day on which they end;
            roots are left out, they outlast everything.
        strangers: how many certificates of authorities that are not Apple's were found; they are not shown.
        lone_keys: private keys without a certificate.
        faults: what could not be opened or read.
        told: those of the faults of which the rules of their place tell.
        looked: where was looked.
        unseen: where could not be looked, and why, though nobody named it.
        gaps: what was named, and gave nothing or could not be looked into.
        at: when (aware, UTC).
    """

    certificates: tuple[HeldCertificate, ...] = ()
    profiles: tuple[HeldProfile, ...] = ()
    authorities: tuple[Certificate, ...] = ()
    strangers: int = 0
    lone_keys: tuple[Material, ...] = ()
    faults: tuple[Material, ...] = ()
    told: tuple[Material, ...] = ()
    looked: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        return f"{len(self.certificates)} certificates, {len(self.profiles)} profiles"


@dataclass(frozen=True)
class Register:
    """All certificates of some kinds that are in force for some teams, as whoever issues them lists them.

    Attributes:
        certificates: those that are in force, by their SHA-256.
        known: those that profiles name which are listed there too: they were in force once.
    """

    kinds: frozenset[CertificateKind] = frozenset()
    teams: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()

    def lacks(self, one: HeldCertificate, roots: Container[str]) -> bool:
        """Whether it would be listed, were it in force.

        Args:
            one: the certificate.
            roots: those on which the listed ones hang. Who issues below others, such as a simulation, says nothing
                of it.
        """
        certificate = one.certificate
        issued = certificate.sha256 in self.known or one.root in roots
        asked = certificate.kind in self.kinds and certificate.team_id in self.teams
        return issued and asked and certificate.sha256 not in self.certificates


@dataclass(frozen=True)
class Lot:
    """What one look into one sort of place has given: what was found and where, or what could not be seen and why.

    Attributes:
        register: where the place is Apple's own, and all that is in force was listed.
    """

    found: tuple[Found, ...] = ()
    looked: tuple[str, ...] = ()
    unseen: str = ""
    why: str = ""
    gaps: tuple[Gap, ...] = ()
    register: Register | None = None


def in_keychain(reading: Reading[Keychain]) -> Lot:
    """What the keychains hold. Certificates without a key are mostly other people's, and not judged."""
    held = reading.value
    if held is None:
        return Lot(unseen="keychains", why=reading.why)
    keyed = {each.sha1 for each in held.identities}
    found = [
        Found(Material("keychain", certificate=each.certificate, keyed=True), each.problem)
        for each in held.identities
        if each.certificate
    ]
    found += [
        Found(Material("keychain", certificate=each, keyed=False), judged=False)
        for each in held.certificates
        if each.sha1 not in keyed
    ]
    return Lot(tuple(found), ("keychains",))


def in_folders(reading: Reading[ProfileFolders]) -> Lot:
    """What the profile folders hold."""
    folders = reading.value
    if folders is None:
        return Lot(unseen="profile folders", why=reading.why)
    found = [Found(Material(each.path, profile=each)) for each in folders.profiles]
    found += [Found(Material(each.path, fault=Fault.UNREADABLE, why=each.why)) for each in folders.problems]
    return Lot(tuple(found), ("profile folders",))


def in_files(given: GivenMaterial, others: Iterable[str] = ()) -> Lot:
    """What the named files hold. A certificate without its key may be anybody's, and is not judged.

    Args:
        given: the certificates, keys and profiles.
        others: in which of the files something else was found that the tables show, such as signed code.
    """
    filled = {PurePath(each.origin.removesuffix(f"#{each.part}")) for each in given.materials}
    filled.update(PurePath(each) for each in others)
    filled.update([above for each in filled for above in each.parents])
    gaps = (
        Gap(each, "there is nothing to sign with in it", _NAME) for each in given.named if PurePath(each) not in filled
    )
    found = (Found(each, judged=each.certificate is None or each.keyed is not False) for each in given.materials)
    return Lot(tuple(found), given.named, gaps=tuple(gaps))


_NAME = "name the file or folder that holds the certificates and profiles"


def in_environment(environment: EnvironmentMaterial) -> Lot:
    """What the environment's secrets hold."""
    looked = tuple(f"${name}" for name in environment.variables)
    return Lot(tuple(Found(each) for each in environment.materials), looked)


def folded(lots: Iterable[Lot], anchors: Anchors, at: datetime) -> Holdings:
    """Put together what was found at many places."""
    every = tuple(lots)
    held = tuple(each for lot in every for each in lot.found)
    whole = paired(each.material for each in held)
    things = [_found(each, material) for each, material in zip(held, whole, strict=True)]
    registers = tuple(lot.register for lot in every if lot.register)
    certificates = _certificates(things, registers, anchors, at)
    lasting = (one for one in certificates if one.certificate.not_after > at and not one.is_forged(at))
    above = (each for one in lasting for each in one.above)
    every_authority = {each.certificate.sha256 for each in whole if each.certificate and each.certificate.authority}
    own = tuple(_own_authorities(whole, anchors))
    spki = {each.certificate.public_key_sha256 for each in certificates}
    keys = {
        each.public_key_sha256 or each.origin: each
        for each in reversed(whole)
        if each.key_only and each.public_key_sha256 not in spki
    }
    authorities = {each.sha256: each for each in (*above, *own) if each.sha256 not in anchors.roots}
    return Holdings(
        certificates=certificates,
        profiles=_profiles(things, at),
        authorities=tuple(sorted(authorities.values(), key=lambda each: (each.not_after, each.sha256))),
        strangers=len(every_authority - {each.sha256 for each in own}),
        lone_keys=tuple(reversed(keys.values())),
        faults=tuple(each.material for each in things if each.material.fault and not each.material.key_only),
        told=tuple(each.material for each in things if each.told),
        looked=tuple(dict.fromkeys(each for lot in every for each in lot.looked)),
        unseen=_unseen(every),
        gaps=tuple(each for lot in every for each in lot.gaps),
        at=at,
    )


def _found(each: Found, whole: Material) -> Found:
    """The same with what is known since everything was put together: that of which we have the key is ours."""
    return replace(each, material=whole, judged=each.judged or bool(whole.keyed and not each.material.keyed))


def _unseen(lots: Iterable[Lot]) -> tuple[str, ...]:
    """What could not be looked at, those with one reason in one phrase."""
    reasons: dict[str, list[str]] = {}
    for lot in lots:
        if lot.unseen:
            reasons.setdefault(lot.why, []).append(lot.unseen)
    return tuple(f"{' and '.join(places)} ({why})" if why else " and ".join(places) for why, places in reasons.items())


def _certificates(
    found: Iterable[Found], registers: Iterable[Register], anchors: Anchors, at: datetime
) -> tuple[HeldCertificate, ...]:
    by_sha256: dict[str, list[Found]] = {}
    for each in found:
        if each.material.certificate:
            by_sha256.setdefault(each.material.certificate.sha256, []).append(each)
    every = [each[0].material.certificate for each in by_sha256.values()]
    authorities = Authorities((each for each in every if each), anchors, at)
    held = [
        _certificate(certificate, same, authorities)
        for certificate, same in zip(every, by_sha256.values(), strict=True)
        if certificate and certificate.kind is not CertificateKind.AUTHORITY
    ]
    held = _listed(held, registers, at)
    heirs: dict[tuple[str, str], list[Certificate]] = {}
    for one in held:
        if one.keyed is not False and not one.problem and one.trusted:
            for use in _uses(one.certificate):
                heirs.setdefault(use, []).append(one.certificate)
    told = (
        replace(one, successor=_succeeded(one, heirs, at), early=_is_early(one.certificate, heirs, at)) for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.certificate.not_after, one.certificate.sha256)))


def _listed(held: list[HeldCertificate], registers: Iterable[Register], at: datetime) -> list[HeldCertificate]:
    """The same with what Apple's own lists say of them; what has ended they leave out too."""
    for register in registers:
        roots = {each.root for each in held if each.certificate.sha256 in register.certificates} - {""}
        held = [
            replace(each, problem=UNLISTED)
            if each.problem != REVOKED and each.certificate.not_after > at and register.lacks(each, roots)
            else each
            for each in held
        ]
    return held


def _succeeded(one: HeldCertificate, heirs: Mapping[tuple[str, str], Iterable[Certificate]], at: datetime) -> bool:
    """Whether for each use another lasts longer than it can be used, and has begun by then or by now."""
    end = at if one.is_refused(at) else one.certificate.not_after
    return all(
        any(each.not_after > end and each.not_before <= max(end, at) for each in heirs.get(use, ()))
        for use in _uses(one.certificate)
    )


def _is_early(certificate: Certificate, heirs: Mapping[tuple[str, str], Iterable[Certificate]], at: datetime) -> bool:
    """Whether its time has not begun, and for one of its uses nothing is in force today."""
    return certificate.not_before > at and any(
        not any(each.valid_at(at) for each in heirs.get(use, ())) for use in _uses(certificate)
    )


def _own_authorities(materials: Iterable[Material], anchors: Anchors) -> Iterator[Certificate]:
    """Apple's among the authorities that were found; others, such as a company's own, are none of our business."""
    found = [each.certificate for each in materials if each.certificate and each.certificate.authority]
    if found:
        everybody = Authorities(found, anchors, NEVER)
        yield from (each for each in found if everybody.chain(each, each.not_after).trusted)


def _certificate(certificate: Certificate, same: list[Found], authorities: Authorities) -> HeldCertificate:
    chain = authorities.lasting_chain(certificate)
    keyed = [each.material.keyed for each in same]
    return HeldCertificate(
        certificate,
        True if True in keyed else None if None in keyed else False,
        tuple(dict.fromkeys(each.material.origin for each in same)),
        next((each.problem for each in same if each.problem), ""),
        None if chain.missing else chain.trusted,
        chain.reason,
        chain.certificates[1:],
        judged=certificate.kind in KIND_NAMES and any(each.judged for each in same),
    )


_KINDS_IN_ONE = {
    CertificateKind.APPLE_DISTRIBUTION: (CertificateKind.IOS_DISTRIBUTION, CertificateKind.MAC_APP_DISTRIBUTION),
    CertificateKind.APPLE_DEVELOPMENT: (CertificateKind.IOS_DEVELOPMENT, CertificateKind.MAC_DEVELOPMENT),
}
"""“Apple Distribution” signs for all platforms and took the place of two kinds, and so for development."""


def _uses(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    """What it is for: every kind whose place it can take, with the team."""
    return tuple((kind, certificate.team_id) for kind in _KINDS_IN_ONE.get(certificate.kind, (certificate.kind,)))


def _profiles(found: Iterable[Found], at: datetime) -> tuple[HeldProfile, ...]:
    by_content: dict[tuple[str, str, str, datetime], list[tuple[ProvisioningProfile, Found]]] = {}
    for each in found:
        if profile := each.material.profile:
            key = (profile.uuid, profile.seal, profile.name, profile.expires)
            by_content.setdefault(key, []).append((profile, each))
    held = [
        HeldProfile(
            same[0][0],
            tuple(dict.fromkeys(each.material.origin for _, each in same)),
            next((each.problem for _, each in same if each.problem), ""),
            all(each.told for _, each in same),
            judged=any(each.judged for _, each in same),
        )
        for same in by_content.values()
    ]
    heirs: dict[tuple[str, ...], list[HeldProfile]] = {}
    for one in held:
        if one.profile.seal is Seal.APPLE and not one.problem:
            for purpose in _purposes(one.profile):
                heirs.setdefault(purpose, []).append(one)
    told = (
        replace(
            one,
            successor=any(
                _takes_place(heir, one, at) for each in _purposes(one.profile) for heir in heirs.get(each, ())
            ),
        )
        for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.ends, one.profile.name, one.profile.uuid)))


def _purposes(profile: ProvisioningProfile) -> tuple[tuple[str, ...], ...]:
    """What another profile must share in order to take its place: name or App ID, with kind and team.

    Of the same name it may be for a wildcard App ID: a project that names it is signed with it all the same.
    """
    teams = tuple(sorted(profile.team_ids))
    return (("name", profile.name, profile.kind, *teams), ("app", profile.bundle_id, profile.kind, *teams))


def _takes_place(heir: HeldProfile, one: HeldProfile, at: datetime) -> bool:
    """Whether the heir lasts longer than the other can be used, was made by then or by now, and grants as much."""
    end = at if one.problem else one.ends
    if heir.ends <= end or heir.profile.created > max(end, at):
        return False
    new, old = heir.profile, one.profile
    if new.xcode_managed and not old.xcode_managed:
        # Xcode refuses its own profiles where signing is manual.
        return False
    if not set(old.platforms) <= set(new.platforms):
        return False
    if old.application_identifier:
        covered = _grants(new.application_identifier, old.application_identifier)
    else:
        covered = _grants(new.bundle_id, old.bundle_id)
    return covered and all(
        value is False or (key in new.entitlements and _grants(new.entitlements[key], value))
        for key, value in old.entitlements.items()
    )


def _grants(new: Any, old: Any) -> bool:
    """Whether what one profile grants under a key is no less than what another does."""
    news, olds = (each if isinstance(each, list) else [each] for each in (new, old))
    return all(any(mine == theirs or entitlement_allows(mine, theirs) for mine in news) for theirs in olds)
