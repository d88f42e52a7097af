"""Two products side by side: everything that was changed is told once, where it is, and nothing else."""

from __future__ import annotations

import plistlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.checks import comparison as checks
from pipeline.apple.bundle.comparison import (
    ArtifactDifferences,
    Change,
    Contents,
    Weight,
    differences,
    plain,
    read_contents,
)
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Exhibit
from pipeline.stages import differences as stage
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App, authority, ipa

ANCHORS = Anchors().including("Test Root CA", authority().root.der)


def contents(path: Path, data: bytes | None = None) -> Contents:
    if data is not None:
        path.write_bytes(data)
    return read_contents(path, ANCHORS, foundry.NOW)


@pytest.fixture(scope="module")
def untouched() -> Mapping[str, bytes]:
    return App().files()


@pytest.fixture
def old(tmp_path: Path, untouched: Mapping[str, bytes]) -> Contents:
    return contents(tmp_path / "old.ipa", ipa(untouched))


def compared(old: Contents, new: App | Mapping[str, bytes], folder: Path) -> ArtifactDifferences:
    files = new.files() if isinstance(new, App) else new
    return differences(old, contents(folder / "new.ipa", ipa(files)))


def rules(found: ArtifactDifferences) -> set[str]:
    every = [value for value in vars(checks).values() if hasattr(value, "check_mark")]
    return {check.check_mark.rule for check in every for _ in check(found)}


def rows(exhibit: Exhibit) -> list[list[str]]:
    return [[cell.text for cell in row] for row in exhibit.rows]


def test_the_same_file_twice(old: Contents) -> None:
    found = differences(old, old)
    assert found.identical
    assert found.changes == ()
    assert not any(growth.difference for growth in found.growth)
    assert rules(found) == {"BUND093"}
    assert all(exhibit(found).rows == () for exhibit in stage.DIFFERENCES.exhibits[2:])


def test_info_plist(old: Contents, tmp_path: Path) -> None:
    app = App()
    app.info |= {"CFBundleVersion": "251", "UIBackgroundModes": ["audio", "fetch"], "A": {"B": [{"C": True}]}}
    del app.info["CFBundleName"]
    found = compared(old, app, tmp_path)
    assert found.information == (
        Change("", "A/B/0/C", None, "true"),
        Change("", "CFBundleName", "Example", None),
        Change("", "CFBundleVersion", "250", "251"),
        Change("", "UIBackgroundModes", None, "audio, fetch"),
    )
    assert rows(stage.information(found))[2] == ["the app", "CFBundleVersion", "changed", "250", "251"]
    assert found.entitlements == found.bundles == found.code == found.privacy == found.profiles == ()
    assert rules(found) == set()


def test_entitlements_are_told_once_for_both_forms(old: Contents, tmp_path: Path) -> None:
    app = App()
    app.entitlements["aps-environment"] = "development"
    del app.entitlements["beta-reports-active"]
    assert compared(old, app, tmp_path).entitlements == (
        Change("", "aps-environment", "production", "development"),
        Change("", "beta-reports-active", "true", None),
    )


def test_entitlements_of_every_slice_are_compared(old: Contents, tmp_path: Path) -> None:
    other = {"cpu": (foundry.ARM64[0], 2), "entitlements": {**foundry.ENTITLEMENTS, "get-task-allow": True}}
    found = compared(old, App(shapes=({}, other)), tmp_path)
    assert found.entitlements == (Change("(arm64e)", "get-task-allow", "false", "true"),)


def test_one_form_that_says_something_else(old: Contents, tmp_path: Path) -> None:
    app = App()
    app.shapes = ({"der_twin": {**app.entitlements, "get-task-allow": True}},)
    found = compared(old, app, tmp_path)
    assert found.entitlements == (Change("", "get-task-allow", "false", "true", "DER"),)
    assert rows(stage.entitlements(found))[0][1] == "get-task-allow (DER alone)"


def test_profiles(old: Contents, tmp_path: Path) -> None:
    app = App()
    app.granted = {**app.granted, "com.apple.developer.healthkit": True}
    app.certificates = (authority().distribution, authority().development)
    found = compared(old, app, tmp_path).profiles
    assert [(each.what, each.kind) for each in found] == [
        ("certificates", "changed"),
        ("grants com.apple.developer.healthkit", "added"),
    ]


def framework(version: str, *, name: str = "Kit") -> dict[str, bytes]:
    info = {
        "CFBundleIdentifier": f"com.example.{name}",
        "CFBundleExecutable": name,
        "CFBundleShortVersionString": version,
        "CFBundleVersion": "1",
    }
    place = f"Frameworks/{name}.framework"
    return {f"{place}/Info.plist": plistlib.dumps(info), f"{place}/{name}": foundry.macho(file_type=6)}


def test_frameworks_that_came_went_and_changed(tmp_path: Path, untouched: Mapping[str, bytes]) -> None:
    before = contents(tmp_path / "a.ipa", ipa({**untouched, **framework("1.0"), **framework("3.0", name="Gone")}))
    after = {**untouched, **framework("1.1"), **framework("2.0", name="New"), "Frameworks/libx.dylib": foundry.macho()}
    found = compared(before, after, tmp_path)
    assert found.bundles == (
        Change("Frameworks/Gone.framework", "version", "3.0 (1)", None),
        Change("Frameworks/Kit.framework", "version", "1.0 (1)", "1.1 (1)"),
        Change("Frameworks/New.framework", "version", None, "2.0 (1)"),
        Change("Frameworks/libx.dylib", "version", None, "no bundle"),
    )
    grown = {each.component: each for each in found.growth}
    assert grown["Frameworks/Gone.framework"].new is None
    assert grown["Frameworks/Gone.framework"].difference < 0
    assert grown["Frameworks/libx.dylib"].old is None


def linking(*libraries: str) -> bytes:
    name = libraries[0].encode() + b"\0"
    name += bytes(-len(name) % 8)
    return struct.pack("<6I", 0xC, 24 + len(name), 24, 0, 0, 0) + name


def test_code(old: Contents, tmp_path: Path) -> None:
    app = App()
    library = linking("/System/Library/Frameworks/CoreML.framework/CoreML")
    app.shapes = ({"sdk": 0x1A0400, "extra": library}, {"cpu": foundry.X86_64, "sdk": 0x1A0400, "extra": library})
    found = compared(old, app, tmp_path)
    assert found.code == (
        Change("", "SDK", "26.2", "26.4"),
        Change("", "architectures", "arm64", "arm64, x86_64"),
        Change("", "links", None, "/System/Library/Frameworks/CoreML.framework/CoreML"),
    )
    assert rows(stage.code(found))[2][2:] == ["added", "–", "CoreML"]


def manifest(**more: Any) -> bytes:
    kept = {
        "NSPrivacyTracking": False,
        "NSPrivacyAccessedAPITypes": [
            {"NSPrivacyAccessedAPIType": "Disk", "NSPrivacyAccessedAPITypeReasons": ["E174.1"]},
            {"NSPrivacyAccessedAPIType": "Defaults", "NSPrivacyAccessedAPITypeReasons": ["CA92.1"]},
        ],
    }
    return plistlib.dumps({**kept, **more})


def test_privacy_manifests_are_compared_entry_by_entry(tmp_path: Path, untouched: Mapping[str, bytes]) -> None:
    before = contents(tmp_path / "a.ipa", ipa({**untouched, "PrivacyInfo.xcprivacy": manifest()}))
    types = plistlib.loads(manifest())["NSPrivacyAccessedAPITypes"]
    types.reverse()
    types[0]["NSPrivacyAccessedAPITypeReasons"] = ["1C8F.1", "CA92.1"]
    after = {
        **untouched,
        "PrivacyInfo.xcprivacy": manifest(NSPrivacyAccessedAPITypes=types, NSPrivacyTracking=True),
        "K.bundle/PrivacyInfo.xcprivacy": manifest(),
    }
    reasons = "NSPrivacyAccessedAPITypes/Defaults/NSPrivacyAccessedAPITypeReasons"
    assert compared(before, after, tmp_path).privacy == (
        Change("K.bundle/PrivacyInfo.xcprivacy", "the manifest", None, "3 values"),
        Change("PrivacyInfo.xcprivacy", reasons, "CA92.1", "1C8F.1, CA92.1"),
        Change("PrivacyInfo.xcprivacy", "NSPrivacyTracking", "false", "true"),
    )


def test_a_manifest_that_cannot_be_read_is_no_end(
    old: Contents, tmp_path: Path, untouched: Mapping[str, bytes]
) -> None:
    found = compared(old, {**untouched, "PrivacyInfo.xcprivacy": b"bplist00nonsense"}, tmp_path)
    assert found.privacy == (Change("PrivacyInfo.xcprivacy", "the manifest", None, "1 value"),)


def test_programs_on_their_own_are_compared(tmp_path: Path) -> None:
    """Under other names they are the same program all the same."""
    found = []
    changed: dict[str, Any] = {"code": 30_000, "entitlements": {"get-task-allow": True}}
    for name, changes in (("old", {}), ("new", changed)):
        path = tmp_path / name
        path.write_bytes(foundry.sign_macho(None, **changes))
        found.append(read_contents(path, ANCHORS, foundry.NOW))
    told = differences(*found)
    assert str(told.old.signature) == "signed ad hoc"
    assert told.entitlements == (Change("", "get-task-allow", None, "true"),)
    (grown,) = told.growth
    assert grown.difference > 20_000
    assert not told.code


def test_sizes_packed_and_not(old: Contents, tmp_path: Path) -> None:
    app = App()
    app.resources |= {
        "Assets.car": foundry.catalog() + bytes(36_000),
        "fonts/a.ttf": b"font" * 100,
        "fr.lproj/A.strings": b"y" * 9,
    }
    found = compared(old, app, tmp_path)
    grown = {each.component: each for each in found.growth}
    assert grown["Assets.car"].difference == 36_000
    assert 0 < (grown["Assets.car"].packed_difference or 0) < 500, "it packs well"
    assert grown["fonts/"].new is not None
    assert grown["localizations (*.lproj)"].difference == 9
    assert grown["the executable"].difference == 0
    told, size = rows(stage.size_by_component(found)), len(foundry.catalog())
    assert told[0][0] == "everything"
    assert told[1][:4] == ["Assets.car", f"{size:,}", f"{size + 36_000:,}", "+36,000"]
    whole = sum(each.new.unpacked for each in found.growth if each.new)
    assert told[0][2] == f"{whole:,}"


def test_every_byte_belongs_to_one_component(old: Contents, untouched: Mapping[str, bytes]) -> None:
    assert sum(weight.unpacked for weight in old.weights.values()) == sum(map(len, untouched.values()))


def test_signers(old: Contents, tmp_path: Path) -> None:
    app = App(identity=authority().development)
    told = {each.what: (each.old, each.new) for each in compared(old, app, tmp_path).signers}
    assert told["signer"] == (f"Apple Distribution: Example ({foundry.TEAM})", "Apple Development: Jane (PERSON)")
    assert "certificate" in told


def test_what_no_longer_holds_is_told(old: Contents, tmp_path: Path, untouched: Mapping[str, bytes]) -> None:
    found = compared(old, {**untouched, "Assets.car": b"changed"}, tmp_path)
    assert [(each.what, each.kind) for each in found.signers] == [("does not hold", "added")]


def test_another_order_and_another_app(tmp_path: Path, old: Contents) -> None:
    app = App()
    app.info |= {"CFBundleVersion": "99"}
    assert rules(compared(old, app, tmp_path)) == {"BUND092"}
    app.info |= {"CFBundleIdentifier": "com.example.other"}
    assert rules(compared(old, app, tmp_path)) == {"BUND091"}


def test_a_folder_and_a_package_file_of_one_app(tmp_path: Path, old: Contents, untouched: Mapping[str, bytes]) -> None:
    archive = tmp_path / "App.xcarchive"
    for path, data in untouched.items():
        full = archive / "Products" / "Applications" / "Example.app" / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
    (archive / "Info.plist").write_bytes(plistlib.dumps({}))
    found = differences(old, contents(archive))
    assert found.changes == ()
    assert not found.identical
    grown = {each.component: each for each in found.growth}
    assert grown["the executable"].packed_difference is None
    assert [name for name, each in grown.items() if each.difference] == ["beside the app: Info.plist"]


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + bytes(18), b"nothing"])
def test_what_cannot_be_read(data: bytes, tmp_path: Path, old: Contents) -> None:
    found = differences(old, contents(tmp_path / "bad.ipa", data))
    assert found.changes == ()
    assert rules(found) == {"BUND090"}
    assert all(isinstance(exhibit(found), Exhibit) for exhibit in stage.DIFFERENCES.exhibits)


_WHOLE = ipa({**App().files(), "PrivacyInfo.xcprivacy": manifest(), **framework("1.0")})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return contents(tmp_path_factory.mktemp("whole") / "a.ipa", _WHOLE)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_of_any_kind_is_no_end(whole: Contents, data: st.DataObject) -> None:
    import tempfile

    bent = bytearray(_WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        other = contents(Path(folder) / "b.ipa", bytes(bent[: data.draw(st.integers(0, len(bent)))] or bent))
        found = differences(whole, other)
        assert all(isinstance(exhibit(found), Exhibit) for exhibit in stage.DIFFERENCES.exhibits)


def test_a_tree_as_texts() -> None:
    deep: Any = "end"
    for _ in range(30):
        deep = {"a": deep}
    assert list(plain(deep).values()) == ["…"]
    assert plain({"a": [], "b": {}, "c": b"xy", "d": 1.5, "e": "x" * 999}) == {
        "a": "[]",
        "b": "{}",
        "c": "2 bytes",
        "d": "1.5",
        "e": "x" * 499 + "…",
    }


def test_weights_add_up_and_forget_what_they_do_not_know() -> None:
    assert Weight(1, 2) + Weight(3, 4) == Weight(4, 6)
    assert Weight(1, 2) + Weight(3) == Weight(4)
