"""What the portal answers, however odd, becomes facts; and what is done there is checked before it is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.apple.connect.client import Connect
from pipeline.apple.portal import gateway, records
from pipeline.apple.portal.actions import (
    CreateCertificate,
    CreateProfile,
    KeepCertificate,
    KeepProfile,
    RevokeCertificate,
)
from pipeline.apple.portal.capabilities import CAPABILITIES
from pipeline.apple.portal.choice import (
    gone,
    in_the_way,
    missing,
    name_for,
    outlived,
    replaced,
    serving,
    wanted_name,
    wants,
)
from pipeline.apple.portal.facts import (
    AppNeed,
    PortalBundleId,
    PortalBundleIds,
    PortalCertificate,
    PortalCertificates,
    PortalMaterial,
    PortalProfile,
    PortalProfiles,
    Refusal,
    SigningAccount,
    StoreNeeds,
    VaultKey,
    VaultKeys,
)
from pipeline.apple.portal.keeping import keys_of
from pipeline.apple.portal.kinds import TYPES, kind_named
from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.facts import BundleNeed, SigningNeed, SigningPolicy
from pipeline.apple.signing.trust import APPLE_ROOTS
from pipeline.engine.leases import LeaseLost
from pipeline.model import AppleFailure, Platform, Reading, Source, UsageFault
from pipeline.ports.clock import BriskClock
from pipeline.ports.http import Request, Response
from pipeline.ports.tenure import Tenure
from pipeline.ports.vault import VaultEntry, VaultState
from tests.rooms.portal.desk import BUNDLE_ID, TEAM, Desk

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
APP = AppNeed("com.example.app", Platform.IOS, TEAM)


class Answers:
    """Answers every request with the same document."""

    source = Source.SIMULATED

    def __init__(self, document: Any, status: int = 200) -> None:
        self._response = Response(status, {}, json.dumps(document).encode())

    def send(self, request: Request) -> Response:
        return self._response


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["name", "certificateType", "serialNumber", "expirationDate", "certificateContent", "profileContent", "uuid"]


@given(
    kind=st.sampled_from(["certificates", "profiles", "bundleIds"]),
    attributes=odd | st.dictionaries(st.sampled_from([*NAMES, "profileState", "identifier", "seedId"]), odd),
    links=odd | st.dictionaries(st.sampled_from(["bundleId", "certificates", "bundleIdCapabilities"]), odd),
)
def test_no_answer_ends_in_a_traceback(kind: str, attributes: Any, links: Any) -> None:
    document = {"data": [{"type": kind, "id": "1", "attributes": attributes, "relationships": links}], "included": []}
    api = Connect(Answers(document))
    for found in (
        records.certificates(api, AT),
        records.profiles(api, AT, APPLE_ROOTS),
        records.bundle_ids(api, ["com.example.app"]),
    ):
        assert len(found.items) <= 1
        assert str(found) is not None


def test_content_that_is_no_certificate_is_told() -> None:
    item = {"type": "certificates", "id": "C", "attributes": {"certificateContent": base64.b64encode(b"no").decode()}}
    (found,) = records.certificates(Connect(Answers({"data": [item]})), AT).items
    assert found.problem
    assert found.certificate == Certificate()


def test_what_is_at_apple_is_material_without_keys(tmp_path: Path) -> None:
    made = Desk(tmp_path)
    made.walk()
    http, clock = made.http(BriskClock()), BriskClock()
    anchors = APPLE_ROOTS.including("the test authority", made.authority.root)
    api = Connect(http)
    found = gateway.portal_material(records.certificates(api, clock.now()), records.profiles(api, AT, anchors))
    assert isinstance(found, PortalMaterial)
    assert [(each.certificate is not None, each.keyed) for each in found.materials] == [(True, False)] * 2 + [
        (False, None)
    ] * 2
    assert {each.origin for each in found.materials} == {"App Store Connect"}
    assert (found.invalid, found.complete) == (frozenset(), True)
    listed = records.profiles(api, AT, anchors)
    stale = replace(listed, items=tuple(replace(each, state="INVALID") for each in listed.items))
    unread = PortalCertificates((PortalCertificate("C", problem="it breaks off"),), AT)
    again = records.material(unread, stale)
    assert (again.invalid, again.complete) == ({each.uuid for each in listed.items}, False)
    refused = PortalCertificates((), AT, Refusal("FORBIDDEN_ERROR", "no"))
    unknown = gateway.portal_material(refused, PortalProfiles())
    assert isinstance(unknown, Reading)
    assert "no" in unknown.why


def test_a_server_that_fails_is_no_refusal() -> None:
    with pytest.raises(AppleFailure):
        records.certificates(Connect(Answers({}, 500)), AT)
    refused = records.certificates(Connect(Answers({"errors": [{"code": "FORBIDDEN_ERROR"}]}, 403)), AT).refused
    assert refused is not None
    assert refused.code == "FORBIDDEN_ERROR"


# Kinds and capabilities -----------------------------------------------------------------------------------------------


def test_kinds_and_capabilities_are_apples(shared_data: Path) -> None:
    path = shared_data / "app-store-connect" / "openapi-4.4.1.json"
    if not path.is_file():
        pytest.skip("Apple's API description is not among the shared data")
    schemas = json.loads(path.read_text(encoding="utf-8"))["components"]["schemas"]
    assert set(TYPES.values()) <= set(schemas["CertificateType"]["enum"])
    assert set(CAPABILITIES.values()) <= set(schemas["CapabilityType"]["enum"])
    types = schemas["Profile"]["properties"]["attributes"]["properties"]["profileType"]["enum"]
    assert {replace(APP, platform=each).profile_type for each in Platform} <= set(types)


@pytest.mark.parametrize("kind", TYPES)
def test_a_kind_is_known_by_both_names(kind: CertificateKind) -> None:
    assert kind_named(str(kind)) is kind
    assert kind_named(TYPES[kind].lower().replace("_", "-")) is kind
    assert kind_named("nonsense") is None


# Choosing -------------------------------------------------------------------------------------------------------------


def certificate(name: str, days: int, kind: CertificateKind = CertificateKind.APPLE_DISTRIBUTION) -> PortalCertificate:
    end = AT + timedelta(days=days)
    read = Certificate(kind=kind, team_id=TEAM, sha1=name, public_key_sha256=f"p{name}", not_after=end)
    return PortalCertificate(name, TYPES.get(kind, ""), name, name, end, read)


def profile(name: str, holds: str, days: int = 300, state: str = "ACTIVE") -> PortalProfile:
    end = AT + timedelta(days=days)
    return PortalProfile(name, name, "IOS_APP_STORE", state, f"u{name}", "B", (holds,), AT, end)


def account(
    certificates: tuple[PortalCertificate, ...] = (),
    profiles: tuple[PortalProfile, ...] = (),
    kept: tuple[str, ...] = (),
    need: SigningNeed | None = None,
    **decided: Any,
) -> SigningAccount:
    need = need or SigningNeed(Platform.IOS, TEAM, APP.bundle_id)
    identities = tuple(VaultKey(f"identities/{n}.p8", n, "", "APPLE_DISTRIBUTION", TEAM) for n in kept)
    return SigningAccount(
        StoreNeeds((need,)),
        PortalCertificates(certificates, AT),
        PortalProfiles(profiles, AT),
        PortalBundleIds((PortalBundleId("B", APP.bundle_id),)),
        VaultKeys("vault", "head", identities=identities),
        SigningPolicy(**decided),
    )


def test_extensions_have_profiles_and_names_of_their_own() -> None:
    need = SigningNeed(
        Platform.IOS,
        TEAM,
        "com.example.app",
        (BundleNeed("com.example.app.widget", style="Manual", specifier="Widget"),),
        style="Manual",
        profile_specifier=f"{TEAM}/Main",
    )
    vision = SigningNeed(Platform.VISION_OS, TEAM, "com.example.app")
    apps = StoreNeeds((need, vision)).apps
    assert [(app.bundle_id, app.profile_name, app.profile_type) for app in apps] == [
        ("com.example.app", "Main", "IOS_APP_STORE"),
        ("com.example.app.widget", "Widget", "IOS_APP_STORE"),
    ]


def test_one_new_certificate_serves_both_platforms() -> None:
    needs = StoreNeeds((SigningNeed(Platform.IOS, TEAM, "a"), SigningNeed(Platform.MAC_OS, TEAM, "a")))
    both = replace(account(), needs=needs)
    assert [want.kind for want in wants(both)].count(CertificateKind.APPLE_DISTRIBUTION) == 2
    assert [want.kind for want in missing(both)] == ["APPLE_DISTRIBUTION", "MAC_INSTALLER_DISTRIBUTION"]
    old = replace(both, certificates=PortalCertificates((certificate("x", 90, CertificateKind.IOS_DISTRIBUTION),), AT))
    old = replace(old, keys=VaultKeys("vault", "h", identities=(VaultKey("identities/x.p8", "x"),)))
    assert [want.kind for want in missing(old)] == ["APPLE_DISTRIBUTION", "MAC_INSTALLER_DISTRIBUTION"]
    alone = replace(old, needs=StoreNeeds((SigningNeed(Platform.IOS, TEAM, "a"),)))
    assert missing(alone) == ()


def test_a_name_is_taken_only_once() -> None:
    taken = [name_for(APP, account())]
    for _ in range(4):
        held = tuple(PortalProfile(str(n), name) for n, name in enumerate(taken))
        taken.append(name_for(APP, account((), held)))
    assert len(set(taken)) == 5
    assert taken[:3] == [
        "com.example.app iOS App Store",
        "com.example.app iOS App Store 2026-11-20",
        "com.example.app iOS App Store 2026-11-20 2",
    ]


def test_the_name_in_the_project_is_insisted_on_while_it_can_be_had() -> None:
    named = replace(APP, profile_name="Store")
    need = SigningNeed(Platform.IOS, TEAM, APP.bundle_id, style="Manual", profile_specifier="Store")
    other = account((certificate("a", 300),), (profile("Other", "a"),), ("a",), need)
    assert serving(named, other) == []
    assert name_for(named, other) == "Store"
    taken = account(
        (certificate("a", 300),), (profile("Other", "a"), profile("Store", "a", state="INVALID")), ("a",), need
    )
    assert [each.name for each in serving(named, taken)] == ["Other"]
    assert wanted_name(named, taken) == ""
    there = account((certificate("a", 300),), (profile("Other", "a"), profile("Store", "a")), ("a",), need)
    assert [each.name for each in serving(named, there)] == ["Store"]
    by_uuid = replace(APP, profile_name="91de0feb-f3a0-4f2c-a4fb-06814f0034cc")
    assert [each.name for each in serving(by_uuid, other)] == ["Other"]


def test_the_name_is_taken_from_what_only_we_sign_with() -> None:
    named = replace(APP, profile_name="Store")
    need = SigningNeed(Platform.IOS, TEAM, APP.bundle_id, style="Manual", profile_specifier="Store")
    both = (certificate("old", 10), certificate("new", 360))
    held = (profile("Store", "old"), profile("Other", "new"))
    ours = account(both, held, ("old", "new"), need, renew=True, revoke=True)
    assert in_the_way(named, ours) is not None
    assert (wanted_name(named, ours), serving(named, ours), name_for(named, ours)) == ("Store", [], "Store")
    kept = replace(ours, policy=SigningPolicy(renew=True))
    assert (in_the_way(named, kept), wanted_name(named, kept)) == (None, "")
    assert [each.name for each in serving(named, kept)] == ["Other"]
    theirs = account(both, held, ("new",), need, renew=True, revoke=True)
    assert in_the_way(named, theirs) is None, "somebody else has the old key and may sign with it"
    dead = replace(theirs, profiles=PortalProfiles((replace(held[0], state="INVALID"), held[1]), AT))
    assert in_the_way(named, dead) is not None, "nobody signs with what is invalid"
    serves = account(both, (profile("Store", "new"),), ("old", "new"), need, renew=True, revoke=True)
    assert in_the_way(named, serves) is None
    by_uuid = replace(APP, profile_name="uStore")
    assert in_the_way(by_uuid, ours) is None, "Apple gives the new one a UUID of its own"


def test_what_was_just_issued_serves_however_soon_it_ends() -> None:
    fresh = certificate("new", 20)
    fresh = replace(fresh, certificate=replace(fresh.certificate, not_before=AT - timedelta(hours=2)))
    held = account((fresh,), (profile("P", "new", 20),), ("new",), renew=True)
    assert missing(held) == ()
    assert [each.name for each in serving(APP, held)] == ["P"]
    aged = replace(fresh, certificate=replace(fresh.certificate, not_before=AT - timedelta(days=2)))
    assert len(missing(replace(held, certificates=PortalCertificates((aged,), AT)))) == 1
    waiting = VaultKeys("vault", "head", pending=(VaultKey("pending/x.p8", "", "pnew"),))
    assert missing(replace(held, certificates=PortalCertificates((aged,), AT), keys=waiting)) == ()
    ended = replace(fresh, certificate=replace(fresh.certificate, not_after=AT))
    assert len(missing(replace(held, certificates=PortalCertificates((ended,), AT), keys=waiting))) == 1


def test_only_our_own_old_ones_are_replaced() -> None:
    ours, new, strangers = certificate("old", 10), certificate("new", 360), certificate("theirs", 5)
    held = (profile("P1", "old"), profile("P2", "new"), profile("P3", "theirs"), profile("P4", "new", state="INVALID"))
    found = account((ours, new, strangers), held, ("old", "new"), renew=True)
    assert [each.id for each in replaced(found)] == ["old"]
    assert sorted((each.name, why) for each, why in outlived(found)) == [
        ("P1", "its certificate is revoked"),
        ("P4", "it is invalid"),
    ]
    without = account((ours, new, strangers), held[:1], ("old", "new"))
    assert replaced(without) == [], "its profile is the only one"


def test_the_vault_forgets_what_apple_has_no_more_and_nothing_else() -> None:
    keys = VaultKeys(
        "vault",
        "h",
        identities=(
            VaultKey("identities/a.p8", "a", "", "APPLE_DISTRIBUTION", TEAM),
            VaultKey("identities/b.p8", "b", "", "APPLE_DISTRIBUTION", TEAM),
            VaultKey("identities/c.p8", "c", "", "APPLE_DISTRIBUTION", "ANOTHER000"),
            VaultKey("identities/d.p8", "d", "", "DEVELOPER_ID_APPLICATION", TEAM),
        ),
        profiles=(
            ("u1", "profiles/u1.mobileprovision", APP.bundle_id),
            ("u2", "profiles/u2.mobileprovision", "com.example.other"),
        ),
    )
    found = replace(account((certificate("a", 300),)), keys=keys)
    assert gone(found) == ["identities/b.p8", "identities/b.cer", "profiles/u1.mobileprovision"]


def test_the_vault_is_read_by_its_paths() -> None:
    sha1, spki = "a" * 40, "b" * 64
    entries = [
        VaultEntry(f"identities/{sha1}.p8", told={"kind": "APPLE_DISTRIBUTION", "team": TEAM}),
        VaultEntry(f"identities/{sha1}.cer"),
        VaultEntry(f"identities/{'c' * 40}.p8"),
        VaultEntry("identities/readme.txt"),
        VaultEntry(f"pending/{spki}.p8"),
        VaultEntry("pending/../x.p8"),
        VaultEntry("profiles/u.mobileprovision", told={"bundle": "com.example.app"}),
    ]
    keys = keys_of(VaultState("vault", "h", (), tuple(entries)))
    assert [key.sha1 for key in keys.identities] == [sha1]
    assert [key.public_key_sha256 for key in keys.pending] == [spki]
    assert keys.profiles == (("u", "profiles/u.mobileprovision", "com.example.app"),)


# Doing ----------------------------------------------------------------------------------------------------------------


class Lying:
    """An Http port whose answers to some requests are replaced."""

    def __init__(self, desk: Desk, lies: Mapping[str, Any]) -> None:
        self._http, self._lies = desk.http(BriskClock()), lies
        self.source = self._http.source

    def send(self, request: Request) -> Response:
        for beginning, told in self._lies.items():
            if f"{request.method} {request.url}".startswith(
                beginning.replace(" /", " https://api.appstoreconnect.apple.com/")
            ):
                return Response(200, {}, json.dumps(told).encode())
        return self._http.send(request)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.walk()
    return made


def lost() -> None:
    raise LeaseLost("the lease was lost")


OURS, LOST = Tenure(lambda: None), Tenure(lost)


def pending_key(desk: Desk) -> tuple[str, str]:
    """A key that waits in the vault: its path and digest."""
    from pipeline.apple.portal.actions import MakeKey

    seen = tuple(entry.path for entry in desk.vault.look().entries)
    action = MakeKey(TEAM, CertificateKind.IOS_DISTRIBUTION, seen)
    digest = gateway.make_key(action, desk.vault, desk.policy())["public_key_sha256"]
    return f"pending/{digest}.p8", digest


def test_a_certificate_for_another_key_is_not_believed(desk: Desk) -> None:
    path, digest = pending_key(desk)
    other = desk.get("/v1/certificates")[0]
    action = CreateCertificate(TEAM, CertificateKind.IOS_DISTRIBUTION, path, digest)
    lying = Lying(desk, {"POST /v1/certificates": {"data": other}})
    with pytest.raises(AppleFailure, match="not for the key"):
        gateway.create_certificate(action, lying, desk.vault, BriskClock(), desk.policy(), OURS)
    keep = KeepCertificate(TEAM, CertificateKind.APPLE_DISTRIBUTION, other["id"], path)
    with pytest.raises(AppleFailure, match="not for the key"):
        gateway.keep_certificate(keep, desk.http(BriskClock()), desk.vault, BriskClock(), desk.policy())
    assert any(entry.path == path for entry in desk.vault.look().entries), "the key still waits"


def test_a_key_that_is_gone_is_told(desk: Desk) -> None:
    action = CreateCertificate(TEAM, CertificateKind.IOS_DISTRIBUTION, "pending/x.p8", "x")
    with pytest.raises(UsageFault, match="no entry"):
        gateway.create_certificate(action, desk.http(BriskClock()), desk.vault, BriskClock(), desk.policy(), OURS)


def test_a_key_can_wait_for_one_certificate_only(desk: Desk) -> None:
    path, digest = pending_key(desk)
    action = CreateCertificate(TEAM, CertificateKind.IOS_DISTRIBUTION, path, digest)
    http, clock = desk.http(BriskClock()), BriskClock()
    first = gateway.create_certificate(action, http, desk.vault, clock, desk.policy(), OURS)
    again = gateway.create_certificate(action, http, desk.vault, clock, desk.policy(), OURS)
    assert "already" not in first
    assert again["already"] is True
    assert again["certificate"] == first["certificate"]


def test_another_certificate_by_that_id_is_not_revoked(desk: Desk) -> None:
    found = desk.get("/v1/certificates")[0]["id"]
    action = RevokeCertificate(TEAM, CertificateKind.APPLE_DISTRIBUTION, found, "1234", "2027-01-01")
    with pytest.raises(AppleFailure, match="not the one"):
        gateway.revoke_certificate(action, desk.http(BriskClock()), OURS)
    assert len(desk.get("/v1/certificates")) == 2
    nowhere = RevokeCertificate(TEAM, CertificateKind.APPLE_DISTRIBUTION, "GONE", "1234", "2027-01-01")
    assert gateway.revoke_certificate(nowhere, desk.http(BriskClock()), OURS)["already"] is True


def test_who_lost_the_lease_neither_asks_for_a_certificate_nor_revokes_one(desk: Desk) -> None:
    path, digest = pending_key(desk)
    action = CreateCertificate(TEAM, CertificateKind.IOS_DISTRIBUTION, path, digest)
    before = desk.get("/v1/certificates")
    with pytest.raises(LeaseLost):
        gateway.create_certificate(action, desk.http(BriskClock()), desk.vault, BriskClock(), desk.policy(), LOST)
    found = before[0]
    serial = found["attributes"]["serialNumber"]
    revoke = RevokeCertificate(TEAM, CertificateKind.APPLE_DISTRIBUTION, found["id"], serial, "2027-01-01")
    with pytest.raises(LeaseLost):
        gateway.revoke_certificate(revoke, desk.http(BriskClock()), LOST)
    assert desk.get("/v1/certificates") == before


def test_a_profile_for_something_else_is_not_kept(desk: Desk) -> None:
    anchors = desk.cast("r9").givens(None)[type(APPLE_ROOTS)]
    found = desk.get("/v1/profiles")[0]
    action = KeepProfile(TEAM, "com.example.other", Platform.IOS, found["id"], found["attributes"]["uuid"])
    with pytest.raises(AppleFailure, match="something else"):
        gateway.keep_profile(action, desk.http(BriskClock()), desk.vault, BriskClock(), desk.policy(), anchors)


def test_a_profile_that_apple_did_not_sign_is_not_kept(desk: Desk) -> None:
    found = next(p for p in desk.get("/v1/profiles") if "iOS" in p["attributes"]["name"])
    action = KeepProfile(TEAM, BUNDLE_ID, Platform.IOS, found["id"], found["attributes"]["uuid"])
    before = desk.vault.look().head
    with pytest.raises(AppleFailure, match="not known to be Apple's"):
        gateway.keep_profile(action, desk.http(BriskClock()), desk.vault, BriskClock(), desk.policy(), APPLE_ROOTS)
    assert desk.vault.look().head == before


def test_a_profile_that_serves_is_found_by_what_it_is(desk: Desk) -> None:
    anchors = desk.cast("r9").givens(None)[type(APPLE_ROOTS)]
    ios = next(p for p in desk.get("/v1/profiles?include=certificates,bundleId") if "iOS" in p["attributes"]["name"])
    links = ios["relationships"]
    bundle, holds = links["bundleId"]["data"]["id"], links["certificates"]["data"][0]["id"]
    action = CreateProfile(TEAM, BUNDLE_ID, Platform.IOS, "IOS_APP_STORE", "", "Another name", bundle, holds, (holds,))
    http, clock = desk.http(BriskClock()), BriskClock()
    assert gateway.create_profile(action, http, clock, anchors, desk.policy())["already"] is True
    insisting = replace(action, wanted_name="Another name")
    assert "already" not in gateway.create_profile(insisting, http, clock, anchors, desk.policy())
    year = SigningPolicy(expires_within=timedelta(days=400), renew=True)
    renewing = replace(action, name="A third name")
    assert gateway.create_profile(renewing, http, clock, anchors, year)["already"] is True, "it was made just now"
    clock.sleep(timedelta(days=2).total_seconds())
    assert "already" not in gateway.create_profile(renewing, http, clock, anchors, year)


def test_promises_do_not_hang_on_what_is_only_known_later() -> None:
    one = CreateProfile(TEAM, BUNDLE_ID, Platform.IOS, "IOS_APP_STORE", "", "A", "B", "C", ("C",))
    assert one.promise == CreateProfile(TEAM, BUNDLE_ID, Platform.IOS, "IOS_APP_STORE").promise
    revoke = RevokeCertificate(TEAM, CertificateKind.APPLE_DISTRIBUTION, "1", "AB", "2027-01-01", 3)
    assert revoke.promise != replace(revoke, serial="CD").promise
    assert "3 profiles of other apps" in revoke.describe()
    assert revoke.promise != replace(revoke, profiles=4).promise, "nobody approved that a fourth one breaks"
