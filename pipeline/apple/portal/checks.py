"""What must hold at the developer portal, and of the vault, before anything is made there."""

from collections.abc import Iterator

from pipeline.apple.portal.capabilities import asked
from pipeline.apple.portal.choice import (
    Want,
    free_key,
    in_the_way,
    missing,
    name_for,
    named_by_project,
    profiles_of,
    serving,
    usable,
    wants,
)
from pipeline.apple.portal.facts import (
    INVALID,
    AppNeed,
    PortalBundleIds,
    PortalCertificate,
    PortalCertificates,
    PortalKey,
    PortalProfile,
    PortalProfiles,
    SigningAccount,
    StoreNeeds,
    VaultKeys,
)
from pipeline.apple.portal.kinds import ROOM, TYPES, kind_named, name_of
from pipeline.apple.signing.checks.wording import days_until, listed
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.model import Finding, check, error, note, warning

ROLES = (
    "use a team API key with the role Admin; App Manager is enough where it was given access to"
    " Certificates, Identifiers & Profiles (App Store Connect, Users and Access, Integrations)"
)
PORTAL = "https://developer.apple.com/account/resources"
NAME_A_VAULT = "name a folder or a git repository with --vault, or as `signing: {vault: …}` in config/"


@check("PORT001", "The API key is a team key")
def api_key_is_a_team_key(key: PortalKey) -> Iterator[Finding]:
    if key.individual:
        yield error(
            "the App Store Connect API key is an individual key, which cannot use certificates, App IDs and profiles",
            remedy="make a team key (App Store Connect, Users and Access, Integrations, Team Keys) and set"
            " ASC_ISSUER_ID as well; if it is a team key, only ASC_ISSUER_ID is missing",
            apple="Creating API Keys for App Store Connect API",
        )


@check("PORT002", "The API key may see certificates, App IDs and profiles")
def api_key_may_use_the_portal(
    key: PortalKey, certificates: PortalCertificates, profiles: PortalProfiles, bundle_ids: PortalBundleIds
) -> Iterator[Finding]:
    if key.individual:
        return
    seen = {"certificates": certificates.refused, "profiles": profiles.refused, "App IDs": bundle_ids.refused}
    refused = {name: refusal for name, refusal in seen.items() if refusal}
    if refused:
        first = next(iter(refused.values()))
        yield error(
            f"Apple forbids the API key to see the team's {listed(refused)}: {first.why}",
            subject=", ".join(refused),
            remedy=first.remedy or ROLES,
            apple=first.code,
        )


@check("PORT003", "The API key is of the app's team")
def api_key_is_of_the_apps_team(certificates: PortalCertificates, needs: StoreNeeds) -> Iterator[Finding]:
    """A distribution certificate names its team; with none there, nothing can be told."""
    teams = {each.certificate.team_id for each in certificates.items} - {""}
    wanted = {need.team_id for need in needs.needs} - {""}
    if not teams or len(wanted) != 1 or teams & wanted:
        return
    (team,) = wanted
    yield error(
        f"the app's team is {team}, and the API key shows the certificates of {listed(sorted(teams))}",
        subject=team,
        remedy=f"use an API key of team {team}, or correct DEVELOPMENT_TEAM",
    )


@check("PORT004", "There is a vault, and it opens")
def vault_is_there_and_opens(keys: VaultKeys, policy: SigningPolicy) -> Iterator[Finding]:
    if not keys.place and not keys.head:
        yield error("no vault is named, and a private key is kept nowhere else", remedy=NAME_A_VAULT)
    elif not keys.place:
        yield warning(
            "no vault is named: the one that is used here goes with this run, and a private key is kept nowhere else",
            remedy=NAME_A_VAULT,
        )
    elif not keys.own:
        yield error(
            f"there is no key with which the vault {keys.place} could be opened",
            subject=keys.place,
            remedy="set SIGNING_VAULT_KEY to a key that the vault is, or is to be, encrypted for",
        )
    elif not keys.head and not policy.recipients:
        yield error(
            f"the vault {keys.place} does not exist yet, and nobody is named who can open it",
            subject=keys.place,
            remedy="name people and runners with their age public keys, as `signing: {recipients: {…}}` in config/",
        )
    elif keys.head and not keys.openable:
        yield error(
            f"the vault {keys.place} cannot be opened" + (f": {keys.why}" if keys.why else ""),
            subject=keys.place,
            remedy="set SIGNING_VAULT_KEY to a key that the vault is encrypted for",
        )
    for problem in keys.problems if keys.place else ():
        yield error(
            f"the vault {keys.place}: {problem}",
            subject=keys.place,
            remedy="restore the vault from a copy or from the repository's history; docs/vault.md says how",
        )


@check("PORT005", "What was asked for can be made with an API key")
def kinds_can_be_made(policy: SigningPolicy) -> Iterator[Finding]:
    for told in policy.kinds:
        kind = kind_named(told)
        if kind in TYPES:
            continue
        developer_id = kind is not None and kind.startswith("DEVELOPER_ID")
        yield error(
            f"a certificate of kind {told or '“”'} cannot be made with an API key"
            + (": only the Account Holder makes Developer ID certificates" if developer_id else ""),
            subject=told,
            remedy=f"make it at {PORTAL}/certificates"
            if developer_id
            else f"{_meant(told)}name one of {', '.join(str(each) for each in TYPES)}",
        )


def _meant(told: str) -> str:
    """A question about a mistyped kind, to stand before the list of the right ones."""
    from difflib import get_close_matches

    words = (*map(str, TYPES), *TYPES.values())
    close = get_close_matches(told[:40].strip().upper(), words, 1, 0.7)
    return f"did you mean {close[0]}? " if close else ""


@check("PORT006", "The bundle identifiers are registered")
def bundle_ids_are_registered(bundle_ids: PortalBundleIds, needs: StoreNeeds) -> Iterator[Finding]:
    if bundle_ids.refused:
        return
    for identifier in dict.fromkeys(app.bundle_id for app in needs.apps):
        if bundle_ids.of(identifier) is None:
            yield error(
                f"the bundle identifier {identifier} is not registered with the API key's team",
                subject=identifier,
                remedy=f"register it as an explicit App ID at {PORTAL}/identifiers, or use a key of the team that"
                " has it",
            )


@check("PORT007", "The App ID has the capabilities that the entitlements need")
def capabilities_are_enabled(bundle_ids: PortalBundleIds, needs: StoreNeeds) -> Iterator[Finding]:
    """A profile grants what its App ID can do at the moment when it is made."""
    told: set[tuple[str, str]] = set()
    for platform, bundle in ((need.platform, bundle) for need in needs.needs for bundle in need.bundles):
        registered = bundle_ids.of(bundle.bundle_id)
        for key, capability in asked(bundle, platform) if registered else ():
            if registered and capability not in registered.capabilities and (bundle.bundle_id, capability) not in told:
                told.add((bundle.bundle_id, capability))
                yield error(
                    f"the App ID {bundle.bundle_id} does not have the capability {capability}, which {key} needs",
                    subject=key,
                    at=bundle.places.get(key),
                    remedy=f"enable it at {PORTAL}/identifiers, or remove the entitlement",
                    apple="ITMS-90164",
                )


@check("PORT008", "Apple has room for another certificate")
def there_is_room_for_another_certificate(account: SigningAccount) -> Iterator[Finding]:
    """Only where one is going to be made, and only of kinds whose limit is known."""
    for want in () if account.certificates.refused else missing(account):
        if _has_room(want, account):
            continue
        here = sorted(_alive(want, account), key=lambda each: (each.expires, each.id))
        rows = listed(
            f"{each.id} (serial {each.serial}, ends {each.expires:%Y-%m-%d}, key "
            + ("in the vault)" if account.keys.holds(each.certificate) else "not in the vault)")
            for each in here
        )
        yield error(
            f"a certificate “{want.name}” is needed, and the team has {len(here)} already, which is all that Apple"
            f" allows: {rows}",
            subject=str(want.kind),
            remedy=f"revoke the one that nobody signs with any more at {PORTAL}/certificates; or put the key of one of"
            " them into the vault",
            apple="You already have a current certificate or a pending certificate request",
        )


@check("PORT009", "The certificates at Apple do not expire soon")
def certificates_at_apple_last(account: SigningAccount) -> Iterator[Finding]:
    """The one that lasts longest decides. Silent where it is going to be replaced."""
    latest = {found[0].id: found[0] for want in wants(account) if (found := usable(want, account))}
    for each in latest.values():
        end = each.certificate.not_after
        if end - account.at <= account.policy.expires_within:
            yield warning(
                f"the certificate “{name_of(each.certificate.kind)}” {each.serial} expires on {end:%Y-%m-%d},"
                f" {days_until(end, account.at)}",
                subject=each.id,
                remedy="replace it with `invoke certs.renew`",
            )


@check("PORT010", "The app's profiles at Apple are valid")
def profiles_at_apple_are_valid(account: SigningAccount) -> Iterator[Finding]:
    """Invalid ones beside one that serves harm nobody; the one that the project names is another rule's."""
    for app in account.needs.apps:
        for each in () if serving(app, account) else profiles_of(app, account):
            if each.state != INVALID or app.profile_name in (each.name, each.uuid):
                continue
            yield warning(
                f"the profile “{each.name}” for {app.bundle_id} is invalid at Apple: its App ID or a certificate was"
                " changed since it was made",
                subject=each.uuid,
                remedy="a new one is made in its place; --revoke deletes this one",
            )


@check("PORT012", "The profile that the project names will serve")
def profile_named_by_project_will_serve(account: SigningAccount) -> Iterator[Finding]:
    """A name that is free is given to the new profile, and so is one that --revoke takes from the old."""
    for app in account.needs.apps:
        held = named_by_project(app, account)
        if held is None or held in serving(app, account) or in_the_way(app, account):
            continue
        found = serving(app, account)
        new = found[0].name if found else name_for(app, account)
        revoking = "" if account.policy.revoke else "run it with --revoke, which makes the new one under its name; or "
        yield warning(
            f"the project names the profile “{held.name}” for {app.bundle_id}, which {_no_use(held, app, account)};"
            f" the one that serves {'is' if found else 'will be'} “{new}”",
            subject=held.uuid,
            remedy=f"{revoking}set PROVISIONING_PROFILE_SPECIFIER to “{new}” before the next release",
        )


def _no_use(held: PortalProfile, app: AppNeed, account: SigningAccount) -> str:
    """Why a profile does not serve the app."""
    if held not in profiles_of(app, account):
        return "is of another app or kind"
    if held.state == INVALID:
        return "is invalid: its App ID or a certificate was changed since it was made"
    if not account.lasts(held.created, held.expires):
        return f"ends on {held.expires:%Y-%m-%d}"
    return "names no certificate whose key is in the vault and that lasts"


@check("PORT011", "What is at Apple can be used from the vault")
def certificates_at_apple_have_keys_here(account: SigningAccount) -> Iterator[Finding]:
    """Where a new certificate is made although the team has one: somebody may have its key."""
    for want in missing(account):
        others = [
            each
            for each in account.certificates.items
            if want.suits(each)
            and each.certificate.not_after > account.horizon
            and not account.keys.holds(each.certificate)
        ]
        if not others or free_key(want, account) or not _has_room(want, account):
            continue
        shown = (f"“{name_of(each.certificate.kind)}” {each.serial} (ends {each.expires:%Y-%m-%d})" for each in others)
        yield note(
            f"Apple has {listed(shown)}; the key is not in the vault, so that another certificate is made",
            subject=str(want.kind),
            remedy="if somebody has the key, put its .p12 into the vault instead",
        )


def _alive(want: Want, account: SigningAccount) -> list[PortalCertificate]:
    """Unexpired certificates of just the kind that is to be made: what takes its room."""
    items = account.certificates.items
    return [e for e in items if e.certificate.kind is want.kind and e.certificate.not_after > account.at]


def _has_room(want: Want, account: SigningAccount) -> bool:
    most = ROOM.get(want.kind)
    return most is None or len(_alive(want, account)) < most
