"""One list of everything, wherever it lies: nothing twice, nothing lost, and what was not looked at is said."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.apple.bundle.facts import GivenSignature, GivenSignatures
from pipeline.apple.portal.facts import PortalMaterial
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.checks.holdings import (
    everything_can_be_read,
    everything_is_apples,
    profiles_last,
    something_was_looked_at,
)
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders, SigningPolicy
from pipeline.apple.signing.holdings import Holdings, folded, in_files
from pipeline.apple.signing.keys import new_key
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal, read_profile
from pipeline.apple.signing.trust import Anchors
from pipeline.inventory.gateway import holdings
from pipeline.inventory.lots import at_apple
from pipeline.model import Reading
from pipeline.ports.vault import VaultChange, VaultFile
from pipeline.stages.holdings import HOLDINGS, certificates
from pipeline.vault.checks import (
    every_change_was_made_by_a_recipient,
    identities_in_the_vault_are_complete,
    vault_is_as_its_ledger_says,
)
from pipeline.vault.facts import KeptFile, VaultContents
from pipeline.vault.gateway import vault_contents
from tests.noon import NoonClock
from tests.rooms.signing.forge import DISTRIBUTION, NOW, PROFILE_SIGNER, ROOT, STRANGER, profile_content, sign
from tests.rooms.vault.vaults import EVE, JANE, Person, at, clear, new_place, sealed

TRUSTED = Anchors().including("Test Root", ROOT.der)
CERTIFICATE = read_certificate(DISTRIBUTION.der)
NOWHERE = "there is none here"
UUID = "00000000-0000-4000-8000-000000000001"


def joined(
    given: tuple[Material, ...] = (),
    vault: VaultContents | None = None,
    portal: tuple[Material, ...] | None = None,
    code: tuple[GivenSignature, ...] = (),
) -> Holdings:
    return holdings(
        Reading.unknown(Keychain, NOWHERE),
        Reading.unknown(ProfileFolders, NOWHERE),
        GivenMaterial(given, tuple(each.origin for each in given)),
        EnvironmentMaterial(),
        Reading.unknown(VaultContents, "out of reach") if vault is None else Reading.of(vault),
        Reading.unknown(PortalMaterial, "no key") if portal is None else Reading.of(PortalMaterial(portal)),
        Reading.of(GivenSignatures(code, NOW)),
        NoonClock(),
        TRUSTED,
    )


def kept(key: str = "", *, with_key: bool = True) -> VaultContents:
    sha1 = hashlib.sha1(DISTRIBUTION.der).hexdigest()
    files = [KeptFile(f"identities/{sha1}.cer", sealed=False, certificate=CERTIFICATE)]
    if with_key:
        files.append(KeptFile(f"identities/{sha1}.p8", public_key_sha256=key))
    told = {"name": "Example App Store", "kind": "APP_STORE", "team": "ABCDE12345", "bundle": "com.example.app"}
    told["expires"] = "2027-05-01T00:00:00+00:00"
    files.append(KeptFile("profiles/11111111-2222-3333-4444-555555555555.mobileprovision", told=told))
    return VaultContents(place="/team/vault", exists=True, openable=bool(key), files=tuple(files), at=NOW)


def test_one_certificate_at_four_places_is_one_row() -> None:
    found = joined(
        given=(Material("dist.cer", certificate=CERTIFICATE, keyed=False),),
        vault=kept(CERTIFICATE.public_key_sha256),
        portal=(Material("App Store Connect", certificate=CERTIFICATE, keyed=False),),
        code=(GivenSignature("My.app", certificates=(CERTIFICATE,), trusted=True),),
    )
    (one,) = found.certificates
    assert one.places == ("dist.cer", "vault", "App Store Connect", "My.app")
    assert one.keyed is True
    assert found.looked == ("dist.cer", "the vault /team/vault", "App Store Connect")
    assert found.unseen == (f"keychains and profile folders ({NOWHERE})",)


def test_a_key_that_cannot_be_opened_is_unknown_and_a_strangers_is_none() -> None:
    assert joined(vault=kept()).certificates[0].keyed is None
    assert joined(vault=kept("0" * 64)).certificates[0].keyed is False
    assert joined(vault=kept(with_key=False)).certificates[0].keyed is False


def vault_at(place: str, person: Person | None, cache: Path) -> VaultContents:
    told = vault_contents(at(place, person, cache), NoonClock(), TRUSTED)
    contents = told.value if isinstance(told, Reading) else told
    assert contents is not None
    return contents


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A vault with an identity and a profile that JANE can open, of three lines."""
    where = new_place("folder", tmp_path)
    sha1 = CERTIFICATE.sha1
    vault = at(where, JANE, tmp_path / "cache")
    told = {"name": "Example", "expires": "2027-05-01T00:00:00+00:00"}
    files = {f"identities/{sha1}.cer": clear(DISTRIBUTION.der), f"identities/{sha1}.p8": sealed(new_key())}
    vault.publish(VaultChange("", "begin", "jane", files, recipients=(JANE.recipient,)))
    profile = VaultFile(sign(profile_content()), told=told)
    vault.publish(VaultChange(vault.look().head, "more", "jane", {f"profiles/{UUID}.mobileprovision": profile}))
    return where


def rules(contents: VaultContents, found: Holdings) -> list[str]:
    nothing = (Reading.of(GivenMaterial()), Reading.of(EnvironmentMaterial()))
    told = [("SIGN025", each) for each in something_was_looked_at(found)]
    told += [("SIGN028", each) for each in everything_can_be_read(found)]
    told += [("SIGN029", each) for each in everything_is_apples(found) if "profile" in each.summary]
    told += [("VALT006", each) for each in vault_is_as_its_ledger_says(contents, *nothing)]
    told += [("VALT007", each) for each in every_change_was_made_by_a_recipient(contents)]
    return [rule for rule, _ in told]


def test_a_vault_that_is_whole_is_silent(place: str, tmp_path: Path) -> None:
    contents = vault_at(place, JANE, tmp_path / "other")
    found = joined(vault=contents)
    assert (len(found.certificates), len(found.profiles), found.gaps) == (1, 1, ())
    assert rules(contents, found) == []


def test_a_vault_that_another_key_opens_still_shows_what_is_told(place: str, tmp_path: Path) -> None:
    contents = vault_at(place, EVE, tmp_path / "other")
    found = joined(vault=contents)
    assert (len(found.certificates), [each.profile.name for each in found.profiles]) == (1, ["Example"])
    assert [each.why.partition(":")[0] for each in found.gaps] == ["it does not open"]
    assert JANE.name in found.gaps[0].remedy
    assert rules(contents, found) == ["SIGN025"]
    assert rules(vault_at(place, None, tmp_path / "none"), joined(vault=vault_at(place, None, tmp_path / "none")))


def test_a_profile_of_a_vault_that_opens_is_judged_as_anywhere_else(place: str, tmp_path: Path) -> None:
    """It ends with its last certificate, of which nobody has told when it was put there."""
    (profile,) = joined(vault=vault_at(place, JANE, tmp_path / "other")).profiles
    assert (profile.profile.seal, profile.profile.entitlements != {}, profile.places) == (Seal.APPLE, True, ("vault",))
    assert profile.ends == CERTIFICATE.not_after < profile.profile.expires
    policy = SigningPolicy(expires_within=CERTIFICATE.not_after - NOW + timedelta(days=1))
    (finding,) = profiles_last(joined(vault=vault_at(place, JANE, tmp_path / "other")), policy)
    assert finding.summary.startswith("the last certificate in the profile")
    given = Material("app.mobileprovision", profile=read_profile(sign(profile_content()), TRUSTED))
    assert len(joined((given,), vault_at(place, JANE, tmp_path / "other")).profiles) == 1


def test_a_profile_of_a_vault_that_nobody_can_check_is_unseen(tmp_path: Path) -> None:
    where = new_place("folder", tmp_path)
    bare = VaultFile(sign(profile_content(), PROFILE_SIGNER, ()))
    change = VaultChange("", "begin", "jane", {f"profiles/{UUID}.mobileprovision": bare}, recipients=(JANE.recipient,))
    at(where, JANE, tmp_path / "cache").publish(change)
    contents = vault_at(where, JANE, tmp_path / "other")
    assert rules(contents, joined(vault=contents)) == ["SIGN029"]


def test_what_apple_lists_tells_what_was_taken_back() -> None:
    named = read_profile(sign(profile_content()), TRUSTED)
    own = Material("dist.p12", certificate=CERTIFICATE, keyed=True)
    listed = Material("App Store Connect", profile=named)

    def told(material: PortalMaterial) -> tuple[list[str], list[str]]:
        lots = (in_files(GivenMaterial((own,), ("dist.p12",))), at_apple(Reading.of(material)))
        found = folded(lots, TRUSTED, NOW)
        return [each.problem for each in found.certificates], [each.problem for each in found.profiles]

    assert told(PortalMaterial((listed,), frozenset({named.uuid}), complete=True)) == (["UNLISTED"], ["INVALID"])
    assert told(PortalMaterial((listed,))) == ([""], [""]), "what could not be read may be the one"
    there = Material("App Store Connect", certificate=CERTIFICATE, keyed=False)
    assert told(PortalMaterial((there, listed), complete=True)) == ([""], [""])
    nothing = folded((at_apple(Reading.of(PortalMaterial(complete=True))),), TRUSTED, NOW)
    assert nothing.unseen == ("what was revoked (App Store Connect lists no certificate)",)


def test_a_vault_that_is_not_there(tmp_path: Path) -> None:
    contents = vault_at(str(tmp_path / "typo"), JANE, tmp_path / "other")
    found = joined(vault=contents)
    assert (found.looked, rules(contents, found)) == ((), ["SIGN025"])
    assert joined(vault=VaultContents()).gaps == ()


def test_an_empty_vault(tmp_path: Path) -> None:
    where = new_place("folder", tmp_path)
    at(where, JANE, tmp_path / "cache").publish(VaultChange("", "begin", "jane", recipients=(JANE.recipient,)))
    contents = vault_at(where, JANE, tmp_path / "other")
    assert rules(contents, joined(vault=contents)) == ["SIGN025"]


def test_a_vault_older_than_it_was(place: str, tmp_path: Path) -> None:
    newest = max((Path(place) / "ledger").iterdir())
    newest.unlink()
    contents = vault_at(place, JANE, tmp_path / "cache")
    found = joined(vault=contents)
    assert {"SIGN025", "VALT006"} <= set(rules(contents, found))
    assert (found.certificates, found.looked) == ((), ())


@pytest.mark.parametrize("ending", [".cer", ".p8"])
@pytest.mark.parametrize("how", ["changed", "linked", "gone"])
def test_a_changed_file_of_the_vault_keeps_its_row(place: str, tmp_path: Path, ending: str, how: str) -> None:
    path = next(each for each in (Path(place) / "identities").iterdir() if ending in each.name)
    data = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "linked":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    contents = vault_at(place, JANE, tmp_path / "other")
    found = joined(vault=contents)
    shown = f"vault:identities/{CERTIFICATE.sha1}{ending}"
    assert [each.origin for each in found.faults] == [shown]
    assert rules(contents, found) == ["VALT006"], "told once"
    assert [row[7].text for row in certificates(found, SigningPolicy()).rows if row[6].value == shown] == ["damaged"]


def test_a_fault_on_which_the_vaults_rules_are_silent_is_told(place: str, tmp_path: Path) -> None:
    path = next(each for each in (Path(place) / "identities").iterdir() if ".cer" in each.name)
    path.unlink()
    contents = vault_at(place, JANE, tmp_path / "other")
    given = (Material("dist.p12", certificate=CERTIFICATE, keyed=True),)
    assert [each.summary for each in everything_can_be_read(joined(given, contents))] != []


def test_the_vaults_rules_are_silent_without_a_vault() -> None:
    assert rules(VaultContents(), joined(vault=VaultContents())) == ["SIGN025"], "nothing at all was looked at"
    nothing = (Reading.of(GivenMaterial()), Reading.of(EnvironmentMaterial()))
    assert list(identities_in_the_vault_are_complete(VaultContents(), *nothing)) == []
    used = {each for each in HOLDINGS.checks if getattr(each, "check_mark", None)}
    assert {vault_is_as_its_ledger_says, every_change_was_made_by_a_recipient} < used


def test_code_that_was_given_is_something() -> None:
    unsigned = GivenSignature("My: App.ipa: Payload/A: B.app", unsigned=True)
    found = holdings(
        Reading.unknown(Keychain, NOWHERE),
        Reading.unknown(ProfileFolders, NOWHERE),
        GivenMaterial((), ("My: App.ipa", "Other.ipa")),
        EnvironmentMaterial(),
        Reading.of(VaultContents()),
        Reading.unknown(PortalMaterial, "no key"),
        Reading.of(GivenSignatures((unsigned,), NOW)),
        NoonClock(),
        TRUSTED,
    )
    assert [each.place for each in found.gaps] == ["Other.ipa"]


def test_a_sealed_profile_is_shown_as_it_was_told() -> None:
    (profile,) = joined(vault=kept()).profiles
    assert profile.profile == ProvisioningProfile(
        uuid="11111111-2222-3333-4444-555555555555",
        name="Example App Store",
        kind=ProfileKind.APP_STORE,
        team_ids=("ABCDE12345",),
        bundle_id="com.example.app",
        expires=datetime(2027, 5, 1, tzinfo=UTC),
        seal_reason="it is sealed in the vault",
        path="vault",
    )


def test_who_signed_given_code_is_not_ours_to_renew() -> None:
    stranger = read_certificate(STRANGER.der)
    found = joined(code=(GivenSignature("Their.app", certificates=(stranger,), trusted=True),))
    assert [each.judged for each in found.certificates] == [False]


def test_what_was_not_looked_at_is_said() -> None:
    found = joined()
    assert found.looked == ()
    assert [each.partition(" (")[0] for each in found.unseen] == [
        "keychains and profile folders",
        "vault",
        "App Store Connect",
    ]
    assert joined(vault=VaultContents()).unseen == (
        f"keychains and profile folders ({NOWHERE})",
        "App Store Connect (no key)",
    )
