"""Lets the developer portal's routes issue what the test authority signs, and furnishes them with what a Mac has."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.simulator.accounts import app_id
from pipeline.simulator.authority import Kind
from pipeline.simulator.clockface import universal
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.simulator.authority import Authority, Identity, Profile
    from pipeline.simulator.faults import Scenario

YEAR = timedelta(days=365)
KEY_BITS = 2048
"""Apple: "CSR algorithm/size incorrect. Expected: RSA(2048)" (Shopify/mobile-buy-sdk-ios#1231)."""

_NAMES = {
    Kind.DISTRIBUTION: "Apple Distribution",
    Kind.IOS_DISTRIBUTION: "iOS Distribution",
    Kind.MAC_APP_DISTRIBUTION: "Mac App Distribution",
    Kind.MAC_INSTALLER_DISTRIBUTION: "Mac Installer Distribution",
    Kind.DEVELOPMENT: "Apple Development",
    Kind.IOS_DEVELOPMENT: "iOS Development",
    Kind.MAC_APP_DEVELOPMENT: "Mac Development",
    Kind.DEVELOPER_ID_APPLICATION: "Developer ID Application",
    Kind.DEVELOPER_ID_INSTALLER: "Developer ID Installer",
}
_CAPABILITIES = (
    ("ICLOUD", "com.apple.developer.icloud-"),
    ("PUSH_NOTIFICATIONS", "aps-environment"),
    ("PUSH_NOTIFICATIONS", "com.apple.developer.aps-environment"),
    ("APP_GROUPS", "com.apple.security.application-groups"),
    ("ASSOCIATED_DOMAINS", "com.apple.developer.associated-domains"),
    ("APPLE_ID_AUTH", "com.apple.developer.applesignin"),
    ("HEALTHKIT", "com.apple.developer.healthkit"),
    ("HOMEKIT", "com.apple.developer.homekit"),
    ("SIRIKIT", "com.apple.developer.siri"),
    ("APPLE_PAY", "com.apple.developer.in-app-payments"),
    ("WALLET", "com.apple.developer.pass-type-identifiers"),
    ("DATA_PROTECTION", "com.apple.developer.default-data-protection"),
    ("NETWORK_EXTENSIONS", "com.apple.developer.networking.networkextension"),
    ("PERSONAL_VPN", "com.apple.developer.networking.vpn.api"),
    ("MULTIPATH", "com.apple.developer.networking.multipath"),
    ("HOT_SPOT", "com.apple.developer.networking.HotspotConfiguration"),
    ("ACCESS_WIFI_INFORMATION", "com.apple.developer.networking.wifi-info"),
    ("NFC_TAG_READING", "com.apple.developer.nfc."),
    ("CLASSKIT", "com.apple.developer.ClassKit-environment"),
    ("AUTOFILL_CREDENTIAL_PROVIDER", "com.apple.developer.authentication-services.autofill-credential-provider"),
)
"""CapabilityType, and how the entitlements begin that it grants."""


@dataclass(frozen=True)
class Paper:
    """A certificate as the portal hands it out: DER, upper-case hex serial number, end in seconds since 1970."""

    content: bytes
    serial: str
    expires: float


class AuthorityIssuer:
    """Signs with a test authority, whose keys are saved after each time."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def certificate(self, csr: str, certificate_type: str, team_id: str, team_name: str, now: float) -> Paper:
        """Issue for a request, if it is one that Apple would take.

        Raises:
            ValueError: it is no PKCS #10 request in PEM, not signed by its own key, or its key is not RSA-2048; or such
                certificates are not issued.
        """
        if certificate_type not in Kind.__members__:
            raise ValueError(f"no certificates of type {certificate_type} are issued here")
        hour = datetime.fromtimestamp(int(now), UTC)
        certificate = self._authority.certify(
            _requested(csr),
            Kind(certificate_type),
            team_id=team_id,
            organization=team_name,
            begins=hour,
            ends=hour + YEAR,
        )
        self._authority.save()
        der = certificate.public_bytes(Encoding.DER)
        return Paper(der, f"{certificate.serial_number:X}", certificate.not_valid_after_utc.timestamp())

    def profile(self, plist: dict[str, Any], now: float) -> bytes:
        """The signed profile, made now and good for a year."""
        hour = datetime.fromtimestamp(int(now), UTC)
        created, expires = hour.replace(tzinfo=None), (hour + YEAR).replace(tzinfo=None)
        values = {"IsXcodeManaged": False, **plist, "CreationDate": created, "ExpirationDate": expires}
        data = self._authority.sealed(values, hour)
        self._authority.save()
        return data


def _requested(csr: str) -> rsa.RSAPublicKey:
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key, signed = request.public_key(), request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise ValueError("it cannot be read") from fault
    if not signed:
        raise ValueError("its signature does not hold")
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise ValueError(f"CSR algorithm/size incorrect. Expected: RSA({KEY_BITS})")
    return key


def seeded(account: Scenario, identities: Iterable[Identity], profiles: Iterable[Profile]) -> list[dict[str, Any]]:
    """What the account's portal holds that a Mac got its identities and profiles from, as resource objects to plant.

    An App ID has the capabilities that its profiles grant; one that the account says is not registered is left out.
    Identifiers depend on the content only.
    """
    absent = {app.bundle_id for app in account.apps if not app.registered}
    resources: dict[tuple[str, str], dict[str, Any]] = {}
    for resource in (*_certificates(account.team_id, identities), *_provisioned(account.team_id, profiles, absent)):
        resources.setdefault((resource["type"], resource["id"]), resource)
    return list(resources.values())


def _certificates(team_id: str, identities: Iterable[Identity]) -> Iterator[dict[str, Any]]:
    for each in identities:
        if each.kind is None or each.team_id != team_id:
            continue
        organization = each.name.partition(": ")[2].rpartition(" (")[0]
        mac, ios = each.kind.startswith("MAC_"), each.kind.startswith("IOS_")
        attributes = {
            "name": f"{_NAMES[each.kind]}: {organization}",
            "displayName": organization,
            "certificateType": str(each.kind),
            "serialNumber": f"{each.serial:X}",
            "platform": "MAC_OS" if mac else "IOS" if ios else None,
            "expirationDate": universal(each.ends.timestamp()),
            "certificateContent": b64encode(each.certificate).decode(),
            "activated": None,
        }
        yield {"type": "certificates", "id": _id(each.certificate), "attributes": attributes}


def _provisioned(team_id: str, profiles: Iterable[Profile], absent: set[str]) -> Iterator[dict[str, Any]]:
    for each in profiles:
        values = each.values
        granted = values["Entitlements"]
        identifier = str(granted.get("application-identifier") or granted.get("com.apple.application-identifier") or "")
        prefix, _, bundle = identifier.partition(".")
        if team_id not in values["TeamIdentifier"] or not bundle or bundle in absent:
            continue
        yield from _app_id(bundle, prefix, str(values["AppIDName"]), granted)
        mac = values["Platform"] == ["OSX"]
        kind = ("MAC_APP_" if mac else "TVOS_APP_" if values["Platform"] == ["tvOS"] else "IOS_APP_") + (
            "DEVELOPMENT" if "ProvisionedDevices" in values else "STORE"
        )
        held = values["DeveloperCertificates"]
        yield {
            "type": "profiles",
            "id": _id(each.data),
            "attributes": {
                "name": each.name,
                "profileType": kind,
                "platform": "MAC_OS" if mac else "IOS",
                "profileState": "ACTIVE",
                "profileContent": b64encode(each.data).decode(),
                "uuid": each.uuid,
                "createdDate": universal(values["CreationDate"].replace(tzinfo=UTC).timestamp()),
                "expirationDate": universal(values["ExpirationDate"].replace(tzinfo=UTC).timestamp()),
            },
            "relationships": {
                "bundleId": {"data": {"type": "bundleIds", "id": app_id(bundle)}},
                "certificates": {"data": [{"type": "certificates", "id": _id(der)} for der in held]},
                "devices": {"data": []},
            },
        }


def _app_id(bundle: str, prefix: str, name: str, granted: Any) -> Iterator[dict[str, Any]]:
    attributes = {"name": name, "platform": "UNIVERSAL", "identifier": bundle, "seedId": prefix}
    yield {"type": "bundleIds", "id": app_id(bundle), "attributes": attributes}
    link = {"bundleId": {"data": {"type": "bundleIds", "id": app_id(bundle)}}}
    for capability, beginning in _CAPABILITIES:
        if any(key.startswith(beginning) for key in granted):
            yield {
                "type": "bundleIdCapabilities",
                "id": f"{app_id(bundle)}_{capability}",
                "attributes": {"capabilityType": capability, "settings": None},
                "relationships": link,
            }


def _id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10].upper()
