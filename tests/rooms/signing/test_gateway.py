"""The machine is asked in exactly the words a Mac understands, and what it cannot answer is UNKNOWN."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.facts import Identities, InstalledProfiles, SigningNeed
from pipeline.apple.signing.gateway import installed_profiles, keychain_identities, signing_need
from pipeline.apple.signing.profiles import Seal
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.xcode.facts import Extension, TargetEntitlements, TargetSettings, Value
from pipeline.model import Declaration, Lane, Location, Platform, Reading, Source
from pipeline.ports.tools import Completed
from tests.rooms.signing.forge import DISTRIBUTION, NOW, ROOT, STRANGER, TEAM, WWDR, forge, profile_content, sign

TRUSTED = Anchors().including("Test Root", ROOT.der)
INSTALLER = forge("Any name", WWDR, markers=("6.1.8",), usage="1.2.840.113635.100.4.9", team=TEAM)
FIND_IDENTITY = ("security", "find-identity", "-p", "codesigning")
FIND_CERTIFICATE = ("security", "find-certificate", "-a", "-Z", "-p")
HOME = ("printenv", "HOME")
NEW = "/Users/me/Library/Developer/Xcode/UserData/Provisioning Profiles"
OLD = "/Users/me/Library/MobileDevice/Provisioning Profiles"
FIND = (
    *("find", "-L", NEW, OLD, "-type", "f"),
    *("(", "-name", "*.mobileprovision", "-o", "-name", "*.provisionprofile", ")"),
)
PROFILE = sign(profile_content())


class Mac:
    """Answers the commands it was told about and no others."""

    source = Source.LIVE

    def __init__(self, answers: Mapping[tuple[str, ...], str | tuple[int, str, str]]) -> None:
        self.answers = answers

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,
    ) -> Completed:
        answer = self.answers[tuple(argv)]
        code, out, err = (0, answer, "") if isinstance(answer, str) else answer
        return Completed(tuple(argv), code, out, err)

    def find(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if any(argv[0] == name for argv in self.answers) else None


class Noon:
    """A clock that stands still."""

    source = Source.LIVE
    deadline: datetime | None = None

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


def line(number: int, sha1: str, label: str) -> str:
    return f'  {number}) {sha1.upper()} "{label}"\n'


def sha1_of(der: bytes) -> str:
    return hashlib.sha1(der).hexdigest()


def profiles_mac(files: Mapping[str, bytes], complaint: tuple[int, str] = (0, "")) -> Mac:
    listing = "".join(f"{path}\n" for path in files)
    return Mac(
        {
            FIND_IDENTITY: "",
            HOME: "/Users/me\n",
            FIND: (complaint[0], listing, complaint[1]),
            **{("base64", "-i", path): base64.b64encode(data).decode() + "\n" for path, data in files.items()},
        }
    )


def test_identities_with_certificates_and_chains() -> None:
    mac = Mac(
        {
            FIND_IDENTITY: line(1, sha1_of(DISTRIBUTION.der), "One")
            + line(2, sha1_of(STRANGER.der), "Two")
            + line(3, "F" * 40, "Three"),
            FIND_CERTIFICATE: "".join(each.pem for each in (DISTRIBUTION, STRANGER, WWDR, INSTALLER)),
        }
    )
    found = keychain_identities(mac, Noon(), TRUSTED)
    assert isinstance(found, Identities)
    one, two, three = found.identities
    assert one.certificate is not None
    assert (one.label, one.trusted, one.distrust, one.certificate.team_id) == ("One", True, "", TEAM)
    assert (two.trusted, two.missing) == (False, "")
    assert "TestFixture" in two.distrust
    assert three.certificate is None
    assert [each.kind for each in found.installers] == [CertificateKind.MAC_INSTALLER_DISTRIBUTION]
    assert found.at == NOW


def test_an_intermediate_that_no_keychain_holds() -> None:
    mac = Mac({FIND_IDENTITY: line(1, sha1_of(DISTRIBUTION.der), "One"), FIND_CERTIFICATE: DISTRIBUTION.pem})
    found = keychain_identities(mac, Noon(), TRUSTED)
    assert isinstance(found, Identities)
    assert found.identities[0].missing == "Test Worldwide Relations"


def test_an_empty_keychain_is_no_unknown() -> None:
    found = keychain_identities(
        Mac({FIND_IDENTITY: "     0 identities found\n", FIND_CERTIFICATE: ""}), Noon(), TRUSTED
    )
    assert found == Identities(at=NOW)


def test_without_a_keychain_nothing_is_known() -> None:
    for probe in (keychain_identities, installed_profiles):
        reading = probe(Mac({}), Noon(), TRUSTED)
        assert isinstance(reading, Reading)
        assert (reading.source, "only on macOS" in reading.why) == (Source.UNKNOWN, True)


def test_a_tool_that_fails_is_quoted() -> None:
    reading = keychain_identities(
        Mac({FIND_IDENTITY: "", FIND_CERTIFICATE: (51, "", "\nsecurity: locked\nmore")}), Noon(), TRUSTED
    )
    assert isinstance(reading, Reading)
    assert reading.why == "`security find-certificate` ended with status 51: security: locked"


def test_profiles_of_both_folders_each_once() -> None:
    mac = profiles_mac({f"{NEW}/a.mobileprovision": PROFILE, f"{OLD}/a.mobileprovision": PROFILE})
    found = installed_profiles(mac, Noon(), TRUSTED)
    assert isinstance(found, InstalledProfiles)
    assert [(each.seal, each.path) for each in found.profiles] == [(Seal.APPLE, f"{NEW}/a.mobileprovision")]


def test_files_that_are_no_profiles_are_problems() -> None:
    mac = profiles_mac({f"{NEW}/a b.provisionprofile": b"nothing", f"{NEW}/c.provisionprofile": PROFILE})
    found = installed_profiles(mac, Noon(), TRUSTED)
    assert isinstance(found, InstalledProfiles)
    assert [each.path for each in found.problems] == [f"{NEW}/a b.provisionprofile"]
    assert len(found.profiles) == 1


def test_folders_that_do_not_exist_are_empty() -> None:
    mac = profiles_mac({}, (1, f"find: {NEW}: No such file or directory\nfind: {OLD}: No such file or directory\n"))
    assert installed_profiles(mac, Noon(), TRUSTED) == InstalledProfiles(at=NOW)


def test_folders_that_may_not_be_read_are_unknown() -> None:
    mac = profiles_mac({}, (1, f"find: {NEW}: Operation not permitted\n"))
    reading = installed_profiles(mac, Noon(), TRUSTED)
    assert isinstance(reading, Reading)
    assert "Operation not permitted" in reading.why


def test_a_home_that_is_not_known() -> None:
    reading = installed_profiles(Mac({FIND_IDENTITY: "", HOME: (1, "", "")}), Noon(), TRUSTED)
    assert isinstance(reading, Reading)
    assert "home folder" in reading.why


LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "A", "Release")


def test_what_a_lane_needs() -> None:
    place = Location("A.xcodeproj/project.pbxproj", 7)
    settings = TargetSettings(
        bundle_id=Value("com.example.app"),
        team_id=Value(TEAM),
        code_sign_style=Value("Manual"),
        code_sign_identity=Value("Apple Distribution", place),
        profile_specifier=Value("Example", place),
        extensions=(Extension("W", Value("com.example.app.widget"), Value("1"), Value("1")),),
    )
    entitlements = TargetEntitlements({"aps-environment": "production"})
    need = signing_need(settings, entitlements, Declaration(team_id="OTHER"), LANE)
    assert need == SigningNeed(
        platform=Platform.IOS,
        team_id=TEAM,
        bundle_id="com.example.app",
        extension_ids=("com.example.app.widget",),
        entitlements={"aps-environment": "production"},
        style="Manual",
        identity_name="Apple Distribution",
        identity_at=place,
        profile_specifier="Example",
        profile_at=place,
    )


def test_what_is_declared_stands_in() -> None:
    declared = Declaration(team_id=TEAM, bundle_id="com.example.app")
    need = signing_need(TargetSettings(), TargetEntitlements(), declared, LANE)
    assert (need.team_id, need.bundle_id, need.style, need.manual) == (TEAM, "com.example.app", "Automatic", False)
