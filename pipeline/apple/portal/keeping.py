"""Where the vault keeps keys, certificates and profiles, and what it tells of them without being opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.apple.portal.facts import VaultKey, VaultKeys
from pipeline.model import UsageFault
from pipeline.ports.vault import Recipient, VaultChange, VaultFile, changed

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.apple.signing.certificates import Certificate, CertificateKind
    from pipeline.apple.signing.facts import SigningPolicy
    from pipeline.apple.signing.profiles import ProvisioningProfile
    from pipeline.ports.vault import Vault, VaultState

ASKED = "asked"
"""Told of a waiting key: when Apple was asked for its certificate. Another runner looks for that before it asks too."""

_IDENTITY = re.compile(r"identities/([0-9a-f]{40})\.(p8|cer)")
_PENDING = re.compile(r"pending/([0-9a-f]{64})\.p8")
_PROFILE = re.compile(r"profiles/([^/]+)\.(?:mobileprovision|provisionprofile)")


def keys_of(state: VaultState) -> VaultKeys:
    """What the vault's list of files tells. A key without its certificate beside it is no identity."""
    entries = {entry.path: entry for entry in state.entries}
    identities, pending, profiles = [], [], []
    for path, entry in sorted(entries.items()):
        told = entry.told
        if (match := _IDENTITY.fullmatch(path)) and match[2] == "p8" and f"identities/{match[1]}.cer" in entries:
            identities.append(VaultKey(path, match[1], "", told.get("kind", ""), told.get("team", "")))
        elif match := _PENDING.fullmatch(path):
            pending.append(VaultKey(path, "", match[1], told.get("kind", ""), told.get("team", "")))
        elif match := _PROFILE.fullmatch(path):
            profiles.append((match[1], path, told.get("bundle", "")))
    forged = (f"line {each.number} was written by nobody with a key" for each in state.deeds if each.proved is False)
    return VaultKeys(
        state.place,
        state.head,
        state.openable,
        state.why,
        state.own,
        tuple(identities),
        tuple(pending),
        tuple(profiles),
        (*state.problems, *forged),
    )


def pending_path(public_key_sha256: str) -> str:
    """Where a key waits for its certificate."""
    return f"pending/{public_key_sha256}.p8"


def pending_file(key: bytes, kind: CertificateKind, team_id: str, asked: datetime | None = None) -> VaultFile:
    """A key (PKCS #8 DER) that waits for its certificate."""
    told = {"kind": str(kind), "team": team_id}
    return VaultFile(key, told={**told, ASKED: asked.isoformat()} if asked else told)


def identity_files(certificate: Certificate, key: bytes) -> dict[str, VaultFile]:
    """A certificate, which everybody may read, and its key."""
    told = {
        "kind": str(certificate.kind),
        "team": certificate.team_id,
        "name": certificate.subject_name,
        "expires": certificate.not_after.isoformat(),
        "serial": f"{certificate.serial:X}",
    }
    place = f"identities/{certificate.sha1}"
    return {
        f"{place}.cer": VaultFile(certificate.der, sealed=False, told=told),
        f"{place}.p8": VaultFile(key, told=told),
    }


def profile_file(profile: ProvisioningProfile, data: bytes) -> tuple[str, VaultFile]:
    """A profile's path and file."""
    ending = "provisionprofile" if profile.platforms == ("OSX",) else "mobileprovision"
    told = {
        "kind": str(profile.kind),
        "team": next(iter(profile.team_ids), ""),
        "name": profile.name,
        "bundle": profile.bundle_id,
        "expires": profile.expires.isoformat(),
    }
    return f"profiles/{profile.uuid}.{ending}", VaultFile(data, told=told)


def published(vault: Vault, policy: SigningPolicy, wanted: Callable[[VaultState], VaultChange | None]) -> bool:
    """Change the vault as `ports.vault.changed` does, in the name of whoever runs this.

    A vault that does not exist yet is made for those whom the policy names. `wanted` leaves both open.

    Raises:
        Moved: others wrote to it again and again meanwhile.
        UsageFault: there is no vault, or it cannot be opened or written.
    """

    def signed(state: VaultState) -> VaultChange | None:
        change = wanted(state)
        first = None if state.head else tuple(Recipient(*each) for each in policy.recipients)
        return change and replace(change, by=policy.by, recipients=first)

    return changed(vault, signed)


def entry_told(state: VaultState, path: str) -> Mapping[str, str]:
    """What is told of an entry. Raises UsageFault when there is none."""
    for entry in state.entries:
        if entry.path == path:
            return entry.told
    raise UsageFault(
        f"the vault has no entry {path} any more",
        why="somebody took it out meanwhile",
        remedy="run again: what is missing is planned anew",
    )
