"""Newer profiles carry a second copy of themselves in DER, signed apart; simulated ones must carry it as Apple's do.

No description of it is public. The shape is that of profiles which Apple made between 2021 and 2026, for iOS and macOS:
a SET of SEQUENCE { UTF8String key, value } with the property list's keys and ProfileDistributionType, developer
certificates as their SHA-256 digests, entitlements as in a code signature, in CMS that is signed by “WWDR Provisioning
Profile Signing” (marker 1.2.840.113635.100.12.19) under Apple System Integration CA 4.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.simulator import der

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.simulator.authority import Identity

KEY = "DER-Encoded-Profile"
"""The property list's key that holds the copy."""
SIGNER = "WWDR Provisioning Profile Signing"
SIGNER_MARKER = "1.2.840.113635.100.12.19"


def distribution_type(values: Mapping[str, Any]) -> str:
    """What Apple's copies say of a profile with these values: LIMITED (development), ADHOC, STORE or DIRECT.

    Empty for an in-house profile, of which no copy was seen.
    """
    mac = "OSX" in values["Platform"]
    if values.get("ProvisionsAllDevices"):
        return "DIRECT" if mac else ""
    if not values.get("ProvisionedDevices"):
        return "STORE"
    return "LIMITED" if mac or values["Entitlements"].get("get-task-allow") else "ADHOC"


def encoded_profile(values: Mapping[str, Any], signer: Identity, moment: datetime) -> bytes:
    """The copy of a profile with these values: CMS signed data, DER.

    Args:
        values: the property list's, without the copy itself; dates naive, in UTC, as plistlib wants them.
        signer: whose certificate has SIGNER_MARKER.
        moment: when it is signed, aware, in UTC.

    Raises:
        TypeError: a value of a type that profiles do not have.
    """
    from pipeline.simulator.authority import signed_message

    told = {key: value for key, value in values.items() if key != KEY}
    if kind := distribution_type(values):
        told.setdefault("ProfileDistributionType", kind)
    content = der.set_of(der.sequence(der.utf8(key), _field(key, value)) for key, value in told.items())
    return signed_message(signer, content, moment)


def _field(key: str, value: Any) -> bytes:
    if key == "Entitlements":
        return der.entitlements(value)
    if key == "DeveloperCertificates":
        return der.sequence(*(der.octets(hashlib.sha256(each).digest()) for each in value))
    if isinstance(value, datetime):
        return _time(value)
    return der.plist_value(value)


def _time(value: datetime) -> bytes:
    """UTCTime, or from 2050 on GeneralizedTime (RFC 5280, 4.1.2.5)."""
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    if 1950 <= moment.year < 2050:
        return der.utc_time(moment)
    return der.tlv(0x18, f"{moment.year:04}{moment:%m%d%H%M%SZ}".encode())
