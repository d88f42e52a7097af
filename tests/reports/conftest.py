"""The `--update` option, and the stories' module on the path."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    # The root conftest may have added it already, for all golden files of the project.
    with suppress(ValueError):
        parser.addoption("--update", action="store_true", help="rewrite golden files instead of comparing with them")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update", default=False))


@pytest.fixture(autouse=True)
def _nobodys_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
