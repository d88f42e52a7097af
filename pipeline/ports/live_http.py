"""The two ways an HTTP request leaves a client: over the network with credentials, or to a server in the process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.model import AppleFailure, Interrupted, PipelineError, Refused, Source, UsageFault
from pipeline.model.errors import EXIT_USAGE
from pipeline.ports.http import FileSlice, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pipeline.ports.http import Carrier
    from pipeline.ports.secrets import Secrets

    Authorizer = Callable[[], Mapping[str, str]]

ANSWER_SECONDS = 60.0
"""The longest wait for an answer, from the last byte sent to its last byte; a request may ask for less."""

CONNECT_SECONDS = 20.0
"""The longest wait for a connection, and for each block of a body to be taken by the other side."""

ANSWER_LIMIT = 64 * 1024 * 1024
CARRIED_LIMIT = 256 * 1024 * 1024
BLOCK = 64 * 1024
POOL = 16
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_NO_PROXIES = {"http": None, "https": None, "all": None}
"""A proxy on another machine cannot reach what listens on this one."""

TOKEN_SECONDS = 600
"""Apple refuses tokens that live longer than 1200 s; half of it leaves room for a clock that runs fast."""
TOKEN_BACKDATED = 30
TOKEN_RENEWED_EARLY = 60
SKEW_LIMIT = 86_400.0


class CredentialsMissing(PipelineError):
    """A request needs a credential that nobody has given. A probe answers it with an UNKNOWN reading."""

    exit_code = EXIT_USAGE


class ConnectKey:
    """Signs App Store Connect tokens, and keeps the current one in memory only.

    A key with an issuer is a team key (`iss`); one without is an individual key (`sub` "user"). Shapes and limits:
    Apple, "Generating Tokens for API Requests". Secrets by name: ASC_KEY_ID, ASC_ISSUER_ID, ASC_PRIVATE_KEY (PEM).

    Raises:
        CredentialsMissing: on the first use, when the key or its id is not there.
        UsageFault: on the first use, when the private key is not a P-256 key in PEM form.

    """

    def __init__(self, secrets: Secrets, now: Callable[[], float] = time.time) -> None:
        self._secrets = secrets
        self._now = now
        self._lock = threading.Lock()
        self._token = ""
        self._expires = 0.0
        self._skew = 0.0

    def __repr__(self) -> str:
        return "ConnectKey(…)"

    def __call__(self) -> Mapping[str, str]:
        """The headers that authorise a request."""
        with self._lock:
            if self._now() + self._skew >= self._expires - TOKEN_RENEWED_EARLY:
                self._sign()
            return {"authorization": f"Bearer {self._token}"}

    def renew(self, server_time: float | None = None) -> None:
        """Forget the token; the next one is dated by the server's clock (seconds since 1970) where it is known."""
        with self._lock:
            self._expires = 0.0
            if server_time is not None and abs(server_time - self._now()) <= SKEW_LIMIT:
                self._skew = server_time - self._now()

    def _sign(self) -> None:
        import jwt

        key_id, pem = self._secrets.get("ASC_KEY_ID"), self._secrets.get("ASC_PRIVATE_KEY")
        absent = [name for name, value in (("ASC_KEY_ID", key_id), ("ASC_PRIVATE_KEY", pem)) if not value]
        if absent or not key_id or not pem:
            raise CredentialsMissing(
                "there is no App Store Connect API key",
                why=f"{' and '.join(absent)} not set",
                remedy="set ASC_KEY_ID, ASC_ISSUER_ID (for a team key) and ASC_PRIVATE_KEY or ASC_PRIVATE_KEY_FILE",
            )
        issued = int(self._now() + self._skew) - TOKEN_BACKDATED
        issuer = self._secrets.get("ASC_ISSUER_ID")
        whose = {"iss": issuer} if issuer else {"sub": "user"}
        claims = {**whose, "iat": issued, "exp": issued + TOKEN_SECONDS, "aud": "appstoreconnect-v1"}
        headers = {"kid": key_id, "typ": "JWT"}
        self._token = jwt.encode(claims, _private_key(pem), algorithm="ES256", headers=headers)
        self._expires = issued + TOKEN_SECONDS


class CloudKitToken:
    """Authorises CloudKit's management requests with the secret CLOUDKIT_MANAGEMENT_TOKEN.

    Raises:
        CredentialsMissing: on use, when there is no token.

    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __repr__(self) -> str:
        return "CloudKitToken(…)"

    def __call__(self) -> Mapping[str, str]:
        """The headers that authorise a request."""
        token = self._secrets.get("CLOUDKIT_MANAGEMENT_TOKEN")
        if not token:
            raise CredentialsMissing(
                "there is no CloudKit management token",
                why="CLOUDKIT_MANAGEMENT_TOKEN not set",
                remedy="create one in CloudKit Console under Tokens & Keys, and set CLOUDKIT_MANAGEMENT_TOKEN",
            )
        return {"x-apple-cloudkit-management-token": token}


def _private_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # CI systems often store a multi-line secret with its line ends spelled out.
    text = pem.replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageFault(
            "ASC_PRIVATE_KEY is not an App Store Connect API key",
            why="a P-256 private key in PEM form is expected, without a passphrase",
            remedy="give the whole text of the AuthKey_….p8 file, from BEGIN PRIVATE KEY to END PRIVATE KEY",
        ) from None
    return key


class LiveHttp:
    """Sends requests over the network.

    Always with time limits, never following a redirect (so no token reaches another host), with the proxies that the
    environment names. Authorisation is added only for the hosts in `authorizers`.

    Args:
        authorizers: by host name, what gives the headers that authorise a request to it.
        base_urls: by host name, another base URL that takes its place, on this machine.
        source: how far to trust the answers; LIVE unless a base URL leads to something that is not Apple.
        stop: once it is set, no request is begun any more: `send` raises Interrupted.

    """

    def __init__(
        self,
        authorizers: Mapping[str, Authorizer],
        base_urls: Mapping[str, str] | None = None,
        source: Source = Source.LIVE,
        stop: threading.Event | None = None,
    ) -> None:
        self.source = source
        self._stop = stop or threading.Event()
        self._authorizers = dict(authorizers)
        self._bases = {host: _base(url) for host, url in (base_urls or {}).items()}
        self._lock = threading.Lock()
        self._session: Any = None

    def send(self, request: Request) -> Response:
        """See `ports.http.Http.send`."""
        if self._stop.is_set():
            raise Interrupted("stopped", why="you asked to stop", remedy="`invoke resume` goes on from here")
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        if parts.scheme != "https" and host not in LOOPBACK:
            raise Refused(f"refused to send a request to {host or request.url!r} without TLS")
        headers = dict(request.headers)
        if host in self._authorizers and parts.scheme == "https":
            headers.update(self._authorizers[host]())
        url = request.url
        if host in self._bases:
            url = self._bases[host] + parts.path + (f"?{parts.query}" if parts.query else "")
        return self._exchange(request, url, headers)

    def renew(self, url: str, server_time: float | None = None) -> bool:
        """Have the next request to the URL's host signed anew. False when there is nothing to sign it with."""
        renew = getattr(self._authorizers.get(urlsplit(url).hostname or ""), "renew", None)
        if renew is None:
            return False
        renew(server_time)
        return True

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _exchange(self, request: Request, url: str, headers: dict[str, str]) -> Response:
        from requests import RequestException

        limits = (min(request.timeout, CONNECT_SECONDS), min(request.timeout, ANSWER_SECONDS))
        body = _SliceReader(request.body) if isinstance(request.body, FileSlice) else request.body
        try:
            answer = self._opened().request(
                request.method,
                url,
                headers=headers,
                data=body,
                timeout=limits,
                allow_redirects=False,
                stream=True,
                auth=_as_it_is,
                proxies=_NO_PROXIES if urlsplit(url).hostname in LOOPBACK else None,
            )
            with answer:
                told = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, told, b"".join(_bounded(answer.iter_content(BLOCK), request)))
        except RequestException as fault:
            raise _failure(fault, request) from fault
        finally:
            if isinstance(body, _SliceReader):
                body.close()

    def _opened(self) -> Any:
        with self._lock:
            if self._session is None:
                from http.cookiejar import DefaultCookiePolicy

                from requests import Session

                from pipeline.ports.connections import PunctualAdapter

                session = Session()
                # Without cookies nothing in the session changes between requests, so threads can share it.
                session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
                session.mount("https://", PunctualAdapter(pool_maxsize=POOL))
                session.mount("http://", PunctualAdapter(pool_maxsize=POOL))
                session.headers.update({"user-agent": "apple-release-pipeline", "accept": "application/json, */*"})
                self._session = session
            return self._session


class _SliceReader:
    """A part of a file, as requests reads bodies: with a length, block by block."""

    def __init__(self, part: FileSlice) -> None:
        self._part = part
        self._left = part.length
        self._file = part.path.open("rb")
        self._file.seek(part.offset)

    def __len__(self) -> int:
        return self._part.length

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(BLOCK):
            yield block

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            return b""
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        if not block and self._left:
            raise UsageFault(
                f"{self._part.path.name} became shorter while it was being sent",
                remedy="build it again and let nothing else write to it",
            )
        return block

    def close(self) -> None:
        self._file.close()


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
        raise UsageFault(
            f"{url!r} cannot stand for Apple's server",
            why="tokens travel with the requests",
            remedy="give an address on this machine, such as the one that `simulator` prints",
        )
    return url.rstrip("/")


def _as_it_is(prepared: Any) -> Any:
    """Keeps requests from putting a password of ~/.netrc in the place of our own authorisation."""
    return prepared


def _bounded(blocks: Iterator[bytes], request: Request) -> Iterator[bytes]:
    length = 0
    for block in blocks:
        length += len(block)
        if length > ANSWER_LIMIT:
            raise AppleFailure(
                f"{_told(request)} answered with more than {ANSWER_LIMIT:,} bytes",
                why="nothing that is asked for here is that long",
                remedy="check for a proxy that answers in Apple's place, then run again",
                ambiguous=not request.may_repeat,
                code="ANSWER_TOO_LONG",
            )
        yield block


def _told(request: Request) -> str:
    """The request without its query: signed addresses carry their secret there."""
    parts = urlsplit(request.url)
    return f"{request.method} {parts.hostname}{parts.path}"


def _failure(fault: Exception, request: Request) -> AppleFailure:
    import ssl

    from requests import exceptions
    from urllib3 import exceptions as lower

    chain = list(_causes(fault))
    host = urlsplit(request.url).hostname
    timed_out = isinstance(fault, exceptions.Timeout) or any(isinstance(c, TimeoutError) for c in chain)
    not_sent = (lower.NewConnectionError, lower.ConnectTimeoutError, ssl.SSLCertVerificationError)
    never_sent = isinstance(fault, (exceptions.ConnectTimeout, exceptions.ProxyError, ValueError)) or any(
        isinstance(cause, not_sent) for cause in chain
    )
    if isinstance(fault, ValueError):
        code, why, remedy = "MALFORMED", "its address or one of its headers is malformed", "report it with this text"
    elif any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain):
        code, why = "UNTRUSTED", "the certificate of the other side is not trusted"
        remedy = "check the machine's clock, and whether a proxy of your network signs connections itself"
    elif any(isinstance(cause, lower.DecodeError) for cause in chain):
        code, why = "GARBLED", "the answer is packed in a way that cannot be unpacked"
        remedy = "check for a proxy that answers in Apple's place, then run again"
    elif never_sent and not timed_out:
        code, why = "UNREACHABLE", "no connection came about"
        remedy = "check the network, the name service and HTTPS_PROXY"
    elif timed_out:
        code, why = "TIMEOUT", f"no whole answer within {min(request.timeout, ANSWER_SECONDS):g} s"
        remedy = "check the network, then run again: what was done already is not done twice"
    else:
        code, why = "CONNECTION_LOST", "the connection broke before the answer was complete"
        remedy = "run again: what was done already is not done twice"
    return AppleFailure(
        f"{_told(request)} got no answer from {host}", why=why, remedy=remedy, code=code, ambiguous=not never_sent
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """The error and everything it was made from; requests hides the first cause two or three layers down."""
    pending: list[BaseException] = [fault]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        pending.extend(found for found in inner if isinstance(found, BaseException))


class ReadingHttp:
    """Lets GET and HEAD through to another port and refuses everything else before it leaves."""

    def __init__(self, inner: LiveHttp) -> None:
        self.source = inner.source
        self._inner = inner

    def send(self, request: Request) -> Response:
        """See `ports.http.Http.send`. Raises Refused for a request that may change something."""
        if request.method not in ("GET", "HEAD"):
            raise Refused(f"refused to send {_told(request)}", why="only reading is allowed here")
        return self._inner.send(request)

    def renew(self, url: str, server_time: float | None = None) -> bool:
        """See `LiveHttp.renew`."""
        return self._inner.renew(url, server_time)


class CarriedHttp:
    """Hands requests to a server inside the process and refuses every host that this server does not stand for.

    Args:
        carrier: the server. An exception of its own with an attribute `applied` (True, False, or None for unknown)
            stands for a connection that broke after, before, or somewhere about the effect.
        hosts: the host names it answers for.
        authorizers: by host name, what gives the headers that authorise a request to it, as for LiveHttp.

    """

    def __init__(
        self,
        carrier: Carrier,
        hosts: Collection[str],
        source: Source = Source.SIMULATED,
        authorizers: Mapping[str, Authorizer] | None = None,
    ) -> None:
        self.source = source
        self._carrier = carrier
        self._hosts = frozenset(hosts)
        self._authorizers = dict(authorizers or {})

    def send(self, request: Request) -> Response:
        """See `ports.http.Http.send`. Raises Refused for a host that is not carried."""
        host = urlsplit(request.url).hostname or ""
        if host not in self._hosts:
            raise Refused(
                f"refused to send a request to {host or 'an address without a host'}",
                why="a rehearsal reaches no host but those it simulates",
                remedy="run against the real service, or give the simulator a route for this host",
            )
        body, sent = _whole(request.body), dict(request.headers)
        if host in self._authorizers:
            sent.update(self._authorizers[host]())
        try:
            status, headers, answer = self._carrier(request.method, request.url, sent, body)
        except Exception as fault:
            if not hasattr(fault, "applied"):
                raise
            raise AppleFailure(
                f"{_told(request)} got no answer from {host}",
                why=str(fault) or "the connection broke",
                remedy="run again: what was done already is not done twice",
                code="CONNECTION_LOST",
                ambiguous=fault.applied is not False,
            ) from fault
        return Response(status, {name.lower(): value for name, value in headers.items()}, answer)

    def renew(self, url: str, server_time: float | None = None) -> bool:
        """A simulated service knows no tokens, so a refused one may be tried again at once."""
        del server_time
        return (urlsplit(url).hostname or "") in self._hosts


def _whole(body: bytes | FileSlice | None) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    if body.length > CARRIED_LIMIT:
        raise Refused(
            f"refused to carry {body.length:,} bytes of {body.path.name} at once",
            why=f"a simulated service takes at most {CARRIED_LIMIT:,} bytes in one request",
        )
    reader = _SliceReader(body)
    try:
        return b"".join(reader)
    finally:
        reader.close()
