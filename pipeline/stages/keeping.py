"""Put what Apple has issued into the vault: certificates beside their keys, and profiles."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.apple.portal.actions import KeepCertificate, KeepProfile
from pipeline.apple.portal.choice import received, serving
from pipeline.apple.portal.facts import SigningAccount
from pipeline.apple.portal.proofs import certificates_are_kept, profiles_are_kept
from pipeline.model import Action, Scope, Stage


def certificates(account: SigningAccount) -> Iterator[Action]:
    for each, key in received(account):
        certificate = each.certificate
        yield KeepCertificate(certificate.team_id, certificate.kind, each.id, key.path)


def profiles(account: SigningAccount) -> Iterator[Action]:
    held = {uuid for uuid, _, _ in account.keys.profiles}
    for app in account.needs.apps:
        found = serving(app, account)
        if found and held.isdisjoint(each.uuid for each in found):
            yield KeepProfile(app.team_id, app.bundle_id, app.platform, found[0].id, found[0].uuid)


KEEP = Stage(
    "keep",
    after=("certificate",),
    scope=Scope.APP,
    title="certificates in the vault",
    plan=certificates,
    proofs=(certificates_are_kept,),
    patience=timedelta(minutes=1),
)

KEEP_PROFILES = Stage(
    "keep-profiles",
    after=("profiles",),
    scope=Scope.APP,
    title="profiles in the vault",
    plan=profiles,
    proofs=(profiles_are_kept,),
    patience=timedelta(minutes=1),
)
