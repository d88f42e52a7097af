"""Whether what was put into the vault is there, for those for whom it was meant."""

from collections.abc import Iterator

from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, SigningPolicy
from pipeline.model import Finding, Reading, check, error
from pipeline.vault.checks import listed, names_of
from pipeline.vault.facts import VaultContents
from pipeline.vault.offers import admitted, lacking, offered
from pipeline.vault.sealing import NAME, plain_key


@check("VALT020", "what was given is in the vault")
def what_was_given_is_in_the_vault(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> Iterator[Finding]:
    given = admitted(contents, files, environment)
    for origin, identities, profiles in lacking(offered(given, contents.at), contents):
        names = [each.name for each in identities] + [each.name for each in profiles]
        yield error(
            f"{listed(names)} from {origin} did not arrive in the vault",
            subject=origin,
            remedy="run `certs.sync` again",
            pending=True,
        )


@check("VALT021", "the vault is encrypted for those who are named, and no others")
def vault_is_encrypted_for_those_who_are_named(contents: VaultContents, policy: SigningPolicy) -> Iterator[Finding]:
    named = {(name, plain_key(key)) for name, key in policy.recipients}
    held = {(each.name, each.key) for each in contents.recipients}
    if contents.place and named and named != held:
        yield error(
            f"the vault is encrypted for {names_of(contents) or 'nobody'}, not for those whom config/ names",
            remedy="run `certs.sync` again",
            pending=True,
        )
    elif contents.exists and not contents.openable:
        yield error(f"the vault does not open after it was written: {contents.why}", remedy=f"check {NAME}")
