"""What was answered is kept, whatever happens to the process; what was not is kept whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario
from pipeline.simulator.state import JOURNAL, Record, State, StateFault

from .conftest import CONNECT, MAPPING, START, Client, document, ipa

PATHS = (
    "/v1/apps?include=betaGroups",
    "/v1/builds?include=app,preReleaseVersion,betaGroups,buildBetaDetail,buildUpload",
    "/v1/bundleIds?include=bundleIdCapabilities",
    "/v1/betaGroups?include=builds",
)


def again(apple: SimulatedApple) -> SimulatedApple:
    return SimulatedApple(apple.state_dir, Scenario.load(MAPPING), now=lambda: START)


def test_another_process_sees_the_same_account(client: Client) -> None:
    upload = client.upload(ipa())
    client.after = 500
    other = Client(again(client.apple))
    other.after = 500
    for path in (*PATHS, f"/v1/buildUploads/{upload}?include=build"):
        assert other.get(path).document == client.get(path).document
    assert other.apple.effects() == client.apple.effects()


def test_an_upload_goes_on_where_it_was_cut_off(client: Client) -> None:
    asset = ipa()
    upload = client.reserve()
    file = client.announce(upload, len(asset)).data
    operations = file["attributes"]["uploadOperations"]
    for operation in operations[::2]:
        client.put_part(operation["url"], asset[operation["offset"] : operation["offset"] + operation["length"]])
    other = Client(again(client.apple))
    assert other.get(f"/v1/buildUploadFiles/{file['id']}").data["attributes"]["uploadOperations"] == operations
    for operation in operations[1::2]:
        other.put_part(operation["url"], asset[operation["offset"] : operation["offset"] + operation["length"]])
    other.change("buildUploadFiles", file["id"], {"uploaded": True})
    other.after = 40
    assert other.state(upload)["state"] == "COMPLETE"


def test_a_torn_line_is_dropped_and_the_next_one_is_whole(client: Client) -> None:
    first = client.reserve()
    journal = client.apple.state_dir / JOURNAL
    whole = journal.read_bytes()
    client.reserve("9.9", "9")
    torn = journal.read_bytes()[len(whole) :]
    for length in (1, len(torn) // 2, len(torn) - 1):
        journal.write_bytes(whole + torn[:length])
        other = Client(again(client.apple))
        assert [effect["subject"] for effect in other.apple.effects()] == [f"buildUploads/{first}"]
        second = other.reserve("9.9", "9")
        third = Client(again(client.apple))
        assert third.get(f"/v1/buildUploads/{second}").status == 200
        assert len(third.apple.effects()) == 2


def test_a_foreign_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("{}\nhello\n{}\n")
    with pytest.raises(StateFault, match=r"apple\.jsonl:1"):
        State(tmp_path)


def test_one_mutation_is_one_line(client: Client) -> None:
    journal = client.apple.state_dir / JOURNAL
    before = journal.read_bytes().count(b"\n")
    client.upload(ipa())
    after = journal.read_bytes().count(b"\n")
    assert after - before == len(client.apple.effects())


def test_identifiers_are_never_used_twice(tmp_path: Path) -> None:
    state = State(tmp_path)
    seen = set()
    for _ in range(3):
        identifier = state.fresh("things", "same")
        seen.add(identifier)
        state.change("made", "", [Record("things", identifier)])
        state.change("unmade", "", drops=[("things", identifier)])
    assert len(seen) == 3
    assert State(tmp_path).fresh("things", "same") not in seen


def test_threads_may_ask_at_once(client: Client) -> None:
    app = client.app
    statuses: list[int] = []

    def create(number: int) -> None:
        mine = Client(client.apple)
        for build in range(10):
            attributes = {"cfBundleShortVersionString": str(number), "cfBundleVersion": str(build), "platform": "IOS"}
            statuses.append(mine.create("buildUploads", attributes, app=("apps", app)).status)
            mine.get("/v1/builds?include=app")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 80
    assert len(again(client.apple).effects()) == 80


WRITER = """
import sys, json
from datetime import UTC, datetime
from pathlib import Path
from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario
apple = SimulatedApple(Path(sys.argv[1]), Scenario.load(json.loads(sys.argv[2])), now=lambda: datetime.now(UTC))
headers = {"Authorization": "Bearer rehearsal", "Content-Type": "application/json"}
for number in range(100000):
    body = sys.argv[4].replace("NUMBER", str(number)).encode()
    status, _, answer = apple.handle("POST", sys.argv[3] + "/v1/buildUploads", headers, body)
    print(status, json.loads(answer)["data"]["id"], flush=True)
"""


def test_nothing_that_was_answered_is_lost_to_a_kill(tmp_path: Path, client: Client) -> None:
    attributes = {"cfBundleShortVersionString": "1", "cfBundleVersion": "NUMBER", "platform": "IOS"}
    body = json.dumps(document("buildUploads", attributes, app=("apps", client.app)))
    folder = tmp_path / "killed"
    answered: list[str] = []
    for round_ in range(3):
        argv = [sys.executable, "-c", WRITER, str(folder), json.dumps(MAPPING), CONNECT, body]
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20 + round_):
                status, identifier = writer.stdout.readline().split()
                assert status == "201"
                answered.append(identifier)
            writer.send_signal(signal.SIGKILL)
            answered += [line.split()[1] for line in writer.stdout.read().splitlines() if len(line) == 40]
    kept = Client(SimulatedApple(folder, Scenario.load(MAPPING), now=lambda: START))
    assert len(set(answered)) == len(answered)
    assert {kept.get(f"/v1/buildUploads/{identifier}").status for identifier in answered} == {200}
    subjects = [effect["subject"] for effect in kept.apple.effects()]
    assert len(set(subjects)) == len(subjects) >= len(answered)
