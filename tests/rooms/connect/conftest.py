"""What the tests of this room share: the little server, and a whole client stack in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.apple.connect.actions import UploadBuild
from pipeline.apple.connect.client import HOST
from pipeline.model import Platform
from pipeline.ports.clock import BriskClock
from pipeline.ports.live_http import LiveHttp
from pipeline.ports.retries import RetryingHttp
from tests.rooms.connect.little_apple import LittleApple, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Stack:
    """A client as the live theatre builds it, with a clock that does not make the tests wait."""

    http: RetryingHttp
    live: LiveHttp
    clock: BriskClock


@pytest.fixture
def apple() -> Iterator[LittleApple]:
    yield from serving(LittleApple())


@pytest.fixture
def stack(apple: LittleApple) -> Iterator[Stack]:
    clock = BriskClock()
    live = LiveHttp({HOST: lambda: {"authorization": "Bearer token"}}, {HOST: apple.url})
    yield Stack(RetryingHttp(live, clock), live, clock)
    live.close()


@pytest.fixture
def ipa(tmp_path: Path) -> Path:
    path = tmp_path / "Example.ipa"
    path.write_bytes(bytes(range(256)) * 21)
    return path


@pytest.fixture
def action(ipa: Path) -> UploadBuild:
    import hashlib

    data = ipa.read_bytes()
    return UploadBuild(
        "com.example.app", Platform.IOS, "2.5.0", "250", "app1", str(ipa), hashlib.sha256(data).hexdigest(), len(data)
    )
