"""The upload over real sockets: once as Apple sees it, whatever happens on the way."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.apple.connect.client import ConnectFault
from pipeline.apple.connect.delivery import Delivery
from pipeline.engine.leases import LeaseLost
from pipeline.model import AppleFailure, UsageFault
from pipeline.ports.progress import ToldProgress
from pipeline.ports.tenure import Tenure
from tests.rooms.connect.little_apple import Fault, LittleApple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.apple.connect.actions import UploadBuild
    from tests.rooms.connect.conftest import Stack


OURS = Tenure(lambda: None)


def deliver(action: UploadBuild, stack: Stack, told: list[tuple[str, float, float]] | None = None) -> Mapping[str, Any]:
    progress = ToldProgress(lambda text, done, total, _: None if told is None else told.append((text, done, total)))
    return Delivery(action, stack.http, stack.clock, progress, OURS).deliver()


def arrived(apple: LittleApple, ipa: Path) -> bool:
    committed = [name for name, file in apple.files.items() if file["state"] == "COMPLETE"]
    processing = [upload for upload in apple.uploads.values() if upload["state"] == "PROCESSING"]
    return len(committed) == 1 == len(processing) and apple.content(committed[0]) == ipa.read_bytes()


def test_a_build_arrives_whole(apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path) -> None:
    told: list[tuple[str, float, float]] = []
    result = deliver(action, stack, told)
    assert arrived(apple, ipa)
    assert result["parts"] == 6
    assert apple.files[result["file"]]["sum"]["file"] == {"algorithm": "MD5", "hash": result["md5"]}
    assert told[-2][1:] == (5376, 5376)
    assert [done for _, done, total in told if total] == sorted(done for _, done, total in told if total)


def test_parts_travel_without_the_token(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    deliver(action, stack)
    for line, token in apple.authorised:
        assert (token is None) == line.startswith("PUT"), line


PLACES = ("POST /v1/buildUploads", "POST /v1/buildUploadFiles", "PATCH /v1/", "PUT /store")
TROUBLES = ("reset", "reset-after", "503", "500", "429", "401")
ONE_FAULT = [(on, do) for on in PLACES for do in TROUBLES if (on, do) != ("PUT /store", "401")]


@pytest.mark.parametrize("fault", ONE_FAULT, ids=" ".join)
def test_one_fault_anywhere_is_survived(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path, fault: tuple[str, str]
) -> None:
    on, do = fault
    if do == "401":
        stack.live.renew = lambda url, server_time=None: True  # type: ignore[method-assign]
    apple.faults.append(Fault(on, do, headers={"Retry-After": "3"} if do == "429" else {}))
    deliver(action, stack)
    assert arrived(apple, ipa)
    assert len(apple.uploads) == 1
    assert len(apple.files) == 1


def test_six_faults_of_three_kinds_are_survived_wherever_they_fall(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path
) -> None:
    apple.faults += [Fault("PUT /store", "500", 3), Fault("PUT /store", "reset", 2), Fault("PUT /store", "503", 1)]
    deliver(action, stack)
    assert arrived(apple, ipa)
    assert apple.count("POST /v1/buildUploads") == 1


def test_a_damaged_part_is_sent_again(apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path) -> None:
    apple.faults.append(Fault("PUT /store/file2/2000", "damage"))
    deliver(action, stack)
    assert apple.count("PUT /store/file2/2000") == 2
    assert arrived(apple, ipa)


def test_a_part_that_is_always_damaged_is_not_committed(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.faults.append(Fault("PUT /store/file2/2000", "damage", 99))
    with pytest.raises(AppleFailure, match="part 3 of 6 arrived damaged"):
        deliver(action, stack)
    assert apple.count("PATCH") == 0


def test_the_lost_answer_to_the_commit_is_read_back(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.faults.append(Fault("PATCH", "reset-after"))
    deliver(action, stack)
    assert apple.count("PATCH") == 1


def test_a_commit_nobody_can_vouch_for_is_uncertain(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.faults += [Fault("PATCH", "reset-after"), Fault("GET /v1/buildUploadFiles", "reset", 99)]
    with pytest.raises(AppleFailure) as raised:
        deliver(action, stack)
    assert raised.value.ambiguous
    assert apple.count("PATCH") == 1


def test_a_checksum_that_is_not_taken_is_left_out(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path
) -> None:
    apple.takes_checksums = False
    deliver(action, stack)
    assert arrived(apple, ipa)


def test_ids_just_created_may_not_be_known_yet(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path
) -> None:
    missing = b'{"errors":[{"code":"NOT_FOUND","detail":"There is no resource","status":"404","title":"none"}]}'
    apple.faults += [
        Fault("GET /v1/buildUploads/up1/", "404", 2, body=missing),
        Fault("POST /v1/buildUploadFiles", "404", 2, body=missing),
        Fault("PATCH", "404", 2, body=missing),
    ]
    deliver(action, stack)
    assert arrived(apple, ipa)


def test_a_killed_upload_goes_on_where_it_was(apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path) -> None:
    class Killed(BaseException):
        """Stands for the end of the process."""

    def dies(text: str, done: float, total: float, unit: str) -> None:
        if done >= 2000:
            raise Killed

    with pytest.raises(Killed):
        Delivery(action, stack.http, stack.clock, ToldProgress(dies), OURS).deliver()
    assert apple.count("PATCH") == 0
    deliver(action, stack)
    assert arrived(apple, ipa)
    assert apple.count("POST /v1/buildUploads") == apple.count("POST /v1/buildUploadFiles") == 1, "in both lives"


@pytest.mark.parametrize("begun", [0, 1], ids=["before it is reserved", "before it is committed"])
def test_who_lost_the_lease_leaves_the_build_to_the_other(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path, begun: int
) -> None:
    times: list[int] = []

    def confirm() -> None:
        times.append(1)
        if len(times) > begun:
            raise LeaseLost("the lease was lost")

    with pytest.raises(LeaseLost):
        Delivery(action, stack.http, stack.clock, ToldProgress(), Tenure(confirm)).deliver()
    assert (apple.count("POST /v1/buildUploads"), apple.count("PATCH")) == (begun, 0)
    deliver(action, stack)
    assert arrived(apple, ipa)
    assert apple.count("PATCH") == 1


LIFE = """
import sys
from pathlib import Path
from pipeline.apple.connect.actions import UploadBuild
from pipeline.apple.connect.client import HOST
from pipeline.apple.connect.delivery import Delivery
from pipeline.model import Platform
from pipeline.ports.clock import LiveClock
from pipeline.ports.live_http import LiveHttp
from pipeline.ports.progress import ToldProgress
from pipeline.ports.retries import RetryingHttp
from pipeline.ports.tenure import Tenure
url, path = sys.argv[1:]
http = RetryingHttp(LiveHttp({}, {HOST: url}), LiveClock())
action = UploadBuild("com.example.app", Platform.IOS, "2.5.0", "250", "app1", path)
Delivery(action, http, LiveClock(), ToldProgress(), Tenure(lambda: None)).deliver()
"""


def test_a_process_that_is_killed_leaves_an_upload_that_goes_on(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path, root: Path
) -> None:
    apple.faults.append(Fault("PUT /store/file2/4000", "hang"))
    with subprocess.Popen([sys.executable, "-c", LIFE, apple.url, str(ipa)], cwd=root) as process:
        while apple.count("PUT /store/file2/4000") == 0 and process.poll() is None:
            threading.Event().wait(0.01)
        assert process.poll() is None, "it was still at work"
        process.kill()
    apple.release.set()
    assert apple.count("PATCH") == 0
    deliver(action, stack)
    assert arrived(apple, ipa)
    assert apple.count("POST /v1/buildUploads") == apple.count("POST /v1/buildUploadFiles") == 1, "in both lives"


def test_what_apple_has_is_not_sent_again(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    deliver(action, stack)
    sent = apple.count("PUT")
    assert deliver(action, stack)["already"] is True
    assert apple.count("PUT") == sent


def test_other_content_under_the_same_numbers_is_refused(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path
) -> None:
    deliver(action, stack)
    ipa.write_bytes(b"x" * 5376)
    other = replace(action, sha256=hashlib.sha256(b"x" * 5376).hexdigest())
    with pytest.raises(AppleFailure, match="another build") as raised:
        deliver(other, stack)
    assert hashlib.md5(b"x" * 5376, usedforsecurity=False).hexdigest() in raised.value.why
    assert "there: 5,376 bytes, MD5" in raised.value.why
    assert apple.count("POST /v1/buildUploads") == 1


def test_the_same_version_spelled_otherwise_is_the_same(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    deliver(action, stack)
    assert deliver(replace(action, version="2.5"), stack)["already"] is True


@pytest.mark.parametrize("state", ["FAILED", "AWAITING_UPLOAD"])
def test_what_cannot_be_gone_on_with_is_left_alone(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path, state: str
) -> None:
    old = apple.reserve("2.5.0", "250", state)
    file = apple.reserve_file(old, "Example.ipa", 17, "AWAITING_UPLOAD")
    apple.faults.append(Fault("POST /v1/buildUploads", "reset-after"))
    deliver(action, stack)
    assert apple.count("DELETE") == 0
    assert (apple.uploads[old]["state"], apple.files[file]["state"]) == (state, "AWAITING_UPLOAD")
    assert len(apple.uploads) == 2, "the lost answer was looked for, and not mistaken for the old one"
    assert arrived(apple, ipa)


def test_expired_addresses_lead_to_a_new_reservation(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path
) -> None:
    old = apple.reserve("2.5.0", "250")
    apple.reserve_file(old, "Example.ipa", 5376)
    apple.expired = True
    deliver(action, stack)
    assert apple.count("DELETE") == 0
    assert apple.count(f"PUT /store/{next(iter(apple.files))}") == 0
    assert arrived(apple, ipa)


@pytest.mark.parametrize("times", [1, 99])
def test_addresses_that_are_refused_are_asked_for_anew_and_then_given_up(
    apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path, times: int
) -> None:
    file = apple.reserve_file(apple.reserve("2.5.0", "250"), "Example.ipa", 5376)
    apple.faults.append(Fault(f"PUT /store/{file}", "403", times))
    deliver(action, stack)
    assert apple.count("DELETE") == 0
    assert len(apple.uploads) == (1 if times == 1 else 2)
    assert arrived(apple, ipa)


def test_addresses_that_are_always_refused_end_it(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.faults.append(Fault("PUT /store", "403", 99))
    with pytest.raises(AppleFailure, match="was refused"):
        deliver(action, stack)
    assert apple.count("PATCH") == 0
    assert len(apple.uploads) == 2


CONFLICT = b'{"errors":[{"status":"409","code":"STATE_ERROR","title":"no","detail":"Another upload is pending."}]}'


def test_a_reservation_in_the_way_is_named_with_its_remedy(
    apple: LittleApple, stack: Stack, action: UploadBuild
) -> None:
    apple.reserve_file(apple.reserve("2.5.0", "250"), "Example.ipa", 17)
    apple.faults.append(Fault("POST /v1/buildUploads", "409", body=CONFLICT))
    with pytest.raises(AppleFailure, match="takes no other upload") as raised:
        deliver(action, stack)
    assert "begun 2026-01-02 10:04:05 UTC; Another upload is pending" in raised.value.why
    assert "plan anew: the plan will name the discard" in raised.value.remedy
    assert not raised.value.ambiguous
    assert apple.count("DELETE") == 0


def test_a_conflict_without_one_is_told_as_it_is(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.reserve("2.5.0", "250", "FAILED")
    apple.faults.append(Fault("POST /v1/buildUploads", "409", body=CONFLICT))
    with pytest.raises(ConnectFault, match="refused POST"):
        deliver(action, stack)


def test_a_refused_build_number_says_what_to_do(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    body = (
        b'{"errors":[{"status":"409","code":"ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE","title":"used",'
        b'"detail":"The bundle version must be higher than the previously uploaded version.",'
        b'"source":{"pointer":"/data/attributes/cfBundleVersion"},"meta":{"previousBundleVersion":"251"}}]}'
    )
    apple.faults.append(Fault("POST /v1/buildUploads", "409", body=body))
    with pytest.raises(ConnectFault, match="must be higher") as raised:
        deliver(action, stack)
    assert not raised.value.ambiguous
    assert raised.value.errors[0].previous == "251"
    assert "CURRENT_PROJECT_VERSION" in raised.value.remedy


def test_a_changed_file_is_not_sent(apple: LittleApple, stack: Stack, action: UploadBuild, ipa: Path) -> None:
    ipa.write_bytes(b"something else")
    with pytest.raises(UsageFault, match="is not the file that was judged"):
        deliver(action, stack)
    assert apple.asked == []


def test_only_products_for_the_store_are_sent(stack: Stack, action: UploadBuild, tmp_path: Path) -> None:
    (tmp_path / "App.dmg").write_bytes(b"x")
    with pytest.raises(UsageFault, match=r"App\.dmg cannot be uploaded"):
        deliver(replace(action, path=str(tmp_path / "App.dmg"), sha256="", size=0), stack)


def test_secrets_of_the_addresses_are_not_told(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    apple.faults.append(Fault("PUT /store", "reset", 99))
    with pytest.raises(AppleFailure) as raised:
        deliver(action, stack)
    assert "hidden" not in f"{raised.value} {raised.value.remedy}"
    assert not raised.value.ambiguous, "nothing was committed"


def test_four_parts_travel_at_once(apple: LittleApple, stack: Stack, action: UploadBuild) -> None:
    together = threading.Barrier(4, timeout=5)
    send = stack.live.send

    def meet(request: Any) -> Any:
        if request.method == "PUT" and request.body.offset < 4000:
            together.wait()
        return send(request)

    stack.live.send = meet  # type: ignore[method-assign]
    assert deliver(action, stack)["parts"] == 6
