"""Everything that was found, each thing once: what replaces what, what is judged, and how the tables tell it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.certificates import Certificate, CertificateKind, read_certificate
from pipeline.apple.signing.checks import holdings as checks
from pipeline.apple.signing.choice import KIND_NAMES
from pipeline.apple.signing.facts import (
    GivenMaterial,
    Identity,
    JudgedMaterial,
    Keychain,
    ProfileFolders,
    ProfileProblem,
    SigningPolicy,
)
from pipeline.apple.signing.gateway import given_material
from pipeline.apple.signing.holdings import Found, Holdings, Lot, Register, folded, in_files, in_folders, in_keychain
from pipeline.apple.signing.identities import judged_in_materials
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal, read_profile
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.model import Exhibit, Finding, Reading, Tone
from pipeline.ports.given import GivenFiles
from pipeline.ports.secrets import EnvironmentSecrets
from pipeline.stages.holdings import authorities, certificates, profiles
from tests.rooms.signing.forge import (
    CODE_SIGNING,
    DISTRIBUTION,
    NOW,
    ROOT,
    STRANGER,
    TEAM,
    WWDR,
    forge,
    profile_content,
    sign,
)

TRUSTED = Anchors().including("Test Root", ROOT.der)
DAY = timedelta(days=1)
SHARED = Path(os.environ.get("SHARED_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data") / "signing"


def held(*found: Found, at: datetime = NOW) -> Holdings:
    return folded([Lot(found, ("here",))], TRUSTED, at)


def certified(der: bytes, place: str = "a.cer", keyed: bool | None = True, **more: object) -> Found:
    certificate = read_certificate(der)
    material = Material(place, certificate, keyed, public_key_sha256=certificate.public_key_sha256)
    return replace(Found(material), **more)  # type: ignore[arg-type]


def distribution(
    days: int,
    *,
    team: str = TEAM,
    markers: Iterable[str] = ("6.1.7", "6.1.4"),
    begins: datetime = NOW - 400 * DAY,
) -> bytes:
    return forge(
        f"Apple Distribution: Example ({team})",
        WWDR,
        markers=markers,
        usage=CODE_SIGNING,
        team=team,
        begins=begins,
        ends=NOW + days * DAY,
        key=4,
    ).der


ISSUER = certified(WWDR.der, "wwdr.cer", keyed=None)


def profiled(days: int, name: str = "Example", bundle_id: str = "com.example.app", uuid: str = "1") -> Found:
    profile = ProvisioningProfile(
        uuid=uuid,
        name=name,
        kind=ProfileKind.APP_STORE,
        team_ids=(TEAM,),
        application_identifier=f"{TEAM}.{bundle_id}",
        bundle_id=bundle_id,
        platforms=("iOS",),
        expires=NOW + days * DAY,
        seal=Seal.APPLE,
    )
    return Found(Material(f"{uuid}.mobileprovision", profile=profile))


def said(holdings: Holdings, within: int = 30) -> list[tuple[str, str]]:
    found: list[tuple[str, Finding]] = []
    for rule in (
        checks.something_was_looked_at,
        checks.everything_can_be_read,
        checks.everything_is_apples,
        checks.nothing_is_refused_without_a_substitute,
    ):
        found += [(rule.check_mark.rule, each) for each in rule(holdings)]  # type: ignore[attr-defined]
    policy = SigningPolicy(expires_within=within * DAY)
    for judge in (checks.certificates_last, checks.profiles_last, checks.authorities_last):
        found += [(judge.check_mark.rule, each) for each in judge(holdings, policy)]  # type: ignore[attr-defined]
    return [(rule, each.summary) for rule, each in found]


def test_one_certificate_at_three_places_is_one() -> None:
    found = held(
        certified(DISTRIBUTION.der, "keychain", keyed=False, judged=False),
        certified(DISTRIBUTION.der, "a.cer", keyed=None),
        certified(DISTRIBUTION.der, "dist.p12"),
    )
    (one,) = found.certificates
    assert (one.places, one.keyed, one.judged) == (("keychain", "a.cer", "dist.p12"), True, True)


def test_a_key_at_one_place_and_its_certificate_at_another() -> None:
    certificate = read_certificate(DISTRIBUTION.der)
    key = Material("key.pem", key_only=True, public_key_sha256=certificate.public_key_sha256)
    found = held(certified(DISTRIBUTION.der, keyed=False), Found(key))
    assert [each.keyed for each in found.certificates] == [True]
    assert found.lone_keys == ()


def test_a_key_without_a_certificate() -> None:
    key = Material("key.pem", key_only=True, public_key_sha256="77")
    found = held(Found(key), Found(replace(key, origin="copy.pem")))
    assert [each.origin for each in found.lone_keys] == ["key.pem"]


@pytest.mark.parametrize(
    ("other", "replaced"),
    [
        (distribution(300), True),
        (distribution(300, team="OTHER12345"), False),
        (distribution(300, markers=("6.1.4",)), False),
        (distribution(300, markers=("6.1.13",)), False),
        (distribution(-20), False),
    ],
    ids=["newer", "another team's", "iPhone Distribution", "Developer ID", "older"],
)
def test_what_takes_whose_place(other: bytes, replaced: bool) -> None:
    found = held(certified(distribution(-10)), certified(other, "b.cer"), ISSUER)
    old = next(each for each in found.certificates if each.certificate.not_after == NOW - 10 * DAY)
    assert old.successor is replaced
    assert any("expired on 2026-11-10" in told for _, told in said(found)) is not replaced


def is_replaced(old: bytes, *others: bytes, at: datetime = NOW) -> bool:
    found = held(certified(old), *(certified(each, f"{n}.p12") for n, each in enumerate(others)), ISSUER, at=at)
    sha256 = read_certificate(old).sha256
    return next(each.successor for each in found.certificates if each.certificate.sha256 == sha256)


def test_a_successor_covers_all_platforms() -> None:
    def ios(days: int) -> bytes:
        return distribution(days, markers=("6.1.4",))

    def mac(days: int) -> bytes:
        return distribution(days, markers=("6.1.7",))

    assert read_certificate(ios(4)).kind is CertificateKind.IOS_DISTRIBUTION
    assert read_certificate(mac(4)).kind is CertificateKind.MAC_APP_DISTRIBUTION
    assert not is_replaced(mac(4), ios(300)), "an iPhone Distribution signs no Mac app"
    assert is_replaced(mac(4), distribution(300))
    assert is_replaced(ios(4), distribution(300))
    assert not is_replaced(distribution(4), ios(300))
    assert is_replaced(distribution(4), ios(300), mac(301)), "the two together sign all that it signs"


def test_a_successor_has_begun_by_then() -> None:
    old = distribution(4)
    late = [distribution(300, begins=NOW + days * DAY) for days in (20, 4, 3)]
    assert [is_replaced(old, each) for each in late] == [False, True, True]
    assert is_replaced(distribution(-10), distribution(300, begins=NOW - DAY)), "the gap is over"


def test_a_successor_is_apples() -> None:
    own = forge(
        f"Apple Distribution: Example ({TEAM})",
        STRANGER,
        markers=("6.1.7", "6.1.4"),
        usage=CODE_SIGNING,
        team=TEAM,
        begins=NOW - 400 * DAY,
        ends=NOW + 300 * DAY,
        key=8,
    ).der
    assert not is_replaced(distribution(-10), own)
    found = held(certified(distribution(-10)), certified(distribution(300), "b.p12"))
    assert not any(each.successor for each in found.certificates), "nothing is known of one whose issuer is missing"


def signed_with(days: int, *ends: int, uuid: str = "1") -> Found:
    found = profiled(days, uuid=uuid)
    assert found.material.profile is not None
    certificates = tuple(read_certificate(distribution(each)) for each in ends)
    profile = replace(found.material.profile, developer_certificates=certificates)
    return replace(found, material=replace(found.material, profile=profile))


def test_a_profile_ends_with_its_last_certificate() -> None:
    found = held(signed_with(300, -20, -2))
    assert said(found) == [("SIGN027", "the last certificate in the profile “Example” expired on 2026-11-18")]
    shown = profiles(found, SigningPolicy())
    assert (texts(shown, "Days"), texts(shown, "Expires")) == (["-2*"], ["2026-11-18"])
    assert (shown.rows[0][0].value, shown.rows[0][0].tone) == (-2, Tone.BAD)
    assert shown.legend == ("*: its last certificate ends then, before the profile itself",)
    lasting = held(signed_with(300, -2, 200))
    assert said(lasting) == []
    assert texts(profiles(lasting, SigningPolicy()), "Days") == ["200*"]
    longer = profiles(held(signed_with(5, 200)), SigningPolicy())
    assert (texts(longer, "Days"), longer.legend) == (["5"], ())


def test_what_replaces_a_profile_has_certificates_that_last() -> None:
    dead = held(profiled(5), signed_with(300, -2, uuid="2"))
    assert [each.successor for each in dead.profiles] == [True, False], "the dead one ended first"
    assert [told for _, told in said(dead)] == ["the profile “Example” expires on 2026-11-25, in 5 days"]


def test_certificates_of_others_in_files_are_shown_and_not_judged() -> None:
    lone = certified(distribution(-10), keyed=False).material
    found = folded([in_files(GivenMaterial((lone,), ("a.cer",)))], TRUSTED, NOW)
    assert [(each.keyed, each.judged) for each in found.certificates] == [(False, False)]
    assert said(found) == []
    key = Material("key.pem", key_only=True, public_key_sha256=lone.public_key_sha256)
    ours = [in_files(GivenMaterial((lone,), ("a.cer",))), Lot((Found(key),), ("here",))]
    assert [rule for rule, _ in said(folded(ours, TRUSTED, NOW)) if rule == "SIGN026"] == ["SIGN026"]


def test_a_named_place_that_gave_nothing_was_not_seen() -> None:
    found = certified(distribution(300), "certs/all.zip#2").material
    given = GivenMaterial((replace(found, part=2),), ("./certs/", "certs/all.zip", "empty", "App.ipa"))
    lot = in_files(given, ["App.ipa"])
    assert [each.place for each in lot.gaps] == ["empty"]
    assert said(folded([lot, Lot((ISSUER,))], TRUSTED, NOW)) == [
        ("SIGN025", "empty: there is nothing to sign with in it")
    ]
    assert in_files(GivenMaterial((found,), (".",))).gaps == ()


def test_another_companys_authority_is_counted() -> None:
    corporate = Found(Material("ca.p12", read_certificate(forge("Example Corporate CA", authority=True, key=9).der)))
    shown = certificates(folded([Lot((corporate,), ("ca.p12",))], TRUSTED, NOW), SigningPolicy())
    assert shown.empty == "no developer's certificates in ca.p12, only a certificate of an authority other than Apple"
    apples = certificates(folded([Lot((ISSUER,), ("w.cer",))], TRUSTED, NOW), SigningPolicy())
    assert apples.empty == "no certificates in w.cer"


def test_above_a_forged_certificate_is_no_authority_of_apples() -> None:
    stranger = forge("Somebody's Root", authority=True, key=9)
    forged = forge("Apple Distribution: X", stranger, markers=("6.1.7", "6.1.4"), usage=CODE_SIGNING, key=8).der
    assert held(certified(forged), certified(stranger.der, "s.cer")).authorities == ()


def test_one_without_its_key_takes_nobodys_place() -> None:
    found = held(certified(distribution(-10)), certified(distribution(300), "b.cer", keyed=False))
    assert [each.successor for each in found.certificates] == [False, False]


def test_what_replaces_a_profile() -> None:
    assert [each.successor for each in held(profiled(5), profiled(300, uuid="2")).profiles] == [True, False]
    renamed = held(profiled(5), profiled(300, name="New", uuid="2"))
    assert [each.successor for each in renamed.profiles] == [True, False]
    moved = held(profiled(5), profiled(300, bundle_id="com.example.*", uuid="2"))
    assert [each.successor for each in moved.profiles] == [True, False], "of the same name"
    others = held(profiled(5), profiled(300, name="New", bundle_id="com.other", uuid="2"))
    assert said(others) == [("SIGN027", "the profile “Example” expires on 2026-11-25, in 5 days")]


def test_authorities_of_what_is_in_date() -> None:
    found = held(
        certified(distribution(200)), certified(distribution(-10), "b.cer"), certified(WWDR.der, "wwdr.cer", keyed=None)
    )
    assert [each.subject_name for each in found.authorities] == ["Test Worldwide Relations"]
    assert [each.certificate.kind for each in found.certificates] == [CertificateKind.APPLE_DISTRIBUTION] * 2


def test_a_companys_own_authority_is_none_of_ours() -> None:
    corporate = forge("Example Corporate CA", authority=True, key=9)
    found = held(certified(corporate.der, keyed=None))
    assert (found.certificates, found.authorities) == ((), ())


def test_forged_and_untraced_are_told_apart() -> None:
    forged = forge("Apple Distribution: X", STRANGER, markers=("6.1.7", "6.1.4"), usage=CODE_SIGNING, key=8).der
    found = held(certified(forged), certified(distribution(200), "b.cer"), certified(WWDR.der, "wwdr.cer"))
    assert sorted((each.places, each.trusted) for each in found.certificates) == [
        (("a.cer",), None),
        (("b.cer",), True),
    ]
    assert ["cannot be traced" in told for _, told in said(found)] == [True]
    stranger = forge("Somebody's Root", authority=True, key=9)
    forged = forge("Apple Distribution: X", stranger, markers=("6.1.7", "6.1.4"), usage=CODE_SIGNING, key=8).der
    again = held(certified(forged), certified(stranger.der, "s.cer"))
    assert ["is not Apple's" in told for _, told in said(again)] == [True]


def test_keychains_folders_and_what_could_not_be_seen() -> None:
    certificate = read_certificate(DISTRIBUTION.der)
    keychain = Keychain(
        (Identity(certificate.sha1, "x", "CSSMERR_TP_CERT_REVOKED", certificate),),
        (certificate, read_certificate(WWDR.der)),
    )
    folders = ProfileFolders(problems=(ProfileProblem("~/p/x.mobileprovision", "it breaks off"),))
    found = folded([in_keychain(Reading.of(keychain)), in_folders(Reading.of(folders))], TRUSTED, NOW)
    assert (found.looked, found.unseen) == (("keychains", "profile folders"), ())
    assert [(each.problem, each.judged, each.keyed) for each in found.certificates] == [
        ("CSSMERR_TP_CERT_REVOKED", True, True)
    ]
    assert [rule for rule, _ in said(found)] == ["SIGN028", "SIGN034"]
    unseen = folded([in_keychain(Reading.unknown(Keychain, "no Mac"))], TRUSTED, NOW)
    assert said(unseen) == [("SIGN025", "nothing was looked at: keychains (no Mac)")]


def test_colleagues_certificates_in_the_keychain_are_shown_and_not_judged() -> None:
    certificate = read_certificate(distribution(-10))
    found = folded([in_keychain(Reading.of(Keychain((), (certificate,))))], TRUSTED, NOW)
    assert [(each.keyed, each.judged) for each in found.certificates] == [(False, False)]
    assert said(found) == []


# The tables


def texts(exhibit: Exhibit, column: str) -> list[str]:
    at = [each.title for each in exhibit.columns].index(column)
    return [row[at].text for row in exhibit.rows]


def test_the_table_of_certificates() -> None:
    found = held(
        certified(distribution(300), "keychain"),
        certified(distribution(-10, team="OTHER12345"), "old.p12"),
        certified(distribution(12, markers=("6.1.13",)), "id.p12", keyed=False),
        certified(WWDR.der, "wwdr.cer"),
        Found(Material("key.pem", key_only=True, public_key_sha256="77")),
        Found(Material("shut.p12", fault=Fault.WRONG_PASSWORD)),
    )
    shown = certificates(found, SigningPolicy())
    assert texts(shown, "Days") == ["-10", "12", "300", "–", "–"]
    assert texts(shown, "State") == ["expired", "ends soon", "valid", "unpaired", "locked"]
    assert texts(shown, "Name")[:3] == ["Example", "Example", "Example"]
    assert texts(shown, "Kind") == [
        "Apple Distribution",
        "Developer ID Application",
        "Apple Distribution",
        "private key",
        "",
    ]
    assert texts(shown, "Where") == ["old.p12", "id.p12", "keychain", "key.pem", "shut.p12"]
    assert texts(shown, "Key") == ["yes", "no", "yes", "yes", "?"]
    tones = [row[0].tone for row in shown.rows]
    assert tones[:3] == [Tone.BAD, Tone.CAUTION, Tone.GOOD]
    assert [row[0].value for row in shown.rows][:3] == [-10, 12, 300]
    assert [each.partition(":")[0] for each in shown.legend] == ["unpaired", "locked"]
    assert shown.rows[0][3].value == "Apple Distribution: Example (OTHER12345)"


def test_the_table_of_profiles() -> None:
    installed = profiled(10, uuid="2", bundle_id="com.example.b", name="B")
    place = "~/Library/Developer/Xcode/UserData/Provisioning Profiles/2.mobileprovision"
    found = held(
        profiled(-10),
        replace(installed, material=replace(installed.material, origin=place)),
        profiled(400, "C", "c", "3"),
    )
    shown = profiles(found, SigningPolicy())
    assert texts(shown, "Days") == ["-10", "10", "400"]
    assert [row[0].tone for row in shown.rows] == [Tone.BAD, Tone.CAUTION, Tone.GOOD]
    assert texts(shown, "Where") == ["1.mob…", "installed", "3.mob…"]
    where = [each.title for each in shown.columns].index("Where")
    assert [row[where].value for row in shown.rows] == ["1.mobileprovision", place, "3.mobileprovision"]
    assert all(row[where].several for row in shown.rows)
    assert texts(shown, "Seal") == ["Apple's"] * 3


def test_the_table_of_authorities() -> None:
    shown = authorities(held(certified(distribution(200)), certified(WWDR.der, "w.cer")), SigningPolicy())
    assert texts(shown, "Name") == ["Test Worldwide Relations"]


def test_tables_without_rows_say_where_was_looked() -> None:
    nothing = folded([Lot((), ("certs",)), Lot(unseen="keychains", why="no Mac")], TRUSTED, NOW)
    assert certificates(nothing, SigningPolicy()).empty == "no certificates in certs"
    assert certificates(nothing, SigningPolicy()).note == "Not looked at: keychains (no Mac)."
    assert profiles(nothing, SigningPolicy()).empty == "no profiles in certs"
    assert certificates(Holdings(at=NOW), SigningPolicy()).empty == "nothing was looked at"


@pytest.mark.parametrize("end", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_time(end: datetime) -> None:
    certificate = replace(read_certificate(DISTRIBUTION.der), not_after=end)
    found = held(Found(Material("a", certificate, keyed=True)), replace(profiled(1), judged=True))
    strange = replace(found.profiles[0], profile=replace(found.profiles[0].profile, expires=end))
    told = replace(found, profiles=(strange,), authorities=(certificate,))
    for exhibit in (certificates, profiles, authorities):
        assert exhibit(told, SigningPolicy()).rows
    assert said(told) is not None


moments = st.integers(-3_000, 3_000).map(lambda days: NOW + days * DAY)
anything = st.builds(
    Found,
    st.builds(
        Material,
        origin=st.sampled_from(["keychain", "a.p12", "~/Library/x", "$SIGNING_CERTIFICATES#2"]),
        certificate=st.none()
        | st.builds(
            Certificate,
            der=st.just(b"\x30\x00"),
            sha256=st.text("ab", min_size=1, max_size=3),
            kind=st.sampled_from([*KIND_NAMES, CertificateKind.OTHER, CertificateKind.PUSH]),
            subject_name=st.text(max_size=20),
            team_id=st.sampled_from([TEAM, ""]),
            not_before=st.just(NOW - 4_000 * DAY),
            not_after=moments,
            public_key_sha256=st.sampled_from(["1", "2", "3"]),
        ),
        keyed=st.sampled_from([True, False, None]),
        profile=st.none()
        | st.builds(
            ProvisioningProfile,
            uuid=st.sampled_from(["1", "2"]),
            name=st.text(max_size=8),
            kind=st.sampled_from(ProfileKind),
            expires=moments,
            seal=st.sampled_from(Seal),
        ),
        key_only=st.booleans(),
        public_key_sha256=st.sampled_from(["1", "2", "3", ""]),
        fault=st.none() | st.sampled_from(Fault),
    ),
    problem=st.sampled_from(["", "CSSMERR_TP_CERT_REVOKED", "CSSMERR_TP_NEW"]),
    judged=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(anything, max_size=12))
def test_nothing_that_was_found_is_lost(found: list[Found]) -> None:
    told = held(*found)
    digests = {each.material.certificate.sha256 for each in found if each.material.certificate}
    assert sorted(each.certificate.sha256 for each in told.certificates) == sorted(digests)
    assert len(told.profiles) <= sum(1 for each in found if each.material.profile)
    ends = [each.certificate.not_after for each in told.certificates]
    assert ends == sorted(ends)
    for exhibit in (certificates, profiles, authorities):
        shown = exhibit(told, SigningPolicy())
        assert all(cell.text == "" or cell.text.isprintable() or cell.text for row in shown.rows for cell in row)
    for one in told.certificates:
        if one.successor:
            assert any(
                other.certificate.not_after > one.certificate.not_after and other.keyed is not False
                for other in told.certificates
            )
    assert all(summary for _, summary in said(told))


def test_ten_thousand_certificates_are_folded() -> None:
    der = DISTRIBUTION.der
    certificate = read_certificate(der)
    many = [
        Found(Material("keychain", replace(certificate, sha256=f"{n:064x}", sha1=f"{n:040x}"), keyed=False))
        for n in range(10_000)
    ]
    found = held(*many, certified(WWDR.der, "w.cer"))
    assert len(found.certificates) == 10_000
    assert len(certificates(found, SigningPolicy()).rows) == 10_000


# Real files


def samples() -> Holdings:
    if not SHARED.is_dir():
        pytest.skip("the samples of other authors are not beside this checkout")
    told = given_material(GivenFiles([str(SHARED)]), EnvironmentSecrets({}), APPLE_ROOTS).value
    assert told is not None
    return folded([in_files(told)], APPLE_ROOTS, NOW)


def test_the_samples_are_told_apart() -> None:
    found = samples()
    kinds = {Path(each.places[0]).stem: each.certificate.kind for each in found.certificates}
    assert kinds["apple_developer"] is CertificateKind.APPLE_DEVELOPMENT
    assert kinds["developer_id_installer"] is CertificateKind.DEVELOPER_ID_INSTALLER
    assert not [each for each in found.certificates if each.is_forged(NOW)]
    untraced = {
        each.distrust for each in found.certificates if each.certificate.kind in KIND_NAMES and not each.trusted
    }
    assert len(untraced) == 1
    assert "(Apple Worldwide Developer Relations)” is missing" in untraced.pop(), "it expired in 2023"
    seals = {Path(each.places[0]).name: each.profile.seal for each in found.profiles}
    assert seals["fastlane-match.provisionprofile"] is Seal.DOCTORED
    assert seals["fastlane-match-appstore.mobileprovision"] is Seal.APPLE
    refused = [told for rule, told in said(found) if rule == "SIGN029"]
    assert len(refused) == 1
    assert "fastlane-match.provisionprofile" in refused[0]
    assert "was changed after Apple signed it" in refused[0]


def test_a_self_signed_profile_is_refused() -> None:
    data = sign(profile_content(), STRANGER, ())
    found = held(Found(Material("x.mobileprovision", profile=read_profile(data, TRUSTED))))
    assert [rule for rule, _ in said(found)] == ["SIGN029"]


def test_of_two_alike_the_keyed_one_counts() -> None:
    certificate = read_certificate(DISTRIBUTION.der)
    lone = Material("a.cer", certificate, keyed=False, public_key_sha256=certificate.public_key_sha256)
    lot = JudgedMaterial(materials=(lone, replace(lone, origin="b.p12", keyed=True), replace(lone, origin="c.cer")))
    found = judged_in_materials(lot, TRUSTED, NOW)
    assert [each.place for each in found.identities] == ["b.p12"]
    assert found.keyless == ()


def test_a_doctored_profile_takes_nobodys_place() -> None:
    old, new = profiled(5), profiled(300, uuid="2")
    assert new.material.profile is not None
    doctored = replace(new, material=replace(new.material, profile=replace(new.material.profile, seal=Seal.DOCTORED)))
    found = held(old, doctored)
    assert [each.successor for each in found.profiles] == [False, False]
    assert [rule for rule, _ in said(found)] == ["SIGN029", "SIGN027"]


def altered(found: Found, **changes: object) -> Found:
    assert found.material.profile is not None
    profile = replace(found.material.profile, **changes)  # type: ignore[arg-type]
    return replace(found, material=replace(found.material, profile=profile))


def test_a_profile_that_could_not_be_checked_takes_nobodys_place_and_is_unseen() -> None:
    """Whoever makes one with his own key, and names an issuer that he leaves out, gets that far."""
    why = "the certificate of the issuer “X” is missing"
    forged = altered(profiled(3_650, uuid="2"), seal=Seal.UNKNOWN, seal_reason=why)
    found = held(profiled(4), forged)
    assert [each.successor for each in found.profiles] == [False, False]
    assert [rule for rule, _ in said(found)] == ["SIGN029", "SIGN027"]
    assert [str(each.severity) for each in checks.everything_is_apples(found)] == ["UNKNOWN"]
    assert said(held(altered(profiled(-4), seal=Seal.UNKNOWN))) == [
        ("SIGN027", "the profile “Example” expired on 2026-11-16")
    ], "it is of no use anyway"
    assert said(held(replace(forged, told=True))) == [], "its place tells that it stays shut"


PUSH = {"aps-environment": "production", "keychain-access-groups": [f"{TEAM}.*"], "get-task-allow": False}


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({}, True),
        ({"name": "New"}, True),
        ({"bundle_id": "com.example.*", "application_identifier": f"{TEAM}.com.example.*"}, True),
        ({"platforms": ("iOS", "xrOS", "visionOS")}, True),
        ({"entitlements": {**PUSH, "keychain-access-groups": [f"{TEAM}.*", "com.apple.token"]}}, True),
        ({"created": NOW + 4 * DAY}, True),
        ({"kind": ProfileKind.DEVELOPMENT}, False),
        ({"platforms": ("tvOS",)}, False),
        ({"bundle_id": "com.other.app", "application_identifier": f"{TEAM}.com.other.app"}, False),
        ({"application_identifier": "OLDPREFIX1.com.example.app"}, False),
        ({"team_ids": ("OTHER12345",)}, False),
        ({"entitlements": {"keychain-access-groups": [f"{TEAM}.*"]}}, False),
        ({"entitlements": {**PUSH, "aps-environment": "development"}}, False),
        ({"created": NOW + 40 * DAY}, False),
        ({"xcode_managed": True}, False),
    ],
)
def test_what_takes_a_profiles_place(changes: dict[str, object], replaced: bool) -> None:
    old = altered(profiled(5), entitlements=PUSH)
    new = altered(profiled(300, uuid="2"), **{"entitlements": PUSH, **changes})
    assert [each.successor for each in held(old, new).profiles] == [replaced, False]


def test_one_that_was_made_after_the_end_of_the_other_takes_its_place() -> None:
    late = altered(profiled(300, uuid="2"), created=NOW - DAY)
    assert [each.successor for each in held(profiled(-3), late).profiles] == [True, False]


@pytest.mark.parametrize("granted", ["*", ["*"], ["*", "a"], True])
def test_what_a_profile_grants_it_grants_again(granted: object) -> None:
    old, new = (altered(profiled(days, uuid=uuid), entitlements={"k": granted}) for days, uuid in ((5, "1"), (9, "2")))
    assert held(old, new).profiles[0].successor


@pytest.mark.parametrize("problem", ["CSSMERR_TP_CERT_REVOKED", "CSSMERR_TP_NOT_TRUSTED", "CSSMERR_TP_NEW"])
def test_what_the_keychain_refuses_needs_another_in_its_place(problem: str) -> None:
    refused = certified(distribution(300), "keychain", problem=problem)
    assert [rule for rule, _ in said(held(refused, ISSUER))] == ["SIGN034"]
    other = certified(distribution(200), "b.p12")
    assert said(held(refused, other, ISSUER)) == [], "in force, though it ends earlier"
    ended = certified(distribution(-1), "b.p12")
    assert [rule for rule, _ in said(held(refused, ended, ISSUER))] == ["SIGN034", "SIGN026"]
    assert said(held(replace(refused, judged=False), ISSUER)) == []


def test_a_code_that_says_no_more_than_the_dates_is_no_refusal() -> None:
    ended = certified(distribution(-1), "keychain", problem="CSSMERR_TP_CERT_EXPIRED")
    assert [rule for rule, _ in said(held(ended, ISSUER))] == ["SIGN026"]
    above = certified(distribution(300), "keychain", problem="CSSMERR_TP_CERT_EXPIRED")
    assert [rule for rule, _ in said(held(above, ISSUER))] == ["SIGN034"]


def test_one_whose_time_has_not_begun_needs_another_until_then() -> None:
    early = certified(distribution(300, begins=NOW + 5 * DAY))
    ((rule, told),) = said(held(early, ISSUER))
    assert (rule, told.partition("” ")[2]) == (
        "SIGN034",
        "(a.cer) is not valid before 2026-11-25, and until then nothing takes its place",
    )
    assert said(held(early, certified(distribution(200), "b.p12"), ISSUER)) == []
    assert said(held(replace(early, judged=False, material=replace(early.material, keyed=False)), ISSUER)) == []


def listing(listed: Iterable[bytes], *, known: Iterable[bytes] = (), team: str = TEAM) -> Lot:
    certificates = [read_certificate(each) for each in listed]
    found = (Found(Material("App Store Connect", each, keyed=False)) for each in certificates)
    digests = (frozenset(each.sha256 for each in some) for some in (certificates, map(read_certificate, known)))
    register = Register(frozenset({CertificateKind.APPLE_DISTRIBUTION}), frozenset({team}), *digests)
    return Lot(tuple(found), ("App Store Connect",), register=register)


def test_what_apple_does_not_list_is_not_in_force() -> None:
    own, other = distribution(300), distribution(200)
    lots = [Lot((certified(own, "dist.p12"), ISSUER), ("dist.p12",))]
    assert said(folded([*lots, listing([own])], TRUSTED, NOW)) == []
    assert said(folded([*lots, listing([])], TRUSTED, NOW)) == [], "of whom it speaks is not known"
    assert said(folded([*lots, listing([other], team="OTHER12345")], TRUSTED, NOW)) == []
    found = folded([*lots, listing([other])], TRUSTED, NOW)
    assert {each.places: each.problem for each in found.certificates} == {
        ("dist.p12",): "UNLISTED",
        ("App Store Connect",): "",
    }
    ((rule, told),) = said(found)
    assert (rule, "is not among the certificates that App Store Connect lists" in told) == ("SIGN034", True)
    assert "revoked?" in texts(certificates(found, SigningPolicy()), "State")
    named = folded([*lots, listing([], known=[own])], TRUSTED, NOW)
    assert [rule for rule, _ in said(named)] == ["SIGN034"], "a profile that Apple lists names it"
    ended = [Lot((certified(distribution(-1), "dist.p12"), ISSUER), ("dist.p12",))]
    assert [rule for rule, _ in said(folded([*ended, listing([other])], TRUSTED, NOW))] == ["SIGN026"]


def test_a_list_says_nothing_of_what_another_issues() -> None:
    root = forge("Another Root", authority=True, key=9)
    theirs = forge("Apple Distribution: X", root, markers=("6.1.7",), usage=CODE_SIGNING, team=TEAM, key=8).der
    both = TRUSTED.including("Another Root", root.der)
    lots = [Lot((certified(distribution(300), "dist.p12"), ISSUER), ("dist.p12",)), listing([theirs])]
    assert said(folded(lots, both, NOW)) == []


def test_an_invalid_profile_needs_another_in_its_place() -> None:
    invalid = replace(profiled(300), problem="INVALID")
    found = held(invalid)
    assert [rule for rule, _ in said(found)] == ["SIGN034"]
    assert texts(profiles(found, SigningPolicy()), "Seal") == ["invalid"]
    assert said(held(invalid, profiled(200, uuid="2"))) == []
    assert [rule for rule, _ in said(held(profiled(5, uuid="2"), invalid))] == ["SIGN027"], "it takes nobody's place"
    assert [rule for rule, _ in said(held(replace(profiled(-5), problem="INVALID")))] == ["SIGN027"]
    assert said(held(altered(invalid, xcode_managed=True))) == []
