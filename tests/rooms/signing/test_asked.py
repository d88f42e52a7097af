"""What is shown when only signing is asked about: with what each bundle would be signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.facts import (
    BundleNeed,
    Identities,
    Identity,
    InstalledProfiles,
    Origin,
    SigningNeed,
    SigningPolicy,
)
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal
from pipeline.model import Exhibit, Platform, Tone
from pipeline.stages.signing import ASKED, SIGNING, signing
from tests.rooms.signing.forge import NOW, TEAM

LABEL = f"Apple Distribution: Example ({TEAM})"


def identity(sha1: str, kind: CertificateKind = CertificateKind.APPLE_DISTRIBUTION, days: int = 100) -> Identity:
    begins, ends = NOW - timedelta(1), NOW + timedelta(days)
    held = Certificate(kind=kind, sha1=sha1, subject_name=LABEL, team_id=TEAM, not_before=begins, not_after=ends)
    return Identity(sha1, LABEL, certificate=held, trusted=True, place="dist.p12")


def profile(bundle_id: str, *signers: Identity, days: int = 200) -> ProvisioningProfile:
    return ProvisioningProfile(
        uuid=f"uuid of {bundle_id}",
        name=f"{bundle_id} Store",
        kind=ProfileKind.APP_STORE,
        team_ids=(TEAM,),
        bundle_id=bundle_id,
        platforms=("iOS",),
        developer_certificates=tuple(each.certificate for each in signers if each.certificate),
        expires=NOW + timedelta(days),
        seal=Seal.APPLE,
        path=f"{bundle_id}.mobileprovision",
    )


APP = SigningNeed(team_id=TEAM, bundle_id="com.example.app", style="Manual")
MINE = identity("ab" * 20)


def shown(need: SigningNeed, *profiles: ProvisioningProfile, held: tuple[Identity, ...] = (MINE,)) -> Exhibit:
    identities = Identities(held, at=NOW, origin=Origin.FILES)
    return signing(identities, InstalledProfiles(profiles, at=NOW, origin=Origin.FILES), need, SigningPolicy())


def texts(exhibit: Exhibit) -> list[list[str]]:
    return [[cell.text for cell in row] for row in exhibit.rows]


def test_each_bundle_with_what_signs_it() -> None:
    widget = BundleNeed("com.example.app.widget", style="Automatic")
    told = shown(replace(APP, inside=(widget,)), profile("com.example.app", MINE, days=12))
    assert texts(told) == [
        ["com.example.app", LABEL, "ABABABAB", "100", "com.example.app Store", "12",
         "dist.p12, com.example.app.mob…"],
        ["com.example.app.widget", LABEL, "ABABABAB", "100", "Xcode's", "–", "dist.p12"],
    ]  # fmt: skip
    assert told.rows[0][5].tone is Tone.CAUTION
    assert told.rows[0][2].value == "AB" * 20
    assert told.rows[0][6].value == "dist.p12, com.example.app.mobileprovision"
    assert told.legend == ("Xcode's: signed automatically, so Xcode makes or fetches the profile",)


def test_a_profile_that_does_not_fit_is_not_shown_as_good() -> None:
    told = shown(APP, profile("com.example.app", identity("cd" * 20)))
    assert told.rows[0][4].text == "com.example.app Store (unfit)"
    assert told.rows[0][4].tone is Tone.BAD


def test_what_is_not_there_is_said() -> None:
    assert texts(shown(APP, held=())) == [["com.example.app", "none", "–", "–", "none", "–", ""]]


def test_a_mac_app_has_an_installer_package_too() -> None:
    installer = identity("ef" * 20, CertificateKind.MAC_INSTALLER_DISTRIBUTION, 9)
    told = shown(replace(APP, platform=Platform.MAC_OS), held=(MINE, installer))
    assert texts(told)[1] == ["the installer package", LABEL, "EFEFEFEF", "9", "–", "–", "dist.p12"]


def test_a_release_shows_no_such_table() -> None:
    assert not SIGNING.exhibits
    assert ASKED.exhibits == (signing,)
