"""Make the App Store profiles that are missing, for the app and what travels inside it."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.apple.portal.actions import CreateProfile, DeleteProfile
from pipeline.apple.portal.choice import in_the_way, name_for, serving, signers, wanted_name
from pipeline.apple.portal.facts import SigningAccount
from pipeline.apple.portal.proofs import profiles_are_listed
from pipeline.model import Action, Scope, Stage


def plan(account: SigningAccount) -> Iterator[Action]:
    for app in account.needs.apps:
        bundle, signing = account.bundle_ids.of(app.bundle_id), signers(app, account)
        if bundle and signing and not serving(app, account):
            # Names are unique in a team: what has the name that the project names goes first.
            if found := in_the_way(app, account):
                former, why = found
                yield DeleteProfile(app.team_id, former.name, former.uuid, former.id, why)
            yield CreateProfile(
                app.team_id,
                app.bundle_id,
                app.platform,
                app.profile_type,
                wanted_name(app, account),
                name_for(app, account),
                bundle.id,
                signing[0].id,
                tuple(each.id for each in signing),
            )


PROFILES = Stage(
    "profiles",
    after=("keep",),
    scope=Scope.APP,
    title="profiles at Apple",
    plan=plan,
    proofs=(profiles_are_listed,),
    patience=timedelta(minutes=5),
)
