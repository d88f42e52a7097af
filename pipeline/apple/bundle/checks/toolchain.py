"""Was the product built with tools that Apple takes, for systems that it takes?"""

import re
from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import grouped, named, said
from pipeline.apple.bundle.facts import Bundle, Executable, ExportedApp
from pipeline.apple.bundle.requirements import MACS_FOR_MOBILE, SDKS, SYSTEMS, is_older, version
from pipeline.model import Finding, check, error, warning

BETA = re.compile(r"\d{2}[A-Z]5\d{3}[a-z]")
"""Builds of betas since Xcode 13: a number above 5000 with a small letter. Released versions have had letters too."""
_MINIMUM, _MAC_MINIMUM = "MinimumOSVersion", "LSMinimumSystemVersion"
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,2}")
_SAME_NUMBERS_SINCE = 26


@check("BUND021", "the apps were built with an SDK that Apple takes")
def sdk_is_new_enough(app: ExportedApp) -> Iterator[Finding]:
    """Apps and app extensions are judged; a framework may be older than the app that holds it."""
    for demand in SDKS:
        old = grouped(
            (part.sdk, executable.path)
            for executable in _programs(app)
            for part in executable.slices
            if part.platform in demand.platforms and is_older(part.sdk, demand.least)
        )
        for sdk, paths in old.items():
            yield said(demand.severity(app.at))(
                f"{named(dict.fromkeys(paths))} was built with SDK {sdk}: {demand.words}",
                subject=paths[0],
                remedy=f"archive again with an Xcode that has SDK {demand.least} or later",
                apple=demand.code,
            )


@check("BUND022", "the minimum system version is one that Apple takes")
def minimum_system_is_high_enough(app: ExportedApp) -> Iterator[Finding]:
    """The app alone is judged: its extensions may not ask for less than it in any case."""
    main = next(iter(_programs(app)), None)
    platform = main.slices[0].platform if main and main.slices else ""
    for demand in SYSTEMS:
        if platform in demand.platforms and is_older(app.text(_MINIMUM), demand.least):
            yield said(demand.severity(app.at))(
                f"{_MINIMUM} is {app.text(_MINIMUM)}: {demand.words}",
                subject=app.place,
                remedy=f"set the deployment target to {demand.least} or later",
                apple=demand.code,
            )


@check("BUND023", "no beta of Xcode or of an SDK built the app")
def tools_are_released(app: ExportedApp) -> Iterator[Finding]:
    """App Review takes no build of a beta; TestFlight may, for as long as Apple says so."""
    for key, what in (("DTXcodeBuild", "Xcode"), ("DTSDKBuild", "the SDK")):
        build = app.text(key)
        if BETA.fullmatch(build):
            yield warning(
                f"{key} is {build}, which is a beta of {what}: such a build cannot go to the App Store",
                subject=app.place,
                remedy="archive with a released Xcode; keep this build for TestFlight at most",
                apple="ITMS-90534",
            )
            return


@check("BUND024", "frameworks run on every system that the app asks for")
def frameworks_support_the_apps_systems(app: ExportedApp) -> Iterator[Finding]:
    """Code that asks for a later system than its Info.plist, or than the app, does not start there."""
    if not app.on_mobile:
        return
    code = {executable.bundle: executable for executable in app.executables if executable.bundle}
    for bundle in _frameworks(app):
        executable = code.get(bundle.place)
        for part in executable.slices if executable else ():
            own, wanted = bundle.text(_MINIMUM), app.text(_MINIMUM)
            whose, least = ("its Info.plist", own) if is_older(own, part.minimum_os) else ("the app", wanted)
            if is_older(least, part.minimum_os) and not bundle.is_watch:
                yield error(
                    f"its code runs from {part.platform} {part.minimum_os}, {whose} says {least}",
                    subject=bundle.place,
                    remedy="build the framework for the app's deployment target, or raise the app's",
                    apple="ITMS-90208",
                )
                break


@check("BUND025", "every bundle of code has a minimum system version")
def minimum_system_is_named(app: ExportedApp) -> Iterator[Finding]:
    """Apps, app extensions and frameworks; Xcode writes the key, scripts that pack frameworks forget it."""
    told = [bundle for bundle in _coded(app) if bundle.info] if app.on_mobile else []
    lacking = [bundle.place for bundle in told if _MINIMUM not in bundle.info]
    if lacking:
        yield error(
            f"{_MINIMUM} is missing in the Info.plist of {named(lacking)}",
            subject=lacking[0],
            remedy=f"add {_MINIMUM} with the version that the code was built for",
            apple="ITMS-90360",
        )


@check("BUND026", "minimum system versions are versions")
def minimum_system_is_a_version(app: ExportedApp) -> Iterator[Finding]:
    """One to three numbers in a text."""
    for bundle in _coded(app) if app.on_mobile else ():
        value = bundle.info.get(_MINIMUM)
        if _MINIMUM in bundle.info and not (isinstance(value, str) and _VERSION.fullmatch(value)):
            yield error(
                f"{_MINIMUM} is {str(value)[:40]!r}, which is no version",
                subject=bundle.place,
                remedy=f"write {_MINIMUM} as a text of two numbers, such as 17.0",
                apple="ITMS-90530" if value in ("", None) else "ITMS-90362",
            )


@check("BUND027", "the minimum macOS is a version of macOS")
def minimum_mac_is_a_version(app: ExportedApp) -> Iterator[Finding]:
    """Between 10.4 and today; how far today goes is not told here."""
    value = app.info.get(_MAC_MINIMUM)
    if not app.on_mac or value is None:
        return
    sound = isinstance(value, str) and _VERSION.fullmatch(value) and not is_older(value, "10.4")
    if not sound or (len(numbers := version(str(value))) and 16 <= numbers[0] < _SAME_NUMBERS_SINCE):
        yield error(
            f"{_MAC_MINIMUM} is {str(value)[:40]!r}, and there is no such macOS",
            subject=app.place,
            remedy="set MACOSX_DEPLOYMENT_TARGET to the macOS that the app needs, such as 14.0",
            apple="ITMS-90265",
        )


@check("BUND028", "Macs that run the iOS app are new enough for it")
def macs_can_run_the_app(app: ExportedApp) -> Iterator[Finding]:
    """The key of a Mac in an iOS app says from which macOS on Macs with Apple silicon offer it."""
    value, wanted = app.text(_MAC_MINIMUM), version(app.text(_MINIMUM))
    if app.platform != "IOS" or not version(value) or not wanted:
        return
    needed = wanted[0] if wanted[0] >= _SAME_NUMBERS_SINCE else MACS_FOR_MOBILE.get(wanted[0], 0)
    number = version(value)[0]
    no_such = 16 <= number < _SAME_NUMBERS_SINCE
    if number < needed or no_such:
        why = "no macOS has that number" if no_such else f"the app needs macOS {needed}"
        yield warning(
            f"{_MAC_MINIMUM} is {value}, and {why}",
            subject=app.place,
            remedy=f"remove {_MAC_MINIMUM}: the deployment target says from which system on the app runs",
            # Apple's mail speaks of a macOS that is too old; one that is not out yet is only offered to nobody.
            apple="" if no_such else "ITMS-90899",
        )


def _programs(app: ExportedApp) -> Iterator[Executable]:
    """The executables of apps and app extensions, the app's own first."""
    own = {bundle.place for bundle in app.bundles if bundle.is_app}
    return (each for each in app.executables if each.bundle in own and not each.is_stub)


def _frameworks(app: ExportedApp) -> Iterator[Bundle]:
    return (bundle for bundle in app.nested if bundle.place.endswith(".framework"))


def _coded(app: ExportedApp) -> Iterator[Bundle]:
    return (bundle for bundle in app.bundles if bundle.place.endswith((".app", ".appex", ".framework")))
