"""The tools' answers, and that nothing is written but where it was asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import plistlib
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import pem, x509

from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import Scenario, Standing
from tests.fidelity.machine.conftest import PROJECT, SAMPLE, Desk

NewDesk = Callable[..., Desk]
IDENTITY = re.compile(r'^ {1,2}(\d+)\) ([0-9A-F]{40}) "(.*)"(?: \((CSSMERR_\w+)\))?$', re.MULTILINE)


def test_valid_identities(desk: Desk) -> None:
    code, out, err = desk.machine.run(["security", "find-identity", "-v", "-p", "codesigning"])
    assert (code, err) == (0, "")
    assert [match[2] for match in IDENTITY.findall(out)] == [
        "Apple Development: Rehearsal Team (DD5YMVP48D)",
        "Apple Distribution: Rehearsal Team (77CCZHWQL7)",
    ]
    assert out.endswith("     2 valid identities found\n")


def test_no_identity_is_still_success(new_desk: NewDesk) -> None:
    nothing = Scenario(Standing.MISSING, Standing.MISSING, Standing.MISSING)
    code, out, _ = new_desk(nothing).machine.run(["security", "find-identity", "-v", "-p", "codesigning"])
    assert (code, out) == (0, "     0 valid identities found\n")


def test_revoked_identities_are_counted_as_valid(new_desk: NewDesk) -> None:
    machine = new_desk(Scenario(distribution=Standing.REVOKED)).machine
    out = machine.run(["security", "find-identity", "-v", "-p", "codesigning"])[1]
    assert [match[3] for match in IDENTITY.findall(out)] == ["", "CSSMERR_TP_CERT_REVOKED"]
    assert "2 valid identities found" in out


def test_all_identities_in_two_lists(new_desk: NewDesk) -> None:
    machine = new_desk(Scenario(distribution=Standing.EXPIRED)).machine
    out = machine.run(["security", "find-identity", "-p", "codesigning"])[1]
    assert out.startswith("\nPolicy: Code Signing\n  Matching identities\n  1) ")
    assert "(CSSMERR_TP_CERT_EXPIRED)\n     2 identities found\n\n  Valid identities only\n" in out
    assert out.endswith("     1 valid identities found\n")


def test_names_with_quotes_and_umlauts(tmp_path: Path) -> None:
    machine = Machine(tmp_path, team_id="AB12CD34EF", organization='Über "(Ltd)" GmbH')
    out = machine.run(["security", "find-identity", "-v", "-p", "codesigning"])[1]
    assert '"Apple Distribution: Über "(Ltd)" GmbH (AB12CD34EF)"' in out


def test_certificates(desk: Desk) -> None:
    code, out, _ = desk.machine.run(["security", "find-certificate", "-a", "-Z", "-p"])
    assert code == 0
    found = [body for _, _, body in pem.unarmor(out.encode(), multiple=True)]
    assert re.findall(r"SHA-1 hash: (\w+)", out) == [hashlib.sha1(body).hexdigest().upper() for body in found]
    assert re.findall(r"SHA-256 hash: (\w+)", out) == [hashlib.sha256(body).hexdigest().upper() for body in found]
    names = [x509.Certificate.load(body).subject.native["common_name"].split(":")[0] for body in found]
    assert names == [
        "Apple Development",
        "Apple Distribution",
        "3rd Party Mac Developer Installer",
        "Apple Worldwide Developer Relations Certification Authority",
    ]


def test_certificates_by_name(desk: Desk) -> None:
    find = ["security", "find-certificate", "-c", "3rd party mac developer installer", "-p"]
    assert desk.machine.run([*find, "-a"])[1].count("BEGIN CERTIFICATE") == 1
    assert desk.machine.run(["security", "find-certificate", "-a", "-c", "nobody"]) == (0, "", "")
    assert desk.machine.run(["security", "find-certificate", "-c", "nobody"])[0] == 44


def test_profiles_are_found_and_read_through_tools(desk: Desk) -> None:
    home = desk.machine.run(["printenv", "HOME"], env={"HOME": "/elsewhere"})[1].strip()
    folders = [f"{home}/Library/Developer/Xcode/UserData/Provisioning Profiles", f"{home}/Library/MobileDevice"]
    test = ["-type", "f", "(", "-name", "*.mobileprovision", "-o", "-name", "*.provisionprofile", ")"]
    code, out, err = desk.machine.run(["find", "-L", *folders, *test])
    assert (code, err) == (1, f"find: {folders[1]}: No such file or directory\n")
    names = set()
    for path in out.splitlines():
        data = base64.b64decode(desk.machine.run(["base64", "-i", path])[1])
        assert data == Path(path).read_bytes()
        code, plist, _ = desk.machine.run(["security", "cms", "-D", "-i", path])
        values = plistlib.loads(plist.encode())
        assert (code, f"{values['UUID']}.") == (0, Path(path).name[:37])
        names.add(values["Name"])
    assert names == {
        "com.mshaler.isometry iOS App Store",
        "com.mshaler.isometry Mac App Store",
        "iOS Team Provisioning Profile: com.mshaler.isometry",
        "Mac Team Provisioning Profile: com.mshaler.isometry",
    }


def test_versions(desk: Desk) -> None:
    assert desk.machine.run(["xcodebuild", "-version"])[1] == "Xcode 26.2\nBuild version 17C52\n"
    assert desk.machine.run(["xcrun", "xcodebuild", "-version"])[0] == 0
    assert desk.machine.run(["xcrun", "--sdk", "iphoneos", "--show-sdk-version"])[1] == "26.2\n"
    assert "ProductVersion:\t\t26.2\n" in desk.machine.run(["sw_vers"])[1]
    assert desk.machine.run(["sw_vers", "-productVersion"])[1] == "26.2\n"
    assert desk.machine.run(["xcode-select", "-p"])[1] == "/Applications/Xcode.app/Contents/Developer\n"
    assert desk.machine.run(["xcrun", "--find", "altool"])[1].endswith("/usr/bin/altool\n")
    assert "login.keychain-db" in desk.machine.run(["security", "list-keychains"])[1]


def test_list(desk: Desk) -> None:
    out = desk.machine.run(["xcodebuild", "-list", "-json"], cwd=SAMPLE)[1]
    assert json.loads(out) == {
        "project": {
            "configurations": ["Debug", "Release"],
            "name": "Isometry",
            "schemes": ["Isometry", "Isometry-macOS"],
            "targets": ["Isometry", "Isometry-macOS"],
        }
    }
    assert "    Schemes:\n        Isometry\n" in desk.machine.run(["xcodebuild", "-list"], cwd=SAMPLE)[1]


def test_show_build_settings(desk: Desk) -> None:
    argv = ["xcodebuild", "-showBuildSettings", "-json", "-project", str(PROJECT), "-scheme", "Isometry"]
    (told,) = json.loads(desk.machine.run([*argv, "-configuration", "Release", "MARKETING_VERSION=9.9"])[1])
    settings = told["buildSettings"]
    assert told["target"] == "Isometry"
    assert (settings["MARKETING_VERSION"], settings["CURRENT_PROJECT_VERSION"]) == ("9.9", "250")
    assert settings["SWIFT_OPTIMIZATION_LEVEL"] == "-O"
    assert settings["WRAPPER_NAME"] == "Isometry.app"


def test_codesign_displays(desk: Desk) -> None:
    app = str(desk.folder / "macOS.xcarchive/Products/Applications/Isometry.app")
    code, _, err = desk.machine.run(["codesign", "-dv", app])
    assert code == 0
    assert "Identifier=com.mshaler.isometry\nFormat=app bundle with Mach-O universal (x86_64 arm64)\n" in err
    code, out, _ = desk.machine.run(["codesign", "-d", "--entitlements", "-", "--xml", app])
    assert (code, plistlib.loads(out.encode())["com.apple.security.app-sandbox"]) == (0, True)


def test_schemes_are_made_for_targets_without_one(new_desk: NewDesk, own_project: Path) -> None:
    (own_project / "xcshareddata/xcschemes/Isometry-macOS.xcscheme").unlink()
    desk = new_desk(project=own_project)
    assert sorted(desk.machine.project(own_project).schemes) == ["Isometry", "Isometry-macOS"]
    code, out, _ = desk.archive("macOS")
    assert code == 0
    assert out.endswith("** ARCHIVE SUCCEEDED **\n")


def test_manual_distribution_signing(new_desk: NewDesk, own_project: Path, tmp_path: Path) -> None:
    base = own_project.parent / "Configurations/Base.xcconfig"
    text = (
        base.read_text()
        .replace("STYLE = Automatic", "STYLE = Manual")
        .replace("Apple Development", "Apple Distribution")
    )
    base.write_text(text + "PROVISIONING_PROFILE_SPECIFIER[sdk=iphoneos*] = Isometry Store\n")
    desk = new_desk(project=own_project)
    assert desk.archive("iOS")[0] == 0
    about = plistlib.loads((tmp_path / "iOS.xcarchive/Info.plist").read_bytes())
    assert about["ApplicationProperties"]["SigningIdentity"].startswith("Apple Distribution: ")
    assert desk.export("iOS")[0] == 0


def test_identities_survive_the_machine(tmp_path: Path) -> None:
    first = Machine(tmp_path, projects=[PROJECT]).keychain
    again = Machine(tmp_path, projects=[PROJECT]).keychain
    assert [i.sha1 for i in first.identities] == [i.sha1 for i in again.identities]
    assert [p.uuid for p in first.profiles] == [p.uuid for p in again.profiles]
    assert Machine(tmp_path / "other", projects=[PROJECT]).keychain.identities[0].sha1 != first.identities[0].sha1
    store = tmp_path / "Library/Keychains/rehearsal-authority.json"
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert not list(tmp_path.rglob("*.new"))


def test_the_team_comes_from_the_project(tmp_path: Path) -> None:
    assert Machine(tmp_path, projects=[PROJECT]).keychain.team_id == "77CCZHWQL7"
    assert Machine(tmp_path, team_id="AB12CD34EF", projects=[PROJECT]).keychain.team_id == "AB12CD34EF"


def test_nothing_is_written_elsewhere(new_desk: NewDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(elsewhere))
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    before = {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")}
    opened: set[str] = set()
    real_open = os.open

    def noted(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            opened.add(str(path))
        return real_open(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", noted)
    desk = new_desk()
    for platform in ("iOS", "macOS"):
        assert desk.archive(platform)[0] == 0
        assert desk.export(platform)[0] == 0
    assert opened
    assert all(path.startswith(f"{tmp_path}/") for path in opened)
    assert {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")} == before
    assert not list(elsewhere.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {
        "ExportOptions.plist",
        "home",
        "iOS",
        "iOS.xcarchive",
        "macOS",
        "macOS.xcarchive",
    }


def test_both_lanes_at_once_share_one_keychain(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    machine = Machine(tmp_path / "home", projects=[PROJECT])
    with ThreadPoolExecutor(4) as pool:
        keychains = list(pool.map(lambda _: machine.keychain, range(8)))
    assert len({id(keychain) for keychain in keychains}) == 1
