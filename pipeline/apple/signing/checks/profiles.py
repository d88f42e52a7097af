"""Whether a profile for the lane is installed, current, Apple's own, and grants what the app asks for."""

from collections.abc import Iterator

from pipeline.apple.signing.checks.wording import NOTICE, days_until, listed
from pipeline.apple.signing.choice import (
    chosen,
    current,
    is_governed,
    is_named,
    is_of_platform,
    matching,
    serves,
    store_kind,
    ungranted,
    usable,
)
from pipeline.apple.signing.facts import Identities, InstalledProfiles, SigningNeed
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal
from pipeline.model import Finding, Platform, check, error, note, unseen, warning

RENEW = "renew it at developer.apple.com/account/resources/profiles and install it"


@check("SIGN008", "A profile for the App Store is installed")
def app_store_profile_is_installed(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """With manual signing only: otherwise Xcode makes and fetches profiles by itself."""
    if not need.manual:
        return
    if need.profile_specifier:
        yield from _named_profile(profiles, need)
    elif not chosen(profiles, need):
        yield from _no_profile(need, need.bundle_id)
    for bundle_id in need.extension_ids:
        if not [each for each in profiles.profiles if serves(each, need, bundle_id)]:
            yield from _no_profile(need, bundle_id)


@check("SIGN009", "The profile has not expired and does not soon")
def profile_is_in_date(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """The matching profile that lasts longest decides."""
    found = chosen(profiles, need)
    if not found:
        return
    latest = max(found, key=lambda each: each.expires)
    end = f"{latest.expires:%Y-%m-%d}"
    if latest.expires <= profiles.at:
        yield error(
            f"the profile “{latest.name}” expired on {end}", subject=latest.uuid, remedy=RENEW, apple="ITMS-90161"
        )
    elif latest.expires - profiles.at < NOTICE:
        told = f"the profile “{latest.name}” expires on {end}, {days_until(latest.expires, profiles.at)}"
        yield warning(told, subject=latest.uuid, remedy=RENEW)


@check("SIGN010", "The profile names the identity's certificate")
def profile_names_the_identity(
    profiles: InstalledProfiles, identities: Identities, need: SigningNeed
) -> Iterator[Finding]:
    """Silent when there is no usable identity or no profile in date: then those are the cause."""
    here = {identity.sha1 for identity in usable(identities, need)}
    found = current(profiles, need)
    if not here or not found:
        return
    if any(certificate.sha1 in here for profile in found for certificate in profile.developer_certificates):
        return
    profile = max(found, key=lambda each: each.expires)
    named = listed(sorted({f"“{each.subject_name}”" for each in profile.developer_certificates}))
    yield error(
        f"the profile “{profile.name}” names {named or 'no certificate'}, and none of the usable identities here",
        subject=profile.uuid,
        remedy="add the identity's certificate to the profile at developer.apple.com/account/resources/profiles, or "
        "install the identity that the profile names",
        apple="ITMS-90179",
    )


@check("SIGN011", "The profile grants every entitlement")
def profile_grants_the_entitlements(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """By the profile in date that grants most; values that Xcode replaces on export are judged by their key alone."""
    found = current(profiles, need)
    if not found or not need.team_id:
        # Many values begin with the team; that it is not set is PROJ020's to say.
        return
    profile = min(found, key=lambda each: len(ungranted(each, need)))
    for key in ungranted(profile, need):
        there = key in profile.entitlements
        yield error(
            f"the profile “{profile.name}” does not grant {key}" + (f" = {need.entitlements[key]!r}" if there else ""),
            subject=key,
            at=need.entitlement_places.get(key),
            remedy="enable the capability for the App ID and renew the profile, or remove the entitlement",
            apple="ITMS-90288" if need.platform is Platform.MAC_OS else "ITMS-90164",
        )


@check("SIGN013", "The profile is as Apple signed it")
def profile_is_sealed_by_apple(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """A changed profile is no use with any style of signing, but only manual signing is sure to take it."""
    for profile in matching(profiles, need):
        remedy = "delete the file and install the profile anew from developer.apple.com/account/resources/profiles"
        told = f"the profile “{profile.name}” ({profile.path or profile.uuid})"
        if profile.seal in (Seal.DOCTORED, Seal.FOREIGN):
            told += " was changed after Apple signed it" if profile.seal is Seal.DOCTORED else " is not signed by Apple"
            make = error if need.manual else warning
            yield make(f"{told}: {profile.seal_reason}", subject=profile.uuid, remedy=remedy, apple="ITMS-90165")
        elif profile.seal is Seal.UNKNOWN and need.manual:
            yield unseen(f"the signature of {told} could not be checked: {profile.seal_reason}", subject=profile.uuid)
        if profile.problems:
            yield note(f"{told} is odd: {'; '.join(profile.problems)}", subject=profile.uuid, remedy=remedy)


def _named_profile(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    named = [each for each in profiles.profiles if is_named(each, need)]
    if chosen(profiles, need):
        return
    if not named:
        yield error(
            f"the profile “{need.profile_specifier}”, which the project names, is not installed",
            subject=need.bundle_id,
            at=need.profile_at,
            remedy="download it from developer.apple.com/account/resources/profiles and open it with Xcode",
        )
        return
    profile = named[0]
    yield error(
        f"the profile “{profile.name}” is not for this app on the App Store: {_why_unfit(profile, need)}",
        subject=profile.uuid,
        at=need.profile_at,
        remedy=f"name a profile of kind App Store for {need.bundle_id} and team {need.team_id}",
    )


def _why_unfit(profile: ProvisioningProfile, need: SigningNeed) -> str:
    if profile.kind is not store_kind(need) or not is_of_platform(profile, need):
        platforms = " and ".join(profile.platforms) or "no platform"
        return f"its kind is {profile.kind.replace('_', ' ').lower()}, for {platforms}"
    if need.team_id and need.team_id not in profile.team_ids:
        return f"its team is {listed(profile.team_ids)}, the app's is {need.team_id}"
    return f"its App ID is {profile.bundle_id}, the app's is {need.bundle_id}"


def _no_profile(need: SigningNeed, bundle_id: str) -> Iterator[Finding]:
    summary = f"no {need.platform.label} App Store profile for {bundle_id} is installed"
    remedy = "make one at developer.apple.com/account/resources/profiles and open it with Xcode, or sign automatically"
    if need.platform is not Platform.MAC_OS or any(is_governed(key, need) for key in need.entitlements):
        yield error(summary, subject=bundle_id, remedy=remedy)
    else:
        yield warning(summary, subject=bundle_id, remedy=remedy, apple="ITMS-90889")
