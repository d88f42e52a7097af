"""One identity signs the app and all that travels inside it: what passes must be signable as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.checks import named_identity_is_there
from pipeline.apple.signing.choice import choose, chosen_by_hand, signers
from pipeline.apple.signing.facts import BundleNeed, Identities, Identity, InstalledProfiles, SigningNeed
from pipeline.apple.signing.gateway import signing_need
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal
from pipeline.apple.xcode.facts import Companions, TargetEntitlements, TargetSettings
from pipeline.model import Declaration, Lane, Location, Platform, Severity
from tests.rooms.signing.forge import NOW, TEAM
from tests.rooms.signing.test_choice import said_of_profiles
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, write
from tests.rooms.xcode.test_companions import copy, inner, project, target

DAY = timedelta(days=1)
APP, WIDGET = "com.example.app", "com.example.app.widget"
OLD_PREFIX = "OLDPREFIX1"
GROUPS, PUSH, KEYCHAIN = "com.apple.security.application-groups", "aps-environment", "keychain-access-groups"
CERTIFICATES = {
    name: Certificate(
        sha1=name * 40,
        kind=CertificateKind.APPLE_DISTRIBUTION,
        subject_name="Apple Distribution: Example",
        team_id=TEAM,
        not_before=NOW - DAY,
        not_after=NOW + 300 * DAY,
    )
    for name in "abc"
}


def identity(name: str) -> Identity:
    return Identity(name * 40, "Apple Distribution: Example", "", CERTIFICATES[name], trusted=True)


def keychain(*names: str) -> Identities:
    return Identities(tuple(map(identity, names)), at=NOW)


def profile(
    bundle_id: str = APP, signer: str = "a", *, name: str = "", prefix: str = TEAM, **granted: Any
) -> ProvisioningProfile:
    return ProvisioningProfile(
        uuid=f"{bundle_id}{signer}{name}{prefix}{sorted(granted)}",
        name=name,
        kind=ProfileKind.APP_STORE,
        team_ids=(TEAM,),
        app_id_prefixes=(prefix,),
        application_identifier=f"{prefix}.{bundle_id}",
        bundle_id=bundle_id,
        platforms=("iOS",),
        entitlements={KEYCHAIN: [f"{prefix}.*"], **{key.replace("_", "-"): value for key, value in granted.items()}},
        developer_certificates=tuple(CERTIFICATES[each] for each in signer),
        expires=NOW + 200 * DAY,
        seal=Seal.APPLE,
    )


def manual(*inside: BundleNeed, **asked: Any) -> SigningNeed:
    wanted = {key.replace("_", "-"): value for key, value in asked.items()}
    return SigningNeed(Platform.IOS, TEAM, APP, inside, wanted, style="Manual")


def widget(style: str = "Manual", specifier: str = "", asked: dict[str, Any] | None = None) -> BundleNeed:
    return BundleNeed(WIDGET, TEAM, style, specifier, entitlements=asked or {})


def told(installed: tuple[ProvisioningProfile, ...], identities: Identities, need: SigningNeed) -> list[str]:
    found = said_of_profiles(InstalledProfiles(installed, at=NOW), identities, need)
    return [f"{each.severity} {each.summary}" for each in found]


def test_what_one_profile_lacks_another_does_not_make_good() -> None:
    granting, naming = profile(signer="b", aps_environment="production"), profile(signer="a")
    (said,) = told((granting, naming), keychain("a"), manual(aps_environment="development"))
    assert said.endswith("does not grant aps-environment")
    assert told((granting, naming), keychain("a", "b"), manual(aps_environment="development")) == []


def test_one_identity_signs_all() -> None:
    installed = (profile(), profile(WIDGET, "b", name="W"))
    (said,) = told(installed, keychain("a", "b"), manual(widget()))
    assert "does not name “Apple Distribution: Example” (SHA-1 " in said
    assert "AAAAAAAA…" in said
    assert "BBBBBBBB…" in said
    assert told((*installed, profile(WIDGET, "ca")), keychain("a", "b"), manual(widget())) == []
    assert told((*installed, profile(APP, "cb")), keychain("a", "b"), manual(widget())) == []


def test_the_identity_that_the_project_names_is_the_one() -> None:
    need = replace(manual(), identity_name="B" * 40)
    (said,) = told((profile(signer="a"),), keychain("a", "b"), need)
    assert "does not name “Apple Distribution: Example” (SHA-1 BBBBBBBB…" in said
    assert told((profile(signer="b"),), keychain("a", "b"), need) == []
    kind = replace(need, identity_name="iPhone Distribution")
    assert told((profile(signer="a"),), keychain("a", "b"), kind) == []
    assert [each.sha1[0] for each in signers(keychain("a"), need)] == ["a"], "that it is not there is another's to say"


def test_a_part_of_a_name_says_who_signs() -> None:
    """Among several that the project may mean by it, one that it does not mean never serves."""
    both = keychain("a", "b")
    first, second = both.identities
    beta = replace(both, identities=(first, replace(second, label="Apple Distribution: Beta")))
    (said,) = told((profile(signer="a"),), beta, replace(manual(), identity_name="Beta"))
    assert "does not name “Apple Distribution: Example” (SHA-1 BBBBBBBB…" in said
    assert told((profile(signer="b"),), beta, replace(manual(), identity_name="Beta")) == []


@pytest.mark.parametrize("name", ["", "-"])
def test_no_app_for_a_device_goes_without_a_signature(name: str) -> None:
    place = Location("App.xcconfig", 3)
    need = replace(manual(), identity_name=name, identity_at=place)
    (finding,) = named_identity_is_there(keychain("a"), need)
    assert (finding.severity, finding.location) == (Severity.ERROR, place)
    for other in (
        replace(need, platform=Platform.MAC_OS), replace(need, identity_at=None), replace(need, style="Automatic"),
    ):  # fmt: skip
        assert list(named_identity_is_there(keychain("a"), other)) == []


def test_what_travels_inside_asks_for_itself() -> None:
    need = manual(widget(asked={GROUPS: ["group.a"]}))
    bare = profile(WIDGET, name="W")
    (said,) = told((profile(), bare), keychain("a"), need)
    assert said == f"ERROR the profile “W” does not grant {GROUPS} for {WIDGET}"
    assert told((profile(), replace(bare, entitlements={GROUPS: ["group.a"]})), keychain("a"), need) == []
    (said,) = told((profile(), bare), keychain("a"), manual(replace(widget(), unread=True)))
    assert said.startswith("UNKNOWN")


def test_each_bundle_has_a_style_of_its_own() -> None:
    assert told((profile(),), keychain("a"), manual(widget("Automatic"))) == []
    (said,) = told((), keychain("a"), replace(manual(widget(specifier="Nope")), style="Automatic"))
    assert said.startswith(f"ERROR no profile “Nope”, which the project names for {WIDGET}")


def test_the_prefix_is_the_profiles() -> None:
    need = manual(keychain_access_groups=["$(AppIdentifierPrefix)com.example.shared"])
    assert told((profile(prefix=OLD_PREFIX),), keychain("a"), need) == []
    assert told((profile(),), keychain("a"), need) == []
    other = replace(profile(prefix=OLD_PREFIX), entitlements={KEYCHAIN: [f"{TEAM}.*"]})
    (said,) = told((other,), keychain("a"), need)
    assert said.endswith(f"does not grant {KEYCHAIN} = ['{OLD_PREFIX}.com.example.shared']")


@st.composite
def situations(draw: st.DrawFn) -> tuple[tuple[ProvisioningProfile, ...], Identities, SigningNeed]:
    signer = st.sampled_from(["", "a", "b", "c", "ab", "bc"])
    made = st.builds(
        lambda bundle, names, push, groups, days, seal, prefix, made_here: replace(
            profile(bundle, names, prefix=prefix),
            entitlements={KEYCHAIN: [f"{prefix}.*"], **({PUSH: "production"} if push else {}), **groups},
            expires=NOW + days * DAY,
            seal=seal,
            **made_here,
        ),
        st.sampled_from([APP, WIDGET, "*"]),
        signer,
        st.booleans(),
        st.sampled_from([{}, {GROUPS: ["group.a"]}, {GROUPS: ["group.a", "group.b"]}]),
        st.sampled_from([-1, 90, 90, 200]),
        st.sampled_from([Seal.APPLE, Seal.APPLE, Seal.APPLE, Seal.DOCTORED, Seal.UNKNOWN]),
        st.sampled_from([TEAM, OLD_PREFIX]),
        st.sampled_from([{}, {}, {}, {"xcode_managed": True}, {"created": NOW + 20 * DAY}]),
    )
    asked = st.fixed_dictionaries(
        {},
        optional={
            PUSH: st.just("development"),
            GROUPS: st.sampled_from([["group.a"], ["group.b"], "group.a"]),
            KEYCHAIN: st.sampled_from([["$(AppIdentifierPrefix)x"], [f"{TEAM}.x"]]),
        },
    )
    styles = st.sampled_from(["Manual", "Manual", "Automatic"])
    inside = draw(
        st.lists(st.builds(BundleNeed, st.just(WIDGET), st.just(TEAM), styles, entitlements=asked), max_size=1)
    )
    need = SigningNeed(Platform.IOS, TEAM, APP, tuple(inside), draw(asked), style=draw(styles))
    installed = tuple(draw(st.lists(made, max_size=6)))
    return installed, keychain(*draw(st.sets(st.sampled_from("abc"), min_size=1))), need


def serves(one: ProvisioningProfile, signer: Identity, bundle: BundleNeed) -> bool:
    """By the definition, without the room's own sieves."""
    asked = {
        key: [text.replace("$(AppIdentifierPrefix)", f"{one.app_id_prefixes[0]}.") for text in value]
        if isinstance(value, list)
        else value
        for key, value in bundle.entitlements.items()
    }
    groups = asked.get(GROUPS, [])
    return (
        one.bundle_id in (bundle.bundle_id, "*")
        and one.created <= NOW < one.expires
        and not (bundle.manual and one.xcode_managed)
        and one.seal is Seal.APPLE
        and signer.certificate in one.developer_certificates
        and (PUSH not in asked or PUSH in one.entitlements)
        and set([groups] if isinstance(groups, str) else groups) <= set(one.entitlements.get(GROUPS, ()))
        and all(text.startswith(one.entitlements[KEYCHAIN][0][:-1]) for text in asked.get(KEYCHAIN, ()))
    )


@settings(max_examples=400, deadline=None)
@given(situations())
@example(((profile(WIDGET, "b"), profile(APP, "a")), keychain("a", "b"), manual(widget())))
def test_what_passes_can_be_signed(
    situation: tuple[tuple[ProvisioningProfile, ...], Identities, SigningNeed],
) -> None:
    """No finding, then one identity and one profile for each bundle serve; and where they do, they are found."""
    installed, identities, need = situation
    found = said_of_profiles(InstalledProfiles(installed, at=NOW), identities, need)
    passes = not any(each.severity in (Severity.ERROR, Severity.UNKNOWN) for each in found)
    wanted = chosen_by_hand(need)
    possible = any(
        all(serves(one, signer, bundle) for one, bundle in zip(taken, wanted, strict=True))
        for signer in identities.identities
        for taken in product(installed, repeat=len(wanted))
    )
    assert possible or not passes
    if possible:
        choice = choose(InstalledProfiles(installed, at=NOW), identities, need)
        assert choice.signer is not None
        assert len(choice.matches) == len(wanted)
        assert all(serves(each.profile, choice.signer, each.bundle) for each in choice.matches)
        beside = [each for each in installed if each.seal is not Seal.APPLE]
        assert passes or beside, found


def test_watch_apps_and_what_is_inside_them_have_needs(tmp_path: Path) -> None:
    """A watch app of today is an application for watchOS, and carries extensions of its own."""
    release = "CODE_SIGN_STYLE = Manual; DEVELOPMENT_TEAM = ABCDE12345; GENERATE_INFOPLIST_FILE = YES;"
    app = f"PRODUCT_BUNDLE_IDENTIFIER = {APP}; CODE_SIGN_ENTITLEMENTS = App.entitlements; {release}"
    named = f"PROVISIONING_PROFILE_SPECIFIER = Watch; SDKROOT = watchos; {release}"
    project(
        tmp_path,
        target("App", "application", app, "W"),
        target("Watch", "application", inner("watchkitapp", named), "I"),
        target("Face", "app-extension", inner("watchkitapp.face", "SDKROOT = watchos; CODE_SIGN_STYLE = Automatic;")),
        copy("W", "Watch", folder="16"),
        copy("I", "Face"),
        targets="App,Watch,Face",
    )
    groups = "<key>keychain-access-groups</key><array><string>$(AppIdentifierPrefix)x</string></array>"
    team = "<key>a</key><string>$(TeamIdentifierPrefix)x</string>"
    write(tmp_path, {"App.entitlements": plist(groups + team)})
    look = Look(tmp_path)
    kinds = TargetSettings, TargetEntitlements, Companions
    lane = Lane("ios", Platform.IOS, "App.xcodeproj", "App", "Release")
    found = [look.value("ios", kind) for kind in kinds]
    need = signing_need(found[0], found[1], found[2], Declaration(), lane)
    assert [(each.bundle_id, each.style, each.specifier) for each in need.bundles] == [
        (APP, "Manual", ""),
        (f"{APP}.watchkitapp", "Manual", "Watch"),
        (f"{APP}.watchkitapp.face", "Automatic", ""),
    ]
    assert need.entitlements == {KEYCHAIN: ["$(AppIdentifierPrefix)x"], "a": "ABCDE12345.x"}
    assert found[1].values == {KEYCHAIN: ["ABCDE12345.x"], "a": "ABCDE12345.x"}
    assert [each.target for each in found[0].extensions] == ["Watch", "Face"], "the export names their profiles too"
