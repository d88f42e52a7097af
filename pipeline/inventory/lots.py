"""What the vault, App Store Connect and signed code hold, told as what is found anywhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from pipeline.apple.bundle.facts import GivenSignatures
from pipeline.apple.portal.facts import INVALID, PortalMaterial
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.choice import APP_STORE_KINDS, KIND_NAMES, MAC_APP_STORE_KINDS
from pipeline.apple.signing.holdings import Found, Gap, Lot, Register
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile
from pipeline.model import Reading
from pipeline.vault.facts import IDENTITIES, KEY, PROFILES, KeptFile, VaultContents
from pipeline.vault.sealing import NAME

VAULT = "vault"
APPLE = "App Store Connect"
LISTED_KINDS = APP_STORE_KINDS | MAC_APP_STORE_KINDS | {CertificateKind.MAC_INSTALLER_DISTRIBUTION}
"""Kinds that App Store Connect shows whole to everybody who may see any: the team's. Those for development are a
person's; those of Developer ID are not all listed (CertificateType has none for its installers)."""


def in_vault(reading: Reading[VaultContents], given: Iterable[Material] = ()) -> Lot:
    """Certificates with their keys, and profiles; where the vault stays shut, as it tells of them without being opened.

    Args:
        reading: the vault.
        given: what was found elsewhere: the vault's own rules are silent on what could be put anew from there.
    """
    contents = reading.value
    if contents is None:
        return Lot(unseen=VAULT, why=reading.why)
    if not contents.place:
        return Lot()
    place = f"the vault {contents.place}"
    gap = _gap(contents)
    gaps = (Gap(place, *gap),) if gap else ()
    if not contents.exists or _is_lost(contents):
        return Lot(gaps=gaps)
    return Lot(tuple(_kept(contents, frozenset(_names(given)))), (place,), gaps=gaps)


def _gap(contents: VaultContents) -> tuple[str, str] | None:
    """Why it gave less than there may be, and what to do; None where it was seen whole."""
    if not contents.exists:
        # What is left of a vault without a ledger is told of by the rule about the ledger.
        return None if contents.problems else ("there is no vault at this place", "check what --vault or config/ names")
    if not contents.openable:
        names = ", ".join(each.name for each in contents.recipients)
        ask = f", or let one of them add {contents.own} with certs.sync" if contents.own else ""
        return f"it does not open: {contents.why}", f"set {NAME} to the private key of a recipient ({names}){ask}"
    if _is_lost(contents):
        return f"nothing in it can be used: {contents.files[0].fault}", "restore it; docs/vault.md says how"
    if not any(each.path.startswith((IDENTITIES, PROFILES)) for each in contents.files):
        return "there are no certificates and profiles in it", "bring them with `certs.sync --file`"
    return None


def _is_lost(contents: VaultContents) -> bool:
    return bool(contents.files) and all(each.fault for each in contents.files)


def _names(given: Iterable[Material]) -> Iterator[str]:
    for each in given:
        if each.certificate:
            yield each.certificate.sha1
        elif each.profile:
            yield each.profile.uuid


def _kept(contents: VaultContents, given: Collection[str]) -> Iterator[Found]:
    keys = {each.name: each for each in contents.files if each.path.endswith(KEY)}
    for each in contents.files:
        if each.fault:
            lost = Material(f"{VAULT}:{each.path}", fault=Fault.UNREADABLE, why=each.fault)
            yield Found(lost, told=each.name not in given)
        elif each.certificate:
            key = keys.get(each.name)
            yield Found(Material(VAULT, certificate=each.certificate, keyed=_keyed(each, key)))
        elif each.path.startswith(PROFILES):
            profile = each.profile
            yield Found(Material(VAULT, profile=profile or _profile(each)), told=profile is None)


def _keyed(certificate: KeptFile, key: KeptFile | None) -> bool | None:
    """Whether the key beside it is its own; unknown where we cannot open it."""
    if key is None:
        return False
    if key.fault or not key.public_key_sha256 or certificate.certificate is None:
        return None
    return key.public_key_sha256 == certificate.certificate.public_key_sha256


def _profile(kept: KeptFile) -> ProvisioningProfile:
    """As it was told when it was put there: its signature is sealed with it."""
    told = kept.told
    kind = told.get("kind", "")
    return ProvisioningProfile(
        uuid=kept.name,
        name=told.get("name", ""),
        kind=ProfileKind(kind) if kind in list(ProfileKind) else ProfileKind.OTHER,
        team_ids=(told["team"],) if told.get("team") else (),
        bundle_id=told.get("bundle", ""),
        expires=kept.expires,
        seal_reason="it is sealed in the vault",
        path=VAULT,
    )


def at_apple(reading: Reading[PortalMaterial]) -> Lot:
    """The team's certificates and profiles at the developer portal, which has no private keys."""
    found = reading.value
    if found is None:
        return Lot(unseen=APPLE, why=reading.why)
    held = tuple(
        Found(each, INVALID if each.profile and each.profile.uuid in found.invalid else "") for each in found.materials
    )
    if found.complete and not found.materials:
        # Whose certificates it would list is not known: the list itself tells the team.
        return Lot(held, (APPLE,), unseen="what was revoked", why=f"{APPLE} lists no certificate")
    return Lot(held, (APPLE,), register=_register(found) if found.complete else None)


def _register(found: PortalMaterial) -> Register:
    """What is in force, of the teams that the list itself tells."""
    certificates = [each.certificate for each in found.materials if each.certificate]
    profiles = [each.profile for each in found.materials if each.profile]
    teams = {each.team_id for each in certificates if each.kind in KIND_NAMES}
    teams.update(team for each in profiles for team in each.team_ids)
    return Register(
        LISTED_KINDS,
        frozenset(teams - {""}),
        frozenset(each.sha256 for each in certificates),
        frozenset(named.sha256 for each in profiles for named in each.developer_certificates),
    )


def signed_files(reading: Reading[GivenSignatures]) -> Iterator[str]:
    """The files in which code was found, signed or not; of what lies inside one, every reading of where it begins."""
    for each in reading.value.items if reading.value else ():
        parts = each.origin.split(": ")
        yield from (": ".join(parts[:count]) for count in range(1, len(parts) + 1))


def in_signed_code(reading: Reading[GivenSignatures]) -> Lot:
    """The certificates with which given code was signed: whoever's they are, they are not ours to renew."""
    found = reading.value
    if found is None:
        return Lot(unseen="signed code", why=reading.why)
    return Lot(
        tuple(Found(Material(each.origin, certificate=each.leaf), judged=False) for each in found.items if each.leaf)
    )
