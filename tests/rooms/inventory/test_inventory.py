"""One list of everything, wherever it lies: nothing twice, nothing lost, and what was not looked at is said."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from pipeline.apple.bundle.facts import GivenSignature, GivenSignatures
from pipeline.apple.portal.facts import PortalMaterial
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders
from pipeline.apple.signing.holdings import Holdings
from pipeline.apple.signing.material import Material
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile
from pipeline.apple.signing.trust import Anchors
from pipeline.inventory.gateway import holdings
from pipeline.model import Reading, Source
from pipeline.vault.facts import KeptFile, VaultContents
from tests.rooms.signing.forge import DISTRIBUTION, NOW, ROOT, STRANGER

TRUSTED = Anchors().including("Test Root", ROOT.der)
CERTIFICATE = read_certificate(DISTRIBUTION.der)
NOWHERE = "there is none here"


class Noon:
    """A clock that stands still."""

    source = Source.LIVE
    deadline: datetime | None = None

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


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
        Noon(),
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
