"""A small account to ask, and Apple's real description of the API where it is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.connect.service import template
from pipeline.simulator.faults import Scenario

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CONNECT = "https://api.appstoreconnect.apple.com"
TEAM = "ABCDE12345"
BUNDLE_ID = "com.example.app"
PART_SIZE = 1000

MAPPING: dict[str, Any] = {
    "team_id": TEAM,
    "part_size": PART_SIZE,
    "processing": {"seconds": 40, "builds_invisible": 60, "validating": 90, "beta_delay": 30},
    "apps": [
        {
            "bundle_id": BUNDLE_ID,
            "name": "Example",
            "platforms": ["IOS", "MAC_OS"],
            "groups": [
                {"name": "Everyone inside", "internal": True, "all_builds": True, "testers": 3},
                {"name": "Chosen builds", "internal": True, "all_builds": False},
                {"name": "Public", "internal": False},
            ],
            "builds": [
                {"version": "1.0", "build": "1", "age_days": 100},
                {"version": "1.1", "build": "2", "age_days": 5},
                {"version": "1.1", "build": "10", "age_days": 4},
                {"version": "1.1", "build": "10", "age_days": 4, "platform": "MAC_OS"},
            ],
            "versions": [{"version": "1.0"}],
        },
        {"bundle_id": BUNDLE_ID + ".beta", "name": "Example Beta"},
    ],
    "containers": [{"identifier": "iCloud.com.example.app"}],
}


@pytest.fixture(scope="session")
def openapi(shared_data: Path) -> dict[str, Any]:
    """Apple's description of the App Store Connect API."""
    path = shared_data / "app-store-connect" / "openapi-4.4.1.json"
    if not path.is_file():
        pytest.skip("Apple's API description is not among the shared data")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


class Asked:
    """An answer: status, headers, and the body as JSON where it is JSON."""

    def __init__(self, operation: str, status: int, headers: dict[str, str], body: bytes) -> None:
        self.operation = operation
        self.status = status
        self.headers = headers
        self.body = body
        self.document: Any = json.loads(body) if headers.get("content-type") == "application/json" else None

    @property
    def data(self) -> Any:
        assert self.document is not None, self.body
        assert "data" in self.document, self.body
        return self.document["data"]

    @property
    def codes(self) -> list[str]:
        assert self.document is not None, self.body
        assert "errors" in self.document, self.body
        return [error["code"] for error in self.document["errors"]]


class Client:
    """Asks the small Apple in the process; `after` is in seconds since START."""

    def __init__(self, apple: SimulatedApple) -> None:
        self.apple = apple
        self.after = 0.0
        self.heard: list[Asked] = []

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Asked:
        held = {"Authorization": "Bearer rehearsal", "Content-Type": "application/json"}
        held |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("https://") else CONNECT + path
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        status, shown, answer = self.apple.handle(method, url, held, data, now=START + timedelta(seconds=self.after))
        name = f"{method} {template(url.removeprefix(CONNECT).partition('?')[0])}"
        asked = Asked(name, status, shown, answer)
        self.heard.append(asked)
        return asked

    def get(self, path: str) -> Asked:
        return self.ask("GET", path)

    def put_part(self, url: str, data: bytes, **headers: str) -> Asked:
        held = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.apple.handle("PUT", url, held, data, now=START + timedelta(seconds=self.after))
        return Asked("PUT /uploads/{id}", *answer)

    @property
    def app(self) -> str:
        return str(self.get(f"/v1/apps?filter[bundleId]={BUNDLE_ID}&sort=bundleId").data[0]["id"])

    def create(self, kind: str, attributes: dict[str, Any], **links: Any) -> Asked:
        return self.ask("POST", f"/v1/{kind}", document(kind, attributes, **links))

    def change(self, kind: str, identifier: str, attributes: dict[str, Any]) -> Asked:
        return self.ask(
            "PATCH", f"/v1/{kind}/{identifier}", {"data": {"type": kind, "id": identifier, "attributes": attributes}}
        )

    def reserve(self, version: str = "1.2", build: str = "3", platform: str = "IOS") -> str:
        attributes = {"cfBundleShortVersionString": version, "cfBundleVersion": build, "platform": platform}
        return str(self.create("buildUploads", attributes, app=("apps", self.app)).data["id"])

    def announce(self, upload: str, size: int, uti: str = "com.apple.ipa", kind: str = "ASSET") -> Asked:
        attributes = {"fileName": "App.ipa", "fileSize": size, "uti": uti, "assetType": kind}
        return self.create("buildUploadFiles", attributes, buildUpload=("buildUploads", upload))

    def upload(self, asset: bytes, version: str = "1.2", build: str = "3", platform: str = "IOS") -> str:
        """Reserve, send and commit; the upload's id."""
        upload = self.reserve(version, build, platform)
        file = self.announce(upload, len(asset), "com.apple.ipa" if platform == "IOS" else "com.apple.pkg").data
        for operation in file["attributes"]["uploadOperations"]:
            start, length = operation["offset"], operation["length"]
            assert self.put_part(operation["url"], asset[start : start + length]).status == 200
        assert self.change("buildUploadFiles", file["id"], {"uploaded": True}).status == 200
        return upload

    def state(self, upload: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/buildUploads/{upload}").data["attributes"]["state"])


def document(kind: str, attributes: dict[str, Any], **links: Any) -> dict[str, Any]:
    """A request document; each link is (kind, id) or (kind, [ids])."""
    relationships = {}
    for name, (other, ids) in links.items():
        many = (
            [{"type": other, "id": identifier} for identifier in ids]
            if isinstance(ids, list)
            else {"type": other, "id": ids}
        )
        relationships[name] = {"data": many}
    data = {"type": kind, "attributes": attributes}
    return {"data": {**data, "relationships": relationships} if relationships else data}


@pytest.fixture
def apple(tmp_path: Path) -> Iterator[SimulatedApple]:
    made = SimulatedApple(tmp_path / "apple", Scenario.load(MAPPING), now=lambda: START)
    yield made
    made.close()


@pytest.fixture
def client(apple: SimulatedApple) -> Client:
    return Client(apple)


def pkg(version: str = "1.2", build: str = "3", bundle_id: str = BUNDLE_ID, newc: bool = False) -> bytes:
    """A flat package around an app, as far as the small Apple looks into it."""
    import gzip
    import plistlib
    import zlib

    values = {
        "CFBundleIdentifier": bundle_id,
        "CFBundleShortVersionString": version,
        "CFBundleVersion": build,
        "LSMinimumSystemVersion": "14.0",
        "ITSAppUsesNonExemptEncryption": False,
    }
    entries = {"./App.app/Contents/MacOS/App": bytes(5000), "./App.app/Contents/Info.plist": plistlib.dumps(values)}
    archive = b""
    for name, data in [*entries.items(), ("TRAILER!!!", b"")]:
        path = name.encode() + b"\0"
        if newc:
            fields = [0, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
            head = b"070701" + b"".join(b"%08X" % field for field in fields)
            archive += (head + path).ljust(-(-len(head + path) // 4) * 4, b"\0") + data + bytes(-len(data) % 4)
        else:
            numbers = b"070707" + b"%06o" * 7 % (0, 0, 0o100644, 0, 0, 1, 0) + b"%011o" % 0
            archive += numbers + b"%06o%011o" % (len(path), len(data)) + path + data
    payload = gzip.compress(archive)
    place = f"<data><offset>20</offset><length>{len(payload)}</length></data>"
    inner = f"<file><name>a.pkg</name><type>directory</type><file><name>Payload</name>{place}</file></file>"
    contents = zlib.compress(f"<xar><toc>{inner}</toc></xar>".encode())
    head = b"xar!" + (28).to_bytes(2, "big") + (1).to_bytes(2, "big") + len(contents).to_bytes(8, "big")
    return head + (999).to_bytes(8, "big") + (1).to_bytes(4, "big") + contents + bytes(20) + payload


def ipa(version: str = "1.2", build: str = "3", bundle_id: str = BUNDLE_ID, **entries: Any) -> bytes:
    """A zip that is an app archive as far as the small Apple looks into it."""
    import io
    import plistlib
    import zipfile

    values = {
        "CFBundleIdentifier": bundle_id,
        "CFBundleShortVersionString": version,
        "CFBundleVersion": build,
        "MinimumOSVersion": "17.0",
        "ITSAppUsesNonExemptEncryption": False,
        **entries,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Payload/App.app/App", bytes(range(256)) * 12)
        archive.writestr(
            "Payload/App.app/Info.plist", plistlib.dumps({k: v for k, v in values.items() if v is not None})
        )
    return buffer.getvalue()
