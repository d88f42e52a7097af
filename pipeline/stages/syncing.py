"""Share signing material: what was given goes into the vault, which is encrypted for those who are named."""

from collections.abc import Iterator
from datetime import timedelta

from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, SigningPolicy
from pipeline.model import Action, Reading, Scope, Stage
from pipeline.vault import checks
from pipeline.vault.actions import PublishMaterial, Reseal
from pipeline.vault.exhibits import ledger, vault
from pipeline.vault.facts import VaultContents
from pipeline.vault.offers import admitted, lacking, offered
from pipeline.vault.proofs import vault_is_encrypted_for_those_who_are_named, what_was_given_is_in_the_vault
from pipeline.vault.sealing import plain_key


def plan(
    contents: VaultContents,
    policy: SigningPolicy,
    files: Reading[GivenMaterial],
    environment: Reading[EnvironmentMaterial],
) -> Iterator[Action]:
    named = tuple((name, plain_key(key)) for name, key in policy.recipients)
    held = {(each.name, each.key) for each in contents.recipients}
    if contents.place and named and set(named) != held:
        keys = {key for _, key in named}
        leaving = tuple(each.name for each in contents.recipients if each.key not in keys)
        yield Reseal(contents.place, named, leaving, not contents.exists)
    given = admitted(contents, files, environment)
    for origin, identities, profiles in lacking(offered(given, contents.at), contents):
        yield PublishMaterial(contents.place, origin, tuple(identities), tuple(profiles))


SYNCING = Stage(
    "sync",
    scope=Scope.APP,
    title="the team's vault",
    checks=(checks,),
    plan=plan,
    proofs=(what_was_given_is_in_the_vault, vault_is_encrypted_for_those_who_are_named),
    patience=timedelta(minutes=1),
    exhibits=(vault, ledger),
)
