"""Does the signature claim what an App Store build should claim, and nothing that its profile does not grant?"""

from collections.abc import Iterator
from typing import Any

from pipeline.apple.bundle.facts import Bundle, ExportedApp
from pipeline.apple.bundle.interfaces import PUSH as PUSH_MESSAGE
from pipeline.apple.signing.profiles import entitlement_allows
from pipeline.model import Declaration, Finding, Lane, Platform, check, error, warning

SANDBOX = "com.apple.security.app-sandbox"
ENVIRONMENT = "com.apple.developer.icloud-container-environment"
CONTAINERS = "com.apple.developer.icloud-container-identifiers"
DEBUGGING = ("get-task-allow", "com.apple.security.get-task-allow")
PUSH = "aps-environment"
MAC_PUSH = "com.apple.developer.aps-environment"
_JUDGED_ELSEWHERE = frozenset({ENVIRONMENT, *DEBUGGING, PUSH, MAC_PUSH})
"""Keys whose wrong value BUND010 to BUND012 explain; here only their absence from the profile counts."""
_UNRESTRICTED = "com.apple.security."
_RESTRICTED_ANYWAY = "com.apple.security.application-groups"
EXPORT = 'export with method "app-store-connect"'


@check("BUND009", "the profile grants every signed entitlement")
def profile_grants_entitlements(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """Signed claims must be a part of what the embedded profile allows; wildcards by Apple's rules."""
    on_mac = lane.platform is Platform.MAC_OS
    for bundle in app.signed_bundles:
        if bundle.profile is None or app.kind == "xcarchive":
            continue
        granted = bundle.profile.entitlements
        for key, value in bundle.entitlements.items():
            if key.startswith(_UNRESTRICTED) and (on_mac or key != _RESTRICTED_ANYWAY):
                continue
            if on_mac and key == PUSH:
                continue  # The key of iOS: macOS does not look at it, and it is in no Mac profile.
            if key in granted and (key in _JUDGED_ELSEWHERE or entitlement_allows(granted[key], value)):
                continue
            if key not in granted and (value is False or key in DEBUGGING):
                continue
            lacks = f"grants {_shown(granted[key])}" if key in granted else "does not have it"
            yield error(
                f"{key} is signed as {_shown(value)}, the profile “{bundle.profile.name}” {lacks}",
                subject=bundle.label,
                remedy="enable the capability for the App ID and renew the profile, or remove the entitlement",
                apple="ITMS-90288" if on_mac else "ITMS-90164",
            )


@check("BUND010", "no debugger may attach")
def debugging_is_not_allowed(app: ExportedApp) -> Iterator[Finding]:
    """get-task-allow is what a development signature adds."""
    for executable in app.signed_executables if app.kind != "xcarchive" else ():
        if any(executable.entitlements.get(key) is True for key in DEBUGGING):
            yield error(
                "get-task-allow is true: a debugger may attach, as no App Store build allows",
                subject=executable.label,
                remedy=EXPORT,
                apple="ITMS-90164",
            )


@check("BUND011", "the product talks to CloudKit's production environment")
def cloudkit_environment_is_production(app: ExportedApp) -> Iterator[Finding]:
    """Without the entitlement a build talks to Development, where users' data is not."""
    for bundle in app.signed_bundles:
        if not bundle.uses_cloudkit or app.kind == "xcarchive":
            continue
        found = bundle.claims(ENVIRONMENT)
        if found != ("Production",):
            yield error(
                f"{ENVIRONMENT} is {', '.join(found) or 'missing'}, so the app does not use CloudKit's production data",
                subject=bundle.label,
                remedy=f"{EXPORT} and iCloudContainerEnvironment set to Production",
            )


@check("BUND012", "push notifications use the production environment")
def push_environment_is_production(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """The signed value counts, not the entitlements file: signing replaces it by the profile's."""
    key = MAC_PUSH if lane.platform is Platform.MAC_OS else PUSH
    for bundle in app.signed_bundles:
        found = bundle.entitlements.get(key)
        if found is not None and found != "production" and app.kind != "xcarchive":
            yield error(
                f"{key} is {_shown(found)} instead of production",
                subject=bundle.label,
                remedy=f"{EXPORT} and an App Store profile",
                apple="ITMS-90078",
            )


@check("BUND081", "an app that registers for push notifications has the entitlement")
def push_has_its_entitlement(app: ExportedApp) -> Iterator[Finding]:
    """By the app's own program, libraries that are linked into it included; frameworks are not asked."""
    message, receiver = PUSH_MESSAGE
    main = next((each for each in app.executables if each.bundle == app.place), None)
    if app.platform != "IOS" or main is None or not app.signature.present:
        return
    sends = any(message in part.selectors and receiver in part.imports for part in main.slices)
    if sends and not all(PUSH in each.entitlements for each in app.as_signed):
        yield warning(
            f"the code refers to {message}, and {PUSH} is not signed",
            subject=main.path,
            remedy="add the capability Push Notifications, or leave out the part of a library that registers",
            apple="ITMS-90078",
        )


@check("BUND013", "the CloudKit containers are the declared ones")
def containers_are_the_declared_ones(app: ExportedApp, declared: Declaration) -> Iterator[Finding]:
    """A build for the wrong container starts with no data."""
    if not declared.containers or not app.signature.present:
        return  # An unsigned product claims nothing: BUND004 says so.
    for each in app.as_signed:
        signed = each.claims(CONTAINERS)
        absent = [container for container in declared.containers if container not in signed]
        if absent or not each.uses_cloudkit:
            yield error(
                f"the product asks for {_containers(each, signed)}, config declares {', '.join(declared.containers)}",
                subject=each.label,
                remedy="correct the target's entitlements file or the declaration, then archive and export again",
            )
        elif extra := [container for container in signed if container not in declared.containers]:
            yield warning(
                f"the product also asks for {', '.join(extra)}, which config does not declare",
                subject=each.label,
                remedy="declare the container, so that its schema is looked after, or remove it from the entitlements",
            )


def _containers(app: Bundle, signed: tuple[str, ...]) -> str:
    if not app.uses_cloudkit:
        return "no CloudKit"
    return ", ".join(signed) or "no container"


@check("BUND014", "every Mac program is sandboxed")
def programs_are_sandboxed(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """The Mac App Store wants the sandbox on helpers and login items too; libraries inherit it."""
    if lane.platform is not Platform.MAC_OS:
        return
    for executable in app.signed_executables if app.kind != "tool" else ():
        if executable.runs and executable.entitlements.get(SANDBOX) is not True:
            yield error(
                f"{SANDBOX} is not true",
                subject=executable.label,
                remedy=f"set {SANDBOX} in the entitlements of the target that builds it, then archive again",
                apple="ITMS-90296",
            )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]"[:200]
    return str(value)[:200]
