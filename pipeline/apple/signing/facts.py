"""What can be known about signing before anything is signed: identities, profiles, and what a lane needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.profiles import ProvisioningProfile
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Location, Platform
from pipeline.values import dataclass

__all__ = ["Anchors", "Identities", "Identity", "InstalledProfiles", "ProfileProblem", "SigningNeed", "SigningPolicy"]


@dataclass(frozen=True)
class SigningPolicy:
    """What was decided about signing, in `config/` and with options.

    Attributes:
        expires_within: how long before its end a certificate or profile counts as expiring.
        recipients: who can open the vault: names and age public keys. Empty when nothing was decided.
        kinds: kinds of certificate that were asked for (CertificateKind); empty: what the lanes need.
        renew: whether what expires soon is replaced too, not only what is missing.
        revoke: whether what was replaced is revoked at Apple.
        by: who does it, for the vault's ledger; empty: whoever git says.
    """

    expires_within: timedelta = timedelta(days=30)
    recipients: tuple[tuple[str, str], ...] = ()
    kinds: tuple[str, ...] = ()
    renew: bool = False
    revoke: bool = False
    by: str = ""


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key, as the keychain lists it for code signing.

    Attributes:
        sha1: of the certificate, lower-case hex; what `codesign` should be given.
        label: what `security` calls it, usually the common name.
        problem: the code that `security` puts behind it, such as CSSMERR_TP_CERT_REVOKED; empty for none.
        certificate: None when the keychains' certificates do not show it.
        trusted: whether the chain ends in one of the anchors.
        distrust: why it does not.
        missing: the issuer whose certificate is in no keychain, when that is why.
    """

    sha1: str = ""
    label: str = ""
    problem: str = ""
    certificate: Certificate | None = None
    trusted: bool = False
    distrust: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Identities:
    """What this machine's keychains offer for signing.

    Attributes:
        identities: those for code signing, in the keychain's order.
        installers: certificates that sign installer packages. The keychain lists them as certificates only, so
            whether the private key is there is not known.
        at: when the keychains were read (aware, UTC).
    """

    identities: tuple[Identity, ...] = ()
    installers: tuple[Certificate, ...] = ()
    problems: tuple[str, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        return f"{len(self.identities)} for code signing, {len(self.installers)} for installer packages"


@dataclass(frozen=True)
class ProfileProblem:
    """A file in a profile folder that is no provisioning profile."""

    path: str
    why: str


@dataclass(frozen=True)
class InstalledProfiles:
    """The provisioning profiles in the folders that Xcode reads, and when they were read (aware, UTC)."""

    profiles: tuple[ProvisioningProfile, ...] = ()
    problems: tuple[ProfileProblem, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        return f"{len(self.profiles)} profiles" + (f", {len(self.problems)} unreadable" if self.problems else "")


@dataclass(frozen=True)
class SigningNeed:
    """What one lane needs in order to be signed for the App Store, as its project says.

    Attributes:
        team_id: empty when neither project nor configuration names a team.
        extension_ids: bundle identifiers of what travels inside the app and needs a profile of its own.
        entitlements: as the project asks for them, settings expanded.
        style: "Automatic" or "Manual" (CODE_SIGN_STYLE).
        identity_name: CODE_SIGN_IDENTITY; often a kind ("Apple Distribution"), sometimes a full name or a SHA-1.
        profile_specifier: PROVISIONING_PROFILE_SPECIFIER: a profile's name or UUID; empty for any.
    """

    platform: Platform = Platform.IOS
    team_id: str = ""
    bundle_id: str = ""
    extension_ids: tuple[str, ...] = ()
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    entitlement_places: Mapping[str, Location] = field(default_factory=dict)
    style: str = "Automatic"
    identity_name: str = ""
    identity_at: Location | None = None
    profile_specifier: str = ""
    profile_at: Location | None = None

    @property
    def manual(self) -> bool:
        """Whether the project chooses profiles itself."""
        return self.style == "Manual"
