"""An iOS app that is built for Macs too: what it is there, and that the iOS lane is not judged by it."""

from __future__ import annotations

from pathlib import Path

from pipeline.apple.xcode.facts import TargetSettings
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, project, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app", "GENERATE_INFOPLIST_FILE": "YES"}
CATALYST = PHONE | {"SUPPORTS_MACCATALYST": "YES"}


def look(root: Path, settings: dict[str, str]) -> Look:
    project(root, targets={"App": {"Release": settings}})
    return Look(root)


def told(found: Look) -> list[tuple[str, str]]:
    return [(str(f.severity), f.subject) for rule, f in found.findings["ios"] if rule == "PROJ044"]


def test_an_app_for_phones_alone(tmp_path: Path) -> None:
    found = look(tmp_path, PHONE)
    assert found.value("ios", TargetSettings).catalyst is None
    assert told(found) == []


def test_settings_count_as_for_macos(tmp_path: Path) -> None:
    write(tmp_path, {"Mac.entitlements": plist("<key>com.apple.security.app-sandbox</key><true/>")})
    found = look(
        tmp_path,
        CATALYST
        | {
            "PRODUCT_BUNDLE_IDENTIFIER[sdk=macosx*]": "com.example.app.mac",
            "CODE_SIGN_ENTITLEMENTS[sdk=macosx*]": "Mac.entitlements",
            "INFOPLIST_KEY_LSApplicationCategoryType": "public.app-category.games",
        },
    )
    settings = found.value("ios", TargetSettings)
    assert settings.bundle_id.text == "com.example.app"
    assert settings.catalyst.bundle_id.text == "com.example.app.mac"
    assert settings.catalyst.entitlements.text == "Mac.entitlements"
    assert told(found) == []


def test_what_the_mac_app_store_would_not_take_is_noted(tmp_path: Path) -> None:
    found = look(tmp_path, CATALYST | {"DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER": "YES"})
    assert told(found) == [
        ("NOTE", "DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER"),
        ("NOTE", "com.apple.security.app-sandbox"),
        ("NOTE", "LSApplicationCategoryType"),
    ]
    assert not [rule for rule, _, _ in found.told("ios", "ERROR") if rule in ("PROJ023", "PROJ037")]


def test_entitlements_that_cannot_be_read_are_not_judged(tmp_path: Path) -> None:
    write(tmp_path, {"Mac.entitlements": "<plist>"})
    found = look(tmp_path, CATALYST | {"CODE_SIGN_ENTITLEMENTS[sdk=macosx*]": "Mac.entitlements"})
    assert ("NOTE", "com.apple.security.app-sandbox") not in told(found)
