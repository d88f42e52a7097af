"""The console command where a test needs more of the process than its output."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.rehearsals.theatre import ROOT, Told

SAMPLE = ROOT / "pipeline" / "simulator" / "sample"

BARRED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Takes from root what lets it read and write everything."""

LEAKING = ("GITHUB_", "ASC_", "CLOUDKIT_", "CI", "PIPELINE_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


def environment(**more: str) -> dict[str, str]:
    """The environment of a person who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEAKING)}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm", **more}


def command(*arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-P", "-m", "pipeline", *arguments]


def run(line: list[str | bytes], **options: object) -> Told:
    """Any command, with what it said as text."""
    settings: dict[str, object] = {"env": environment(), "stdin": subprocess.DEVNULL, "cwd": ROOT, **options}
    done = subprocess.run(line, capture_output=True, timeout=120, check=False, **settings)  # type: ignore[call-overload]
    return Told(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def refused(told: Told, code: int, *words: str) -> None:
    """What, why or where, and remedy; the exit code; no traceback."""
    said = told.out + told.err
    assert "Traceback" not in said, said
    assert told.code == code, (told.code, said)
    lines = told.err.splitlines()
    assert any(line.startswith("error: ") for line in lines), said
    assert any(line.startswith("  help: ") and len(line) > 12 for line in lines), said
    assert "an internal error" not in said, said
    for word in words:
        assert word in said, (word, said)


def sample_at(place: Path) -> Path:
    """A copy of the sample app without its own configuration."""
    shutil.copytree(SAMPLE, place)
    shutil.rmtree(place / "config", ignore_errors=True)
    return place


def barred() -> bool:
    """Whether this machine can take root's privileges from a process; other users have none."""
    if os.geteuid() != 0:
        return True
    if not shutil.which(BARRED[0]):
        return False
    return subprocess.run([*BARRED, "true"], capture_output=True, check=False).returncode == 0


def unprivileged(line: list[str | bytes]) -> list[str | bytes]:
    return [*BARRED, *line] if os.geteuid() == 0 else line
