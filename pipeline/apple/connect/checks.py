"""What must hold at App Store Connect before a build is made and sent."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePath

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.connect.facts import (
    AWAITING_UPLOAD,
    AcceptedContent,
    AppRecord,
    Builds,
    BuildUploads,
    ReleaseTarget,
    StoreVersions,
)
from pipeline.apple.connect.versions import same_version, version_key
from pipeline.model import Finding, Platform, Reading, check, error, note, unseen, warning

RAISE_BUILD = "raise the build number (CURRENT_PROJECT_VERSION)"
RAISE_VERSION = "raise the version (MARKETING_VERSION)"

UNDER_WAY = timedelta(hours=1)
"""How long after its beginning an upload may well be somebody's who is still at it."""


@check("CONN001", "App Store Connect has a record of the app")
def app_record_exists(record: AppRecord, target: ReleaseTarget) -> Iterator[Finding]:
    if not record.exists:
        yield error(
            f"App Store Connect has no app with the bundle id {target.bundle_id}",
            subject=target.bundle_id,
            remedy="create the app record in App Store Connect, or use an API key of the team that owns it",
            apple="Cannot determine the Apple ID from Bundle ID",
        )


@check("CONN002", "The version still takes builds")
def version_train_is_open(target: ReleaseTarget, versions: StoreVersions) -> Iterator[Finding]:
    for version in versions.items:
        if version.approved and same_version(version.version, target.version):
            yield error(
                f"version {target.version} takes no more builds: it is {version.state}",
                subject=target.version,
                remedy=RAISE_VERSION,
                apple="ITMS-90186",
            )
            return


@check("CONN003", "The version is higher than the one that was approved last")
def version_is_higher_than_the_approved_one(target: ReleaseTarget, versions: StoreVersions) -> Iterator[Finding]:
    highest, ours = versions.highest_approved(), version_key(target.version)
    if highest is None or ours is None:
        return
    theirs = version_key(highest.version)
    if theirs is not None and ours < theirs:
        yield error(
            f"version {target.version} is lower than {highest.version}, which App Review has approved",
            subject=target.version,
            remedy=f"{RAISE_VERSION} above {highest.version}; it is compared number by number",
            apple="ITMS-90062",
        )


@check("CONN004", "The build number was not used for other content")
def build_number_is_unused(
    target: ReleaseTarget, uploads: BuildUploads, builds: Builds, ours: Reading[AcceptedContent]
) -> Iterator[Finding]:
    uploaded = uploads.accepted(target.version, target.build)
    if not uploaded and builds.of(target.version, target.build) is None:
        return
    content = ours.value
    if content is None:
        yield error(
            f"build {target} is at App Store Connect already, and none was exported here to compare it with",
            subject=str(target),
            remedy=f"{RAISE_BUILD}; or give the file that was uploaded, to go on from there",
            apple="ITMS-90189",
        )
    elif content.same is False:
        yield error(
            f"App Store Connect has another build {target}: {content.theirs} there, {content.ours} here",
            subject=str(target),
            remedy=f"{RAISE_BUILD} and build again",
            apple="ITMS-90189",
        )
    elif content.same is None:
        yield unseen(
            f"build {target} is at App Store Connect already, which does not say what file it was made from",
            subject=str(target),
            remedy=f"{RAISE_BUILD} and build again",
        )
    elif not content.certain:
        yield note(
            f"build {target} at App Store Connect has the size of the one here; no checksum is shown to compare",
            subject=str(target),
        )


@check("CONN005", "The build number is higher than those before it")
def build_number_is_higher_than_the_newest(target: ReleaseTarget, builds: Builds) -> Iterator[Finding]:
    highest, ours = builds.highest(), version_key(target.build)
    if highest is None or ours is None or builds.of(target.version, target.build) is not None:
        return
    theirs = version_key(highest.build)
    if theirs is None or ours > theirs:
        return
    whole = "on macOS build numbers rise across all versions" if target.platform == Platform.MAC_OS else ""
    yield error(
        f"build number {target.build} is not higher than {highest.build} of version {highest.version}"
        + (f": {whole}" if whole else ""),
        subject=str(target),
        remedy=f"{RAISE_BUILD} above {highest.build}",
        apple="ITMS-90061",
    )


@check("CONN006", "No other upload of the build is under way")
def no_other_upload_is_under_way(
    target: ReleaseTarget, uploads: BuildUploads, ours: Reading[ExportedApp]
) -> Iterator[Finding]:
    app = ours.value
    if app is None or uploads.accepted(target.version, target.build):
        return
    name = PurePath(app.path).name
    for upload in uploads.of(target.version, target.build):
        misfit = upload.misfit(name, app.size, uploads.seen)
        young = upload.created is None or uploads.seen is None or uploads.seen - upload.created < UNDER_WAY
        if upload.state == AWAITING_UPLOAD and misfit and young:
            yield warning(
                f"another upload of build {target} was begun at {upload.begun or 'an unknown hour'}"
                f" and is not finished: {misfit}",
                subject=str(target),
                remedy="ask who else is uploading it and let them end; agree to its discard only when nobody is",
            )
