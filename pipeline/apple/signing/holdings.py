"""Everything that was found anywhere, each certificate and profile once: what the table of `certs.table` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePath

from pipeline.apple.signing.certificates import NEVER, Certificate, CertificateKind
from pipeline.apple.signing.choice import KIND_NAMES
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders
from pipeline.apple.signing.identities import Authorities, paired
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Reading
from pipeline.values import dataclass

_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Found:
    """One thing found at one place.

    Attributes:
        problem: the code that the keychain puts behind it; empty for none.
        judged: whether it is ours to renew; what merely lies there is shown and nothing more.
        told: whether the rules of the place itself tell of its fault.
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
        trusted: whether its chain ends in an Apple root, or did on its last day; None when an issuer is missing.
        distrust: why it is not known to.
        above: the authorities above it, its issuer first.
        successor: whether others of the same team last longer, for everything that it is for.
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

    def hangs_on_expired(self, at: datetime) -> bool:
        """Whether it is in date, and an authority above it is not."""
        return self.certificate.not_after > at and any(each.not_after <= at for each in self.above)

    def is_forged(self, at: datetime) -> bool:
        """Whether it claims to be a developer's, and its chain is broken by neither time nor a missing link."""
        return self.certificate.kind in KIND_NAMES and self.trusted is False and not self.hangs_on_expired(at)


@dataclass(frozen=True)
class HeldProfile:
    """A profile, where it lies, and whether one of the same name, or for the same App ID, lasts longer."""

    profile: ProvisioningProfile
    places: tuple[str, ...] = ()
    judged: bool = True
    successor: bool = False

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
class Lot:
    """What one look into one sort of place has given: what was found and where, or what could not be seen and why."""

    found: tuple[Found, ...] = ()
    looked: tuple[str, ...] = ()
    unseen: str = ""
    why: str = ""
    gaps: tuple[Gap, ...] = ()


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
    certificates = _certificates(things, anchors, at)
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
        profiles=_profiles(things),
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


def _certificates(found: Iterable[Found], anchors: Anchors, at: datetime) -> tuple[HeldCertificate, ...]:
    by_sha256: dict[str, list[Found]] = {}
    for each in found:
        if each.material.certificate:
            by_sha256.setdefault(each.material.certificate.sha256, []).append(each)
    every = [each[0].material.certificate for each in by_sha256.values()]
    authorities = Authorities((each for each in every if each), anchors, at)
    held = [
        _certificate(certificate, same, authorities, at)
        for certificate, same in zip(every, by_sha256.values(), strict=True)
        if certificate and certificate.kind is not CertificateKind.AUTHORITY
    ]
    heirs: dict[tuple[str, str], list[Certificate]] = {}
    for one in held:
        if one.keyed is not False and not one.problem and one.trusted:
            for use in _uses(one.certificate):
                heirs.setdefault(use, []).append(one.certificate)
    told = (
        replace(
            one, successor=all(_replaced(one.certificate, heirs.get(use, ()), at) for use in _uses(one.certificate))
        )
        for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.certificate.not_after, one.certificate.sha256)))


def _replaced(certificate: Certificate, heirs: Iterable[Certificate], at: datetime) -> bool:
    """Whether one of the others lasts longer, and has begun by now or by the end of the certificate."""
    end = certificate.not_after
    return any(each.not_after > end and each.not_before <= max(end, at) for each in heirs)


def _own_authorities(materials: Iterable[Material], anchors: Anchors) -> Iterator[Certificate]:
    """Apple's among the authorities that were found; others, such as a company's own, are none of our business."""
    found = [each.certificate for each in materials if each.certificate and each.certificate.authority]
    if found:
        everybody = Authorities(found, anchors, NEVER)
        yield from (each for each in found if everybody.chain(each, each.not_after).trusted)


def _certificate(
    certificate: Certificate, same: list[Found], authorities: Authorities, at: datetime
) -> HeldCertificate:
    last = min(max(at, certificate.not_before), certificate.not_after)
    chain = authorities.chain(certificate, last)
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


def _profiles(found: Iterable[Found]) -> tuple[HeldProfile, ...]:
    by_content: dict[tuple[str, str, str, datetime], list[tuple[ProvisioningProfile, Found]]] = {}
    for each in found:
        if profile := each.material.profile:
            key = (profile.uuid, profile.seal, profile.name, profile.expires)
            by_content.setdefault(key, []).append((profile, each))
    held = [
        HeldProfile(
            same[0][0],
            tuple(dict.fromkeys(each.material.origin for _, each in same)),
            judged=any(each.judged for _, each in same),
        )
        for same in by_content.values()
    ]
    lasts: dict[tuple[str, ...], datetime] = {}
    for one in held:
        for purpose in _purposes(one.profile) if one.profile.seal in (Seal.APPLE, Seal.UNKNOWN) else ():
            lasts[purpose] = max(lasts.get(purpose, NEVER), one.ends)
    told = (
        replace(one, successor=any(lasts.get(each, NEVER) > one.ends for each in _purposes(one.profile)))
        for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.ends, one.profile.name, one.profile.uuid)))


def _purposes(profile: ProvisioningProfile) -> tuple[tuple[str, ...], ...]:
    """What another profile must share in order to take its place: the name, or App ID and kind, with the team."""
    teams = tuple(sorted(profile.team_ids))
    return (
        ("name", profile.name, *teams),
        ("app", profile.application_identifier or profile.bundle_id, profile.kind, *sorted(profile.platforms), *teams),
    )
