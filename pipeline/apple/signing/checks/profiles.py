"""Whether a profile for the lane is there, current, Apple's own, and grants what the app asks for.

The app and everything that travels inside it need a profile each, where they are signed manually; with automatic
signing Xcode makes and fetches profiles by itself, so that a profile that is missing or old is no finding. What is
judged is the best choice of one identity and one profile for each bundle: what it lacks, no other choice has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from pipeline.apple.signing.certificates import Certificate
from pipeline.apple.signing.checks.wording import (
    PROFILES,
    days_until,
    listed,
    make_profile,
    profile_there,
    renew_profile,
)
from pipeline.apple.signing.choice import (
    CLOCKS_DIFFER,
    Choice,
    asks_for,
    certificate_of,
    choose,
    chosen_by_hand,
    is_governed,
    is_of_platform,
    is_of_team,
    matching,
    named,
    store_kind,
    suits,
    team_of,
)
from pipeline.apple.signing.facts import BundleNeed, Identities, InstalledProfiles, Origin, SigningNeed, SigningPolicy
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal
from pipeline.model import Finding, Platform, Reading, check, error, note, unseen, warning

_MOST_NAMED = 3
"""Certificates that are told of one profile."""


@check("SIGN008", "There is a profile for the App Store")
def app_store_profile_is_there(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """Silent when there is one that will not do: SIGN018 and SIGN019 say why."""
    for bundle in chosen_by_hand(need):
        if bundle.bundle_id == need.bundle_id:
            yield from _missing(profiles, need, bundle)


@check("SIGN009", "The profile is in date")
def profile_is_in_date(
    profiles: InstalledProfiles, identities: Reading[Identities], need: SigningNeed
) -> Iterator[Finding]:
    """Only when all that would do are out of date."""
    for taken in _taken(_best(profiles, identities, need)):
        if taken.created > profiles.at + CLOCKS_DIFFER:
            yield error(
                f"the profile {_called(taken)} is dated {taken.created:%Y-%m-%d}, "
                f"{days_until(taken.created, profiles.at)}",
                subject=taken.uuid,
                remedy=f"correct this machine's clock; if it is right, {renew_profile(profiles.origin)}",
            )
        elif taken.expires <= profiles.at:
            yield error(
                f"the profile {_called(taken)} expired on {taken.expires:%Y-%m-%d}",
                subject=taken.uuid,
                remedy=renew_profile(profiles.origin),
                apple="ITMS-90161",
            )


@check("SIGN010", "The profile names the identity's certificate")
def profile_names_the_identity(
    profiles: InstalledProfiles, identities: Identities, need: SigningNeed
) -> Iterator[Finding]:
    """Silent when there is no usable identity or no profile in date: then those are the cause."""
    choice = choose(profiles, identities, need)
    told: set[str] = set()
    for each in choice.matches if choice.signer else ():
        if not choice.signer or not each.in_force or each.names(choice.signer) or each.is_foreign(choice.signer):
            continue
        if (key := _key(each.profile)) in told:
            continue
        told.add(key)
        signer = certificate_of(choice.signer)
        held = _certificates(each.profile.developer_certificates)
        yield error(
            f"the profile {_called(each.profile)} does not name {_certificate(signer)}, with which the app "
            f"would be signed, but {held or 'no certificate'}",
            subject=each.profile.uuid,
            remedy=f"add the identity's certificate to the profile at {PROFILES}, or use the identity that the "
            "profile names; one identity signs the app and all that travels inside it",
            apple="ITMS-90179",
        )


@check("SIGN011", "The profile grants every entitlement")
def profile_grants_the_entitlements(
    profiles: InstalledProfiles, identities: Reading[Identities], need: SigningNeed
) -> Iterator[Finding]:
    """Values that Xcode replaces on export are judged by their key alone. Silent without a team, which is PROJ020's."""
    for each in _best(profiles, identities, need).matches:
        if not each.in_force:
            continue
        bundle, profile = each.bundle, each.profile
        asked = asks_for(profile, bundle, need)
        whose = "" if bundle.bundle_id == need.bundle_id else f" for {bundle.bundle_id}"
        for key in each.ungranted:
            value = f" = {asked[key]!r}" if key in profile.entitlements else ""
            yield error(
                f"the profile {_called(profile)} does not grant {key}{value}{whose}",
                subject=key,
                at=bundle.places.get(key),
                remedy="enable the capability for the App ID and renew the profile, or remove the entitlement",
                apple="ITMS-90288" if need.platform is Platform.MAC_OS else "ITMS-90164",
            )
        if bundle.unread:
            yield unseen(
                f"whether the profile {_called(profile)} grants what {bundle.bundle_id} asks for is not known: "
                "its entitlements cannot be read",
                subject=bundle.bundle_id,
            )


@check("SIGN013", "The profile is as Apple signed it")
def profile_is_sealed_by_apple(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """A changed profile is no use with any style of signing, but only manual signing is sure to take it."""
    told: set[str] = set()
    for bundle in sorted(need.bundles, key=lambda each: not each.manual):
        for profile in matching(profiles, need, bundle):
            if (key := _key(profile)) not in told:
                told.add(key)
                yield from _unsealed(profile, profiles.origin, manual=bundle.manual)


@check("SIGN018", "The profile that the project names is one for the App Store")
def named_profile_is_for_the_app_store(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """A profile of that name is there, and it is of another kind, for another platform or App ID, or Xcode's own."""
    for bundle in chosen_by_hand(need):
        found = named(profiles, need, bundle) if bundle.specifier else []
        team = team_of(bundle, need)
        for profile in () if any(suits(each, need, bundle) for each in found) else found[:1]:
            yield error(
                f"the profile {_called(profile)}, which the project names for {bundle.bundle_id}, will not do: "
                f"{_why_unfit(profile, need, bundle)}",
                subject=profile.uuid,
                at=bundle.specifier_at,
                remedy=f"name a profile of kind App Store for {bundle.bundle_id}"
                + (f" and team {team}" if team else ""),
            )


@check("SIGN019", "The profile belongs to the app's team")
def profile_is_of_the_team(profiles: InstalledProfiles, identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """The team that the project names; where it names none, that of the identity."""
    for bundle in chosen_by_hand(need):
        fit = [each for each in named(profiles, need, bundle) if suits(each, need, bundle)]
        team = team_of(bundle, need)
        if fit and not any(is_of_team(each, team) for each in fit):
            yield _not_of(team, "the app's", max(fit, key=_end), bundle, profiles.origin)
    choice = choose(profiles, identities, need)
    for each in choice.matches:
        if choice.signer and each.is_foreign(choice.signer):
            team = certificate_of(choice.signer).team_id
            yield _not_of(team, "the identity's", each.profile, each.bundle, profiles.origin)


@check("SIGN020", "The profile does not expire soon")
def profile_lasts(
    profiles: InstalledProfiles, identities: Reading[Identities], need: SigningNeed, policy: SigningPolicy
) -> Iterator[Finding]:
    """Of several that will do, the one that lasts longest decides."""
    for taken in _taken(_best(profiles, identities, need)):
        if profiles.at < taken.expires < profiles.at + policy.expires_within:
            yield warning(
                f"the profile {_called(taken)} expires on {taken.expires:%Y-%m-%d}, "
                f"{days_until(taken.expires, profiles.at)}",
                subject=taken.uuid,
                remedy=renew_profile(profiles.origin),
            )


@check("SIGN021", "What travels inside the app has a profile of its own")
def extensions_have_profiles(profiles: InstalledProfiles, need: SigningNeed) -> Iterator[Finding]:
    """Extensions, app clips and watch apps are signed like apps, each with a profile for its own App ID."""
    for bundle in chosen_by_hand(need):
        if bundle.bundle_id != need.bundle_id:
            yield from _missing(profiles, need, bundle)


def _missing(profiles: InstalledProfiles, need: SigningNeed, bundle: BundleNeed) -> Iterator[Finding]:
    found, bundle_id = named(profiles, need, bundle), bundle.bundle_id
    if any(suits(each, need, bundle) for each in found):
        return
    if bundle.specifier:
        if not found:
            yield error(
                f"no profile “{bundle.specifier}”, which the project names for {bundle_id}, "
                f"{profile_there(profiles.origin)}",
                subject=bundle_id,
                at=bundle.specifier_at,
                remedy=make_profile(profiles.origin),
            )
        return
    summary = f"no {need.platform.label} App Store profile for {bundle_id} {profile_there(profiles.origin)}"
    if any(suits(each, need, replace(bundle, style="Automatic")) for each in found):
        summary += " but one that Xcode manages, and manual signing takes none of those"
    remedy = f"{make_profile(profiles.origin)}, or sign automatically"
    if need.platform is not Platform.MAC_OS or _needs_a_profile(need, bundle):
        yield error(summary, subject=bundle_id, remedy=remedy)
    else:
        yield warning(summary, subject=bundle_id, remedy=remedy, apple="ITMS-90889")


def _needs_a_profile(need: SigningNeed, bundle: BundleNeed) -> bool:
    """Whether a Mac bundle cannot do without."""
    return any(is_governed(key, value, need.platform) for key, value in bundle.entitlements.items())


def _best(profiles: InstalledProfiles, identities: Reading[Identities], need: SigningNeed) -> Choice:
    """The best choice; when it is not known which identities there are, whichever they name."""
    return choose(profiles, identities.value or Identities(), need)


def _taken(choice: Choice) -> Iterable[ProvisioningProfile]:
    """The profiles of a choice; one with a wildcard that serves several bundles is given once."""
    return {_key(each.profile): each.profile for each in choice.matches}.values()


def _not_of(team: str, whose: str, profile: ProvisioningProfile, bundle: BundleNeed, origin: Origin) -> Finding:
    return error(
        f"the profile {_called(profile)} is of team {listed(profile.team_ids) or 'nobody'}, {whose} is {team}",
        subject=profile.uuid,
        at=bundle.specifier_at,
        remedy=f"for team {team} {make_profile(origin)}, or correct DEVELOPMENT_TEAM",
    )


def _unsealed(profile: ProvisioningProfile, origin: Origin, *, manual: bool) -> Iterator[Finding]:
    remedy = f"delete the file, and {renew_profile(origin)}"
    told = f"the profile “{profile.name}” ({profile.path or profile.uuid})"
    if profile.seal in (Seal.DOCTORED, Seal.FOREIGN):
        told += " was changed after Apple signed it" if profile.seal is Seal.DOCTORED else " is not signed by Apple"
        make = error if manual else warning
        yield make(f"{told}: {profile.seal_reason}", subject=profile.uuid, remedy=remedy, apple="ITMS-90165")
    elif profile.seal is Seal.UNKNOWN and manual:
        yield unseen(f"the signature of {told} could not be checked: {profile.seal_reason}", subject=profile.uuid)
    if profile.problems:
        yield note(f"{told} is odd: {'; '.join(profile.problems)}", subject=profile.uuid, remedy=remedy)


def _why_unfit(profile: ProvisioningProfile, need: SigningNeed, bundle: BundleNeed) -> str:
    if profile.kind is not store_kind(need) or not is_of_platform(profile, need):
        platforms = " and ".join(profile.platforms) or "no platform"
        return f"its kind is {profile.kind.replace('_', ' ').lower()}, for {platforms}"
    if not profile.covers(bundle.bundle_id):
        return f"its App ID is {profile.bundle_id}, the bundle's is {bundle.bundle_id}"
    return "Xcode manages it, and manual signing takes none that it manages"


def _certificates(certificates: tuple[Certificate, ...]) -> str:
    shown = [_certificate(each) for each in certificates[:_MOST_NAMED]]
    more = len(certificates) - len(shown)
    return listed([*shown, f"{more} more"] if more else shown)


def _certificate(certificate: Certificate) -> str:
    """Its name, and what tells it from another of that name: the first digits of its SHA-1, and its end."""
    sha1 = certificate.sha1[:8].upper()
    return f"“{certificate.subject_name}” (SHA-1 {sha1}…, ends {certificate.not_after:%Y-%m-%d})"


def _called(profile: ProvisioningProfile) -> str:
    return f"“{profile.name or profile.uuid}”"


def _key(profile: ProvisioningProfile) -> str:
    return profile.path or profile.uuid


def _end(profile: ProvisioningProfile) -> datetime:
    return profile.expires
