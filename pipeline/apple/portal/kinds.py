"""Kinds of certificate by the names that App Store Connect, the portal's pages and people give them."""

from __future__ import annotations

from pipeline.apple.signing.certificates import CertificateKind

TYPES = {
    CertificateKind.APPLE_DEVELOPMENT: "DEVELOPMENT",
    CertificateKind.APPLE_DISTRIBUTION: "DISTRIBUTION",
    CertificateKind.IOS_DEVELOPMENT: "IOS_DEVELOPMENT",
    CertificateKind.IOS_DISTRIBUTION: "IOS_DISTRIBUTION",
    CertificateKind.MAC_DEVELOPMENT: "MAC_APP_DEVELOPMENT",
    CertificateKind.MAC_APP_DISTRIBUTION: "MAC_APP_DISTRIBUTION",
    CertificateKind.MAC_INSTALLER_DISTRIBUTION: "MAC_INSTALLER_DISTRIBUTION",
}
"""CertificateType of the App Store Connect API by kind: those that an API key can make.

Apple, "CertificateType": Developer ID certificates are made at the developer website or in Xcode only, by the Account
Holder (fastlane/fastlane#27149 quotes the refusal).
"""

KIND_NAMES = {
    CertificateKind.APPLE_DEVELOPMENT: "Apple Development",
    CertificateKind.APPLE_DISTRIBUTION: "Apple Distribution",
    CertificateKind.IOS_DEVELOPMENT: "iOS Development",
    CertificateKind.IOS_DISTRIBUTION: "iOS Distribution",
    CertificateKind.MAC_DEVELOPMENT: "Mac Development",
    CertificateKind.MAC_APP_DISTRIBUTION: "Mac App Distribution",
    CertificateKind.MAC_INSTALLER_DISTRIBUTION: "Mac Installer Distribution",
}
"""As the portal's pages call them."""

ROOM = {CertificateKind.APPLE_DISTRIBUTION: 3, CertificateKind.IOS_DISTRIBUTION: 3}
"""How many unexpired certificates of a kind a team may hold, where that is known.

Three of each: kiwix/kiwix-apple#1011 (2024), codemagic-ci-cd/cli-tools#262 (its maintainer: "a hard limit of 3 by
Apple"). No limit is known for installer certificates (cli/cli pull request 7555), and none for sure for the others.
"""


def kind_named(told: str) -> CertificateKind | None:
    """The kind that somebody means, by its own name or by App Store Connect's; None for neither."""
    word = told.strip().upper().replace("-", "_").replace(" ", "_")
    by_type = {name: kind for kind, name in TYPES.items()}
    if word in by_type:
        return by_type[word]
    return CertificateKind(word) if word in CertificateKind.__members__ else None


def name_of(kind: CertificateKind) -> str:
    """As the portal's pages call it."""
    return KIND_NAMES.get(kind, str(kind))
