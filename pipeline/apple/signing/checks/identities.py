"""Whether there is an identity for each signature that the lane needs, told by the first thing that stands in the way.

A lane needs an identity for the app, and on macOS another for the installer package: a rule about identities judges
both. Expired, revoked and foreign ones beside a good one are nobody's trouble, so only the best candidate is judged.
"""

from collections.abc import Iterator, Mapping

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
    DEVELOPMENT_KINDS,
    FOR_MACS,
    INSTALLER,
    NO_IDENTITY,
    SELECTORS,
    Role,
    application,
    asked_for,
    certificate_of,
    chosen_by_hand,
    current,
    end_of,
    in_date,
    is_meant,
    is_sha1,
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
from pipeline.apple.signing.facts import Identities, Identity, Origin, SigningNeed, SigningPolicy, Unresolved
from pipeline.apple.signing.security import EXPIRED, INVALID_ANCHOR, NOT_TRUSTED, NOT_VALID_YET, REVOKED
from pipeline.apple.xcode.facts import TargetSettings
from pipeline.model import Declaration, Finding, Platform, Unjudged, check, error, note, unseen, warning

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

_ANY = "Apple Distribution"
_IDENTIFIER = "PRODUCT_BUNDLE_IDENTIFIER"
_TEAM = "DEVELOPMENT_TEAM"
_NO_KEYCHAIN = "only a keychain tells, and none was asked"


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
def identity_is_trusted_by_the_keychain(identities: Identities, need: SigningNeed) -> Iterator[Finding | Unjudged]:
    """Only when every identity in date has a code behind it, which only a keychain puts there; SIGN016 says where none
    was asked. Revocation is a rule of its own (SIGN016).
    """
    if identities.origin is not Origin.KEYCHAIN:
        yield Unjudged(_NO_KEYCHAIN)
        return
    for found in _all_refused(identities, need):
        for identity in found:
            if identity.problem != REVOKED:
                what, remedy = _TROUBLES.get(
                    identity.problem, ("is refused by the keychain", make_one(identities.origin))
                )
                yield error(f"{called(identity)} {what}", subject=identity.sha1, remedy=remedy, apple=identity.problem)


@check("SIGN007", "The identity's name is unambiguous")
def identity_name_is_unambiguous(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only where the project names one by its name: of a kind, Xcode takes what the profile has; a SHA-1 is unique."""
    for name, asking in asked_for(need).items():
        if name in SELECTORS or is_sha1(name):
            continue
        same = [each for each in usable(identities, need, application(need)) if is_meant(each, name)]
        if len(same) < 2:
            continue
        told = listed(f"{_short(each)}, which ends on {end_of(each):%Y-%m-%d}" for each in sorted(same, key=end_of))
        yield warning(
            f"the project names the identity “{name}”, and {len(same)} bear that name: {told}",
            subject=name,
            at=asking[0].identity_at,
            remedy=f"set CODE_SIGN_IDENTITY to “{_ANY}”, or to the SHA-1 of the one in the profile",
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
def identity_is_not_revoked(identities: Identities, need: SigningNeed) -> Iterator[Finding | Unjudged]:
    """Only when every identity in date is refused, and this one is because Apple took it back.

    Files say nothing of it, so where they were judged, a note says that it was not looked at.
    """
    if identities.origin is not Origin.KEYCHAIN:
        yield Unjudged(_NO_KEYCHAIN)
        if names := list(dict.fromkeys(called(each) for each in _best(identities, need))):
            yield note(
                f"whether Apple has revoked {listed(names)}, and whether a keychain trusts "
                f"{'it' if len(names) == 1 else 'them'}, was not looked at: only a keychain tells",
                subject="Identities",
                remedy="run certs.check without --file on the Mac that signs, or look at certs.table with a key of "
                "App Store Connect",
            )
        return
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


@check("SIGN031", "The identity that the project names is there")
def named_identity_is_there(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """With manual signing, where CODE_SIGN_IDENTITY means none of the identities that would do.

    Silent where none would: then that is the cause. A Mac app without a profile may be archived with a development
    identity, because the export signs it anew; elsewhere Xcode builds no app that is not signed.
    """
    yield from _not_to_be_signed(need)
    found = usable(identities, need, application(need))
    if not found or unread(identities):
        return
    for name, all_asking in asked_for(need).items():
        is_elsewhere = name in FOR_MACS and need.platform is not Platform.MAC_OS
        if not is_elsewhere and any(is_meant(each, name) for each in found):
            continue
        lenient = SELECTORS.get(name) == DEVELOPMENT_KINDS
        asking = [each for each in all_asking if not lenient or (each.specifier and each.identity_at)]
        if not asking:
            continue
        yield error(
            f"the project names the identity “{name}” for {listed(each.bundle_id for each in asking)}, "
            f"{_why_unfit(name, identities, need)}",
            subject=name,
            at=next((each.identity_at for each in asking if each.identity_at), None),
            remedy=f"set CODE_SIGN_IDENTITY to {offered(dict.fromkeys((*(each.label for each in found), _ANY)))}",
        )


@check("SIGN032", "Project and configuration name one team")
def team_is_known(need: SigningNeed, settings: TargetSettings, declared: Declaration) -> Iterator[Finding]:
    """Without it any team's identity and profile would do. For tables without PROJ020, which says it in a release."""
    if not need.team_id:
        yield unseen(
            "neither the project nor the configuration names a team, so whose identity and profile are wanted is not "
            "known",
            subject=need.bundle_id,
            remedy="set DEVELOPMENT_TEAM in the project, or declare team_id in config",
        )
    elif declared.team_id and settings.team_id.text not in ("", declared.team_id):
        yield error(
            f"config declares the team {declared.team_id}, the project says {settings.team_id}",
            subject="DEVELOPMENT_TEAM",
            at=settings.team_id.location,
            remedy="make config and project name the same team",
        )


@check("SIGN033", "The bundle identifiers of what is signed are known")
def identifiers_are_known(need: SigningNeed) -> Iterator[Finding]:
    """Each needs a profile of its own. For tables without PROJ003, which says it in a release."""
    yield from _open(need, {_IDENTIFIER: "which profile is needed"})


@check("SIGN035", "The profile and the identity that the project names are known")
def named_things_are_known(need: SigningNeed) -> Iterator[Finding]:
    """Where a setting that nothing here defines decides which is meant, or whether one is."""
    yield from _open(
        need,
        {
            "CODE_SIGN_STYLE": "whether it is signed manually",
            "PROVISIONING_PROFILE_SPECIFIER": "which profile is meant",
            "CODE_SIGN_IDENTITY": "which identity is meant",
        },
    )


def _open(need: SigningNeed, meanings: Mapping[str, str]) -> Iterator[Finding]:
    """Many bundles with one cause are one finding; of a team that nobody names, others speak (SIGN032, PROJ020)."""
    causes: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Unresolved]] = {}
    for each in need.unresolved:
        if each.setting in meanings and (need.team_id or each.names != (_TEAM,)):
            causes.setdefault((each.setting, each.names, each.hidden), []).append(each)
    for (setting, names, hidden), found in causes.items():
        why = f"refers to {listed(names)}, which nothing here defines" if names else "is not set"
        if hidden:
            why = f"may be set in {listed(hidden)}, which is not here"
        yield unseen(
            f"{setting} of {listed(each.whose or 'the app' for each in found)} {why}, "
            f"so {meanings[setting]} is not known",
            subject=setting,
            at=found[0].location,
            remedy="write the value out, or put the file that defines it in its place",
        )


def _not_to_be_signed(need: SigningNeed) -> Iterator[Finding]:
    """Bundles for which the project asks for no signature, or for one of this Mac alone."""
    if need.platform is Platform.MAC_OS:
        return
    unsigned = [each for each in chosen_by_hand(need) if each.identity_at and each.identity_name.strip() in NO_IDENTITY]
    if unsigned:
        name = unsigned[0].identity_name.strip()
        yield error(
            f"CODE_SIGN_IDENTITY is {f'“{name}”' if name else 'empty'} for "
            f"{listed(each.bundle_id for each in unsigned)}, "
            f"and Xcode builds no {need.platform.label} app without a signature",
            subject="CODE_SIGN_IDENTITY",
            at=unsigned[0].identity_at,
            remedy=f"set CODE_SIGN_IDENTITY to “{_ANY}”",
        )


def _why_unfit(name: str, identities: Identities, need: SigningNeed) -> str:
    if name in SELECTORS:
        return f"with which {need.platform.label} apps cannot be signed for the App Store"
    if any(is_meant(each, name) for each in identities.identities):
        return f"which cannot sign {need.platform.label} apps of its team for the App Store now"
    if any(is_meant(each, name) for each in identities.keyless):
        return f"which {there(identities.origin)} without its private key"
    return f"and none of that {'SHA-1' if is_sha1(name) else 'name'} {there(identities.origin)}"


def _short(identity: Identity) -> str:
    return identity.sha1[:8].upper()


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


def _add_it(origin: Origin) -> str:
    return "add it to the login keychain" if origin is Origin.KEYCHAIN else "put it beside the identity"
