"""What a resource looks like at an hour, whether it can be seen yet, and what it is related to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.simulator.clockface import pacific

if TYPE_CHECKING:
    from pipeline.simulator.connect.routes import Call
    from pipeline.simulator.state import Record

_INVERSE = {
    ("apps", "builds"): ("builds", "app"),
    ("apps", "betaGroups"): ("betaGroups", "app"),
    ("apps", "preReleaseVersions"): ("preReleaseVersions", "app"),
    ("apps", "appStoreVersions"): ("appStoreVersions", "app"),
    ("apps", "buildUploads"): ("buildUploads", "app"),
    ("preReleaseVersions", "builds"): ("builds", "preReleaseVersion"),
    ("builds", "betaBuildLocalizations"): ("betaBuildLocalizations", "build"),
    ("builds", "buildBetaDetail"): ("buildBetaDetails", "build"),
    ("builds", "appStoreVersion"): ("appStoreVersions", "build"),
    ("buildUploads", "buildUploadFiles"): ("buildUploadFiles", "buildUpload"),
    ("bundleIds", "profiles"): ("profiles", "bundleId"),
    ("bundleIds", "bundleIdCapabilities"): ("bundleIdCapabilities", "bundleId"),
    ("betaGroups", "betaTesters"): ("betaTesters", "betaGroups"),
}
"""(kind, relationship) -> (kind, relationship) that points back: links are kept on one side only."""

_ASSET_TYPES = {"assetFile": "ASSET", "assetDescriptionFile": "ASSET_DESCRIPTION", "assetSpiFile": "ASSET_SPI"}


def visible(call: Call, record: Record) -> bool:
    """Whether it can be seen at that hour: a build is in no list for minutes after its upload was accepted."""
    appears = record.hidden.get("appears")
    return appears is None or bool(call.now >= appears)


def linked_records(call: Call, record: Record, name: str) -> list[Record]:
    """The resources at the other end of a relationship, as far as they can be seen.

    A complete upload names its build before the build itself can be read: rorkai/App-Store-Connect-CLI's build_wait.
    """
    if (record.kind, name) == ("buildUploads", "build"):
        return _direct(call, record, name) if upload_state(call, record) == "COMPLETE" else []
    return [other for other in _linked(call, record, name) if visible(call, other)]


def _linked(call: Call, record: Record, name: str) -> list[Record]:
    kind = record.kind
    if kind == "buildUploads" and name in _ASSET_TYPES:
        files = _inverse(call, record, "buildUploadFiles", "buildUpload")
        return [file for file in files if file.attributes["assetType"] == _ASSET_TYPES[name]]
    if (kind, name) == ("builds", "betaGroups"):
        return groups_of(call, record)
    if (kind, name) == ("betaGroups", "builds"):
        return builds_of(call, record)
    if (kind, name) == ("bundleIds", "app"):
        apps = call.state.table("apps").values()
        return [app for app in apps if app.attributes["bundleId"] == record.attributes["identifier"]]
    if name in record.links:
        return _direct(call, record, name)
    other = _INVERSE.get((kind, name))
    return _inverse(call, record, *other) if other else []


def _direct(call: Call, record: Record, name: str) -> list[Record]:
    ids = record.links[name]
    kind = call.contract.shape(record.kind).relationships[name].kind
    if kind == "":
        return []
    named = ids if isinstance(ids, list) else [ids]
    found = [call.state.find(kind, identifier) for identifier in named if identifier]
    return [other for other in found if other is not None]


def _inverse(call: Call, record: Record, kind: str, name: str) -> list[Record]:
    found = []
    for other in call.state.table(kind).values():
        held = other.links.get(name)
        if record.id in held if isinstance(held, list) else record.id == held:
            found.append(other)
    return found


def groups_of(call: Call, build: Record) -> list[Record]:
    """The TestFlight groups that a build was given to."""
    return [g for g in call.state.table("betaGroups").values() if build in builds_of(call, g)]


def builds_of(call: Call, group: Record) -> list[Record]:
    """The builds of a group; an internal group with access to all builds has every valid one of its app."""
    builds = call.state.table("builds")
    if group.attributes.get("hasAccessToAllBuilds"):
        mine = [b for b in builds.values() if b.links.get("app") == group.links.get("app")]
        return [b for b in mine if visible(call, b) and processing_state(call, b) == "VALID"]
    return [builds[identifier] for identifier in group.links.get("builds", ()) if identifier in builds]


def shown_attributes(call: Call, record: Record) -> dict[str, Any]:
    """The attributes as they are at that hour."""
    if record.kind == "builds":
        return _build(call, record)
    if record.kind == "buildUploads":
        return _upload(call, record)
    if record.kind == "buildBetaDetails":
        return _beta_detail(call, record)
    if record.kind == "buildUploadFiles":
        return _file(call, record)
    return record.attributes


def upload_state(call: Call, upload: Record) -> str:
    """AWAITING_UPLOAD, PROCESSING, COMPLETE or FAILED at that hour."""
    settles = upload.hidden.get("settles")
    if settles is None:
        return "AWAITING_UPLOAD"
    return "PROCESSING" if call.now < settles else str(upload.hidden["outcome"])


def processing_state(call: Call, build: Record) -> str:
    """PROCESSING, and then what became of it."""
    return "PROCESSING" if call.now < build.hidden.get("processed", 0) else str(build.attributes["processingState"])


def expired(call: Call, build: Record) -> bool:
    """Whether its 90 days are over or a person ended them."""
    return bool(build.attributes.get("expired")) or call.now >= float(build.hidden["expires"])


def internal_state(call: Call, build: Record) -> str:
    """InternalBetaState: what keeps internal testers from the build, or that they have it."""
    state = processing_state(call, build)
    if state == "PROCESSING" or call.now < build.hidden.get("beta_known", 0):
        return "PROCESSING"
    if state != "VALID":
        return "PROCESSING_EXCEPTION"
    if expired(call, build):
        return "EXPIRED"
    if build.attributes.get("usesNonExemptEncryption") is None:
        return "MISSING_EXPORT_COMPLIANCE"
    held = any(group.attributes.get("isInternalGroup") for group in groups_of(call, build))
    return "IN_BETA_TESTING" if held else "READY_FOR_BETA_TESTING"


def _external_state(call: Call, build: Record) -> str:
    state = internal_state(call, build)
    return "READY_FOR_BETA_SUBMISSION" if state in ("IN_BETA_TESTING", "READY_FOR_BETA_TESTING") else state


def _build(call: Call, record: Record) -> dict[str, Any]:
    return {
        **record.attributes,
        "processingState": processing_state(call, record),
        "expired": expired(call, record),
    }


def _upload(call: Call, record: Record) -> dict[str, Any]:
    state = upload_state(call, record)
    details: dict[str, Any] = {"errors": [], "warnings": [], "infos": []}
    if state in ("COMPLETE", "FAILED"):
        details.update(record.hidden.get("details", {}))
    return {**record.attributes, "state": {**details, "state": state}}


def _beta_detail(call: Call, record: Record) -> dict[str, Any]:
    build = call.state.find("builds", record.links.get("build", record.id))
    if build is None:
        return record.attributes
    return {
        "autoNotifyEnabled": record.attributes.get("autoNotifyEnabled"),
        "internalBuildState": internal_state(call, build),
        "externalBuildState": _external_state(call, build),
    }


def _file(call: Call, record: Record) -> dict[str, Any]:
    operations = None
    if record.attributes["assetDeliveryState"]["state"] == "AWAITING_UPLOAD":
        operations = [_operation(call, record, part) for part in record.hidden["parts"]]
    return {**record.attributes, "uploadOperations": operations}


def _operation(call: Call, record: Record, part: list[int]) -> dict[str, Any]:
    number, offset, length = part
    expires = float(record.hidden["expires"])
    query = f"partNumber={number}&uploadId={record.hidden['ticket']}"
    return {
        "method": "PUT",
        "url": f"{call.upload_origin}/uploads/{record.id}/{number}?{query}",
        "length": length,
        "offset": offset,
        "requestHeaders": [{"name": "Content-Type", "value": "application/octet-stream"}],
        "expiration": pacific(expires),
        "partNumber": number,
        "entityTag": None,
    }
