"""Export the archive, signed for the App Store, as an .ipa or a .pkg."""

from collections.abc import Iterator

from pipeline.apple.bundle.facts import Archive, Export
from pipeline.apple.xcode.actions import ExportApp
from pipeline.model import Action, Lane, Stage
from pipeline.stages.archive import artifact_was_given


def plan(lane: Lane, archive: Archive, export: Export) -> Iterator[Action]:
    if export.given or export.holds(archive.bundle_id, archive.version, archive.build):
        return
    yield ExportApp.of(
        lane, archive=archive.path, bundle_id=archive.bundle_id, version=archive.version, build=archive.build
    )


EXPORT = Stage(
    "export",
    after=("archive",),
    title="export for the App Store",
    needless=artifact_was_given,
    plan=plan,
)
