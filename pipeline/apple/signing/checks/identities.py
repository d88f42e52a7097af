"""Whether the keychain holds an identity for the lane, told by the first thing that stands in the way."""

from collections.abc import Iterator

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.checks.wording import NOTICE, days_until, listed, offered
from pipeline.apple.signing.choice import (
    certificate_of,
    end_of,
    in_date,
    names_of_kinds,
    of_development,
    of_other_kinds,
    of_team,
    store_kinds,
    suited,
    unread,
    usable,
)
from pipeline.apple.signing.facts import Identities, Identity, SigningNeed
from pipeline.apple.signing.security import EXPIRED, INVALID_ANCHOR, NOT_TRUSTED, NOT_VALID_YET, REVOKED
from pipeline.model import Finding, Platform, check, error, unseen, warning

MAKE_ONE = (
    "create one in Xcode › Settings › Accounts › Manage Certificates, or at developer.apple.com/account/resources"
    "/certificates, and install it together with its private key"
)
AUTHORITIES = "https://www.apple.com/certificateauthority/"

_TROUBLES = {
    REVOKED: ("is revoked", f"delete it from the keychain and {MAKE_ONE}"),
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


@check("SIGN001", "An identity for the App Store is installed")
def app_store_identity_is_installed(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Silent when identities of another kind are the better explanation (SIGN005)."""
    if suited(identities, need):
        return
    if hidden := unread(identities):
        yield unseen(
            f"no keychain shows the certificate of {listed(f'“{each.label}”' for each in hidden)}, "
            "so whether it is for the App Store is not known",
            subject=hidden[0].sha1,
            remedy="unlock the keychain that holds it, or import it into the login keychain",
        )
    elif not of_other_kinds(identities, need):
        there = names_of_kinds(certificate_of(each).kind for each in of_development(identities, need))
        yield error(
            f"no identity that can sign {need.platform.label} apps for the App Store is installed"
            + (f", only {listed(there)}, which is for registered devices" if there else ""),
            subject=need.team_id,
            remedy=_make_one_for(need),
            apple="ITMS-90034",
        )


@check("SIGN002", "The identity has not expired")
def identity_is_in_date(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when every identity that would do is out of date."""
    mine = of_team(suited(identities, need), need)
    if not mine or in_date(mine, identities.at):
        return
    latest = max(mine, key=end_of)
    certificate = certificate_of(latest)
    if certificate.not_before > identities.at:
        yield error(
            f"“{latest.label}” is not valid before {certificate.not_before:%Y-%m-%d}",
            subject=latest.sha1,
            remedy="correct this machine's clock, or wait",
            apple=NOT_VALID_YET,
        )
        return
    yield error(
        f"“{latest.label}” expired on {certificate.not_after:%Y-%m-%d}",
        subject=latest.sha1,
        remedy=f"{MAKE_ONE}; then renew the profiles that name the old one",
        apple=EXPIRED,
    )


@check("SIGN003", "The identity does not expire soon")
def identity_lasts(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """The usable identity that lasts longest decides."""
    found = usable(identities, need)
    if not found:
        return
    latest = max(found, key=end_of)
    end = certificate_of(latest).not_after
    if end - identities.at < NOTICE:
        yield warning(
            f"“{latest.label}” expires on {end:%Y-%m-%d}, {days_until(end, identities.at)}",
            subject=latest.sha1,
            remedy=f"{MAKE_ONE}, before this one ends",
        )


@check("SIGN004", "The identity belongs to the app's team")
def identity_is_of_the_team(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when no identity that would do is the team's."""
    found = suited(identities, need)
    if not found or of_team(found, need):
        return
    teams = sorted({certificate_of(identity).team_id for identity in found})
    yield error(
        f"the app's team is {need.team_id}, and identities for the App Store are installed only for {listed(teams)}",
        subject=need.team_id,
        remedy=f"install an identity of team {need.team_id}, or correct DEVELOPMENT_TEAM",
    )


@check("SIGN005", "The identity is of a kind that the App Store takes")
def identity_kind_suits_the_app_store(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """When the team can distribute, but not this way."""
    others = of_other_kinds(identities, need)
    if not others or suited(identities, need) or unread(identities):
        return
    kinds = {certificate_of(identity).kind for identity in others}
    outside = kinds & {CertificateKind.DEVELOPER_ID_APPLICATION, CertificateKind.DEVELOPER_ID_KEXT}
    yield error(
        f"{listed(names_of_kinds(kinds))} cannot sign {need.platform.label} apps for the App Store: "
        + ("Developer ID is for apps outside the App Store" if outside else "it is for another platform"),
        subject=need.team_id,
        remedy=_make_one_for(need),
        apple="ITMS-90034",
    )


@check("SIGN006", "The keychain trusts the identity")
def identity_is_trusted_by_the_keychain(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """Only when every identity in date has a code behind it."""
    found = in_date(of_team(suited(identities, need), need), identities.at)
    if any(not identity.problem for identity in found):
        return
    for identity in found:
        what, remedy = _TROUBLES.get(identity.problem, ("is refused by the keychain", MAKE_ONE))
        yield error(f"“{identity.label}” {what}", subject=identity.sha1, remedy=remedy, apple=identity.problem)


@check("SIGN007", "The identity's name is unambiguous")
def identity_name_is_unambiguous(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """`codesign` refuses a name that several certificates bear; a SHA-1 is never ambiguous."""
    by_label: dict[str, list[Identity]] = {}
    for identity in usable(identities, need):
        by_label.setdefault(identity.label, []).append(identity)
    for label, same in by_label.items():
        if len(same) < 2:
            continue
        ends = listed([f"{certificate_of(each).not_after:%Y-%m-%d}" for each in sorted(same, key=end_of)])
        yield warning(
            f"{len(same)} identities are called “{label}”; they expire on {ends}",
            subject=label,
            remedy="delete the older one in Keychain Access, or name the SHA-1 "
            f"{certificate_of(max(same, key=end_of)).sha1.upper()} wherever an identity is named",
        )


@check("SIGN012", "A certificate for the installer package is installed")
def installer_certificate_is_installed(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """For macOS only: the App Store takes Mac apps as signed installer packages."""
    if need.platform is not Platform.MAC_OS:
        return
    mine = [each for each in identities.installers if not need.team_id or each.team_id == need.team_id]
    remedy = f"create a Mac Installer Distribution certificate for team {need.team_id or 'of the app'}: {MAKE_ONE}"
    if any(each.valid_at(identities.at) for each in mine):
        return
    if mine:
        latest = max(mine, key=lambda each: each.not_after)
        summary = f"“{latest.subject_name}” expired on {latest.not_after:%Y-%m-%d}"
        if latest.not_before > identities.at:
            summary = f"“{latest.subject_name}” is not valid before {latest.not_before:%Y-%m-%d}"
    elif identities.installers:
        teams = listed(sorted({each.team_id for each in identities.installers}))
        summary = f"the app's team is {need.team_id}, and installer certificates are installed only for {teams}"
    else:
        summary = "no certificate that can sign the installer package is installed"
    yield error(summary, subject=need.team_id, remedy=remedy)


@check("SIGN014", "The identity's chain ends in an Apple root")
def identity_chain_ends_at_apple(identities: Identities, need: SigningNeed) -> Iterator[Finding]:
    """A person can tell the keychain to trust any certificate; the App Store is not told."""
    found = usable(identities, need)
    if not found or any(identity.trusted for identity in found):
        return
    identity = max(found, key=end_of)
    if identity.missing:
        yield unseen(
            f"“{identity.label}” cannot be traced to an Apple root: {identity.distrust}",
            subject=identity.sha1,
            remedy=f"download the intermediate certificate from {AUTHORITIES} and add it to the login keychain",
        )
        return
    yield error(
        f"“{identity.label}” is not Apple's: {identity.distrust}",
        subject=identity.sha1,
        remedy=f"remove it from the keychain and {MAKE_ONE}",
    )


def _make_one_for(need: SigningNeed) -> str:
    return f"{MAKE_ONE}; for {need.platform.label} it must be {offered(names_of_kinds(store_kinds(need)))}"
