"""SIGKILL at every file operation of a change: the vault is as before or as after, and the next change cleans up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

BEFORE = {
    "make": {},
    "put": {"identities/aa.p8": "aa", "identities/cc.p8": "cc"},
    "reseal": {"identities/aa.p8": "aa", "identities/cc.p8": "cc"},
}
AFTER = {
    "make": {"identities/aa.p8": "aa"},
    "put": {"identities/aa.p8": "new", "identities/bb.cer": "bb"},
    "reseal": {"identities/aa.p8": "aa", "identities/cc.p8": "cc"},
}


@pytest.mark.parametrize("kind", ["make", "put", "reseal"])
def test_a_writer_is_killed_anywhere(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.rooms.vault.killing", kind, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) > 10
    assert [each["killed"] for each in told] == [True] * (len(told) - 1) + [False]
    for each in told:
        assert each["contents"] == (AFTER if each["new"] else BEFORE)[kind], each
        assert each["after"] == {**AFTER[kind], "identities/zz.p8": "zz"}, each
        assert (each["problems"], each["openable"], each["left"]) == ([], True, 0), each
    assert [each["new"] for each in told] == sorted(each["new"] for each in told), "there is one moment of change"
    assert told[-1]["new"]
