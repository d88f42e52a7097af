"""Certificates, private keys and chains put together: what could be signed with, wherever the pieces lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.choice import KIND_NAMES
from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.facts import Identities, Identity, InstalledProfiles, JudgedMaterial, Keychain
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, Anchors, Chain, walk

if TYPE_CHECKING:
    from pipeline.apple.signing.security import ListedIdentity

MOST_ABOVE = 32
"""How many authorities one chain may choose from; Apple's names have seven generations at most."""


class Authorities:
    """The certificates of authorities that are at hand, by name, so that each chain is offered only those above it.

    macOS fetches an intermediate certificate that no keychain holds, so Apple's are always at hand.
    """

    def __init__(self, others: Iterable[Certificate], anchors: Anchors, at: datetime) -> None:
        self._anchors = anchors
        self._at = at
        self._named: dict[bytes, list[tuple[bytes, bytes]]] = {}
        self._offers: dict[bytes, tuple[bytes, ...]] = {}
        held = (each.der for each in others if each.kind is CertificateKind.AUTHORITY)
        for der in dict.fromkeys((*APPLE_INTERMEDIATES, *held)):
            try:
                shape = envelope(der)
            except SigningFault:
                continue
            self._named.setdefault(shape.subject, []).append((der, shape.issuer))

    def chain(self, certificate: Certificate, at: datetime | None = None) -> Chain:
        """From the certificate towards a root, as it stands or stood at a moment."""
        try:
            offer = self._offer(envelope(certificate.der).issuer)
            return walk(certificate.der, offer, self._anchors, at or self._at)
        except SigningFault as fault:
            return Chain((certificate,), reason=str(fault))

    def lasting_chain(self, certificate: Certificate) -> Chain:
        """As `chain`; of one that is not in date, on the nearest day on which it is."""
        return self.chain(certificate, min(max(self._at, certificate.not_before), certificate.not_after))

    def identity(self, sha1: str, label: str, problem: str, certificate: Certificate, place: str = "") -> Identity:
        """An identity with what its chain says of it."""
        chain = self.chain(certificate)
        above = chain.certificates[1:]
        return Identity(
            sha1,
            label,
            problem,
            certificate,
            chain.trusted,
            chain.reason,
            chain.missing,
            min(above, key=lambda each: each.not_after) if above else None,
            place,
        )

    def _offer(self, name: bytes) -> tuple[bytes, ...]:
        """Everything that may stand above a certificate whose issuer has this name."""
        known = self._offers.get(name)
        if known is None:
            found: dict[bytes, None] = {}
            names, asked = [name], {name}
            while names and len(found) < MOST_ABOVE:
                for der, issuer in self._named.get(names.pop(), ())[:MOST_ABOVE]:
                    found[der] = None
                    if issuer not in asked:
                        asked.add(issuer)
                        names.append(issuer)
            known = self._offers[name] = tuple(found)
        return known


def keychain_of(
    for_code: Iterable[ListedIdentity],
    for_all: Iterable[ListedIdentity],
    certificates: tuple[Certificate, ...],
    authorities: Authorities,
) -> Keychain:
    """What three listings of `security` say together.

    The code-signing policy judges what signs code; installer identities are listed by the basic policy alone. A code
    behind a line is taken from the policy that fits. What only the basic policy lists and no keychain shows (such as
    the identity of an Apple Account) is for other ends.
    """
    by_sha1 = {each.sha1: each for each in certificates}
    lines = {line.sha1: line for line in for_code}
    known = frozenset(lines)
    lines.update((line.sha1, line) for line in for_all if line.sha1 not in known and line.sha1 in by_sha1)
    found: list[Identity] = []
    for sha1, line in lines.items():
        certificate = by_sha1.get(sha1)
        if certificate is None:
            found.append(Identity(sha1, line.label, line.problem))
        elif certificate.kind in KIND_NAMES or sha1 in known:
            found.append(authorities.identity(sha1, line.label, line.problem, certificate))
        else:
            found.append(Identity(sha1, line.label, line.problem, certificate))
    return Keychain(tuple(found), certificates)


def judged_in_keychain(keychain: Keychain) -> Identities:
    """What the keychains offer for signing, and the developers' certificates that have lost their key."""
    keyed = {each.sha1 for each in keychain.identities}
    lone = (each for each in keychain.certificates if each.kind in KIND_NAMES and each.sha1 not in keyed)
    return Identities(
        identities=keychain.identities,
        keyless=tuple(Identity(each.sha1, each.subject_name, certificate=each) for each in lone),
        problems=keychain.problems,
        at=keychain.at,
    )


def paired(materials: Iterable[Material]) -> tuple[Material, ...]:
    """The materials, with certificates counted as keyed whose private key lies in another file of the same lot."""
    held = tuple(materials)
    keys = {each.public_key_sha256 for each in held if each.key_only and each.public_key_sha256}
    return tuple(
        replace(each, keyed=True)
        if each.certificate and not each.keyed and each.certificate.public_key_sha256 in keys
        else each
        for each in held
    )


def judged_in_materials(judged: JudgedMaterial, anchors: Anchors, at: datetime) -> Identities:
    """What files or secrets offer for signing, each certificate once, the keyed one of two alike.

    A certificate whose key may be in what stays shut beside it is neither.
    """
    held = paired(judged.materials)
    certificates: dict[str, Material] = {}
    for each in held:
        if each.certificate and (each.keyed or each.certificate.sha1 not in certificates):
            known = certificates.get(each.certificate.sha1)
            if known is None or not known.keyed:
                certificates[each.certificate.sha1] = each
    authorities = Authorities((each.certificate for each in certificates.values() if each.certificate), anchors, at)
    keyed: list[Identity] = []
    lone: list[Identity] = []
    for sha1, each in certificates.items():
        certificate = each.certificate
        if certificate is None or certificate.kind not in KIND_NAMES:
            continue
        told = authorities.identity(sha1, certificate.subject_name, "", certificate, each.origin)
        if each.keyed:
            keyed.append(told)
        elif each.keyed is False:
            lone.append(told)
    shut = dict.fromkeys(each.origin for each in held if each.fault and judged.names(each))
    return Identities(tuple(keyed), tuple(lone), tuple(shut), (), at, judged.origin)


def profiles_in_materials(judged: JudgedMaterial, at: datetime) -> InstalledProfiles:
    """The profiles among files or secrets, each once."""
    found: dict[tuple[object, ...], Material] = {}
    for each in judged.materials:
        if each.profile:
            found.setdefault((each.profile.uuid, each.profile.expires, each.profile.seal, each.profile.name), each)
    profiles = tuple(replace(each.profile, path=each.origin) for each in found.values() if each.profile)
    return InstalledProfiles(profiles, (), at, judged.origin)
