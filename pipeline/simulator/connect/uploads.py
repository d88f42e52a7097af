"""Build uploads: reserve, take the parts, look into what arrived, and let a build come of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.simulator.clockface import DAY, pacific
from pipeline.simulator.connect.assets import Asset, PartFiles, inspect
from pipeline.simulator.connect.documents import many, one
from pipeline.simulator.connect.relations import linked_records, upload_state
from pipeline.simulator.connect.routes import Call, Refusal, refuse, route
from pipeline.simulator.connect.verdicts import Verdict, judge, spelled, train_key
from pipeline.simulator.contract import attribute_invalid, relationship_invalid
from pipeline.simulator.state import Record

PART_LIFE = 7 * DAY
BUILD_LIFE = 90 * DAY
FOLDER = "uploads"


@route("POST", "/v1/buildUploads")
def create_upload(call: Call) -> Any:
    """Apple: buildUploads_createInstance."""
    app = call.state.find("apps", call.linked("app"))
    if app is None:
        raise Refusal([relationship_invalid("app", f"There is no app with id '{call.linked('app')}'")])
    given = call.attributes
    if given["platform"] not in app.hidden["platforms"]:
        detail = f"The app has no platform '{given['platform']}'"
        raise Refusal([attribute_invalid("platform", detail)])
    content = (app.id, given["platform"], given["cfBundleShortVersionString"], given["cfBundleVersion"])
    attributes = {**given, "createdDate": pacific(call.now), "uploadedDate": None}
    made = Record("buildUploads", call.state.fresh("buildUploads", *content), attributes, {"app": app.id})
    call.accept([made], detail=given)
    return one(call, made)


@route("GET", "/v1/buildUploads/{id}")
def read_upload(call: Call) -> Any:
    """Apple: buildUploads_getInstance."""
    return one(call, call.one("buildUploads"))


@route("DELETE", "/v1/buildUploads/{id}")
def delete_upload(call: Call) -> Any:
    """Apple: buildUploads_deleteInstance. That an accepted upload cannot be deleted is our assumption."""
    upload = call.one("buildUploads")
    if upload_state(call, upload) in ("PROCESSING", "COMPLETE"):
        title = "This request is forbidden for security reasons"
        refuse(403, "FORBIDDEN_ERROR", title, "A build upload that was accepted cannot be deleted")
    files = linked_records(call, upload, "buildUploadFiles")
    parts = [("parts", part.id) for file in files for part in _parts(call, file)]
    call.accept(drops=[(upload.kind, upload.id), *((file.kind, file.id) for file in files), *parts])
    for file in files:
        forget_parts(call, file)


@route("GET", "/v1/buildUploads/{id}/buildUploadFiles")
def list_files_of_upload(call: Call) -> Any:
    """Apple: buildUploads_buildUploadFiles_getToManyRelated."""
    files = linked_records(call, call.one("buildUploads"), "buildUploadFiles")
    return many(call, "buildUploadFiles", files)


@route("POST", "/v1/buildUploadFiles")
def create_file(call: Call) -> Any:
    """Apple: buildUploadFiles_createInstance; parts of 5 MiB, operations unsorted, for seven days (altool trace)."""
    upload = call.state.find("buildUploads", call.linked("buildUpload"))
    if upload is None:
        detail = f"There is no build upload with id '{call.linked('buildUpload')}'"
        raise Refusal([relationship_invalid("buildUpload", detail)])
    given = call.attributes
    taken = any(
        file.attributes["assetType"] == given["assetType"] for file in linked_records(call, upload, "buildUploadFiles")
    )
    if taken or upload_state(call, upload) != "AWAITING_UPLOAD":
        _refuse_state(f"The build upload takes no other file of type '{given['assetType']}'")
    if given["fileSize"] < 1 or given["fileSize"] > call.scenario.part_size * 10_000:
        raise Refusal([attribute_invalid("fileSize", f"'{given['fileSize']}' is not a size that can be uploaded")])
    identifier = call.state.fresh("buildUploadFiles", upload.id, given["assetType"], given["fileName"])
    attributes = {**given, "assetDeliveryState": _delivery("AWAITING_UPLOAD"), "assetToken": None}
    hidden = {
        "parts": unsorted_parts(given["fileSize"], call.scenario.part_size),
        "expires": call.now + PART_LIFE,
        "ticket": hashlib.sha256(f"ticket {identifier}".encode()).hexdigest()[:32],
    }
    made = Record("buildUploadFiles", identifier, attributes, {"buildUpload": upload.id}, hidden)
    call.accept([made], detail=given)
    return one(call, made)


@route("GET", "/v1/buildUploadFiles/{id}")
def read_file(call: Call) -> Any:
    """Apple: buildUploadFiles_getInstance."""
    return one(call, call.one("buildUploadFiles"))


@route("PATCH", "/v1/buildUploadFiles/{id}")
def commit_file(call: Call) -> Any:
    """Apple: buildUploadFiles_updateInstance; with uploaded: true the parts are put together, checked and judged."""
    file = call.one("buildUploadFiles")
    if file.attributes["assetDeliveryState"]["state"] != "AWAITING_UPLOAD":
        _refuse_state("The file was committed already")
    checksums = call.attributes.get("sourceFileChecksums")
    attributes: dict[str, Any] = {} if checksums is None else {"sourceFileChecksums": checksums}
    if not call.attributes.get("uploaded"):
        changed = file.altered(attributes=attributes)
        call.accept([changed], detail=call.attributes)
        return one(call, changed)
    upload = call.state.table("buildUploads")[file.links["buildUpload"]]
    problem = _delivery_problem(call, file, checksums or {})
    if problem is None:
        attributes["assetDeliveryState"] = _delivery("COMPLETE")
        puts = _settled(call, upload, file) if file.attributes["assetType"] == "ASSET" else []
    else:
        attributes["assetDeliveryState"] = _delivery("FAILED", *problem)
        puts = [_failed(call, upload, Verdict("FAILED", *problem))]
    changed = file.altered(attributes=attributes)
    call.accept([changed, *puts], detail=call.attributes)
    return one(call, changed)


def unsorted_parts(size: int, part_size: int) -> list[list[int]]:
    """[number, offset, length] of each part, in an order like the one seen in altool's trace: 4, 2, 3, 1."""
    count = -(-size // part_size)
    parts = [[n + 1, n * part_size, min(part_size, size - n * part_size)] for n in range(count)]
    return parts[1::2][::-1] + parts[0::2][::-1]


def part_path(call: Call, file: str, number: int) -> Path:
    """Where the bytes of one part lie."""
    return call.state.folder / FOLDER / file / f"{number}.part"


def forget_parts(call: Call, file: Record) -> None:
    """Remove the bytes of a file's parts; what is not there is no matter."""
    for number, _, _ in file.hidden["parts"]:
        part_path(call, file.id, number).unlink(missing_ok=True)


def _parts(call: Call, file: Record) -> list[Record]:
    found = [call.state.find("parts", f"{file.id}/{number}") for number, _, _ in file.hidden["parts"]]
    return [part for part in found if part is not None]


def _refuse_state(detail: str) -> None:
    title = "The request cannot be fulfilled because of the state of another resource."
    refuse(409, "STATE_ERROR.ENTITY_STATE_INVALID", title, detail)


def _delivery(state: str, code: str = "", detail: str = "") -> dict[str, Any]:
    errors = [{"code": code, "description": detail}] if code else []
    return {"errors": errors, "warnings": [], "state": state}


def _delivery_problem(call: Call, file: Record, checksums: dict[str, Any]) -> tuple[str, str] | None:
    arrived = {int(part.id.rsplit("/", 1)[1]): part for part in _parts(call, file)}
    missing = [number for number, _, _ in sorted(file.hidden["parts"]) if number not in arrived]
    if missing:
        return "ASSET_PARTS_MISSING", f"Parts {', '.join(map(str, missing[:20]))} were not uploaded"
    digests = [bytes.fromhex(arrived[number].attributes["md5"]) for number in sorted(arrived)]
    composite = (checksums.get("composite") or {}).get("hash")
    if composite and composite != _composite(digests, call.scenario.part_size):
        return "ASSET_CHECKSUM_MISMATCH", "The composite checksum differs from that of the uploaded parts"
    whole = checksums.get("file") or {}
    if whole.get("hash"):
        algorithm = "sha256" if whole.get("algorithm") == "SHA_256" else "md5"
        made = hashlib.new(algorithm, usedforsecurity=False)
        for number in sorted(arrived):
            made.update(part_path(call, file.id, number).read_bytes())
        if made.hexdigest() != str(whole["hash"]).lower():
            return "ASSET_CHECKSUM_MISMATCH", f"The {algorithm} of the uploaded file is {made.hexdigest()}"
    return None


def _composite(digests: list[bytes], part_size: int) -> str:
    made = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{made}-{len(digests)}-{part_size}"


def _settled(call: Call, upload: Record, file: Record) -> list[Record]:
    paths = [part_path(call, file.id, number) for number, _, _ in sorted(file.hidden["parts"])]
    with PartFiles(paths) as stream:
        asset = inspect(stream, file.attributes["uti"])
    verdict = judge(call, upload, asset)
    if verdict.outcome == "FAILED":
        return [_failed(call, upload, verdict)]
    return _accepted(call, upload, asset, verdict)


def _failed(call: Call, upload: Record, verdict: Verdict) -> Record:
    hidden = {
        "settles": call.now + call.scenario.processing.seconds,
        "outcome": "FAILED",
        "details": {"errors": [{"code": verdict.code, "description": verdict.detail}]},
    }
    return upload.altered(attributes={"uploadedDate": pacific(call.now)}, hidden=hidden)


def _accepted(call: Call, upload: Record, asset: Asset, verdict: Verdict) -> list[Record]:
    speed = call.scenario.processing
    given = upload.attributes
    settles = call.now + speed.seconds
    appears = settles + speed.builds_invisible
    processed = appears + speed.validating
    number = spelled(given["cfBundleVersion"])
    train, new = _train(call, upload, appears)
    identifier = call.state.fresh("builds", upload.id)
    mac = given["platform"] == "MAC_OS"
    build = Record(
        "builds",
        identifier,
        {
            "version": number,
            "uploadedDate": pacific(call.now),
            "expirationDate": pacific(call.now + BUILD_LIFE),
            "minOsVersion": None if mac else asset.minimum_os,
            "lsMinimumSystemVersion": asset.minimum_os if mac else None,
            "processingState": verdict.outcome,
            "buildAudienceType": "APP_STORE_ELIGIBLE",
            "usesNonExemptEncryption": asset.uses_non_exempt_encryption,
        },
        {"app": upload.links["app"], "preReleaseVersion": train.id, "buildUpload": upload.id},
        {
            "appears": appears,
            "processed": processed,
            "beta_known": processed + speed.beta_delay,
            "expires": call.now + BUILD_LIFE,
        },
    )
    details = {"warnings": [{"code": verdict.code, "description": verdict.detail}]} if verdict.code else {}
    settled = upload.altered(
        attributes={"uploadedDate": pacific(call.now)},
        links={"build": identifier},
        hidden={"settles": settles, "outcome": "COMPLETE", "details": details},
    )
    attributes = {"autoNotifyEnabled": False}
    beta = Record("buildBetaDetails", identifier, attributes, {"build": identifier}, {"appears": appears})
    return [settled, build, beta, *([train] if new else [])]


def _train(call: Call, upload: Record, appears: float) -> tuple[Record, bool]:
    given = upload.attributes
    for train in call.state.table("preReleaseVersions").values():
        if train.links.get("app") == upload.links["app"] and train_key(
            train.attributes["version"], train.attributes["platform"]
        ) == train_key(given["cfBundleShortVersionString"], given["platform"]):
            return train, False
    version = spelled(given["cfBundleShortVersionString"])
    identifier = call.state.fresh("preReleaseVersions", upload.links["app"], version, given["platform"])
    attributes = {"version": version, "platform": given["platform"]}
    links = {"app": upload.links["app"]}
    return Record("preReleaseVersions", identifier, attributes, links, {"appears": appears}), True
