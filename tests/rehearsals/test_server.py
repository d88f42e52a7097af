"""`simulator` as a person starts it, and curl as a person types it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsals.theatre import ROOT, Told, menu

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Served:
    """A running `simulator`, and what it said when it started."""

    def __init__(self, process: subprocess.Popen[str], url: str, said: str) -> None:
        self.process, self.url, self.said = process, url, said

    def shell(self, command: str, folder: Path | None = None) -> Any:
        """What a command line prints: JSON where it is JSON."""
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, cwd=folder, check=True)
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return done.stdout

    def token(self) -> str:
        told: str = self.shell(f"curl -s {self.url}/_token")
        return told.strip()

    def examples(self) -> list[str]:
        """The commands of the front page, in a quiet voice."""
        page = self.shell(f"curl -s {self.url}/")
        lines = [line.strip() for line in page.splitlines() if line.startswith("  ")]
        return [line.replace("curl ", "curl -sS ", 1) for line in lines if line.startswith(("curl ", "TOKEN="))]


@contextlib.contextmanager
def simulator(*options: str, number: signal.Signals = signal.SIGINT) -> Iterator[Served]:
    """The simulator on a free port; at the end it is asked to stop, and must do so with a good conscience."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "simulator", "--port", "0", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(4))
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    if found is None:
        process.kill()
        raise AssertionError(said + "".join(process.communicate()))
    try:
        yield Served(process, found[0], said)
    finally:
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0
    assert err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_it_says_at_the_start_works_as_it_stands(number: signal.Signals) -> None:
    with simulator(number=number) as served:
        commands = [line.strip() for line in served.said.splitlines() if line.startswith("  ")]
        listed = served.shell("\n".join(commands).replace("curl ", "curl -s "))
        assert listed["data"][0]["attributes"]["bundleId"] == "com.mshaler.isometry"


def test_the_front_page_is_a_walk_through_an_upload(tmp_path: Path) -> None:
    """Its commands are run as they stand; only the placeholders that it names are filled in."""
    asset = tmp_path / "My.ipa"
    asset.write_bytes(b"not much of an app")
    with simulator() as served:
        token, *commands = served.examples()
        known = {"SIZE": str(asset.stat().st_size)}
        answers: list[Any] = []
        for command in commands:
            for name, value in known.items():
                command = re.sub(rf"\b{name}\b", lambda _: value, command)  # noqa: B023, PLW2901
            answers.append(served.shell(f"{token}\n{command}", tmp_path))
            data = answers[-1].get("data") if isinstance(answers[-1], dict) else None
            if isinstance(data, dict):
                known["UPLOAD" if data["type"] == "buildUploads" else "FILE"] = data["id"]
                for operation in data["attributes"].get("uploadOperations") or ():
                    known["URL"] = operation["url"]
        assert len(answers) == 10
        assert not any("errors" in answer for answer in answers if isinstance(answer, dict)), answers
        effects = [each["effect"] for each in answers[7]]
        assert effects == [
            "POST /v1/buildUploads",
            "POST /v1/buildUploadFiles",
            "PUT /uploads/{id}",
            "PATCH /v1/buildUploadFiles/{id}",
        ]
        assert answers[8]["team_id"]
        assert answers[9]["buildUploads"][0]["id"] == known["UPLOAD"]


def test_a_wrong_document_gets_apples_own_error() -> None:
    with simulator() as served:
        sent = f'curl -s -H "Authorization: Bearer {served.token()}" -H "Content-Type: application/json" '
        told = served.shell(sent + f'-d \'{{"data":{{"type":"buildUploads"}}}}\' {served.url}/v1/buildUploads')
        (error, *_) = told["errors"]
        assert (error["status"], error["code"]) == ("409", "ENTITY_ERROR.ATTRIBUTE.REQUIRED")
        assert {"id", "title", "detail", "source"} <= set(error)
        assert served.shell(f"curl -s {served.url}/_effects") == []


def test_without_a_token_it_refuses_like_apple() -> None:
    with simulator() as served:
        told = served.shell(f"curl -s {served.url}/v1/apps")
        assert told["errors"][0]["code"] == "NOT_AUTHORIZED"
        head, claims, _ = served.token().split(".")
        old = served.shell(f'curl -s -H "Authorization: Bearer {head}.{claims[:-6]}AAAAAA.x" {served.url}/v1/apps')
        assert old["errors"][0]["status"] == "401"


def test_the_token_is_a_real_one(tmp_path: Path) -> None:
    """Signed with the server's throw-away key: ES256 over header and claims, for 20 minutes."""
    from datetime import UTC, datetime

    import jwt

    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.faults import Scenario
    from pipeline.simulator.server import serve

    apple = SimulatedApple(tmp_path, Scenario(), now=lambda: datetime.now(UTC))
    with serve(apple) as server, contextlib.closing(apple):
        token = server.token()
        assert server._key is not None
        claims = jwt.decode(token, server._key.public_key(), algorithms=["ES256"], audience="appstoreconnect-v1")
        assert 0 < claims["exp"] - claims["iat"] <= 1200
        assert jwt.decode(server.token(), server._key.public_key(), algorithms=["ES256"], audience=claims["aud"])


def test_its_state_is_remembered(tmp_path: Path) -> None:
    state = tmp_path / "apple"

    def create(served: Served) -> str:
        app = served.shell(f"curl -s -H 'Accept: application/json' {served.url}/")["apps"][0]["id"]
        attributes = {"cfBundleShortVersionString": "2.5.0", "cfBundleVersion": "250", "platform": "IOS"}
        link = {"app": {"data": {"type": "apps", "id": app}}}
        body = json.dumps({"data": {"type": "buildUploads", "attributes": attributes, "relationships": link}})
        sent = f'curl -s -H "Authorization: Bearer {served.token()}" -H "Content-Type: application/json" '
        made: str = served.shell(sent + f"-d '{body}' {served.url}/v1/buildUploads")["data"]["id"]
        return made

    with simulator("--state", str(state)) as served:
        made = create(served)
        second = menu("simulator", "--port", "0", "--state", str(state))
        assert second.code == 2
        assert "another simulator serves from it now" in second.err
    with simulator("--state", str(state)) as served:
        shown = served.shell(f"curl -s -H 'Accept: application/json' {served.url}/")
        assert [upload["id"] for upload in shown["buildUploads"]] == [made]
        assert len(served.shell(f"curl -s {served.url}/_effects")) == 1


def test_a_scenario_is_played() -> None:
    with simulator("--scenario", "flaky") as served:
        ask = (
            f'curl -s -o /dev/null -w "%{{http_code}}" -H "Authorization: Bearer {served.token()}" {served.url}/v1/apps'
        )
        assert [served.shell(ask) for _ in range(2)] == [503, 401]


def test_the_list_names_every_scenario() -> None:
    told = menu("simulator", "--list")
    assert told.code == 0
    names = {line.split()[0] for line in told.out.splitlines()}
    assert names == {path.stem for path in (ROOT / "pipeline/simulator/scenarios").glob("*.yaml")}
    assert all(len(line.split(None, 1)) == 2 for line in told.out.splitlines())


def at_fault(told: Told, *words: str) -> None:
    assert told.code == 2, told.err
    assert told.out == ""
    lines = told.err.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["error", "why", "help"], told.err
    assert all(word in told.err for word in words), told.err


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        at_fault(menu("simulator", "--port", port), f"cannot listen on 127.0.0.1:{port}", "in use", "--port")


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none(port: str) -> None:
    at_fault(menu("simulator", "--port", port), f"--port {port!r} is no port", "65535")


def test_a_host_that_is_none() -> None:
    at_fault(menu("simulator", "--host", "256.0.0.1", "--port", "0"), "cannot listen on 256.0.0.1:0")


def test_an_unknown_scenario() -> None:
    at_fault(menu("simulator", "--scenario", "flakey"), "did you mean 'flaky'?", "simulator --list")


def test_a_state_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    at_fault(menu("simulator", "--port", "0", "--state", str(tmp_path / "file")), "cannot hold the state", "--state")
    (tmp_path / "apple").mkdir()
    (tmp_path / "apple" / "apple.jsonl").write_text("something else\n")
    at_fault(menu("simulator", "--port", "0", "--state", str(tmp_path / "apple")), "apple.jsonl:1", "--state")
