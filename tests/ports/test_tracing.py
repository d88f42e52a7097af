"""The log: every attempt and every tool, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.model import AppleFailure, Source
from pipeline.ports.clock import BriskClock
from pipeline.ports.http import Request, Response
from pipeline.ports.retries import RetryingHttp
from pipeline.ports.secrets import EnvironmentSecrets
from pipeline.ports.tools import LiveTools
from pipeline.ports.tracing import TracedHttp, TracedTools, log_at

URL = "https://api.appstoreconnect.apple.com/v1/apps?X-Amz-Signature=canary"


class Flaky:
    source = Source.SIMULATED

    def __init__(self) -> None:
        self.answers: list[Response | AppleFailure] = [
            Response(500),
            AppleFailure("no answer canary"),
            Response(200, {}, b"abc"),
        ]

    def send(self, request: Request) -> Response:
        answer = self.answers.pop(0)
        if isinstance(answer, AppleFailure):
            raise answer
        return answer


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_attempt_is_logged_without_query_or_secret(tmp_path: Path) -> None:
    secrets = EnvironmentSecrets({"KEY": "canary"})
    secrets.get("KEY")
    path = tmp_path / "run" / "log.jsonl"
    http = TracedHttp(Flaky(), log_at(path, secrets.redact))
    assert http.source is Source.SIMULATED
    assert RetryingHttp(http, BriskClock()).send(Request("GET", URL)).status == 200
    told = lines(path)
    assert [entry.get("status") for entry in told] == [500, None, 200]
    assert [entry["level"] for entry in told] == ["warning", "warning", "info"]
    assert told[2]["bytes"] == 3
    assert {entry["url"] for entry in told} == {"https://api.appstoreconnect.apple.com/v1/apps"}
    assert "canary" not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0


def test_what_the_inner_side_can_do_is_not_hidden(tmp_path: Path) -> None:
    http = TracedHttp(Flaky(), log_at(tmp_path / "log.jsonl", str))
    with pytest.raises(AttributeError):
        http.renew("https://x")


def test_tools_are_logged_with_the_end_of_what_they_said(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    tools = TracedTools(LiveTools(), log_at(path, str))
    assert tools.run(["sh", "-c", "echo fine"]).stdout == "fine\n"
    assert tools.run(["sh", "-c", "echo wrong >&2; exit 3"]).returncode == 3
    assert tools.run(["no-such-tool"]).returncode == 127
    assert tools.find("sh")
    assert [entry["returncode"] for entry in lines(path)] == [0, 3, 127]
    assert [entry.get("output", "") for entry in lines(path)][1] == "wrong\n"
