"""Is the exported product readable, and is it the app that this project describes?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import kind_of
from pipeline.apple.bundle.facts import BuiltApp, Export, ExportedApp
from pipeline.apple.xcode.facts import TargetInfo
from pipeline.model import Declaration, Finding, Reading, check, error, note, unseen

EXPORT_AGAIN = "export again from an archive of this checkout"
_SHOWN = 5


@check("BUND001", "the exported product can be read and holds one app")
def product_holds_one_app(export: Export, app: Reading[ExportedApp]) -> Iterator[Finding]:
    """Apple takes an .ipa with one app in Payload, or a .pkg with one app in its payload."""
    remedy = "export again; give the .ipa or .pkg that Xcode exported, not a zip of the folder around it"
    if not export.exists:
        yield error("there is no exported product", subject=export.path, remedy=remedy)
        return
    if app.value and app.value.kind == "tool":
        yield error(
            app.value.problems[0],
            subject=export.path,
            remedy="put it into an app; a tool on its own is signed with a Developer ID and notarised",
        )
        return
    problems = (export.problem,) if export.problem else app.value.problems if app.value else (app.why,)
    for problem in problems[:_SHOWN]:
        yield error(f"the product is not whole: {problem}", subject=export.path, remedy=remedy)


@check("BUND002", "the product's bundle identifier is the project's")
def bundle_identifier_is_the_projects(
    app: ExportedApp, project: Reading[TargetInfo], declared: Declaration
) -> Iterator[Finding]:
    """App Store Connect refuses a build whose identifier is not that of the app record."""
    yield from differing_identifier(app, project, declared, EXPORT_AGAIN)


@check("BUND003", "the product's version and build are the project's")
def version_and_build_are_the_projects(
    app: ExportedApp, project: Reading[TargetInfo], declared: Declaration
) -> Iterator[Finding]:
    """A product of an older commit carries an older version or build."""
    yield from differing_versions(app, project, declared, EXPORT_AGAIN)


def differing_identifier(
    app: BuiltApp, project: Reading[TargetInfo], declared: Declaration, remedy: str
) -> Iterator[Finding]:
    """Compare CFBundleIdentifier with what is declared, else with what the project decides."""
    if app.kind == "tool" or (app.problems and not app.info):
        return  # BUND001 says that this is no app, or has no Info.plist.
    where = "config" if declared.bundle_id else "the project"
    wanted = declared.bundle_id or (project.value.text("CFBundleIdentifier") if project.value else "")
    if not wanted and project.value is None:
        yield note(f"the bundle identifier {app.bundle_id} was compared with nothing: {project.why}", subject=app.place)
    elif not wanted:
        yield unseen("neither config nor the project tells a bundle identifier to compare with", subject=app.place)
    elif app.bundle_id != wanted:
        yield error(
            f"the bundle identifier is {app.bundle_id or 'missing'}, {where} says {wanted}",
            subject=app.place,
            at=None if declared.bundle_id or not project.value else project.value.place("CFBundleIdentifier"),
            remedy=remedy,
            apple="ITMS-90055",
        )


def differing_versions(
    app: BuiltApp, project: Reading[TargetInfo], declared: Declaration, remedy: str
) -> Iterator[Finding]:
    """Compare version and build with what is declared, else with what the project decides.

    What a build script stamps is compared with nothing.
    """
    if app.kind == "tool" or (app.problems and not app.info):
        return  # BUND001 says that this is no app, or has no Info.plist.
    decided = project.value or TargetInfo()
    for what, key, found, said, apple in (
        ("version", "CFBundleShortVersionString", app.version, declared.version, "ITMS-90057"),
        ("build", "CFBundleVersion", app.build, declared.build, "ITMS-90056"),
    ):
        wanted = said or decided.text(key)
        if key in decided.stamped:
            # A simulated build runs no scripts, so that a difference says nothing of the real one.
            if found != wanted:
                text = f"the {what} is {found or 'missing'}, and a build script writes it: it was compared with nothing"
                yield note(text, subject=app.place, at=decided.place(key))
        elif not found and app.info.get(key, "") != "":
            words = f"{key} is {kind_of(app.info[key])}, and has to be a text"
            yield error(words, subject=app.place, remedy=f"write {key} as <string> and {remedy}")
        elif not found:
            yield error(f"{key} is missing", subject=app.place, remedy=f"set {key} and {remedy}", apple=apple)
        elif not wanted and project.value is None:
            yield note(f"the {what} {found} was compared with nothing: {project.why}", subject=app.place)
        elif not wanted:
            yield unseen(f"neither config nor the project tells a {what} to compare with", subject=app.place)
        elif found != wanted:
            yield error(
                f"the {what} is {found}, {'config' if said else 'the project'} says {wanted}",
                subject=app.place,
                at=None if said else decided.place(key),
                remedy=remedy,
            )
