"""The machine is asked in exactly the words a Mac understands, and what it cannot answer is UNKNOWN."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.checks import (
    installer_identity_is_there,
    named_profile_is_for_the_app_store,
    named_things_are_known,
)
from pipeline.apple.signing.checks.identities import identifiers_are_known, team_is_known
from pipeline.apple.signing.choice import team_of
from pipeline.apple.signing.facts import (
    BundleNeed,
    Identities,
    InstalledProfiles,
    JudgedMaterial,
    Keychain,
    Origin,
    SigningNeed,
    Unresolved,
)
from pipeline.apple.signing.gateway import (
    PROFILE_FOLDERS,
    environment_material,
    given_material,
    identities,
    installed_profiles,
    judged_material,
    keychain,
    profile_folders,
    signing_need,
)
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import Seal
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.xcode.facts import (
    Companion,
    Companions,
    Kind,
    Problem,
    ProjectProblems,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
    Value,
)
from pipeline.model import Declaration, Lane, Location, Platform, Reading, Severity, Source, UsageFault
from pipeline.ports.files import Unreadable
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import FolderHome
from pipeline.ports.secrets import EnvironmentSecrets, RehearsedSecrets
from pipeline.ports.tools import Completed, PlayedTools
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import Scenario, Standing
from tests.noon import NoonClock
from tests.rooms.signing import wallet
from tests.rooms.signing.forge import (
    DISTRIBUTION,
    NOW,
    ROOT,
    STRANGER,
    TEAM,
    WWDR,
    Forged,
    forge,
    profile_content,
    sign,
)

TRUSTED = Anchors().including("Test Root", ROOT.der)
INSTALLER = forge("Any name", WWDR, markers=("6.1.8",), usage="1.2.840.113635.100.4.9", team=TEAM)
FOR_CODE = ("security", "find-identity", "-p", "codesigning")
FOR_ALL = ("security", "find-identity", "-p", "basic")
CERTIFICATES = ("security", "find-certificate", "-a", "-Z", "-p")
PROFILE = sign(profile_content())
NEW, OLD = PROFILE_FOLDERS
PASSWORD = wallet.PASSWORD


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


LINUX = Mac({})


def mac(for_code: str = "", for_all: str = "", certificates: str = "") -> Mac:
    """A listing that ends without a count gets one: each line is an identity."""
    code, every = (
        text if " found" in text else f"{text}     {text.count(chr(10))} identities found\n"
        for text in (for_code, for_all or for_code)
    )
    return Mac({FOR_CODE: code, FOR_ALL: every, CERTIFICATES: certificates})


def line(number: int, certificate: Forged, label: str, problem: str = "") -> str:
    sha1 = hashlib.sha1(certificate.der).hexdigest().upper()
    return f'  {number}) {sha1} "{label}"' + (f" ({problem})" if problem else "") + "\n"


def held_by(tools: Mac) -> Keychain:
    found = keychain(tools, NoonClock(), TRUSTED)
    assert isinstance(found, Keychain)
    return found


def secrets_of(**environment: str) -> EnvironmentSecrets:
    return EnvironmentSecrets(environment)


def judged(named: Sequence[str], tools: Any = LINUX, **environment: str) -> JudgedMaterial:
    found = judged_material(GivenFiles(named), tools, secrets_of(**environment), TRUSTED)
    assert isinstance(found, Reading)
    assert found.value is not None
    return found.value


# Keychains


def test_identities_with_certificates_and_chains() -> None:
    listing = line(1, DISTRIBUTION, "One") + line(2, STRANGER, "Two") + f'  3) {"F" * 40} "Three"\n'
    held = held_by(mac(listing, certificates="".join(e.pem for e in (DISTRIBUTION, STRANGER, WWDR, INSTALLER))))
    one, two, three = held.identities
    assert one.certificate is not None
    assert one.authority is not None
    assert (one.label, one.trusted, one.distrust, one.certificate.team_id) == ("One", True, "", TEAM)
    assert one.authority.subject_name == "Test Worldwide Relations"
    assert (two.trusted, two.missing) == (False, "")
    assert "TestFixture" in two.distrust
    assert three.certificate is None
    assert len(held.certificates) == 4
    assert held.at == NOW


def test_an_installer_identity_is_listed_by_the_basic_policy_alone() -> None:
    basic = line(1, DISTRIBUTION, "App") + line(2, INSTALLER, "Installer") + f'  3) {"E" * 40} "com.apple.idms"\n'
    held = held_by(mac(line(1, DISTRIBUTION, "App"), basic, DISTRIBUTION.pem + INSTALLER.pem + WWDR.pem))
    assert [(each.label, each.trusted) for each in held.identities] == [("App", True), ("Installer", True)]


def test_a_code_of_the_basic_policy_does_not_count_for_what_signs_code() -> None:
    basic = line(1, DISTRIBUTION, "App", "CSSMERR_TP_SOMETHING") + line(
        2, INSTALLER, "Installer", "CSSMERR_TP_CERT_REVOKED"
    )
    held = held_by(mac(line(1, DISTRIBUTION, "App"), basic, DISTRIBUTION.pem + INSTALLER.pem))
    assert [each.problem for each in held.identities] == ["", "CSSMERR_TP_CERT_REVOKED"]


def test_a_certificate_without_its_key_is_no_identity() -> None:
    tools = mac(certificates=DISTRIBUTION.pem + INSTALLER.pem + WWDR.pem + STRANGER.pem)
    found = identities(JudgedMaterial(), tools, NoonClock(), TRUSTED)
    assert isinstance(found, Identities)
    assert found.identities == ()
    kinds = [each.certificate.kind for each in found.keyless if each.certificate]
    assert kinds == [CertificateKind.APPLE_DISTRIBUTION, CertificateKind.MAC_INSTALLER_DISTRIBUTION]


def test_an_intermediate_that_no_keychain_holds() -> None:
    held = held_by(mac(line(1, DISTRIBUTION, "One"), certificates=DISTRIBUTION.pem))
    assert held.identities[0].missing == "Test Worldwide Relations"


def test_an_empty_keychain_is_no_unknown() -> None:
    found = identities(JudgedMaterial(), mac(), NoonClock(), TRUSTED)
    assert found == Identities(at=NOW)


def test_a_tool_that_fails_is_quoted() -> None:
    tools = Mac({FOR_CODE: "", FOR_ALL: "", CERTIFICATES: (51, "", "\nsecurity: locked\nmore")})
    reading = keychain(tools, NoonClock(), TRUSTED)
    assert isinstance(reading, Reading)
    assert reading.why == "`security find-certificate` ended with status 51: security: locked"


def test_without_a_keychain_nothing_is_known(tmp_path: Path) -> None:
    home = FolderHome(tmp_path)
    for reading in (keychain(LINUX, NoonClock(), TRUSTED), profile_folders(LINUX, home, NoonClock(), TRUSTED)):
        assert isinstance(reading, Reading)
        assert (reading.source, "only on macOS" in reading.why) == (Source.UNKNOWN, True)
    told = judged_material(GivenFiles(), LINUX, secrets_of(), TRUSTED)
    assert isinstance(told, Reading)
    assert (told.value, "--file" in told.remedy) == (None, True)


def numbered(number: int) -> bytes:
    """The distribution certificate with another serial number: signed by nobody, and quick to make."""
    der = DISTRIBUTION.der
    at = der.index(b"\x02", 12) + 2
    return der[: at + 8] + number.to_bytes(4, "big") + der[at + 12 :]


def test_ten_thousand_certificates() -> None:
    many = [numbered(n) for n in range(10_000)]
    begin, end = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n"
    pem = "".join(begin + base64.b64encode(each).decode() + end for each in many)
    listing = "".join(
        f'{n:3d}) {hashlib.sha1(der).hexdigest().upper()} "Apple Distribution: Nobody [{n}]"\n'
        for n, der in enumerate(many[:500], 1)
    )
    found = identities(JudgedMaterial(), mac(listing, certificates=pem + WWDR.pem), NoonClock(), TRUSTED)
    assert isinstance(found, Identities)
    assert (len(found.identities), len(found.keyless)) == (500, 9_500)
    assert not any(each.trusted for each in found.identities), "no signature of these holds"


# Profile folders


def installed(home: Path, files: Mapping[str, bytes]) -> InstalledProfiles:
    for path, data in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(data)
    found = installed_profiles(JudgedMaterial(), mac(), FolderHome(home), NoonClock(), TRUSTED)
    assert isinstance(found, InstalledProfiles)
    return found


def test_profiles_of_both_folders_each_once(tmp_path: Path) -> None:
    found = installed(tmp_path, {f"{NEW}/a.mobileprovision": PROFILE, f"{OLD}/a.mobileprovision": PROFILE})
    assert [(each.seal, each.path) for each in found.profiles] == [(Seal.APPLE, f"~/{NEW}/a.mobileprovision")]


def test_files_that_are_no_profiles_are_problems(tmp_path: Path) -> None:
    found = installed(tmp_path, {f"{NEW}/a b.provisionprofile": b"nothing", f"{OLD}/c.provisionprofile": PROFILE})
    assert [each.path for each in found.problems] == [f"~/{NEW}/a b.provisionprofile"]
    assert len(found.profiles) == 1


def test_other_files_and_deeper_folders_are_passed_over(tmp_path: Path) -> None:
    found = installed(tmp_path, {f"{NEW}/.DS_Store": b"x", f"{NEW}/deep/a.mobileprovision": PROFILE})
    assert found == InstalledProfiles(at=NOW)


def test_folders_that_do_not_exist_are_empty(tmp_path: Path) -> None:
    assert installed(tmp_path, {}) == InstalledProfiles(at=NOW)


class Denied(FolderHome):
    def find(self, folder: str, *patterns: str) -> tuple[str, ...]:
        raise Unreadable(f"the folder ~/{folder} cannot be listed", why="Operation not permitted")


def test_folders_that_may_not_be_read_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="Operation not permitted"):
        installed_profiles(JudgedMaterial(), mac(), Denied(tmp_path), NoonClock(), TRUSTED)


# Files and environment


def files(folder: Path, contents: Mapping[str, bytes]) -> list[str]:
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in contents]


def test_the_order_of_sources(tmp_path: Path) -> None:
    environment = {"SIGNING_PROFILES": base64.b64encode(PROFILE).decode()}
    named = files(tmp_path, {"a.mobileprovision": PROFILE})
    assert judged(named, mac(), **environment).origin is Origin.FILES
    assert judged([], mac(), **environment) == JudgedMaterial(Origin.KEYCHAIN)
    assert judged([], **environment).origin is Origin.ENVIRONMENT


def test_an_identity_in_a_p12(tmp_path: Path) -> None:
    one = wallet.pair()
    named = files(tmp_path, {"dist.p12": one.p12()})
    found = judged(named, SIGNING_CERTIFICATES_PASSWORD=PASSWORD)
    assert [(each.keyed, each.fault) for each in found.materials] == [(True, None)]


def test_a_key_in_another_file_makes_an_identity(tmp_path: Path) -> None:
    """Forged with Apple's markers, so that it counts as a developer's."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = DISTRIBUTION.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    named = files(tmp_path, {"a.cer": DISTRIBUTION.der, "key.pem": key, "wwdr.cer": WWDR.der})
    found = identities(judged(named), LINUX, NoonClock(), TRUSTED)
    assert isinstance(found, Reading)
    assert found.value is not None
    assert [(each.place, each.trusted) for each in found.value.identities] == [(named[0], True)]
    assert (found.value.keyless, found.value.origin, found.source) == ((), Origin.FILES, Source.LIVE)


def test_a_certificate_without_key_among_files(tmp_path: Path) -> None:
    found = identities(judged(files(tmp_path, {"a.cer": DISTRIBUTION.der})), LINUX, NoonClock(), TRUSTED)
    assert isinstance(found, Reading)
    assert found.value is not None
    assert (len(found.value.identities), len(found.value.keyless)) == (0, 1)


def test_what_stays_shut_is_remembered(tmp_path: Path) -> None:
    named = files(tmp_path, {"dist.p12": wallet.pair().p12()})
    wrong = judged(named, SIGNING_CERTIFICATES_PASSWORD="something else")
    assert [each.fault for each in wrong.materials] == [Fault.WRONG_PASSWORD]
    found = identities(wrong, LINUX, NoonClock(), TRUSTED)
    assert isinstance(found, Reading)
    assert found.value is not None
    assert found.value.shut == tuple(named)
    assert [each.fault for each in judged(named).materials] == [Fault.PASSWORD_NEEDED]


def test_the_password_of_a_simulated_mac_opens_no_real_file(tmp_path: Path) -> None:
    named = files(tmp_path, {"dist.p12": wallet.pair().p12()})
    simulated = RehearsedSecrets({}, lambda: {"SIGNING_CERTIFICATES_PASSWORD": "simulated"})
    found = given_material(GivenFiles(named), simulated, TRUSTED)
    assert found.source is Source.LIVE
    assert found.value is not None
    assert [each.fault for each in found.value.materials] == [Fault.PASSWORD_NEEDED]


def test_profiles_among_files_each_once(tmp_path: Path) -> None:
    named = files(tmp_path, {"a.mobileprovision": PROFILE, "b": PROFILE, "c": sign(profile_content(), STRANGER, ())})
    found = installed_profiles(judged(named), LINUX, FolderHome(tmp_path), NoonClock(), TRUSTED)
    assert isinstance(found, Reading)
    assert found.value is not None
    assert [(each.path, each.seal) for each in found.value.profiles] == [
        (named[0], Seal.APPLE),
        (named[2], Seal.FOREIGN),
    ]


def test_in_a_folder_only_what_claims_to_be_material_is_told(tmp_path: Path) -> None:
    contents = {
        "README.md": b"# hello",
        "broken.mobileprovision": PROFILE[:-50],
        "empty.p12": b"",
        "photo.jpg": b"\xff\xd8\xff\xe0" + b"\0" * 64,
        "tool": b"\xcf\xfa\xed\xfe" + b"\0" * 64,
    }
    files(tmp_path / "certs", contents)
    found = judged([str(tmp_path / "certs")])
    assert [Path(each.origin).name for each in found.materials] == ["broken.mobileprovision", "empty.p12"]
    assert {each.fault for each in found.materials} == {Fault.UNREADABLE}
    assert not any(found.names(each) for each in found.materials)


def test_a_named_file_that_is_no_material_is_told(tmp_path: Path) -> None:
    named = files(
        tmp_path, {"README.md": b"# hello", "tool": b"\xcf\xfa\xed\xfe" + b"\0" * 64, "App.ipa": b"PK\x03\x04"}
    )
    found = judged(named)
    assert [(each.origin, each.fault) for each in found.materials][:1] == [(named[0], Fault.UNREADABLE)]
    assert named[1] not in [each.origin for each in found.materials], "code is another room's"
    assert all(found.names(each) for each in found.materials)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="there is no such file"):
        judged([str(tmp_path / "nothing.p12")])


def test_secrets_in_base64_over_many_lines() -> None:
    found = judged(
        [],
        SIGNING_CERTIFICATES=base64.encodebytes(wallet.pair().p12()).decode(),
        SIGNING_CERTIFICATES_PASSWORD=PASSWORD,
        SIGNING_PROFILES=base64.encodebytes(PROFILE).decode(),
    )
    assert [(each.origin, each.keyed, bool(each.profile)) for each in found.materials] == [
        ("$SIGNING_CERTIFICATES", True, False),
        ("$SIGNING_PROFILES", None, True),
    ]
    assert found.named == ("$SIGNING_CERTIFICATES", "$SIGNING_PROFILES")


@pytest.mark.parametrize("text", ["not base64!", "aGVsbG8=", "-----BEGIN CERTIFICATE-----\nxx\n"])
def test_secrets_that_hold_nothing_are_told(text: str) -> None:
    found = environment_material(secrets_of(SIGNING_CERTIFICATES=text), TRUSTED)
    assert [(each.origin, each.fault) for each in found.materials] == [("$SIGNING_CERTIFICATES", Fault.UNREADABLE)]


def every_value(thing: Any) -> list[Any]:
    if is_dataclass(thing) and not isinstance(thing, type):
        return [value for each in fields(thing) for value in every_value(getattr(thing, each.name))]
    if isinstance(thing, Mapping):
        return [value for each in (*thing.keys(), *thing.values()) for value in every_value(each)]
    if isinstance(thing, (list, tuple, set, frozenset)):
        return [value for each in thing for value in every_value(each)]
    return [thing]


def test_facts_hold_no_key_and_no_password(tmp_path: Path) -> None:
    one, two = wallet.pair(), wallet.small_pair()
    named = files(tmp_path, {"dist.p12": one.p12(), "key.pem": two.key_pem, "cert.cer": two.cer})
    environment = {
        "SIGNING_CERTIFICATES": base64.b64encode(one.p12()).decode(),
        "SIGNING_CERTIFICATES_PASSWORD": PASSWORD,
    }
    lot = judged(named, **environment)
    facts = (
        lot,
        identities(lot, LINUX, NoonClock(), TRUSTED),
        environment_material(secrets_of(**environment), TRUSTED),
    )
    numbers = one.private.private_numbers(), two.private.private_numbers()
    canaries = [PASSWORD.encode(), one.key, two.key, one.key_pem, two.key_pem]
    canaries += [str(number).encode() for number in (getattr(numbers[0], "d", 0), numbers[1].private_value)]  # type: ignore[union-attr]
    seen = b"\n".join(v if isinstance(v, bytes) else repr(v).encode() for v in every_value(facts))
    assert not [each for each in canaries if each in seen or base64.b64encode(each) in seen]


# The simulated Mac


def simulated(home: Path, **scenario: Any) -> tuple[PlayedTools, FolderHome, Anchors, Machine]:
    machine = Machine(home, team_id=TEAM, scenario=Scenario(**scenario), now=lambda: NOW)
    anchors = TRUSTED.including("the rehearsal's own root", machine.authority.root)
    return PlayedTools(machine.run, machine.find), FolderHome(home, Source.SIMULATED), anchors, machine


def test_the_simulated_mac_has_an_installer_identity(tmp_path: Path) -> None:
    tools, _, anchors, _ = simulated(tmp_path)
    found = identities(JudgedMaterial(), tools, NoonClock(), anchors)
    assert isinstance(found, Identities)
    kinds = {each.certificate.kind: each.trusted for each in found.identities if each.certificate}
    assert kinds[CertificateKind.MAC_INSTALLER_DISTRIBUTION] is True
    assert kinds[CertificateKind.APPLE_DISTRIBUTION] is True
    assert found.keyless == ()
    need = SigningNeed(Platform.MAC_OS, team_id=TEAM, bundle_id="com.example.app")
    assert list(installer_identity_is_there(found, need)) == []


def test_a_simulated_mac_without_one(tmp_path: Path) -> None:
    tools, _, anchors, _ = simulated(tmp_path, installer=Standing.MISSING, distribution=Standing.REVOKED)
    found = identities(JudgedMaterial(), tools, NoonClock(), anchors)
    assert isinstance(found, Identities)
    need = SigningNeed(Platform.MAC_OS, team_id=TEAM, bundle_id="com.example.app")
    assert [each.severity.value for each in installer_identity_is_there(found, need)] == ["ERROR"]
    assert "CSSMERR_TP_CERT_REVOKED" in {each.problem for each in found.identities}


def test_the_profiles_of_a_simulated_mac(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[3] / "pipeline" / "simulator" / "sample"
    machine = Machine(tmp_path, team_id=TEAM, projects=sorted(project.rglob("*.xcodeproj")), now=lambda: NOW)
    assert machine.keychain.profiles
    anchors = TRUSTED.including("the rehearsal's own root", machine.authority.root)
    home = FolderHome(machine.home, Source.SIMULATED)
    found = installed_profiles(JudgedMaterial(), PlayedTools(machine.run, machine.find), home, NoonClock(), anchors)
    assert isinstance(found, InstalledProfiles)
    assert {each.seal for each in found.profiles} == {Seal.APPLE}
    need = SigningNeed(bundle_id=found.profiles[0].bundle_id, style="Manual", profile_specifier="no such")
    assert list(named_profile_is_for_the_app_store(found, need)) == []


# What a lane needs

LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "A", "Release")


def test_what_a_lane_needs() -> None:
    place = Location("A.xcodeproj/project.pbxproj", 7)
    settings = TargetSettings(
        bundle_id=Value("com.example.app"),
        team_id=Value(TEAM),
        code_sign_style=Value("Manual"),
        code_sign_identity=Value("Apple Distribution", place),
        profile_specifier=Value("Example", place),
    )
    entitlements = TargetEntitlements(
        {"aps-environment": "production", "keychain-access-groups": [f"{TEAM}.shared"]},
        prefixed={"keychain-access-groups": ["$(AppIdentifierPrefix)shared"]},
    )
    widget = TargetSettings(
        bundle_id=Value("com.example.app.widget"),
        team_id=Value(TEAM),
        code_sign_style=Value("Manual"),
        profile_specifier=Value("Widget", place),
    )
    groups = TargetEntitlements({"com.apple.security.application-groups": ["group.a"]}, {"x": place})
    inside = Companions(
        (
            Companion("W", settings=widget, entitlements=groups),
            Companion("Watch", Kind.WATCH_APP, sdk="watchos", settings=TargetSettings(bundle_id=Value("a.watch"))),
            Companion("C", settings=TargetSettings(bundle_id=Value("a.c")), unread=("entitlements",)),
            Companion("Nameless"),
            Companion("Kit", Kind.FRAMEWORK, settings=TargetSettings(bundle_id=Value("a.kit"))),
            Companion("Plain", Kind.HELPER, settings=TargetSettings(bundle_id=Value("a.plain"))),
            Companion("Help", Kind.HELPER, settings=TargetSettings(bundle_id=Value("a.help")), entitlements=groups),
            Companion("Serve", Kind.SERVICE, settings=TargetSettings(bundle_id=Value("a.serve")), entitlements=groups),
            Companion("Idle", Kind.SERVICE, settings=TargetSettings(bundle_id=Value("a.idle"))),
        )
    )
    need = signing_need(settings, entitlements, inside, Declaration(), LANE)
    assert need == SigningNeed(
        platform=Platform.IOS,
        team_id=TEAM,
        bundle_id="com.example.app",
        inside=(
            BundleNeed(
                "com.example.app.widget",
                TEAM,
                "Manual",
                "Widget",
                place,
                entitlements=groups.values,
                places={"x": place},
            ),
            BundleNeed("a.watch"),
            BundleNeed("a.c", unread=True),
            BundleNeed("a.help", entitlements=groups.values, places={"x": place}),
            BundleNeed("a.serve", entitlements=groups.values, places={"x": place}),
        ),
        entitlements={"aps-environment": "production", "keychain-access-groups": ["$(AppIdentifierPrefix)shared"]},
        style="Manual",
        identity_name="Apple Distribution",
        identity_at=place,
        profile_specifier="Example",
        profile_at=place,
        unresolved=(Unresolved("PRODUCT_BUNDLE_IDENTIFIER", "Nameless"),),
    )
    assert [each.specifier for each in need.bundles] == ["Example", "Widget", "", "", "", ""]
    assert [each.bundle_id for each in need.bundles if each.manual] == ["com.example.app", "com.example.app.widget"]


@pytest.mark.parametrize(("kind", "known"), [("missing", False), ("optional", True)])
def test_how_it_is_signed_may_stand_in_a_file_that_is_not_here(kind: str, known: bool) -> None:
    settings = TargetSettings(
        bundle_id=Value("com.example.app"), code_sign_style=Value("Automatic", hidden=("Signing.xcconfig",))
    )
    problem = Problem("missing-base", "it is not here", **{kind: "Signing.xcconfig"})
    need = signing_need(
        settings,
        TargetEntitlements(),
        Companions(),
        Declaration(team_id=TEAM),
        LANE,
        problems=Reading.of(ProjectProblems((problem,))),
    )
    hidden = () if known else (Unresolved("CODE_SIGN_STYLE", hidden=("Signing.xcconfig",)),)
    assert need.unresolved == hidden


def test_what_is_declared_stands_in() -> None:
    declared = Declaration(team_id=TEAM, bundle_id="com.example.app")
    need = signing_need(TargetSettings(), TargetEntitlements(), Companions(), declared, LANE)
    assert (need.team_id, need.bundle_id, need.style, need.manual) == (TEAM, "com.example.app", "Automatic", False)


def test_the_team_that_is_declared_is_everybodys() -> None:
    """The archive is given it on xcodebuild's command line."""
    other = TargetSettings(bundle_id=Value("com.example.app"), team_id=Value("OTHER12345"))
    inside = Companions((Companion("W", settings=replace(other, bundle_id=Value("com.example.app.widget"))),))
    need = signing_need(other, TargetEntitlements(), inside, Declaration(team_id=TEAM), LANE)
    assert [team_of(each, need) for each in need.bundles] == [TEAM, TEAM]
    [finding] = team_is_known(need, other, Declaration(team_id=TEAM))
    assert finding.summary == f"config declares the team {TEAM}, the project says OTHER12345"
    alone = signing_need(other, TargetEntitlements(), inside, Declaration(), LANE)
    assert [team_of(each, alone) for each in alone.bundles] == ["OTHER12345", "OTHER12345"]


def opened(text: str, *names: str) -> Value:
    return Value(text, Location("A.xcodeproj/project.pbxproj", 7), names, composed=True)


@pytest.mark.parametrize("text", ["", ".app", "com.example.", "com..app", "-app"])
def test_an_identifier_with_a_hole_is_not_known(text: str) -> None:
    settings = TargetSettings(bundle_id=opened(text, "ORG"))
    widget = Companion("W", settings=TargetSettings(bundle_id=opened(f"{text}.", "ORG")))
    need = signing_need(settings, TargetEntitlements(), Companions((widget,)), Declaration(), LANE)
    assert need.bundles == ()
    assert [(each.whose, each.names) for each in need.unresolved] == [("", ("ORG",)), ("W", ("ORG",))]
    [finding] = identifiers_are_known(need)
    assert finding.severity is Severity.UNKNOWN
    assert finding.summary == (
        "PRODUCT_BUNDLE_IDENTIFIER of the app and W refers to ORG, which nothing here defines, "
        "so which profile is needed is not known"
    )


def test_a_suffix_that_is_empty_is_meant_to_be() -> None:
    settings = TargetSettings(
        bundle_id=opened("com.example.app", "SUFFIX"),
        code_sign_style=Value("manual"),
        profile_specifier=opened("Example App Store", "SUFFIX"),
        code_sign_identity=opened("Apple Distribution", "SUFFIX"),
    )
    need = signing_need(settings, TargetEntitlements(), Companions(), Declaration(), LANE)
    assert need.unresolved == ()
    [app] = need.bundles
    assert (app.bundle_id, app.specifier, app.identity_name, app.manual) == (
        "com.example.app", "Example App Store", "Apple Distribution", True,
    )  # fmt: skip


def test_a_suffix_that_a_missing_file_may_define_is_not_known() -> None:
    settings = TargetSettings(bundle_id=opened("com.example.app", "SUFFIX"))
    missing = Reading.of(ProjectProblems((Problem("missing-base", "it is not here", missing="Own.xcconfig"),)))
    need = signing_need(settings, TargetEntitlements(), Companions(), Declaration(), LANE, problems=missing)
    assert [each.setting for each in need.unresolved] == ["PRODUCT_BUNDLE_IDENTIFIER"]


def test_the_info_plist_names_what_no_setting_does() -> None:
    info = Reading.of(TargetInfo({"CFBundleIdentifier": "com.example.app"}))
    need = signing_need(TargetSettings(), TargetEntitlements(), Companions(), Declaration(), LANE, info=info)
    assert (need.bundle_id, need.unresolved) == ("com.example.app", ())


@pytest.mark.parametrize("style", ["Manual", "MANUAL", "Automatic"])
def test_a_profile_and_an_identity_that_nothing_defines_are_not_known(style: str) -> None:
    settings = TargetSettings(
        bundle_id=Value("com.example.app"),
        code_sign_style=Value(style),
        profile_specifier=opened("", "PROFILE"),
        code_sign_identity=opened("", "IDENTITY"),
    )
    need = signing_need(settings, TargetEntitlements(), Companions(), Declaration(), LANE)
    told = [finding.subject for finding in named_things_are_known(need)]
    assert told == (["PROVISIONING_PROFILE_SPECIFIER", "CODE_SIGN_IDENTITY"] if need.manual else [])
    assert need.manual is (style != "Automatic")
    assert need.identity_at is None


def test_a_listing_that_a_name_imitates_is_not_believed() -> None:
    evil = line(1, INSTALLER, 'x"\n' + line(9, DISTRIBUTION, "Example").removesuffix('"\n'))
    evil += "     1 identities found\n"
    reading = keychain(mac(evil, certificates=INSTALLER.pem + DISTRIBUTION.pem), NoonClock(), TRUSTED)
    assert isinstance(reading, Reading)
    assert reading.why.startswith("The identities of the keychain cannot be told apart: ")


def test_a_material_in_an_archive_belongs_to_the_archive_that_was_named() -> None:
    lot = JudgedMaterial(Origin.FILES, (), ("all.zip",))
    assert lot.names(Material("all.zip#12", part=12))
    assert not lot.names(Material("all.zip/other", part=0))
