"""Put the exported build on App Store Connect, once, and wait until Apple has accepted it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePath

from pipeline.apple.bundle.facts import Export, ExportedApp
from pipeline.apple.connect import checks
from pipeline.apple.connect.actions import DiscardUpload, UploadBuild
from pipeline.apple.connect.facts import AppRecord, BuildUploads, ReleaseTarget
from pipeline.apple.connect.proofs import build_upload_was_accepted
from pipeline.model import Action, Lane, Stage


def plan(
    lane: Lane, app: ExportedApp, export: Export, target: ReleaseTarget, record: AppRecord, uploads: BuildUploads
) -> Iterator[Action]:
    if uploads.accepted(target.version, target.build):
        return
    of = (target.bundle_id, lane.platform, target.version, target.build)
    name = PurePath(app.path).name
    for upload in uploads.leftovers(target.version, target.build, name, app.size):
        yield DiscardUpload(*of, upload.begun, upload.id, upload.misfit(name, app.size, uploads.seen))
    artifact = app.sha256 if export.given else ""
    yield UploadBuild(*of, record.id, app.path, app.sha256, app.size, artifact)


UPLOAD = Stage(
    "upload",
    after=("bundle", "schema"),
    title="App Store Connect",
    checks=(checks,),
    plan=plan,
    proofs=(build_upload_was_accepted,),
    patience=timedelta(minutes=45),
)
