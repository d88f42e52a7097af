"""What can be known about signing before anything is signed: identities, profiles, and what a lane needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.profiles import ProvisioningProfile
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Location, Platform
from pipeline.values import dataclass

__all__ = [
    "Anchors",
    "BundleNeed",
    "EnvironmentMaterial",
    "GivenMaterial",
    "Identities",
    "Identity",
    "InstalledProfiles",
    "JudgedMaterial",
    "Keychain",
    "Origin",
    "ProfileFolders",
    "ProfileProblem",
    "SigningNeed",
    "SigningPolicy",
    "Unresolved",
]


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


class Origin(StrEnum):
    """Where that comes from with which a lane would be signed."""

    KEYCHAIN = "KEYCHAIN"
    """This machine's keychains and profile folders."""
    FILES = "FILES"
    """What `--file` names."""
    ENVIRONMENT = "ENVIRONMENT"
    """The environment's secrets."""


@dataclass(frozen=True)
class Identity:
    """A certificate, most often with its private key.

    Attributes:
        sha1: of the certificate, lower-case hex; what `codesign` should be given.
        label: what `security` calls it, usually the common name.
        problem: the code that `security` puts behind it, such as CSSMERR_TP_CERT_REVOKED; empty for none.
        certificate: None when the keychains' certificates do not show it.
        trusted: whether the chain ends in one of the anchors.
        distrust: why it does not.
        missing: the issuer whose certificate is in no keychain, when that is why.
        authority: the one of the authorities above it that ends first; None when none is known.
        place: where it was found, where that is a file or a variable; empty for the keychain.
    """

    sha1: str = ""
    label: str = ""
    problem: str = ""
    certificate: Certificate | None = None
    trusted: bool = False
    distrust: str = ""
    missing: str = ""
    authority: Certificate | None = None
    place: str = ""


@dataclass(frozen=True)
class Identities:
    """What there is to sign with.

    Attributes:
        identities: certificates with their private keys, for code and for installer packages, in the order of the
            keychain or of the files.
        keyless: certificates of developers whose private key is not there.
        shut: files and variables, named one by one, that could not be opened or read: what is missing may be in them.
        at: when they were looked at (aware, UTC).
    """

    identities: tuple[Identity, ...] = ()
    keyless: tuple[Identity, ...] = ()
    shut: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    at: datetime = NEVER
    origin: Origin = Origin.KEYCHAIN

    def __str__(self) -> str:
        return f"{len(self.identities)} identities, {len(self.keyless)} certificates without a private key"


@dataclass(frozen=True)
class ProfileProblem:
    """A file in a profile folder that is no provisioning profile."""

    path: str
    why: str


@dataclass(frozen=True)
class InstalledProfiles:
    """The provisioning profiles that Xcode would find, or that were given, and when they were read (aware, UTC)."""

    profiles: tuple[ProvisioningProfile, ...] = ()
    problems: tuple[ProfileProblem, ...] = ()
    at: datetime = NEVER
    origin: Origin = Origin.KEYCHAIN

    def __str__(self) -> str:
        return f"{len(self.profiles)} profiles" + (f", {len(self.problems)} unreadable" if self.problems else "")


@dataclass(frozen=True)
class Keychain:
    """Everything that this machine's keychains hold, and when they were read (aware, UTC).

    Attributes:
        identities: certificates with their private keys.
        certificates: all certificates, those of the identities and of authorities too.
    """

    identities: tuple[Identity, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    problems: tuple[str, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        return f"{len(self.identities)} identities, {len(self.certificates)} certificates"


@dataclass(frozen=True)
class ProfileFolders:
    """Every profile in the folders from which Xcode reads them, and when they were read (aware, UTC)."""

    profiles: tuple[ProvisioningProfile, ...] = ()
    problems: tuple[ProfileProblem, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        return f"{len(self.profiles)} profiles" + (f", {len(self.problems)} unreadable" if self.problems else "")


@dataclass(frozen=True)
class GivenMaterial:
    """What the files hold that `--file` names. `named` are the paths as they were written; empty when none was."""

    materials: tuple[Material, ...] = ()
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{len(self.materials)} certificates, keys and profiles in {', '.join(self.named) or 'no files'}"


@dataclass(frozen=True)
class EnvironmentMaterial:
    """What the environment's secrets hold. `variables` are those that are set; empty when none is."""

    materials: tuple[Material, ...] = ()
    variables: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{len(self.materials)} certificates, keys and profiles in {', '.join(self.variables) or 'no variable'}"


@dataclass(frozen=True)
class JudgedMaterial:
    """From where a lane would be signed, and, unless that is the keychain, what was found there.

    Attributes:
        named: files and variables that a person named one by one, as opposed to what lies in a folder.
    """

    origin: Origin = Origin.KEYCHAIN
    materials: tuple[Material, ...] = ()
    named: tuple[str, ...] = ()

    def names(self, material: Material) -> bool:
        """Whether that is, or is packed in, something that was named by itself."""
        return material.origin.removesuffix(f"#{material.part}") in self.named

    def __str__(self) -> str:
        return {"KEYCHAIN": "this Mac's keychains", "FILES": "the given files"}.get(self.origin, "the environment")


@dataclass(frozen=True)
class Unresolved:
    """A setting that decides how a bundle is signed, and whose value is not known.

    Attributes:
        whose: the target; empty for the app.
        names: the settings that it refers to and that nothing here defines; none where it is empty.
        hidden: the configuration files that are not here and could set it.
    """

    setting: str = ""
    whose: str = ""
    names: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    location: Location | None = None


def is_manual(style: str) -> bool:
    """Whether CODE_SIGN_STYLE says so; Xcode does not mind capital letters (swift-build, ProvisioningStyle)."""
    return style.lower() == "manual"


@dataclass(frozen=True)
class BundleNeed:
    """What one bundle needs in order to be signed: the app, or something that travels inside it.

    Attributes:
        team_id: its own DEVELOPMENT_TEAM; empty for the lane's.
        style: "Automatic" or "Manual" (CODE_SIGN_STYLE), in any letters.
        specifier: PROVISIONING_PROFILE_SPECIFIER: a profile's name or UUID; empty for any.
        identity_name: CODE_SIGN_IDENTITY.
        entitlements: as the project asks for them, settings expanded; but `$(AppIdentifierPrefix)` stands as it is,
            because each profile has its own.
        places: where they are written, by key.
        unread: whether its entitlements could not be read, so that what it asks for is not known.
    """

    bundle_id: str = ""
    team_id: str = ""
    style: str = "Automatic"
    specifier: str = ""
    specifier_at: Location | None = None
    identity_name: str = ""
    identity_at: Location | None = None
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    unread: bool = False

    @property
    def manual(self) -> bool:
        """Whether the project chooses its profile itself."""
        return is_manual(self.style)


@dataclass(frozen=True)
class SigningNeed:
    """What one lane needs in order to be signed for the App Store, as its project says.

    Attributes:
        team_id: empty when neither project nor configuration names a team.
        inside: what travels inside the app, at any depth, and needs a profile of its own.
        entitlements: as BundleNeed has them.
        style: "Automatic" or "Manual" (CODE_SIGN_STYLE), in any letters.
        identity_name: CODE_SIGN_IDENTITY; often a kind ("Apple Distribution"), sometimes a full name or a SHA-1.
        profile_specifier: PROVISIONING_PROFILE_SPECIFIER: a profile's name or UUID; empty for any.
        unresolved: what is not known of the app and of what travels inside it. A bundle without a known identifier is
            among neither.
    """

    platform: Platform = Platform.IOS
    team_id: str = ""
    bundle_id: str = ""
    inside: tuple[BundleNeed, ...] = ()
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    entitlement_places: Mapping[str, Location] = field(default_factory=dict)
    style: str = "Automatic"
    identity_name: str = ""
    identity_at: Location | None = None
    profile_specifier: str = ""
    profile_at: Location | None = None
    unresolved: tuple[Unresolved, ...] = ()

    @property
    def bundles(self) -> tuple[BundleNeed, ...]:
        """What needs a profile of its own: the app first, then what travels inside it, each bundle identifier once."""
        app = BundleNeed(
            self.bundle_id,
            self.team_id,
            self.style,
            self.profile_specifier,
            self.profile_at,
            self.identity_name,
            self.identity_at,
            self.entitlements,
            self.entitlement_places,
        )
        found: dict[str, BundleNeed] = {}
        for each in (app, *self.inside):
            if each.bundle_id:
                found.setdefault(each.bundle_id, each)
        return tuple(found.values())

    @property
    def manual(self) -> bool:
        """Whether the project chooses the app's profile itself."""
        return is_manual(self.style)
