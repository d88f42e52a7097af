"""Times whole processes in turn, A B A B …, so that a machine that slows down slows both; quotes medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Side:
    """One command and what its runs took: seconds on the wall, seconds of CPU, peak memory in MB."""

    name: str
    argv: Sequence[str]
    cwd: Path = ROOT
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def run(self, *, counted: bool) -> None:
        """Run once to the end; a run that fails ends the benchmark."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        began = time.perf_counter()
        process = subprocess.Popen(self.argv, cwd=self.cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, error = process.communicate() if process.stderr is None else (None, process.stderr.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        if process.returncode:
            sys.exit(f"{self.name} ended with {process.returncode}: {error.decode(errors='replace')[-800:]}")
        if counted:
            self.wall.append(took)
            self.cpu.append(used.ru_utime + used.ru_stime)
            self.memory.append(used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024))


def compare(ours: Sequence[Side], peer: Side, *, runs: int, goals: dict[str, float]) -> bool:
    """Run all in turn, print a table, and say whether each goal (a ratio to the peer) is met."""
    everyone = [*ours, peer]
    for side in everyone:
        side.run(counted=False)
    for _ in range(runs):
        for side in everyone:
            side.run(counted=True)
    print(f"{'':<34}{'wall s (min–max)':>24}{'cpu s':>9}{'MB':>7}{'ratio':>8}{'goal':>7}")
    met = True
    for side in everyone:
        # The ratio is taken pair by pair: each of our runs against the peer's run of the same round.
        ratio = statistics.median(a / b for a, b in zip(side.wall, peer.wall, strict=True))
        goal = goals.get(side.name)
        met = met and (goal is None or ratio <= goal)
        wall = f"{statistics.median(side.wall):.3f} ({min(side.wall):.3f}–{max(side.wall):.3f})"
        told = f"{ratio:>8.2f}" if side is not peer else f"{'1':>8}"
        cpu, memory = statistics.median(side.cpu), max(side.memory)
        print(f"{side.name:<34}{wall:>24}{cpu:>9.3f}{memory:>7.0f}{told}{f'{goal:.2f}' if goal else '':>7}")
    return met


def peer_environment(package: str) -> Path:
    """A private environment that holds one peer; made once, under .bench, and kept."""
    folder = ROOT / ".bench" / package.replace("==", "-")
    if not (folder / ".made").exists():
        print(f"making an environment for {package} (once)…", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            package,
        ]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (folder / ".made").touch()
    return folder
