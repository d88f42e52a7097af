"""HTTP over real sockets, tokens that a verifier accepts, and a carrier that reaches nobody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.model import AppleFailure, Refused, Source, UsageFault
from pipeline.ports.http import FileSlice, Request
from pipeline.ports.live_http import CarriedHttp, CloudKitToken, ConnectKey, CredentialsMissing, LiveHttp, ReadingHttp
from pipeline.ports.secrets import EnvironmentSecrets
from tests.rooms.connect.little_apple import Fault, LittleApple, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

API = "api.appstoreconnect.apple.com"
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def apple() -> Iterator[LittleApple]:
    yield from serving(LittleApple())


def live(apple: LittleApple) -> LiveHttp:
    return LiveHttp({API: lambda: {"authorization": "Bearer token"}}, {API: apple.url})


def get(path: str = "/v1/apps?filter%5BbundleId%5D=com.example.app", **more: Any) -> Request:
    return Request("GET", f"https://{API}{path}", **more)


class Hour:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def key_with(hour: Hour, **more: str) -> ConnectKey:
    return ConnectKey(EnvironmentSecrets({"ASC_KEY_ID": "KEY1234567", "ASC_PRIVATE_KEY": PEM, **more}), hour)


def claims(headers: Mapping[str, str]) -> dict[str, Any]:
    token = headers["authorization"].removeprefix("Bearer ")
    read: dict[str, Any] = jwt.decode(
        token,
        KEY.public_key(),
        algorithms=["ES256"],
        audience="appstoreconnect-v1",
        options={"verify_exp": False, "verify_iat": False},
    )
    return read


def test_an_answer_comes_back_with_small_header_names(apple: LittleApple) -> None:
    apple.faults.append(Fault("GET", "ok", headers={"X-Rate-Limit": "user-hour-rem:1;"}))
    response = live(apple).send(get())
    assert response.json()["data"][0]["id"] == "app1"
    assert response.headers["x-rate-limit"] == "user-hour-rem:1;"


def test_only_known_hosts_see_the_token(apple: LittleApple) -> None:
    http = live(apple)
    http.send(get())
    http.send(Request("GET", f"{apple.url}/v1/elsewhere"))
    assert [token for _, token in apple.authorised] == ["Bearer token", None]


def test_a_password_in_netrc_does_not_take_the_tokens_place(
    apple: LittleApple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    live(apple).send(get())
    assert apple.authorised[0][1] == "Bearer token"


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(apple: LittleApple, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert live(apple).send(get()).status == 200


def test_a_proxy_of_the_environment_is_asked_for_everything_else(
    apple: LittleApple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", apple.url)
    monkeypatch.setenv("https_proxy", apple.url)
    with pytest.raises(AppleFailure) as raised:
        LiveHttp({}).send(Request("GET", "https://example.com/", timeout=2))
    assert not raised.value.ambiguous


def test_redirects_are_not_followed(apple: LittleApple) -> None:
    apple.faults.append(Fault("GET", "302", headers={"Location": f"{apple.url}/elsewhere"}))
    assert live(apple).send(get()).status == 302
    assert len(apple.asked) == 1


def test_cookies_are_not_kept(apple: LittleApple) -> None:
    apple.faults.append(Fault("GET", "ok", headers={"Set-Cookie": "dqsid=1; Path=/"}))
    http = live(apple)
    http.send(get())
    assert not http._opened().cookies


def test_a_slice_of_a_file_is_sent_alone(apple: LittleApple, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 1000)
    live(apple).send(Request("PUT", f"{apple.url}/store/f/7", body=FileSlice(path, 100_000, 150_001)))
    assert apple.stored["f"][7] == (bytes(range(256)) * 1000)[100_000:250_001]


def test_a_file_that_shrinks_is_said_to_shrink(apple: LittleApple, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"123")
    with pytest.raises(UsageFault, match="became shorter"):
        live(apple).send(Request("PUT", f"{apple.url}/store/f/7", body=FileSlice(path, 0, 10)))


def test_a_refused_connection_has_had_no_effect() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x?signature=hidden"
        with pytest.raises(AppleFailure) as raised:
            LiveHttp({}).send(Request("POST", url, body=b"x"))
    assert (raised.value.code, raised.value.ambiguous) == ("UNREACHABLE", False)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(("do", "code"), [("reset", "CONNECTION_LOST"), ("hang", "TIMEOUT")])
def test_a_connection_lost_after_sending_is_ambiguous(apple: LittleApple, do: str, code: str) -> None:
    apple.faults.append(Fault("POST", do))
    with pytest.raises(AppleFailure) as raised:
        live(apple).send(Request("POST", f"https://{API}/v1/buildUploads", body=b"{}", timeout=0.2))
    assert (raised.value.code, raised.value.ambiguous) == (code, True)


@contextlib.contextmanager
def trickling(*parts: bytes) -> Iterator[str]:
    """The address of a server that says the first part at once, then the second over and over, and never goes quiet."""
    first, drop = parts
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection:
                connection.recv(65536)
                connection.sendall(first)
                for _ in range(100):
                    connection.sendall(drop)
                    if over.wait(0.03):
                        return

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


LINE = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 ", b"x"),
        (LINE + b"X-Long: ", b"x"),
        (LINE + b"Content-Length: 1000\r\n\r\n", b"x"),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (LINE + b"\r\n", b"x"),
    ],
    ids=["status", "headers", "length", "chunks", "to-the-end"],
)
def test_an_answer_that_trickles_has_a_limit_as_a_whole(parts: tuple[bytes, bytes]) -> None:
    """Each byte comes soon after the one before; only all of them together take too long."""
    with trickling(*parts) as url, pytest.raises(AppleFailure) as raised:
        LiveHttp({API: dict}, {API: url}).send(get(timeout=0.5))
    assert (raised.value.code, raised.value.ambiguous) == ("TIMEOUT", True)


def test_a_trickle_through_a_proxy_has_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with trickling(b"HTTP/1.1 200 ", b"x") as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(AppleFailure) as raised:
            LiveHttp({}).send(Request("GET", "https://example.com/", timeout=0.5))
    assert raised.value.code in ("TIMEOUT", "UNREACHABLE")


def test_a_used_connection_has_its_whole_time_again(apple: LittleApple) -> None:
    http = live(apple)
    taken = []
    for _ in range(3):
        http.send(get(timeout=5))
        pools = http._opened().get_adapter(apple.url).poolmanager.pools
        (pool,) = (pools[key] for key in pools.keys())  # noqa: SIM118 - it is no mapping
        (connection,) = (each for each in pool.pool.queue if each)
        taken.append(connection.sock.gettimeout())
    assert connection.response_class is not HTTPResponse
    assert pool.num_connections == 1


def test_an_answer_that_cannot_be_unpacked_is_garbled(apple: LittleApple) -> None:
    apple.faults.append(Fault("GET", "200", headers={"Content-Encoding": "gzip"}, body=b"no gzip at all"))
    with pytest.raises(AppleFailure) as raised:
        live(apple).send(get())
    assert raised.value.code == "GARBLED"


def test_a_body_that_breaks_off_is_ambiguous(apple: LittleApple) -> None:
    apple.faults.append(Fault("GET", "200", headers={"Content-Length": "10"}, body=b"123"))
    with pytest.raises(AppleFailure) as raised:
        live(apple).send(get(timeout=0.2))
    assert raised.value.ambiguous


def test_something_that_speaks_no_tls_gives_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(AppleFailure) as raised:
            LiveHttp({}).send(Request("GET", f"https://127.0.0.1:{server.getsockname()[1]}/", timeout=2))
        thread.join()
    assert (raised.value.code, raised.value.ambiguous) == ("CONNECTION_LOST", True)


def self_signed(folder: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 1, now, now + timedelta(days=1))
        .sign(KEY, SHA256())
        .public_bytes(Encoding.PEM)
    )
    path = folder / "server.pem"
    path.write_bytes(PEM.encode() + made)
    return path


def test_a_certificate_nobody_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as safe:
                safe.recv(1)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(AppleFailure) as raised:
            LiveHttp({}).send(Request("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", timeout=2))
        thread.join()
    assert (raised.value.code, raised.value.ambiguous) == ("UNTRUSTED", False)


def test_a_header_that_is_none_was_never_sent(apple: LittleApple) -> None:
    with pytest.raises(AppleFailure) as raised:
        live(apple).send(get(headers={"x": "a\r\nInjected: b"}))
    assert (raised.value.code, raised.value.ambiguous) == ("MALFORMED", False)
    assert apple.asked == []


def test_nothing_is_sent_in_the_clear() -> None:
    with pytest.raises(Refused, match=r"example\.com"):
        LiveHttp({}).send(Request("GET", "http://example.com/"))
    with pytest.raises(UsageFault, match="cannot stand for Apple's server"):
        LiveHttp({}, {API: "http://example.com"})


def test_a_team_key_signs_what_apple_asks_for() -> None:
    hour = Hour()
    headers = key_with(hour, ASC_ISSUER_ID="issuer")()
    read = claims(headers)
    assert read == {"iss": "issuer", "aud": "appstoreconnect-v1", "iat": hour.now - 30, "exp": hour.now + 570}
    told = jwt.get_unverified_header(headers["authorization"].removeprefix("Bearer "))
    assert told == {"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"}


def test_an_individual_key_names_the_user() -> None:
    read = claims(key_with(Hour())())
    assert read["sub"] == "user"
    assert "iss" not in read


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    hour = Hour()
    key = key_with(hour)
    first = key()
    hour.now += 509
    assert key() == first
    hour.now += 2
    assert key() != first


def test_a_token_is_dated_by_the_servers_clock_when_it_was_refused() -> None:
    hour = Hour()
    key = key_with(hour)
    key()
    key.renew(hour.now - 300)
    assert claims(key())["iat"] == hour.now - 330
    key.renew(hour.now - 10_000_000)
    assert claims(key())["iat"] == hour.now - 330, "a clock that is months away is not believed"


def test_line_ends_may_be_spelled_out() -> None:
    assert claims(key_with(Hour(), ASC_PRIVATE_KEY=PEM.replace("\n", "\\n"))())["sub"] == "user"


def test_a_missing_key_names_the_variables() -> None:
    with pytest.raises(CredentialsMissing, match="ASC_KEY_ID and ASC_PRIVATE_KEY not set"):
        ConnectKey(EnvironmentSecrets({}))()


RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("pem", ["rubbish", PEM[:80], PEM.replace("M", "N"), RSA], ids=["text", "cut", "flip", "rsa"])
def test_a_broken_key_is_said_to_be_broken_and_not_shown(pem: str) -> None:
    with pytest.raises(UsageFault, match="ASC_PRIVATE_KEY is not") as raised:
        key_with(Hour(), ASC_PRIVATE_KEY=pem)()
    assert raised.value.__cause__ is None
    assert pem[30:60] not in f"{raised.value}{raised.value.remedy}" or len(pem) < 40


def test_a_key_shows_nothing() -> None:
    key = key_with(Hour())
    token = key()["authorization"]
    assert token not in repr(key)
    assert "KEY1234567" not in repr(key)


def test_threads_share_one_token() -> None:
    key = key_with(Hour())
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(key()["authorization"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_a_cloudkit_token_is_a_header_and_shows_nothing() -> None:
    token = CloudKitToken(EnvironmentSecrets({"CLOUDKIT_MANAGEMENT_TOKEN": "hidden"}))
    assert token() == {"x-apple-cloudkit-management-token": "hidden"}
    assert "hidden" not in repr(token)
    with pytest.raises(CredentialsMissing, match="CLOUDKIT_MANAGEMENT_TOKEN not set"):
        CloudKitToken(EnvironmentSecrets({}))()


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "get"])
def test_a_reader_changes_nothing(apple: LittleApple, method: str) -> None:
    http = ReadingHttp(live(apple))
    with pytest.raises(Refused, match="refused to send"):
        http.send(Request(method, f"https://{API}/v1/apps"))
    assert apple.asked == []
    assert http.send(get()).status == 200


def test_a_carrier_reaches_only_its_hosts(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def carrier(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        seen.append((method, url, body))
        return 200, {"ETag": "x"}, b"{}"

    http = CarriedHttp(carrier, {API})
    (tmp_path / "f").write_bytes(b"0123456789")
    response = http.send(Request("PUT", f"https://{API}/x", body=FileSlice(tmp_path / "f", 3, 4)))
    assert response.headers == {"etag": "x"}
    assert seen == [("PUT", f"https://{API}/x", b"3456")]
    assert http.source is Source.SIMULATED
    with pytest.raises(Refused, match=r"evil\.example\.com"):
        http.send(Request("GET", "https://evil.example.com/?next=" + API))
    with pytest.raises(Refused, match="at once"):
        http.send(Request("PUT", f"https://{API}/x", body=FileSlice(tmp_path / "f", 0, 10**12)))
    assert len(seen) == 1


def test_a_carrier_is_given_the_authorisation_of_a_host() -> None:
    seen: list[str | None] = []

    def carrier(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        seen.append(headers.get("authorization"))
        return 200, {}, b""

    http = CarriedHttp(carrier, {API, "parts.example.com"}, authorizers={API: lambda: {"authorization": "Bearer x"}})
    http.send(get())
    http.send(Request("PUT", "https://parts.example.com/"))
    assert seen == ["Bearer x", None]


@pytest.mark.parametrize(("applied", "ambiguous"), [(True, True), (False, False), (None, True)])
def test_a_dropped_connection_of_a_carrier_is_a_failure(applied: bool | None, ambiguous: bool) -> None:
    class Dropped(Exception):
        """What a simulated service raises."""

    def carrier(*_: object) -> tuple[int, dict[str, str], bytes]:
        fault = Dropped("gone")
        fault.applied = applied  # type: ignore[attr-defined]
        raise fault

    with pytest.raises(AppleFailure) as raised:
        CarriedHttp(carrier, {API}).send(get())
    assert raised.value.ambiguous is ambiguous


def test_a_mistake_of_a_carrier_is_not_taken_for_the_network() -> None:
    def carrier(*_: object) -> tuple[int, dict[str, str], bytes]:
        raise KeyError("route")

    with pytest.raises(KeyError):
        CarriedHttp(carrier, {API}).send(get())


@pytest.mark.parametrize(
    "url", ["https://apple.example.com", "http://10.0.0.1:8787", "ftp://127.0.0.1", "127.0.0.1:8787", ""]
)
def test_only_this_machine_may_stand_for_apple(url: str) -> None:
    with pytest.raises(UsageFault, match="cannot stand for Apple"):
        LiveHttp({}, {API: url})
