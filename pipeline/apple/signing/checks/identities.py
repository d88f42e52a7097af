"""Whether there is an identity for each signature that the lane needs, told by the first thing that stands in the way.

A lane needs an identity for the app, and on macOS another for the installer package: a rule about identities judges
both. Expired, revoked and foreign ones beside a good one are nobody's trouble, so only the best candidate is judged.
"""

from collections.abc import Iterator

from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.checks.wording import (
    AUTHORITIES,
    called,
    days_until,
    listed,
    make_one,
    named_authority,
    offered,
    there,
)
from pipeline.apple.signing.choice import (
    DEVELOPER_ID_KINDS,
    INSTALLER,
    Role,
    application,
    certificate_of,
    current,
    end_of,
    in_date,
    names_of_kinds,
    of_development,
    of_other_kinds,
    of_team,
    roles,
    suited,
    unread,
    usable,
    without_key,
)
from pipeline.apple.signing.facts import Identities, Identity, Origin, SigningNeed, SigningPolicy
from pipeline.apple.signing.security import EXPIRED, INVALID_ANCHOR, NOT_TRUSTED, NOT_VALID_YET, REVOKED
from pipeline.model import Finding, Platform, check, error, unseen, warning

_TROUBLES = {
    NOT_TRUSTED: (
        "is not trusted, most often because Apple's intermediate certificate is missing",
        f"download the intermediate certificate from {AUTHORITIES} and add it to the login keychain",
    ),
    INVALID_ANCHOR: (
        "ends in a root that this machine does not trust",
        "in Keychain Access, set the trust of Apple's root and intermediate certificates back to the system's default",
    ),
    EXPIRED: (
        "has expired, or an intermediate certificate above it has",
        f"download the current intermediate certificate from {AUTHORITIES}, and delete the expired one",
    ),
}


@check("SIGN001", "There is an identity for the App Store")
def app_store_identity_is_there(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Silent when a missing key (SIGN015), identities of another kind (SIGN005) or something that cannot be opened
    (SIGN022, SIGN023) are the better explanation.
    """
    role = application(need)
    if suited(identities, role) or without_key(identities, need, role) or identities.shut:
        return
    if hidden := unread(identities):
        yield unseen(
            f"no keychain shows the certificate of {listed(f'“{each.label}”' for each in hidden)}, "
            "so whether it is for the App Store is not known",
            subject=hidden[0].sha1,
            remedy="unlock the keychain that holds it, or import it into the login keychain",
        )
    elif not of_other_kinds(identities, need, role):
        present = names_of_kinds(certificate_of(each).kind for each in of_development(identities, need))
        yield error(
            f"no identity that can sign {need.platform.label} apps for the App Store {there(identities.origin)}"
            + (f", only {listed(present)}, which is for registered devices" if present else ""),
            subject=need.team_id,
            remedy=_make_one_for(need, role, identities.origin),
            apple="ITMS-90034",
        )


@check("SIGN002", "The identity has not expired")
def identity_is_in_date(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when every identity that would do is out of date, and no newer one waits for its key (SIGN015)."""
    for role in roles(need):
        mine = of_team(suited(identities, role), need)
        if not mine or in_date(mine, identities.at) or without_key(identities, need, role):
            continue
        latest = max(mine, key=end_of)
        certificate = certificate_of(latest)
        if certificate.not_before > identities.at:
            yield error(
                f"{called(latest)} is not valid before {certificate.not_before:%Y-%m-%d}",
                subject=latest.sha1,
                remedy="correct this machine's clock, or wait",
                apple=NOT_VALID_YET,
            )
            continue
        yield error(
            f"{called(latest)} expired on {certificate.not_after:%Y-%m-%d}",
            subject=latest.sha1,
            remedy=f"{make_one(identities.origin)}; then renew the profiles that name the old one",
            apple=EXPIRED,
        )


@check("SIGN003", "The identity does not expire soon")
def identity_lasts(identities: Identities, need: SigningNeed, policy: SigningPolicy) -> Iterator[Finding]:
    """The usable identity that lasts longest decides."""
    for latest in _best(identities, need):
        end = end_of(latest)
        if end - identities.at < policy.expires_within:
            yield warning(
                f"{called(latest)} expires on {end:%Y-%m-%d}, {days_until(end, identities.at)}",
                subject=latest.sha1,
                remedy=f"before it ends, {make_one(identities.origin)}; certs.renew does both",
            )


@check("SIGN004", "The identity belongs to the app's team")
def identity_is_of_the_team(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when no identity that would do is the team's."""
    for role in roles(need):
        found = suited(identities, role)
        if not found or of_team(found, need) or without_key(identities, need, role):
            continue
        teams = sorted({certificate_of(identity).team_id or "no team" for identity in found})
        yield error(
            f"the app's team is {need.team_id}, and for {role.what} there are identities only of {listed(teams)}",
            subject=need.team_id,
            remedy=f"correct DEVELOPMENT_TEAM, or for team {need.team_id} {make_one(identities.origin)}",
        )


@check("SIGN005", "The identity is of a kind that the App Store takes")
def identity_kind_suits_the_app_store(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """When the team can distribute, but not this way."""
    if unread(identities):
        return
    for role in roles(need):
        others = of_other_kinds(identities, need, role)
        if not others or suited(identities, role) or without_key(identities, need, role):
            continue
        kinds = {certificate_of(identity).kind for identity in others}
        named = listed(names_of_kinds(kinds))
        told = f"cannot sign {need.platform.label} apps for the App Store"
        if role is INSTALLER:
            told = "cannot sign installer packages for the App Store"
        outside = "Developer ID is for what is distributed outside it"
        why = outside if kinds & DEVELOPER_ID_KINDS else _other_platform(need)
        yield error(
            f"{named} {told}: {why}",
            subject=need.team_id,
            remedy=_make_one_for(need, role, identities.origin),
            apple="" if role is INSTALLER else "ITMS-90034",
        )


@check("SIGN006", "The keychain trusts the identity")
def identity_is_trusted_by_the_keychain(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when every identity in date has a code behind it; revocation is a rule of its own (SIGN016)."""
    for found in _all_refused(identities, need):
        for identity in found:
            if identity.problem != REVOKED:
                what, remedy = _TROUBLES.get(
                    identity.problem, ("is refused by the keychain", make_one(identities.origin))
                )
                yield error(f"{called(identity)} {what}", subject=identity.sha1, remedy=remedy, apple=identity.problem)


@check("SIGN007", "The identity's name is unambiguous")
def identity_name_is_unambiguous(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """`codesign` refuses a name that several certificates bear; a SHA-1 is never ambiguous."""
    for role in roles(need):
        by_label: dict[str, list[Identity]] = {}
        for identity in usable(identities, need, role):
            by_label.setdefault(identity.label, []).append(identity)
        for label, same in by_label.items():
            if len(same) < 2:
                continue
            ends = listed([f"{end_of(each):%Y-%m-%d}" for each in sorted(same, key=end_of)])
            yield warning(
                f"{len(same)} identities are called “{label}”; they expire on {ends}",
                subject=label,
                remedy=f"{_drop_the_older(identities.origin)}, or name the SHA-1 "
                f"{certificate_of(max(same, key=end_of)).sha1.upper()} wherever an identity is named",
            )


@check("SIGN012", "There is an identity for the installer package")
def installer_identity_is_there(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """For macOS only. Silent when another rule explains it better, as SIGN001 is."""
    if (
        need.platform is not Platform.MAC_OS
        or suited(identities, INSTALLER)
        or without_key(identities, need, INSTALLER)
        or identities.shut
        or (of_other_kinds(identities, need, INSTALLER) and not unread(identities))
    ):
        return
    yield error(
        f"no identity that can sign the installer package {there(identities.origin)}",
        subject=need.team_id,
        remedy=_make_one_for(need, INSTALLER, identities.origin),
    )


@check("SIGN014", "The identity's chain ends in an Apple root")
def identity_chain_ends_at_apple(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """A person can tell the keychain to trust any certificate; the App Store is not told. SIGN017 tells of expiry."""
    for identity in _best(identities, need):
        authority = _shortest(identity)
        if identity.trusted or (authority and authority.not_after <= identities.at):
            continue
        if identity.missing:
            yield unseen(
                f"{called(identity)} cannot be traced to an Apple root: {identity.distrust}",
                subject=identity.sha1,
                remedy=f"download the intermediate certificate from {AUTHORITIES} and {_add_it(identities.origin)}",
            )
            continue
        yield error(
            f"{called(identity)} is not Apple's: {identity.distrust}",
            subject=identity.sha1,
            remedy=f"take it away and {make_one(identities.origin)}",
        )


@check("SIGN015", "The identity's private key is there")
def identity_has_its_private_key(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """A certificate is public; only who made the request for it has the key. Not when another identity will do."""
    for role in roles(need):
        found = without_key(identities, need, role)
        if not found or current(identities, need, role):
            continue
        latest = max(found, key=end_of)
        yield error(
            f"the certificate {called(latest)} {there(identities.origin)} without its private key",
            subject=latest.sha1,
            remedy=f"export it as .p12 from the keychain of whoever made it, or {make_one(identities.origin)}",
        )


@check("SIGN016", "The identity is not revoked")
def identity_is_not_revoked(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when every identity in date is refused, and this one is because Apple took it back."""
    for found in _all_refused(identities, need):
        for identity in found:
            if identity.problem == REVOKED:
                yield error(
                    f"{called(identity)} is revoked",
                    subject=identity.sha1,
                    remedy=f"delete it from the keychain and {make_one(identities.origin)}; "
                    "then renew the profiles that name it",
                    apple=REVOKED,
                )


@check("SIGN017", "The authorities above the identity last as long")
def identity_authorities_last(identities: Identities, need: SigningNeed, policy: SigningPolicy) -> Iterator[Finding]:
    """Apple's intermediate certificates expire too. Silent when the identity itself ends first (SIGN003)."""
    for identity in _best(identities, need):
        authority = _shortest(identity)
        if authority is None:
            continue
        above = f"{named_authority(authority)}, above {called(identity)},"
        end = f"{authority.not_after:%Y-%m-%d}"
        remedy = f"download its successor from {AUTHORITIES} and {_add_it(identities.origin)}"
        if authority.not_after <= identities.at:
            yield error(f"{above} expired on {end}", subject=identity.sha1, remedy=remedy, apple=EXPIRED)
        elif authority.not_after - identities.at < policy.expires_within:
            told = f"{above} expires on {end}, {days_until(authority.not_after, identities.at)}"
            yield warning(told, subject=identity.sha1, remedy=remedy)


def _best(identities: Identities, need: SigningNeed) -> Iterator[Identity]:
    """For each signature the identity that lasts longest; those that are Apple's before those that are not."""
    for role in roles(need):
        if found := usable(identities, need, role):
            yield max(found, key=lambda each: (each.trusted, end_of(each)))


def _all_refused(identities: Identities, need: SigningNeed) -> Iterator[list[Identity]]:
    for role in roles(need):
        found = current(identities, need, role)
        if all(each.problem for each in found):
            yield found


def _shortest(identity: Identity) -> Certificate | None:
    """The authority above it that ends before the identity itself does."""
    authority = identity.authority
    return authority if authority and NEVER < authority.not_after < end_of(identity) else None


def _make_one_for(need: SigningNeed, role: Role, origin: Origin) -> str:
    what = "the installer package" if role is INSTALLER else need.platform.label
    return f"{make_one(origin)}; for {what} it must be {offered(names_of_kinds(role.kinds))}"


def _other_platform(need: SigningNeed) -> str:
    return "it is for Mac apps" if need.platform is not Platform.MAC_OS else "it is for iOS, tvOS and visionOS apps"


def _drop_the_older(origin: Origin) -> str:
    return "delete the older one in Keychain Access" if origin is Origin.KEYCHAIN else "leave the older one out"


def _add_it(origin: Origin) -> str:
    return "add it to the login keychain" if origin is Origin.KEYCHAIN else "put it beside the identity"
