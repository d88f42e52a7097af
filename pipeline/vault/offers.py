"""What was given and can be shared: identities that are complete, and profiles, as far as the vault lacks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.apple.signing.profiles import Seal
from pipeline.model import Reading, Source
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial
    from pipeline.apple.signing.material import Material
    from pipeline.apple.signing.profiles import ProvisioningProfile
    from pipeline.vault.facts import VaultContents


@dataclass(frozen=True)
class OfferedIdentity:
    """A certificate with its key. `key_origin` is where the key lies, where that is another place."""

    sha1: str
    name: str
    origin: str
    key_origin: str = ""


@dataclass(frozen=True)
class OfferedProfile:
    """A provisioning profile. `part` is its number in an archive, 0 for none."""

    uuid: str
    name: str
    origin: str
    part: int = 0


@dataclass(frozen=True)
class UnsealedProfile:
    """A profile whose signature is not, or is not known to be, Apple's over what it says. `why` is never empty."""

    uuid: str
    name: str
    origin: str
    seal: Seal
    why: str


NOT_APPLES = frozenset({Seal.DOCTORED, Seal.FOREIGN})


def unsealed(profile: ProvisioningProfile) -> str:
    """What is wrong with the signature of a profile; empty when it is Apple's, or not known."""
    if profile.seal not in NOT_APPLES:
        return ""
    how = "it was changed after Apple signed it" if profile.seal is Seal.DOCTORED else "it is not signed by Apple"
    return f"{how}: {profile.seal_reason}"


@dataclass(frozen=True)
class Offers:
    """What could be put into the vault.

    Attributes:
        keyless: certificates of developers whose private key was not given.
        ended: certificates and profiles that have expired: nobody signs with them any more.
        strange: what could not be opened or read, with the reason.
        unsealed: profiles that are not known to be Apple's. Of these, only what could not be checked is among the
            `profiles`: what was changed, or is somebody else's, is not to be put at all.
    """

    identities: tuple[OfferedIdentity, ...] = ()
    profiles: tuple[OfferedProfile, ...] = ()
    keyless: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    strange: tuple[tuple[str, str], ...] = ()
    unsealed: tuple[UnsealedProfile, ...] = ()


def given(
    files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> tuple[tuple[Material, ...], bool]:
    """What `--file` names, else what the environment holds; and whether it is real, not simulated."""
    if files.value and files.value.named:
        return files.value.materials, files.source is Source.LIVE
    materials = environment.value.materials if environment.value else ()
    return materials, bool(materials) and environment.source is Source.LIVE


def admitted(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> tuple[Material, ...]:
    """What was given and may go into this vault: nothing into none, nothing real into one that nobody named."""
    materials, real = given(files, environment)
    return materials if contents.place or (contents.exists and not real) else ()


def offered(materials: Iterable[Material], at: datetime) -> Offers:
    """What of it can be shared, each thing once."""
    materials = tuple(materials)
    apart = {each.public_key_sha256: place_of(each) for each in materials if each.key_only and not each.fault}
    identities: dict[str, OfferedIdentity] = {}
    profiles: dict[str, OfferedProfile] = {}
    keyless: dict[str, str] = {}
    ended: list[str] = []
    suspect: dict[tuple[str, str], UnsealedProfile] = {}
    for each in materials:
        if each.fault:
            continue
        if (profile := each.profile) and profile.expires <= at:
            ended.append(f"the profile “{profile.name}”")
        elif profile:
            if profile.seal is not Seal.APPLE:
                why = unsealed(profile) or profile.seal_reason
                told = UnsealedProfile(profile.uuid, profile.name, each.origin, profile.seal, why)
                suspect.setdefault((profile.uuid, each.origin), told)
            if profile.seal in NOT_APPLES:
                continue
            profiles.setdefault(profile.uuid, OfferedProfile(profile.uuid, profile.name, place_of(each), each.part))
        elif (certificate := each.certificate) and not certificate.authority:
            key_origin = "" if each.keyed else apart.get(each.public_key_sha256, "")
            if certificate.not_after <= at:
                ended.append(f"the certificate “{certificate.subject_name}”")
            elif each.keyed or key_origin:
                one = OfferedIdentity(certificate.sha1, certificate.subject_name, place_of(each), key_origin)
                identities.setdefault(certificate.sha1, one)
            else:
                keyless[certificate.sha1] = certificate.subject_name
    return Offers(
        identities=tuple(identities.values()),
        profiles=tuple(profiles.values()),
        keyless=tuple(name for sha1, name in keyless.items() if sha1 not in identities),
        ended=tuple(dict.fromkeys(ended)),
        strange=tuple((each.origin, each.why or str(each.fault)) for each in materials if each.fault),
        unsealed=tuple(suspect.values()),
    )


def place_of(material: Material) -> str:
    """Where it lies, without the number of a file in an archive."""
    return material.origin.removesuffix(f"#{material.part}") if material.part else material.origin


def lacking(
    offers: Offers, contents: VaultContents
) -> Iterator[tuple[str, list[OfferedIdentity], list[OfferedProfile]]]:
    """What the vault lacks of it, by origin."""
    identities = [each for each in offers.identities if not contents.holds_identity(each.sha1)]
    profiles = [each for each in offers.profiles if not contents.holds_profile(each.uuid)]
    for origin in dict.fromkeys([each.origin for each in identities] + [each.origin for each in profiles]):
        yield origin, [i for i in identities if i.origin == origin], [p for p in profiles if p.origin == origin]
