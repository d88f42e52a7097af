"""A vault, observed and changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.apple.keychain.supply import Supply
from pipeline.apple.portal.keeping import identity_files, profile_file, published
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, SigningPolicy
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.identities import Authorities
from pipeline.apple.signing.material import public_key_sha256
from pipeline.apple.signing.profiles import read_profile
from pipeline.apple.signing.trust import Anchors
from pipeline.model import PipelineError, Reading, UsageFault, performer, probe
from pipeline.ports.clock import Clock
from pipeline.ports.given import GivenFiles
from pipeline.ports.secrets import Secrets
from pipeline.ports.vault import (
    A_CLONE,
    Recipient,
    Vault,
    VaultChange,
    VaultEntry,
    VaultFile,
    VaultState,
    changed,
)
from pipeline.vault.actions import PublishMaterial, Reseal
from pipeline.vault.facts import (
    CERTIFICATE,
    KEY,
    PENDING,
    PROFILES,
    DoubtedIdentities,
    DoubtedIdentity,
    KeptFile,
    LedgerLine,
    Member,
    VaultContents,
)
from pipeline.vault.offers import OfferedIdentity, OfferedProfile, offered, unsealed
from pipeline.vault.offers import given as given_for_the_vault
from pipeline.vault.sealing import plain_key


@probe(scope="APP")
def vault_contents(vault: Vault, clock: Clock, anchors: Anchors) -> VaultContents | Reading[VaultContents]:
    """Everything in the vault. Sealed files are opened, where we can, to see whether they are what they should be."""
    state = vault.look()
    if not state.looked:
        return Reading.unknown(VaultContents, state.why, remedy=A_CLONE)
    contents = VaultContents(
        place=state.place,
        exists=bool(state.head),
        openable=state.openable,
        why=state.why,
        own=state.own,
        recipients=tuple(Member(each.name, plain_key(each.key)) for each in state.recipients),
        files=tuple(_kept(each, vault, state, anchors) for each in state.entries),
        lines=tuple(
            LedgerLine(d.number, d.at, d.by, d.what, d.put, d.dropped, d.resealed, d.recipients, d.proved)
            for d in state.deeds
        ),
        problems=state.problems,
        at=clock.now(),
    )
    return Reading.of(contents, vault.source)


def _kept(entry: VaultEntry, vault: Vault, state: VaultState, anchors: Anchors) -> KeptFile:
    certificate, profile, digest, fault = None, None, "", ""
    if not entry.sealed or state.openable:
        try:
            data = vault.read(entry.path)
            name = ""
            if entry.path.endswith(CERTIFICATE):
                certificate = read_certificate(data)
                name = certificate.sha1
            elif entry.path.endswith(KEY):
                digest = public_key_sha256(data)
                name = digest if entry.path.startswith(PENDING) else ""
            elif entry.path.startswith(PROFILES):
                profile = read_profile(data, anchors, path=entry.path)
                name, fault = profile.uuid, unsealed(profile)
            if name and f"/{name}." not in entry.path:
                fault = f"it is {name}, not what its name says"
        except PipelineError as caught:
            fault = str(caught)
    return KeptFile(
        path=entry.path,
        sealed=entry.sealed,
        told=entry.told,
        by=entry.by,
        at=entry.at,
        leavers=entry.leavers,
        certificate=certificate,
        profile=None if fault else profile,
        public_key_sha256=digest,
        fault=fault,
    )


@probe(scope="APP")
def doubted_identities(
    files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial], clock: Clock, anchors: Anchors
) -> DoubtedIdentities:
    """Every identity that was given is traced to a root of Apple's, by the authorities that were given beside it."""
    materials, _ = given_for_the_vault(files, environment)
    held = {each.certificate.sha1: each.certificate for each in materials if each.certificate}
    authorities = Authorities(held.values(), anchors, clock.now())
    doubted = []
    for each in offered(materials, clock.now()).identities:
        chain = authorities.lasting_chain(held[each.sha1])
        if not chain.trusted:
            why = ("", chain.reason) if chain.missing else (chain.reason, "")
            doubted.append(DoubtedIdentity(each.sha1, each.name, each.origin, *why))
    return DoubtedIdentities(tuple(doubted))


@performer
def publish_material(  # noqa: PLR0917 -- the engine passes them by name
    action: PublishMaterial,
    given: GivenFiles,
    secrets: Secrets,
    vault: Vault,
    policy: SigningPolicy,
    anchors: Anchors,
) -> Mapping[str, Any]:
    """Read it anew from where it lies, and put what the vault still lacks, in one change.

    Raises:
        UsageFault: it is not there any more, or the vault cannot be written.
    """
    supply = Supply(given, secrets, vault)
    files = dict(_identities(action.identities, supply, anchors))
    files |= dict(_profiles(action.profiles, supply, anchors))

    def wanted(state: VaultState) -> VaultChange | None:
        there = {entry.path for entry in state.entries if entry.path in files and _is_whole(entry, vault, files)}
        lacking = {path: file for path, file in files.items() if path not in there}
        return VaultChange(what=action.what, put=lacking) if lacking else None

    return {"files": sorted(files)} if published(vault, policy, wanted) else {"already": True}


def _is_whole(entry: VaultEntry, vault: Vault, files: Mapping[str, VaultFile]) -> bool:
    """Whether what is there can be read and, of a profile, is the one that was given: a doctored one bears its name."""
    try:
        held = vault.read(entry.path)
    except UsageFault:
        return False
    return not entry.path.startswith(PROFILES) or held == files[entry.path].content


def _identities(wanted: Iterable[OfferedIdentity], supply: Supply, anchors: Anchors) -> Iterable[tuple[str, VaultFile]]:
    for each in wanted:
        origins = [origin for origin in (each.origin, each.key_origin) if origin]
        found, _ = supply.identities(origins, anchors)
        identity = next((one for one in found if one.certificate.sha1 == each.sha1), None)
        if identity is None:
            raise UsageFault(f"the identity “{each.name}” is not in {each.origin} any more", remedy="run it again")
        yield from identity_files(identity.certificate, identity.key).items()


def _profiles(wanted: Iterable[OfferedProfile], supply: Supply, anchors: Anchors) -> Iterable[tuple[str, VaultFile]]:
    for each in wanted:
        data = supply.read(each.origin, each.part)
        try:
            profile = read_profile(data, anchors, path=each.origin)
        except SigningFault as broken:
            raise UsageFault(
                f"{each.origin} is no profile any more", why=str(broken), remedy="run it again"
            ) from broken
        if fault := unsealed(profile):
            raise UsageFault(f"the profile “{each.name}” is not put into the vault", why=fault, remedy="run it again")
        if profile.uuid != each.uuid:
            raise UsageFault(f"the profile “{each.name}” is not in {each.origin} any more", remedy="run it again")
        yield profile_file(profile, data)


@performer
def reseal(action: Reseal, vault: Vault, policy: SigningPolicy) -> Mapping[str, Any]:
    """Encrypt everything anew, in one change; nothing is done where the recipients are these already.

    Raises:
        UsageFault: the vault cannot be opened or written, or we would lock ourselves out.
    """
    recipients = tuple(Recipient(*each) for each in action.recipients)

    def wanted(state: VaultState) -> VaultChange | None:
        if _named(state.recipients) == _named(recipients):
            return None
        return VaultChange(what=action.what, by=policy.by, recipients=recipients)

    done = changed(vault, wanted)
    return {"recipients": [each.name for each in recipients], **({} if done else {"already": True})}


def _named(recipients: Iterable[Recipient]) -> set[tuple[str, str]]:
    return {(each.name, plain_key(each.key)) for each in recipients}
