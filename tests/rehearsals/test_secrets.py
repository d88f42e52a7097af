"""Canaries in the place of credentials: every byte that a release leaves behind is searched for them."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline.ports.git import LiveGit
from pipeline.ports.tools import LiveTools
from pipeline.reports import FORMATS
from tests.rehearsals.premises import CREDENTIALS, KEY_ID, PRIVATE, Premises
from tests.rehearsals.test_live import other_key
from tests.rehearsals.theatre import ROOT

Making = Callable[..., Premises]

TOKEN = 'cloudkit"canary\\in&the<coal>mine'
CANARIES = {**CREDENTIALS, "CLOUDKIT_MANAGEMENT_TOKEN": TOKEN}

AUDITED = """
import json, os, runpy, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def watch(event, args):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
        os.write(log, json.dumps([event, repr(args[:2])]).encode() + b"\\n")
sys.addaudithook(watch)
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""


def disguises(name: str, secret: str) -> Iterator[tuple[str, bytes]]:
    """A secret as it is, and as it may have been written: escaped, quoted, encoded, or a line of it alone."""
    lines = [line for line in secret.splitlines() if len(line) >= 16 and not line.startswith("-----")]
    for piece in {secret, *lines}:
        raw = piece.encode()
        forms = {
            "plain": raw,
            "json": json.dumps(piece)[1:-1].encode(),
            "html": escape(piece).encode(),
            "url": quote(piece, safe="").encode(),
            "hex": raw.hex().encode(),
        }
        for shift in range(3):
            # Base64 looks different at each of three offsets; its ends depend on the neighbours and are cut off.
            forms[f"base64+{shift}"] = base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4]
        for form, data in forms.items():
            if len(data) >= 10:
                yield f"{name} ({form})", data


def leaks(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    found = [told for name, secret in secrets.items() for told, form in disguises(name, secret) if form in data]
    if b"eyJ" in data and b".eyJ" in data:
        found.append("a token")
    return found


class Search:
    """Commands under watch; whatever they say, write and start is searched."""

    def __init__(self, here: Premises, secrets: Mapping[str, str]) -> None:
        self.here, self.secrets = here, secrets
        self.argv = here.folder / "argv.jsonl"
        self.told = 0

    def __call__(self, verb: str, *more: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GITHUB_", "ASC_", "CI", "PIPELINE_", "CLOUDKIT_"))
        }
        done = subprocess.run(
            [sys.executable, "-c", AUDITED, str(self.argv), *self.here.arguments(verb, *more)],
            cwd=self.here.folder,
            env={**kept, **self.here.env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said.decode()
        secrets = {**self.secrets, **{name: value for name, value in (env or {}).items() if name in CANARIES}}
        assert leaks(said, secrets) == [], said.decode()
        self.told += len(said)
        self.files(secrets)
        return done.stdout.decode()

    def files(self, secrets: Mapping[str, str]) -> None:
        for folder in (self.here.runs, self.here.folder / "reports", self.argv):
            for path in (folder, *folder.rglob("*")) if folder.exists() else ():
                assert leaks(str(path).encode(), secrets) == []
                if path.is_file():
                    assert leaks(path.read_bytes(), secrets) == [], path


@pytest.fixture
def search(premises: Making) -> Search:
    here = premises(part_size=6_000)
    here.env = dict(CANARIES)
    (here.folder / "reports").mkdir()
    return Search(here, CANARIES)


def test_the_search_finds_what_it_searches_for() -> None:
    """A test that cannot fail proves nothing."""
    line = PRIVATE.splitlines()[1]
    for told in (
        PRIVATE,
        json.dumps({"key": PRIVATE}),
        line,
        base64.b64encode(b"x" + PRIVATE.encode()).decode(),
        f"<p>{escape(TOKEN)}</p>",
        json.dumps([TOKEN]),
        repr(KEY_ID),
        "Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
    ):
        assert leaks(told.encode(), CANARIES), told
    assert leaks(b"nothing of the kind", CANARIES) == []


def reports(here: Premises, name: str) -> list[str]:
    return [f"--report={form}={here.folder / 'reports' / f'{name}.{form}'}" for form in FORMATS]


def test_a_whole_release_keeps_its_secrets(search: Search) -> None:
    here = search.here
    search("plan", *reports(here, "plan"))
    plan = here.newest()
    search("approve", "--by", "Ann", "--yes")
    search("release", *here.artifacts(), *reports(here, "unapproved"), code=3)
    search("release", *here.artifacts(), "--approved", plan, *reports(here, "release"))
    search("resume", *reports(here, "resume"))
    search("resume", "--json")
    search("status", "--json")
    search("runs.show", *reports(here, "shown"))
    search("runs.list", "--json")
    assert len(list((here.folder / "reports").iterdir())) == 5 * len(FORMATS)
    assert search.told > 10_000
    assert b"git" in search.argv.read_bytes(), "something was started, and the watch saw it"


def test_failures_keep_secrets(search: Search) -> None:
    here = search.here
    search("plan")
    plan = here.newest()
    search("approve", "--by", "Ann", "--yes")
    asked = ("release", *here.artifacts(), "--approved", plan)
    search(*asked, *reports(here, "unknown"), code=4, env={"ASC_PRIVATE_KEY": other_key()})
    search("plan", code=4, env={"ASC_PRIVATE_KEY": other_key()})
    nonsense = "-----BEGIN PRIVATE KEY-----\ncanary-that-is-no-base64-at-all\n-----END PRIVATE KEY-----"
    search(*asked, *reports(here, "nonsense"), code=1, env={"ASC_PRIVATE_KEY": nonsense})
    search("plan", code=2, env={"ASC_PRIVATE_KEY": nonsense})
    search("plan", code=2, env={"ASC_PRIVATE_KEY": "canary-without-any-armour"})
    here.configure(url="http://127.0.0.1:9")
    search("plan")


def test_secrets_from_files_are_kept(search: Search, tmp_path: Path) -> None:
    env = {}
    for name, value in CANARIES.items():
        (tmp_path / name).write_text(value)
        env[f"{name}_FILE"] = str(tmp_path / name)
    search.here.env = env
    search("plan")
    plan = search.here.newest()
    search("approve", "--by", "Ann", "--yes")
    search("release", *search.here.artifacts(), "--approved", plan, *reports(search.here, "release"))
    assert len(search.here.writes()) == 8


def test_what_apple_sends_back_is_searched_for_secrets(search: Search) -> None:
    """A broken proxy that answers with the headers it was sent: neither a run nor an error message repeats them."""
    here = search.here
    search("plan")
    plan = here.newest()
    search("approve", "--by", "Ann", "--yes")
    handle = here.server.apple.handle

    def echoing(method: str, url: str, headers: Mapping[str, str], *rest: Any, **named: Any) -> Any:
        if method == "GET" and ("/v1/apps" in url or "schema" in url):
            said = "; ".join(f"{name}: {value}" for name, value in headers.items())
            error = {"status": "403", "code": "FORBIDDEN", "title": said, "detail": said}
            document = {"errors": [error], "message": said, "reason": said}
            return 403, {"content-type": "application/json"}, json.dumps(document).encode()
        return handle(method, url, headers, *rest, **named)

    here.server.apple.handle = echoing  # type: ignore[method-assign]
    search("release", *here.artifacts(), "--approved", plan, *reports(here, "echo"), code=4)
    assert "[secret]" in (here.folder / "reports" / "echo.json").read_text()
    search("plan", code=4)


def test_tools_do_not_inherit_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build runs scripts of strangers, and their output is told in reports."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "canary-in-a-file"))
    for done in (LiveTools().run(["env"]), LiveTools().run(["env"], env={"A": "b"})):
        assert "PATH=" in done.stdout
        assert leaks(done.stdout.encode(), {**CANARIES, "path": "canary-in-a-file"}) == []
    told = LiveGit(ROOT).ask("-c", "alias.show-environment=!env", "show-environment").stdout
    assert "PATH=" in told
    assert leaks(told.encode(), {**CANARIES, "path": "canary-in-a-file"}) == []


def test_nobody_else_can_read_a_run(search: Search) -> None:
    """The folder is its owner's, and so is each file that the pipeline itself writes.

    What is built keeps the modes that the build gave it: an app whose files only their owner can read is refused by
    Apple (ITMS-90255). The folder around it is shut all the same.
    """
    here = search.here
    search("plan")
    plan = here.newest()
    search("approve", "--by", "Ann", "--yes")
    search("release", *here.artifacts(), "--approved", plan)
    runs = [path for path in here.runs.iterdir() if (path / "wishes.json").is_file()]
    assert len(runs) == 2
    for folder in (*runs, here.runs / "leases"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    written = [
        path
        for run in (*runs, here.runs / "leases")
        for path in run.rglob("*")
        if path.is_file() and not {"lanes", "mac", "apple"} & set(path.relative_to(here.runs).parts)
    ]
    assert {path.name for path in written} >= {
        "journal.jsonl",
        "wishes.json",
        "plan.json",
        "approval.json",
        "account.json",
    }
    assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
