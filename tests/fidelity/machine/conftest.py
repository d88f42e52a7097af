"""A simulated Mac with the sample app, archived and exported once for all tests that only read."""

from __future__ import annotations

import os
import plistlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pipeline.simulator.sample
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = tuple[int, str, str]
SAMPLE = Path(next(iter(pipeline.simulator.sample.__path__)))
PROJECT = SAMPLE / "Isometry.xcodeproj"
SCHEMES = {"iOS": "Isometry", "macOS": "Isometry-macOS"}
OPTIONS = {"method": "app-store-connect", "teamID": "77CCZHWQL7", "iCloudContainerEnvironment": "Production"}


@dataclass
class Desk:
    """A machine and the folder it works in."""

    machine: Machine
    folder: Path
    project: Path

    def archive(self, platform: str, *more: str, scheme: str = "") -> Answer:
        """`xcodebuild archive` into <folder>/<platform>.xcarchive."""
        return self.machine.run(
            [
                "xcodebuild",
                "archive",
                "-project",
                str(self.project),
                "-scheme",
                scheme or SCHEMES[platform],
                "-configuration",
                "Release",
                "-destination",
                f"generic/platform={platform}",
                "-archivePath",
                str(self.folder / f"{platform}.xcarchive"),
                *more,
            ]
        )

    def export(self, platform: str, options: dict[str, Any] | None = None) -> Answer:
        """`xcodebuild -exportArchive` into <folder>/<platform>."""
        plist = self.folder / "ExportOptions.plist"
        plist.write_bytes(plistlib.dumps(OPTIONS if options is None else options))
        return self.machine.run(
            [
                "xcodebuild",
                "-exportArchive",
                "-archivePath",
                str(self.folder / f"{platform}.xcarchive"),
                "-exportPath",
                str(self.folder / platform),
                "-exportOptionsPlist",
                str(plist),
            ]
        )


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Both lanes of the sample, archived and exported; read only."""
    folder = tmp_path_factory.mktemp("desk")
    made = Desk(Machine(folder / "home", projects=[PROJECT]), folder, PROJECT)
    for platform in SCHEMES:
        assert made.archive(platform)[0] == 0
        assert made.export(platform)[0] == 0
    return made


@pytest.fixture
def new_desk(tmp_path: Path) -> Callable[..., Desk]:
    """A desk of one's own."""

    def make(scenario: Scenario | None = None, project: Path = PROJECT) -> Desk:
        return Desk(Machine(tmp_path / "home", projects=[project], scenario=scenario), tmp_path, project)

    return make


@pytest.fixture
def own_project(tmp_path: Path) -> Path:
    """A copy of the sample that a test may change."""
    import shutil

    return Path(shutil.copytree(SAMPLE, tmp_path / "sample")) / "Isometry.xcodeproj"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real inputs by other authors, kept beside the checkout."""
    given = os.environ.get("SHARED_DATA")
    places = [Path(given)] if given else [above.parent / "shared/data" for above in Path(__file__).resolve().parents]
    for place in places:
        if (place / "isometry").is_dir():
            return place
    pytest.skip("the folder of real inputs (SHARED_DATA) is not here")
