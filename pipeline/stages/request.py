"""Make the private keys that are missing: each is in the vault before anybody asks Apple for its certificate."""

from collections.abc import Iterator

from pipeline.apple.portal.actions import MakeKey
from pipeline.apple.portal.choice import free_key, missing
from pipeline.apple.portal.facts import SigningAccount
from pipeline.model import Action, Scope, Stage


def plan(account: SigningAccount) -> Iterator[Action]:
    for want in missing(account):
        if free_key(want, account) is None:
            seen = account.keys.made_for(want.kind, want.team_id)
            yield MakeKey(want.team_id, want.kind, tuple(key.path for key in seen))


REQUEST = Stage("request", after=("account",), scope=Scope.APP, title="private keys", plan=plan)
