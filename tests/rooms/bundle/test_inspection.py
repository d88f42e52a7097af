"""Whole products, from the container to the judgement: an honest one passes, and each change is found by its rule."""

from __future__ import annotations

import io
import plistlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.bundle import checks, codesignature
from pipeline.apple.bundle.codesignature import teams_differ
from pipeline.apple.bundle.facts import Archive, ArchivedApp, BuiltApp, Executable, Export, ExportedApp, Signature
from pipeline.apple.bundle.inspection import built_app, code_at, on_disk
from pipeline.apple.bundle.macho import read_macho
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.xcode.facts import TargetInfo
from pipeline.engine.wiring import checks_of, needs_of
from pipeline.model import Declaration, Lane, Platform, Reading, Stage
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App, authority, ipa

ANCHORS = Anchors().including("Test Root CA", authority().root.der)
DECLARED = Declaration(bundle_id=foundry.BUNDLE_ID, containers=("iCloud.com.example.app",))
PROJECT = TargetInfo({"CFBundleShortVersionString": "2.5.0", "CFBundleVersion": "250"})
IOS = Lane("ios", Platform.IOS, "A.xcodeproj", "Example", "Release")
MACOS = Lane("macos", Platform.MAC_OS, "A.xcodeproj", "Example", "Release")


def exported(folder: Path, data: bytes, name: str = "Example.ipa", anchors: Anchors = ANCHORS) -> ExportedApp:
    path = folder / name
    path.write_bytes(data)
    return built_app(ExportedApp, path, anchors, foundry.NOW)


def rules_against(app: BuiltApp, lane: Lane = IOS, anchors: Anchors = ANCHORS) -> set[str]:
    """The rules with a finding against a product, with all checks of an exported product run."""
    export = on_disk(Export, Path(app.path), given=True)
    known: dict[Any, Any] = {Lane: lane, Declaration: DECLARED, TargetInfo: PROJECT, Anchors: anchors, Export: export}
    known[ExportedApp] = app
    found = set()
    for function in checks_of(Stage("bundle", checks=(checks,))):
        needs = {
            need.name: Reading.of(known[need.wanted]) if need.reading else known[need.wanted]
            for need in needs_of(function)
        }
        if any(True for _ in function(**needs)):
            found.add(vars(function)["check_mark"].rule)
    return found


def mac_app(**changes: Any) -> App:
    entitlements = {
        "com.apple.application-identifier": f"{foundry.TEAM}.{foundry.BUNDLE_ID}",
        "com.apple.security.app-sandbox": True,
        **{key: value for key, value in foundry.ENTITLEMENTS.items() if "icloud" in key},
    }
    shapes = tuple({"cpu": cpu, "platform": foundry.MACOS} for cpu in (foundry.X86_64, foundry.ARM64))
    info = {**foundry.INFO, "CFBundleSupportedPlatforms": ["MacOSX"], "LSMinimumSystemVersion": "14.0"}
    del info["MinimumOSVersion"]
    granted = {**foundry.GRANTED, "com.apple.application-identifier": f"{foundry.TEAM}.{foundry.BUNDLE_ID}"}
    given: dict[str, Any] = {
        "deep": True,
        "entitlements": entitlements,
        "shapes": shapes,
        "info": info,
        "granted": granted,
    }
    return App(**{**given, **changes})


def test_an_honest_ipa_passes(tmp_path: Path) -> None:
    app = exported(tmp_path, ipa(App().files()))
    assert rules_against(app) == set()
    assert str(app).startswith("Example 2.5.0 (250), ipa, ")
    assert str(app).endswith(f" bytes, Apple Distribution: Example ({foundry.TEAM})")
    assert (app.bundle_id, app.version, app.build) == (foundry.BUNDLE_ID, "2.5.0", "250")
    assert (app.platform, app.minimum_os, app.name) == ("IOS", "17.0", "Example")
    assert app.signature.trusted
    assert app.signature.team_id == foundry.TEAM
    assert app.signature.certificate
    assert app.signature.certificate.kind is CertificateKind.APPLE_DISTRIBUTION
    assert app.entitlements == foundry.ENTITLEMENTS
    assert app.profile
    assert len(app.sha256) == 64
    assert app.size == Path(app.path).stat().st_size


def test_an_honest_pkg_passes(tmp_path: Path) -> None:
    app = exported(tmp_path, foundry.mac_pkg(mac_app().files(), authority().installer), "Example.pkg")
    assert rules_against(app, MACOS) == set()
    assert (app.platform, app.minimum_os, app.place) == ("MAC_OS", "14.0", "Example.app")
    assert app.executables[0].architectures == ("x86_64", "arm64")
    assert app.installer
    assert app.installer.holds
    assert app.installer.trusted


def without(path: str) -> Callable[[dict[str, bytes]], None]:
    def remove(files: dict[str, bytes]) -> None:
        del files[path]

    return remove


def changed(path: str, at: int = -1) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        data = bytearray(files[path])
        data[at] ^= 1
        files[path] = bytes(data)

    return change


def added(path: str, data: bytes = b"new") -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({path: data})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (changed("Example", 5000), {"BUND005"}),
        (changed("Assets.car"), {"BUND005", "BUND076"}),
        (changed("_CodeSignature/CodeResources"), {"BUND005"}),
        (without("Assets.car"), {"BUND005", "BUND042", "BUND043", "BUND076"}),
        (without("_CodeSignature/CodeResources"), {"BUND005"}),
        (added("extra.png"), {"BUND005"}),
        (added("Info.plist", plistlib.dumps({**foundry.INFO, "CFBundleVersion": "251"})), {"BUND003", "BUND005"}),
        (without("embedded.mobileprovision"), {"BUND005", "BUND007"}),
        (added("embedded.mobileprovision", b"no profile"), {"BUND001", "BUND005"}),
        (without("Example"), {"BUND001"}),
        (added("tool", foundry.macho()), {"BUND004", "BUND005", "BUND061"}),
        (added("tool", b"\xcf\xfa\xed\xfe" + b"\xff" * 40), {"BUND001", "BUND005"}),
    ],
)
def test_changes_after_signing_are_found(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None], expected: set[str]
) -> None:
    files = App().files()
    change(files)
    assert rules_against(exported(tmp_path, ipa(files))) == expected


def test_a_missing_info_plist_is_told_and_not_its_consequences(tmp_path: Path) -> None:
    files = extension_of(App())
    del files["Info.plist"]
    assert rules_against(exported(tmp_path, ipa(files))) == {"BUND001"}


def test_timestamps_are_judged_and_not_needed(tmp_path: Path) -> None:
    def app_with(stamp: Callable[[bytes], bytes]) -> ExportedApp:
        return exported(tmp_path, ipa(App(shapes=({"stamp": stamp},)).files()))

    assert exported(tmp_path, ipa(App().files())).signature.timestamp is None
    app = app_with(foundry.timestamp)
    assert (app.signature.timestamp, rules_against(app)) == (foundry.NOW, set())
    app = app_with(lambda _: foundry.timestamp(b"another"))
    assert (app.signature.timestamp, rules_against(app)) == (None, {"BUND005"})
    app = app_with(lambda octets: foundry.timestamp(octets, others=False))
    assert (app.signature.flaws, app.signature.unseen) == ((), ())
    assert "is missing" in app.signature.timestamp_doubt


@pytest.mark.parametrize("names", ["digests", "list and digests"])
def test_both_ways_to_name_directories_are_known(tmp_path: Path, names: str) -> None:
    app = App(shapes=({"both_hashes": True, "names": names},))
    assert rules_against(exported(tmp_path, ipa(app.files()))) == set()
    app = App(shapes=({"both_hashes": True, "names": ""},))
    assert rules_against(exported(tmp_path, ipa(app.files()))) == {"BUND005"}


def test_a_key_twice_in_the_apps_own_info_is_refused(tmp_path: Path) -> None:
    files = App().files()
    twice = plistlib.dumps(foundry.INFO).replace(
        b"<key>CFBundleVersion</key>", b"<key>CFBundleVersion</key><string>1</string><key>CFBundleVersion</key>"
    )
    app = exported(tmp_path, ipa({**files, "Info.plist": twice}))
    assert "Payload/Example.app/Info.plist has the key “CFBundleVersion” twice" in app.problems
    assert "twice" in on_disk(Export, tmp_path / "Example.ipa", given=True).problem


def test_an_app_in_lzfse_is_one_problem(tmp_path: Path) -> None:
    data = ipa(App().files())
    at = data.find(b"PK\1\2")
    while at >= 0:
        data = data[: at + 10] + b"\x63\x00" + data[at + 12 :]
        at = data.find(b"PK\1\2", at + 1)
    app = exported(tmp_path, data)
    assert app.problems[0].startswith("6 of 6 files cannot be read here: packed with LZFSE")
    assert len(app.problems) <= 3


def entitled(**changes: Any) -> dict[str, Any]:
    return {**foundry.ENTITLEMENTS, **{key.replace("__", "-"): value for key, value in changes.items()}}


ENVIRONMENT = "com.apple.developer.icloud-container-environment"
CONTAINERS = "com.apple.developer.icloud-container-identifiers"


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (App(identity=None), {"BUND004"}),
        (App(identity=authority().development), {"BUND004", "BUND008"}),
        (App(identity=authority().developer_id, certificates=(authority().developer_id,)), {"BUND004"}),
        (App(devices=("00008030-000000000000002E",)), {"BUND007"}),
        (App(entitlements=entitled(get__task__allow=True)), {"BUND010"}),
        (App(entitlements={**foundry.ENTITLEMENTS, ENVIRONMENT: "Development"}), {"BUND011"}),
        (App(entitlements={k: v for k, v in foundry.ENTITLEMENTS.items() if k != ENVIRONMENT}), {"BUND011"}),
        (App(entitlements=entitled(aps__environment="development")), {"BUND012"}),
        (App(entitlements={**foundry.ENTITLEMENTS, CONTAINERS: ["iCloud.com.example.other"]}), {"BUND009", "BUND013"}),
        (App(entitlements={**foundry.ENTITLEMENTS, "com.apple.developer.healthkit": True}), {"BUND009"}),
        (App(info={**foundry.INFO, "CFBundleIdentifier": "com.example.other"}), {"BUND002", "BUND049"}),
        (App(info={**foundry.INFO, "CFBundleShortVersionString": "2.4.0"}), {"BUND003"}),
        (App(info={**foundry.INFO, "UIBackgroundModes": ["background-processing"]}), {"BUND017"}),
        (App(info={**foundry.INFO, "UIBackgroundModes": ["processing"]}), {"BUND017"}),
        (App(shapes=({}, {"cpu": foundry.X86_64, "platform": foundry.IOS_SIMULATOR})), {"BUND016"}),
        (App(shapes=({"platform": foundry.MACOS},)), {"BUND016"}),
    ],
)
def test_wrong_exports_are_found(tmp_path: Path, app: App, expected: set[str]) -> None:
    assert rules_against(exported(tmp_path, ipa(app.files()))) == expected


def test_wrong_mac_exports_are_found(tmp_path: Path) -> None:
    name = "Example.pkg"
    unsandboxed = {key: value for key, value in mac_app().entitlements.items() if "sandbox" not in key}
    files = mac_app(entitlements=unsandboxed).files()
    assert rules_against(exported(tmp_path, foundry.mac_pkg(files, authority().installer), name), MACOS) == {"BUND014"}
    files = mac_app().files()
    assert rules_against(exported(tmp_path, foundry.mac_pkg(files), name), MACOS) == {"BUND015"}
    broken = foundry.pkg(
        foundry.odc({f"./Example.app/{path}": data for path, data in files.items()}),
        authority().installer,
        break_signature=True,
    )
    assert rules_against(exported(tmp_path, broken, name), MACOS) == {"BUND015"}
    assert rules_against(exported(tmp_path, foundry.mac_pkg(files, authority().installer), name), IOS) >= {"BUND016"}


def test_one_root_is_not_another(tmp_path: Path) -> None:
    data = ipa(App().files())
    strangers = Anchors().including("Other", foundry.issue("Other", None, (), ca=True).der)
    assert rules_against(exported(tmp_path, data, anchors=strangers), anchors=strangers) >= {"BUND006"}
    assert "missing" in exported(tmp_path, data, anchors=Anchors()).signature.reason


def test_expired_certificates_are_told_at_the_hour_of_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "Example.ipa"
    path.write_bytes(ipa(App().files()))
    app = built_app(ExportedApp, path, ANCHORS, foundry.NOW + timedelta(days=301))
    assert rules_against(app) >= {"BUND006", "BUND007"}


def extension_of(app: App, **changes: Any) -> dict[str, bytes]:
    """An app with one extension; the extension is sealed by its own signature, and by the app's."""
    identifier = f"{foundry.BUNDLE_ID}.share"
    own = {"application-identifier": f"{foundry.TEAM}.{identifier}"}
    inner = App(
        info={**foundry.INFO, "CFBundleIdentifier": identifier, "CFBundlePackageType": "XPC!"},
        entitlements={**foundry.ENTITLEMENTS, **own},
        granted={**foundry.GRANTED, **own},
        resources={},
        **changes,
    ).files()
    app.resources |= {f"PlugIns/Share.appex/{path}": data for path, data in inner.items()}
    return app.files()


def test_extensions_are_read_and_judged_on_their_own(tmp_path: Path) -> None:
    files = extension_of(App())
    app = exported(tmp_path, ipa(files))
    assert [bundle.bundle_id for bundle in app.nested] == [f"{foundry.BUNDLE_ID}.share"]
    assert app.nested[0].profile
    assert rules_against(app) == set()
    del files["PlugIns/Share.appex/embedded.mobileprovision"]
    assert rules_against(exported(tmp_path, ipa(files))) == {"BUND005", "BUND007"}


def mac_framework() -> tuple[dict[str, bytes], dict[str, str], bytes]:
    """Files, links and cdhash of a framework of the macOS kind."""
    info = plistlib.dumps({"CFBundleIdentifier": "com.example.f", "CFBundleExecutable": "F"})
    resources = foundry.seal({"Resources/Info.plist": info})
    shape: dict[str, Any] = {"platform": foundry.MACOS, "file_type": 6}
    code = foundry.sign_macho(
        authority().distribution, identifier="com.example.f", info=info, resources=resources, **shape
    )
    (offset, size) = read_macho(io.BytesIO(code), len(code))[0].signature or (0, 0)
    cdhash = codesignature.read_from(io.BytesIO(code), offset, size).primary.cdhash
    base = "Versions/A"
    files = {f"{base}/F": code, f"{base}/Resources/Info.plist": info, f"{base}/_CodeSignature/CodeResources": resources}
    return (
        files,
        {"Versions/Current": "A", "F": "Versions/Current/F", "Resources": "Versions/Current/Resources"},
        cdhash,
    )


@pytest.mark.parametrize("whole", [True, False])
def test_frameworks_with_versions_are_followed_through_their_links(tmp_path: Path, whole: bool) -> None:
    files, links, cdhash = mac_framework()
    app = mac_app(nested={"Frameworks/F.framework": cdhash if whole else b"x" * 20})
    place = "./Example.app/Contents/Frameworks/F.framework/"
    payload = {f"./Example.app/{path}": data for path, data in app.files().items()}
    payload |= {place + path: data for path, data in files.items()}
    package = foundry.pkg(foundry.odc(payload, {place + path: to for path, to in links.items()}), authority().installer)
    found = exported(tmp_path, package, "Example.pkg")
    assert found.problems == ()
    assert [(bundle.bundle_id, bundle.signature.flaws) for bundle in found.nested] == [("com.example.f", ())]
    assert rules_against(found, MACOS) == (set() if whole else {"BUND005"})


@pytest.mark.parametrize("added", ["", "Versions/B/Resources/new"])
def test_every_version_of_a_framework_is_judged(tmp_path: Path, added: str) -> None:
    files, links, cdhash = mac_framework()
    files |= {path.replace("Versions/A/", "Versions/B/"): data for path, data in files.items()}
    if added:
        files[added] = b"new"
    app = mac_app(nested={"Frameworks/F.framework": cdhash})
    place = "./Example.app/Contents/Frameworks/F.framework/"
    payload = {f"./Example.app/{path}": data for path, data in app.files().items()}
    payload |= {place + path: data for path, data in files.items()}
    package = foundry.pkg(foundry.odc(payload, {place + path: to for path, to in links.items()}), authority().installer)
    found = exported(tmp_path, package, "Example.pkg")
    assert [bundle.place.rpartition("/")[2] for bundle in found.nested] == ["F.framework", "B"]
    assert rules_against(found, MACOS) == ({"BUND005"} if added else set())


def test_programs_inside_a_frameworks_version_are_told_apart_from_it() -> None:
    """Sparkle keeps an app and services in Versions/B, and its seal lists them."""
    framework = Executable("F.framework/Versions/B/F", "F.framework", signature=Signature(True, cdhashes=("aa",)))
    inner = "F.framework/Versions/B/Updater.app"
    updater = Executable(f"{inner}/Contents/MacOS/U", inner, signature=Signature(True, cdhashes=("bb",)))
    for path, cdhash in (("F.framework", 0xAA), ("F.framework/Versions/B", 0xAA), (inner, 0xBB)):
        assert code_at(path, [framework, updater]) == frozenset({bytes([cdhash])})
    assert code_at("F.framework/Versions/B/Missing.app", [framework, updater]) is None


@pytest.mark.parametrize(
    ("signer", "differs"), [("ABCDE12345", False), ("ZYXWV98765", True), ("iPhone", False), ("Apple Software", False)]
)
def test_a_department_of_apple_is_no_team(signer: str, differs: bool) -> None:
    assert teams_differ("ABCDE12345", signer) is differs


def test_one_unsigned_architecture_does_not_hide_the_others_signature(tmp_path: Path) -> None:
    bare = foundry.macho(cpu=(0x01000007, 3))
    tool = tmp_path / "tool.node"
    tool.write_bytes(foundry.fat(bare, foundry.sign_macho(None)))
    found = built_app(ExportedApp, tool, ANCHORS, foundry.NOW)
    (executable,) = found.executables
    assert str(executable.signature) == "signed ad hoc"
    assert (executable.unsigned, executable.signature.flaws) == (("x86_64",), ())
    assert "BUND005" not in rules_against(found, MACOS)
    tool.write_bytes(foundry.fat(bare, foundry.sign_macho(authority().distribution)))
    (executable,) = built_app(ExportedApp, tool, ANCHORS, foundry.NOW).executables
    assert executable.signature.flaws == ("only some architectures are signed: x86_64 is not",)


ARM64E = (foundry.ARM64[0], 2)


@pytest.mark.parametrize("first", [True, False])
def test_the_entitlements_of_every_slice_are_judged(tmp_path: Path, first: bool) -> None:
    def judged(claimed: dict[str, Any]) -> set[str]:
        shapes: list[dict[str, Any]] = [{}, {"cpu": ARM64E, "entitlements": claimed}]
        app = exported(tmp_path, ipa(App(shapes=tuple(shapes[:: 1 if first else -1])).files()))
        assert (app.executables[0].rights == {}) == (claimed == foundry.ENTITLEMENTS)
        return rules_against(app)

    assert judged(dict(foundry.ENTITLEMENTS)) == set()
    assert judged(entitled(get__task__allow=True)) == {"BUND010"}
    assert judged({**foundry.ENTITLEMENTS, "com.apple.developer.healthkit": True}) == {"BUND009"}
    assert judged(entitled(aps__environment="development")) == {"BUND012"}
    assert judged({**foundry.ENTITLEMENTS, CONTAINERS: []}) == {"BUND013"}
    assert judged({}) == {"BUND013", "BUND050"}


def test_a_mac_app_is_sandboxed_in_every_slice(tmp_path: Path) -> None:
    unsandboxed = {key: value for key, value in mac_app().entitlements.items() if "sandbox" not in key}
    for at in (0, 1):
        app = mac_app()
        app.shapes[at]["entitlements"] = unsandboxed
        package = foundry.mac_pkg(app.files(), authority().installer)
        assert rules_against(exported(tmp_path, package, "Example.pkg"), MACOS) == {"BUND014"}


def test_issuers_in_one_signature_do_not_vouch_for_another(tmp_path: Path) -> None:
    """Whichever is read first: the extension brings its signer's issuer, the app does not, or the other way round."""
    found = []
    for bare in ("app", "extension"):
        app = App(shapes=({"others": bare != "app"},))
        files = extension_of(app, shapes=({"others": bare != "extension"},))
        for order in (1, -1):
            product = exported(tmp_path, ipa(dict(list(files.items())[::order])))
            found.append(rules_against(product))
            assert product.signature.trusted == (bare != "app")
    assert found == [{"BUND006"}] * 4


def test_an_issuer_that_one_slice_lacks_is_missed(tmp_path: Path) -> None:
    app = App(shapes=({}, {"cpu": ARM64E, "others": False}))
    assert rules_against(exported(tmp_path, ipa(app.files()))) == {"BUND006"}


def test_code_of_another_team_is_found(tmp_path: Path) -> None:
    other = "Z9Y8X7W6V5"
    for team, expected in ((foundry.TEAM, set()), (other, {"BUND004"})):
        signer = foundry.issue(
            "Apple Distribution: X", authority().wwdr, ("6.1.7", "6.1.4"), foundry.CODE_SIGNING, team=team
        )
        info = plistlib.dumps({**foundry.INFO, "CFBundleIdentifier": "com.other.f", "CFBundlePackageType": "FMWK"})
        resources = foundry.seal({})
        code = foundry.sign_macho(
            signer, identifier="com.other.f", info=info, resources=resources, team=team, file_type=6
        )
        place = "Frameworks/F.framework/"
        inner = {f"{place}Example": code, f"{place}Info.plist": info, f"{place}_CodeSignature/CodeResources": resources}
        app = App()
        app.resources |= inner
        assert rules_against(exported(tmp_path, ipa(app.files()))) == expected


def test_an_unsigned_archive_is_read(tmp_path: Path) -> None:
    place = tmp_path / "A.xcarchive" / "Products" / "Applications" / "Example.app"
    place.mkdir(parents=True)
    (place / "Info.plist").write_bytes(plistlib.dumps(foundry.INFO))
    (place / "Example").write_bytes(foundry.macho())
    app = built_app(ArchivedApp, tmp_path / "A.xcarchive", ANCHORS, foundry.NOW)
    assert (app.bundle_id, app.kind, app.sha256, app.problems) == (foundry.BUNDLE_ID, "xcarchive", "", ())
    assert not app.signature.present
    archive = on_disk(Archive, tmp_path / "A.xcarchive", given=False)
    assert archive.holds(foundry.BUNDLE_ID, "2.5.0", "250")
    assert not archive.holds(foundry.BUNDLE_ID, "2.5.0", "251")
    assert archive.uuids == (app.executables[0].slices[0].uuid,)


def test_an_app_by_itself_is_read(tmp_path: Path) -> None:
    for path, data in App().files().items():
        (tmp_path / "Example.app" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Example.app" / path).write_bytes(data)
    app = built_app(ArchivedApp, tmp_path / "Example.app", ANCHORS, foundry.NOW)
    assert app.place == "Example.app"
    assert app.signature.flaws == ()


def test_two_apps_are_one_too_many(tmp_path: Path) -> None:
    app = exported(tmp_path, ipa({**App().files(), "../Other.app/Info.plist": b""}, folder="Payload/Example.app/"))
    assert "leads outside" in app.problems[0]
    files = {f"Payload/{name}.app/Info.plist": b"" for name in "AB"}
    app = exported(tmp_path, ipa(files, folder=""))
    assert app.problems == ("2 apps instead of one: Payload/A.app, Payload/B.app",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("not-an-ipa.ipa", "not-an-ipa.ipa is no zip archive"),
        ("no-app-bundle.ipa", "no app in Payload at the top of no-app-bundle.ipa"),
        ("iOSAppOnly.ipa", "there is one in iOSAppOnly/Payload/Sample.app"),
        ("ContainsWatchApp.ipa", "there is one in ContainsWatchApp/Payload/Sample.app"),
        ("IncorrectlySigned.ipa", "there is one in IncorrectlySigned/Payload/Sample.app"),
    ],
)
def test_real_files_that_are_no_products(shared_data: Path, name: str, expected: str) -> None:
    path = shared_data / "signing" / "bundles" / name
    app = built_app(ExportedApp, path, ANCHORS, foundry.NOW)
    assert expected in app.problems[0]
    assert expected in on_disk(Export, path, given=True).problem
    assert app.size == path.stat().st_size


def test_the_real_archive(shared_data: Path) -> None:
    path = shared_data / "isometry/2026-02/native/IsometrymacOS/Archive/Isometry.xcarchive"
    app = built_app(ArchivedApp, path, ANCHORS, foundry.NOW)
    assert (app.bundle_id, app.version, app.build) == ("com.mshaler.isometry", "1.0.0", "1")
    assert app.platform == "IOS"
    assert [Path(bundle.place).name for bundle in app.nested] == [
        "GRDB_GRDB.bundle",
        "Isometry_Isometry.bundle",
        "ZipArchive_ZipArchive.bundle",
    ]
    assert app.problems == ("Products/Applications/IsometryiOS.app/IsometryiOS is named by Info.plist and missing",)
    assert "no executable" in on_disk(Archive, path, given=True).problem


def test_every_truncation_of_a_small_file_is_told(tmp_path: Path, shared_data: Path) -> None:
    data = (shared_data / "signing" / "bundles" / "iOSAppOnly.ipa").read_bytes()
    for length in range(0, len(data), 13):
        assert exported(tmp_path, data[:length]).problems


def test_every_flipped_byte_is_told(tmp_path: Path, shared_data: Path) -> None:
    data = bytearray((shared_data / "signing" / "bundles" / "no-app-bundle.ipa").read_bytes())
    for at in range(len(data)):
        data[at] ^= 0xFF
        assert exported(tmp_path, bytes(data)).problems
        data[at] ^= 0xFF


def test_no_flipped_byte_of_code_or_container_is_a_pass(tmp_path: Path) -> None:
    files = App(resources={}).files()
    code = files["Example"]
    for at in range(0, 9008, 97):
        data = bytearray(code)
        data[at] ^= 0x10
        assert rules_against(exported(tmp_path, ipa({**files, "Example": bytes(data)}))), at
