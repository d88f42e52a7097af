"""Kills rehearsals with SIGKILL at every boundary and resumes them; run as a program, so that it may fork freely.

    python -m tests.rehearsals.killing FOLDER WHERE FIRST STEP

WHERE is "journal" (before and after each write to the journal) or "apple" (before and after each effect at the simulated
Apple). One boundary in STEP is tried, from FIRST on. Prints one JSON line a boundary, and a last one with the count.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.engine import journal
from pipeline.simulator import state
from tests.rehearsals.theatre import effects, play, play_on


def counted(target: Any, name: str, deadly: int) -> Callable[[], int]:
    """Wrap a function so that boundary number `deadly` kills the process; two boundaries a call, before and after."""
    original, seen = getattr(target, name), [0]

    def at_boundary() -> None:
        seen[0] += 1
        if seen[0] == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def inner(*args: Any, **kwargs: Any) -> Any:
        at_boundary()
        result = original(*args, **kwargs)
        at_boundary()
        return result

    setattr(target, name, inner)
    return lambda: seen[0]


PLACES: dict[str, tuple[Any, str]] = {"journal": (journal, "_write_all"), "apple": (state.State, "change")}


def forked(work: Callable[[], None]) -> int:
    """Run in a child; its wait status."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must never run on into its parent's code
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def summary(folder: Path) -> dict[str, int]:
    """How often each effect was had, without identifiers; parts may be sent again and are counted once."""
    told: dict[str, int] = {}
    for effect in effects(folder):
        if effect["effect"].startswith("PUT /uploads"):
            continue
        told[effect["effect"]] = told.get(effect["effect"], 0) + 1
    return told


def main() -> None:
    folder, where, first, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    whole: list[int] = []
    read, write = os.pipe()

    def unharmed() -> None:
        count = counted(*PLACES[where], deadly=0)
        run, world = play(folder / "whole")
        assert run.exit_code == 0
        os.write(write, json.dumps([count(), str(world.folder.path), run.plan.digest]).encode())

    assert forked(unharmed) == 0
    boundaries, path, digest = json.loads(os.read(read, 65536))
    expected = summary(Path(path))
    for deadly in range(first, boundaries + 1, step):
        runs = folder / str(deadly)

        def killed(deadly: int = deadly, runs: Path = runs) -> None:
            counted(*PLACES[where], deadly=deadly)
            play(runs)

        status = forked(killed)
        whole.append(deadly)
        if not os.WIFSIGNALED(status):
            # Threads make the number of writes vary by a few: this boundary did not come.
            assert os.WEXITSTATUS(status) == 0
            continue

        def resumed(runs: Path = runs) -> None:
            from pipeline.engine.runs import runs_in

            folders = runs_in(runs)
            if not folders:
                return  # killed before there was a run: nothing to resume, nothing was done
            world = type("Killed", (), {"folder": folders[0], "runs": runs})()
            run, _ = play_on(world)
            assert run.exit_code == 0, (run.verdict, [f.summary for f in run.findings])
            assert run.plan.digest == digest
            assert summary(folders[0].path) == expected, (summary(folders[0].path), expected)

        assert forked(resumed) == 0, f"boundary {deadly} of {boundaries}"
    print(json.dumps({"boundaries": boundaries, "tried": len(whole)}))  # noqa: T201


if __name__ == "__main__":
    main()
