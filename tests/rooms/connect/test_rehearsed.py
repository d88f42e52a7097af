"""Upload, processing and proofs against the simulated Apple, which checks requests by Apple's published contract."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.apple.bundle.facts import Export
from pipeline.apple.connect import checks, proofs
from pipeline.apple.connect.actions import DiscardUpload, UploadBuild
from pipeline.model import AppleFailure, Reading
from pipeline.stages.upload import plan
from tests.rooms.connect.simulated import LANE, TARGET, Rehearsal, app_archive

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "PATCH /v1/buildUploadFiles/{id}"


def pending(rehearsal: Rehearsal) -> list[bool]:
    accepted = proofs.build_upload_was_accepted(TARGET, rehearsal.uploads)
    valid = proofs.build_is_valid(TARGET, rehearsal.uploads, rehearsal.builds)
    return [finding.pending for finding in (*accepted, *valid)]


def test_a_build_is_uploaded_processed_and_valid(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path)
    rehearsal.upload()
    seen = []
    for _ in range(40):
        seen.append(pending(rehearsal))
        if not seen[-1]:
            break
        rehearsal.clock.sleep(10)
    assert seen[0] == [True, True]
    assert seen[-1] == []
    assert all(flag for flags in seen for flag in flags), "nothing on the way was final"
    build = rehearsal.builds.of("2.5", "250")
    assert build is not None
    assert build.uses_non_exempt_encryption is False
    assert build.expires is not None


def test_before_and_after_the_upload_the_checks_agree(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path)

    def found() -> list[Any]:
        content = Reading.of(rehearsal.content)
        return [
            *checks.app_record_exists(rehearsal.record, TARGET),
            *checks.version_train_is_open(TARGET, rehearsal.versions),
            *checks.version_is_higher_than_the_approved_one(TARGET, rehearsal.versions),
            *checks.build_number_is_unused(TARGET, rehearsal.uploads, rehearsal.builds, content),
            *checks.build_number_is_higher_than_the_newest(TARGET, rehearsal.builds),
        ]

    assert found() == []
    rehearsal.upload()
    assert rehearsal.uploads.accepted("2.5.0", "250")
    assert found() == []
    app_archive(rehearsal.ipa, b"changed")
    assert [finding.apple for finding in found()] == ["ITMS-90189"]


def test_builds_and_versions_of_the_account_are_seen(tmp_path: Path) -> None:
    account = {
        "bundle_id": "com.example.app",
        "builds": [{"version": "2.5", "build": "300"}],
        "versions": [{"version": "2.10"}, {"version": "2.5.0", "state": "PENDING_DEVELOPER_RELEASE"}],
    }
    rehearsal = Rehearsal.of(tmp_path, apps=[account])
    assert [f.apple for f in checks.version_train_is_open(TARGET, rehearsal.versions)] == ["ITMS-90186"]
    lower = checks.version_is_higher_than_the_approved_one(TARGET, rehearsal.versions)
    assert [f.apple for f in lower] == ["ITMS-90062"]
    number = checks.build_number_is_higher_than_the_newest(TARGET, rehearsal.builds)
    assert ["250 is not higher than 300" in f.summary for f in number] == [True]


@pytest.mark.parametrize("do", ["reset", "reset-after", "hang", "500", "502", "503", "429", "401"])
@pytest.mark.parametrize("on", ["POST /v1/buildUploads", "POST /v1/buildUploadFiles", COMMIT, "PUT /uploads/{id}"])
def test_one_upload_comes_of_it_whatever_fails(tmp_path: Path, on: str, do: str) -> None:
    rehearsal = Rehearsal.of(tmp_path, faults=[{"on": on, "do": do}])
    rehearsal.upload()
    assert rehearsal.uploads.accepted("2.5.0", "250")
    assert rehearsal.effects("POST /v1/buildUploads") == 1
    assert rehearsal.effects("POST /v1/buildUploadFiles") == 1
    assert rehearsal.effects(COMMIT) == 1


def test_every_read_may_fail_three_times(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, faults=[{"on": "GET /v1/*", "do": "500", "times": 3}])
    rehearsal.upload()
    assert rehearsal.uploads.accepted("2.5.0", "250")


def test_a_killed_upload_is_finished_by_the_next_process(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, faults=[{"on": "PUT /uploads/{id}", "do": "500", "nth": 4, "times": 40}])
    with pytest.raises(AppleFailure, match=r"was refused") as raised:
        rehearsal.upload()
    assert not raised.value.ambiguous
    rehearsal.apple.close()
    again = Rehearsal.of(tmp_path)
    again.upload()
    assert again.uploads.accepted("2.5.0", "250")
    assert again.effects("POST /v1/buildUploads") == 1
    assert again.upload()["already"] is True


def test_apples_refusal_is_final_and_told(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, processing={"outcome": "failed", "code": "90382"})
    rehearsal.upload()
    rehearsal.clock.sleep(300)
    (finding,) = proofs.build_upload_was_accepted(TARGET, rehearsal.uploads)
    assert (finding.pending, finding.apple) == (False, "90382")
    assert "Upload limit reached" in finding.summary


def test_after_a_refusal_the_same_numbers_can_be_tried_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, processing={"outcome": "failed"})
    rehearsal.upload()
    rehearsal.clock.sleep(300)
    assert not rehearsal.upload().get("already")
    assert rehearsal.effects("POST /v1/buildUploads") == 2
    assert rehearsal.effects("DELETE /v1/buildUploads/{id}") == 0


def test_addresses_that_expired_are_asked_for_anew(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, faults=[{"on": "PUT /uploads/{id}", "do": "500", "times": 50}])
    with pytest.raises(AppleFailure):
        rehearsal.upload()
    rehearsal.apple.close()
    again = Rehearsal.of(tmp_path)
    again.clock.sleep(8 * 86_400)
    (stale,) = again.uploads.items
    planned = list(plan(LANE, again.exported, Export(), TARGET, again.record, again.uploads))
    assert [type(action) for action in planned] == [DiscardUpload, UploadBuild]
    assert f"addresses expired on {again.clock.now() - timedelta(days=1):%Y-%m-%d}" in planned[0].describe()
    again.upload()
    assert again.uploads.accepted("2.5.0", "250")
    assert again.effects("DELETE /v1/buildUploads/{id}") == 0
    assert stale.id in {upload.id for upload in again.uploads.items if upload.unfinished}


def test_an_invalid_build_is_final(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, processing="invalid")
    rehearsal.upload()
    rehearsal.clock.sleep(600)
    (finding,) = proofs.build_is_valid(TARGET, rehearsal.uploads, rehearsal.builds)
    assert (finding.pending, finding.apple) == (False, "INVALID")
