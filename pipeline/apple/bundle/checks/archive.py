"""Is the archive whole, and is it an archive of this project's app?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.identity import differing_identifier, differing_versions
from pipeline.apple.bundle.facts import Archive, ArchivedApp
from pipeline.apple.xcode.facts import TargetInfo
from pipeline.model import Declaration, Finding, Reading, check, error


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
def archive_is_this_projects_app(app: ArchivedApp, project: TargetInfo, declared: Declaration) -> Iterator[Finding]:
    """An archive of an older commit, or of another scheme, must not be exported."""
    remedy = "archive again from this checkout"
    yield from differing_identifier(app, project, declared, remedy)
    yield from differing_versions(app, project, declared, remedy)
