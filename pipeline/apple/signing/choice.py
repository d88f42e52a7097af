"""Which of the installed identities and profiles a lane would use: one sieve after the other, then the best of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.facts import BundleNeed, Identities, Identity, InstalledProfiles, SigningNeed
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal, entitlement_allows
from pipeline.model import Platform
from pipeline.values import dataclass

APP_STORE_KINDS = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.IOS_DISTRIBUTION})
MAC_APP_STORE_KINDS = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.MAC_APP_DISTRIBUTION})
DEVELOPMENT_KINDS = frozenset(
    {CertificateKind.APPLE_DEVELOPMENT, CertificateKind.IOS_DEVELOPMENT, CertificateKind.MAC_DEVELOPMENT}
)
INSTALLER_KINDS = frozenset({CertificateKind.MAC_INSTALLER_DISTRIBUTION, CertificateKind.DEVELOPER_ID_INSTALLER})
DEVELOPER_ID_KINDS = frozenset(
    {
        CertificateKind.DEVELOPER_ID_APPLICATION,
        CertificateKind.DEVELOPER_ID_INSTALLER,
        CertificateKind.DEVELOPER_ID_KEXT,
    }
)

KIND_NAMES = {
    CertificateKind.APPLE_DEVELOPMENT: "Apple Development",
    CertificateKind.APPLE_DISTRIBUTION: "Apple Distribution",
    CertificateKind.IOS_DEVELOPMENT: "iPhone Developer",
    CertificateKind.IOS_DISTRIBUTION: "iPhone Distribution",
    CertificateKind.MAC_DEVELOPMENT: "Mac Developer",
    CertificateKind.MAC_APP_DISTRIBUTION: "3rd Party Mac Developer Application",
    CertificateKind.MAC_INSTALLER_DISTRIBUTION: "3rd Party Mac Developer Installer",
    CertificateKind.DEVELOPER_ID_APPLICATION: "Developer ID Application",
    CertificateKind.DEVELOPER_ID_INSTALLER: "Developer ID Installer",
    CertificateKind.DEVELOPER_ID_KEXT: "Developer ID Application (kernel extensions)",
}
"""Certificates that a team has made for itself, as Apple calls them."""


@dataclass(frozen=True)
class Role:
    """A signature that a lane needs: of the app, and on macOS also of the package in which it travels."""

    what: str
    kinds: frozenset[CertificateKind]
    alike: frozenset[CertificateKind]
    """The kinds among which somebody may have taken the wrong one."""


_CODE_KINDS = frozenset(KIND_NAMES) - DEVELOPMENT_KINDS - INSTALLER_KINDS
INSTALLER = Role("the installer package", frozenset({CertificateKind.MAC_INSTALLER_DISTRIBUTION}), INSTALLER_KINDS)


def application(need: SigningNeed) -> Role:
    """The app's own signature."""
    return Role(f"{need.platform.label} apps", store_kinds(need), _CODE_KINDS)


def roles(need: SigningNeed) -> tuple[Role, ...]:
    """The signatures that the lane needs: the App Store takes Mac apps as signed installer packages."""
    return (application(need), INSTALLER) if need.platform is Platform.MAC_OS else (application(need),)


_PLATFORM_NAMES = {
    Platform.IOS: ("iOS",),
    Platform.MAC_OS: ("OSX",),
    Platform.TV_OS: ("tvOS",),
    Platform.VISION_OS: ("xrOS", "visionOS"),
}

_MAC_PUSH = "com.apple.developer.aps-environment"
_REPLACED_ON_EXPORT = frozenset(
    {
        "aps-environment",
        _MAC_PUSH,
        "com.apple.developer.icloud-container-environment",
        "get-task-allow",
        "beta-reports-active",
    }
)
_GROUPS = "com.apple.security.application-groups"
_KEYCHAIN_GROUPS = "keychain-access-groups"
_PREFIX = "$(AppIdentifierPrefix)"
_SHA1 = 40
CLOCKS_DIFFER = timedelta(days=1)
"""How far off a clock may be that stands in another time zone; what was made later still was not made yet."""

FOR_MACS = ("3rd Party Mac Developer Application", "Mac App Distribution", "Mac Distribution")
SELECTORS = {
    "Apple Distribution": APP_STORE_KINDS | MAC_APP_STORE_KINDS,
    "iPhone Distribution": APP_STORE_KINDS,
    "iOS Distribution": APP_STORE_KINDS,
    **dict.fromkeys(FOR_MACS, MAC_APP_STORE_KINDS),
    **dict.fromkeys(
        ("Apple Development", "iPhone Developer", "iOS Developer", "iOS Development", "Mac Developer"),
        DEVELOPMENT_KINDS,
    ),
    **dict.fromkeys(
        ("Developer ID Application", "Developer ID"), frozenset({CertificateKind.DEVELOPER_ID_APPLICATION})
    ),
}
"""What CODE_SIGN_IDENTITY may be besides a name or SHA-1: the kinds of certificate from which Xcode then chooses.

Whether the newer “Apple Distribution” and the older names may stand for each other is not published: they may, here.
"""
NO_IDENTITY = ("", "-")
"""What CODE_SIGN_IDENTITY says where nothing is to be signed, and where it is to be signed for this Mac alone."""


def store_kinds(need: SigningNeed) -> frozenset[CertificateKind]:
    """The kinds of certificate with which the App Store takes apps of the lane's platform."""
    return MAC_APP_STORE_KINDS if need.platform is Platform.MAC_OS else APP_STORE_KINDS


def names_of_kinds(kinds: Iterable[CertificateKind]) -> list[str]:
    """As Apple calls them, each once, in a fixed order."""
    present = set(kinds)
    return [name for kind, name in KIND_NAMES.items() if kind in present]


def suited(identities: Identities, role: Role) -> list[Identity]:
    """Identities of a kind that the App Store takes, whoever's and however old."""
    return of_kinds(identities.identities, role.kinds)


def unread(identities: Identities) -> list[Identity]:
    """Identities whose certificate no keychain shows, so that nothing is known of them but the name."""
    return [each for each in identities.identities if each.certificate is None]


def of_kinds(identities: Iterable[Identity], kinds: AbstractSet[CertificateKind]) -> list[Identity]:
    """Those of certain kinds."""
    return [each for each in identities if each.certificate is not None and each.certificate.kind in kinds]


def of_other_kinds(identities: Identities, need: SigningNeed, role: Role) -> list[Identity]:
    """The team's identities that look like what is needed, and that the App Store does not take from this platform."""
    return of_team(of_kinds(identities.identities, role.alike - role.kinds), need)


def of_development(identities: Identities, need: SigningNeed) -> list[Identity]:
    """The team's development identities."""
    return of_team(of_kinds(identities.identities, DEVELOPMENT_KINDS), need)


def without_key(identities: Identities, need: SigningNeed, role: Role) -> list[Identity]:
    """Certificates that would do, had their private key come along."""
    return in_date(of_team(of_kinds(identities.keyless, role.kinds), need), identities.at)


def of_team(identities: Iterable[Identity], need: SigningNeed) -> list[Identity]:
    """Those of the lane's team; all when no team is known."""
    return [each for each in identities if not need.team_id or certificate_of(each).team_id == need.team_id]


def in_date(identities: Iterable[Identity], at: datetime) -> list[Identity]:
    """Those whose certificate is valid at that moment."""
    return [each for each in identities if certificate_of(each).valid_at(at)]


def current(identities: Identities, need: SigningNeed, role: Role) -> list[Identity]:
    """Those of the right kind and team that are in date, whatever the keychain says of them."""
    return in_date(of_team(suited(identities, role), need), identities.at)


def usable(identities: Identities, need: SigningNeed, role: Role) -> list[Identity]:
    """Those with which the lane can be signed now, as far as the keychain can tell."""
    return [each for each in current(identities, need, role) if not each.problem]


def certificate_of(identity: Identity) -> Certificate:
    """The certificate, or an empty one that suits nothing."""
    return identity.certificate or Certificate()


def end_of(identity: Identity) -> datetime:
    """When it expires."""
    return certificate_of(identity).not_after


def store_kind(need: SigningNeed) -> ProfileKind:
    """The kind of profile with which the App Store takes apps of the lane's platform."""
    return ProfileKind.MAC_APP_STORE if need.platform is Platform.MAC_OS else ProfileKind.APP_STORE


def is_of_platform(profile: ProvisioningProfile, need: SigningNeed) -> bool:
    """Whether the profile is for the lane's platform."""
    return any(name in _PLATFORM_NAMES[need.platform] for name in profile.platforms)


def team_of(bundle: BundleNeed, need: SigningNeed) -> str:
    """The bundle's own team, else the lane's; empty when none is known."""
    return bundle.team_id or need.team_id


def is_of_team(profile: ProvisioningProfile, team_id: str) -> bool:
    """Whether it is that team's; so is any when no team is known."""
    return not team_id or team_id in profile.team_ids


def suits(profile: ProvisioningProfile, need: SigningNeed, bundle: BundleNeed) -> bool:
    """Whether a profile, whoever's, is for the App Store, the platform and the bundle identifier.

    What is signed manually takes none that Xcode manages: the build stops (bitrise-io/go-xcode#139).
    """
    return (
        profile.kind is store_kind(need)
        and is_of_platform(profile, need)
        and profile.covers(bundle.bundle_id)
        and not (bundle.manual and profile.xcode_managed)
    )


def is_named(profile: ProvisioningProfile, specifier: str, team_id: str) -> bool:
    """Whether PROVISIONING_PROFILE_SPECIFIER means this profile: by name, by UUID, or by TEAM/name."""
    return specifier in (profile.name, profile.uuid, f"{team_id}/{profile.name}")


def named(profiles: InstalledProfiles, need: SigningNeed, bundle: BundleNeed) -> list[ProvisioningProfile]:
    """What manual signing may take: the profiles that the project names, or all where it names none."""
    specifier, team = bundle.specifier if bundle.manual else "", team_of(bundle, need)
    return [each for each in profiles.profiles if not specifier or is_named(each, specifier, team)]


def matching(profiles: InstalledProfiles, need: SigningNeed, bundle: BundleNeed) -> list[ProvisioningProfile]:
    """App Store profiles of the team for a bundle, out of date or not; with manual signing only those it may take."""
    found, team = named(profiles, need, bundle), team_of(bundle, need)
    return [each for each in found if suits(each, need, bundle) and is_of_team(each, team)]


def chosen_by_hand(need: SigningNeed) -> tuple[BundleNeed, ...]:
    """What is signed manually, each with its own style: only there the project decides what is taken."""
    return tuple(each for each in need.bundles if each.manual)


def is_governed(key: str, value: object, platform: Platform) -> bool:
    """Whether a profile must grant an entitlement of that value.

    The sandbox's and the hardened runtime's own (com.apple.security.…) need no profile, but for application groups;
    macOS governs com.apple.developer.… and keychain groups only (Apple's TN3125 and TN3137); a key that is set to false
    claims nothing. One file often serves both platforms and names the push environment twice, by the key of each.
    """
    mac = platform is Platform.MAC_OS
    if value is False:
        return False
    if key == _GROUPS:
        groups = value if isinstance(value, (list, tuple)) else [value]
        return not mac or any(str(group).startswith("group.") for group in groups)
    if key.startswith("com.apple.security."):
        return False
    if mac:
        return key == _KEYCHAIN_GROUPS or key.startswith("com.apple.developer.")
    return key != _MAC_PUSH


def asks_for(profile: ProvisioningProfile, bundle: BundleNeed, need: SigningNeed) -> Mapping[str, Any]:
    """The entitlements with which a bundle would be signed with that profile, whose App ID has a prefix of its own."""
    prefix = profile.application_identifier.removesuffix(f".{profile.bundle_id}")
    known = (prefix, *profile.app_id_prefixes, *profile.team_ids, team_of(bundle, need))
    first = next((each for each in known if each and "." not in each), "")
    return {key: _expanded(value, f"{first}.") for key, value in bundle.entitlements.items()}


def _expanded(value: Any, prefix: str) -> Any:
    if isinstance(value, str):
        return value.replace(_PREFIX, prefix)
    if isinstance(value, Mapping):
        return {key: _expanded(inner, prefix) for key, inner in value.items()}
    return [_expanded(inner, prefix) for inner in value] if isinstance(value, (list, tuple)) else value


def ungranted(profile: ProvisioningProfile, bundle: BundleNeed, need: SigningNeed) -> tuple[str, ...]:
    """Keys of the entitlements that the profile must grant and does not.

    None when no team is known: many values begin with the team.
    """
    if not team_of(bundle, need):
        return ()
    asked = asks_for(profile, bundle, need)
    governed = (key for key, value in asked.items() if is_governed(key, value, need.platform))
    return tuple(key for key in governed if not _grants(profile, key, asked[key]))


def _grants(profile: ProvisioningProfile, key: str, value: object) -> bool:
    if key not in profile.entitlements:
        return False
    if key in _REPLACED_ON_EXPORT or "$(" in repr(value):  # the value is not the one that will be signed
        return True
    return entitlement_allows(profile.entitlements[key], value)


@dataclass(frozen=True)
class Match:
    """A profile that one bundle may take, and what it lacks for it.

    Attributes:
        expired: whether it is out of date.
        early: whether its time has not begun.
        ungranted: keys of the entitlements that it does not grant.
    """

    bundle: BundleNeed
    profile: ProvisioningProfile
    expired: bool = False
    ungranted: tuple[str, ...] = ()
    team_id: str = ""
    early: bool = False

    @property
    def in_force(self) -> bool:
        """Whether it can be used today."""
        return not self.expired and not self.early

    def names(self, signer: Identity) -> bool:
        """Whether the identity's certificate is among those of the profile."""
        return any(each.sha1 == signer.sha1 for each in self.profile.developer_certificates)

    def is_foreign(self, signer: Identity) -> bool:
        """Whether no team is known, and the profile's is not the identity's."""
        whose = certificate_of(signer).team_id
        return not self.team_id and bool(whose) and whose not in self.profile.team_ids

    def faults(self, signer: Identity | None) -> Faults:
        """What keeps it from being taken, the worst first; without an identity its certificates are not asked for."""
        unnamed = signer is not None and not self.names(signer)
        foreign = signer is not None and self.is_foreign(signer)
        broken = self.profile.seal in (Seal.DOCTORED, Seal.FOREIGN)
        lacks = unnamed + foreign + len(self.ungranted)
        return int(not self.in_force), int(broken), lacks, int(unnamed), int(self.profile.seal is Seal.UNKNOWN)


Faults = tuple[int, int, int, int, int]
"""Out of date, not as Apple signed it, how much it does not grant or name, the identity unnamed, seal not checked."""


@dataclass(frozen=True)
class Choice:
    """One identity, and for each bundle that is signed manually one profile: the best that there is.

    Attributes:
        signer: one signs all, because an export has one signer; None when no identity is usable.
        matches: bundles for which there is no profile at all are left out.
    """

    signer: Identity | None = None
    matches: tuple[Match, ...] = ()


def choose(profiles: InstalledProfiles, identities: Identities, need: SigningNeed) -> Choice:
    """The identity and the profiles that go together best: those with the fewest faults, then those that last."""
    pools = [pool for bundle in chosen_by_hand(need) if (pool := _pool(profiles, need, bundle))]
    best: tuple[tuple[Faults, float], Choice] | None = None
    for signer in signers(identities, need) or (None,):
        taken = tuple(
            min(pool, key=lambda each: (each.faults(signer), _sooner(each.profile.expires))) for pool in pools
        )
        total = (0, 0, 0, 0, 0)
        for each in taken:
            total = _added(total, each.faults(signer))
        rank = (total, _sooner(end_of(signer)) if signer else 0.0)
        if best is None or rank < best[0]:
            best = (rank, Choice(signer, taken))
    return best[1] if best else Choice()


def signers(identities: Identities, need: SigningNeed) -> list[Identity]:
    """The identities with which the app can be signed; those alone that are Apple's, and that the project names.

    Where none of them is, all: it is for other rules to say so.
    """
    found = usable(identities, need, application(need))
    found = [each for each in found if each.trusted] or found
    wanted = asked_for(need)
    return [each for each in found if all(is_meant(each, name) for name in wanted)] or found


def asked_for(need: SigningNeed) -> dict[str, list[BundleNeed]]:
    """The identities that the project names where it signs manually, and the bundles for which it does."""
    found: dict[str, list[BundleNeed]] = {}
    for each in chosen_by_hand(need):
        name = each.identity_name.strip()
        if name not in NO_IDENTITY and "$(" not in name:
            found.setdefault(name, []).append(each)
    return found


def is_sha1(name: str) -> bool:
    """Whether CODE_SIGN_IDENTITY names one certificate."""
    return len(name) == _SHA1 and all(letter in "0123456789abcdefABCDEF" for letter in name)


def is_meant(identity: Identity, name: str) -> bool:
    """Whether CODE_SIGN_IDENTITY may mean the identity: as a kind, by its SHA-1, or by a part of its name."""
    if name in SELECTORS:
        return certificate_of(identity).kind in SELECTORS[name]
    if is_sha1(name):
        return name.lower() == identity.sha1.lower()
    return name in identity.label or name in certificate_of(identity).subject_name


def _pool(profiles: InstalledProfiles, need: SigningNeed, bundle: BundleNeed) -> list[Match]:
    return [_match(each, profiles.at, need, bundle) for each in matching(profiles, need, bundle)]


def _match(profile: ProvisioningProfile, at: datetime, need: SigningNeed, bundle: BundleNeed) -> Match:
    return Match(
        bundle,
        profile,
        expired=profile.expires <= at,
        ungranted=ungranted(profile, bundle, need),
        team_id=team_of(bundle, need),
        early=profile.created > at + CLOCKS_DIFFER,
    )


def _added(one: Faults, other: Faults) -> Faults:
    return (
        one[0] + other[0],
        one[1] + other[1],
        one[2] + other[2],
        one[3] + other[3],
        one[4] + other[4],
    )


def _sooner(end: datetime) -> float:
    """What is the greater the sooner it ends. A calendar's day is exact enough, and no date is too early for it."""
    return -float(end.toordinal()) - (end.hour * 3600 + end.minute * 60 + end.second) / 86_400
