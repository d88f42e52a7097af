"""Installing and removing on a simulated Mac, with every tool failing in turn and the process killed everywhere."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.signing import material
from pipeline.model import AppleFailure, UsageFault
from pipeline.ports.tools import Completed
from pipeline.simulator.authority import Kind
from pipeline.simulator.machine.scenario import BARE, Scenario
from pipeline.simulator.machine.secrets import KINDS
from tests.rooms.keychain.runner import ROOT, Runner, Wrapped, states, summaries

LOGIN = "Library/Keychains/login.keychain-db"
GATED_TOOLS, GATED_HOME = ("run",), ("write", "remove")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of key derivation cost time and prove nothing here."""
    monkeypatch.setattr(material, "ROUNDS", 1)


def calls_of(runner: Runner) -> int:
    """How many calls of `security` an install makes."""
    runner.install()
    count = sum(argv[0] == "security" for argv in runner.argv)
    runner.uninstall()
    runner.argv.clear()
    return count


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    return calls_of(Runner(tmp_path_factory.mktemp("calls")))


def test_installed_seen_used_and_taken_away(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    before, listed = runner.files(), runner.searched()
    assert "0 valid identities" in runner.identities()
    run = runner.install()
    assert (run.exit_code, states(run)) == (0, {"keychain": "PASSED", "profiles": "PASSED"}), summaries(run)
    assert "2 valid identities" in runner.identities()
    (added,) = set(runner.searched()) - set(listed)
    assert runner.searched() == [*listed, added]
    names = {path.rpartition("/")[2].partition(".")[0] for path in runner.files() if "rovision" in path}
    assert names == {profile.uuid for profile in runner.machine.provisioned.store_profiles}
    usable = {each.sha1 for each in runner.machine.keychain.of_kind(*Kind)}
    assert usable == {each.sha1 for each in runner.machine.provisioned.identities if each.kind in KINDS}

    again = runner.install()
    assert (again.exit_code, [a for step in again.steps for a in step.actions]) == (0, [])

    gone = runner.uninstall()
    assert gone.exit_code == 0, summaries(gone)
    assert (runner.files(), runner.searched()) == (before, listed)
    assert runner.uninstall().exit_code == 0


def test_a_mac_that_can_sign_already_keeps_what_it_had(tmp_path: Path) -> None:
    runner = Runner(tmp_path, Scenario())
    before = runner.files()
    assert before, "the Mac has profiles of its own"
    assert runner.install().exit_code == 0
    assert runner.uninstall().exit_code == 0
    assert runner.files() == before


def test_a_profile_of_the_same_name_is_replaced_and_stays(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    profile = runner.machine.provisioned.store_profiles[0]
    path = f"Library/MobileDevice/Provisioning Profiles/{profile.uuid}.mobileprovision"
    runner.home.write(path, b"an older one")
    assert runner.install().exit_code == 0
    assert runner.home.read(path) == profile.data
    assert runner.uninstall().exit_code == 0
    assert list(runner.files()) == [path]


def test_two_jobs_share_a_mac(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.variables = {"GITHUB_RUN_ID": "1", "GITHUB_JOB": "release"}
    assert runner.install().exit_code == 0
    first = set(runner.files())
    runner.variables = {"GITHUB_RUN_ID": "2", "GITHUB_JOB": "release"}
    assert runner.install().exit_code == 0
    assert len(runner.searched()) == 3
    runner.variables = {"GITHUB_RUN_ID": "1", "GITHUB_JOB": "release"}
    gone = runner.uninstall()
    assert gone.exit_code == 0
    assert any("belongs to the job 2//release/" in each for each in summaries(gone))
    left = set(runner.files())
    assert len(runner.searched()) == 2
    assert {path for path in left if "rovision" in path} == {path for path in first if "rovision" in path}, (
        "the profiles that the other job counts on are gone"
    )
    assert "2 valid identities" in runner.identities()
    runner.variables = {"GITHUB_RUN_ID": "2", "GITHUB_JOB": "release"}
    assert runner.uninstall().exit_code == 0
    assert (runner.files(), len(runner.searched())) == ({}, 1)


def test_without_material_the_mac_keeps_what_it_has(tmp_path: Path) -> None:
    run = Runner(tmp_path, environment={}).install()
    assert run.exit_code == 0
    assert not any(step.actions for step in run.steps)
    (finding,) = run.findings
    assert finding.rule == "KEYC001"
    assert "SIGNING_CERTIFICATES" in finding.remedy


def test_a_wrong_password_stops_before_anything_is_made(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.secrets["SIGNING_CERTIFICATES_PASSWORD"] = "another one"
    run = runner.install()
    assert run.exit_code == 1
    assert {finding.rule for finding in run.findings} == {"KEYC002"}
    assert not runner.files()


def test_files_before_the_environment(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    path = tmp_path / "given" / "identity.p12"
    path.parent.mkdir()
    path.write_bytes(base64.b64decode(runner.secrets.pop("SIGNING_CERTIFICATES")))
    del runner.secrets["SIGNING_PROFILES"]
    runner.named = (str(path.parent),)
    run = runner.install()
    assert run.exit_code == 0, summaries(run)
    assert "2 valid identities" in runner.identities()
    assert runner.uninstall().exit_code == 0
    assert not runner.files()


@pytest.mark.parametrize("fails", ["import", "set-key-partition-list", "list-keychains -s", "search list is lost"])
def test_what_a_scenario_spoils_is_taken_back(tmp_path: Path, fails: str) -> None:
    runner = Runner(tmp_path, Scenario(**{**BARE.__dict__, "security_fails": (fails,)}))
    listed = runner.searched()
    run = runner.install()
    assert run.exit_code == 4, run.verdict
    assert (runner.searched(), runner.files()) == (listed, {})


# Every call in turn ------------------------------------------------------------------------------------------------


class Struck:
    """Fails the call of `security` with that number, and with `deaf` all that come after it."""

    def __init__(self, inner: Any, number: int, how: str, *, deaf: bool = False) -> None:
        self.source = inner.source
        self._inner = inner
        self._number = number
        self._how = how
        self._deaf = deaf
        self._seen = 0

    def find(self, name: str) -> str | None:
        return self._inner.find(name)

    def run(self, argv: Any, **more: Any) -> Completed:
        if argv[0] != "security":
            return self._inner.run(argv, **more)
        self._seen += 1
        hit = self._seen > self._number if self._deaf else False
        if self._seen != self._number and not hit:
            return self._inner.run(argv, **more)
        if self._how.endswith("afterwards"):
            self._inner.run(argv, **more)
        if self._how.startswith("times out"):
            raise AppleFailure("security did not finish within 60 s", ambiguous=True)
        if self._how == "missing":
            return Completed(tuple(argv), 127, "", "security: command not found")
        return Completed(tuple(argv), 1, "", "security: an error\n")


HOWS = ("fails", "fails afterwards", "times out", "times out afterwards", "missing")


@pytest.mark.parametrize("how", HOWS)
def test_whichever_call_fails_the_search_list_is_as_it_was(tmp_path: Path, calls: int, how: str) -> None:
    for number in range(1, calls + 1):
        runner = Runner(tmp_path / str(number))
        listed, whole = runner.searched(), runner.tools
        runner.tools = Struck(whole, number, how)
        run = runner.install()
        made = [a.outcome for step in run.steps for a in step.actions if "identities" in a.describe]
        if made and made[0] != "DONE":
            assert (runner.searched(), runner.files()) == (listed, {}), f"call {number}"
        assert run.exit_code != 0, f"call {number}"
        runner.tools = whole
        assert runner.install().exit_code == 0, f"call {number}"
        assert runner.uninstall().exit_code == 0, f"call {number}"
        assert (runner.searched(), runner.files()) == (listed, {}), f"call {number}"


def test_a_tool_that_never_answers_again_leaves_what_the_next_run_removes(tmp_path: Path, calls: int) -> None:
    for number in range(1, calls + 1):
        runner = Runner(tmp_path / str(number))
        listed, whole = runner.searched(), runner.tools
        runner.tools = Struck(whole, number, "times out", deaf=True)
        assert runner.install().exit_code != 0
        runner.tools = whole
        assert runner.uninstall().exit_code == 0
        assert (runner.searched(), runner.files()) == (listed, {}), f"call {number}"


@pytest.mark.parametrize("name", GATED_HOME)
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str) -> None:
    number = 0
    while True:
        number += 1
        runner = Runner(tmp_path / str(number))
        listed, whole, seen = runner.searched(), runner.home, [0]

        def gate(what: str, args: Any, seen: list[int] = seen, number: int = number) -> None:
            if what == f"before {name}":
                seen[0] += 1
                if seen[0] == number:
                    raise UsageFault(f"~/{args[0]} cannot be written", why="No space left on device")

        runner.home = Wrapped(whole, gate, GATED_HOME)
        run = runner.install()
        if seen[0] < number:
            assert run.exit_code == 0
            break
        assert run.exit_code != 0, number
        made = [a.outcome for step in run.steps for a in step.actions if "identities" in a.describe]
        if made and made[0] != "DONE":
            assert runner.searched() == listed, number
        runner.home = whole
        assert runner.uninstall().exit_code == 0
        assert (runner.searched(), runner.files()) == (listed, {}), number
    assert number > (6 if name == "write" else 2)


# Killed ------------------------------------------------------------------------------------------------------------


def test_killed_at_every_boundary(tmp_path: Path) -> None:
    """With SIGKILL before and after every tool and every change of the home folder, installing and removing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.rehearsals.test_install", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["install"] > 50
    assert told["uninstall"] > 25


def _forked(work: Any) -> int:
    import traceback

    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must never run on into its parent's code
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def _deadly(runner: Runner, number: int) -> list[int]:
    seen = [0]

    def gate(what: str, args: Any) -> None:
        if args and isinstance(args[0], list) and args[0][0] == "printenv":
            return
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    runner.tools = Wrapped(runner.tools, gate, GATED_TOOLS)
    runner.home = Wrapped(runner.home, gate, GATED_HOME)
    return seen


def _kill_everywhere(folder: Path, what: str) -> int:
    """Each boundary: killed there, the search list is as it was or complete; the other command then ends clean."""
    number = 0
    while True:
        number += 1
        where = folder / f"{what}{number}"
        plain = Runner(where)
        listed = plain.searched()
        if what == "uninstall":
            assert plain.install().exit_code == 0
            assert len(plain.searched()) == len(listed) + 1

        def killed(number: int = number, plain: Runner = plain) -> None:
            _deadly(plain, number)
            run = plain.install() if what == "install" else plain.uninstall()
            assert run.exit_code == 0

        status = _forked(killed)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            return number - 1
        after = plain.searched()
        assert after[: len(listed)] == listed, (number, after)
        for path in after[len(listed) :]:
            assert Path(path).is_file(), (number, after)
            assert plain.keychains.read(Path(path)).items, (number, after)
        plain.count = 10
        if number % 2:
            run = plain.install()
            assert run.exit_code == 0, (number, summaries(run))
            assert "2 valid identities" in plain.identities(), number
            assert len(plain.searched()) == len(listed) + 1, (number, plain.searched())
        run = plain.uninstall()
        assert run.exit_code == 0, (number, summaries(run), run.verdict)
        assert (plain.searched(), plain.files()) == (listed, {}), (number, sorted(plain.files()))


# Two at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["install", "uninstall"])
def test_two_runs_with_folders_of_their_own_share_the_search_list(tmp_path: Path, other: str) -> None:
    """Each holds on right before it sets the list, until the other is there too: without a lock, one would be lost."""
    runner = Runner(tmp_path / "mac")
    (listed,) = runner.searched()
    (tmp_path / "secrets.json").write_text(json.dumps(runner.secrets))
    if other == "uninstall":
        runner.variables = {"GITHUB_RUN_ID": "2"}
        assert runner.install().exit_code == 0
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.rehearsals.test_install", "race", str(tmp_path), number, what],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, what in (("1", "install"), ("2", other))
    ]
    told = [racer.communicate(timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], told
    searched = runner.searched()
    assert searched[0] == listed
    assert len(searched) == (3 if other == "install" else 2)
    assert all(runner.keychains.read(Path(path)).items for path in searched[1:])
    for number in ("1", "2"):
        runner.variables = {"GITHUB_RUN_ID": number}
        assert runner.uninstall().exit_code == 0
    assert (runner.searched(), runner.files()) == ([listed], {})


def _race(folder: Path, number: str, what: str) -> None:
    """One job of two on a Mac, in a process and with a folder of runs of its own."""
    runner = Runner(folder / "mac", environment=json.loads((folder / "secrets.json").read_bytes()))
    runner.folder = folder / f"runs{number}"
    runner.variables = {"GITHUB_RUN_ID": number}
    arrived, other = folder / f"at{number}", folder / ("at2" if number == "1" else "at1")

    def gate(when: str, args: Any) -> None:
        if when == "before run" and "list-keychains" in args[0] and "-s" in args[0]:
            arrived.touch()
            end = time.monotonic() + 3.0
            while not other.exists() and time.monotonic() < end:
                time.sleep(0.01)

    runner.tools = Wrapped(runner.tools, gate, GATED_TOOLS)
    run = runner.install() if what == "install" else runner.uninstall()
    assert run.exit_code == 0, (run.verdict, summaries(run))
    assert arrived.exists()


# Nothing leaks -----------------------------------------------------------------------------------------------------


def test_no_secret_is_told_anywhere(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    runner = Runner(tmp_path)
    password = runner.secrets["SIGNING_CERTIFICATES_PASSWORD"]
    team = runner.machine.provisioned
    keys = [
        each.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for each in team.identities
    ]
    scalars = [each.key.private_numbers().private_value.to_bytes(32, "big") for each in team.identities]
    runner.install()
    made = [word for text in runner.told for word in text.split() if len(word) == 48]
    assert len(set(made)) == 3, "one password for the keychain, and one for each .p12"
    runner.tools = Struck(runner.tools, 5, "fails")
    runner.uninstall()
    runner.install()
    runner.install()
    needles = [
        *(text.encode() for text in (password, *made, *runner.secrets.values())),
        *keys,
        *scalars,
        *(base64.b64encode(each) for each in (*keys, *scalars)),
        *(each.hex().encode() for each in scalars),
    ]
    words = "\0".join(word for argv in runner.argv for word in argv).encode()
    assert not [needle for needle in needles if needle in words]
    store = runner.machine.home / "Library/Keychains/rehearsal-authority.json"
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != store:
            data = path.read_bytes()
            assert not [needle for needle in needles if needle in data], path
            if "Application Support/pipeline" in str(path) or path.suffix == ".keychain-db":
                assert path.stat().st_mode & 0o077 == 0, path


if __name__ == "__main__":
    material.ROUNDS = 1
    if sys.argv[1] == "race":
        _race(Path(sys.argv[2]), *sys.argv[3:])
    else:
        counts = {what: _kill_everywhere(Path(sys.argv[1]), what) for what in ("install", "uninstall")}
        print(json.dumps(counts))  # noqa: T201
