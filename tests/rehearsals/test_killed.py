"""Killed with SIGKILL at any moment, a rehearsal is finished by a resume, and Apple has seen each effect exactly once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsals.theatre import ROOT

SLICES = 4


@pytest.mark.parametrize("first", range(1, SLICES + 1))
@pytest.mark.parametrize("where", ["journal", "apple"])
def test_killed_at_every_boundary(tmp_path: Path, where: str, first: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.rehearsals.killing", str(tmp_path), where, str(first), str(SLICES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["boundaries"] > (150 if where == "journal" else 20), "the walk has fewer boundaries than it must have"
    assert told["tried"] >= told["boundaries"] // SLICES
