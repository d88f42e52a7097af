"""Chooses identity and profile for a build or an export as Xcode does, or says in Xcode's words why there is none."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from pipeline.simulator.authority import Identity, Kind, Profile
from pipeline.simulator.machine import entitlements
from pipeline.simulator.machine.project import BuildError, Sdk, Settings, Target
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.simulator.machine.keychain import Keychain

_SELECTORS: Mapping[str, tuple[Kind, ...]] = {
    "Apple Development": (Kind.DEVELOPMENT,),
    "iPhone Developer": (Kind.DEVELOPMENT, Kind.IOS_DEVELOPMENT),
    "iOS Development": (Kind.DEVELOPMENT, Kind.IOS_DEVELOPMENT),
    "Mac Developer": (Kind.DEVELOPMENT, Kind.MAC_APP_DEVELOPMENT),
    "Mac Development": (Kind.DEVELOPMENT, Kind.MAC_APP_DEVELOPMENT),
    "Apple Distribution": (Kind.DISTRIBUTION,),
    "iPhone Distribution": (Kind.DISTRIBUTION, Kind.IOS_DISTRIBUTION),
    "iOS Distribution": (Kind.DISTRIBUTION, Kind.IOS_DISTRIBUTION),
    "3rd Party Mac Developer Application": (Kind.DISTRIBUTION, Kind.MAC_APP_DISTRIBUTION),
    "Mac App Distribution": (Kind.DISTRIBUTION, Kind.MAC_APP_DISTRIBUTION),
    "3rd Party Mac Developer Installer": (Kind.MAC_INSTALLER_DISTRIBUTION,),
    "Mac Installer Distribution": (Kind.MAC_INSTALLER_DISTRIBUTION,),
    "Developer ID Application": (Kind.DEVELOPER_ID_APPLICATION,),
}


@dataclass(frozen=True)
class Signing:
    """With what an app is signed. `environment` is the CloudKit environment its signature names."""

    identity: Identity
    profile: Profile
    environment: str


def identity_for(keychain: Keychain, selector: str, team_id: str) -> Identity | None:
    """The team's identity that a name of Xcode's, a common name or a SHA-1 selects.

    A common name holds the team's name, which nobody knows here: kind and team decide.
    """
    prefix, _, name = selector.partition(": ")
    if prefix in _SELECTORS and (not name or name.endswith(f"({team_id})")):
        return next(iter(keychain.of_kind(*_SELECTORS[prefix], team_id=team_id)), None)
    usable = keychain.of_kind(*Kind, team_id=team_id)
    return next((i for i in usable if selector and (i.sha1 == selector.upper() or selector in i.name)), None)


def is_store(profile: Profile) -> bool:
    """Whether it is a profile for the App Store: for no particular device and not for all."""
    return "ProvisionedDevices" not in profile.values and not profile.values.get("ProvisionsAllDevices")


def _fits(  # what a profile is chosen by
    profile: Profile, sdk: Sdk, bundle_id: str, keychain: Keychain, team_id: str, *, store: bool
) -> bool:
    platform = "OSX" if sdk.name == "macosx" else sdk.label
    identifier = profile.values["Entitlements"].get(entitlements.identifier_key(sdk), "")
    prefix = f"{profile.values['ApplicationIdentifierPrefix'][0]}."
    return (
        platform in profile.values["Platform"]
        and is_store(profile) is store
        and identifier in (f"{prefix}{bundle_id}", f"{prefix}*")
        and team_id in profile.values["TeamIdentifier"]
        and profile.values["ExpirationDate"].replace(tzinfo=UTC) > keychain.authority.now
    )


def for_build(target: Target, settings: Settings, keychain: Keychain) -> Signing:
    """Identity and profile with which `xcodebuild archive` signs.

    Raises:
        BuildError: with the message that the build prints.
    """
    within = f"(in target '{target.name}' from project '{target.project.name}')"
    container = f"{target.project.path}: error:"
    sdk, team = settings.sdk, settings["DEVELOPMENT_TEAM"]
    bundle_id, selector = settings["PRODUCT_BUNDLE_IDENTIFIER"], settings["CODE_SIGN_IDENTITY"]
    specifier = settings["PROVISIONING_PROFILE_SPECIFIER"].rpartition("/")[2]
    if not team:
        raise BuildError(
            f'{container} Signing for "{target.name}" requires a development team. Select a development team in the'
            f" Signing & Capabilities editor. {within}"
        )
    manual = settings.signs_manually
    if not manual:
        if settings["CODE_SIGN_STYLE"]:
            _no_conflict(target.name, selector, specifier, container, within)
        selector = "Apple Development"
    kinds = _SELECTORS.get(selector.partition(": ")[0], ())
    store = Kind.DEVELOPMENT not in kinds
    purpose = f"{'Mac' if sdk.name == 'macosx' else 'iOS'} {'App Store' if store else 'App Development'}"
    if manual and not specifier:
        raise BuildError(
            f'{container} "{target.name}" requires a provisioning profile. Select a provisioning profile in the'
            f" Signing & Capabilities editor. {within}"
        )
    fitting = [p for p in keychain.profiles if _fits(p, sdk, bundle_id, keychain, team, store=store)]
    named = [p for p in fitting if not manual or specifier in (p.name, p.uuid)]
    if manual and not named:
        raise BuildError(
            f"{container} No profile for team '{team}' matching '{specifier}' found: Xcode couldn't find any"
            f" provisioning profiles matching '{team}/{specifier}'. Install the profile (by dragging and dropping it"
            " onto Xcode's dock item) or select a different one in the Signing & Capabilities tab of the target"
            f" editor. {within}"
        )
    if not named:
        raise BuildError(f"{container} {_no_profiles(bundle_id, purpose)} {within}")
    identity = identity_for(keychain, selector, team)
    if identity is None:
        label = f"{'Mac' if sdk.name == 'macosx' else 'iOS'} {'Distribution' if store else 'Development'}"
        raise BuildError(
            f'{container} No signing certificate "{label}" found: No "{label}" signing certificate matching team ID'
            f' "{team}" with a private key was found. {within}'
        )
    profile = named[0]
    if identity.certificate not in profile.values["DeveloperCertificates"]:
        raise BuildError(
            f'{container} Provisioning profile "{profile.name}" doesn\'t include signing certificate'
            f' "{identity.name}". {within}'
        )
    return Signing(identity, profile, "Production" if store else "Development")


def _no_conflict(name: str, selector: str, specifier: str, container: str, within: str) -> None:
    conflict = f"{container} {name} has conflicting provisioning settings. {name} is automatically signed"
    if specifier:
        raise BuildError(
            f"{conflict}, but provisioning profile {specifier} has been manually specified. Set the provisioning"
            ' profile value to "Automatic" in the build settings editor, or switch to manual signing in the Signing &'
            f" Capabilities editor. {within}"
        )
    if selector not in ("Apple Development", "iPhone Developer", "Mac Developer", "-", ""):
        raise BuildError(
            f"{conflict} for development, but a conflicting code signing identity {selector} has been manually"
            ' specified. Set the code signing identity value to "Apple Development" in the build settings editor, or'
            f" switch to manual signing in the Signing & Capabilities editor. {within}"
        )


def _no_profiles(bundle_id: str, purpose: str) -> str:
    return (
        f"No profiles for '{bundle_id}' were found: Xcode couldn't find any {purpose} provisioning profiles matching"
        f" '{bundle_id}'. Automatic signing is disabled and unable to generate a profile. To enable automatic signing,"
        " pass -allowProvisioningUpdates to xcodebuild."
    )


def for_export(
    keychain: Keychain, sdk: Sdk, bundle_id: str, app: str, options: Mapping[str, Any], *, icloud: bool
) -> Signing:
    """Identity and profile with which an App Store export signs.

    Raises:
        BuildError: with what xcodebuild prints after "error: exportArchive ".
    """
    team = str(options.get("teamID") or keychain.team_id)
    fitting = [p for p in keychain.profiles if _fits(p, sdk, bundle_id, keychain, team, store=True)]
    mac = sdk.name == "macosx"
    if options.get("signingStyle", "automatic") == "manual":
        chosen = options.get("provisioningProfiles")
        asked = str(chosen.get(bundle_id, "")) if isinstance(chosen, dict) else ""
        if not asked:
            raise BuildError(f'"{app}" requires a provisioning profile.', 70)
        fitting = [p for p in fitting if asked in (p.name, p.uuid)]
        if not fitting:
            raise BuildError(f'No profile for team "{team}" matching "{asked}" found', 70)
    if not fitting:
        raise BuildError(f"No profiles for '{bundle_id}' were found", 70)
    selector = str(options.get("signingCertificate") or "Apple Distribution")
    identity = identity_for(keychain, selector, team)
    label = f"{'Mac App' if mac else 'iOS'} Distribution"
    if identity is None:
        raise BuildError(f'No signing certificate "{label}" found', 70)
    profile = fitting[0]
    if identity.certificate not in profile.values["DeveloperCertificates"]:
        raise BuildError(
            f'Provisioning profile "{profile.name}" doesn\'t include signing certificate "{identity.name}".', 70
        )
    return Signing(identity, profile, _environment(options, profile, icloud=icloud))


def _environment(options: Mapping[str, Any], profile: Profile, *, icloud: bool) -> str:
    offered = profile.values["Entitlements"].get(entitlements.ENVIRONMENT, [])
    possible = [offered] if isinstance(offered, str) else list(offered)
    asked = options.get("iCloudContainerEnvironment")
    if not icloud or asked in possible:
        return str(asked or "")
    if asked is None and len(possible) == 1:
        return str(possible[0])
    given = "no value was provided" if asked is None else f"found {asked}"
    raise BuildError(
        "exportOptionsPlist error for key 'iCloudContainerEnvironment': expected one of"
        f" {{{', '.join(possible)}}}, but {given}",
        70,
    )
