"""Which of the installed identities and profiles a lane would use, one sieve after the other."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.facts import Identities, Identity, InstalledProfiles, SigningNeed
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, entitlement_allows
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


def is_of_team(profile: ProvisioningProfile, need: SigningNeed) -> bool:
    """Whether it is the lane's team's; so is any when no team is known."""
    return not need.team_id or need.team_id in profile.team_ids


def suits(profile: ProvisioningProfile, need: SigningNeed, bundle_id: str) -> bool:
    """Whether a profile, whoever's, is for the App Store, the platform and the bundle identifier."""
    return profile.kind is store_kind(need) and is_of_platform(profile, need) and profile.covers(bundle_id)


def is_named(profile: ProvisioningProfile, specifier: str, need: SigningNeed) -> bool:
    """Whether PROVISIONING_PROFILE_SPECIFIER means this profile: by name, by UUID, or by TEAM/name."""
    return specifier in (profile.name, profile.uuid, f"{need.team_id}/{profile.name}")


def named(profiles: InstalledProfiles, need: SigningNeed, bundle_id: str) -> list[ProvisioningProfile]:
    """What manual signing may take: the profiles that the project names, or all where it names none."""
    specifier = need.specifier(bundle_id) if need.manual else ""
    return [each for each in profiles.profiles if not specifier or is_named(each, specifier, need)]


def matching(profiles: InstalledProfiles, need: SigningNeed, bundle_id: str) -> list[ProvisioningProfile]:
    """App Store profiles of the team for a bundle, out of date or not; with manual signing only those it may take."""
    found = named(profiles, need, bundle_id)
    return [each for each in found if suits(each, need, bundle_id) and is_of_team(each, need)]


def chosen(profiles: InstalledProfiles, need: SigningNeed, bundle_id: str) -> list[ProvisioningProfile]:
    """What manual signing would take, out of date or not."""
    return matching(profiles, need, bundle_id) if need.manual else []


def in_force(profiles: InstalledProfiles, need: SigningNeed, bundle_id: str) -> list[ProvisioningProfile]:
    """What manual signing would take, and in date."""
    return [each for each in chosen(profiles, need, bundle_id) if each.expires > profiles.at]


def bundles(need: SigningNeed) -> tuple[str, ...]:
    """The bundle identifiers that need a profile of their own: the app's first, then what travels inside it."""
    return tuple(dict.fromkeys(filter(None, (need.bundle_id, *need.extension_ids))))


def is_governed(key: str, need: SigningNeed) -> bool:
    """Whether a profile must grant the entitlement.

    The sandbox's and the hardened runtime's own (com.apple.security.…) need no profile, but for application groups;
    macOS governs com.apple.developer.… only; a key that is set to false claims nothing. One file often serves both
    platforms and names the push environment twice, by the key of each.
    """
    value, mac = need.entitlements[key], need.platform is Platform.MAC_OS
    if value is False:
        return False
    if key == _GROUPS:
        groups = value if isinstance(value, (list, tuple)) else [value]
        return not mac or any(str(group).startswith("group.") for group in groups)
    if key.startswith("com.apple.security."):
        return False
    if mac:
        return key.startswith("com.apple.developer.")
    return key != _MAC_PUSH


def ungranted(profile: ProvisioningProfile, need: SigningNeed) -> list[str]:
    """Keys of the entitlements that the profile must grant and does not."""
    governed = (key for key in need.entitlements if is_governed(key, need))
    return [key for key in governed if not _grants(profile, key, need.entitlements[key])]


def _grants(profile: ProvisioningProfile, key: str, value: object) -> bool:
    if key not in profile.entitlements:
        return False
    if key in _REPLACED_ON_EXPORT or "$(" in repr(value):  # the value is not the one that will be signed
        return True
    return entitlement_allows(profile.entitlements[key], value)
