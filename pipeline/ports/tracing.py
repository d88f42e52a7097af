"""A log of what went through the doors: every request and every tool, with its time and its end, as JSON lines.

The journal says what the run did; the log is for finding out why a request was refused or a tool failed. It holds no
bodies, no queries of signed addresses and no secrets.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.model import PipelineError

if TYPE_CHECKING:
    from pipeline.ports.http import Http, Request, Response
    from pipeline.ports.tools import Completed, Tools

TAIL = 2000
"""Characters of a failed tool's output that are kept."""

Log = Any
"""A structlog logger."""


def log_at(path: Path, redact: Callable[[str], str]) -> Log:
    """A logger that appends to the file, readable by its owner only."""
    import structlog

    def redacted(_logger: Any, _name: str, event: Any) -> Any:
        told = {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}
        # Cut only now: what is left of a secret that was cut would not be recognised.
        return {**told, "output": told["output"][-TAIL:]} if "output" in told else told

    path.parent.mkdir(parents=True, exist_ok=True)
    return structlog.wrap_logger(
        structlog.WriteLogger(_Appended(path)),  # type: ignore[arg-type]
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redacted,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )


class _Appended:
    """A file to append whole lines to, from any thread; open as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, text: str) -> None:
        os.write(self._file, text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Nothing is held back."""


def where(url: str) -> str:
    """A URL without its query: signed addresses carry their secret there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


class TracedHttp:
    """Logs every request that a retry or a performer makes, before anybody interprets the answer."""

    def __init__(self, inner: Http, log: Log) -> None:
        self.source = inner.source
        self._inner = inner
        self._log = log

    def send(self, request: Request) -> Response:
        """See `ports.http.Http.send`."""
        began = time.monotonic()
        try:
            answer = self._inner.send(request)
        except PipelineError as fault:
            self._log.warning(
                "request", method=request.method, url=where(request.url), seconds=_since(began), error=str(fault)
            )
            raise
        told = self._log.info if answer.status < 400 else self._log.warning
        told(
            "request",
            method=request.method,
            url=where(request.url),
            status=answer.status,
            bytes=len(answer.body),
            seconds=_since(began),
        )
        return answer

    def __getattr__(self, name: str) -> Any:
        # What the inner side can do besides sending (signing anew, closing) is not ours to hide.
        return getattr(self._inner, name)


class TracedTools:
    """Logs every tool that is run."""

    def __init__(self, inner: Tools, log: Log) -> None:
        self.source = inner.source
        self._inner = inner
        self._log = log

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,
    ) -> Completed:
        """See `ports.tools.Tools.run`."""
        began = time.monotonic()
        done = self._inner.run(argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout)
        if done.returncode:
            output = done.stderr or done.stdout
            self._log.warning("tool", argv=list(argv), returncode=done.returncode, output=output, seconds=_since(began))
        else:
            self._log.info("tool", argv=list(argv), returncode=0, seconds=_since(began))
        return done

    def find(self, name: str) -> str | None:
        """See `ports.tools.Tools.find`."""
        return self._inner.find(name)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 4)
