"""Tests see neither the network beyond this machine nor the home of whoever runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# On a runner the same examples every time: what fails there must fail again at the desk. At a desk, new ones each time.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")), database=None)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", default=False, help="rewrite golden files instead of comparing")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = tmp_path_factory.getbasetemp() / "nowhere"
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITHUB_OUTPUT", "PIPELINE_RUNS", "PIPELINE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real inputs by other authors, kept beside the checkout; tests that need them are skipped where they are absent."""
    places = [os.environ.get("SHARED_DATA"), *(parent.parent / "shared" / "data" for parent in (ROOT, *ROOT.parents))]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("the folder of real inputs (shared/data beside the checkout, or SHARED_DATA) is not here")
