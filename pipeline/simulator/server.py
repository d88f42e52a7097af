"""The small Apple behind a real socket, for any HTTP client on this machine."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from pipeline.simulator.apple import HOSTS
from pipeline.simulator.cloudkit import management
from pipeline.simulator.connect import parts, service
from pipeline.simulator.connect.authorization import LIFETIME
from pipeline.simulator.faults import Dropped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.request import Answer

BODY_LIMIT = 64 * 1024 * 1024
CHUNK = 256 * 1024
IDLE_SECONDS = 60.0
HANG_SECONDS = 600.0
NO_BODY = (204, 304)

_CLOUDKIT_PREFIX = "/cloudkit"
_CLOUDKIT_PATHS = ("/v1/database/", "/users/current/", "/teams/")


class Server:
    """A running server. As a context manager it stops at the end.

    Attributes:
        url: where it listens, "http://127.0.0.1:PORT"; links in answers begin with it.

    """

    def __init__(self, apple: SimulatedApple, host: str, port: int) -> None:
        self.apple = apple
        self.stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._key: EllipticCurvePrivateKey | None = None
        self._http = _Listener((host, port), _handler_for(self))
        name, self.port = self._http.server_address[:2]
        shown = f"[{name!s}]" if ":" in str(name) else str(name)
        self.url = f"http://{shown}:{self.port}"
        self._former = dict(apple.origins)
        apple.origins.update(dict.fromkeys(apple.origins, self.url))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def token(self) -> str:
        """A bearer token for App Store Connect, good for 20 minutes, signed with a key that lives as long as this."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        with self._guard:
            self._key = self._key or ec.generate_private_key(ec.SECP256R1())
        now = int(self.apple.hour())
        claims = {"iss": "simulated", "iat": now - 1, "exp": now + LIFETIME - 1, "aud": "appstoreconnect-v1"}
        header = {"alg": "ES256", "kid": "SIMULATED1", "typ": "JWT"}
        message = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(message.encode(), ec.ECDSA(SHA256())))
        return f"{message}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def wait(self) -> None:
        """Block until `stop` is called from elsewhere, or the keyboard interrupts."""
        self.stopping.wait()

    def stop(self) -> None:
        """Take no more requests, let those in hand finish writing, and close every connection."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)
        with self._guard:
            open_sockets = list(self._sockets)
        for connection in open_sockets:
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue
        self.apple.origins.update(self._former)

    def opened(self, connection: socket.socket) -> None:
        """A connection was taken."""
        with self._guard:
            self._sockets.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """A connection ended."""
        with self._guard:
            self._sockets.discard(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(apple: SimulatedApple, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Start serving in a thread of its own.

    Requests go to one of the simulated hosts by their Host header, or else by their path: /v1/… is App Store Connect,
    /uploads/… takes parts, /cloudkit/v1/database/… and /v1/database/… are CloudKit; / is a page for people.

    Args:
        apple: what to serve. Its links name the server until it stops.
        host: an address of this machine; anything but loopback shows the account to the network.
        port: 0 for any free one.

    Raises:
        OSError: the address cannot be listened on.

    """
    return Server(apple, host, port)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the client's affair; a fault of ours would have been answered with 500."""


def _handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"owner": server})


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"
    server_version = "SimulatedApple"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.owner.opened(self.connection)

    def finish(self) -> None:
        self.owner.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: the effects are the log."""

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        url = _simulated(self.headers.get("Host", ""), self.path)
        if url is None:
            self._send(self._page(), body_wanted=self.command != "HEAD")
            return
        try:
            answer = self.owner.apple.handle(self.command, url, dict(self.headers.items()), body, remote=True)
        except Dropped as dropped:
            self._drop(dropped)
            return
        self._send(answer, body_wanted=self.command != "HEAD")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _body(self) -> bytes | None:
        length = self._length()
        if length is None:
            return None
        body = bytearray()
        while len(body) < length:
            chunk = self.rfile.read(min(CHUNK, length - len(body)))
            if not chunk:
                self.close_connection = True
                return None
            body += chunk
        return bytes(body)

    def handle_expect_100(self) -> bool:
        """100 Continue, unless the body would be refused anyway."""
        return self._length() is not None and super().handle_expect_100()

    def _length(self) -> int | None:
        """The body's length, or None after it was refused."""
        text = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            self._refuse(411, b"Length Required")
        elif not (text.isascii() and text.isdigit() and len(text) < 16):
            self._refuse(400, b"Bad Content-Length")
        elif int(text) > BODY_LIMIT:
            self._refuse(413, b"Content Too Large")
        else:
            return int(text)
        return None

    def _refuse(self, status: int, text: bytes) -> None:
        self.close_connection = True
        self._send((status, {"content-type": "text/plain", "connection": "close"}, text))

    def _send(self, answer: Answer, *, body_wanted: bool = True) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header("-".join(word.capitalize() for word in name.split("-")), value)
        if status not in NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body_wanted and status not in NO_BODY:
            self.wfile.write(body)

    def _drop(self, dropped: Dropped) -> None:
        self.close_connection = True
        waited = 0.0
        while dropped.hung and waited < HANG_SECONDS and not self.owner.stopping.wait(0.1):
            waited += 0.1
            if select.select([self.connection], [], [], 0)[0]:
                break
        # Linger 0 turns the close into a reset, as a dropped connection looks like; the framework would say goodbye.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _page(self) -> Answer:
        apple = self.owner.apple
        path = self.path.partition("?")[0]
        if path == "/_effects":
            return _json(apple.effects())
        if path == "/_token":
            return 200, {"content-type": "text/plain"}, self.owner.token().encode() + b"\n"
        if path == "/_scenario":
            from dataclasses import asdict

            return _json(asdict(apple.scenario))
        if path != "/" or self.command not in ("GET", "HEAD"):
            return 404, {"content-type": "text/plain"}, b"Not found; see /\n"
        if "application/json" in self.headers.get("Accept", ""):
            return _json(apple.shown())
        return 200, {"content-type": "text/plain; charset=utf-8"}, _front(self.owner).encode()


def _simulated(host: str, path: str) -> str | None:
    name = host.partition(":")[0].lower()
    if name in HOSTS:
        return f"https://{name}{path}"
    if path.startswith("/uploads/"):
        return f"https://{parts.HOST}{path}"
    if path.startswith(_CLOUDKIT_PREFIX + "/"):
        return f"https://{management.HOST}{path[len(_CLOUDKIT_PREFIX) :]}"
    if path.startswith(_CLOUDKIT_PATHS):
        return f"https://{management.HOST}{path}"
    if path.startswith("/v1/"):
        return f"https://{service.HOST}{path}"
    return None


def _json(value: Any) -> Answer:
    return 200, {"content-type": "application/json"}, json.dumps(value, indent=1, ensure_ascii=False).encode()


def _front(server: Server) -> str:
    shown = server.apple.shown()
    lines = [f"Simulated Apple: scenario {shown['scenario']}, team {shown['team']}", ""]
    for kind in ("apps", "buildUploads", "builds"):
        lines.append(f"{kind} ({len(shown[kind])})")
        for entry in shown[kind]:
            words = [str(entry[key]) for key in _COLUMNS[kind] if entry.get(key)]
            lines.append(f"  {entry['id']}  {'  '.join(words)}")
    app = shown["apps"][0]["id"] if shown["apps"] else "APP"
    lines += ["", *_examples(server, app), ""]
    return "\n".join(lines)


def _examples(server: Server, app: str) -> list[str]:
    upload = {"cfBundleShortVersionString": "2.5.0", "cfBundleVersion": "250", "platform": "IOS"}
    file = {"assetType": "ASSET", "fileName": "My.ipa", "fileSize": "SIZE", "uti": "com.apple.ipa"}
    made = _sent("buildUploads", upload, app=("apps", app))
    named = _sent("buildUploadFiles", file, buildUpload=("buildUploads", "UPLOAD")).replace('"SIZE"', "SIZE")
    done = _sent("buildUploadFiles", {"uploaded": True}, identifier="FILE")
    signed = f'-g -H "Authorization: Bearer $TOKEN" {server.url}'
    json_sent = "-H 'Content-Type: application/json' -d"
    return [
        "Try it. The token is good for 20 minutes; /_token gives a new one. Signatures are looked at only where the",
        "server was given public keys.",
        "",
        f"  TOKEN={server.token()}",
        f"  curl {signed}/v1/apps",
        f"  curl {signed}/v1/builds?include=preReleaseVersion",
        f"  curl -H 'X-Apple-CloudKit-Management-Token: any' {server.url}/users/current/teams",
        "",
        "A build upload: create it, name its file, fill it, commit it. The answers tell UPLOAD, FILE, and URL.",
        "",
        f"  curl {signed}/v1/buildUploads {json_sent} '{made}'",
        f"  curl {signed}/v1/buildUploadFiles {json_sent} '{named}'",
        "  curl -X PUT -H 'Content-Type: application/octet-stream' --data-binary @My.ipa 'URL'",
        f"  curl -X PATCH {signed}/v1/buildUploadFiles/FILE {json_sent} '{done}'",
        "",
        "What was done, what is played, and the account as JSON:",
        "",
        f"  curl {server.url}/_effects",
        f"  curl {server.url}/_scenario",
        f"  curl -H 'Accept: application/json' {server.url}/",
    ]


def _sent(kind: str, attributes: Mapping[str, Any], identifier: str = "", **links: tuple[str, str]) -> str:
    data: dict[str, Any] = {"type": kind, **({"id": identifier} if identifier else {}), "attributes": attributes}
    if links:
        data["relationships"] = {name: {"data": {"type": t, "id": i}} for name, (t, i) in links.items()}
    return json.dumps({"data": data}, separators=(",", ":"))


_COLUMNS = {
    "apps": ("bundleId", "name"),
    "buildUploads": ("platform", "cfBundleShortVersionString", "cfBundleVersion", "uploadedDate"),
    "builds": ("version", "uploadedDate", "processingState"),
}


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
