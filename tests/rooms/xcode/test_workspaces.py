"""Workspaces: what they hold, which one a lane is built in, and what is said where the pods are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.actions import ArchiveApp
from pipeline.apple.xcode.discovery import WORKSPACES, discover, in_workspace
from pipeline.apple.xcode.workspacedata import BrokenWorkspace, parse
from pipeline.configuration.settings import AppSettings, LaneSettings
from pipeline.model import UsageFault
from pipeline.ports.files import LiveFiles
from pipeline.subject import find_lanes
from pipeline.survey import surveyed
from pipeline.wishes import Wishes
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import project, scheme, workspace, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
MAC = {"SDKROOT": "macosx", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}


def held(root: Path, **options: object) -> dict[str, str]:
    found = discover(LiveFiles(root), **options)  # type: ignore[arg-type]
    return {lane.name: lane.workspace for lane in found.lanes}


@pytest.mark.parametrize(
    ("body", "projects"),
    [
        ('<FileRef location="group:App.xcodeproj"/>', ["ios/App.xcodeproj"]),
        ('<FileRef location="container:../App.xcodeproj"/>', ["App.xcodeproj"]),
        ('<FileRef location="absolute:/checkout/of/app/x/App.xcodeproj"/>', ["x/App.xcodeproj"]),
        ('<FileRef location="absolute:/elsewhere/App.xcodeproj"/>', ["../../../elsewhere/App.xcodeproj"]),
        (
            (
                '<Group location="group:a" name="A"><Group location="group:b"><FileRef location="group:App.xcodeproj"/>'
                '<FileRef location="container:c/App.xcodeproj"/></Group><FileRef location="group:App.xcodeproj"/></Group>'
            ),
            ["ios/a/b/App.xcodeproj", "ios/c/App.xcodeproj", "ios/a/App.xcodeproj"],
        ),
        (
            (
                '<Group location="group:a"><Group location="container:" name="N"><FileRef location="group:B.xcodeproj"/>'
                "</Group></Group>"
            ),
            ["ios/B.xcodeproj"],
        ),
        ('<Group name="N"><FileRef location="group:B.xcodeproj"/></Group>', ["ios/B.xcodeproj"]),
        ('<FileRef location="group:Package"/><FileRef location="group:A.xcworkspace"/>', []),
        ('<FileRef location="developer:A.xcodeproj"/><FileRef location="self:"/><FileRef location=""/>', []),
        ('<FileRef location="group:A.xcodeproj"/><FileRef location="container:./A.xcodeproj"/>', ["ios/A.xcodeproj"]),
    ],
)
def test_references(body: str, projects: list[str]) -> None:
    data = f'<?xml version="1.0" encoding="UTF-8"?><Workspace version="1.0">{body}</Workspace>'.encode()
    assert list(parse(data, "ios/App.xcworkspace", "/checkout/of/app").projects) == projects


def test_at_the_root() -> None:
    data = b'<Workspace><Group location="group:"><FileRef location="group:A.xcodeproj"/></Group></Workspace>'
    assert parse(data, "A.xcworkspace", "/root").projects == ("A.xcodeproj",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"<Workspace>", "not well-formed"),
        (b"<Workspace>\n<<<<<<< HEAD\n</Workspace>", "not well-formed"),
        (b"<plist/>", "no Workspace"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><Workspace/>', "entities"),
        (b'<?xml version="1.0" encoding="rot13"?><Workspace/>', "encoding"),
        (b"<Workspace>" + b'<Group location="group:a">' * 1_000, "more than any"),
        (b"<Workspace>" + b"<FileRef/>" * 20_000 + b"</Workspace>", "more than any"),
        (b'<Workspace><FileRef location="group:\xff"/></Workspace>', "not well-formed"),
    ],
)
def test_what_is_no_workspace(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenWorkspace, match=reason):
        parse(data, "A.xcworkspace", "/root")


WHOLE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Workspace version = "1.0">\n<Group location = "group:a" name = "A">'
    b'<FileRef location = "group:App.xcodeproj"></FileRef></Group>\n</Workspace>'
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), end=st.integers(0, len(WHOLE)))
def test_damaged_workspaces(at: int, byte: int, end: int) -> None:
    data = (WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])[:end]
    try:
        found = parse(data, "A.xcworkspace", "/root")
    except BrokenWorkspace:
        return
    assert all(path.endswith(".xcodeproj") for path in found.projects)


def test_the_only_workspace(tmp_path: Path) -> None:
    project(tmp_path / "ios", targets={"App": {"Release": PHONE}})
    workspace(tmp_path, "All", "group:ios/App.xcodeproj", "group:gone/Gone.xcodeproj")
    assert held(tmp_path) == {"ios": "All.xcworkspace"}


def test_an_app_without_a_workspace(tmp_path: Path) -> None:
    folder = project(tmp_path)
    workspace(folder, "project", "self:")
    workspace(tmp_path / "Pods", "Inner", "container:../App.xcodeproj")
    workspace(tmp_path / ".swiftpm/xcode", "package", "container:../../App.xcodeproj")
    workspace(tmp_path, "Other", "group:Other.xcodeproj")
    assert held(tmp_path) == {"ios": ""}


def test_pods_decide_among_several(tmp_path: Path) -> None:
    project(tmp_path)
    workspace(tmp_path, "App", "group:App.xcodeproj")
    workspace(tmp_path / "dev", "Dev", "group:../App.xcodeproj", "group:../Pods/Pods.xcodeproj")
    assert held(tmp_path) == {"ios": "dev/Dev.xcworkspace"}


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("a/One", "b/Two"), ""),
        (("a/One", "Two"), "Two.xcworkspace"),
        (("One", "App"), "App.xcworkspace"),
        (("Examples/Demo",), ""),
        (("tools/Demo",), "tools/Demo.xcworkspace"),
    ],
)
def test_several_without_pods(tmp_path: Path, names: tuple[str, ...], chosen: str) -> None:
    project(tmp_path)
    for name in names:
        folder, _, title = name.rpartition("/")
        workspace(tmp_path / folder, title, f"container:{'../' if folder else ''}App.xcodeproj")
    assert held(tmp_path) == {"ios": chosen}


def test_a_scheme_in_the_workspace(tmp_path: Path) -> None:
    project(tmp_path / "ios", targets={"App": dict.fromkeys(("Debug", "Release", "Store"), PHONE)})
    project(tmp_path / "mac", targets={"App": {"Release": MAC}})
    workspace(tmp_path, "One", "group:ios/App.xcodeproj", "group:mac/App.xcodeproj")
    workspace(tmp_path, "Two", "group:ios/App.xcodeproj")
    write(
        tmp_path / "One.xcworkspace",
        {"xcshareddata/xcschemes/Ship.xcscheme": scheme("App", "ios/App.xcodeproj", "Store")},
    )
    lanes = {lane.name: lane for lane in discover(LiveFiles(tmp_path)).lanes}
    assert (lanes["ios"].scheme, lanes["ios"].configuration) == ("Ship", "Store")
    assert lanes["ios"].workspace == "One.xcworkspace"
    # The project of the same name is another one. Its made-up scheme has the name of one in the other project.
    assert (lanes["macos"].scheme, lanes["macos"].workspace) == ("App", "")


def test_two_projects_with_schemes_of_one_name(tmp_path: Path) -> None:
    for name, settings_ in (("ios", PHONE), ("mac", MAC)):
        folder = project(tmp_path / name, targets={name: {"Release": settings_}})
        folder.rename(folder.with_name(f"{name}.xcodeproj"))
        write(
            tmp_path / name,
            {f"{name}.xcodeproj/xcshareddata/xcschemes/App.xcscheme": scheme(name, f"{name}.xcodeproj")},
        )
    workspace(tmp_path, "App", "group:ios/ios.xcodeproj", "group:mac/mac.xcodeproj")
    assert held(tmp_path) == {"ios": "", "macos": ""}
    workspace(tmp_path, "App", "group:ios/ios.xcodeproj", "group:mac/mac.xcodeproj", "group:Pods/Pods.xcodeproj")
    assert held(tmp_path) == {"ios": "App.xcworkspace", "macos": "App.xcworkspace"}


def test_a_broken_workspace_is_told(tmp_path: Path) -> None:
    project(tmp_path)
    write(tmp_path, {"App.xcworkspace/contents.xcworkspacedata": "<Workspace>\n<<<<<<< HEAD\n"})
    write(tmp_path, {"vendor/Sdk.xcworkspace/contents.xcworkspacedata": "<Workspace>"})
    look = Look(tmp_path)
    assert [lane.workspace for lane in look.found.lanes] == [""]
    assert look.told("", "ERROR") == {("PROJ073", "App.xcworkspace/contents.xcworkspacedata", 2)}


def test_a_workspace_that_refers_to_itself(tmp_path: Path) -> None:
    project(tmp_path)
    workspace(
        tmp_path,
        "App",
        "group:App.xcworkspace",
        "self:",
        "group:App.xcodeproj/project.xcworkspace",
        "group:App.xcodeproj",
    )
    assert held(tmp_path) == {"ios": "App.xcworkspace"}


def test_named_by_hand(tmp_path: Path) -> None:
    project(tmp_path)
    workspace(tmp_path / "a", "One", "group:../App.xcodeproj")
    workspace(tmp_path / "b", "Two", "group:../App.xcodeproj")
    workspace(tmp_path, "Other", "group:Other.xcodeproj")
    write(tmp_path, {"Broken.xcworkspace/contents.xcworkspacedata": "<"})
    assert held(tmp_path, workspaces={"ios": "b/Two.xcworkspace/"}) == {"ios": "b/Two.xcworkspace"}
    for name, fault in (("No", "there is no workspace"), ("Other", "does not refer to"), ("Broken", "cannot be read")):
        with pytest.raises(UsageFault, match=fault):
            held(tmp_path, workspaces={"ios": f"{name}.xcworkspace"})


def test_what_config_decides(tmp_path: Path) -> None:
    folder = project(tmp_path, targets={"App": {"Release": PHONE}})
    workspace(tmp_path / "a", "One", "group:../App.xcodeproj")
    workspace(tmp_path / "b", "Two", "group:../App.xcodeproj")
    write(folder, {"xcshareddata/xcschemes/App.xcscheme": scheme("App", "App.xcodeproj")})
    write(tmp_path / "a", {"One.xcworkspace/xcshareddata/xcschemes/Beta.xcscheme": scheme("App", "../App.xcodeproj")})

    def lane_with(own: LaneSettings) -> tuple[str, str]:
        app = AppSettings(name="app", path=str(tmp_path), lanes={"ios": own})
        (lane,) = find_lanes(LiveFiles(tmp_path), app, Wishes())
        return lane.scheme, lane.workspace

    assert lane_with(LaneSettings()) == ("App", "")
    assert lane_with(LaneSettings(scheme="Beta")) == ("Beta", "a/One.xcworkspace")
    assert lane_with(LaneSettings(workspace="b/Two.xcworkspace")) == ("App", "b/Two.xcworkspace")
    assert lane_with(LaneSettings(scheme="Other", workspace="b/Two.xcworkspace")) == ("Other", "b/Two.xcworkspace")


def test_init_writes_it(tmp_path: Path) -> None:
    project(tmp_path)
    workspace(tmp_path, "App", "group:App.xcodeproj")
    _, _, lanes = surveyed(Wishes(app=str(tmp_path)), tmp_path / "config" / "pipeline.yaml")
    assert lanes["ios"]["workspace"] == "App.xcworkspace"


def test_the_promise_names_it(tmp_path: Path) -> None:
    project(tmp_path)
    files = LiveFiles(tmp_path)
    (lane,) = discover(files).lanes
    plain = ArchiveApp.of(lane, bundle_id="com.example.app", version="1", build="1")
    assert in_workspace(WORKSPACES.of(files), lane) == lane
    within = ArchiveApp.of(
        replace(lane, workspace="App.xcworkspace"), bundle_id="com.example.app", version="1", build="1"
    )
    assert plain.promise != within.promise
    assert within.describe() == f"{plain.describe()} of App.xcworkspace"


def test_pods_that_are_not_installed(tmp_path: Path) -> None:
    base = {"Release": "Pods/Target Support Files/Pods-App/Pods-App.release.xcconfig"}
    project(tmp_path, base=base)
    # Nothing but the configuration: one cause, told once.
    assert {told[0] for told in Look(tmp_path).told("ios", "WARNING")} >= {"PROJ063"}
    assert "PROJ066" not in {told[0] for told in Look(tmp_path).told("ios")}
    write(tmp_path, {base["Release"]: "A = B\n"})
    assert ("PROJ066", "App.xcodeproj/project.pbxproj") in {told[:2] for told in Look(tmp_path).told("ios", "WARNING")}
    workspace(tmp_path, "App", "group:App.xcodeproj", "group:Pods/Pods.xcodeproj")
    named = ("PROJ066", "App.xcworkspace/contents.xcworkspacedata", None)
    assert named in Look(tmp_path).told("ios", "WARNING")
    project(tmp_path / "Pods", "Pods")
    assert "PROJ066" not in {told[0] for told in Look(tmp_path).told("ios")}


@pytest.mark.parametrize(("place", "told"), [("Podfile", True), ("lib/Podfile", False)])
def test_a_podfile_beside_the_project(tmp_path: Path, place: str, told: bool) -> None:
    project(tmp_path)
    write(tmp_path, {place: "target 'App' do\nend\n"})
    assert (("PROJ066", place, None) in Look(tmp_path).told("ios", "WARNING")) is told
