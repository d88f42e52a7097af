"""Two real processes write to one vault: every change is there, and the ledger is unbroken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rooms.vault.vaults import JANE, at, made, new_place

EACH = 25


@pytest.mark.parametrize("kind", ["folder", "bare"])
def test_two_writers(kind: str, tmp_path: Path) -> None:
    place = new_place(kind, tmp_path)
    made(place, tmp_path / "cache", JANE)
    each = EACH if kind == "folder" else EACH // 5
    argv = [sys.executable, "-m", "tests.rooms.vault.racing", place]
    writers = [
        subprocess.Popen(
            [*argv, str(tmp_path / name), name, str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for name in ("left", "right")
    ]
    # All of them get the key, and begin, before any of them is waited for.
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(JANE.secret.encode())
        writer.stdin.close()
        writer.stdin = None
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    vault = at(place, JANE, tmp_path / "cache")
    state = vault.look()
    wanted = {f"identities/{name}{number}.p8" for name in ("left", "right") for number in range(each)}
    assert {entry.path for entry in state.entries} == {*wanted, "identities/aa.p8", "identities/aa.cer"}
    assert state.problems == ()
    assert [deed.number for deed in state.deeds] == list(range(1, 2 * each + 2))
    assert all(deed.proved for deed in state.deeds)
    for path in wanted:
        assert vault.read(path) == path.encode()
    if kind == "folder":
        left = [path for path in Path(place).rglob("*") if path.is_file() and path.name != ".gitattributes"]
        assert len(left) == 2 * each + 1 + len(state.entries) + 1, "a writer that lost left something behind"
