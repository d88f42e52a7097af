"""The probes, against real HTTP, and without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.connect import gateway
from pipeline.apple.connect.client import HOST
from pipeline.apple.connect.facts import AppRecord, ReleaseTarget
from pipeline.apple.xcode.facts import TargetSettings, Value
from pipeline.model import Lane, Platform, Reading
from pipeline.ports.live_http import ConnectKey, CredentialsMissing, LiveHttp
from pipeline.ports.secrets import NoSecrets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rooms.connect.conftest import Stack
    from tests.rooms.connect.little_apple import LittleApple

LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "A", "Release")
TARGET = ReleaseTarget("com.example.app", "2.5.0", "250", "IOS")
SETTINGS = TargetSettings(Value("com.example.app"), Value("2.5.0"), Value("250"))


def test_the_exported_app_decides_what_is_released() -> None:
    exported = ExportedApp(bundle_id="com.example.app", version="2.6", build="9")
    found = gateway.release_target(Reading.of(exported), Reading.of(SETTINGS), LANE)
    assert found == ReleaseTarget("com.example.app", "2.6", "9", "IOS")


def test_until_then_the_settings_decide() -> None:
    found = gateway.release_target(Reading.unknown(ExportedApp, "not yet"), Reading.of(SETTINGS), LANE)
    assert found == TARGET


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (Reading.unknown(TargetSettings, "there is no project"), "there is no project"),
        (Reading.of(TargetSettings(Value("com.example.app"))), "MARKETING_VERSION and CURRENT_PROJECT_VERSION"),
        (
            Reading.of(TargetSettings(Value("com.$(X)", undefined=("X",)), Value("1"), Value("1"))),
            "does not decide PRODUCT_BUNDLE_IDENTIFIER",
        ),
    ],
)
def test_what_nothing_decides_is_unknown(settings: Reading[TargetSettings], why: str) -> None:
    found = gateway.release_target(Reading.unknown(ExportedApp, "not yet"), settings, LANE)
    assert isinstance(found, Reading)
    assert found.value is None
    assert why in found.why


def test_the_record_is_found_by_its_exact_bundle_id(stack: Stack) -> None:
    assert gateway.app_record(stack.http, TARGET) == AppRecord("app1", "com.example.app", "Example")
    other = ReleaseTarget("com.example.app.dev", "1", "1", "IOS")
    assert not gateway.app_record(stack.http, other).exists


def test_without_a_record_there_is_nothing_to_see(stack: Stack) -> None:
    nowhere = AppRecord("", "com.example.app")
    for probe in (gateway.build_uploads, gateway.builds, gateway.store_versions):
        found = probe(stack.http, nowhere, TARGET)
        assert isinstance(found, Reading)
        assert "com.example.app" in found.why


def test_uploads_tell_their_state_and_what_apple_says(apple: LittleApple, stack: Stack) -> None:
    name = apple.reserve("2.5", "250", "FAILED")
    apple.uploads[name]["errors"] = [{"code": "90189", "description": "Redundant"}, {"code": 7}, "rubbish"]
    found = gateway.build_uploads(stack.http, AppRecord("app1", "com.example.app"), TARGET)
    assert not isinstance(found, Reading)
    (upload,) = found.of("2.5.0", "0250")
    assert (upload.state, [str(error) for error in upload.errors]) == ("FAILED", ["90189: Redundant", "7: "])
    assert upload.created is not None
    assert upload.created.hour == 10, "Apple's -07:00 is read as an hour in UTC"


def test_what_apple_accepted_is_compared_with_the_file_here(apple: LittleApple, stack: Stack, ipa: Path) -> None:
    name = apple.reserve("2.5.0", "250", "COMPLETE")
    apple.reserve_file(name, "Example.ipa", 5376, "COMPLETE")
    uploads = gateway.build_uploads(stack.http, AppRecord("app1", "com.example.app"), TARGET)
    assert not isinstance(uploads, Reading)
    here = ExportedApp(path=str(ipa), size=5376)
    found = gateway.accepted_content(stack.http, TARGET, uploads, here)
    assert (found.same, found.certain) == (True, False)
    longer = ExportedApp(path=str(ipa), size=5377)
    assert gateway.accepted_content(stack.http, TARGET, uploads, longer).same is False


def test_without_a_key_nothing_is_asked(apple: LittleApple) -> None:
    http = LiveHttp({HOST: ConnectKey(NoSecrets())}, {HOST: apple.url})
    with pytest.raises(CredentialsMissing, match="ASC_KEY_ID"):
        gateway.app_record(http, TARGET)
    assert apple.asked == []
