"""Build the app and keep it as an archive, unless one with the same identity is there already."""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.archive import (
    archive_holds_one_app,
    archive_is_this_projects_app,
    debug_symbols_are_there,
)
from pipeline.apple.bundle.facts import Archive, Export
from pipeline.apple.xcode.actions import ArchiveApp
from pipeline.apple.xcode.facts import TargetInfo, TargetSettings
from pipeline.model import Action, Lane, Stage


def artifact_was_given(export: Export) -> str:
    return f"{export.path} was given" if export.given else ""


def plan(lane: Lane, settings: TargetSettings, info: TargetInfo, archive: Archive, export: Export) -> Iterator[Action]:
    if archive.given or export.given:
        return
    version, build = info.text("CFBundleShortVersionString"), info.text("CFBundleVersion")
    bundle_id = settings.bundle_id.text
    if not archive.holds(bundle_id, version, build):
        yield ArchiveApp.of(lane, bundle_id=bundle_id, version=version, build=build, path=archive.path)


ARCHIVE = Stage(
    "archive",
    after=("signing", "project", "alignment"),
    title="build and archive",
    needless=artifact_was_given,
    plan=plan,
    proofs=(archive_holds_one_app, archive_is_this_projects_app, debug_symbols_are_there),
)
