"""What the vault, App Store Connect and signed code hold, told as what is found anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.apple.bundle.facts import GivenSignatures
from pipeline.apple.portal.facts import PortalMaterial
from pipeline.apple.signing.holdings import Found, Lot
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile
from pipeline.model import Reading
from pipeline.vault.facts import KeptFile, VaultContents

VAULT = "vault"
APPLE = "App Store Connect"


def in_vault(reading: Reading[VaultContents]) -> Lot:
    """Certificates with their keys, and profiles as far as the vault tells of them without being opened."""
    contents = reading.value
    if contents is None:
        return Lot(unseen=VAULT, why=reading.why)
    if not contents.place or contents.stand_in:
        return Lot()
    return Lot(tuple(_kept(contents)), (f"the vault {contents.place}",))


def _kept(contents: VaultContents) -> Iterator[Found]:
    keys = {each.name: each for each in contents.files if each.path.endswith(".p8")}
    for each in contents.files:
        if each.certificate:
            key = keys.get(each.name)
            yield Found(Material(VAULT, certificate=each.certificate, keyed=_keyed(each, key)))
        elif each.path.startswith("profiles/"):
            yield Found(Material(VAULT, profile=_profile(each)))


def _keyed(certificate: KeptFile, key: KeptFile | None) -> bool | None:
    """Whether the key beside it is its own; unknown where we cannot open it."""
    if key is None:
        return False
    if not key.public_key_sha256 or certificate.certificate is None:
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
    return Lot(tuple(Found(each) for each in found.materials), (APPLE,))


def in_signed_code(reading: Reading[GivenSignatures]) -> Lot:
    """The certificates with which given code was signed: whoever's they are, they are not ours to renew."""
    found = reading.value
    if found is None:
        return Lot(unseen="signed code", why=reading.why)
    return Lot(
        tuple(Found(Material(each.origin, certificate=each.leaf), judged=False) for each in found.items if each.leaf)
    )
