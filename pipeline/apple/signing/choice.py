"""Which of the installed identities and profiles a lane would use, one sieve after the other."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.facts import Identities, Identity, InstalledProfiles, SigningNeed
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, entitlement_allows
from pipeline.model import Platform

APP_STORE_KINDS = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.IOS_DISTRIBUTION})
MAC_APP_STORE_KINDS = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.MAC_APP_DISTRIBUTION})

KIND_NAMES = {
    CertificateKind.APPLE_DEVELOPMENT: "Apple Development",
    CertificateKind.APPLE_DISTRIBUTION: "Apple Distribution",
    CertificateKind.IOS_DEVELOPMENT: "iPhone Developer",
    CertificateKind.IOS_DISTRIBUTION: "iPhone Distribution",
    CertificateKind.MAC_DEVELOPMENT: "Mac Developer",
    CertificateKind.MAC_APP_DISTRIBUTION: "3rd Party Mac Developer Application",
    CertificateKind.DEVELOPER_ID_APPLICATION: "Developer ID Application",
    CertificateKind.DEVELOPER_ID_KEXT: "Developer ID Application (kernel extensions)",
}
DEVELOPMENT_KINDS = frozenset(
    {CertificateKind.APPLE_DEVELOPMENT, CertificateKind.IOS_DEVELOPMENT, CertificateKind.MAC_DEVELOPMENT}
)

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


def suited(identities: Identities, need: SigningNeed) -> list[Identity]:
    """Identities of a kind that the App Store takes, whoever's and however old."""
    return _of_kinds(identities, store_kinds(need))


def unread(identities: Identities) -> list[Identity]:
    """Identities whose certificate no keychain shows, so that nothing is known of them but the name."""
    return [each for each in identities.identities if each.certificate is None]


def _of_kinds(identities: Identities, kinds: AbstractSet[CertificateKind]) -> list[Identity]:
    return [each for each in identities.identities if each.certificate is not None and each.certificate.kind in kinds]


def of_other_kinds(identities: Identities, need: SigningNeed) -> list[Identity]:
    """The team's distribution identities that the App Store does not take from this platform."""
    kinds = KIND_NAMES.keys() - DEVELOPMENT_KINDS - store_kinds(need)
    return of_team(_of_kinds(identities, kinds), need)


def of_development(identities: Identities, need: SigningNeed) -> list[Identity]:
    """The team's development identities."""
    return of_team(_of_kinds(identities, DEVELOPMENT_KINDS), need)


def of_team(identities: Iterable[Identity], need: SigningNeed) -> list[Identity]:
    """Those of the lane's team; all when no team is known."""
    return [each for each in identities if not need.team_id or certificate_of(each).team_id == need.team_id]


def in_date(identities: Iterable[Identity], at: datetime) -> list[Identity]:
    """Those whose certificate is valid at that moment."""
    return [each for each in identities if certificate_of(each).valid_at(at)]


def usable(identities: Identities, need: SigningNeed) -> list[Identity]:
    """Those with which the lane can be signed now, as far as the keychain can tell."""
    current = in_date(of_team(suited(identities, need), need), identities.at)
    return [each for each in current if not each.problem]


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


def serves(profile: ProvisioningProfile, need: SigningNeed, bundle_id: str) -> bool:
    """Whether a profile is for the App Store, the platform, the team and the bundle identifier."""
    return (
        profile.kind is store_kind(need)
        and is_of_platform(profile, need)
        and (not need.team_id or need.team_id in profile.team_ids)
        and profile.covers(bundle_id)
    )


def is_named(profile: ProvisioningProfile, need: SigningNeed) -> bool:
    """Whether PROVISIONING_PROFILE_SPECIFIER means this profile: by name, by UUID, or by TEAM/name."""
    return need.profile_specifier in (profile.name, profile.uuid, f"{need.team_id}/{profile.name}")


def matching(profiles: InstalledProfiles, need: SigningNeed) -> list[ProvisioningProfile]:
    """App Store profiles for the lane's app, out of date or not; with manual signing only the one that is named."""
    serving = [each for each in profiles.profiles if serves(each, need, need.bundle_id)]
    if need.manual and need.profile_specifier:
        return [each for each in serving if is_named(each, need)]
    return serving


def chosen(profiles: InstalledProfiles, need: SigningNeed) -> list[ProvisioningProfile]:
    """What manual signing would take, out of date or not."""
    return matching(profiles, need) if need.manual else []


def current(profiles: InstalledProfiles, need: SigningNeed) -> list[ProvisioningProfile]:
    """What manual signing would take, and in date."""
    return [each for each in chosen(profiles, need) if each.expires > profiles.at]


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
