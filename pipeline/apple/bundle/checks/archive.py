"""Is the archive whole, and is it an archive of this project's app? And one that is judged in place of an export?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.identity import differing_identifier, differing_versions
from pipeline.apple.bundle.checks.wording import named
from pipeline.apple.bundle.facts import Archive, ArchivedApp, BuiltApp, ExportedApp
from pipeline.apple.xcode.facts import TargetInfo
from pipeline.model import Declaration, Finding, Reading, check, error, warning


@check("BUND018", "the archive can be read and holds one app")
def archive_holds_one_app(archive: Archive, app: Reading[ArchivedApp]) -> Iterator[Finding]:
    """An archive that xcodebuild left unfinished has no Products, or an app without an executable."""
    remedy = "archive again; if it was given by hand, give an .xcarchive made by Xcode from an app scheme"
    if not archive.exists:
        yield error("there is no archive", subject=archive.path, remedy=remedy)
        return
    problems = (archive.problem,) if archive.problem else app.value.problems if app.value else (app.why,)
    for problem in problems[:5]:
        yield error(f"the archive is not whole: {problem}", subject=archive.path, remedy=remedy)


@check("BUND019", "the archive has the project's identifier, version and build")
def archive_is_this_projects_app(
    app: ArchivedApp, project: Reading[TargetInfo], declared: Declaration
) -> Iterator[Finding]:
    """An archive of an older commit, or of another scheme, must not be exported."""
    remedy = "archive again from this checkout"
    yield from differing_identifier(app, project, declared, remedy)
    yield from differing_versions(app, project, declared, remedy)


@check("BUND067", "the archive holds debug symbols for all of its code")
def debug_symbols_are_there(app: ArchivedApp) -> Iterator[Finding]:
    """By UUID. Without them crash reports of that code stay numbers."""
    yield from _lacking_symbols(app)


@check("BUND079", "an archive that is judged by itself holds debug symbols for all of its code")
def given_archive_holds_debug_symbols(app: ExportedApp) -> Iterator[Finding]:
    """As BUND067 says of the archive that a release made."""
    yield from _lacking_symbols(app)


@check("BUND080", "an archive that is judged by itself was signed")
def given_archive_was_signed(app: ExportedApp) -> Iterator[Finding]:
    """By its code; where that is missing, by what Xcode wrote into the archive's Info.plist."""
    if app.kind != "xcarchive" or app.signature.present:
        return
    empty = [key for key in ("SigningIdentity", "Team") if app.record.get(key) == ""]
    told = f"{' and '.join(empty)} in its Info.plist {'are' if len(empty) > 1 else 'is'} empty" if empty else ""
    if told or any(executable.bundle == app.place for executable in app.executables):
        yield warning(
            f"the archive was not signed{f': {told}' if told else ''}",
            subject=f"{app.path}/Info.plist" if told else app.place,
            remedy="archive with signing on: an export takes the entitlements from the archive's signature",
            apple="ITMS-90034",
        )


def _lacking_symbols(app: BuiltApp) -> Iterator[Finding]:
    if app.kind != "xcarchive":
        return
    # A watch app of two parts has a copy of Apple's stub as its program.
    known = {part.uuid for executable in app.executables if executable.is_stub for part in executable.slices}
    known.update(app.symbols)
    lacking = [
        executable.path
        for executable in app.executables
        if not executable.is_stub
        and not executable.path.rpartition("/")[2].startswith("libswift")
        and any(part.uuid and part.uuid not in known for part in executable.slices)
    ]
    if lacking:
        yield warning(
            f"there is no dSYM for {named(lacking)}",
            subject=lacking[0],
            remedy="archive with DEBUG_INFORMATION_FORMAT = dwarf-with-dsym; ask the framework's maker for its dSYM",
            apple="Upload Symbols Failed",
        )
