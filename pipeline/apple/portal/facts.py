"""What can be known about a team's account at the developer portal, and about the keys that the team's vault holds."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime, timedelta

from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.facts import SigningNeed, SigningPolicy
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.profiles import ProvisioningProfile
from pipeline.model import Declaration, Lane, Platform
from pipeline.values import dataclass

ACTIVE, INVALID = "ACTIVE", "INVALID"
"""Profile.attributes.profileState of the App Store Connect API."""


@dataclass(frozen=True)
class AppLanes:
    """All lanes of the app, each with what `config/` declares of it: a given, for what is decided app-wide."""

    items: tuple[tuple[Lane, Declaration], ...] = ()


@dataclass(frozen=True)
class AppNeed:
    """One bundle identifier that needs a provisioning profile for the App Store.

    Attributes:
        profile_name: the name that the project gives the profile, with manual signing; empty for any.
    """

    bundle_id: str
    platform: Platform
    team_id: str = ""
    profile_name: str = ""

    @property
    def profile_type(self) -> str:
        """Profile.attributes.profileType. Profiles of visionOS are those of iOS."""
        return {Platform.MAC_OS: "MAC_APP_STORE", Platform.TV_OS: "TVOS_APP_STORE"}.get(self.platform, "IOS_APP_STORE")


@dataclass(frozen=True)
class StoreNeeds:
    """What all lanes of the app need in order to be signed for the App Store."""

    needs: tuple[SigningNeed, ...] = ()

    def __str__(self) -> str:
        return ", ".join(f"{need.bundle_id} for {need.platform.label}" for need in self.needs)

    @property
    def apps(self) -> tuple[AppNeed, ...]:
        """Each bundle identifier and kind of profile once: apps and what travels inside them."""
        found: dict[tuple[str, str], AppNeed] = {}
        for need in self.needs:
            for each in need.bundles:
                named = each.specifier.removeprefix(f"{need.team_id}/") if each.manual else ""
                app = AppNeed(each.bundle_id, need.platform, need.team_id, named)
                found.setdefault((each.bundle_id, app.profile_type), app)
        return tuple(found.values())


@dataclass(frozen=True)
class PortalKey:
    """What is known of the API key without asking Apple. `individual`: it has no issuer, so it is a person's own."""

    individual: bool = False


@dataclass(frozen=True)
class Refusal:
    """What Apple said when it forbade (403) to list something."""

    code: str = ""
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class PortalCertificate:
    """One certificate of the team at the developer portal.

    Attributes:
        id: App Store Connect's.
        kind: certificateType as App Store Connect spells it: DISTRIBUTION, MAC_INSTALLER_DISTRIBUTION.
        serial: hexadecimal, as App Store Connect shows it.
        certificate: what `certificateContent` holds; empty where that cannot be read, and `problem` says why.
    """

    id: str
    kind: str = ""
    name: str = ""
    serial: str = ""
    expires: datetime = NEVER
    certificate: Certificate = field(default_factory=Certificate)
    problem: str = ""


@dataclass(frozen=True)
class PortalCertificates:
    """All certificates of the team, and when they were listed (aware, UTC)."""

    items: tuple[PortalCertificate, ...] = ()
    at: datetime = NEVER
    refused: Refusal | None = None

    def __str__(self) -> str:
        return f"{len(self.items)} at Apple"


@dataclass(frozen=True)
class PortalProfile:
    """One provisioning profile of the team at the developer portal.

    Attributes:
        id: App Store Connect's; `bundle` and `certificates` are App Store Connect's ids too.
        kind: profileType: IOS_APP_STORE, MAC_APP_STORE.
        state: ACTIVE, or INVALID once something that it rests on was changed or revoked.
        profile: what `profileContent` holds; None where that cannot be read, and `problem` says why.
    """

    id: str
    name: str = ""
    kind: str = ""
    state: str = ""
    uuid: str = ""
    bundle: str = ""
    certificates: tuple[str, ...] = ()
    created: datetime = NEVER
    expires: datetime = NEVER
    profile: ProvisioningProfile | None = None
    problem: str = ""


@dataclass(frozen=True)
class PortalProfiles:
    """All profiles of the team, and when they were listed (aware, UTC)."""

    items: tuple[PortalProfile, ...] = ()
    at: datetime = NEVER
    refused: Refusal | None = None

    def __str__(self) -> str:
        return f"{len(self.items)} at Apple"


@dataclass(frozen=True)
class PortalBundleId:
    """A registered App ID with its capabilities (CapabilityType). `id` is App Store Connect's."""

    id: str
    identifier: str = ""
    name: str = ""
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortalBundleIds:
    """Those of the app's bundle identifiers that are registered."""

    items: tuple[PortalBundleId, ...] = ()
    refused: Refusal | None = None

    def of(self, identifier: str) -> PortalBundleId | None:
        """The one with exactly that identifier."""
        return next((each for each in self.items if each.identifier == identifier), None)

    def __str__(self) -> str:
        return ", ".join(each.identifier for each in self.items)


@dataclass(frozen=True)
class PortalMaterial:
    """The team's certificates and profiles at the developer portal, told as what is found anywhere else.

    Attributes:
        invalid: UUIDs of the profiles whose state is INVALID.
        complete: whether every certificate that is in force there is among the materials.
    """

    materials: tuple[Material, ...] = ()
    invalid: frozenset[str] = frozenset()
    complete: bool = False

    def __str__(self) -> str:
        return f"{len(self.materials)} certificates and profiles at Apple"


@dataclass(frozen=True)
class VaultKey:
    """A private key in the vault.

    Attributes:
        path: of the sealed key, below the vault.
        sha1: of its certificate; empty while there is none.
        public_key_sha256: of its SubjectPublicKeyInfo; empty where the vault names the key by its certificate.
        kind: CertificateKind that it is, or is to be, for; as the vault tells it.
    """

    path: str
    sha1: str = ""
    public_key_sha256: str = ""
    kind: str = ""
    team_id: str = ""


@dataclass(frozen=True)
class VaultKeys:
    """What the vault tells of its keys and profiles, without opening one.

    Attributes:
        place: where the vault is; empty when none is named. One with a head and no place goes with the run.
        head: empty for a vault that does not exist yet.
        openable: whether our own key opens it; `why` says why not.
        own: our public key; empty when we have none.
        identities: keys with their certificates.
        pending: keys that wait for a certificate.
        profiles: UUIDs of the profiles, with the paths and the bundle identifiers they are told to be for.
        problems: what is wrong with the vault, each a sentence.
    """

    place: str = ""
    head: str = ""
    openable: bool = False
    why: str = ""
    own: str = ""
    identities: tuple[VaultKey, ...] = ()
    pending: tuple[VaultKey, ...] = ()
    profiles: tuple[tuple[str, str, str], ...] = ()
    problems: tuple[str, ...] = ()

    def keeps(self, certificate: Certificate) -> bool:
        """Whether the certificate's key is there, with the certificate."""
        return any(key.sha1 == certificate.sha1 for key in self.identities)

    def waits_for(self, certificate: Certificate) -> VaultKey | None:
        """The key that waits for this certificate."""
        spki = certificate.public_key_sha256
        return next((key for key in self.pending if spki and key.public_key_sha256 == spki), None)

    def holds(self, certificate: Certificate) -> bool:
        """Whether the certificate's private key is in the vault, with the certificate or waiting for it."""
        return self.keeps(certificate) or self.waits_for(certificate) is not None

    def made_for(self, kind: str, team_id: str) -> tuple[VaultKey, ...]:
        """The keys for certificates of a kind and team."""
        return tuple(key for key in (*self.pending, *self.identities) if (key.kind, key.team_id) == (kind, team_id))

    def __str__(self) -> str:
        if not (self.place or self.head):
            return "no vault"
        return f"{len(self.identities)} identities, {len(self.pending)} keys without certificate"


FRESH = timedelta(days=1)
"""What was issued as lately as that serves, however soon it ends: what would take its place would end as soon."""


def horizon(policy: SigningPolicy, at: datetime) -> datetime:
    """What ends before counts as missing: now or, when what expires soon is replaced, as much later."""
    return at + (policy.expires_within if policy.renew else timedelta(0))


def lasts(begins: datetime, ends: datetime, policy: SigningPolicy, at: datetime) -> bool:
    """Whether what is valid from `begins` to `ends` lasts long enough, or was issued just now."""
    return ends > horizon(policy, at) or (ends > at and at - begins < FRESH)


@dataclass(frozen=True)
class SigningAccount:
    """All of it together: what is needed, what Apple has, what the vault has, and what was decided."""

    needs: StoreNeeds = field(default_factory=StoreNeeds)
    certificates: PortalCertificates = field(default_factory=PortalCertificates)
    profiles: PortalProfiles = field(default_factory=PortalProfiles)
    bundle_ids: PortalBundleIds = field(default_factory=PortalBundleIds)
    keys: VaultKeys = field(default_factory=VaultKeys)
    policy: SigningPolicy = field(default_factory=SigningPolicy)

    @property
    def at(self) -> datetime:
        """When Apple was asked."""
        return self.certificates.at

    @property
    def horizon(self) -> datetime:
        """What ends before counts as missing."""
        return horizon(self.policy, self.at)

    def lasts(self, begins: datetime, ends: datetime) -> bool:
        """Whether it lasts long enough, or was issued just now."""
        return lasts(begins, ends, self.policy, self.at)

    def __str__(self) -> str:
        return (
            f"{len(self.certificates.items)} certificates and {len(self.profiles.items)} profiles at Apple; {self.keys}"
        )
