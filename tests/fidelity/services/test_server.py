"""The small Apple behind a real socket, asked by curl and by bare sockets."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario
from pipeline.simulator.server import BODY_LIMIT, Server, serve

from .conftest import MAPPING, document, ipa

FAST = {**MAPPING, "processing": {"seconds": 0, "builds_invisible": 0, "validating": 0}}


def bearer() -> str:
    now = int(time.time())
    claims = {"iss": "i", "iat": now - 5, "exp": now + 600, "aud": "appstoreconnect-v1"}
    parts = [json.dumps(part).encode() for part in ({"alg": "ES256", "kid": "K"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"s"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    faults: list[dict[str, str]] = [
        {"on": "GET /v1/users", "do": "reset"},
        {"on": "GET /v1/devices", "do": "hang"},
        {"on": "POST /v1/betaGroups", "do": "reset-after"},
    ]
    apple = SimulatedApple(tmp_path / "apple", Scenario.load({**FAST, "faults": faults}), now=lambda: datetime.now(UTC))
    with serve(apple) as running:
        yield running
    apple.close()


class Curl:
    """The curl that is installed here, with a token."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def __call__(self, method: str, path: str, *more: str, body: Any = None) -> tuple[int, Any]:
        url = path if path.startswith("http") else self.server.url + path
        argv = ["curl", "-g", "-s", "-X", method, "-o", str(self.folder / "body"), "-w", "%{http_code}", url, *more]
        if "/uploads/" not in url:
            argv += ["-H", f"Authorization: Bearer {bearer()}"]
        if body is not None:
            argv += ["-H", "Content-Type: application/json", "--data-binary", json.dumps(body)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
        text = (self.folder / "body").read_bytes() if (self.folder / "body").exists() else b""
        return int(done.stdout), json.loads(text) if text.startswith(b"{") else text


@pytest.fixture
def curl(server: Server, tmp_path: Path) -> Curl:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return Curl(server, tmp_path)


def test_curl_creates_fills_and_commits_an_upload(curl: Curl, tmp_path: Path) -> None:
    app = curl("GET", "/v1/apps?filter[bundleId]=com.example.app&sort=bundleId")[1]["data"][0]["id"]
    attributes = {"cfBundleShortVersionString": "1.2", "cfBundleVersion": "3", "platform": "IOS"}
    status, made = curl("POST", "/v1/buildUploads", body=document("buildUploads", attributes, app=("apps", app)))
    assert status == 201
    upload, asset = made["data"]["id"], ipa()
    described = {"fileName": "A.ipa", "fileSize": len(asset), "uti": "com.apple.ipa", "assetType": "ASSET"}
    body = document("buildUploadFiles", described, buildUpload=("buildUploads", upload))
    _, file = curl("POST", "/v1/buildUploadFiles", body=body)
    for operation in file["data"]["attributes"]["uploadOperations"]:
        assert operation["url"].startswith(curl.server.url + "/uploads/")
        part = tmp_path / "part"
        part.write_bytes(asset[operation["offset"] : operation["offset"] + operation["length"]])
        status, _ = curl(
            "PUT", operation["url"], "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{part}"
        )
        assert status == 200
    identifier = file["data"]["id"]
    commit = {"data": {"type": "buildUploadFiles", "id": identifier, "attributes": {"uploaded": True}}}
    assert curl("PATCH", f"/v1/buildUploadFiles/{identifier}", body=commit)[0] == 200
    _, done = curl("GET", f"/v1/buildUploads/{upload}?include=build")
    assert done["data"]["attributes"]["state"]["state"] == "COMPLETE"
    assert done["included"][0]["attributes"]["processingState"] == "VALID"
    assert done["links"]["self"].startswith(curl.server.url)
    effects = json.loads(
        subprocess.run(["curl", "-s", curl.server.url + "/_effects"], capture_output=True, check=True).stdout
    )
    assert [e["effect"] for e in effects if e["effect"].startswith("P") and "/v1/" in e["effect"]] == [
        "POST /v1/buildUploads",
        "POST /v1/buildUploadFiles",
        "PATCH /v1/buildUploadFiles/{id}",
    ]


def test_curl_is_told_what_is_wrong(curl: Curl) -> None:
    status, told = curl("POST", "/v1/buildUploads", body={"data": {"type": "buildUploads"}})
    assert (status, told["errors"][0]["code"]) == (409, "ENTITY_ERROR.ATTRIBUTE.REQUIRED")
    argv = ["curl", "-s", curl.server.url + "/v1/apps", "-H", "Authorization: Bearer rehearsal"]
    refused = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert refused["errors"][0]["code"] == "NOT_AUTHORIZED"


def test_curl_imports_a_schema_as_a_form(curl: Curl, tmp_path: Path) -> None:
    schema = tmp_path / "s.ckdb"
    schema.write_text("DEFINE SCHEMA RECORD TYPE Note ( title STRING );")
    path = "/v1/database/teams/ABCDE12345/containers/iCloud.com.example.app/environments/DEVELOPMENT/schema"
    token = ("-H", "X-Apple-CloudKit-Management-Token: t")
    assert curl("PUT", "/cloudkit" + path, *token, "-F", f"file=@{schema}")[0] == 202
    assert b"RECORD TYPE Note" in curl("GET", path + "/export", *token)[1]
    assert curl("GET", "/users/current/teams", *token)[1]["teams"]


def test_the_host_header_decides_before_the_path(curl: Curl) -> None:
    assert curl("GET", "/v1/apps", "-H", "Host: api.appstoreconnect.apple.com")[0] == 200
    token = ("-H", "X-Apple-CloudKit-Management-Token: t")
    assert curl("GET", "/v1/apps", "-H", "Host: api.icloud.apple.com", *token)[0] == 404


def test_a_page_for_people(server: Server) -> None:
    text = subprocess.run(["curl", "-s", server.url], capture_output=True, text=True, check=True).stdout
    assert "com.example.app" in text
    line = next(line for line in text.splitlines() if "TOKEN=" in line)
    asked = ["curl", "-s", "-H", f"Authorization: Bearer {line.split('=', 1)[1]}", server.url + "/v1/apps"]
    assert json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["data"]
    scenario = subprocess.run(["curl", "-s", server.url + "/_scenario"], capture_output=True, check=True).stdout
    assert json.loads(scenario)["team_id"] == "ABCDE12345"


def test_curl_waits_for_100_continue(curl: Curl, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(2_000_000))
    status, _ = curl("PUT", "/uploads/none/1?x", "-H", "Expect: 100-continue", "--data-binary", f"@{big}")
    assert status == 404


def _talk(server: Server, *requests: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for request in requests:
            connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        while chunk := connection.recv(65536):
            heard += chunk
        return heard


def test_a_connection_serves_many_requests(server: Server) -> None:
    one = f"GET /v1/apps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer()}\r\n\r\n".encode()
    heard = _talk(server, one, one, one)
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert heard.count(b"X-Rate-Limit: user-hour-lim:3600;user-hour-rem:") == 3


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {BODY_LIMIT + 1}", b"413"),
        ("Content-Length: -1", b"400"),
        ("Content-Length: many", b"400"),
        ("Transfer-Encoding: chunked", b"411"),
    ],
)
def test_bodies_are_bounded(server: Server, head: str, status: bytes) -> None:
    heard = _talk(server, f"POST /v1/buildUploads HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    assert heard.startswith(b"HTTP/1.1 " + status)
    refused = _talk(server, f"PUT /v1/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{head}\r\n\r\n".encode())
    assert refused.startswith(b"HTTP/1.1 " + status)


def test_a_body_that_ends_early_has_no_effect(server: Server) -> None:
    heard = _talk(server, b"POST /v1/buildUploads HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert heard == b""
    assert server.apple.effects() == []


@pytest.mark.parametrize("noise", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000])
def test_noise_is_survived(server: Server, noise: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        _talk(server, noise)
    assert b"200 OK" in _talk(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer()}\r\nContent-Type: application/json\r\n"
    )
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_reset_is_a_reset(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(_request("GET", "/v1/users"))
        with pytest.raises(ConnectionResetError):
            assert connection.recv(1) == b"?"
    assert b"200 OK" in _talk(server, _request("GET", "/v1/users"))


def test_an_answer_is_lost_and_the_effect_is_kept(server: Server) -> None:
    app = next(iter(server.apple.shown()["apps"]))["id"]
    body = json.dumps(document("betaGroups", {"name": "New"}, app=("apps", app))).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(_request("POST", "/v1/betaGroups", body))
        with pytest.raises(ConnectionResetError):
            assert connection.recv(1) == b"?"
    assert [effect["effect"] for effect in server.apple.effects()] == ["POST /v1/betaGroups"]


def test_a_hang_says_nothing_and_holds_up_nobody(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.3) as connection:
        connection.sendall(_request("GET", "/v1/devices"))
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert b"200 OK" in _talk(server, _request("GET", "/v1/devices"))


def test_it_stops_with_connections_open(tmp_path: Path) -> None:
    apple = SimulatedApple(tmp_path / "other", Scenario.load(FAST), now=lambda: datetime.now(UTC))
    server = serve(apple)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(_request("GET", "/v1/apps"))
        assert connection.recv(12) == b"HTTP/1.1 200"
        server.stop()
        server.stop()
        while connection.recv(65536):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)
    assert all(origin.startswith("https://") for origin in apple.origins.values())
