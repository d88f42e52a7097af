"""Install signing material on this Mac: identities in a keychain of their own, profiles where Xcode looks for them."""

from collections.abc import Iterator

from pipeline.apple.keychain import checks
from pipeline.apple.keychain.actions import InstallIdentities, InstallProfile, RemoveKeychain
from pipeline.apple.keychain.facts import PROFILE_FOLDERS, InstallableMaterial, OwnKeychains, ProfileFiles
from pipeline.apple.keychain.proofs import installed_identities_can_sign, installed_profiles_are_there
from pipeline.model import Action, Scope, Stage


def identities(material: InstallableMaterial, own: OwnKeychains) -> Iterator[Action]:
    """What an install that was cut off has left goes first: nobody is at it any more."""
    for each in own.abandoned:
        yield RemoveKeychain(each.id, "its install was cut off")
    wanted = material.wanted_identities
    if wanted and own.holding(each.sha1 for each in wanted) is None:
        yield InstallIdentities(
            tuple(each.sha1 for each in wanted), tuple(each.name for each in wanted), material.origins
        )


def profiles(material: InstallableMaterial, own: OwnKeychains, files: ProfileFiles) -> Iterator[Action]:
    """A profile that is there already is not ours, unless another install of ours brought it: then we share it."""
    current = own.current.id if own.current else ""
    for each in material.wanted_profiles:
        places = [f"{folder}/{each.file}" for folder in PROFILE_FOLDERS]
        missing = any(not files.holds(place, each.sha256) for place in places)
        shared = any(own.claimed(place, beside=current) and not own.claims(current, place) for place in places)
        if missing or shared:
            yield InstallProfile(each.uuid, each.name, each.file, each.origin, each.part, each.sha256, current)


INSTALLING_IDENTITIES = Stage(
    "keychain",
    scope=Scope.APP,
    title="what is to be installed, and identities for this Mac",
    checks=(
        checks.there_is_something_to_install,
        checks.material_can_be_opened,
        checks.certificates_come_with_their_keys,
        checks.identities_are_valid,
        checks.profiles_can_be_installed,
        checks.material_is_apples,
        checks.no_install_was_cut_off,
    ),
    plan=identities,
    proofs=(installed_identities_can_sign,),
)

INSTALLING_PROFILES = Stage(
    "profiles",
    after=("keychain",),
    scope=Scope.APP,
    title="profiles for this Mac",
    plan=profiles,
    proofs=(installed_profiles_are_there,),
)
