"""One request as the small Apple's desks see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers with lower-case names, body."""


class Request(NamedTuple):
    """`headers` have lower-case names; `now` is the hour of the one who asks, in seconds since 1970.

    `remote` says that it came over a socket.
    """

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    now: float
    remote: bool = False
