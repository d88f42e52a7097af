"""Whether everything that was found can be read, is Apple's, and lasts: for a look at it all, without an app."""

from collections.abc import Iterator
from datetime import datetime

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.checks.material import BROKEN, SHUT, broken, shut
from pipeline.apple.signing.checks.wording import (
    AUTHORITIES,
    CERTIFICATES,
    PROFILES,
    days_until,
    listed,
    named_authority,
)
from pipeline.apple.signing.choice import DEVELOPER_ID_KINDS
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.holdings import UNLISTED, HeldCertificate, HeldProfile, Holdings
from pipeline.apple.signing.profiles import Seal
from pipeline.apple.signing.security import NOT_TRUSTED, REVOKED
from pipeline.model import Finding, check, error, unseen, warning

_NOT_APPLES = frozenset({Seal.DOCTORED, Seal.FOREIGN})


@check("SIGN025", "Every place that was named gave something, and one was looked at")
def something_was_looked_at(holdings: Holdings) -> Iterator[Finding]:
    """Nothing was found where nothing was looked at, nor where somebody said that something is: that is no pass."""
    for each in holdings.gaps:
        yield unseen(f"{each.place}: {each.why}", subject=each.place, remedy=each.remedy)
    if not holdings.looked and not holdings.gaps:
        yield unseen(
            f"nothing was looked at: {'; '.join(holdings.unseen) or 'no place is known'}",
            remedy="name files or folders with --file, a vault with --vault, or set SIGNING_CERTIFICATES and "
            "SIGNING_PROFILES",
        )


@check("SIGN026", "No certificate is about to end without a successor")
def certificates_last(holdings: Holdings, policy: SigningPolicy) -> Iterator[Finding]:
    """One that another of its kind and team outlasts may end; so may another's. SIGN034 tells of refused ones."""
    for held in holdings.certificates:
        certificate = held.certificate
        if not held.judged or held.successor or held.is_refused(holdings.at):
            continue
        if certificate.not_after - holdings.at < policy.expires_within:
            yield error(
                f"“{certificate.subject_name}” {_ends(certificate.not_after, holdings.at)}",
                subject=certificate.sha1,
                remedy=f"make its successor {_where_to_renew(certificate.kind)}, "
                f"or remove it from {listed(held.places)}",
            )


def _where_to_renew(kind: CertificateKind) -> str:
    """Developer ID certificates only the account's holder can make, and only at the portal."""
    return f"at {CERTIFICATES}" if kind in DEVELOPER_ID_KINDS else f"with certs.renew or at {CERTIFICATES}"


@check("SIGN027", "No profile is about to end without a successor")
def profiles_last(holdings: Holdings, policy: SigningPolicy) -> Iterator[Finding]:
    """One that another of its kind outlasts, which grants as much for its App ID, may end; those that Xcode manages it
    renews itself. SIGN034 tells of invalid ones.
    """
    for held in holdings.profiles:
        profile = held.profile
        if not _counts(held) or held.is_invalid(holdings.at):
            continue
        if held.ends - holdings.at < policy.expires_within:
            early = "the last certificate in " if held.outlasts_certificates else ""
            yield error(
                f"{early}the profile “{profile.name or profile.uuid}” {_ends(held.ends, holdings.at)}",
                subject=profile.uuid,
                remedy=f"renew it with certs.renew or at {PROFILES}, or remove it from {listed(held.places)}",
            )


def _counts(held: HeldProfile) -> bool:
    """Whether somebody has to do something when it is of no use."""
    profile = held.profile
    return held.judged and not held.successor and not profile.xcode_managed and profile.seal not in _NOT_APPLES


@check("SIGN034", "What cannot be used today has something in its place")
def nothing_is_refused_without_a_substitute(holdings: Holdings) -> Iterator[Finding]:
    """Certificates that were taken back, or that their keychain refuses, or whose time has not begun; and profiles that
    App Store Connect calls invalid.
    """
    for held in holdings.certificates:
        if held.judged and held.is_refused(holdings.at) and not held.successor:
            yield _refused(held)
        elif held.judged and held.early:
            yield error(
                f"“{held.certificate.subject_name}” ({listed(held.places)}) is not valid before "
                f"{held.certificate.not_before:%Y-%m-%d}, and until then nothing takes its place",
                subject=held.certificate.sha1,
                remedy="set this machine's clock if it is slow; else sign on that day, or make a certificate "
                f"{_where_to_renew(held.certificate.kind)}",
            )
    for one in holdings.profiles:
        if _counts(one) and one.is_invalid(holdings.at):
            yield error(
                f"the profile “{one.profile.name or one.profile.uuid}” is {one.problem.lower()} at App Store Connect: "
                "a certificate in it was revoked, or its App ID was changed",
                subject=one.profile.uuid,
                remedy=f"make it anew with certs.create or at {PROFILES}, or delete it there and remove it from "
                f"{listed(one.places)}",
                apple=one.problem,
            )


def _refused(held: HeldCertificate) -> Finding:
    certificate = held.certificate
    anew = f"make its successor {_where_to_renew(certificate.kind)}, and remove it from {listed(held.places)}"
    if held.problem == NOT_TRUSTED:
        anew = f"add Apple's intermediate certificate from {AUTHORITIES} to the login keychain, or {anew}"
    how = _REFUSALS.get(held.problem, "is refused by the keychain")
    apple = "" if held.problem == UNLISTED else held.problem
    return error(f"“{certificate.subject_name}” {how}", subject=certificate.sha1, remedy=anew, apple=apple)


_REFUSALS = {
    REVOKED: "is revoked",
    UNLISTED: "is not among the certificates that App Store Connect lists: it was revoked, or made a moment ago",
    NOT_TRUSTED: "is not trusted by the keychain, most often because Apple's intermediate certificate is missing",
}


@check("SIGN028", "Everything that was found can be read")
def everything_can_be_read(holdings: Holdings) -> Iterator[Finding]:
    """Damaged files, and encrypted ones that stay shut."""
    for each in holdings.faults:
        if each in holdings.told:
            continue
        if each.fault in SHUT:
            yield shut(each)
        elif each.fault in BROKEN:
            yield broken(each)


@check("SIGN029", "Everything that was found is Apple's")
def everything_is_apples(holdings: Holdings) -> Iterator[Finding]:
    """Profiles that were changed or that others signed, and certificates that only look like Apple's; what is in date
    and cannot be checked is not known to be. Of what nobody could open, its place tells.
    """
    for held in holdings.profiles:
        profile = held.profile
        if profile.seal in _NOT_APPLES:
            how = "was changed after Apple signed it" if profile.seal is Seal.DOCTORED else "is not signed by Apple"
            yield error(
                f"the profile “{profile.name or profile.uuid}” ({listed(held.places)}) {how}: {profile.seal_reason}",
                subject=profile.uuid,
                remedy=f"delete it, and download it anew from {PROFILES}",
                apple="ITMS-90165",
            )
        elif profile.seal is Seal.UNKNOWN and not held.shut and profile.expires > holdings.at:
            yield unseen(
                f"whether the profile “{profile.name or profile.uuid}” ({listed(held.places)}) is Apple's could not be "
                f"checked: {profile.seal_reason}",
                subject=profile.uuid,
                remedy=f"download it anew from {PROFILES}",
            )
    for one in holdings.certificates:
        if one.is_forged(holdings.at):
            yield error(
                f"“{one.certificate.subject_name}” ({listed(one.places)}) is not Apple's: {one.distrust}",
                subject=one.certificate.sha1,
                remedy="delete it",
            )
        elif one.judged and one.trusted is None and one.certificate.valid_at(holdings.at):
            yield unseen(
                f"“{one.certificate.subject_name}” ({listed(one.places)}) cannot be traced to an Apple root: "
                f"{one.distrust}",
                subject=one.certificate.sha1,
                remedy=f"put the certificate of its issuer beside it, from {AUTHORITIES}",
            )


@check("SIGN030", "The authorities above our certificates last")
def authorities_last(holdings: Holdings, policy: SigningPolicy) -> Iterator[Finding]:
    """Apple issues from a successor long before; what hangs on the old one ends with it at the latest."""
    hanging = {
        above.sha256
        for held in holdings.certificates
        if held.judged and not held.successor and held.certificate.not_after > holdings.at
        for above in held.above
    }
    for authority in holdings.authorities:
        if authority.sha256 in hanging and authority.not_after - holdings.at < policy.expires_within:
            yield warning(
                f"Apple's {named_authority(authority)} {_ends(authority.not_after, holdings.at)}",
                subject=authority.sha1,
                remedy=f"renew what hangs on it, and install its successor from {AUTHORITIES}",
            )


def _ends(end: datetime, now: datetime) -> str:
    if end <= now:
        return f"expired on {end:%Y-%m-%d}"
    return f"expires on {end:%Y-%m-%d}, {days_until(end, now)}"
