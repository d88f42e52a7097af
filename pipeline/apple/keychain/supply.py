"""Where the material to install lies: read by its origin when it is looked at, and anew when it is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline.apple.keychain.facts import InstallableIdentity, InstallableProfile, MaterialProblem
from pipeline.apple.signing.certificates import Certificate, read_certificate
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.identities import Authorities
from pipeline.apple.signing.material import (
    Fault,
    KeyedIdentity,
    Material,
    open_keys,
    part_of,
    public_key_sha256,
    read_material,
)
from pipeline.apple.signing.profiles import ProvisioningProfile, read_profile
from pipeline.apple.signing.trust import Anchors
from pipeline.model import PipelineError, UsageFault
from pipeline.ports.given import GivenFiles
from pipeline.ports.secrets import CERTIFICATES, PASSWORD, Secrets, passwords
from pipeline.ports.vault import Vault, VaultState

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that is read for material."""
VAULT = "vault:"
IDENTITIES, PROFILES = "identities/", "profiles/"

_REMEDIES = {
    Fault.WRONG_PASSWORD: f"set {PASSWORD} to the password with which it was exported",
    Fault.PASSWORD_NEEDED: f"set {PASSWORD} to the password with which it was exported",
    Fault.FOREIGN_KEY: "export the certificate together with its own private key from Keychain Access as a .p12",
    Fault.NO_KEY: "export the certificate together with its private key from Keychain Access as a .p12",
    Fault.NOT_SIGNED: "download the profile again from developer.apple.com/account/resources/profiles",
}


class Supply:
    """The files, the secrets and the vault, by origin.

    An origin is a path, `$NAME` of a secret, or `vault:path`.
    """

    def __init__(self, given: GivenFiles, secrets: Secrets, vault: Vault) -> None:
        self._given = given
        self._secrets = secrets
        self._vault = vault

    def read(self, origin: str, part: int = 0) -> bytes:
        """The bytes, of the file that `part` numbers where it is an archive.

        Raises:
            PipelineError: it is not there any more, or cannot be read.
        """
        if origin.startswith(VAULT):
            return self._vault.read(origin.removeprefix(VAULT))
        if origin.startswith("$"):
            told = self._secrets.get(origin[1:])
            if not told:
                raise UsageFault(f"{origin[1:]} is not set any more", remedy="set it again, then repeat the command")
            return part_of(told.encode("utf-8", "surrogateescape"), part)
        return part_of(self._given.read(Path(origin), LARGEST), part)

    def passwords(self, origin: str) -> tuple[str, ...]:
        """What may open it."""
        if origin.startswith(VAULT):
            return ()
        return passwords(self._secrets, (self._secrets if origin == f"${CERTIFICATES}" else self._given).source)

    def identities(self, origins: Iterable[str], anchors: Anchors) -> tuple[list[KeyedIdentity], list[Certificate]]:
        """All identities there, keys and certificates paired wherever they lie, and the authorities beside them.

        Raises:
            PipelineError: an origin is not there any more, or cannot be read.
        """
        certificates: dict[str, Certificate] = {}
        keys: dict[str, bytes] = {}
        for origin in origins:
            data, passwords = self.read(origin), self.passwords(origin)
            for found in read_material(data, origin, passwords, anchors):
                if found.certificate:
                    certificates[found.certificate.sha1] = found.certificate
            for key in _keys(data, passwords):
                keys[public_key_sha256(key)] = key
        owned = [
            KeyedIdentity(each, keys[each.public_key_sha256])
            for each in certificates.values()
            if each.public_key_sha256 in keys and not each.authority
        ]
        return owned, [each for each in certificates.values() if each.authority]


def _keys(data: bytes, passwords: Sequence[str]) -> list[bytes]:
    """The private keys, whether certificates lie beside them or not."""
    try:
        return list(open_keys(data, passwords))
    except SigningFault:
        return []


class Shelf:
    """What was found of the material, as it is found; no key stays here.

    Chains and signatures are judged by the anchors, as of a moment (aware).
    """

    def __init__(self, anchors: Anchors, at: datetime) -> None:
        self._anchors = anchors
        self._at = at
        self.identities: list[InstallableIdentity] = []
        self.keyless: list[InstallableIdentity] = []
        self.profiles: list[InstallableProfile] = []
        self.problems: list[MaterialProblem] = []

    def put(self, materials: Sequence[Material], supply: Supply) -> None:
        """Take in what files or secrets hold."""
        apart = {each.public_key_sha256: _place(each) for each in materials if each.key_only and not each.fault}
        above = Authorities((each.certificate for each in materials if each.certificate), self._anchors, self._at)
        for each in materials:
            if each.fault:
                self.fail(each.origin, each.why or str(each.fault), _REMEDIES.get(each.fault, ""))
            elif each.profile:
                self._put_profile(each.profile, _place(each), each.part, supply)
            elif each.certificate and not each.certificate.authority:
                key_origin = apart.get(each.public_key_sha256, "")
                owned = bool(each.keyed or key_origin)
                told = _identity(each.certificate, _place(each), "" if each.keyed else key_origin, above)
                (self.identities if owned else self.keyless).append(told)
        keyed = {each.sha1 for each in self.identities}
        self.keyless = [each for each in self.keyless if each.sha1 not in keyed]

    def put_vault(self, state: VaultState, supply: Supply) -> None:
        """Take in what the vault holds, in its layout: identities/<sha1>.cer and .p8, profiles/<uuid>.…"""
        paths = {entry.path for entry in state.entries}
        if not state.openable:
            self.fail(f"{VAULT}{state.place}", state.why or "it cannot be opened", "set SIGNING_VAULT_KEY")
            return
        above = Authorities((), self._anchors, self._at)
        for path in sorted(paths):
            try:
                if path.startswith(IDENTITIES) and path.endswith(".cer"):
                    self._put_kept(path, paths, supply, above)
                elif path.startswith(PROFILES):
                    profile = read_profile(supply.read(f"{VAULT}{path}"), self._anchors, path=path)
                    self._put_profile(profile, f"{VAULT}{path}", 0, supply)
            except PipelineError as fault:
                self.fail(f"{VAULT}{path}", str(fault), fault.remedy)

    def fail(self, origin: str, why: str, remedy: str = "") -> None:
        """Note a piece that cannot be used."""
        self.problems.append(MaterialProblem(origin, why, remedy))

    def _put_kept(self, path: str, paths: Iterable[str], supply: Supply, above: Authorities) -> None:
        certificate = read_certificate(supply.read(f"{VAULT}{path}"))
        key_path = f"{path.removesuffix('.cer')}.p8"
        told = _identity(certificate, f"{VAULT}{path}", f"{VAULT}{key_path}", above)
        # A vault keeps no authorities: one that Apple has added since is missing here, and may well be on the Mac.
        told = replace(told, untraced="")
        if key_path not in paths:
            self.keyless.append(told)
        elif not _fits(certificate, supply.read(f"{VAULT}{key_path}")):
            self.fail(
                f"{VAULT}{key_path}", f"the private key does not fit the certificate “{certificate.subject_name}”"
            )
        else:
            self.identities.append(told)

    def _put_profile(self, profile: ProvisioningProfile, origin: str, part: int, supply: Supply) -> None:
        data = supply.read(origin, part)
        self.profiles.append(
            InstallableProfile(
                uuid=profile.uuid,
                name=profile.name,
                origin=origin,
                part=part,
                sha256=hashlib.sha256(data).hexdigest(),
                extension="provisionprofile" if "OSX" in profile.platforms else "mobileprovision",
                ends=profile.expires,
                seal=profile.seal,
                seal_reason=profile.seal_reason,
            )
        )


def _fits(certificate: Certificate, key: bytes) -> bool:
    return certificate.public_key_sha256 in {public_key_sha256(each) for each in _keys(key, ())}


def _place(material: Material) -> str:
    """Where it lies, without the number of a file in an archive."""
    return material.origin.removesuffix(f"#{material.part}") if material.part else material.origin


def _identity(certificate: Certificate, origin: str, key_origin: str, above: Authorities) -> InstallableIdentity:
    chain = above.lasting_chain(certificate)
    return InstallableIdentity(
        certificate.sha1,
        certificate.subject_name,
        origin,
        key_origin,
        certificate.not_before,
        certificate.not_after,
        alien="" if chain.trusted or chain.missing else chain.reason,
        untraced=chain.reason if chain.missing else "",
    )
