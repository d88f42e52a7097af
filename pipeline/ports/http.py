"""HTTP as a value in and a value out; who carries it is the theatre's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.model import Source
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class FileSlice:
    """`length` bytes of a file from `offset`, sent without being read into memory at once."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True)
class Request:
    """One HTTP request. The port adds authorisation for the hosts it knows; callers never hold a token.

    `repeatable` says that sending it twice does no harm: None means by method (GET and HEAD are, others are not).
    `timeout` is in seconds: for connecting, and for the whole answer once the request is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileSlice | None = None
    timeout: float = 60.0
    repeatable: bool | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether a retry after a lost answer is harmless."""
        return self.method in ("GET", "HEAD") if self.repeatable is None else self.repeatable


@dataclass(frozen=True)
class Response:
    """An answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is not."""
        import json

        return json.loads(self.body)


class Http(Protocol):
    """Sends requests.

    Raises:
        AppleFailure: no answer came; `ambiguous` says whether the request may have taken effect.
    """

    source: Source

    def send(self, request: Request) -> Response:
        """The answer to the request, whatever its status."""
        ...


Carrier = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""(method, url, headers, body) -> (status, headers, body): a server inside the process."""
