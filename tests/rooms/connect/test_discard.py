"""What an unfinished upload may be gone on with, what the plan says of the others, and how one is discarded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.apple.bundle.facts import Export, ExportedApp
from pipeline.apple.connect import gateway
from pipeline.apple.connect.actions import DiscardUpload, UploadBuild
from pipeline.apple.connect.facts import AppRecord, BuildUpload, BuildUploads, UploadedFile
from pipeline.engine.approval import Approval
from pipeline.model import AppleFailure, Platform, Reading, Risk
from pipeline.stages.upload import plan
from tests.rooms.connect.little_apple import Fault
from tests.rooms.connect.simulated import LANE, TARGET

if TYPE_CHECKING:
    from tests.rooms.connect.conftest import Stack
    from tests.rooms.connect.little_apple import LittleApple

RECORD = AppRecord("app1", "com.example.app")
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
OURS = UploadedFile("f", "Example.ipa", 5376, state="AWAITING_UPLOAD")
UPLOAD = BuildUpload("up1", "2.5.0", "250", "IOS", "AWAITING_UPLOAD", created=NOW, file=OURS)
APP = ExportedApp(path="/somewhere/Example.ipa", size=5376)
DISCARD = DiscardUpload("com.example.app", Platform.IOS, "2.5.0", "250", "", "up1")


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (UPLOAD, ""),
        (replace(UPLOAD, file=None), ""),
        (replace(UPLOAD, file=replace(OURS, expires=NOW + timedelta(seconds=1))), ""),
        (replace(UPLOAD, file=replace(OURS, expires=NOW)), "its addresses expired on 2026-01-02"),
        (replace(UPLOAD, file=replace(OURS, state="COMPLETE", expires=NOW)), ""),
        (replace(UPLOAD, file=replace(OURS, state="FAILED")), "Apple could not put its file together"),
        (replace(UPLOAD, file=replace(OURS, size=17)), "it is for Example.ipa, 17 bytes"),
        (replace(UPLOAD, file=replace(OURS, name="Other.ipa")), "it is for Other.ipa, 5,376 bytes"),
        (replace(UPLOAD, file=UploadedFile("f")), "it is for a file without a name, unknown size"),
        (replace(UPLOAD, state="PROCESSING"), "it is PROCESSING"),
    ],
)
def test_what_keeps_a_file_from_an_upload(upload: BuildUpload, why: str) -> None:
    assert upload.misfit("Example.ipa", 5376, NOW) == why
    assert upload.may_continue("Example.ipa", 5376, NOW) == (not why)


def planned(*uploads: BuildUpload) -> list[str]:
    return [
        action.describe() for action in plan(LANE, APP, Export(), TARGET, RECORD, BuildUploads("app1", uploads, NOW))
    ]


SENT = "upload build 2.5.0 (250) for iOS"
OTHER = replace(UPLOAD, id="up2", file=replace(OURS, size=17))


def test_the_plan_names_each_upload_that_it_would_discard() -> None:
    discarded = "discard the unfinished upload of build 2.5.0 (250) for iOS, begun "
    assert planned() == [SENT]
    assert planned(UPLOAD) == [SENT]
    older = replace(OTHER, id="up3", created=NOW - timedelta(days=2))
    assert planned(older, UPLOAD, OTHER) == [
        f"{discarded}2026-01-02 12:00:00 UTC: it is for Example.ipa, 17 bytes",
        f"{discarded}2025-12-31 12:00:00 UTC: it is for Example.ipa, 17 bytes",
        SENT,
    ]


@pytest.mark.parametrize(
    "upload",
    [
        replace(OTHER, state="FAILED"),
        replace(OTHER, build="251"),
        replace(OTHER, version="2.6"),
        replace(OTHER, file=replace(OURS, size=17, state="UPLOAD_COMPLETE")),
    ],
    ids=["failed", "another build", "another version", "all its parts arrived"],
)
def test_what_is_not_in_the_way_is_left(upload: BuildUpload) -> None:
    assert planned(upload) == [SENT]


def test_what_apple_has_needs_nothing() -> None:
    assert planned(OTHER, replace(UPLOAD, state="COMPLETE")) == []


def test_an_approval_stands_for_the_upload_that_was_read_about() -> None:
    begun, since = (replace(DISCARD, begun=hour) for hour in ("2026-01-02 10:00:00 UTC", "2026-01-02 11:00:00 UTC"))
    assert begun.promise != since.promise
    assert begun.promise == replace(begun, upload_id="up9", why="it is old").promise
    upload = UploadBuild("com.example.app", Platform.IOS, "2.5.0", "250")
    assert (begun.subject, begun.risk) == (upload.subject, Risk.GUARDED)


def test_unfinished_uploads_are_seen_with_their_files(apple: LittleApple, stack: Stack) -> None:
    apple.reserve_file(apple.reserve("2.5.0", "250"), "Example.ipa", 17)
    apple.reserve("2.5.0", "250", "FAILED")
    apple.faults.append(Fault("GET /v1/buildUploads/up4", "404"))
    apple.reserve("2.5.0", "250")
    found = gateway.build_uploads(stack.http, RECORD, TARGET, stack.clock)
    assert not isinstance(found, Reading)
    assert [upload.file.size if upload.file else None for upload in found.items] == [17, None, None]
    assert found.items[0].file is not None
    assert found.items[0].file.expires == datetime(2999, 1, 1, tzinfo=UTC)
    assert apple.count("GET /v1/buildUploads/up3/buildUploadFiles") == 0, "a failed one is not asked about"
    assert apple.count("GET /v1/buildUploads/up4/buildUploadFiles") == 1, "it may be gone by then"
    assert found.seen is not None


def discard(stack: Stack) -> dict[str, object]:
    return dict(gateway.discard_upload(DISCARD, stack.http))


def test_a_discard_may_be_repeated(apple: LittleApple, stack: Stack) -> None:
    apple.reserve_file(apple.reserve("2.5.0", "250"), "Example.ipa", 17)
    assert discard(stack) == {"upload": "up1"}
    assert (apple.uploads, apple.files) == ({}, {})
    assert discard(stack) == {"already": True, "upload": "up1"}
    assert apple.count("DELETE") == 1


@pytest.mark.parametrize("do", ["reset", "reset-after", "503", "500", "429"])
def test_a_fault_on_the_way_is_survived(apple: LittleApple, stack: Stack, do: str) -> None:
    apple.reserve("2.5.0", "250")
    apple.faults.append(Fault("DELETE", do))
    assert discard(stack)["upload"] == "up1"
    assert apple.uploads == {}


@pytest.mark.parametrize("state", ["PROCESSING", "COMPLETE"])
def test_what_was_finished_meanwhile_is_kept(apple: LittleApple, stack: Stack, state: str) -> None:
    apple.reserve("2.5.0", "250", state)
    with pytest.raises(AppleFailure, match=f"it was finished meanwhile, and is {state}") as raised:
        discard(stack)
    assert "plan anew" in raised.value.remedy
    assert apple.count("DELETE") == 0


def test_what_failed_meanwhile_is_out_of_the_way(apple: LittleApple, stack: Stack) -> None:
    apple.reserve("2.5.0", "250", "FAILED")
    assert discard(stack)["already"] is True
    assert apple.count("DELETE") == 0


@pytest.mark.parametrize(("status", "advice"), [("403", "role"), ("409", "look at the state")])
def test_what_apple_keeps_is_told_with_a_remedy(apple: LittleApple, stack: Stack, status: str, advice: str) -> None:
    apple.reserve("2.5.0", "250")
    apple.faults.append(Fault("DELETE", status, body=b'{"errors":[{"code":"NO","detail":"not now"}]}'))
    with pytest.raises(AppleFailure, match=r"keeps the unfinished upload of build 2\.5\.0 \(250\)") as raised:
        discard(stack)
    assert "not now" in raised.value.why
    assert advice in raised.value.remedy
    assert "raise the build number" in raised.value.remedy
    assert not raised.value.ambiguous


def test_who_approves_a_given_artifact_approves_this_very_file() -> None:
    def proposed(export: Export, sha256: str) -> UploadBuild:
        app = replace(APP, sha256=sha256)
        return next(
            a for a in plan(LANE, app, export, TARGET, RECORD, BuildUploads("app1")) if isinstance(a, UploadBuild)
        )

    made, other = proposed(Export(), "a" * 64), proposed(Export(), "b" * 64)
    given, swapped = proposed(Export(given=True), "a" * 64), proposed(Export(given=True), "b" * 64)
    assert made.promise == other.promise, "a build that is made later has no digest yet"
    assert given.promise != swapped.promise
    approved_made = Approval("d", "Ann", "", frozenset({("upload", "ios", made.promise)}))
    assert approved_made.permits("upload", "ios", given)
    approved_given = Approval("d", "Ann", "", frozenset({("upload", "ios", given.promise)}))
    assert approved_given.permits("upload", "ios", given)
    assert not approved_given.permits("upload", "ios", swapped)
    assert not approved_given.permits("upload", "ios", made)
