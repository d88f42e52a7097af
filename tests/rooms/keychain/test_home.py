"""The home folder: nothing outside it is touched, and one process at a time changes what is on record in it."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from pipeline.model import UsageFault
from pipeline.ports.home import FolderHome

LOCK = "a folder/of two/lock"
OUTSIDE = ["../outside", "a/../../outside", "/outside", "a/..", "", "."]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_home_folder_is_touched(tmp_path: Path, path: str) -> None:
    home = FolderHome(tmp_path / "home")
    (tmp_path / "home/a").mkdir(parents=True)
    (tmp_path / "outside").write_text("somebody's")
    path = path.replace("/outside", f"{tmp_path}/outside") if path.startswith("/") else path
    with pytest.raises(UsageFault, match="home folder"):
        home.write(path, b"ours")
    with pytest.raises(UsageFault, match="home folder"):
        home.read(path)
    with pytest.raises(UsageFault, match="home folder"):
        home.remove(path)
    with pytest.raises(UsageFault, match="home folder"), home.lock(path):
        pass
    assert (tmp_path / "outside").read_text() == "somebody's"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a", "home", "outside"]


def test_a_folder_outside_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").touch()
    for folder in ("..", "/", str(tmp_path)):
        with pytest.raises(UsageFault, match="home folder"):
            FolderHome(tmp_path / "home").find(folder, "*")


def test_a_lock_has_one_owner_at_a_time(tmp_path: Path) -> None:
    home, inside, most = FolderHome(tmp_path), [0], [0]

    def work() -> None:
        for _ in range(20):
            with FolderHome(tmp_path).lock(LOCK):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                os.sched_yield()
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert not (tmp_path / LOCK).exists()
    with home.lock(LOCK):
        modes = [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a folder", "a folder/of two", LOCK)]
    assert modes == [0o700, 0o700, 0o600]


def test_a_lock_that_is_never_given_back_is_told(tmp_path: Path) -> None:
    home = FolderHome(tmp_path)
    with home.lock(LOCK), pytest.raises(UsageFault, match="another process") as caught, home.lock(LOCK, patience=0.1):
        pytest.fail("two hold it")
    assert caught.value.remedy
    with home.lock(LOCK, patience=0.1):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        try:
            with FolderHome(tmp_path).lock(LOCK):
                os.write(told, b".")
                signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    assert os.read(ready, 1) == b"."
    os.close(ready)
    try:
        with pytest.raises(UsageFault, match="another process"), FolderHome(tmp_path).lock(LOCK, patience=0.1):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert (tmp_path / LOCK).exists()
    with FolderHome(tmp_path).lock(LOCK, patience=5.0):
        pass


def test_a_link_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageFault, match="cannot be locked"), FolderHome(tmp_path).lock("lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()
