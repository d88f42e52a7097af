"""The host that takes the parts of an upload: presigned PUTs in the manner of an object store, without a token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pipeline.simulator.clockface import pacific
from pipeline.simulator.connect.uploads import FOLDER
from pipeline.simulator.state import Record

if TYPE_CHECKING:
    from pipeline.simulator.request import Answer, Request
    from pipeline.simulator.state import State

HOST = "upload.appstoreconnect.simulated"
EFFECT = "PUT /uploads/{id}"


def receive(state: State, request: Request) -> Answer:
    """PUT /uploads/{file}/{part}: keep the bytes, answer with their MD5 as ETag.

    Apple, "Uploading Assets to App Store Connect", and an altool trace: exactly the operation's bytes with its headers
    only; any order; again until the commit; no bearer token, which an object store answers with 400 InvalidArgument.
    """
    names = request.path.split("/")
    if len(names) != 4 or names[1] != "uploads" or not (names[3].isascii() and names[3].isdigit()):
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    if request.method != "PUT":
        return _refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    file, number = state.find("buildUploadFiles", names[2]), int(names[3][:9])
    part = next((p for p in file.hidden["parts"] if p[0] == number), None) if file else None
    if file is None or part is None or file.attributes["assetDeliveryState"]["state"] != "AWAITING_UPLOAD":
        return _refused(404, "NoSuchUpload", "The specified upload does not exist. It may have been completed.")
    if "authorization" in request.headers:
        return _refused(400, "InvalidArgument", "Only one auth mechanism allowed")
    if ("uploadId", file.hidden["ticket"]) not in parse_qsl(request.query):
        return _refused(403, "SignatureDoesNotMatch", "The request signature does not match.")
    if request.now >= file.hidden["expires"]:
        return _refused(403, "AccessDenied", "Request has expired")
    size = len(request.body)
    if size != part[2]:
        code = "EntityTooSmall" if size < part[2] else "EntityTooLarge"
        return _refused(400, code, f"{size} bytes were sent, {part[2]} were announced")
    return 200, {"etag": f'"{_keep(state, file, number, request.body, request.now)}"'}, b""


def _keep(state: State, file: Record, number: int, body: bytes, now: float) -> str:
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    folder = state.folder / FOLDER / file.id
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{number}.draft"
    draft.write_bytes(body)
    draft.replace(folder / f"{number}.part")
    kept = Record("parts", f"{file.id}/{number}", {"md5": md5, "length": len(body)})
    state.change(EFFECT, pacific(now), [kept], subject=f"parts/{kept.id}", detail=kept.attributes)
    return md5


def _refused(status: int, code: str, message: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, {"content-type": "application/xml"}, text.encode()
