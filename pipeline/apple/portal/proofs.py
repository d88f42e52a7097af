"""What must have come true, at Apple and in the vault, after something was made there."""

from collections.abc import Iterator

from pipeline.apple.portal.choice import missing, serving, signers, usable, wants
from pipeline.apple.portal.facts import SigningAccount
from pipeline.model import Finding, check, error

AGAIN = "run it again later: what is there already is found, and not made twice"


@check("PORT020", "Apple lists a certificate for each key")
def certificates_are_listed(account: SigningAccount) -> Iterator[Finding]:
    for want in missing(account):
        yield error(
            f"Apple does not list a certificate “{want.name}” for a key of the vault yet",
            subject=str(want.kind),
            remedy=AGAIN,
            pending=True,
        )


@check("PORT021", "The vault holds each certificate with its key")
def certificates_are_kept(account: SigningAccount) -> Iterator[Finding]:
    for want in wants(account):
        if not any(account.keys.keeps(each.certificate) for each in usable(want, account)):
            yield error(
                f"the vault does not hold a certificate “{want.name}” with its key yet",
                subject=str(want.kind),
                remedy=AGAIN,
                pending=True,
            )


@check("PORT022", "Apple lists a valid profile for each bundle identifier")
def profiles_are_listed(account: SigningAccount) -> Iterator[Finding]:
    for app in account.needs.apps:
        if signers(app, account) and not serving(app, account):
            yield error(
                f"Apple does not list a valid App Store profile of {app.bundle_id} for {app.platform.label} yet",
                subject=app.bundle_id,
                remedy=AGAIN,
                pending=True,
            )


@check("PORT023", "The vault holds a profile for each bundle identifier")
def profiles_are_kept(account: SigningAccount) -> Iterator[Finding]:
    held = {uuid for uuid, _, _ in account.keys.profiles}
    for app in account.needs.apps:
        found = serving(app, account)
        if found and not any(each.uuid in held for each in found):
            yield error(
                f"the vault does not hold the App Store profile of {app.bundle_id} for {app.platform.label} yet",
                subject=app.bundle_id,
                remedy=AGAIN,
                pending=True,
            )
