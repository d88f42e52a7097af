"""The keychain action against a `security` that records: nothing secret on a command line, nothing left behind.

The real tool runs on macOS only. What is proved here is our side; whether the result can sign is judged in the job
itself, by the signing stage.
"""

from __future__ import annotations

import base64
import io
import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

PASSWORD = 'a "b" \\c $d `e`'
LOGIN = "/Users/ann/Library/Keychains/login.keychain-db"
RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$LOG.arguments"
case "$1" in
  -i) cat >>"$LOG.stdin"; touch "$KEYCHAIN"; [ ! -e "$KEYCHAIN.p12" ] || ls -l "$KEYCHAIN.p12" >"$LOG.mode" ;;
  list-keychains) [ "${4:-}" = -s ] || { printf '    "%s"\\n' "$LOGIN"; [ ! -e "$KEYCHAIN" ] || printf '    "%s"\\n' "$KEYCHAIN"; } ;;
  delete-keychain) rm "$2" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "security").write_text(RECORDER, encoding="utf-8")
    (tools / "security").chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "LOG": str(tmp_path / "log"),
        "LOGIN": LOGIN,
        "KEYCHAIN": str(tmp_path / "with blanks" / "release.keychain-db"),
    }


def do(root: Path, machine: dict[str, str], what: str, **secrets: str) -> subprocess.CompletedProcess[str]:
    Path(machine["KEYCHAIN"]).parent.mkdir(exist_ok=True)
    command = [str(root / ".github/actions/keychain/keychain"), what]
    return subprocess.run(command, env={**machine, **secrets}, capture_output=True, text=True, timeout=30, check=False)


def packed(**files: bytes) -> str:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return base64.encodebytes(whole.getvalue()).decode()


def test_no_secret_is_on_a_command_line_and_nothing_is_left(
    root: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    material = {
        "SIGNING_CERTIFICATES": base64.b64encode(b"a bag").decode(),
        "SIGNING_CERTIFICATES_PASSWORD": PASSWORD,
        "SIGNING_PROFILES": packed(App_mobileprovision=b"profile", Mac_provisionprofile=b"profile"),
    }
    done = do(root, machine, "install", **material)
    assert (done.returncode, done.stderr) == (0, "")

    # `security -i` splits a line as a shell does, but expands nothing.
    lines = [shlex.split(line) for line in Path(f"{machine['LOG']}.stdin").read_text(encoding="utf-8").splitlines()]
    assert [line[0] for line in lines] == [
        "create-keychain",
        "set-keychain-settings",
        "unlock-keychain",
        "import",
        "set-key-partition-list",
    ]
    assert lines[3][lines[3].index("-P") + 1] == PASSWORD
    assert all(machine["KEYCHAIN"] in line for line in lines)
    chosen = lines[0][lines[0].index("-p") + 1]
    assert len(chosen) == 48
    arguments = Path(f"{machine['LOG']}.arguments").read_text(encoding="utf-8")
    for secret in (chosen, PASSWORD, *material.values()):
        assert secret not in arguments
        assert secret not in done.stdout
    assert f"list-keychains -d user -s {LOGIN} {machine['KEYCHAIN']}\n" in arguments
    assert Path(f"{machine['LOG']}.mode").read_text(encoding="utf-8").startswith("-rw-------")
    assert not Path(f"{machine['KEYCHAIN']}.p12").exists()
    profiles = Path(machine["HOME"]) / "Library/Developer/Xcode/UserData/Provisioning Profiles"
    assert sorted(path.name for path in profiles.iterdir()) == ["App.mobileprovision", "Mac.provisionprofile"]

    (profiles / "another.mobileprovision").touch()
    done = do(root, machine, "remove")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in profiles.iterdir()] == ["another.mobileprovision"]
    assert not list(Path(machine["KEYCHAIN"]).parent.iterdir())
    last = Path(f"{machine['LOG']}.arguments").read_text(encoding="utf-8").splitlines()[-2]
    assert last == f"list-keychains -d user -s {LOGIN}"


def test_without_material_the_machines_own_keychain_stays(root: Path, machine: dict[str, str]) -> None:
    for what in ("install", "remove"):
        assert do(root, machine, what).returncode == 0
    assert not Path(f"{machine['LOG']}.arguments").exists()


def test_a_bag_that_is_no_base64_stops_before_the_keychain(root: Path, machine: dict[str, str]) -> None:
    assert do(root, machine, "install", SIGNING_CERTIFICATES="*not base64*").returncode != 0
    assert not Path(f"{machine['LOG']}.arguments").exists()
    assert not Path(f"{machine['KEYCHAIN']}.p12").exists()


def test_anything_else_is_refused(root: Path, machine: dict[str, str]) -> None:
    assert do(root, machine, "eval").returncode == 2
