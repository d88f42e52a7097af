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
from pipeline.apple.signing.holdings import Holdings
from pipeline.apple.signing.profiles import Seal
from pipeline.apple.signing.security import REVOKED
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
    """One that another of its kind and team outlasts may end; so may one that is revoked, or another's."""
    for held in holdings.certificates:
        certificate = held.certificate
        if not held.judged or held.successor or held.problem == REVOKED:
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
    """One that another of its name, or for its App ID, outlasts may end; those that Xcode manages it renews itself."""
    for held in holdings.profiles:
        profile = held.profile
        if not held.judged or held.successor or profile.xcode_managed or profile.seal in _NOT_APPLES:
            continue
        if held.ends - holdings.at < policy.expires_within:
            early = "the last certificate in " if held.outlasts_certificates else ""
            yield error(
                f"{early}the profile “{profile.name or profile.uuid}” {_ends(held.ends, holdings.at)}",
                subject=profile.uuid,
                remedy=f"renew it with certs.renew or at {PROFILES}, or remove it from {listed(held.places)}",
            )


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
    """Profiles that were changed or that others signed, and certificates that only look like Apple's; those in date
    that lead nowhere are not known to be.
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
