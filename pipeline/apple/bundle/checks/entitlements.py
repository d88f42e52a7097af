"""Are the signed entitlements of a kind that Apple takes at all, whatever the profile grants?"""

import re
from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import named, strings
from pipeline.apple.bundle.facts import Bundle, ExportedApp
from pipeline.model import Finding, check, error, warning

MACRO = re.compile(r"\$\([A-Za-z_][\w:.]*\)|\$\{[A-Za-z_][\w:.]*\}")
_MOBILE_ID, _MAC_ID = "application-identifier", "com.apple.application-identifier"
_BETA = "beta-reports-active"
_NEVER_ON_MAC = (
    "com.apple.developer.icloud-container-development-container-identifiers",
    "com.apple.security.in-app-payments",
)
EXPORT_AGAIN = 'export with method "app-store-connect", and let Xcode write the entitlements'


@check("BUND048", "no signed entitlement is a wildcard")
def entitlements_are_definite(app: ExportedApp) -> Iterator[Finding]:
    """A profile may grant anything; a signature has to say what."""
    for bundle in app.signed_bundles if app.on_mobile else ():
        for key, value in bundle.entitlements.items():
            if value == "*" or (isinstance(value, (list, tuple)) and "*" in value):
                yield error(
                    f"{key} is signed as *",
                    subject=bundle.label,
                    remedy=f"name the values in the entitlements file; {EXPORT_AGAIN}",
                    apple="ITMS-90046",
                )


@check("BUND049", "the signed application identifier is the bundle's")
def application_identifiers_fit(app: ExportedApp) -> Iterator[Finding]:
    """The team's prefix, a point, and the bundle identifier."""
    key = _MAC_ID if app.on_mac else _MOBILE_ID
    for bundle in app.signed_bundles:
        value = bundle.entitlements.get(key)
        if not bundle.is_app or value is None or not bundle.bundle_id:
            continue
        prefix, _, rest = value.partition(".") if isinstance(value, str) else ("", "", "")
        if not prefix or rest != bundle.bundle_id:
            yield error(
                f"{key} is {str(value)[:100]}, the bundle identifier is {bundle.bundle_id}",
                subject=bundle.label,
                remedy=f"sign the bundle with a profile for {bundle.bundle_id}; {EXPORT_AGAIN}",
                apple="ITMS-90286" if app.on_mac else "ITMS-90046",
            )


@check("BUND050", "TestFlight can use the build")
def testflight_may_use_the_build(app: ExportedApp) -> Iterator[Finding]:
    """An App Store profile grants beta-reports-active; signing without it makes a build that TestFlight leaves out."""
    profile = app.profile
    if app.kind == "xcarchive" or not app.on_mobile or profile is None or profile.entitlements.get(_BETA) is not True:
        return
    for each in app.as_signed if app.signature.present else ():
        if each.entitlements.get(_BETA) is not True:
            yield warning(
                f"{_BETA} is not signed, although the profile grants it: testers cannot get the build",
                subject=each.label,
                remedy=EXPORT_AGAIN,
                apple="ITMS-90191",
            )


@check("BUND051", "no Mac entitlement is one that the store refuses")
def mac_entitlements_are_supported(app: ExportedApp) -> Iterator[Finding]:
    """The few keys that were seen in Apple's answers."""
    for executable in app.signed_executables if app.on_mac else ():
        if wrong := [key for key in _NEVER_ON_MAC if key in executable.entitlements]:
            yield error(
                f"the Mac App Store does not support {', '.join(wrong)}",
                subject=executable.label,
                remedy="remove the key from the entitlements of the target, then archive again",
                apple="ITMS-90285",
            )


@check("BUND052", "no build setting is left unexpanded")
def settings_are_expanded(app: ExportedApp) -> Iterator[Finding]:
    """$(NAME) and ${NAME} mean something to Xcode alone."""
    for executable in app.signed_executables:
        for key, value in executable.entitlements.items():
            if found := next((text for text in strings(value) if MACRO.search(text)), ""):
                yield error(
                    f"{key} is signed with {found[:100]}: a build setting that nothing expanded",
                    subject=executable.label,
                    remedy="sign with the entitlements that Xcode expanded (.xcent), not with the source file",
                )
    for bundle in app.bundles:
        if bundle.place.endswith((".app", ".appex")):
            keys = [key for key, value in bundle.info.items() if any(map(MACRO.search, strings(value)))]
            if keys:
                yield warning(
                    f"the Info.plist holds build settings that nothing expanded: {named(sorted(keys))}",
                    subject=bundle.place,
                    remedy="let Xcode process the Info.plist (INFOPLIST_FILE), or define the settings",
                    apple="ITMS-90683" if any(key.endswith("UsageDescription") for key in keys) else "",
                )


@check("BUND053", "nested Mac programs with an application identifier have a profile")
def nested_mac_programs_have_profiles(app: ExportedApp) -> Iterator[Finding]:
    """A helper needs neither; TestFlight passes over a build where one has the first without the second."""
    if not app.on_mac or app.kind == "xcarchive":
        return
    profiled = {bundle.place for bundle in app.bundles if bundle.profile_path}
    for executable in app.signed_executables:
        if executable.bundle == app.place or not executable.runs or executable.bundle in profiled:
            continue
        if _MAC_ID in executable.entitlements:
            yield warning(
                f"{_MAC_ID} is signed, and there is no profile that vouches for it",
                subject=executable.label,
                remedy=f"remove {_MAC_ID} from the entitlements of the helper, or embed a profile of its own",
                apple="ITMS-90885",
            )


@check("BUND054", "the Mac app's signature names the application identifier")
def mac_signature_names_the_app(app: ExportedApp) -> Iterator[Finding]:
    """Where the embedded profile has it."""
    for each in app.as_signed if app.on_mac and app.kind != "xcarchive" and _profiled_for(app) else ():
        if _MAC_ID not in each.entitlements:
            yield warning(
                f"{_MAC_ID} is in the profile and not signed: the build cannot be used in TestFlight",
                subject=each.label,
                remedy=f"sign with {_MAC_ID}; {EXPORT_AGAIN}",
                apple="ITMS-90886",
            )


def _profiled_for(app: Bundle) -> bool:
    return app.signature.present and app.profile is not None and _MAC_ID in app.profile.entitlements
