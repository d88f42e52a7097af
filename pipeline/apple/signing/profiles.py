"""A provisioning profile is a signed property list: read it, and prove that nobody changed it since Apple signed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.apple.signing.certificates import NEVER, Certificate, CertificateKind, read_certificate
from pipeline.apple.signing.cms import SignedMessage, read_signed
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.plist import read_property_list
from pipeline.apple.signing.trust import Anchors, walk
from pipeline.apple.signing.twin import differences, read_twin
from pipeline.values import dataclass

SIZE_LIMIT = 4 * 1024 * 1024
MOST_DEVELOPER_CERTIFICATES = 1_000
WILDCARD = "*"


class ProfileKind(StrEnum):
    """Who may run what the profile covers."""

    DEVELOPMENT = "DEVELOPMENT"
    AD_HOC = "AD_HOC"
    APP_STORE = "APP_STORE"
    ENTERPRISE = "ENTERPRISE"
    MAC_DEVELOPMENT = "MAC_DEVELOPMENT"
    MAC_APP_STORE = "MAC_APP_STORE"
    DEVELOPER_ID = "DEVELOPER_ID"
    OTHER = "OTHER"


class Seal(StrEnum):
    """What became of the check of the profile's signature."""

    APPLE = "APPLE"
    """Signed by a profile signer whose chain ends in a trusted root."""
    DOCTORED = "DOCTORED"
    """The content is not what was signed, or not what Apple's own copy inside it says."""
    FOREIGN = "FOREIGN"
    """Signed, but not by Apple."""
    UNKNOWN = "UNKNOWN"
    """It could not be checked; `seal_reason` says why."""


@dataclass(frozen=True)
class ProvisioningProfile:
    """One provisioning profile. Dates are aware, in UTC."""

    uuid: str = ""
    name: str = ""
    kind: ProfileKind = ProfileKind.OTHER
    team_ids: tuple[str, ...] = ()
    team_name: str = ""
    app_id_prefixes: tuple[str, ...] = ()
    app_id_name: str = ""
    application_identifier: str = ""
    """As entitled: `PREFIX.com.example.app`, or `PREFIX.*`."""
    bundle_id: str = ""
    """The application identifier without its prefix; may end in `*`."""
    platforms: tuple[str, ...] = ()
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    developer_certificates: tuple[Certificate, ...] = ()
    devices: int = 0
    all_devices: bool = False
    xcode_managed: bool = False
    distribution_type: str = ""
    """As Apple's own copy inside the profile says: LIMITED (development), ADHOC, STORE or DIRECT (Developer ID) were
    seen. Empty in profiles from before that copy (autumn 2021), and where it cannot be verified."""
    created: datetime = NEVER
    expires: datetime = NEVER
    seal: Seal = Seal.UNKNOWN
    seal_reason: str = ""
    signer: str = ""
    """Common name of the signer's certificate."""
    signed_at: datetime | None = None
    problems: tuple[str, ...] = ()
    """What is odd about the content, each a sentence: duplicate keys, unreadable certificates."""
    path: str = ""

    def covers(self, bundle_id: str) -> bool:
        """Whether the App ID matches this bundle identifier; `com.example.*` matches what goes on after the dot."""
        return bool(bundle_id) and _matches(self.bundle_id, bundle_id)


def read_profile(data: bytes, anchors: Anchors, *, path: str = "") -> ProvisioningProfile:
    """Read a profile and check its signature against `anchors` at the signing time; `path` is kept for reports.

    A profile whose signature does not hold is still read: its `seal` says so.

    Raises:
        SigningFault: the bytes are no provisioning profile.
    """
    if len(data) > SIZE_LIMIT:
        raise SigningFault("The profile is too large", why=f"{len(data):,} bytes, at most {SIZE_LIMIT:,} are read")
    message = read_signed(data)
    content, twice = read_property_list(message.content)
    problems = [f"The key “{key}” is given twice" for key in twice[:10]]
    entitlements = content.get("Entitlements")
    if not isinstance(entitlements, dict):
        entitlements = {}
        problems.append("It has no entitlements")
    platforms = _texts(content, "Platform")
    devices = content.get("ProvisionedDevices")
    prefixes = _texts(content, "ApplicationIdentifierPrefix")
    identifier = _text(entitlements, "application-identifier")
    identifier = identifier or _text(entitlements, "com.apple.application-identifier")
    seal, reason, signer = _seal(message, anchors, _moment(content, "CreationDate"))
    twin = _twin(content, anchors, problems)
    if seal is not Seal.DOCTORED and (differing := differences(content, twin)):
        named = ", ".join(f"“{key}”" for key in differing)
        seal, reason = Seal.DOCTORED, f"it differs from Apple's own copy inside it in {named}"
    return ProvisioningProfile(
        uuid=_text(content, "UUID"),
        name=_text(content, "Name"),
        kind=_kind(platforms, entitlements, devices=devices, all_devices=content.get("ProvisionsAllDevices") is True),
        team_ids=_texts(content, "TeamIdentifier"),
        team_name=_text(content, "TeamName"),
        app_id_prefixes=prefixes,
        app_id_name=_text(content, "AppIDName"),
        application_identifier=identifier,
        bundle_id=_without_prefix(identifier, prefixes),
        platforms=platforms,
        entitlements=entitlements,
        developer_certificates=_developer_certificates(content, problems),
        devices=len(devices) if isinstance(devices, list) else 0,
        all_devices=content.get("ProvisionsAllDevices") is True,
        distribution_type=_text(twin, "ProfileDistributionType"),
        xcode_managed=content.get("IsXcodeManaged") is True,
        created=_moment(content, "CreationDate"),
        expires=_moment(content, "ExpirationDate"),
        seal=seal,
        seal_reason=reason,
        signer=signer,
        signed_at=message.only.signed_at,
        problems=tuple(problems),
        path=path,
    )


def entitlement_allows(profile_value: Any, signed_value: Any) -> bool:
    """Whether what the profile grants covers what the signature claims, for a key that both have.

    `*` grants anything and `PREFIX*` what begins with PREFIX; a list grants each of its elements, singly or as a list;
    everything else must be the same, in type too. A claim that is itself `*` is never covered. These are the rules of
    libmis (MISEntitlementDictionaryAllowsEntitlementValue), by which iOS compares the two; but PREFIX alone is covered
    by `PREFIX*` here: apps are on sale that claim `TEAM.` as a keychain group, where the profile grants `TEAM.*`.
    """
    if signed_value == WILDCARD:
        return False
    if profile_value == WILDCARD:
        return not isinstance(signed_value, list) or WILDCARD not in signed_value
    if isinstance(profile_value, list):
        claims = signed_value if isinstance(signed_value, list) else [signed_value]
        return all(any(_grants(granted, claim) for granted in profile_value) for claim in claims)
    return _grants(profile_value, signed_value)


def _grants(profile_value: Any, signed_value: Any) -> bool:
    if signed_value == WILDCARD:
        return False
    if isinstance(profile_value, str) and isinstance(signed_value, str):
        return _matches(profile_value, signed_value) or profile_value == signed_value + WILDCARD
    return type(profile_value) is type(signed_value) and bool(profile_value == signed_value)


def _matches(pattern: str, text: str) -> bool:
    if pattern.endswith(WILDCARD):
        return text.startswith(pattern[:-1]) and (len(text) >= len(pattern) or pattern == WILDCARD)
    return text == pattern


def _twin(content: Mapping[str, Any], anchors: Anchors, problems: list[str]) -> Mapping[str, Any]:
    """The values of Apple's own copy in DER; none when there is none, and a problem when it cannot be verified."""
    data = content.get("DER-Encoded-Profile")
    if data is None:
        return {}
    try:
        return read_twin(data if isinstance(data, bytes) else b"", anchors)
    except SigningFault as fault:
        problems.append(f"Its DER-Encoded-Profile, which Apple's systems go by, cannot be verified: {fault}")
        return {}


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _texts(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = content.get(key)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _moment(content: Mapping[str, Any], key: str) -> datetime:
    value = content.get(key)
    return value if isinstance(value, datetime) else NEVER


def _without_prefix(identifier: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        if identifier.startswith(prefix + "."):
            return identifier[len(prefix) + 1 :]
    return identifier.partition(".")[2]


def _developer_certificates(content: Mapping[str, Any], problems: list[str]) -> tuple[Certificate, ...]:
    listed = content.get("DeveloperCertificates")
    found: list[Certificate] = []
    for number, der in enumerate(listed[:MOST_DEVELOPER_CERTIFICATES] if isinstance(listed, list) else ()):
        try:
            found.append(read_certificate(der if isinstance(der, bytes) else b""))
        except SigningFault as fault:
            problems.append(f"Its developer certificate {number + 1} cannot be read: {fault}")
    return tuple(found)


def _kind(
    platforms: tuple[str, ...], entitlements: Mapping[str, Any], *, devices: object, all_devices: bool
) -> ProfileKind:
    """By platform, devices and get-task-allow, as Xcode tells them apart."""
    if platforms == ("OSX",):
        if all_devices:
            return ProfileKind.DEVELOPER_ID
        return ProfileKind.MAC_DEVELOPMENT if devices else ProfileKind.MAC_APP_STORE
    if not platforms:
        return ProfileKind.OTHER
    if all_devices:
        return ProfileKind.ENTERPRISE
    debuggable = entitlements.get("get-task-allow") is True
    if devices:
        return ProfileKind.DEVELOPMENT if debuggable else ProfileKind.AD_HOC
    return ProfileKind.OTHER if debuggable else ProfileKind.APP_STORE


def _seal(message: SignedMessage, anchors: Anchors, created: datetime) -> tuple[Seal, str, str]:
    """The verdict on the signature, its reason, and the signer's name.

    A chain to Apple is not enough: every developer has a certificate with one. The signer must be of the kind that
    signs profiles (Security, SecPolicy.c: SecPolicyCreateiPhoneProvisioningProfileSigning and
    SecPolicyCreateOSXProvisioningProfileSigning).
    """
    signature = message.only
    if signature.intact is False:
        return Seal.DOCTORED, signature.why, ""
    if signature.intact is None or signature.bare:
        return Seal.UNKNOWN, signature.why or "it has no signed attributes; Apple's has", ""
    if signature.odd:
        return Seal.UNKNOWN, signature.odd, ""
    chain = walk(signature.certificate, message.certificates, anchors, signature.signed_at or created)
    signer = chain.certificates[0]
    name = signer.subject_name
    if chain.missing:
        return Seal.UNKNOWN, chain.reason, name
    if not chain.trusted:
        return Seal.FOREIGN, chain.reason, name
    if signer.kind is CertificateKind.PROFILE_SIGNING:
        return Seal.APPLE, "", name
    if signer.kind is CertificateKind.OTHER:
        return Seal.UNKNOWN, f"“{name}” is of a kind that is not known to sign profiles", name
    return Seal.FOREIGN, f"“{name}” may not sign profiles", name
