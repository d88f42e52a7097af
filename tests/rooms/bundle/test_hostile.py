"""Hostile and damaged products: every one is told as a finding, within bounds, and none stops the judges."""

from __future__ import annotations

import plistlib
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.inspection import built_app
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App, ipa
from tests.rooms.bundle.test_inspection import ANCHORS, MACOS, exported, mac_app, rules_against

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))
    + b']><plist version="1.0"><dict><key>CFBundleIdentifier</key><string>&m;</string></dict></plist>'
)
DEEP = b'<plist version="1.0"><dict><key>a</key>' + b"<array>" * 5000 + b"</array>" * 5000 + b"</dict></plist>"


def test_every_truncation_of_every_sample_is_told(tmp_path: Path, shared_data: Path) -> None:
    path = tmp_path / "a.ipa"
    for sample in sorted((shared_data / "signing" / "bundles").glob("*.ipa")):
        data = sample.read_bytes()
        for length in range(len(data)):
            path.write_bytes(data[:length])
            with pytest.raises(Malformed):
                open_artifact(path)


@pytest.mark.parametrize(
    "info", [LAUGHS, DEEP, b"", b"bplist00" + b"\xff" * 200, b"\xff\xfe<\0p\0", b"<plist>" * 100_000]
)
def test_property_lists_that_are_traps_are_problems(tmp_path: Path, info: bytes) -> None:
    files = {**App().files(), "Info.plist": info, "PlugIns/X.appex/Info.plist": info, "PrivacyInfo.xcprivacy": info}
    app = exported(tmp_path, ipa(files))
    assert any("Info.plist" in problem for problem in app.problems)
    assert all(len(problem) < 500 for problem in app.problems)


def test_a_zip_in_the_long_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ipa"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in App().files().items():
            with archive.open(f"Payload/Example.app/{name}", "w", force_zip64=True) as member:
                member.write(data)
    app = built_app(ExportedApp, path, ANCHORS, foundry.NOW)
    assert rules_against(app) == set()


def test_headers_that_disagree_are_refused(tmp_path: Path) -> None:
    data = ipa(App().files())
    at = data.index(b"Payload/Example.app/Info.plist")
    app = exported(tmp_path, data[:at] + b"Payload/Example.app/Other.list" + data[at + 30 :])
    assert "Payload/Example.app/Info.plist has two headers that disagree" in app.problems


JUDGED = (
    *("BGTaskSchedulerPermittedIdentifiers", "CFBundleDisplayName", "CFBundleDocumentTypes", "CFBundleIconFile"),
    *("CFBundleIconFiles", "CFBundleIconName", "CFBundleIcons", "CFBundleIcons~ipad", "CFBundleIdentifier"),
    *("CFBundlePackageType", "CFBundleShortVersionString", "CFBundleSupportedPlatforms", "CFBundleVersion"),
    *("DTSDKBuild", "DTXcodeBuild", "ITSAppUsesNonExemptEncryption", "ITSEncryptionExportComplianceCode"),
    *("LSApplicationCategoryType", "LSMinimumSystemVersion", "MinimumOSVersion", "NSCameraUsageDescription"),
    *("NSExtension", "UIBackgroundModes", "UIDeviceFamily", "UILaunchStoryboardName", "UIRequiredDeviceCapabilities"),
    *("UIRequiresFullScreen", "UISupportedInterfaceOrientations", "WKCompanionAppBundleIdentifier"),
)
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False),
    st.sampled_from(["", "1", "2", "$(X)", "*", "a/b", "../x", "1.2.3.4", "26.0", "é" * 90]),
    st.binary(max_size=4),
    st.just(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)),
)
NAMES = st.sampled_from(["CFBundlePrimaryIcon", "CFBundleAlternateIcons", "CFBundleIconFiles", "arm64", "x"])
ODD = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
CLAIMS = ("application-identifier", "com.apple.application-identifier", "aps-environment", "keychain-access-groups")
CLAIMED = st.recursive(
    st.booleans() | st.integers(0, 9) | st.sampled_from(["*", "", "T.a", "$(A)"]),
    lambda each: st.lists(each, max_size=2),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(JUDGED), ODD, max_size=12), st.dictionaries(st.sampled_from(CLAIMS), CLAIMED))
def test_no_value_of_any_kind_stops_the_judges(info: dict[str, Any], claims: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mobile = App(info={**foundry.INFO, **info}, entitlements={**foundry.ENTITLEMENTS, **claims})
        inner = plistlib.dumps({**foundry.INFO, **info})
        mobile.resources |= {
            f"{place}/Info.plist": inner for place in ("Watch/W.app", "Frameworks/F.framework", "R.bundle")
        }
        rules_against(exported(Path(folder), ipa(mobile.files())))
        mac = mac_app()
        mac.info.update(info)
        mac.entitlements.update(claims)
        package = foundry.mac_pkg(mac.files(), foundry.authority().installer)
        rules_against(exported(Path(folder), package, "Example.pkg"), MACOS)
