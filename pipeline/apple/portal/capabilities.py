"""Which capability of an App ID grants which entitlement, where that is known for sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.apple.signing.choice import is_governed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.apple.signing.facts import BundleNeed
    from pipeline.model import Platform

CAPABILITIES = {
    "aps-environment": "PUSH_NOTIFICATIONS",
    "com.apple.developer.aps-environment": "PUSH_NOTIFICATIONS",
    "com.apple.developer.icloud-services": "ICLOUD",
    "com.apple.developer.icloud-container-identifiers": "ICLOUD",
    "com.apple.security.application-groups": "APP_GROUPS",
    "com.apple.developer.associated-domains": "ASSOCIATED_DOMAINS",
    "com.apple.developer.applesignin": "APPLE_ID_AUTH",
    "com.apple.developer.healthkit": "HEALTHKIT",
    "com.apple.developer.homekit": "HOMEKIT",
    "com.apple.developer.siri": "SIRIKIT",
    "com.apple.developer.in-app-payments": "APPLE_PAY",
    "com.apple.developer.pass-type-identifiers": "WALLET",
    "com.apple.developer.default-data-protection": "DATA_PROTECTION",
    "com.apple.developer.networking.networkextension": "NETWORK_EXTENSIONS",
    "com.apple.developer.networking.vpn.api": "PERSONAL_VPN",
    "com.apple.developer.networking.multipath": "MULTIPATH",
    "com.apple.developer.networking.HotspotConfiguration": "HOT_SPOT",
    "com.apple.developer.networking.wifi-info": "ACCESS_WIFI_INFORMATION",
    "com.apple.developer.nfc.readersession.formats": "NFC_TAG_READING",
    "com.apple.developer.ClassKit-environment": "CLASSKIT",
    "com.apple.developer.authentication-services.autofill-credential-provider": "AUTOFILL_CREDENTIAL_PROVIDER",
}
"""CapabilityType of the App Store Connect API by entitlement.

Source: Apple, "Entitlements" and "CapabilityType"; the same pairs in bitrise-io/go-xcode,
autocodesign/devportalclient/appstoreconnect/capabilities.go. Left out: what the API does not name, and what every App
ID has from the beginning (in-app purchases, Game Center).
"""


def asked(bundle: BundleNeed, platform: Platform) -> Iterator[tuple[str, str]]:
    """Entitlement and capability, for the entitlements that a profile must grant; each capability once."""
    seen: set[str] = set()
    for key, value in bundle.entitlements.items():
        capability = CAPABILITIES.get(key)
        if capability and capability not in seen and value and is_governed(key, value, platform):
            seen.add(capability)
            yield key, capability
