"""Only when told: revoke and delete at Apple what was replaced, then take it out of the vault."""

from collections.abc import Iterator

from pipeline.apple.portal.actions import DeleteProfile, DropOutlived, RevokeCertificate
from pipeline.apple.portal.choice import gone, outlived, replaced
from pipeline.apple.portal.facts import ACTIVE, SigningAccount
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.model import Action, Scope, Stage


def nothing_is_to_be_revoked(policy: SigningPolicy) -> str:
    return "" if policy.revoke else "nothing is revoked or deleted without --revoke"


def plan(account: SigningAccount) -> Iterator[Action]:
    going = outlived(account)
    ours = {profile.id for profile, _ in going}
    for each in replaced(account):
        found = each.certificate
        others = [
            p for p in account.profiles.items if each.id in p.certificates and p.state == ACTIVE and p.id not in ours
        ]
        end = f"{found.not_after:%Y-%m-%d}"
        yield RevokeCertificate(found.team_id, found.kind, each.id, each.serial, end, len(others))
    team = next((need.team_id for need in account.needs.needs), "")
    for profile, why in going:
        yield DeleteProfile(team, profile.name, profile.uuid, profile.id, why)


def tidying(account: SigningAccount) -> Iterator[Action]:
    paths = gone(account)
    if paths:
        yield DropOutlived(next((need.team_id for need in account.needs.needs), ""), tuple(paths))


REVOKE = Stage(
    "revoke",
    after=("keep-profiles",),
    scope=Scope.APP,
    title="what was replaced, at Apple",
    needless=nothing_is_to_be_revoked,
    plan=plan,
)

TIDY = Stage(
    "tidy",
    after=("revoke",),
    scope=Scope.APP,
    title="what was replaced, in the vault",
    needless=nothing_is_to_be_revoked,
    plan=tidying,
)
