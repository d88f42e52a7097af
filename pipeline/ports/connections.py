"""Connections whose answers have an end: the time limit holds for an answer as a whole, not for each byte of it."""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket


class _Hurried(io.RawIOBase):
    """What a socket says until an hour: before each piece the socket is told how long is left."""

    def __init__(self, inner: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._inner = inner
        self._sock = sock
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._inner.fileno()

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer that has to be complete within the socket's time limit, as it is when the answer begins."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        seconds = sock.gettimeout()
        if seconds is not None:
            self.fp = io.BufferedReader(_Hurried(self.fp.detach(), sock, seconds))


class _Plain(HTTPConnection):
    response_class = _Answer


class _Secure(HTTPSConnection):
    response_class = _Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class PunctualAdapter(HTTPAdapter):
    """Carries requests over connections that take the read timeout for the whole answer, its headers included."""

    _pools: ClassVar = {"http": _PlainPool, "https": _SecurePool}

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """See `HTTPAdapter.init_poolmanager`."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        """See `HTTPAdapter.proxy_manager_for`; a SOCKS proxy has connections of its own kind, which are left to it."""
        manager = super().proxy_manager_for(*arguments, **named)
        if not arguments[0].lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager
