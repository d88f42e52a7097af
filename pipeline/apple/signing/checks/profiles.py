"""Whether a profile for the lane is there, current, Apple's own, and grants what the app asks for.

With manual signing the app and everything that travels inside it need a profile each; with automatic signing Xcode
makes and fetches profiles by itself, so that a profile that is missing or old is no finding.
"""

from collections.abc import Iterator
from datetime import datetime

from pipeline.apple.signing.checks.wording import (
    PROFILES,
    days_until,
    listed,
    make_profile,
    profile_there,
    renew_profile,
)
from pipeline.apple.signing.choice import (
    application,
    bundles,
    certificate_of,
    chosen,
    in_force,
    is_governed,
    is_of_platform,
    matching,
    named,
    store_kind,
    suits,
    ungranted,
    usable,
)
from pipeline.apple.signing.facts import Identities, InstalledProfiles, Origin, SigningNeed, SigningPolicy
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal
from pipeline.model import Finding, Location, Platform, check, error, note, unseen, warning


@check("SIGN008", "There is a profile for the App Store")
def app_store_profile_is_there(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """Silent when there is one that will not do: SIGN018 and SIGN019 say why."""
    if need.manual and need.bundle_id:
        yield from _missing(profiles, need, need.bundle_id)


@check("SIGN009", "The profile has not expired")
def profile_is_in_date(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """The matching profile that lasts longest decides."""
    for latest in _latest(profiles, need):
        if latest.expires <= profiles.at:
            yield error(
                f"the profile {_called(latest)} expired on {latest.expires:%Y-%m-%d}",
                subject=latest.uuid,
                remedy=renew_profile(profiles.origin),
                apple="ITMS-90161",
            )


@check("SIGN010", "The profile names the identity's certificate")
def profile_names_the_identity(
    profiles: InstalledProfiles, identities: Identities, need: SigningNeed
) -> Iterator[Finding]:
    """Silent when there is no usable identity or no profile in date: then those are the cause."""
    here = {identity.sha1 for identity in usable(identities, need, application(need))}
    for bundle_id in bundles(need) if here else ():
        found = in_force(profiles, need, bundle_id)
        if not found or any(each.sha1 in here for profile in found for each in profile.developer_certificates):
            continue
        profile = max(found, key=_end)
        held = listed(sorted({f"“{each.subject_name}”" for each in profile.developer_certificates}))
        yield error(
            f"the profile {_called(profile)} names {held or 'no certificate'}, and none of the usable identities here",
            subject=profile.uuid,
            remedy=f"add the identity's certificate to the profile at {PROFILES}, or use the identity that the "
            "profile names",
            apple="ITMS-90179",
        )


@check("SIGN011", "The profile grants every entitlement")
def profile_grants_the_entitlements(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """By the profile in date that grants most; values that Xcode replaces on export are judged by their key alone."""
    found = in_force(profiles, need, need.bundle_id)
    if not found or not need.team_id:
        # Many values begin with the team; that it is not set is PROJ020's to say.
        return
    profile = min(found, key=lambda each: len(ungranted(each, need)))
    for key in ungranted(profile, need):
        there = key in profile.entitlements
        yield error(
            f"the profile {_called(profile)} does not grant {key}"
            + (f" = {need.entitlements[key]!r}" if there else ""),
            subject=key,
            at=need.entitlement_places.get(key),
            remedy="enable the capability for the App ID and renew the profile, or remove the entitlement",
            apple="ITMS-90288" if need.platform is Platform.MAC_OS else "ITMS-90164",
        )


@check("SIGN013", "The profile is as Apple signed it")
def profile_is_sealed_by_apple(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """A changed profile is no use with any style of signing, but only manual signing is sure to take it."""
    told: set[str] = set()
    for bundle_id in bundles(need):
        for profile in matching(profiles, need, bundle_id):
            if (key := profile.path or profile.uuid) not in told:
                told.add(key)
                yield from _unsealed(profile, need, profiles.origin)


@check("SIGN018", "The profile that the project names is one for the App Store")
def named_profile_is_for_the_app_store(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """A profile of that name is there, and it is of another kind, for another platform, or for another App ID."""
    for bundle_id in bundles(need):
        if not need.manual or not need.specifier(bundle_id):
            continue
        found = named(profiles, need, bundle_id)
        for profile in () if any(suits(each, need, bundle_id) for each in found) else found[:1]:
            yield error(
                f"the profile {_called(profile)}, which the project names for {bundle_id}, will not do: "
                f"{_why_unfit(profile, need, bundle_id)}",
                subject=profile.uuid,
                at=_place(need, bundle_id),
                remedy=f"name a profile of kind App Store for {bundle_id}"
                + (f" and team {need.team_id}" if need.team_id else ""),
            )


@check("SIGN019", "The profile belongs to the app's team")
def profile_is_of_the_team(profiles: InstalledProfiles, identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """The team that the project names; where it names none, that of the identity."""
    for bundle_id in bundles(need) if need.manual else ():
        fit = [each for each in named(profiles, need, bundle_id) if suits(each, need, bundle_id)]
        teams = {need.team_id} if need.team_id else _teams(identities, need)
        if not fit or not teams or any(teams & set(each.team_ids) for each in fit):
            continue
        whose = f"the app's is {need.team_id}" if need.team_id else f"the identity's is {listed(sorted(teams))}"
        profile = max(fit, key=_end)
        yield error(
            f"the profile {_called(profile)} is of team {listed(profile.team_ids) or 'nobody'}, {whose}",
            subject=profile.uuid,
            at=_place(need, bundle_id),
            remedy=f"for team {listed(sorted(teams))} {make_profile(profiles.origin)}, or correct DEVELOPMENT_TEAM",
        )


@check("SIGN020", "The profile does not expire soon")
def profile_lasts(profiles: InstalledProfiles, need: SigningNeed, policy: SigningPolicy) -> Iterator[Finding]:
    """The matching profile that lasts longest decides."""
    for latest in _latest(profiles, need):
        if profiles.at < latest.expires < profiles.at + policy.expires_within:
            yield warning(
                f"the profile {_called(latest)} expires on {latest.expires:%Y-%m-%d}, "
                f"{days_until(latest.expires, profiles.at)}",
                subject=latest.uuid,
                remedy=renew_profile(profiles.origin),
            )


@check("SIGN021", "What travels inside the app has a profile of its own")
def extensions_have_profiles(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """Extensions, app clips and watch apps are signed like apps, each with a profile for its own App ID."""
    if need.manual:
        for bundle_id in bundles(need)[bool(need.bundle_id) :]:
            yield from _missing(profiles, need, bundle_id)


def _missing(profiles: InstalledProfiles, need: SigningNeed, bundle_id: str) -> Iterator[Finding]:
    specifier = need.specifier(bundle_id)
    found = named(profiles, need, bundle_id)
    if any(suits(each, need, bundle_id) for each in found):
        return
    if specifier:
        if not found:
            yield error(
                f"no profile “{specifier}”, which the project names for {bundle_id}, {profile_there(profiles.origin)}",
                subject=bundle_id,
                at=_place(need, bundle_id),
                remedy=make_profile(profiles.origin),
            )
        return
    summary = f"no {need.platform.label} App Store profile for {bundle_id} {profile_there(profiles.origin)}"
    remedy = f"{make_profile(profiles.origin)}, or sign automatically"
    if need.platform is not Platform.MAC_OS or _needs_a_profile(need, bundle_id):
        yield error(summary, subject=bundle_id, remedy=remedy)
    else:
        yield warning(summary, subject=bundle_id, remedy=remedy, apple="ITMS-90889")


def _needs_a_profile(need: SigningNeed, bundle_id: str) -> bool:
    """Whether a Mac bundle cannot do without; what an extension is entitled to is not known."""
    return bundle_id == need.bundle_id and any(is_governed(key, need) for key in need.entitlements)


def _latest(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[ProvisioningProfile]:
    """For each bundle the profile that lasts longest; one with a wildcard that serves several is given once."""
    best = (max(found, key=_end) for each in bundles(need) if (found := chosen(profiles, need, each)))
    yield from {each.path or each.uuid: each for each in best}.values()


def _unsealed(profile: ProvisioningProfile, need: SigningNeed, origin: Origin) -> Iterator[Finding]:
    remedy = f"delete the file, and {renew_profile(origin)}"
    told = f"the profile “{profile.name}” ({profile.path or profile.uuid})"
    if profile.seal in (Seal.DOCTORED, Seal.FOREIGN):
        told += " was changed after Apple signed it" if profile.seal is Seal.DOCTORED else " is not signed by Apple"
        make = error if need.manual else warning
        yield make(f"{told}: {profile.seal_reason}", subject=profile.uuid, remedy=remedy, apple="ITMS-90165")
    elif profile.seal is Seal.UNKNOWN and need.manual:
        yield unseen(f"the signature of {told} could not be checked: {profile.seal_reason}", subject=profile.uuid)
    if profile.problems:
        yield note(f"{told} is odd: {'; '.join(profile.problems)}", subject=profile.uuid, remedy=remedy)


def _why_unfit(profile: ProvisioningProfile, need: SigningNeed, bundle_id: str) -> str:
    if profile.kind is not store_kind(need) or not is_of_platform(profile, need):
        platforms = " and ".join(profile.platforms) or "no platform"
        return f"its kind is {profile.kind.replace('_', ' ').lower()}, for {platforms}"
    return f"its App ID is {profile.bundle_id}, the bundle's is {bundle_id}"


def _teams(identities: Identities, need: SigningNeed) -> set[str]:
    found = usable(identities, need, application(need))
    return {certificate_of(each).team_id for each in found} - {""}


def _called(profile: ProvisioningProfile) -> str:
    return f"“{profile.name or profile.uuid}”"


def _end(profile: ProvisioningProfile) -> datetime:
    return profile.expires


def _place(need: SigningNeed, bundle_id: str) -> Location | None:
    return need.profile_at if bundle_id == need.bundle_id else None
