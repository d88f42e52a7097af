"""The probes, against real HTTP, and without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.connect import gateway
from pipeline.apple.connect.client import HOST
from pipeline.apple.connect.facts import AppRecord, ReleaseTarget
from pipeline.apple.xcode.facts import TargetInfo, TargetSettings, Value
from pipeline.model import Lane, Platform, Reading
from pipeline.ports.live_http import ConnectKey, CredentialsMissing, LiveHttp
from pipeline.ports.secrets import EnvironmentSecrets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rooms.connect.conftest import Stack
    from tests.rooms.connect.little_apple import LittleApple

LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "A", "Release")
TARGET = ReleaseTarget("com.example.app", "2.5.0", "250", "IOS")
SETTINGS = TargetSettings(Value("com.example.app"), Value("2.5.0"), Value("250"))
INFO = TargetInfo({"CFBundleShortVersionString": "2.5.0", "CFBundleVersion": "250"})
NO_INFO: Reading[TargetInfo] = Reading.unknown(TargetInfo, "there is no Info.plist")
NOT_YET: Reading[ExportedApp] = Reading.unknown(ExportedApp, "not yet")


def test_the_exported_app_decides_what_is_released() -> None:
    exported = ExportedApp(bundle_id="com.example.app", version="2.6", build="9")
    found = gateway.release_target(Reading.of(exported), Reading.of(SETTINGS), Reading.of(INFO), LANE)
    assert found == ReleaseTarget("com.example.app", "2.6", "9", "IOS")


def test_until_then_the_info_plist_decides_and_not_the_settings_it_beats() -> None:
    info = TargetInfo({"CFBundleShortVersionString": "1.0.0", "CFBundleVersion": "1"})
    assert gateway.release_target(NOT_YET, Reading.of(SETTINGS), Reading.of(INFO), LANE) == TARGET
    found = gateway.release_target(NOT_YET, Reading.of(SETTINGS), Reading.of(info), LANE)
    assert found == ReleaseTarget("com.example.app", "1.0.0", "1", "IOS")


@pytest.mark.parametrize(
    ("settings", "info", "why"),
    [
        (Reading.unknown(TargetSettings, "there is no project"), Reading.of(INFO), "there is no project"),
        (Reading.of(SETTINGS), NO_INFO, "there is no Info.plist"),
        (Reading.of(SETTINGS), Reading.of(TargetInfo()), "the version and the build number"),
        (Reading.of(TargetSettings()), Reading.of(INFO), "does not decide the bundle identifier"),
    ],
)
def test_what_nothing_decides_is_unknown(
    settings: Reading[TargetSettings], info: Reading[TargetInfo], why: str
) -> None:
    found = gateway.release_target(NOT_YET, settings, info, LANE)
    assert isinstance(found, Reading)
    assert found.value is None
    assert why in found.why


def test_the_record_is_found_by_its_exact_bundle_id(stack: Stack) -> None:
    assert gateway.app_record(stack.http, TARGET) == AppRecord("app1", "com.example.app", "Example")
    other = ReleaseTarget("com.example.app.dev", "1", "1", "IOS")
    assert not gateway.app_record(stack.http, other).exists


def test_without_a_record_there_is_nothing_to_see(stack: Stack) -> None:
    nowhere = AppRecord("", "com.example.app")
    for found in (
        gateway.build_uploads(stack.http, nowhere, TARGET, stack.clock),
        gateway.builds(stack.http, nowhere, TARGET),
        gateway.store_versions(stack.http, nowhere, TARGET),
    ):
        assert isinstance(found, Reading)
        assert "com.example.app" in found.why


def test_uploads_tell_their_state_and_what_apple_says(apple: LittleApple, stack: Stack) -> None:
    name = apple.reserve("2.5", "250", "FAILED")
    apple.uploads[name]["errors"] = [{"code": "90189", "description": "Redundant"}, {"code": 7}, "rubbish"]
    found = gateway.build_uploads(stack.http, AppRecord("app1", "com.example.app"), TARGET, stack.clock)
    assert not isinstance(found, Reading)
    (upload,) = found.of("2.5.0", "0250")
    assert (upload.state, [str(error) for error in upload.errors]) == ("FAILED", ["90189: Redundant", "7: "])
    assert upload.created is not None
    assert upload.created.hour == 10, "Apple's -07:00 is read as an hour in UTC"


def test_what_apple_accepted_is_compared_with_the_file_here(apple: LittleApple, stack: Stack, ipa: Path) -> None:
    name = apple.reserve("2.5.0", "250", "COMPLETE")
    apple.reserve_file(name, "Example.ipa", 5376, "COMPLETE")
    uploads = gateway.build_uploads(stack.http, AppRecord("app1", "com.example.app"), TARGET, stack.clock)
    assert not isinstance(uploads, Reading)
    here = ExportedApp(path=str(ipa), size=5376)
    found = gateway.accepted_content(stack.http, TARGET, uploads, here)
    assert (found.same, found.certain) == (True, False)
    longer = ExportedApp(path=str(ipa), size=5377)
    assert gateway.accepted_content(stack.http, TARGET, uploads, longer).same is False


def test_without_a_key_nothing_is_asked(apple: LittleApple) -> None:
    http = LiveHttp({HOST: ConnectKey(EnvironmentSecrets({}))}, {HOST: apple.url})
    with pytest.raises(CredentialsMissing, match="ASC_KEY_ID"):
        gateway.app_record(http, TARGET)
    assert apple.asked == []
