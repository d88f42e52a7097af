"""Joins what the rooms below have found into one list, each certificate and profile once."""

from pipeline.apple.bundle.facts import GivenSignatures
from pipeline.apple.portal.facts import PortalMaterial
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, Keychain, ProfileFolders
from pipeline.apple.signing.holdings import Holdings, folded, in_environment, in_files, in_folders, in_keychain
from pipeline.apple.signing.trust import Anchors
from pipeline.inventory.lots import at_apple, in_signed_code, in_vault, signed_files
from pipeline.model import Reading, probe
from pipeline.ports.clock import Clock
from pipeline.vault.facts import VaultContents


@probe(scope="APP")
def holdings(  # noqa: PLR0917 -- the engine passes them by name
    held: Reading[Keychain],
    folders: Reading[ProfileFolders],
    given: GivenMaterial,
    environment: EnvironmentMaterial,
    vault: Reading[VaultContents],
    portal: Reading[PortalMaterial],
    code: Reading[GivenSignatures],
    clock: Clock,
    anchors: Anchors,
) -> Holdings:
    """Everything that was found anywhere."""
    lots = (
        in_keychain(held),
        in_folders(folders),
        in_files(given, signed_files(code)),
        in_environment(environment),
        in_vault(vault, (*given.materials, *environment.materials)),
        at_apple(portal),
        in_signed_code(code),
    )
    return folded(lots, anchors, clock.now())
