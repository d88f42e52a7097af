"""Judges how the product will be put together: architectures, and code where the device allows none."""

from collections.abc import Iterator

from pipeline.apple.xcode.checks.doubts import doubted
from pipeline.apple.xcode.checks.embedded import label
from pipeline.apple.xcode.entitlements import SANDBOX
from pipeline.apple.xcode.facts import Companions, Kind, TargetSettings, Value
from pipeline.model import Finding, Lane, Location, Platform, check, error, note, warning

OLDEST_WITHOUT_INTEL = (12, 0)
"""macOS from which an app may do without Intel's architecture."""
OLDEST_WITH_SWIFT = (12, 2)
"""iOS from which Swift's own libraries belong to the system."""


def numbers(value: Value) -> tuple[int, ...]:
    """A version as numbers; empty when it is none."""
    parts = value.text.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() and len(part) < 6 for part in parts) else ()


@check("PROJ044", "the Mac Catalyst build is one for the Mac App Store")
def catalyst_build_is_for_the_store(settings: TargetSettings) -> Iterator[Finding]:
    """The lane releases the app for iOS: nothing here stops it."""
    of = settings.catalyst
    if of is None:
        return
    if of.derives.text.upper() == "YES":
        yield note(
            f"for Macs the app is built as maccatalyst.{of.bundle_id}, another app than on iOS: "
            "Xcode no longer supports DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER",
            subject="DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER",
            at=of.derives.location,
            remedy="remove the setting, and write PRODUCT_BUNDLE_IDENTIFIER[sdk=macosx*] if the identifier has to stay",
        )
    if not of.sandboxed and "entitlements" not in of.unread:
        yield note(
            "the Mac Catalyst build is not sandboxed: the Mac App Store would not take it",
            subject=SANDBOX,
            at=(Location(of.entitlements.text) if of.entitlements else None) or of.place,
            remedy="set ENABLE_APP_SANDBOX[sdk=macosx*] = YES, or add com.apple.security.app-sandbox to entitlements "
            "for macOS; nothing, if it is distributed elsewhere",
            apple="90296",
        )
    if not of.category.text.startswith("public.app-category.") and "Info.plist" not in of.unread:
        yield note(
            "the Mac Catalyst build has no LSApplicationCategoryType: the Mac App Store would not take it",
            subject="LSApplicationCategoryType",
            at=of.category.location or (Location(of.info.text) if of.info else None) or of.place,
            remedy="set LSApplicationCategoryType to public.app-category.…; nothing, if it is distributed elsewhere",
            apple="90242",
        )


@check("PROJ077", "the target is built where its Swift packages are")
def products_lie_with_packages(settings: TargetSettings, companions: Companions) -> Iterator[Finding]:
    told: set[str] = set()
    for name, of in (("the app", settings), *((label(each), each.settings) for each in companions.targets)):
        folder = of.build_folder
        if of.packages and folder.location and str(folder.location) not in told:
            told.add(str(folder.location))
            more = f" and {len(of.packages) - 1} more" if len(of.packages) > 1 else ""
            yield warning(
                f"CONFIGURATION_BUILD_DIR moves the build of {name}, and its Swift packages ({of.packages[0]}{more}) "
                "do not follow: they take no settings from a project, so their modules are not found",
                subject="CONFIGURATION_BUILD_DIR",
                at=folder.location,
                remedy="remove CONFIGURATION_BUILD_DIR, and CONFIGURATION_TEMP_DIR beside it; xcodebuild's "
                "-derivedDataPath moves everything together",
            )


@check("PROJ067", "the app is built for the devices' architectures")
def architectures_are_those_of_devices(
    settings: TargetSettings, companions: Companions, lane: Lane
) -> Iterator[Finding]:
    told: set[str] = set()
    for name, of in (("the app", settings), *((label(each), each.settings) for each in companions.targets)):
        left_out = of.excluded_architectures
        excluded = left_out.text.split()
        if of.sdk in ("iphoneos", "appletvos", "xros") and "arm64" in excluded and str(left_out.location) not in told:
            told.add(str(left_out.location))
            excluding = error(
                f"EXCLUDED_ARCHS of {name} is {left_out}, which leaves no architecture of any device",
                subject="EXCLUDED_ARCHS",
                at=left_out.location,
                remedy="exclude arm64 for simulators alone: EXCLUDED_ARCHS[sdk=iphonesimulator*]",
                apple="90086",
            )
            yield doubted(excluding, left_out.hidden)
    if lane.platform is Platform.MAC_OS:
        yield from _mac(settings)


def _mac(settings: TargetSettings) -> Iterator[Finding]:
    asked, left_out = settings.architectures, settings.excluded_architectures
    written = set(asked.text.split())
    only_apple = written == {"arm64"} or (
        "x86_64" in left_out.text.split() and "arm64" not in left_out.text.split() and "x86_64" not in written
    )
    lowest = numbers(settings.deployment_target)
    if only_apple and lowest and lowest < OLDEST_WITHOUT_INTEL:
        early = error(
            f"the app is built for Apple silicon alone, and runs from macOS {settings.deployment_target} on: "
            "without Intel's architecture 12.0 is the least",
            subject="ARCHS",
            at=asked.location if written == {"arm64"} else left_out.location,
            remedy="set MACOSX_DEPLOYMENT_TARGET to 12.0 or later, or build for both architectures",
            apple="409",
        )
        yield doubted(early, asked.hidden, left_out.hidden, settings.deployment_target.hidden)


@check("PROJ068", "extensions and frameworks hold no frameworks")
def extensions_hold_no_frameworks(companions: Companions) -> Iterator[Finding]:
    for each in companions.targets:
        if each.kind not in (Kind.EXTENSION, Kind.FRAMEWORK) or each.sdk == "macosx":
            continue
        for held in each.enclosed:
            yield error(
                f"{label(each)} copies {held.name} into a folder {held.folder} of its own, which only an app may have",
                subject=each.target,
                at=held.location,
                remedy="let the app embed it, and the target only link with it (Do Not Embed)",
                apple="90206",
            )
        lowest = numbers(each.settings.deployment_target)
        if (
            each.sdk == "iphoneos"
            and each.settings.embeds_swift.text.upper() == "YES"
            and each.settings.embeds_swift.location
            and lowest
            and lowest < OLDEST_WITH_SWIFT
        ):
            yield warning(
                f"{label(each)} takes Swift's libraries with it, which puts a folder Frameworks into it",
                subject=each.target,
                at=each.settings.embeds_swift.location,
                remedy="set ALWAYS_EMBED_SWIFT_STANDARD_LIBRARIES = NO for it; the app carries them",
                apple="90206",
            )


@check("PROJ069", "no libraries lie among the resources")
def no_libraries_among_resources(companions: Companions, lane: Lane) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS:
        return
    for each in companions.libraries:
        yield error(
            f"{each.name} is a resource of {each.folder}: a library outside of a framework is not permitted",
            subject=each.name,
            at=each.location,
            remedy="take it out of Copy Bundle Resources; to be linked it needs to be no resource",
            apple="90171",
        )


@check("PROJ076", "nothing made for development travels in the app")
def nothing_of_development_travels(companions: Companions) -> Iterator[Finding]:
    if companions.development:
        names = ", ".join(each.name for each in companions.development[:4])
        yield note(
            f"{names} is of use while developing, and will be in the product as a resource",
            subject=companions.development[0].name,
            at=companions.development[0].location,
            remedy="take it out of the target's members; the scheme finds it all the same",
        )
