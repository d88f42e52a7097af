"""Workspaces as xcodebuild opens them: schemes, the right target, and what is wrong with a workspace in its words."""

from __future__ import annotations

import json
import plistlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.workspacedata import BrokenWorkspace, parse
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.project import BuildError
from pipeline.simulator.machine.workspace import Workspace
from tests.rooms.xcode.make import project, scheme, workspace, write

BASE = {
    "SDKROOT": "iphoneos",
    "DEVELOPMENT_TEAM": "ABCDE12345",
    "GENERATE_INFOPLIST_FILE": "YES",
    "MARKETING_VERSION": "1.0",
    "CURRENT_PROJECT_VERSION": "1",
}


def app(root: Path, target: str, **more: str) -> Path:
    return project(
        root, targets={target: {"Release": {**BASE, "PRODUCT_BUNDLE_IDENTIFIER": f"com.example.{target}", **more}}}
    )


def run(root: Path, *argv: str) -> tuple[int, str, str]:
    projects = sorted(root.rglob("App.xcodeproj"))
    return Machine(root / "home", projects=projects).run(["xcodebuild", *argv], cwd=root)


def archived(root: Path, scheme_name: str, platform: str = "iOS", name: str = "All.xcworkspace") -> tuple[int, str]:
    argv = ["archive", "-workspace", name, "-scheme", scheme_name, "-configuration", "Release"]
    argv += ["-destination", f"generic/platform={platform}", "-archivePath", str(root / "App.xcarchive")]
    status, told, complaints = run(root, *argv)
    return status, told + complaints


def identifier(root: Path) -> str:
    about = plistlib.loads((root / "App.xcarchive/Info.plist").read_bytes())
    return str(about["ApplicationProperties"]["CFBundleIdentifier"])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two projects of one name, whose targets have the same identifiers; Pods that are not installed; a loop."""
    app(tmp_path / "ios", "Phone")
    app(tmp_path / "mac", "Desk", SDKROOT="macosx")
    references = ("group:ios/App.xcodeproj", "container:mac/App.xcodeproj", "group:Pods/Pods.xcodeproj")
    workspace(tmp_path, "All", *references, "group:All.xcworkspace", "group:Package")
    return tmp_path


@pytest.mark.parametrize(("scheme_name", "platform"), [("Phone", "iOS"), ("Desk", "macOS")])
def test_a_scheme_of_either_project(two: Path, scheme_name: str, platform: str) -> None:
    status, told = archived(two, scheme_name, platform)
    assert status == 0, told
    assert identifier(two) == f"com.example.{scheme_name}"


@pytest.mark.parametrize(("folder", "target", "platform"), [("ios", "Phone", "iOS"), ("mac", "Desk", "macOS")])
def test_a_scheme_of_the_workspace(two: Path, folder: str, target: str, platform: str) -> None:
    shared = scheme(target, f"{folder}/App.xcodeproj")
    write(two / "All.xcworkspace", {"xcshareddata/xcschemes/Ship.xcscheme": shared})
    status, told = archived(two, "Ship", platform)
    assert status == 0, told
    assert identifier(two) == f"com.example.{target}"


def test_a_scheme_of_a_project_that_is_gone(two: Path) -> None:
    write(two / "All.xcworkspace", {"xcshareddata/xcschemes/Ship.xcscheme": scheme("App", "gone/App.xcodeproj")})
    assert archived(two, "Ship") == (
        66,
        "xcodebuild: error: Scheme Ship is not currently configured for the archive action.\n",
    )


def test_list(two: Path) -> None:
    assert run(two, "-list", "-workspace", "All.xcworkspace") == (
        0,
        'Information about workspace "All":\n    Schemes:\n        Desk\n        Phone\n\n',
        "",
    )
    told = json.loads(run(two, "-list", "-json", "-workspace", "All.xcworkspace")[1])
    assert told == {"workspace": {"name": "All", "schemes": ["Desk", "Phone"]}}


def test_show_build_settings(two: Path) -> None:
    argv = ("-showBuildSettings", "-json", "-workspace", "All.xcworkspace", "-scheme", "Desk")
    status, told, complaints = run(two, *argv, "-configuration", "Release")
    assert status == 0, complaints
    assert json.loads(told)[0]["buildSettings"]["SRCROOT"] == str(two / "mac")


def test_nested_groups(tmp_path: Path) -> None:
    app(tmp_path / "a/b", "Phone")
    body = (
        '<Workspace><Group location="group:a" name="A"><Group location="group:b" name="B">'
        '<FileRef location="group:App.xcodeproj"/></Group></Group></Workspace>'
    )
    write(tmp_path, {"All.xcworkspace/contents.xcworkspacedata": body})
    status, told = archived(tmp_path, "Phone")
    assert status == 0, told


def test_a_projects_own_workspace(tmp_path: Path) -> None:
    workspace(app(tmp_path / "ios", "Phone"), "project", "self:")
    assert archived(tmp_path, "Phone", name="ios/App.xcodeproj/project.xcworkspace")[0] == 0


def test_unknown_scheme(two: Path) -> None:
    assert archived(two, "Nothing") == (
        65,
        (
            'xcodebuild: error: The workspace named "All" does not contain a scheme named "Nothing". The "-list" option can'
            " be used to find the names of the schemes in the workspace.\n"
        ),
    )
    needed = "If you specify a workspace then you must also specify a scheme.  Use -list to see the schemes in this workspace."
    for action in ("archive", "-showBuildSettings"):
        assert run(two, action, "-workspace", "All.xcworkspace") == (65, "", f"xcodebuild: error: {needed}\n")


def test_unknown_workspace(two: Path) -> None:
    missing = two / "No.xcworkspace"
    assert archived(two, "Phone", name="No.xcworkspace") == (66, f"xcodebuild: error: '{missing}' does not exist.\n")
    other = two / "ios/App.xcodeproj"
    told = archived(two, "Phone", name="ios/App.xcodeproj")
    assert told == (66, f"xcodebuild: error: '{other}' is not a workspace file.\n")
    status, _, complaints = run(two, "archive", "-workspace", "All.xcworkspace", "-project", "ios/App.xcodeproj")
    assert status != 0
    assert "You cannot specify both an Xcode project and a workspace." in complaints


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<Workspace>",
        b"<Workspace>\n<<<<<<< HEAD\n</Workspace>",
        b"<plist/>",
        b"\xff\xfe<Workspace/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Workspace>&b;</Workspace>',
        b"<Workspace>" + b"<Group>" * 1_000 + b"</Group>" * 1_000 + b"</Workspace>",
        b"<Workspace>" + b"<FileRef/>" * 20_000 + b"</Workspace>",
        b"<Workspace/>" + b" " * 5_000_000,
    ],
    ids=["empty", "cut", "conflict", "other", "encoding", "entity", "deep", "long", "large"],
)
def test_damaged_workspace(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, {"All.xcworkspace/contents.xcworkspacedata": data})
    assert archived(tmp_path, "App") == (
        66,
        f"xcodebuild: error: '{tmp_path / 'All.xcworkspace'}' is not a workspace file.\n",
    )


_NAMES = st.sampled_from(["", "a", "b/c", "../x", "A.xcodeproj", "b/B.xcodeproj", "./A.xcodeproj", "/A.xcodeproj"])
_PLACES = st.builds("{}:{}".format, st.sampled_from(["group", "container", "absolute", "developer", "self"]), _NAMES)
_FILES = st.builds('<FileRef location = "{}"></FileRef>'.format, _PLACES)
_BODIES = st.recursive(
    _FILES,
    lambda inner: st.builds(
        '<Group location = "{}" name = "N">{}</Group>'.format, _PLACES, inner | st.lists(inner).map("".join)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(_BODIES, max_size=4).map("".join), spoiled=st.integers(0, 400))
def test_both_readers_agree(tmp_path: Path, body: str, spoiled: int) -> None:
    """The release's reader and the machine's own name the same projects, or both refuse."""
    text = f"<Workspace>{body}</Workspace>"
    text = text[:spoiled] if spoiled < 100 else text
    write(tmp_path, {"ios/All.xcworkspace/contents.xcworkspacedata": text})
    opened: list[Path] = []

    def note(path: Path) -> None:
        opened.append(path)
        raise BuildError("not here")

    try:
        told = Workspace(tmp_path / "ios/All.xcworkspace", note).projects  # type: ignore[arg-type]
    except BuildError:
        with pytest.raises(BrokenWorkspace):
            parse(text.encode(), "ios/All.xcworkspace", str(tmp_path))
        return
    assert told == []
    found = parse(text.encode(), "ios/All.xcworkspace", str(tmp_path)).projects
    assert [Path(f"{tmp_path}/{path}").resolve() for path in found] == [path.resolve() for path in opened]
