"""App Store Connect's records as facts: which requests ask for them, and how the answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.apple.connect.documents import (
    Resource,
    by_id,
    mapping_of,
    mappings_of,
    moment_of,
    number_of,
    resources,
    text_of,
)
from pipeline.apple.connect.facts import (
    AppRecord,
    Build,
    Builds,
    BuildUpload,
    BuildUploads,
    StateDetail,
    StoreVersion,
    StoreVersions,
    UploadedFile,
)
from pipeline.apple.connect.versions import same_version, spellings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.apple.connect.client import Connect

MAC_OS = "MAC_OS"
PAGE = "200"


def app_record(api: Connect, bundle_id: str) -> AppRecord:
    """The app with exactly that bundle id."""
    found = resources(api.get("/v1/apps", **{"filter[bundleId]": bundle_id, "limit": "200"}))
    for app in found:
        if app.text("bundleId") == bundle_id:
            return AppRecord(app.id, bundle_id, app.text("name"))
    return AppRecord("", bundle_id)


def build_uploads(api: Connect, app_id: str, platform: str, build: str) -> BuildUploads:
    """The uploads with that build number, in any spelling."""
    query = {
        "filter[platform]": platform,
        "filter[cfBundleVersion]": ",".join(spellings(build)),
        "include": "build,assetFile",
    }
    found, included = api.list(f"/v1/apps/{app_id}/buildUploads", **query)
    known = by_id(included)
    uploads = [build_upload(item, known) for item in found if item.type == "buildUploads"]
    mine = (u for u in uploads if same_version(u.build, build) and u.platform in ("", platform))
    return BuildUploads(app_id, tuple(mine))


def build_upload(item: Resource, known: Mapping[tuple[str, str], Resource] | None = None) -> BuildUpload:
    """One upload; `known` holds what was included with it."""
    state = item.members("state")
    asset = (known or {}).get(("buildUploadFiles", item.one("assetFile")))
    return BuildUpload(
        item.id,
        item.text("cfBundleShortVersionString"),
        item.text("cfBundleVersion"),
        item.text("platform"),
        text_of(state, "state"),
        _details(state, "errors"),
        _details(state, "warnings"),
        item.moment("createdDate"),
        item.one("build"),
        None if asset is None else uploaded_file(asset),
    )


def uploaded_file(item: Resource) -> UploadedFile:
    """One file of an upload."""
    delivery, checksum = item.members("assetDeliveryState"), mapping_of(item.members("sourceFileChecksums"), "file")
    return UploadedFile(
        item.id,
        item.text("fileName"),
        item.number("fileSize"),
        text_of(checksum, "hash").lower(),
        text_of(checksum, "algorithm"),
        text_of(delivery, "state"),
        item.text("assetType"),
        _details(delivery, "errors"),
        _first_to_expire(item),
    )


def asset_of(api: Connect, upload_id: str) -> Resource | None:
    """The file of an upload that is the build itself, as Apple tells it; None where none is reserved."""
    found = resources(api.get(f"/v1/buildUploads/{upload_id}/buildUploadFiles", limit=PAGE))
    return next((file for file in found if file.text("assetType") == "ASSET"), None)


def asset(api: Connect, upload_id: str) -> UploadedFile | None:
    """The file of an upload that is the build itself; None where none is reserved."""
    found = asset_of(api, upload_id)
    return None if found is None else uploaded_file(found)


def _first_to_expire(item: Resource) -> datetime | None:
    told = (moment_of(text_of(each, "expiration")) for each in mappings_of(item.attributes, "uploadOperations"))
    return min((moment for moment in told if moment is not None), default=None)


def builds(api: Connect, app_id: str, platform: str, version: str) -> Builds:
    """The builds of a version; on macOS of all versions, since build numbers are not used again there.

    Source: Apple, Technical Note TN2420, "Version Numbers and Build Numbers": on macOS they rise across versions.
    """
    query = {
        "filter[app]": app_id,
        "filter[preReleaseVersion.platform]": platform,
        "include": "preReleaseVersion",
        "sort": "-uploadedDate",
    }
    if platform != MAC_OS:
        query["filter[preReleaseVersion.version]"] = ",".join(spellings(version))
    found, included = api.list("/v1/builds", **query)
    known = by_id(included)
    return Builds(app_id, tuple(_build(item, known, platform) for item in found if item.type == "builds"))


def _build(item: Resource, known: Mapping[tuple[str, str], Resource], platform: str) -> Build:
    train = known.get(("preReleaseVersions", item.one("preReleaseVersion")))
    return Build(
        item.id,
        train.text("version") if train else "",
        item.text("version"),
        (train.text("platform") if train else "") or platform,
        item.text("processingState"),
        item.moment("uploadedDate"),
        item.moment("expirationDate"),
        item.flag("expired") or False,
        item.flag("usesNonExemptEncryption"),
    )


def store_versions(api: Connect, app_id: str, platform: str) -> StoreVersions:
    """The versions in the App Store."""
    found, _ = api.list(f"/v1/apps/{app_id}/appStoreVersions", **{"filter[platform]": platform})
    return StoreVersions(
        app_id,
        tuple(
            StoreVersion(
                item.id,
                item.text("versionString"),
                item.text("platform"),
                item.text("appVersionState") or item.text("appStoreState"),
            )
            for item in found
            if item.type == "appStoreVersions"
        ),
    )


def _details(state: Mapping[str, Any], name: str) -> tuple[StateDetail, ...]:
    found = mappings_of(state, name)
    return tuple(StateDetail(_code(item), text_of(item, "description")) for item in found)


def _code(item: Mapping[str, Any]) -> str:
    number = number_of(item, "code")
    return text_of(item, "code") if number is None else str(number)
