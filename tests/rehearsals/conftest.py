"""Artifacts that were made once, and premises that are torn down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsals.premises import Premises, furnish
from tests.rehearsals.theatre import play


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An .ipa and a .pkg of the sample app, signed by a rehearsal's authority, which nobody else trusts."""
    run, world = play(tmp_path_factory.mktemp("made"), until="export")
    assert run.exit_code == 0, run.verdict
    lanes = world.folder.path / "lanes"
    return next(lanes.glob("ios/export/*.ipa")), next(lanes.glob("macos/export/*.pkg"))


@pytest.fixture
def premises(tmp_path: Path, artifacts: tuple[Path, Path]) -> Iterator[Callable[..., Premises]]:
    """Makes premises for a scenario; their server stops at the end of the test."""
    made: list[Premises] = []

    def make(**scenario: Any) -> Premises:
        folder = tmp_path / f"premises{len(made)}"
        folder.mkdir()
        made.append(furnish(folder, *artifacts, scenario))
        return made[-1]

    yield make
    for each in made:
        each.close()
