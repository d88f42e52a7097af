"""Kills the making of certificates with SIGKILL at every boundary and resumes it; run as a program, so that it may fork.

    python -m tests.rooms.portal.killing FOLDER WHERE FIRST STEP

WHERE is "journal" (before and after each write to the journal), "apple" (before and after each effect at the simulated
Apple) or "vault" (before and after each change of the vault). One boundary in STEP is tried, from FIRST on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pipeline.apple.portal import gateway
from pipeline.apple.signing.keys import new_key
from pipeline.engine import journal
from pipeline.simulator import state
from pipeline.vault.opening import opened
from tests.rehearsals.killing import counted, forked
from tests.rooms.portal.desk import Desk

PLACES: dict[str, tuple[Any, str]] = {
    "journal": (journal, "_write_all"),
    "apple": (state.State, "change"),
    "vault": (opened(".", lambda: None, cache=Path()).__class__, "publish"),
}
POOL = 8


def seen(desk: Desk) -> tuple[list[str], list[str]]:
    return sorted(desk.effects()), desk.paths()


def main() -> None:
    folder, where, first, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    # Making a key takes longer than all the rest; none is handed out twice in one process family.
    pool = [new_key() for _ in range(POOL)]
    read, write = os.pipe()

    def unharmed() -> None:
        gateway.new_key = lambda: pool.pop(0)
        desk = Desk(folder / "whole")
        _ = desk.apple
        count = counted(*PLACES[where], deadly=0)
        run = desk.walk()
        assert run.exit_code == 0
        os.write(write, json.dumps([count(), seen(desk), run.plan.digest]).encode())

    assert forked(unharmed) == 0
    boundaries, expected, digest = json.loads(os.read(read, 65536))
    killed = 0
    for deadly in range(first, boundaries + 1, step):
        place = folder / str(deadly)

        def dying(deadly: int = deadly, place: Path = place) -> None:
            gateway.new_key = lambda: pool.pop(0)
            desk = Desk(place)
            _ = desk.apple
            counted(*PLACES[where], deadly=deadly)
            desk.walk()

        status = forked(dying)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            continue
        killed += 1

        def resumed(place: Path = place) -> None:
            gateway.new_key = pool.pop
            desk = Desk(place)
            run = desk.walk(resume=True)
            told = [f.summary for f in run.findings], [a.error for s in run.steps for a in s.actions]
            assert run.exit_code == 0, (run.verdict, told)
            assert list(map(list, seen(desk))) == expected, (seen(desk), expected)
            assert run.plan.digest == digest, [(p.stage, p.describe) for p in run.plan.promises]
            again = desk.walk("again")
            assert again.exit_code == 0, (again.verdict, [f.summary for f in again.findings])
            assert not any(each.actions for each in again.steps)

        assert forked(resumed) == 0, f"boundary {deadly} of {boundaries}"
    print(json.dumps({"boundaries": boundaries, "killed": killed}))  # noqa: T201


if __name__ == "__main__":
    main()
