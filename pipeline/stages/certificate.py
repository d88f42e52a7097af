"""Ask Apple for the certificates that are missing, each once, and wait until they are listed."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.apple.portal.actions import CreateCertificate
from pipeline.apple.portal.choice import free_key, missing
from pipeline.apple.portal.facts import SigningAccount
from pipeline.apple.portal.proofs import certificates_are_listed
from pipeline.model import Action, Scope, Stage


def plan(account: SigningAccount) -> Iterator[Action]:
    for want in missing(account):
        key = free_key(want, account)
        if key is not None:
            yield CreateCertificate(want.team_id, want.kind, key.path, key.public_key_sha256)


CERTIFICATE = Stage(
    "certificate",
    after=("request",),
    scope=Scope.APP,
    title="certificates at Apple",
    plan=plan,
    proofs=(certificates_are_listed,),
    patience=timedelta(minutes=5),
)
