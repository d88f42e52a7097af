"""The conversation that puts a build on App Store Connect: once, as Apple sees it, however often it is begun again.

Source of the steps: Apple, "Uploading Builds" (Build Upload API, since 4.0): reserve an upload, reserve its file, send
the parts without authorisation, commit with `uploaded`. Waiting for Apple's verdict is not part of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.apple.connect.client import Connect, ConnectFault, errors_of
from pipeline.apple.connect.documents import Resource, resource
from pipeline.apple.connect.facts import AWAITING_UPLOAD, FAILED, BuildUpload, UploadedFile
from pipeline.apple.connect.freshness import once_known
from pipeline.apple.connect.parcel import Parcel, Part, compared, md5_of, parcel, parts
from pipeline.apple.connect.records import app_record, asset_of, build_upload, build_uploads, uploaded_file
from pipeline.model import AppleFailure
from pipeline.ports.http import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.apple.connect.actions import UploadBuild
    from pipeline.ports.clock import Clock
    from pipeline.ports.http import Http
    from pipeline.ports.progress import Progress
    from pipeline.ports.tenure import Tenure

T = TypeVar("T")

THREADS = 4
TRIES, PART_TRIES = 3, 3
FRESH_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait while what was just created is not found yet."""


class StaleParts(AppleFailure):
    """The addresses of the parts are of no use any more."""


class Delivery:
    """One build on its way to App Store Connect.

    It deletes nothing: an upload that it cannot go on with may be somebody else's, and is left where it is.

    Args:
        action: what to upload.
        http: carries both the conversation and the parts.
        clock: for waiting, and to see whether addresses have expired.
        progress: told the bytes that were sent.
        tenure: asked before the upload is reserved and before it is committed.

    """

    def __init__(self, action: UploadBuild, http: Http, clock: Clock, progress: Progress, tenure: Tenure) -> None:
        self._action = action
        self._api = Connect(http)
        self._http = http
        self._clock = clock
        self._progress = progress
        self._tenure = tenure
        self._app_id = action.app_id
        self._left: dict[str, BuildUpload] = {}

    def deliver(self) -> Mapping[str, Any]:
        """Bring the build to Apple, or find that it is there.

        Returns:
            upload and file ids, size, MD5; `already` when Apple had it.

        Raises:
            UsageFault: the file is not the one that was judged.
            AppleFailure: Apple refused, has other content under these numbers, or did not answer; see `ambiguous`.

        """
        self._progress.say("reading the build")
        whole = parcel(Path(self._action.path), self._action.sha256, self._action.size)
        if not self._app_id:
            self._app_id = app_record(self._api, self._action.bundle_id).id
        tried: set[str] = set()
        for attempt in range(1, TRIES + 1):
            begun = self._begun(whole)
            if begun is not None and begun.accepted:
                return self._already(begun, whole)
            upload = begun or self._create(whole)
            try:
                return self._complete(upload, whole)
            except StaleParts:
                if attempt == TRIES:
                    raise
                if upload.id in tried:  # asked for anew, its addresses were of no use either
                    self._left[upload.id] = upload
                tried.add(upload.id)
        raise AssertionError  # the last attempt returns or raises

    def _begun(self, whole: Parcel) -> BuildUpload | None:
        """The upload to go on with: what Apple has accepted, or a reservation that fits. The rest is left alone."""
        found = self._listed()
        for upload in found:
            if upload.accepted:
                return upload
        for upload in found:
            if upload.id in self._left:
                continue
            if self._fits(upload, whole):
                return upload
            self._left[upload.id] = upload
        return None

    def _listed(self) -> tuple[BuildUpload, ...]:
        action = self._action
        found = build_uploads(self._api, self._app_id, action.platform, action.build)
        return found.of(action.version, action.build)

    def _fits(self, upload: BuildUpload, whole: Parcel) -> bool:
        if upload.state != AWAITING_UPLOAD:
            return False
        file = self._asset(upload.id)
        known = replace(upload, file=None if file is None else uploaded_file(file))
        return known.may_continue(whole.path.name, whole.size, self._clock.now())

    def _already(self, upload: BuildUpload, whole: Parcel) -> Mapping[str, Any]:
        file = self._asset(upload.id) if upload.file is None else None
        content = compared(upload.file if file is None else uploaded_file(file), whole.path, whole.size)
        if content.same is False:
            raise AppleFailure(
                f"App Store Connect already has another build {self._action.version} ({self._action.build})",
                why=f"there: {content.theirs}; here: {content.ours}",
                remedy="raise the build number (CURRENT_PROJECT_VERSION) and build again",
                code="90189",
            )
        return {"already": True, "upload": upload.id, "state": upload.state, "bytes": whole.size, "md5": whole.md5}

    def _create(self, whole: Parcel) -> BuildUpload:
        action = self._action
        body = {
            "data": {
                "type": "buildUploads",
                "attributes": {
                    "cfBundleShortVersionString": action.version,
                    "cfBundleVersion": action.build,
                    "platform": str(action.platform),
                },
                "relationships": {"app": {"data": {"type": "apps", "id": self._app_id}}},
            }
        }

        def look() -> BuildUpload | None:
            new = (upload for upload in self._listed() if upload.id not in self._left)
            return next((upload for upload in new if self._fits(upload, whole)), None)

        def create() -> BuildUpload:
            self._tenure.confirm()
            return build_upload(resource(self._api.post("/v1/buildUploads", body)))

        self._progress.say("reserving the upload")
        try:
            return self._created(create, look)
        except ConnectFault as fault:
            raise self._in_the_way(fault) or fault from None

    def _in_the_way(self, fault: ConnectFault) -> AppleFailure | None:
        """What a conflict means while an upload was left that could not be gone on with."""
        waiting = [upload for upload in self._left.values() if upload.unfinished]
        if not waiting or not _is_conflict(fault) or any(error.previous for error in fault.errors):
            return None
        begun = ", ".join(upload.begun or upload.id for upload in waiting)
        return AppleFailure(
            f"App Store Connect takes no other upload of build {self._action.version} ({self._action.build})",
            why=f"one is unfinished that this build cannot go on with, begun {begun}; {fault.why}",
            remedy="plan anew: the plan will name the discard; or raise the build number and build again",
            code=fault.code,
        )

    def _created(self, create: Callable[[], T], look: Callable[[], T | None]) -> T:
        """Create something of which a second one would do no harm, but not before looking for the first."""
        try:
            return create()
        except AppleFailure as fault:
            if not fault.ambiguous:
                raise
        self._clock.sleep(FRESH_WAITS[1])
        return look() or create()

    def _complete(self, upload: BuildUpload, whole: Parcel) -> Mapping[str, Any]:
        file = self._fresh(lambda: self._asset(upload.id)) or self._reserve(upload, whole)
        sent = 0
        if not uploaded_file(file).committed:
            pieces = parts(file, whole) or parts(self._read(file.id), whole)
            if not pieces:
                raise StaleParts("App Store Connect names no addresses for the parts", code="UPLOAD_OPERATIONS")
            self._send(pieces, whole)
            sent = len(pieces)
            self._commit(file.id, upload.id, whole)
        return {"upload": upload.id, "file": file.id, "bytes": whole.size, "md5": whole.md5, "parts": sent}

    def _asset(self, upload_id: str) -> Resource | None:
        return asset_of(self._api, upload_id)

    def _read(self, file_id: str) -> Resource:
        return self._fresh(lambda: resource(self._api.get(f"/v1/buildUploadFiles/{file_id}")))

    def _reserve(self, upload: BuildUpload, whole: Parcel) -> Resource:
        body = {
            "data": {
                "type": "buildUploadFiles",
                "attributes": {
                    "assetType": "ASSET",
                    "fileName": whole.path.name,
                    "fileSize": whole.size,
                    "uti": whole.uti,
                },
                "relationships": {"buildUpload": {"data": {"type": "buildUploads", "id": upload.id}}},
            }
        }

        def create() -> Resource:
            return self._fresh(lambda: resource(self._api.post("/v1/buildUploadFiles", body)))

        return self._created(create, lambda: self._fresh(lambda: self._asset(upload.id)))

    def _fresh(self, ask: Callable[[], T]) -> T:
        return once_known(ask, self._clock, FRESH_WAITS)

    def _send(self, pieces: tuple[Part, ...], whole: Parcel) -> None:
        from concurrent.futures import ThreadPoolExecutor, as_completed

        self._progress.say(f"sending {whole.path.name}")
        self._progress.amount(0, whole.size)
        done = 0
        with ThreadPoolExecutor(min(THREADS, len(pieces)), "upload") as pool:
            running = {pool.submit(self._put, part, len(pieces)): part for part in pieces}
            try:
                for finished in as_completed(running):
                    finished.result()
                    done += running[finished].body.length
                    self._progress.amount(done, whole.size)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _put(self, part: Part, of: int) -> None:
        expected = md5_of(part.body)
        for _ in range(PART_TRIES):
            answer = self._answer(part, of)
            if answer in ("", expected):
                return
        raise AppleFailure(
            f"part {part.number} of {of} arrived damaged",
            why=f"MD5 sent: {expected}; stored: {answer}, {PART_TRIES} times",
            remedy="check the network for something that changes what passes through, then run again",
            code="PART_DAMAGED",
        )

    def _answer(self, part: Part, of: int) -> str:
        """The MD5 that the storage has computed; nothing when its ETag is no MD5."""
        request = Request("PUT", part.url, part.headers, part.body, repeatable=True)
        try:
            response = self._http.send(request)
        except AppleFailure as fault:
            # Without the commit no part has an effect, so the outcome of the whole is certain: not uploaded.
            raise AppleFailure(
                f"part {part.number} of {of} could not be sent",
                why=str(fault),
                remedy="run again: the upload goes on where it can",
                code=fault.code,
            ) from fault
        if 200 <= response.status < 300:
            etag = response.headers.get("etag", "").strip().strip('"').lower()
            return etag if len(etag) == 32 and all(c in "0123456789abcdef" for c in etag) else ""
        said = "; ".join(map(str, errors_of(response))) or f"HTTP status {response.status}"
        kind = StaleParts if response.status in (400, 403, 404) else AppleFailure
        raise kind(
            f"part {part.number} of {of} was refused",
            why=said,
            remedy="run again: the upload goes on where it can",
            code=f"HTTP_{response.status}",
        )

    def _commit(self, file_id: str, upload_id: str, whole: Parcel) -> None:
        self._progress.say("telling App Store Connect that all parts are there")
        checksums: Mapping[str, Any] = {"sourceFileChecksums": {"file": {"hash": whole.md5, "algorithm": "MD5"}}}
        doubt: AppleFailure | None = None
        for seconds in (0.0, *FRESH_WAITS[:3]):
            if seconds:
                self._clock.sleep(seconds)
            try:
                file, doubt = self._tell(file_id, checksums), None
            except AppleFailure as fault:
                if checksums and _refuses_checksums(fault):
                    # Optional, and not every account's service takes it.
                    checksums = {}
                    continue
                if not fault.ambiguous and not _is_conflict(fault):
                    raise
                file, doubt = self._read_back(file_id, fault), fault
            if file.state == FAILED:
                raise _refused(file)
            if doubt is None or file.committed or self._taken(upload_id, doubt):
                return
        if doubt is not None:
            raise doubt

    def _tell(self, file_id: str, checksums: Mapping[str, Any]) -> UploadedFile:
        data = {"type": "buildUploadFiles", "id": file_id, "attributes": {"uploaded": True, **checksums}}
        path = f"/v1/buildUploadFiles/{file_id}"

        def tell() -> UploadedFile:
            self._tenure.confirm()
            return uploaded_file(resource(self._api.patch(path, {"data": data})))

        return self._fresh(tell)

    def _read_back(self, file_id: str, doubt: AppleFailure) -> UploadedFile:
        try:
            return uploaded_file(self._read(file_id))
        except AppleFailure as fault:
            raise AppleFailure(
                "it is not known whether App Store Connect has taken the build",
                why=f"the commit: {doubt}; looking for it: {fault}",
                remedy="run again: it looks first, and goes on from what it finds",
                code=doubt.code,
                ambiguous=True,
            ) from fault

    def _taken(self, upload_id: str, doubt: AppleFailure) -> bool:
        try:
            document = self._api.get(f"/v1/buildUploads/{upload_id}")
        except AppleFailure as fault:
            raise doubt from fault
        return build_upload(resource(document)).accepted


def _is_conflict(fault: AppleFailure) -> bool:
    return isinstance(fault, ConnectFault) and fault.status == 409


def _refuses_checksums(fault: AppleFailure) -> bool:
    return isinstance(fault, ConnectFault) and fault.status == 409 and fault.points_at("sourceFileChecksums")


def _refused(file: UploadedFile) -> AppleFailure:
    said = "; ".join(map(str, file.errors)) or "no reason was given"
    return AppleFailure(
        f"App Store Connect could not put {file.name} together",
        why=said,
        remedy="run again: a new upload is begun",
        code=file.errors[0].code if file.errors else "FAILED",
    )
