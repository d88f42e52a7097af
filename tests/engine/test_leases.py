"""Leases: one owner at a time, also across processes, and a dead owner's lease is free at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.engine.leases import LeaseLost, Leases
from pipeline.model import Refused, UsageFault


def test_a_second_owner_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    Leases(tmp_path, "Ann").acquire("isometry 2.5.0")
    with pytest.raises(Refused) as told:
        Leases(tmp_path, "Bob").acquire("isometry 2.5.0")
    assert "Ann" in told.value.why
    assert str(os.getpid()) in told.value.why
    assert told.value.remedy
    assert Leases(tmp_path, "Bob").acquire("another subject").epoch == 1


def test_a_released_lease_can_be_taken_and_the_epoch_grows(tmp_path: Path) -> None:
    ann, bob = Leases(tmp_path, "Ann"), Leases(tmp_path, "Bob")
    first = ann.acquire("x")
    ann.release(first)
    second = bob.acquire("x")
    assert second.epoch == first.epoch + 1
    ann.release(first)  # late, and without effect
    bob.confirm(second)
    with pytest.raises(LeaseLost):
        ann.confirm(first)


def test_an_expired_lease_is_fenced_off(tmp_path: Path) -> None:
    ann, bob = Leases(tmp_path, "Ann", term=-1), Leases(tmp_path, "Bob")
    first = ann.acquire("x")
    bob.acquire("x")
    with pytest.raises(LeaseLost):
        ann.renew(first)


def test_a_dead_owners_lease_is_free_at_once(tmp_path: Path) -> None:
    code = f"from pathlib import Path\nfrom pipeline.engine.leases import Leases\nLeases(Path({str(tmp_path)!r}), 'dead').acquire('x')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert Leases(tmp_path, "Bob").acquire("x").epoch == 2


def test_a_living_process_is_respected(tmp_path: Path) -> None:
    code = (
        f"import sys\nfrom pathlib import Path\nfrom pipeline.engine.leases import Leases\n"
        f"Leases(Path({str(tmp_path)!r}), 'alive').acquire('x')\nprint('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Refused):
            Leases(tmp_path, "Bob").acquire("x")
        holder.kill()


SLEEPER = """
import sys
from pathlib import Path
from pipeline.engine.leases import LeaseLost, Leases
leases = Leases(Path(sys.argv[1]), "sleeper", term=0.2)
with leases.hold("x") as lease:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        leases.renew(lease)
    except LeaseLost as fault:
        print(fault.why, flush=True)
    else:
        print("still mine", flush=True)
"""


@pytest.mark.parametrize(("stopped", "told"), [(True, "Bob took it"), (False, "still mine")])
def test_who_slept_through_the_end_of_a_lease_is_told_when_he_asks(tmp_path: Path, stopped: bool, told: str) -> None:
    argv = [sys.executable, "-c", SLEEPER, str(tmp_path)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "held\n"
        if stopped:
            sleeper.send_signal(signal.SIGSTOP)
            while not (tmp_path / "Bob").exists():
                with contextlib.suppress(Refused):
                    Leases(tmp_path, "Bob").acquire("x")
                    (tmp_path / "Bob").touch()
            sleeper.send_signal(signal.SIGCONT)
        answer, _ = sleeper.communicate("go on\n", timeout=60)
        assert answer == f"{told}\n"


def test_only_one_of_many_gets_it(tmp_path: Path) -> None:
    won: list[str] = []

    def reach(name: str) -> None:
        try:
            Leases(tmp_path, name).acquire("x")
        except Refused:
            return
        won.append(name)

    threads = [threading.Thread(target=reach, args=(f"n{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": 3}', "null"])
def test_a_spoiled_lease_file_does_not_lock_for_ever(tmp_path: Path, text: str) -> None:
    leases = Leases(tmp_path, "Ann")
    leases.acquire("x")
    next(tmp_path.glob("*.json")).write_text(text)
    assert Leases(tmp_path, "Bob").acquire("x").owner == "Bob"


def test_holding_gives_it_back_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Leases(tmp_path, "Ann").hold("x"):
        _ = 1 / 0
    Leases(tmp_path, "Bob").acquire("x")
    assert json.loads(next(tmp_path.glob("*.json")).read_text())["owner"] == "Bob"


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageFault):
        Leases(tmp_path / "file", "Ann").acquire("x")


def test_two_lanes_of_one_run_take_turns(tmp_path: Path) -> None:
    leases = Leases(tmp_path, "Ann")
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with leases.hold("group") as lease:
                inside.append(1)
                most.append(len(inside))
                leases.confirm(lease)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) == 60
