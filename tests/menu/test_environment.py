"""The first call on a fresh clone, whatever comes between. A played Python stands in for venv and pip: no network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rehearsals.theatre import ROOT, Told
from tests.workflows.runner import baited, made_environment

PLAYED = """#!/bin/bash
# Holds on where a file in $STAGE says so, after telling its process id.
hold() {
  [ -e "$STAGE/hold-$1" ] || return 0
  echo $$ >"$STAGE/reached"
  while [ -e "$STAGE/hold-$1" ]; do sleep 0.02; done
}
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
case "$*" in
  *fcntl*) exec "$REAL" "$@" ;;
  "-c import sys"*) exit 0 ;;
  "-I -m venv "*)
    echo "$*" >>"$STAGE/venvs"
    mkdir -p "$4/bin" && touch "$4/pyvenv.cfg" && cp "${BASH_SOURCE[0]}" "$4/bin/python"
    hold venv
    touch "$4/pip" ;;
  "-I -m pip --version") [ -e "$here/pip" ] ;;
  "-I -m pip install "*)
    if [ -e "$STAGE/offline" ]; then echo "no route to the index" >&2; exit 1; fi
    [ ! -e "$here/half" ] || exit 3
    echo "$*" >>"$STAGE/installations"
    touch "$here/half"
    hold pip
    rm "$here/half"
    touch "$here/packages" ;;
  "-I -m compileall "*) ;;
  "-P -m pipeline "*) [ -e "$here/packages" ] && [ ! -e "$here/half" ] && echo "the menu: $4" ;;
  *) echo "not played: $*" >&2; exit 99 ;;
esac
"""


@dataclass(frozen=True)
class Clone:
    """A fresh clone with a played Python."""

    place: Path
    stage: Path

    @property
    def environment(self) -> Path:
        return self.place / ".venv"

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.place / "scripts/run", "--list"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHON": str(self.stage / "python"),
                "STAGE": str(self.stage),
                "REAL": sys.executable,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> Told:
        process = self.start()
        out, err = process.communicate(timeout=60)
        return Told(process.returncode, out, err)

    def works(self) -> None:
        told = self.run()
        assert (told.code, told.out) == (0, "the menu: --list\n"), told

    def times(self, what: str) -> int:
        path = self.stage / what
        return len(path.read_text().splitlines()) if path.exists() else 0

    def reached(self) -> int:
        """The process that holds on."""
        path = self.stage / "reached"
        until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def gone(process: int) -> bool:
    """Ended; one whose parent has not asked for its exit code yet has ended as well."""
    stat = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False).stdout
    return not stat.strip() or stat.startswith("Z")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", tmp_path / "stage")
    (made.place / "scripts").mkdir(parents=True)
    (made.place / "requirements").mkdir()
    (made.place / "pipeline").mkdir()
    made.stage.mkdir()
    for name in ("environment", "run"):
        shutil.copy(ROOT / "scripts" / name, made.place / "scripts" / name)
    for name in ("run", "test"):
        (made.place / "requirements" / f"{name}.lock").write_text(f"{name}==1\n")
    python = made.stage / "python"
    python.write_text(PLAYED)
    python.chmod(0o755)
    return made


def test_the_first_call_makes_it_and_the_second_finds_it(clone: Clone) -> None:
    clone.works()
    clone.works()
    assert (clone.times("venvs"), clone.times("installations")) == (1, 1)


@pytest.mark.parametrize("where", ["venv", "pip"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_interrupted_is_made_anew(clone: Clone, where: str, number: signal.Signals) -> None:
    hold = clone.stage / f"hold-{where}"
    hold.touch()
    process = clone.start()
    held = clone.reached()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[1:] == ["interrupted: the environment is not finished; the next call sees to it"]
    until(lambda: gone(held))
    hold.unlink()
    clone.works()
    assert clone.times("venvs") == 2


@pytest.mark.parametrize("where", ["venv", "pip"])
def test_what_was_killed_is_made_anew(clone: Clone, where: str) -> None:
    hold = clone.stage / f"hold-{where}"
    hold.touch()
    process = clone.start()
    held = clone.reached()
    process.kill()
    os.kill(held, signal.SIGKILL)
    process.communicate(timeout=60)
    hold.unlink()
    clone.works()
    assert clone.times("venvs") == 2


@pytest.mark.parametrize("killed", [False, True], ids=["two at once", "the first was killed but not what it started"])
def test_the_second_call_waits_for_the_first_and_says_so(clone: Clone, killed: bool) -> None:
    hold = clone.stage / "hold-pip"
    hold.touch()
    first = clone.start()
    clone.reached()
    if killed:
        first.kill()
        first.wait(timeout=60)
    second = clone.start()
    assert second.stderr
    assert second.stderr.readline() == "another call is making the environment: waiting for it…\n"
    hold.unlink()
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (0, "the menu: --list\n"), err
    out, err = first.communicate(timeout=60)
    assert killed or (first.returncode, out) == (0, "the menu: --list\n"), err
    assert clone.times("installations") == (2 if killed else 1)


def test_whoever_waits_can_be_interrupted(clone: Clone) -> None:
    hold = clone.stage / "hold-pip"
    hold.touch()
    first = clone.start()
    clone.reached()
    second = clone.start()
    assert second.stderr
    second.stderr.readline()
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=60)
    assert second.returncode == 130
    hold.unlink()
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_without_a_network_it_says_what_why_and_what_to_do(clone: Clone) -> None:
    offline = clone.stage / "offline"
    offline.touch()
    told = clone.run()
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[1:] == [
        "no route to the index",
        "error: the environment could not be made (pip ended with 1 on requirements/run.lock, see above)",
        "  help: is the network there? Behind a mirror set PIP_INDEX_URL; then do the same again",
    ]
    offline.unlink()
    clone.works()


def test_a_lock_file_that_cannot_be_fetched_leaves_what_was_there(clone: Clone) -> None:
    clone.works()
    lock, offline = clone.place / "requirements/run.lock", clone.stage / "offline"
    lock.write_text("run==2\n")
    offline.touch()
    assert clone.run().code == 2
    lock.write_text("run==1\n")
    clone.works()
    lock.write_text("run==2\n")
    offline.unlink()
    clone.works()
    assert (clone.times("venvs"), clone.times("installations")) == (1, 2)


def test_an_environment_whose_python_has_gone_is_made_anew(clone: Clone) -> None:
    clone.works()
    (clone.environment / "bin/python").unlink()
    clone.works()
    assert clone.times("venvs") == 2


def test_a_folder_of_other_things_is_refused_and_kept(clone: Clone) -> None:
    clone.environment.mkdir()
    (clone.environment / "thesis.txt").touch()
    for _ in range(2):
        told = clone.run()
        assert told.code == 2
        assert "holds other things" in told.err
        assert "  help: " in told.err
    assert [path.name for path in clone.environment.iterdir()] == ["thesis.txt"]


def test_an_environment_made_by_hand_is_completed_and_never_removed(clone: Clone) -> None:
    (clone.environment / "bin").mkdir(parents=True)
    (clone.environment / "pyvenv.cfg").touch()
    (clone.environment / "own").touch()
    shutil.copy(clone.stage / "python", clone.environment / "bin/python")
    (clone.stage / "hold-pip").touch()
    process = clone.start()
    clone.reached()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    (clone.stage / "hold-pip").unlink()
    (clone.environment / "half").unlink()
    clone.works()
    assert (clone.environment / "own").exists()


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path) -> None:
    app = tmp_path / "app"
    caught = baited(app)
    env = made_environment(ROOT, tmp_path) | {"PYTHONPATH": str(app)}
    done = subprocess.run(
        [ROOT / "scripts/run", "--list"], cwd=app, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert not caught.exists(), caught.read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "release" in done.stdout
