"""A hand-written server on loopback that knows the few requests of an upload: real HTTP, real sockets, real resets."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = 1000


@dataclass
class Fault:
    """What happens to the next `times` requests that begin with `on` ("PATCH /v1/buildUploadFiles")."""

    on: str
    do: str
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class LittleApple:
    """The state. `app` is always there: id "app1", bundle id com.example.app."""

    faults: list[Fault] = field(default_factory=list)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorised: list[tuple[str, str | None]] = field(default_factory=list)
    expired: bool = False
    takes_checksums: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    made: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, beginning: str) -> int:
        """How many requests began like that."""
        with self.lock:
            return sum(line.startswith(beginning) for line in self.asked)

    def content(self, file_id: str) -> bytes:
        """What was stored for a file, put together."""
        return b"".join(data for _, data in sorted(self.stored.get(file_id, {}).items()))

    def reserve(self, version: str, build: str, state: str = "AWAITING_UPLOAD") -> str:
        """An upload as an earlier life left it."""
        self.made += 1
        name = f"up{self.made}"
        self.uploads[name] = {"version": version, "build": build, "state": state, "errors": []}
        return name

    def reserve_file(self, upload: str, name: str, size: int, state: str = "AWAITING_UPLOAD") -> str:
        """Its file."""
        self.made += 1
        file = f"file{self.made}"
        self.files[file] = {"upload": upload, "name": name, "size": size, "state": state, "sum": None}
        return file

    def answer(  # noqa: C901
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        """Status and document of one request."""
        parts = path.strip("/").split("/")
        if path.startswith("/store/"):
            self.stored.setdefault(parts[1], {})[int(parts[2])] = body
            return 200, {"etag": hashlib.md5(body, usedforsecurity=False).hexdigest()}
        told = json.loads(body)["data"] if body else {}
        match (method, parts[1], parts[2:]):
            case "GET", "apps", []:
                wanted = query["filter[bundleId]"][0]
                app = {"type": "apps", "id": "app1", "attributes": {"bundleId": "com.example.app", "name": "Example"}}
                return 200, {"data": [app] if wanted == "com.example.app" else []}
            case "GET", "apps", [_, "buildUploads"]:
                builds = query["filter[cfBundleVersion]"][0].split(",")
                found = [self.upload(name) for name, one in self.uploads.items() if one["build"] in builds]
                return 200, {"data": found}
            case "POST", "buildUploads", []:
                given = told["attributes"]
                name = self.reserve(given["cfBundleShortVersionString"], given["cfBundleVersion"])
                return 201, {"data": self.upload(name)}
            case "GET", "buildUploads", [name, "buildUploadFiles"]:
                return 200, {"data": [self.file(f) for f, one in self.files.items() if one["upload"] == name]}
            case "GET", "buildUploads", [name] if name in self.uploads:
                return 200, {"data": self.upload(name)}
            case "DELETE", "buildUploads", [name] if name in self.uploads:
                del self.uploads[name]
                self.files = {f: one for f, one in self.files.items() if one["upload"] != name}
                return 204, None
            case "POST", "buildUploadFiles", []:
                given, parent = told["attributes"], told["relationships"]["buildUpload"]["data"]["id"]
                file = self.reserve_file(parent, given["fileName"], given["fileSize"])
                return 201, {"data": self.file(file)}
            case "GET", "buildUploadFiles", [file] if file in self.files:
                return 200, {"data": self.file(file)}
            case "PATCH", "buildUploadFiles", [file] if file in self.files:
                return self.commit(file, told["attributes"])
        return 404, {"errors": [{"code": "NOT_FOUND", "status": "404", "title": "not here", "detail": path}]}

    def commit(self, name: str, given: dict[str, Any]) -> tuple[int, Any]:
        """PATCH uploaded=true."""
        file = self.files[name]
        checksum = given.get("sourceFileChecksums")
        if checksum and not self.takes_checksums:
            pointer = {"pointer": "/data/attributes/sourceFileChecksums"}
            return 409, {"errors": [{"code": "ENTITY_ERROR.ATTRIBUTE.INVALID", "detail": "no", "source": pointer}]}
        if file["state"] != "AWAITING_UPLOAD":
            return 409, {"errors": [{"code": "STATE_ERROR", "detail": "already uploaded"}]}
        file.update(state="COMPLETE", sum=checksum)
        self.uploads[file["upload"]]["state"] = "PROCESSING"
        return 200, {"data": self.file(name)}

    def upload(self, name: str) -> dict[str, Any]:
        """A buildUploads resource."""
        one = self.uploads[name]
        return {
            "type": "buildUploads",
            "id": name,
            "attributes": {
                "cfBundleShortVersionString": one["version"],
                "cfBundleVersion": one["build"],
                "platform": "IOS",
                "createdDate": "2026-01-02T03:04:05-07:00",
                "state": {"state": one["state"], "errors": one["errors"], "warnings": None},
            },
        }

    def file(self, name: str) -> dict[str, Any]:
        """A buildUploadFiles resource; its operations come unsorted, as Apple's do."""
        one = self.files[name]
        waiting = one["state"] == "AWAITING_UPLOAD"
        operations = [
            {
                "method": "PUT",
                "url": f"{self.url}/store/{name}/{offset}?X-Amz-Signature=hidden",
                "offset": offset,
                "length": min(PART, one["size"] - offset),
                "partNumber": offset // PART + 1,
                "requestHeaders": [{"name": "Content-Type", "value": "application/octet-stream"}],
                "expiration": "2020-01-01T00:00:00Z" if self.expired else "2999-01-01T00:00:00Z",
                "entityTag": None,
            }
            for offset in range(0, one["size"], PART)
        ]
        return {
            "type": "buildUploadFiles",
            "id": name,
            "attributes": {
                "assetType": "ASSET",
                "fileName": one["name"],
                "fileSize": one["size"],
                "assetDeliveryState": {"state": one["state"], "errors": None},
                "sourceFileChecksums": one["sum"],
                "uploadOperations": operations[::-1] if waiting else None,
            },
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    apple: LittleApple

    def _serve(self) -> None:
        apple = self.apple
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        line = f"{self.command} {self.path}"
        with apple.lock:
            apple.asked.append(line)
            apple.authorised.append((line, self.headers.get("authorization")))
            fault = next((f for f in apple.faults if line.startswith(f.on) and f.times), None)
            if fault:
                fault.times -= 1
        if fault and fault.do == "reset":
            return self._reset()
        if fault and fault.do == "hang":
            apple.release.wait(10)
            return self._reset()
        if fault and fault.do.isdecimal():
            return self._send(int(fault.do), fault.body, fault.headers)
        parts = urlsplit(self.path)
        with apple.lock:
            status, document = apple.answer(self.command, parts.path, parse_qs(parts.query), body)
        if fault and fault.do == "reset-after":
            return self._reset()
        headers = dict(fault.headers) if fault else {}
        if parts.path.startswith("/store/"):
            tag = "0" * 32 if fault and fault.do == "damage" else document["etag"]
            return self._send(status, b"", {"ETag": f'"{tag}"', **headers})
        return self._send(status, b"" if document is None else json.dumps(document).encode(), headers)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The handler's files share the descriptor: shutting it is what makes the kernel send the reset.
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def finish(self) -> None:
        if not self.wfile.closed:
            super().finish()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request: Any) -> None:
        if request.fileno() >= 0:
            super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """A client that went away is part of the tests."""


def serving(apple: LittleApple) -> Iterator[LittleApple]:
    """Serve until the generator is closed."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"apple": apple}))
    apple.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield apple
    finally:
        apple.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
