"""Archiving and exporting: what is asked of xcodebuild, and what is believed of its answer."""

from __future__ import annotations

import itertools
import plistlib
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.xcode.actions import ArchiveApp, ExportApp
from pipeline.apple.xcode.facts import TargetEntitlements, TargetSettings, Value
from pipeline.apple.xcode.gateway import archive_app, export_app
from pipeline.apple.xcode.transcript import LIMIT, complaints
from pipeline.model import AppleFailure, Declaration, Lane, Platform, Reading, Source
from pipeline.ports.files import LiveFiles
from pipeline.ports.products import Products
from pipeline.ports.progress import ToldProgress
from pipeline.ports.tools import Completed

LANE = Lane("ios", Platform.IOS, "App.xcodeproj", "App", "Release", "App")
ARCHIVE = ArchiveApp.of(LANE, bundle_id="com.example.app", version="2.5.0", build="250")
EXPORT = ExportApp.of(LANE, bundle_id="com.example.app", version="2.5.0", build="250", archive="/a/App.xcarchive")


class Xcodebuild:
    """A tool that answers as told, after doing as told with its arguments."""

    source = Source.SIMULATED

    def __init__(self, work: Callable[[dict[str, str]], None], returncode: int = 0, output: str = "") -> None:
        self._work, self._returncode, self._output = work, returncode, output
        self.argv: tuple[str, ...] = ()

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        self.argv = tuple(argv)
        named = {a: b for a, b in itertools.pairwise(argv) if a.startswith("-")}
        self._work(named)
        return Completed(self.argv, self._returncode, self._output, "")


def whole(options: dict[str, str]) -> None:
    archive = Path(options["-archivePath"])
    (archive / "Products/Applications/App.app").mkdir(parents=True)
    (archive / "Info.plist").write_bytes(b"x")


def archived(
    tmp_path: Path, tool: Xcodebuild, declared: Declaration | None = None, action: ArchiveApp = ARCHIVE
) -> Any:
    products = Products(tmp_path / "run", Source.SIMULATED)
    progress = ToldProgress(lambda *_: None)
    return archive_app(action, tool, LiveFiles(tmp_path), products, declared or Declaration(), progress)


def test_a_whole_archive_takes_its_name(tmp_path: Path) -> None:
    tool = Xcodebuild(whole)
    path = Path(archived(tmp_path, tool, Declaration(team_id="ABCDE12345"))["path"])
    assert path == tmp_path / "run" / "App.xcarchive"
    assert (path / "Info.plist").is_file()
    assert tool.argv[:10] == (
        *("xcodebuild", "archive", "-project", "App.xcodeproj", "-scheme", "App", "-configuration", "Release"),
        *("-destination", "generic/platform=iOS"),
    )
    assert "DEVELOPMENT_TEAM=ABCDE12345" in tool.argv
    assert [found.name for found in path.parent.iterdir()] == ["App.xcarchive"]


def test_a_workspace_is_opened_instead_of_the_project(tmp_path: Path) -> None:
    tool = Xcodebuild(whole)
    archived(tmp_path, tool, action=replace(ARCHIVE, workspace="App.xcworkspace"))
    assert tool.argv[:6] == ("xcodebuild", "archive", "-workspace", "App.xcworkspace", "-scheme", "App")
    assert "-project" not in tool.argv


def test_an_older_archive_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    archived(tmp_path, Xcodebuild(whole))
    output = "note: x\n/a/App.swift:3:1: error: cannot find 'x' in scope\nerror: cannot find 'x' in scope\n** ARCHIVE FAILED **"
    with pytest.raises(AppleFailure, match="cannot find 'x' in scope") as caught:
        archived(tmp_path, Xcodebuild(lambda _: None, 65, output))
    assert caught.value.code == "65"
    assert caught.value.why.count("cannot find") == 1
    assert (tmp_path / "run" / "App.xcarchive" / "Info.plist").is_file()


@pytest.mark.parametrize("missing", ["", "Info.plist", "Products/Applications"])
def test_success_is_not_believed_without_a_product(tmp_path: Path, missing: str) -> None:
    def part(options: dict[str, str]) -> None:
        if missing:
            whole(options)
            found = Path(options["-archivePath"]) / missing
            found.unlink() if found.is_file() else (found / "App.app").rmdir()

    with pytest.raises(AppleFailure, match="is missing"):
        archived(tmp_path, Xcodebuild(part))
    assert not (tmp_path / "run" / "App.xcarchive").exists()


def test_no_xcodebuild(tmp_path: Path) -> None:
    with pytest.raises(AppleFailure, match="not found"):
        archived(tmp_path, Xcodebuild(lambda _: None, 127))


def exported(tmp_path: Path, tool: Xcodebuild, settings: TargetSettings, entitlements: TargetEntitlements) -> Any:
    return export_app(
        EXPORT,
        tool,
        LiveFiles(tmp_path),
        Products(tmp_path / "run", Source.SIMULATED),
        Reading.of(settings),
        Reading.of(entitlements),
        Declaration(),
        ToldProgress(lambda *_: None),
    )


def test_export_options_and_package(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def work(options: dict[str, str]) -> None:
        file = Path(options["-exportOptionsPlist"])
        seen.update(plistlib.loads(file.read_bytes()), mode=stat.S_IMODE(file.stat().st_mode))
        Path(options["-exportPath"]).mkdir(parents=True)
        (Path(options["-exportPath"]) / "App.ipa").write_bytes(b"PK")

    settings = TargetSettings(
        team_id=Value("ABCDE12345"), code_sign_style=Value("Manual"), profile_specifier=Value("Example Store")
    )
    held = TargetEntitlements({"com.apple.developer.icloud-services": ["CloudKit"]})
    result = exported(tmp_path, Xcodebuild(work), settings, held)
    assert result["path"] == str(tmp_path / "run" / "export" / "App.ipa")
    assert seen == {
        "method": "app-store-connect",
        "destination": "export",
        "signingStyle": "manual",
        "teamID": "ABCDE12345",
        "provisioningProfiles": {"com.example.app": "Example Store"},
        "iCloudContainerEnvironment": "Production",
        "uploadSymbols": True,
        "manageAppVersionAndBuildNumber": False,
        "mode": 0o600,
    }


def test_export_without_a_package(tmp_path: Path) -> None:
    tool = Xcodebuild(lambda options: Path(options["-exportPath"]).mkdir(parents=True))
    with pytest.raises(AppleFailure, match=r"0 \.ipa files"):
        exported(tmp_path, tool, TargetSettings(), TargetEntitlements())


def test_promises_leave_out_where_things_lie() -> None:
    elsewhere = ArchiveApp.of(LANE, bundle_id="com.example.app", version="2.5.0", build="250", path="/b/App.xcarchive")
    assert elsewhere.promise == ARCHIVE.promise
    assert elsewhere.key != ARCHIVE.key


def test_complaints_are_few_and_told_once() -> None:
    output = "\n".join(f"x.swift:{n}: error: number {n // 2}" for n in range(60))
    found = complaints(output)
    assert found[:2] == ("number 0", "number 1")
    assert len(found) == LIMIT
