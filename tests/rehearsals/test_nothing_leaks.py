"""A rehearsal reaches no host and writes nothing outside its own run directory: watched, not promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsals.theatre import ROOT

WATCHED = """
import json, os, runpy, sys
seen = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime"}
def watch(event, args):
    if event == "open":
        path, mode, flags = args
        if isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & WRITES:
            seen.append(["write", os.path.abspath(os.fsdecode(path))])
    elif event in CHANGES:
        seen.extend(["write", os.path.abspath(os.fsdecode(each))] for each in args[:2] if isinstance(each, (str, bytes)) and each)
    elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        seen.append(["network", event])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork"):
        seen.append(["process", [os.fsdecode(a) for a in args[1]] if len(args) > 1 and args[1] else event])
    elif event.startswith("ctypes."):
        seen.append(["native", event])
sys.addaudithook(watch)
log = sys.argv.pop(1)
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
finally:
    done = list(seen)
    with open(log, "w") as file:
        json.dump(done, file)
"""


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("verb", [["release", "--dry-run"], ["plan"], ["doctor", "--dry-run"], ["build.check"]])
def test_a_rehearsal_stays_in_its_run_directory(tmp_path: Path, verb: list[str]) -> None:
    home, here, runs = tmp_path / "home", tmp_path / "here", tmp_path / "runs"
    for folder in (home, here, runs):
        folder.mkdir()
    log = tmp_path / "seen.json"
    before = {**listing(ROOT / "pipeline"), **listing(ROOT / ".git")}
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(log), *verb, "--runs", str(runs)],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(log.read_text())
    (run,) = runs.iterdir()
    outside = [
        path for kind, path in seen if kind == "write" and not Path(path).is_relative_to(run) and path != os.devnull
    ]
    assert outside == []
    assert [each for kind, each in seen if kind in ("network", "native")] == []
    started = [each for kind, each in seen if kind == "process"]
    assert all(argv[0] == "git" and "--no-optional-locks" in argv for argv in started), started
    assert listing(home) == {}
    assert listing(here) == {}
    assert {**listing(ROOT / "pipeline"), **listing(ROOT / ".git")} == before


def test_the_watch_sees_what_it_watches_for(tmp_path: Path) -> None:
    """A test that cannot fail proves nothing: the same watch around a program that leaks."""
    leak = tmp_path / "pipeline"
    leak.mkdir()
    (leak / "__init__.py").write_text("")
    (leak / "__main__.py").write_text(
        f"import socket, subprocess\nopen({str(tmp_path / 'leaked')!r}, 'w').close()\n"
        "s = socket.socket()\ns.settimeout(0.1)\ntry:\n    s.connect(('127.0.0.1', 9))\nexcept OSError:\n    pass\n"
        "subprocess.run(['true'])\n"
    )
    log = tmp_path / "seen.json"
    subprocess.run(
        [sys.executable, "-c", WATCHED, str(log)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        check=True,
    )
    seen = json.loads(log.read_text())
    assert {"write", "network", "process"} <= {kind for kind, _ in seen}
    assert ["write", str(tmp_path / "leaked")] in seen


def test_another_host_is_refused_in_a_rehearsal(tmp_path: Path) -> None:
    from pipeline.model import Refused
    from pipeline.ports.http import Http, Request
    from pipeline.wishes import Wishes
    from pipeline.world import open_world

    world = open_world(Wishes(theatre="rehearsal"), dry_run=True, runs=tmp_path)
    for url in (
        "https://example.com/",
        "http://127.0.0.1:80/",
        "https://api.appstoreconnect.apple.com.evil.example/v1/apps",
    ):
        with pytest.raises(Refused):
            world.ports(None)[Http].send(Request("GET", url))
