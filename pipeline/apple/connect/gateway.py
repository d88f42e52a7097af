"""App Store Connect, observed and acted upon."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.connect import records
from pipeline.apple.connect.actions import DiscardUpload, UploadBuild
from pipeline.apple.connect.client import Connect, ConnectFault
from pipeline.apple.connect.delivery import Delivery
from pipeline.apple.connect.documents import resource
from pipeline.apple.connect.facts import (
    AWAITING_UPLOAD,
    FAILED,
    AcceptedContent,
    AppRecord,
    Builds,
    BuildUpload,
    BuildUploads,
    ReleaseTarget,
    StoreVersions,
)
from pipeline.apple.connect.parcel import compared
from pipeline.apple.xcode.facts import TargetInfo, TargetSettings
from pipeline.model import AppleFailure, Lane, Reading, performer, probe
from pipeline.ports.clock import Clock
from pipeline.ports.http import Http
from pipeline.ports.progress import Progress
from pipeline.ports.tenure import Tenure

NO_APP = "App Store Connect has no app with the bundle id {}"
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409


@probe
def release_target(
    app: Reading[ExportedApp], settings: Reading[TargetSettings], info: Reading[TargetInfo], lane: Lane
) -> Reading[ReleaseTarget] | ReleaseTarget:
    """What is being released: as the exported app says; until there is one, as the project's Info.plist will say."""
    if app.value is not None:
        made = app.value
        if not (made.bundle_id and made.version and made.build):
            return Reading.unknown(ReleaseTarget, "the exported app does not say its bundle id, version and build")
        return ReleaseTarget(made.bundle_id, made.version, made.build, str(lane.platform))
    if settings.value is None or info.value is None:
        return Reading.unknown(ReleaseTarget, settings.why or info.why)
    bundle_id = str(settings.value.bundle_id)
    version, build = info.value.text("CFBundleShortVersionString"), info.value.text("CFBundleVersion")
    values = {"bundle identifier": bundle_id, "version": version, "build number": build}
    open_ = [name for name, value in values.items() if not value]
    if open_:
        return Reading.unknown(ReleaseTarget, f"the project does not decide the {' and the '.join(open_)}")
    return ReleaseTarget(bundle_id, version, build, str(lane.platform))


@probe
def app_record(http: Http, target: ReleaseTarget) -> AppRecord:
    """The app's record."""
    return records.app_record(Connect(http), target.bundle_id)


@probe
def build_uploads(
    http: Http, record: AppRecord, target: ReleaseTarget, clock: Clock
) -> Reading[BuildUploads] | BuildUploads:
    """The uploads with our build number, each unfinished one with its file."""
    if not record.exists:
        return Reading.unknown(BuildUploads, NO_APP.format(record.bundle_id))
    api = Connect(http)
    found = records.build_uploads(api, record.id, target.platform, target.build)
    items = tuple(_with_file(api, one) if one.unfinished else one for one in found.items)
    return replace(found, items=items, seen=clock.now())


def _with_file(api: Connect, upload: BuildUpload) -> BuildUpload:
    if upload.file is not None:
        return upload
    try:
        return replace(upload, file=records.asset(api, upload.id))
    except ConnectFault as fault:
        if fault.status != NOT_FOUND:
            raise
        return upload


@probe
def builds(http: Http, record: AppRecord, target: ReleaseTarget) -> Reading[Builds] | Builds:
    """The builds that ours has to fit in with."""
    if not record.exists:
        return Reading.unknown(Builds, NO_APP.format(record.bundle_id))
    return records.builds(Connect(http), record.id, target.platform, target.version)


@probe
def store_versions(http: Http, record: AppRecord, target: ReleaseTarget) -> Reading[StoreVersions] | StoreVersions:
    """The versions in the App Store."""
    if not record.exists:
        return Reading.unknown(StoreVersions, NO_APP.format(record.bundle_id))
    return records.store_versions(Connect(http), record.id, target.platform)


@probe
def accepted_content(http: Http, target: ReleaseTarget, uploads: BuildUploads, app: ExportedApp) -> AcceptedContent:
    """The exported file against the one that Apple accepted under its numbers."""
    upload = next((one for one in uploads.of(target.version, target.build) if one.accepted), None)
    if upload is None:
        return AcceptedContent(None)
    file = records.asset(Connect(http), upload.id) if upload.file is None else upload.file
    return compared(file, Path(app.path), app.size)


@performer
def upload_build(
    action: UploadBuild, http: Http, clock: Clock, progress: Progress, tenure: Tenure
) -> Mapping[str, Any]:
    """Put the build on App Store Connect; see `Delivery.deliver` for the result and the errors."""
    return Delivery(action, http, clock, progress, tenure).deliver()


@performer
def discard_upload(action: DiscardUpload, http: Http) -> Mapping[str, Any]:
    """Delete the upload, unless it is gone, or came to nothing by itself; nothing that Apple has taken is deleted.

    Raises:
        AppleFailure: its file has arrived meanwhile, or Apple keeps it.
    """
    api, path = Connect(http), f"/v1/buildUploads/{action.upload_id}"
    named = f"the unfinished upload of build {action.version} ({action.build})"
    try:
        found = records.build_upload(resource(api.get(path)))
        if found.state == FAILED:
            return {"already": True, "upload": action.upload_id, "state": found.state}
        if found.state != AWAITING_UPLOAD:
            raise AppleFailure(
                f"{named} is not discarded",
                why=f"it was finished meanwhile, and is {found.state or 'in no state'}",
                remedy="ask who has uploaded it; then plan anew",
                code="UPLOAD_FINISHED",
            )
        api.delete(path, repeatable=True)
    except ConnectFault as fault:
        if fault.status == NOT_FOUND:
            return {"already": True, "upload": action.upload_id}
        if fault.status not in (FORBIDDEN, CONFLICT):
            raise
        raise AppleFailure(
            f"App Store Connect keeps {named}",
            why=fault.why,
            remedy=f"{fault.remedy}; or raise the build number (CURRENT_PROJECT_VERSION) and build again",
            code=fault.code,
        ) from fault
    return {"upload": action.upload_id}
