"""Everything that was found anywhere, each certificate and profile once: what the table of `certs.table` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from pipeline.apple.signing.certificates import NEVER, Certificate, CertificateKind
from pipeline.apple.signing.choice import DEVELOPMENT_KINDS, KIND_NAMES
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders
from pipeline.apple.signing.identities import Authorities, paired
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Reading
from pipeline.values import dataclass


@dataclass(frozen=True)
class Found:
    """One thing found at one place.

    Attributes:
        problem: the code that the keychain puts behind it; empty for none.
        judged: whether it is ours to renew; what merely lies there is shown and nothing more.
    """

    material: Material
    problem: str = ""
    judged: bool = True


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate and everything that is known of it.

    Attributes:
        keyed: whether its private key is at one of the places; None when that cannot be known.
        places: where it lies, in the order in which it was found.
        trusted: whether its chain ends in an Apple root, or did on its last day; None when an issuer is missing.
        distrust: why it is not known to.
        above: the authorities above it, its issuer first.
        successor: whether one of the same kind and team lasts longer.
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


@dataclass(frozen=True)
class Holdings:
    """Everything that was found.

    Attributes:
        certificates: by the day on which they end.
        profiles: by the day on which they end.
        authorities: those that certificates in date hang on, and those that were found, by the day on which they end;
            roots are left out, they outlast everything.
        lone_keys: private keys without a certificate.
        faults: what could not be opened or read.
        looked: where was looked.
        unseen: where could not be looked, and why.
        at: when (aware, UTC).
    """

    certificates: tuple[HeldCertificate, ...] = ()
    profiles: tuple[HeldProfile, ...] = ()
    authorities: tuple[Certificate, ...] = ()
    lone_keys: tuple[Material, ...] = ()
    faults: tuple[Material, ...] = ()
    looked: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
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


def in_files(given: GivenMaterial) -> Lot:
    """What the named files hold."""
    return Lot(tuple(Found(each) for each in given.materials), given.named)


def in_environment(environment: EnvironmentMaterial) -> Lot:
    """What the environment's secrets hold."""
    looked = tuple(f"${name}" for name in environment.variables)
    return Lot(tuple(Found(each) for each in environment.materials), looked)


def folded(lots: Iterable[Lot], anchors: Anchors, at: datetime) -> Holdings:
    """Put together what was found at many places."""
    every = tuple(lots)
    held = tuple(each for lot in every for each in lot.found)
    whole = paired(each.material for each in held)
    things = [replace(each, material=material) for each, material in zip(held, whole, strict=True)]
    certificates = _certificates(things, anchors, at)
    above = (each for one in certificates if one.certificate.not_after > at for each in one.above)
    own = _own_authorities(whole, anchors)
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
        lone_keys=tuple(reversed(keys.values())),
        faults=tuple(each for each in whole if each.fault and not each.key_only),
        looked=tuple(dict.fromkeys(each for lot in every for each in lot.looked)),
        unseen=_unseen(every),
        at=at,
    )


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
    lasts: dict[tuple[str, str], datetime] = {}
    for one in held:
        if one.keyed is not False and not one.problem:
            family = _family(one.certificate)
            lasts[family] = max(lasts.get(family, NEVER), one.certificate.not_after)
    told = (
        replace(one, successor=lasts.get(_family(one.certificate), NEVER) > one.certificate.not_after) for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.certificate.not_after, one.certificate.sha256)))


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


_DISTRIBUTION_KINDS = frozenset(
    {CertificateKind.APPLE_DISTRIBUTION, CertificateKind.IOS_DISTRIBUTION, CertificateKind.MAC_APP_DISTRIBUTION}
)


def _family(certificate: Certificate) -> tuple[str, str]:
    """What can take whose place: “Apple Distribution” took that of the two kinds before it, and so for development."""
    kind = str(certificate.kind)
    if certificate.kind in _DISTRIBUTION_KINDS:
        kind = "distribution"
    elif certificate.kind in DEVELOPMENT_KINDS:
        kind = "development"
    return kind, certificate.team_id


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
            lasts[purpose] = max(lasts.get(purpose, NEVER), one.profile.expires)
    told = (
        replace(one, successor=any(lasts.get(each, NEVER) > one.profile.expires for each in _purposes(one.profile)))
        for one in held
    )
    return tuple(sorted(told, key=lambda one: (one.profile.expires, one.profile.name, one.profile.uuid)))


def _purposes(profile: ProvisioningProfile) -> tuple[tuple[str, ...], ...]:
    """What another profile must share in order to take its place: the name, or App ID and kind, with the team."""
    teams = tuple(sorted(profile.team_ids))
    return (
        ("name", profile.name, *teams),
        ("app", profile.application_identifier or profile.bundle_id, profile.kind, *sorted(profile.platforms), *teams),
    )
