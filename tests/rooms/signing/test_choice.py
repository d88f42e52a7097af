"""Which identity and which profile a lane would use: whatever lies beside the right one must not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing import checks
from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.choice import (
    DEVELOPMENT_KINDS,
    INSTALLER,
    KIND_NAMES,
    application,
    chosen_by_hand,
    current,
    matching,
    of_other_kinds,
    roles,
    suited,
    usable,
    without_key,
)
from pipeline.apple.signing.facts import BundleNeed, Identities, Identity, InstalledProfiles, SigningNeed, SigningPolicy
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal
from pipeline.engine.wiring import needs_of
from pipeline.model import Finding, Platform, Reading, Severity
from tests.rooms.signing.forge import NOW, TEAM

DAY = timedelta(days=1)
PROBLEMS = ("", "", "CSSMERR_TP_CERT_REVOKED", "CSSMERR_TP_NOT_TRUSTED", "CSSMERR_TP_NEW")


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    begins = draw(st.integers(-900, 30))
    return Certificate(
        sha1=f"{draw(st.integers(0, 10_000)):040x}",
        kind=draw(st.sampled_from([*KIND_NAMES, CertificateKind.OTHER])),
        subject_name=draw(st.sampled_from(["One", "Two", "“Drei” [ß]"])),
        team_id=draw(st.sampled_from([TEAM, "OTHER12345", ""])),
        not_before=NOW + begins * DAY,
        not_after=NOW + (begins + draw(st.integers(0, 1_800))) * DAY,
    )


@st.composite
def listed(draw: st.DrawFn) -> Identity:
    certificate = draw(certificates())
    trusted = draw(st.booleans())
    return Identity(
        certificate.sha1,
        certificate.subject_name,
        draw(st.sampled_from(PROBLEMS)),
        certificate,
        trusted,
        "" if trusted else "it ends in “X”",
        authority=draw(st.none() | certificates()),
    )


@st.composite
def keychains(draw: st.DrawFn) -> Identities:
    return Identities(tuple(draw(st.lists(listed(), max_size=6))), tuple(draw(st.lists(listed(), max_size=3))), at=NOW)


@st.composite
def profiles(draw: st.DrawFn) -> InstalledProfiles:
    made = st.builds(
        ProvisioningProfile,
        uuid=st.uuids().map(str),
        name=st.sampled_from(["One", "Two"]),
        kind=st.sampled_from(ProfileKind),
        team_ids=st.sampled_from([(TEAM,), ("OTHER12345",), ()]),
        platforms=st.sampled_from([("iOS", "xrOS"), ("OSX",), ("tvOS",), ()]),
        bundle_id=st.sampled_from(["com.example.app", "com.example.*", "com.other", "*", ""]),
        developer_certificates=st.lists(certificates(), max_size=2).map(tuple),
        expires=st.integers(-400, 800).map(lambda days: NOW + days * DAY),
        created=st.integers(-400, 40).map(lambda days: NOW + days * DAY),
        xcode_managed=st.sampled_from([False, False, True]),
        seal=st.sampled_from(Seal),
    )
    return InstalledProfiles(tuple(draw(st.lists(made, max_size=5))), at=NOW)


needs = st.builds(
    SigningNeed,
    platform=st.sampled_from(Platform),
    team_id=st.sampled_from([TEAM, ""]),
    bundle_id=st.sampled_from(["com.example.app", ""]),
    inside=st.lists(
        st.builds(
            BundleNeed,
            bundle_id=st.sampled_from(["com.example.app.widget", "com.example.app.a", ""]),
            style=st.sampled_from(["Automatic", "Manual", "manual"]),
            specifier=st.sampled_from(["", "Two", "Nowhere"]),
        ),
        max_size=3,
    ).map(tuple),
    style=st.sampled_from(["Automatic", "Manual"]),
    profile_specifier=st.sampled_from(["", "One", "Nowhere"]),
)
GOOD = {
    CertificateKind.APPLE_DISTRIBUTION: Identity(
        "a" * 40,
        "Apple Distribution: Good",
        "",
        Certificate(
            sha1="a" * 40,
            kind=CertificateKind.APPLE_DISTRIBUTION,
            subject_name="Apple Distribution: Good",
            team_id=TEAM,
            not_before=NOW - DAY,
            not_after=NOW + 3_000 * DAY,
        ),
        trusted=True,
    ),
}
GOOD[CertificateKind.MAC_INSTALLER_DISTRIBUTION] = replace(
    GOOD[CertificateKind.APPLE_DISTRIBUTION],
    sha1="b" * 40,
    label="Installer: Good",
    certificate=replace(
        GOOD[CertificateKind.APPLE_DISTRIBUTION].certificate or Certificate(),
        sha1="b" * 40,
        kind=CertificateKind.MAC_INSTALLER_DISTRIBUTION,
        subject_name="Installer: Good",
    ),
)


def said(identities: Identities, need: SigningNeed) -> list[Finding]:
    """What all rules about identities alone say."""
    given_facts = {Identities: identities, SigningNeed: need, SigningPolicy: SigningPolicy()}
    found: list[Finding] = []
    for name in checks.__all__:
        rule = getattr(checks, name)
        wanted = {each.name: each.wanted for each in needs_of(rule)}
        if set(wanted.values()) <= set(given_facts) and Identities in wanted.values():
            found += rule(**{each: given_facts[kind] for each, kind in wanted.items()})
    return found


def said_of_profiles(installed: InstalledProfiles, identities: Identities, need: SigningNeed) -> list[Finding]:
    """What all rules that look at profiles say."""
    given_facts = {
        InstalledProfiles: installed,
        Identities: identities,
        SigningNeed: need,
        SigningPolicy: SigningPolicy(),
    }
    found: list[Finding] = []
    for name in checks.__all__:
        rule = getattr(checks, name)
        asked = needs_of(rule)
        if InstalledProfiles in {each.wanted for each in asked}:
            told = {each.name: given_facts[each.wanted] for each in asked}
            readings = {each.name: Reading.of(told[each.name]) for each in asked if each.reading}
            found += rule(**{**told, **readings})
    return found


@settings(max_examples=150, deadline=None)
@given(keychains(), needs)
def test_each_sieve_lets_less_through(identities: Identities, need: SigningNeed) -> None:
    for role in roles(need):
        shapes = [
            {each.sha1 + each.label for each in found}
            for found in (
                identities.identities,
                suited(identities, role),
                current(identities, need, role),
                usable(identities, need, role),
            )
        ]
        assert all(finer <= wider for wider, finer in pairwise(shapes))
        for each in usable(identities, need, role):
            assert each.certificate is not None
            assert each.certificate.kind in role.kinds
            assert each.certificate.kind not in DEVELOPMENT_KINDS
            assert need.team_id in ("", each.certificate.team_id)
            assert each.certificate.valid_at(NOW)
            assert not each.problem
        others = {each.certificate.kind for each in of_other_kinds(identities, need, role) if each.certificate}
        assert not others & (role.kinds | DEVELOPMENT_KINDS)
        assert all(each in identities.keyless for each in without_key(identities, need, role))


@settings(max_examples=150, deadline=None)
@given(keychains(), needs)
def test_an_unusable_lane_is_never_silent(identities: Identities, need: SigningNeed) -> None:
    """Where one of the signatures cannot be made there is an error or an UNKNOWN, and so with a chain that is not
    Apple's.
    """
    found = said(identities, need)
    for role in roles(need):
        signers = usable(identities, need, role)
        if not any(each.trusted for each in signers):
            assert any(each.severity in (Severity.ERROR, Severity.UNKNOWN) for each in found), role


@settings(max_examples=150, deadline=None)
@given(keychains(), needs.filter(lambda need: bool(need.team_id)))
def test_beside_a_good_identity_nothing_else_matters(identities: Identities, need: SigningNeed) -> None:
    good = tuple(GOOD.values())
    found = said(replace(identities, identities=(*identities.identities, *good)), need)
    assert [each for each in found if each.severity is not Severity.WARNING] == []
    assert all("identities are called" in each.summary for each in found), found


@settings(max_examples=150, deadline=None)
@given(keychains(), needs)
def test_every_no_has_a_remedy(identities: Identities, need: SigningNeed) -> None:
    for finding in said(identities, need):
        assert finding.remedy
        assert finding.summary
        assert finding.summary[-1] not in ".!"


@settings(max_examples=150, deadline=None)
@given(profiles(), needs)
def test_what_is_chosen_serves(installed: InstalledProfiles, need: SigningNeed) -> None:
    for bundle in need.bundles:
        for profile in matching(installed, need, bundle):
            assert profile.covers(bundle.bundle_id)
            assert profile.kind in (ProfileKind.APP_STORE, ProfileKind.MAC_APP_STORE)
            assert need.team_id in ("", *profile.team_ids)
            assert not (bundle.manual and profile.xcode_managed)
            assert not (bundle.manual and bundle.specifier) or profile.name == bundle.specifier


@settings(max_examples=150, deadline=None)
@given(profiles(), keychains(), needs)
def test_manual_signing_without_a_good_profile_is_never_silent(
    installed: InstalledProfiles, identities: Identities, need: SigningNeed
) -> None:
    found = said_of_profiles(installed, identities, need)
    for bundle in chosen_by_hand(need):
        held = matching(installed, need, bundle)
        if not [each for each in held if each.created <= NOW + DAY < each.expires + DAY and each.seal is Seal.APPLE]:
            assert [each for each in found if each.severity is not Severity.NOTE], bundle
    if not chosen_by_hand(need):
        assert all(each.severity in (Severity.NOTE, Severity.WARNING) for each in found)


def test_an_iphone_lane_needs_no_installer() -> None:
    assert [role.kinds for role in roles(SigningNeed(Platform.TV_OS))] == [application(SigningNeed()).kinds]
    assert roles(SigningNeed(Platform.MAC_OS))[1] is INSTALLER
