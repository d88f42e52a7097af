"""Which certificates and profiles at the portal serve the app, and what is missing: one sieve after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.apple.portal.facts import ACTIVE, INVALID
from pipeline.apple.portal.kinds import TYPES, kind_named, name_of
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.choice import store_kinds
from pipeline.model import Platform
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from pipeline.apple.portal.facts import (
        AppNeed,
        PortalCertificate,
        PortalCertificates,
        PortalProfile,
        PortalProfiles,
        SigningAccount,
        VaultKey,
    )

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True)
class Want:
    """A certificate that the team needs.

    Attributes:
        kind: what is made when there is none.
        accepted: the kinds that serve as well.
    """

    kind: CertificateKind
    accepted: frozenset[CertificateKind]
    team_id: str = ""

    def suits(self, certificate: PortalCertificate) -> bool:
        """Whether it is of an accepted kind and of the team."""
        found = certificate.certificate
        return found.kind in self.accepted and (not self.team_id or found.team_id == self.team_id)

    @property
    def name(self) -> str:
        """As the portal's pages call it."""
        return name_of(self.kind)


def wants(account: SigningAccount) -> tuple[Want, ...]:
    """What the lanes need, each once; or, where kinds were asked for, those."""
    found: dict[tuple[str, frozenset[CertificateKind]], Want] = {}
    named = [kind for kind in map(kind_named, account.policy.kinds) if kind in TYPES]
    for need in account.needs.needs:
        choices = [(CertificateKind.APPLE_DISTRIBUTION, store_kinds(need))]
        if need.platform is Platform.MAC_OS:
            installer = CertificateKind.MAC_INSTALLER_DISTRIBUTION
            choices.append((installer, frozenset({installer})))
        if account.policy.kinds:
            choices = [(kind, frozenset({kind})) for kind in named if kind]
        for kind, accepted in choices:
            found.setdefault((need.team_id, accepted), Want(kind, accepted, need.team_id))
    return tuple(found.values())


def usable(want: Want, account: SigningAccount) -> list[PortalCertificate]:
    """The certificates at Apple that serve and whose private key is in the vault; the one that lasts longest first.

    A certificate that begins in the future counts: Apple's clock may be a little ahead of this machine's. What was just
    issued, or waits to be put beside its key, serves however soon it ends: another one would end as soon.
    """
    found = [
        each
        for each in account.certificates.items
        if want.suits(each) and account.keys.holds(each.certificate) and _lasts(each, account)
    ]
    return sorted(found, key=lambda each: (each.certificate.not_after, each.certificate.sha1), reverse=True)


def _lasts(each: PortalCertificate, account: SigningAccount) -> bool:
    found = each.certificate
    if account.keys.waits_for(found):
        return found.not_after > account.at
    return account.lasts(found.not_before, found.not_after)


def missing(account: SigningAccount) -> tuple[Want, ...]:
    """What is to be made: two wants that the same new certificate serves are one."""
    found: dict[tuple[str, CertificateKind], Want] = {}
    for want in wants(account):
        if not usable(want, account):
            found.setdefault((want.team_id, want.kind), want)
    return tuple(found.values())


def free_key(want: Want, account: SigningAccount) -> VaultKey | None:
    """A key in the vault that was made for such a certificate, and for which Apple lists none."""
    used = used_keys(account.certificates)
    fitting = (key for key in account.keys.pending if (key.kind, key.team_id) == (want.kind, want.team_id))
    return next((key for key in fitting if key.public_key_sha256 not in used), None)


def used_keys(certificates: PortalCertificates) -> frozenset[str]:
    """Digests of the public keys of all certificates at Apple."""
    return frozenset(each.certificate.public_key_sha256 for each in certificates.items)


def received(account: SigningAccount) -> Iterator[tuple[PortalCertificate, VaultKey]]:
    """The certificates at Apple for which a key waits in the vault; of several for one key, the one that ends last."""
    for key in sorted(account.keys.pending, key=lambda each: (each.kind, each.path)):
        fitting = [e for e in account.certificates.items if account.keys.waits_for(e.certificate) is key]
        if fitting:
            yield max(fitting, key=lambda each: (each.certificate.not_after, each.id)), key


def signers(app: AppNeed, account: SigningAccount) -> list[PortalCertificate]:
    """The certificates that a profile of the app may name, the one that lasts longest first."""
    kinds = next((store_kinds(need) for need in account.needs.needs if need.platform is app.platform), frozenset())
    return usable(Want(CertificateKind.APPLE_DISTRIBUTION, kinds, app.team_id), account)


def profiles_of(app: AppNeed, account: SigningAccount) -> list[PortalProfile]:
    """All profiles of the app's kind and bundle identifier, the one that lasts longest first."""
    bundle = account.bundle_ids.of(app.bundle_id)
    kind, items = app.profile_type, account.profiles.items
    found = [each for each in items if bundle and each.bundle == bundle.id and each.kind == kind]
    return sorted(found, key=lambda each: (each.expires, each.id), reverse=True)


def serving(app: AppNeed, account: SigningAccount) -> list[PortalProfile]:
    """Those with which the app can be signed by a certificate of the vault, the one that lasts longest first.

    Where the project names a profile, it is that one, as long as the name is to be had.
    """
    found = _fitting(app, account)
    named = [each for each in found if app.profile_name in (each.name, each.uuid)]
    return named if named or wanted_name(app, account) else found


def _fitting(app: AppNeed, account: SigningAccount) -> list[PortalProfile]:
    """Those that serve by what they are, whatever their name."""
    ids = {each.id for each in signers(app, account)}
    return [
        each
        for each in profiles_of(app, account)
        if each.state == ACTIVE and account.lasts(each.created, each.expires) and ids.intersection(each.certificates)
    ]


def named_by_project(app: AppNeed, account: SigningAccount) -> PortalProfile | None:
    """The profile at Apple, of any app, that the project names."""
    items = account.profiles.items
    return next((each for each in items if app.profile_name and app.profile_name in (each.name, each.uuid)), None)


def in_the_way(app: AppNeed, account: SigningAccount) -> tuple[PortalProfile, str] | None:
    """The app's profile that the project names and that serves no more, and why; it has the name that is wanted.

    Only where deleting was asked for, and only what rests on no certificate whose key somebody else has: with that,
    somebody may sign.
    """
    held = named_by_project(app, account) if account.policy.revoke else None
    if held is None or held.name != app.profile_name or held not in profiles_of(app, account):
        return None
    theirs = {each.id for each in account.certificates.items if not account.keys.holds(each.certificate)}
    alive = held.state == ACTIVE and held.expires > account.at
    if held in _fitting(app, account) or (alive and not theirs.isdisjoint(held.certificates)):
        return None
    return held, "a new one takes its name"


def wanted_name(app: AppNeed, account: SigningAccount) -> str:
    """The name that the project gives the profile, while it is to be had; empty when it gives none, or it is taken."""
    name = app.profile_name
    return name if name and (_is_free(name, account.profiles) or in_the_way(app, account)) else ""


def name_for(app: AppNeed, account: SigningAccount) -> str:
    """A name that no profile of the team has: the one that the project names, else a plain one, else one with the day.

    Names are unique in a team, those of invalid and expired profiles included (bitrise-steplib/steps-ios-auto-provision
    pull request 99).
    """
    if name := wanted_name(app, account):
        return name
    profiles = account.profiles
    plain = f"{app.bundle_id} {app.platform.label} App Store"
    dated = f"{plain} {profiles.at:%Y-%m-%d}"
    more = (f"{dated} {number}" for number in range(2, len(profiles.items) + 3))
    return next(name for name in (plain, dated, *more) if _is_free(name, profiles))


def _is_free(name: str, profiles: PortalProfiles) -> bool:
    return _UUID.fullmatch(name) is None and all(each.name != name for each in profiles.items)


def replaced(account: SigningAccount) -> list[PortalCertificate]:
    """Our own certificates that are about to end and that another one of ours has taken the place of.

    Only what the vault has the key of is ours: the key of any other may be in the hands of somebody who signs with it.
    """
    found: dict[str, PortalCertificate] = {}
    for want in wants(account):
        best = next((each for each in usable(want, account) if account.keys.keeps(each.certificate)), None)
        for each in account.certificates.items if best else ():
            ours = want.suits(each) and account.keys.keeps(each.certificate)
            ending = each.certificate.not_after - account.at <= account.policy.expires_within
            if best and ours and ending and each.certificate.not_after < best.certificate.not_after:
                found.setdefault(each.id, each)
    needed = _only_signers(account, found.keys())
    return [each for each in found.values() if each.id not in needed]


def _only_signers(account: SigningAccount, leaving: AbstractSet[str]) -> set[str]:
    """Certificates without which an app would have no profile left."""
    needed: set[str] = set()
    for app in account.needs.apps:
        found = serving(app, account)
        if all(leaving >= set(each.certificates) for each in found):
            needed.update(*(each.certificates for each in found))
    return needed


def outlived(account: SigningAccount) -> list[tuple[PortalProfile, str]]:
    """The app's profiles that another one has taken the place of, and why: what they rest on is gone or goes."""
    leaving = {each.id for each in replaced(account)}
    found: dict[str, tuple[PortalProfile, str]] = {}
    for app in account.needs.apps:
        kept = [each for each in serving(app, account) if not leaving.issuperset(each.certificates)]
        for each in profiles_of(app, account) if kept else ():
            why = _why_outlived(each, account, leaving)
            if why and each not in kept:
                found.setdefault(each.id, (each, why))
    return list(found.values())


def _why_outlived(profile: PortalProfile, account: SigningAccount, leaving: set[str]) -> str:
    if profile.state == INVALID:
        return "it is invalid"
    if profile.expires <= account.at:
        return "it has expired"
    return "its certificate is revoked" if profile.certificates and leaving.issuperset(profile.certificates) else ""


def gone(account: SigningAccount) -> list[str]:
    """What the vault holds of the app's team and Apple has no more: keys of certificates, and the app's profiles."""
    teams = {need.team_id for need in account.needs.needs}
    bundles = {app.bundle_id for app in account.needs.apps}
    listed = {each.certificate.sha1 for each in account.certificates.items}
    uuids = {each.uuid for each in account.profiles.items}
    paths: list[str] = []
    for key in account.keys.identities:
        if key.team_id in teams and kind_named(key.kind) in TYPES and key.sha1 not in listed:
            paths += [key.path, f"{key.path.removesuffix('.p8')}.cer"]
    return [*paths, *(path for uuid, path, bundle in account.keys.profiles if bundle in bundles and uuid not in uuids)]
