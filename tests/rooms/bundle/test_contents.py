"""What lies beside code: icons, manifests, and what should not be there, read out of whole products."""

from __future__ import annotations

import hashlib
import plistlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.bundle.checks.archive import given_archive_was_signed
from pipeline.apple.bundle.containers import Artifact, Entry, open_artifact
from pipeline.apple.bundle.contents import icns_kinds, icon_files, inside, owner_of, png_size
from pipeline.apple.bundle.crew import WORTH_IT
from pipeline.apple.bundle.facts import ArchivedApp, ExportedApp
from pipeline.apple.bundle.inspection import built_app
from pipeline.apple.signing.trust import Anchors
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App, ipa
from tests.rooms.bundle.test_inspection import ANCHORS, MACOS, exported, extension_of, mac_app, rules_against

QUARANTINE = b"\0\5\x16\7" + bytes(60) + b"com.apple.quarantine\0" + bytes(40)
USER_DEFAULTS = "NSPrivacyAccessedAPICategoryUserDefaults"


def png(width: int, height: int, *, crushed: bool = False) -> bytes:
    head = struct.pack(">I4s2I5B", 13, b"IHDR", width, height, 8, 6, 0, 0, 0) + bytes(4)
    before = struct.pack(">I4s4s", 4, b"CgBI", b"\x50\0\x20\2") + bytes(4) if crushed else b""
    return b"\x89PNG\r\n\x1a\n" + before + head


@pytest.mark.parametrize("crushed", [True, False])
def test_sizes_of_pictures(crushed: bool) -> None:
    data = png(120, 60, crushed=crushed)
    assert png_size(data[:64]) == (120, 60)
    assert [png_size(data[:length]) for length in range(12)] == [(0, 0)] * 12


def test_kinds_in_an_icns() -> None:
    data = b"icns" + struct.pack(">I", 100) + b"ic09" + struct.pack(">I", 12) + b"abcd" + b"ic10" + struct.pack(">I", 8)
    assert icns_kinds(data) == ("ic09", "ic10")
    assert icns_kinds(data[:-1]) == ("ic09",)
    assert icns_kinds(b"icns" + bytes(20)) == ()
    assert icns_kinds(b"no icon") is None


def test_names_of_icons() -> None:
    icons = {
        "CFBundlePrimaryIcon": {"CFBundleIconFiles": ["A"]},
        "CFBundleAlternateIcons": {"Dark": {"CFBundleIconFiles": ["B", 3]}, "odd": 7},
    }
    assert icon_files({"CFBundleIcons": icons, "CFBundleIconFiles": ["C.png"]}) == ("A", "B", "C.png")
    assert icon_files({"CFBundleIcons": "odd"}) == ()


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("Payload/A.app/PrivacyInfo.xcprivacy", "Payload/A.app"),
        ("Payload/A.app/G.bundle/PrivacyInfo.xcprivacy", "Payload/A.app"),
        ("A.app/Contents/Frameworks/F.framework/Versions/A/Resources/x", "A.app/Contents/Frameworks/F.framework"),
        ("Payload/A.app/PlugIns/X.appex/x", "Payload/A.app/PlugIns/X.appex"),
        ("x", ""),
    ],
)
def test_owners_of_files(path: str, owner: str) -> None:
    assert owner_of(path) == owner


def test_loose_icons_are_measured(tmp_path: Path) -> None:
    resources = {"AppIcon60x60@2x.png": png(120, 120, crushed=True), "other.png": png(9, 9), "en.lproj/Main.nib": b"n"}
    app = exported(tmp_path, ipa(App(resources=resources).files()))
    assert [(each.name, each.width) for each in app.pictures] == [("AppIcon60x60@2x.png", 120)]
    assert not app.catalog
    assert app.screens == frozenset({"Main"})
    assert rules_against(app) == {"BUND076"}
    small = {"AppIcon60x60@2x.png": png(60, 60)}
    assert rules_against(exported(tmp_path, ipa(App(resources=small).files()))) == {"BUND043", "BUND076"}


class Paths(dict[str, Entry]):
    """Entries that count how often all of them are looked at."""

    looks = 0

    def __iter__(self) -> Iterator[str]:
        self.looks += 1
        return super().__iter__()


def test_the_files_of_a_bundle_are_found_without_a_look_at_all_others() -> None:
    artifact = Artifact("ipa", Path("a.ipa"))
    folders = [f"Payload/A.app/PlugIns/{number}.appex" for number in range(50)]
    paths = Paths({f"{folder}/Main.nib": Entry("", 0) for folder in [*folders, "Payload/A.app/PlugIns/1.appex0"]})
    artifact.entries = paths
    for folder in folders:
        assert artifact.below(folder) == [f"{folder}/Main.nib"]
        assert inside(artifact, folder, {}, {})["screens"] == frozenset({"Main"})
    assert paths.looks == 1


class Compared(str):
    """A path that counts the beginnings that it is compared with."""

    __slots__ = ()
    comparisons = 0

    def startswith(self, prefix: str | tuple[str, ...], *bounds: Any) -> bool:
        Compared.comparisons += 1 if isinstance(prefix, str) else len(prefix)
        return super().startswith(prefix, *bounds)


def test_many_icons_are_not_compared_with_many_files(tmp_path: Path) -> None:
    named = ("a1", "a1@2x", "a2", "b", "a", "ab1", "z9", *(f"x{number}" for number in range(100)))
    pictures = {f"{name}.png": b"" for name in named}
    with open_artifact(tmp_path_with(tmp_path, ipa(pictures))) as artifact:
        root = "Payload/Example.app"
        artifact.entries = {Compared(path): entry for path, entry in artifact.entries.items()}
        names = [*(f"n{number}" for number in range(500)), "a1.png", "a", "ab", "z"]
        found = inside(artifact, root, {"CFBundleIconFiles": names}, {})["pictures"]
        assert [picture.name for picture in found] == ["a.png", "a1.png", "a1@2x.png", "a2.png", "ab1.png", "z9.png"]
    assert Compared.comparisons < 2 * (len(names) + len(named))


def tmp_path_with(folder: Path, data: bytes) -> Path:
    path = folder / "a.ipa"
    path.write_bytes(data)
    return path


def manifest(**values: Any) -> bytes:
    return plistlib.dumps(values)


def test_manifests_are_judged(tmp_path: Path) -> None:
    entry = {"NSPrivacyAccessedAPIType": USER_DEFAULTS, "NSPrivacyAccessedAPITypeReasons": ["CA92.1"]}
    sound = App()
    sound.resources["R.bundle/PrivacyInfo.xcprivacy"] = manifest(NSPrivacyAccessedAPITypes=[entry])
    app = exported(tmp_path, ipa(sound.files()))
    assert [(each.owner, each.categories) for each in app.manifests] == [("Payload/Example.app", (USER_DEFAULTS,))]
    assert rules_against(app) == set()
    entry["NSPrivacyAccessedAPITypeReasons"] = ["C617.1"]
    wrong = App()
    wrong.resources["PrivacyInfo.xcprivacy"] = manifest(
        NSPrivacyAccessedAPITypes=[entry], NSPrivacyTracking="NO", NSPrivacyTrackingDomains=["a.example"]
    )
    found = rules_against(exported(tmp_path, ipa(wrong.files())))
    assert found == {"BUND070", "BUND071", "BUND073"}
    broken = App()
    broken.resources["PrivacyInfo.xcprivacy"] = b"no list"
    assert rules_against(exported(tmp_path, ipa(broken.files()))) == {"BUND071"}


def test_frameworks_folders_in_extensions_are_found(tmp_path: Path) -> None:
    files = extension_of(App())
    files["PlugIns/Share.appex/Frameworks/note.txt"] = b"x"
    app = exported(tmp_path, ipa(files))
    assert app.misplaced == ("Payload/Example.app/PlugIns/Share.appex/Frameworks",)
    assert "BUND062" in rules_against(app)


def test_static_libraries_are_found(tmp_path: Path) -> None:
    resources = {
        "Assets.car": b"BOM",
        "libA.a": b"!<arch>\n" + bytes(80),
        "libB.a": foundry.fat(b"!<arch>\n" + bytes(80)),
    }
    app = exported(tmp_path, ipa(App(resources=resources).files()))
    assert [path.rpartition("/")[2] for path in app.libraries] == ["libA.a", "libB.a"]
    assert app.problems == ()
    assert rules_against(app) == {"BUND061"}


def test_quarantine_and_private_files_of_a_package_are_found(tmp_path: Path) -> None:
    files = {**mac_app().files(), "Contents/Resources/._model": QUARANTINE, "Contents/Resources/private": b"x"}
    payload = foundry.odc({f"./Example.app/{path}": data for path, data in files.items()})
    at = payload.index(b"./Example.app/Contents/Resources/private") - 76
    payload = payload[: at + 18] + b"100640" + payload[at + 24 :]
    app = exported(tmp_path, foundry.pkg(payload, foundry.authority().installer), "Example.pkg")
    assert app.quarantined == ("Example.app/Contents/Resources/._model",)
    assert app.private == ("Example.app/Contents/Resources/private",)
    assert rules_against(app, MACOS) == {"BUND005", "BUND056", "BUND057"}


def test_what_lies_beside_versions_is_found(tmp_path: Path) -> None:
    files = {**mac_app().files(), "Contents/Frameworks/F.framework/Versions/A/F": b"x"}
    files["Contents/Frameworks/F.framework/README"] = b"x"
    app = exported(tmp_path, foundry.mac_pkg(files, foundry.authority().installer), "Example.pkg")
    assert app.crowded == (("Example.app/Contents/Frameworks/F.framework", "README"),)


HELPER = "Contents/Library/LoginItems/H.app"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("evil.txt", ""),
        ("evil/x", ""),
        ("Contents.old", ""),
        (f"{HELPER}/evil", f"/{HELPER}"),
        (".DS_Store", None),
        ("Icon\r", None),
        ("._Contents", None),
        (f"{HELPER}/.DS_Store", None),
        ("Contents/Resources/R.bundle/evil", None),
        ("Contents/Frameworks/F.framework/Versions/A/Resources/R.bundle/evil", None),
    ],
)
def test_what_lies_beside_contents_is_found(tmp_path: Path, path: str, where: str | None) -> None:
    files = {**mac_app().files(), path: b"x"}
    for bundle in (
        HELPER,
        "Contents/Resources/R.bundle",
        "Contents/Frameworks/F.framework/Versions/A/Resources/R.bundle",
    ):
        files[f"{bundle}/Contents/x"] = b"x"
    app = exported(tmp_path, foundry.mac_pkg(files, foundry.authority().installer), "Example.pkg")
    bundles = {place: stray for place, stray in app.crowded if not place.endswith(".framework")}
    stray = path.removeprefix(f"{HELPER}/").partition("/")[0]
    assert bundles == ({} if where is None else {f"Example.app{where}": stray})
    assert ("BUND055" in rules_against(app, MACOS)) == (where is not None)


@pytest.mark.parametrize(
    ("files", "links", "stray"),
    [
        ({}, {}, ""),
        ({".DS_Store": b"", "Versions/.DS_Store": b"", "module.map": b""}, {}, ""),
        ({}, {"Headers": "Versions/A/Headers"}, ""),
        ({}, {"Headers": "../Headers"}, "Headers"),
        ({"Versions/note": b""}, {}, "Versions/note"),
        ({"Versions/B/x": b""}, {}, "Versions/B"),
        ({"Versions/B/Resources/Info.plist": b""}, {}, ""),
    ],
)
def test_frameworks_hold_versions_and_links_into_them(
    tmp_path: Path, files: dict[str, bytes], links: dict[str, str], stray: str
) -> None:
    place = "./Example.app/Contents/Frameworks/F.framework/"
    payload = {f"./Example.app/{path}": data for path, data in mac_app().files().items()}
    payload |= {place + path: data for path, data in {"Versions/A/F": b"x", **files}.items()}
    pointers = {place + path: to for path, to in {"Versions/Current": "A", "F": "Versions/Current/F", **links}.items()}
    package = foundry.pkg(foundry.odc(payload, pointers), foundry.authority().installer)
    crowded = exported(tmp_path, package, "Example.pkg").crowded
    assert crowded == (((place[2:-1], stray),) if stray else ())


def test_the_libraries_of_swift_support_are_read(tmp_path: Path) -> None:
    apple = foundry.issue("Software Signing", foundry.authority().wwdr, (), foundry.CODE_SIGNING, team="Apple Software")
    files = {f"Payload/Example.app/{path}": data for path, data in App().files().items()}
    for signer, expected in ((apple, True), (foundry.authority().distribution, False), (None, False)):
        library = foundry.sign_macho(signer, identifier="libswiftCore", team="", file_type=6)
        product = {**files, "SwiftSupport/iphoneos/libswiftCore.dylib": library, "SwiftSupport/x.dylib": b"none"}
        app = exported(tmp_path, ipa(product, folder=""))
        (told,) = app.swift_libraries
        assert (told.by_apple, [name for name, _ in told.uuids]) == (expected, ["arm64"])
        assert ("BUND082" in rules_against(app)) is not expected


def test_records_of_signatures_are_read(tmp_path: Path) -> None:
    told = {"signed": False, "metadata": {"library": "OpenSSL.framework", "platform": "ios"}}
    files = {f"Payload/Example.app/{path}": data for path, data in App().files().items()}
    files["Signatures/OpenSSL.xcframework-ios.signature"] = plistlib.dumps(told)
    files["Signatures/odd.signature"] = b"odd"
    app = exported(tmp_path, ipa(files, folder=""))
    assert [(each.library, each.signed) for each in app.origins] == [("OpenSSL.framework", False)]
    assert rules_against(app) == {"BUND074"}


def test_debug_symbols_of_an_archive_are_compared(tmp_path: Path) -> None:
    archive = tmp_path / "A.xcarchive"
    for folder, name, data in (
        ("Products/Applications/Example.app", "Info.plist", plistlib.dumps(foundry.INFO)),
        ("Products/Applications/Example.app", "Example", foundry.macho()),
        ("dSYMs/Example.app.dSYM/Contents/Resources/DWARF", "Example", foundry.macho(file_type=10)),
    ):
        (archive / folder).mkdir(parents=True, exist_ok=True)
        (archive / folder / name).write_bytes(data)
    app = built_app(ArchivedApp, archive, ANCHORS, foundry.NOW)
    assert app.symbols == (app.executables[0].slices[0].uuid,)
    assert rules_against(built_app(ExportedApp, archive, ANCHORS, foundry.NOW)) & {"BUND079", "BUND080"} == {"BUND080"}
    (archive / "dSYMs/Example.app.dSYM/Contents/Resources/DWARF/Example").unlink()
    assert "BUND079" in rules_against(built_app(ExportedApp, archive, ANCHORS, foundry.NOW))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (
            {"ApplicationProperties": {"SigningIdentity": "", "Team": ""}},
            "SigningIdentity and Team in its Info.plist are",
        ),
        ({"ApplicationProperties": {"SigningIdentity": "Apple Development: A", "Team": "A1B2C3D4E5"}}, ""),
        ({"ApplicationProperties": [1]}, ""),
    ],
)
def test_an_archive_whose_code_is_missing_says_whether_it_was_signed(
    tmp_path: Path, record: dict[str, Any], told: str
) -> None:
    place = tmp_path / "A.xcarchive" / "Products" / "Applications" / "Example.app"
    place.mkdir(parents=True)
    (place / "Info.plist").write_bytes(plistlib.dumps(foundry.INFO))
    (tmp_path / "A.xcarchive" / "Info.plist").write_bytes(plistlib.dumps(record))
    app = built_app(ExportedApp, tmp_path / "A.xcarchive", ANCHORS, foundry.NOW)
    found = [finding.summary for finding in given_archive_was_signed(app)]
    assert len(found) == bool(told)
    assert all(told in summary for summary in found)


def test_a_program_on_its_own_is_judged(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(foundry.sign_macho(foundry.authority().developer_id, platform=foundry.MACOS, code=50_000))
    app = built_app(ExportedApp, tool, ANCHORS, foundry.NOW)
    assert (app.kind, app.platform) == ("tool", "MAC_OS")
    assert app.problems == ("tool is a program on its own; only apps go to the App Store",)
    assert app.executables[0].signature.trusted
    assert rules_against(app, MACOS) == {"BUND001", "BUND075"}
    (tmp_path / "text").write_bytes(b"no code")
    assert built_app(ExportedApp, tmp_path / "text", Anchors(), foundry.NOW).problems


def test_a_large_product_is_read_by_several_hands(tmp_path: Path) -> None:
    app = App()
    app.resources |= {f"r{number}": random.Random(number).randbytes(900_000) for number in range(8)}
    data = ipa(app.files())
    assert len(data) > WORTH_IT
    whole = exported(tmp_path, data)
    assert rules_against(whole) == set()
    assert whole.sha256 == hashlib.sha256(data).hexdigest()
    at = data.index(b"Payload/Example.app/r5") + 5000
    broken = exported(tmp_path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert broken.problems == ("Payload/Example.app/r5 cannot be unpacked: its checksum differs",)
    assert rules_against(broken) == {"BUND001", "BUND005"}
