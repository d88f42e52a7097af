"""Do the privacy manifests in the product say what its code does, in words that Apple knows?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import named, said
from pipeline.apple.bundle.contents import owner_of
from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.bundle.interfaces import categories_of
from pipeline.apple.bundle.requirements import LISTED_SDKS, MANIFESTS_SINCE, REASONS_SINCE, severity_since
from pipeline.model import Finding, Severity, check, error, note, warning

_REASON, _TRACKING = "ITMS-91055", "ITMS-91064"
_SHORT = "NSPrivacyAccessedAPICategory"


@check("BUND069", "required-reason APIs are declared")
def reasons_are_declared(app: ExportedApp) -> Iterator[Finding]:
    """What code imports, against its own manifests and the app's. macOS asks for none."""
    if not app.on_mobile:
        return
    unread = [each.path for each in app.executables if any(part.unread for part in each.slices)]
    if unread:
        yield note(f"which APIs {named(unread)} uses could not be read", subject=unread[0])
    declared: dict[str, set[str]] = {}
    for manifest in app.manifests:
        declared.setdefault(manifest.owner, set()).update(manifest.categories)
    for executable in app.executables:
        if executable.is_stub or executable.path.rpartition("/")[2].startswith("libswift"):
            continue
        used: dict[str, str] = {}
        for part in executable.slices:
            used |= categories_of(part.imports, part.selectors)
        owners = (place for place in declared if executable.path.startswith(f"{place}/"))
        known = set().union(*(declared[place] for place in owners))
        missing = [
            f"{category.removeprefix(_SHORT)} ({name})" for category, name in used.items() if category not in known
        ]
        if missing:
            yield said(severity_since(REASONS_SINCE, app.at))(
                f"uses APIs that no privacy manifest gives a reason for: {', '.join(missing)}",
                subject=executable.path,
                remedy=f"declare {_SHORT}… with a reason in the PrivacyInfo.xcprivacy of {owner_of(executable.path)}",
                apple="ITMS-91053",
            )


@check("BUND070", "declared reasons are Apple's")
def reasons_are_known(app: ExportedApp) -> Iterator[Finding]:
    """Each category has reasons of its own."""
    remedy = "give a reason of that category, as Apple's page on required-reason API lists them"
    yield from _flaws(app, (_REASON,), remedy)


@check("BUND071", "privacy manifests are well formed")
def manifests_are_well_formed(app: ExportedApp) -> Iterator[Finding]:
    """Keys and types."""
    yield from _flaws(app, (), "correct the manifest in the source of the app or of the framework")


@check("BUND072", "listed SDKs bring a privacy manifest")
def listed_frameworks_have_manifests(app: ExportedApp) -> Iterator[Finding]:
    """Apple refuses it where the app is new, or the SDK is; which of the two is so cannot be seen here."""
    have = {manifest.owner for manifest in app.manifests}
    for bundle in app.nested if app.on_mobile else ():
        name = bundle.place.rpartition("/")[2].removesuffix(".framework")
        if bundle.place.endswith(".framework") and name in LISTED_SDKS and bundle.place not in have:
            since = severity_since(MANIFESTS_SINCE, app.at) is Severity.ERROR
            yield warning(
                f"{name} is on Apple's list of SDKs and brings no PrivacyInfo.xcprivacy",
                subject=bundle.place,
                remedy=f"take a version of {name} that has one{': new apps and new SDKs are refused' if since else ''}",
                apple="ITMS-91061",
            )


@check("BUND073", "tracking domains go with tracking")
def tracking_is_consistent(app: ExportedApp) -> Iterator[Finding]:
    """Domains without tracking are a contradiction."""
    yield from _flaws(app, (_TRACKING,), "set NSPrivacyTracking to true, or remove the domains")


@check("BUND074", "listed SDKs are signed by their makers")
def listed_frameworks_are_signed(app: ExportedApp) -> Iterator[Finding]:
    """As Xcode recorded it of .xcframeworks. Frameworks that were built from source have no record and need none."""
    for origin in app.origins:
        name = origin.library.removesuffix(".framework").removesuffix(".a").removeprefix("lib")
        if name in LISTED_SDKS and not origin.signed:
            yield warning(
                f"{origin.library} is on Apple's list of SDKs, and its .xcframework was not signed",
                subject=origin.path,
                remedy=f"take a signed version of {name}, or build it from source",
                apple="ITMS-91065",
            )


def _flaws(app: ExportedApp, codes: tuple[str, ...], remedy: str) -> Iterator[Finding]:
    """The flaws of all manifests that have these codes; of no particular code when none is given."""
    for manifest in app.manifests:
        for flaw in manifest.flaws:
            if flaw.apple in codes or (not codes and flaw.apple not in (_REASON, _TRACKING)):
                yield error(flaw.text, subject=manifest.path, remedy=remedy, apple=flaw.apple)
