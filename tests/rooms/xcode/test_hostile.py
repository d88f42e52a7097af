"""Files that nobody wrote with good intent, or that a merge left behind: a finding with its line, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode import infoplist
from pipeline.apple.xcode import workspace as workspaces
from pipeline.apple.xcode.facts import TargetEntitlements, TargetInfo, TargetSettings
from pipeline.apple.xcode.pbxproj import parse
from pipeline.apple.xcode.project import Project
from pipeline.apple.xcode.xcconfig import FLAW_LIMIT, load
from pipeline.model import UsageFault
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, project, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
CONFLICT = "<<<<<<< ours\nA = 1\n=======\nA = 2\n>>>>>>> theirs\n"


def app(root: Path, files: dict[str, str | bytes], **settings: str) -> Look:
    project(root, targets={"App": {"Release": PHONE | settings}})
    write(root, files)
    return Look(root)


def told(look: Look, rule: str) -> list[tuple[str, str, int | None]]:
    return [
        (finding.summary, finding.location.path, finding.location.line)
        for name, finding in look.findings["ios"]
        if name == rule and finding.location
    ]


@pytest.mark.parametrize("name", ["INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"])
def test_a_merge_that_nobody_finished_in_a_property_list(tmp_path: Path, name: str) -> None:
    body = plist("<key>a</key>\n<<<<<<< ours\n<true/>\n=======\n<false/>\n>>>>>>> theirs")
    look = app(tmp_path, {"A.plist": body}, **{name: "A.plist"})
    assert told(look, "PROJ064") == [("cannot be read: unresolved merge conflict", "A.plist", 5)]


def test_a_merge_that_nobody_finished_in_a_configuration_file(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Release": PHONE}}, base={"Release": "A.xcconfig"})
    write(tmp_path, {"A.xcconfig": f"B = 1\n{CONFLICT}"})
    lines = [line for text, _, line in told(Look(tmp_path), "PROJ064") if "merge conflict" in text]
    assert lines == [2, 4, 6]


def test_a_merge_that_nobody_finished_in_a_project(tmp_path: Path) -> None:
    write(tmp_path, {"App.xcodeproj/project.pbxproj": f"// !$*UTF8*$!\n{{\n{CONFLICT}}}\n"})
    with pytest.raises(UsageFault, match=r"project.pbxproj:3: .*unresolved merge conflict"):
        Look(tmp_path)


def test_a_billion_laughs(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><plist><string>&b;</string></plist>'
    ((text, _, line),) = told(app(tmp_path, {"A.plist": bomb}, INFOPLIST_FILE="A.plist"), "PROJ064")
    assert "entities" in text
    assert line == 1


def test_a_project_beyond_all_measure_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "PROJECT_LIMIT", 200)
    project(tmp_path)
    with pytest.raises(UsageFault, match="larger than 200 bytes"):
        Look(tmp_path)


def test_a_configuration_file_beyond_all_measure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "XCCONFIG_LIMIT", 10)
    project(tmp_path, targets={"App": {"Release": PHONE}}, base={"Release": "A.xcconfig"})
    write(tmp_path, {"A.xcconfig": "A = 1\n" * 9})
    assert [path for text, path, _ in told(Look(tmp_path), "PROJ064") if "larger than 10 bytes" in text] == [
        "A.xcconfig"
    ]


@pytest.mark.parametrize("name", ["INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"])
def test_a_property_list_beyond_all_measure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(workspaces, "PLIST_LIMIT", 200)
    look = app(tmp_path, {"A.plist": plist("<key>a</key><string>b</string>" * 9)}, **{name: "A.plist"})
    ((text, path, _),) = told(look, "PROJ064")
    assert "larger than 200 bytes" in text
    assert path == "A.plist"


LAUGHS = {f"L{n}": f"$(L{n + 1})$(L{n + 1})" for n in range(30)} | {"L30": "ha" * 100}
"""A billion laughs, told in build settings."""


@pytest.mark.parametrize(
    ("name", "fact"), [("INFOPLIST_FILE", TargetInfo), ("CODE_SIGN_ENTITLEMENTS", TargetEntitlements)]
)
def test_settings_that_expand_without_end_leave_a_list_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fact: type
) -> None:
    monkeypatch.setattr(infoplist, "EXPANDED_LIMIT", 200_000)
    body = plist("".join(f"<key>k{n}</key><string>$(L0)</string>" for n in range(50)))
    look = app(tmp_path, {"A.plist": body}, **LAUGHS, **{name: "A.plist"})
    reading = look.facts["ios"][fact]
    assert reading.value is None
    assert "expand to more than 200,000 characters" in reading.why


def test_settings_without_number_are_not_all_looked_at(tmp_path: Path) -> None:
    many = {f"INFOPLIST_KEY_X{n}": "$(L0)" for n in range(2_000)}
    assert len(app(tmp_path, {}, **LAUGHS, **many).value("ios", TargetSettings).infoplist_keys) == 400


def test_lines_that_go_on_for_ever_take_no_longer_than_they_are() -> None:
    text = b"A = 1 \\\n" + b"x \\\n" * 200_000 + b"y\n"
    (assignment,), flaws = load("a.xcconfig", {"a.xcconfig": text}.get)
    assert (len(assignment.value), assignment.line, flaws) == (400_003, 1, ())


def test_what_is_wrong_is_not_told_a_million_times() -> None:
    _, flaws = load("a.xcconfig", {"a.xcconfig": b"nonsense\n" * 5_000}.get)
    assert len(flaws) == FLAW_LIMIT


GRAPH = """{{ objects = {{
    P = {{ isa = PBXProject; mainGroup = G; targets = (T, Gone); buildConfigurationList = L; }};
    T = {{ isa = PBXNativeTarget; name = App; productType = "com.apple.product-type.application"; {lists}
        buildPhases = (R); productReference = O; }};
    L = {{ isa = XCConfigurationList; buildConfigurations = (C, Lost); defaultConfigurationName = Release; }};
    C = {{ isa = XCBuildConfiguration; name = Release; buildSettings = {{ SDKROOT = iphoneos; }}; }};
    R = {{ isa = PBXResourcesBuildPhase; files = (B, Nowhere); }};
    B = {{ isa = PBXBuildFile; fileRef = F; }};
    F = {{ isa = PBXFileReference; path = a.png; sourceTree = "<group>"; }};
    G = {{ isa = PBXGroup; children = (H, F); path = g; sourceTree = "<group>"; }};
    H = {{ isa = PBXGroup; children = (G); path = h; sourceTree = "<group>"; }};
}}; rootObject = P; }}"""


def test_groups_in_a_ring_and_objects_that_are_not_there() -> None:
    found = Project("A.xcodeproj", parse(GRAPH.format(lists="buildConfigurationList = L;").encode()))
    (target,) = found.targets
    assert len(found.resources(target)) == 1
    assert [text for text, _ in found.flaws] == [
        "the project lists Gone, which is no target here",
        "a list of the project holds Lost, which is no configuration",
        "a list of the target App holds Lost, which is no configuration",
    ]


def test_a_damaged_project_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"App.xcodeproj/project.pbxproj": GRAPH.format(lists="buildConfigurationList = L;")})
    look = Look(tmp_path)
    assert {(rule, line) for rule, _, line in look.told("", "ERROR")} == {("PROJ073", 2), ("PROJ073", 5)}


def test_a_list_of_configurations_of_another_kind() -> None:
    found = Project("A.xcodeproj", parse(GRAPH.format(lists="buildConfigurationList = C;").encode()))
    assert ("the target App names C, which is no list of configurations", 3) in found.flaws
