"""Whole releases in a rehearsal: from inside this process, and as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.walk import walk
from pipeline.model.run import Run
from pipeline.stages import table as stages_of
from pipeline.wishes import Wishes
from pipeline.world import World, open_world, reopen

ROOT = Path(__file__).resolve().parents[2]


def play(runs: Path, **wished: Any) -> tuple[Run, World]:
    """Rehearse in this process; the sample app when no app is named."""
    world = open_world(Wishes(theatre="rehearsal", **wished), dry_run=True, runs=runs)
    with world.lease():
        return walk(world.cast(stages_of(world.wishes.table), None)), world


def play_on(world: World) -> tuple[Run, World]:
    """Resume a run in this process, in a world opened anew."""
    again = reopen(world.folder, world.runs)
    with again.lease():
        return walk(again.cast(stages_of(again.wishes.table), None, resumed=True)), again


@dataclass(frozen=True)
class Told:
    """What a person saw."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def menu(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = "") -> Told:
    """The console command in a process of its own, away from the checkout."""
    # The names of the environment that tests may leak are dropped; what a person has by default stays.
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ASC_", "CI", "PIPELINE_"))
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline", *arguments],
        cwd=cwd or ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Told(done.returncode, done.stdout, done.stderr)


def effects(run_folder: Path) -> list[dict[str, Any]]:
    """What the simulated Apple of a run has done, in order."""
    from datetime import UTC, datetime

    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.faults import Scenario

    if not (run_folder / "apple").is_dir():
        return []
    apple = SimulatedApple(run_folder / "apple", Scenario(), now=lambda: datetime.now(UTC))
    return apple.effects()
