"""Killed with SIGKILL at any moment, a rehearsal is finished by a resume, and Apple has seen each effect exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.engine.runs import runs_in
from tests.rehearsals.theatre import ROOT, effects, menu

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


@pytest.mark.parametrize("after", [0.05 * step for step in range(1, 13)])
def test_killed_from_outside_at_some_moment(tmp_path: Path, after: float) -> None:
    """No boundary chosen by us: whenever the signal comes, a resume finishes what was begun."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "pipeline", "release", "--dry-run", "--quiet", "--runs", str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(after)
        process.kill()
    folders = runs_in(tmp_path)
    if not folders:
        return  # killed before there was a run: nothing was begun
    told = menu("resume", "--quiet", "--runs", str(tmp_path))
    assert told.code == 0, told.out + told.err
    counts = Counter(e["effect"] for e in effects(folders[0].path) if not e["effect"].startswith("PUT"))
    assert counts["POST /v1/buildUploads"] == 2
    assert counts["POST /v1/buildUploadFiles"] == 2
    assert counts["PATCH /v1/buildUploadFiles/{id}"] == 2
