"""What is kept between runs: whole or not at all, for its owner alone, in bounded space, and never a nuisance."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ports import memory as port
from pipeline.ports.memory import LiveMemory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def memory(tmp_path: Path) -> LiveMemory:
    return LiveMemory(tmp_path / "memory")


def record(folder: Path) -> Path:
    (found,) = (folder / "memory").iterdir()
    return found


def test_what_was_saved_is_loaded(memory: LiveMemory, tmp_path: Path) -> None:
    assert memory.load("a") is None
    memory.save("a", b"one")
    memory.save("a", b"two")
    memory.save("b", b"")
    assert (memory.load("a"), memory.load("b"), memory.load("c")) == (b"two", b"", None)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "memory").iterdir()} == {0o600}
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o700


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_record_is_no_record(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("kept")
    held = LiveMemory(folder / "memory")
    held.save("a", b'{"x": 1}' * 20)
    path = record(folder)
    body = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    else:
        spot = data.draw(st.integers(0, len(body) - 1))
        body[spot] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    assert held.load("a") is None


def test_what_others_may_read_or_write_is_not_believed(memory: LiveMemory, tmp_path: Path) -> None:
    memory.save("a", b"x")
    for path, wrong, right in ((tmp_path / "memory", 0o770, 0o700), (record(tmp_path), 0o640, 0o600)):
        path.chmod(wrong)
        assert memory.load("a") is None
        path.chmod(right)
        assert memory.load("a") == b"x"


def test_a_link_in_place_of_a_record_is_neither_followed_nor_written_through(
    memory: LiveMemory, tmp_path: Path
) -> None:
    memory.save("a", b"x")
    path = record(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert memory.load("a") is None
    before = (tmp_path / "elsewhere").read_bytes()
    memory.save("a", b"y")
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert memory.load("a") == b"y"


def test_a_link_in_place_of_the_folder_is_not_followed(memory: LiveMemory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "memory").symlink_to(tmp_path / "elsewhere")
    memory.save("a", b"x")
    assert memory.load("a") is None
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pipe_in_place_of_a_record_keeps_nobody_waiting(memory: LiveMemory, tmp_path: Path) -> None:
    memory.save("a", b"x")
    path = record(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert memory.load("a") is None


@pytest.mark.parametrize("home", ["/dev/null/cache", "/proc/cache"])
def test_a_home_that_cannot_be_written_is_no_harm(home: str) -> None:
    memory = LiveMemory(Path(home) / "facts")
    memory.save("a", b"x")
    assert memory.load("a") is None


def test_a_disk_that_is_full_is_no_harm(memory: LiveMemory, tmp_path: Path) -> None:
    memory.save("a", b"old")
    program = (
        "import resource, signal; from pathlib import Path; from pipeline.ports.memory import LiveMemory\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"LiveMemory(Path({str(tmp_path / 'memory')!r})).save('a', b'x' * 100_000)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert memory.load("a") == b"old"
    assert len(list((tmp_path / "memory").iterdir())) == 1, "what was begun is taken away"


def test_two_processes_at_once(memory: LiveMemory, tmp_path: Path) -> None:
    """Whoever loads while others save gets what one of them saved, whole."""
    program = (
        "import sys; from pathlib import Path; from pipeline.ports.memory import LiveMemory\n"
        f"memory, letter = LiveMemory(Path({str(tmp_path / 'memory')!r})), sys.argv[1].encode()\n"
        "for _ in range(150): memory.save('a', letter * 50_000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, letter], cwd=ROOT) for letter in "xy"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = memory.load("a")
        seen.add(None if data is None else (data[:1], len(data), len(set(data))))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {None, (b"x", 50_000, 1), (b"y", 50_000, 1)}
    assert memory.load("a") in (b"x" * 50_000, b"y" * 50_000)
    assert len(list((tmp_path / "memory").iterdir())) == 1


def test_the_oldest_go(memory: LiveMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(number: int, size: int) -> None:
        memory.save(str(number), b"x" * size)
        newest = max((tmp_path / "memory").iterdir(), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (number, number))

    monkeypatch.setattr(port, "MOST", 3)
    for number in range(6):
        save(number, 10)
    assert [number for number in range(6) if memory.load(str(number))] == [3, 4, 5]
    monkeypatch.setattr(port, "WHOLE", 3_000)
    save(6, 2_000)
    save(7, 2_000)
    assert memory.load("6") is None
    assert memory.load("7") is not None
    assert sum(path.stat().st_size for path in (tmp_path / "memory").iterdir()) <= 3_000


def test_what_is_too_large_is_not_kept(memory: LiveMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "LIMIT", 1_000)
    memory.save("a", b"x" * 900)
    assert memory.load("a") is None


def test_what_a_killed_process_began_is_taken_away(memory: LiveMemory, tmp_path: Path) -> None:
    memory.save("a", b"x")
    old, young = tmp_path / "memory" / "1.part", tmp_path / "memory" / "2.part"
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 7200,) * 2)
    memory.save("a", b"y")
    assert (old.exists(), young.exists()) == (False, True)


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(port.SWITCH, raising=False)
    for told, folder in (
        (str(tmp_path / "c"), tmp_path / "c/pipeline/facts"),
        ("relative", tmp_path / "h" / port._usual() / "pipeline/facts"),
        ("", tmp_path / "h" / port._usual() / "pipeline/facts"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", told)
        monkeypatch.setenv("HOME", str(tmp_path / "h"))
        found = LiveMemory.of_user()
        assert found is not None
        found.save("a", b"x")
        assert len(list(folder.iterdir())) == 1
    monkeypatch.setenv(port.SWITCH, "off")
    assert LiveMemory.of_user() is None
