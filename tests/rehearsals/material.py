"""What a team signs with, as people keep it: RSA identities of a test authority, profiles for the sample app."""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pipeline.simulator.authority import Identity, Kind
from pipeline.simulator.machine import pkcs12
from pipeline.simulator.machine.keychain import extension_of
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import BARE
from tests.rehearsals.theatre import ROOT
from tests.rooms.signing.wallet import tar

TEAM = "77CCZHWQL7"
PROJECT = ROOT / "pipeline/simulator/sample/Isometry.xcodeproj"
PASSWORD = 'canary"of\\a&p12<password>'
"""ASCII, and awkward in JSON, in HTML, in a shell and on a line of `security -i`."""
KINDS = {"distribution": Kind.DISTRIBUTION, "installer": Kind.MAC_INSTALLER_DISTRIBUTION}
SPARE = ("pem", "old", "locked", "shut")


@dataclass
class Owned:
    """A certificate and its RSA key."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    identity: Identity

    @property
    def cer(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def sha1(self) -> str:
        return self.identity.sha1.lower()

    def pem(self, form: PrivateFormat = PrivateFormat.PKCS8, password: str = "") -> bytes:
        shut = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, form, shut)

    def der(self) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def p12(self, password: str) -> bytes:
        return pkcs12.write([self.identity], password)


@dataclass
class Team:
    """One team: what Apple has given it, with the keys that it has made itself."""

    root: bytes
    above: bytes
    owned: dict[str, Owned]
    profiles: dict[str, bytes]
    api: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def signing(self) -> list[Owned]:
        """What the sample app is signed with."""
        return [self.owned[name] for name in KINDS]

    def p12(self, password: str = PASSWORD) -> bytes:
        return pkcs12.write([each.identity for each in self.signing], password)

    def api_pem(self) -> bytes:
        """As App Store Connect gives it away: AuthKey_….p8."""
        return self.api.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def secrets(self, password: str = PASSWORD) -> dict[str, str]:
        """What a runner's environment holds."""
        return {
            "SIGNING_CERTIFICATES": base64.b64encode(self.p12(password)).decode(),
            "SIGNING_CERTIFICATES_PASSWORD": password,
            "SIGNING_PROFILES": base64.b64encode(tar(self.profiles)).decode(),
        }

    def give(self, folder: Path) -> Path:
        """A folder as it has grown over the years."""
        folder.mkdir(parents=True)
        for name, data in {
            "dist.p12": self.p12(),
            "AuthKey_ABC.p8": self.api_pem(),
            "one.pem": self.owned["pem"].certificate.public_bytes(Encoding.PEM) + self.owned["pem"].pem(),
            "old.key": self.owned["old"].pem(PrivateFormat.TraditionalOpenSSL),
            "old.cer": self.owned["old"].cer,
            "locked.key": self.owned["locked"].pem(password=PASSWORD),
            "locked.cer": self.owned["locked"].cer,
            "raw.key": self.owned["pem"].der(),
            **self.profiles,
        }.items():
            (folder / name).write_bytes(data)
        return folder

    def shut(self, path: Path) -> Path:
        """A .p12 with another password than anybody is told."""
        path.write_bytes(self.owned["shut"].p12("another canary of a password"))
        return path


@functools.cache
def the_team() -> Team:
    """Made once for many tests: keys take time. The authority's own keys are gone afterwards."""
    with TemporaryDirectory() as folder:
        return _team_in(Path(folder))


def _team_in(folder: Path) -> Team:
    machine = Machine(folder, team_id=TEAM, projects=[PROJECT], scenario=BARE)
    authority, now = machine.authority, datetime.now(UTC).replace(microsecond=0)
    chain = machine.provisioned.identities[0].chain
    owned: dict[str, Owned] = {}
    for name in (*KINDS, *SPARE):
        key = rsa.generate_private_key(65_537, 2048)
        kind = KINDS.get(name, Kind.DISTRIBUTION)
        begins, ends = now - timedelta(hours=1), now + timedelta(days=300)
        certificate = authority.certify(
            key.public_key(), kind, team_id=TEAM, organization="Rehearsal Team", begins=begins, ends=ends
        )
        identity = Identity(
            f"{kind} of the team",
            certificate.public_bytes(Encoding.DER),
            key,  # type: ignore[arg-type] -- the authority's own keys are elliptic; what is exported may be either
            chain,
            kind,
            TEAM,
            certificate.serial_number,
            begins,
            ends,
        )
        owned[name] = Owned(key, certificate, identity)
    profiles = {}
    for made in machine.provisioned.store_profiles:
        values = {**made.values, "DeveloperCertificates": [owned["distribution"].cer]}
        profiles[f"{made.uuid}.{extension_of(made)}"] = authority.sealed(values, now - timedelta(hours=1))
    return Team(authority.root, chain[0], owned, profiles)


def openssh() -> tuple[str, str]:
    """An OpenSSH key pair, private and public, as text."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return secret, public
