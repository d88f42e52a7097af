"""The simulator's own reader of projects and build settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.simulator.machine.project import LENGTH_LIMIT, SDKS, BuildError, Project, Settings
from tests.fidelity.machine.conftest import PROJECT, SAMPLE


def resolved(*levels: dict[str, str], sdk: str = "iphoneos") -> Settings:
    """Settings of these levels, lowest first."""
    made = Settings(SDKS[sdk], "Release")
    for level in levels:
        made.push(level)
    return made


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([{"A": "1"}, {"A": "2"}], "2"),
        ([{"A": "1"}, {"A": "$(inherited) 2"}], "1 2"),
        ([{"A": "1"}, {"A": "$(A) 2"}], "1 2"),
        ([{"A": "x$(B)${B}$B-"}, {"B": "b"}], "xbbb-"),
        ([{"A": "$(B_$(C))", "C": "d", "B_d": "deep"}], "deep"),
        ([{"A": "$(NONE)"}], ""),
        ([{"A": "$(NONE:default=x)"}], "x"),
        ([{"A": "$(B:rfc1034identifier)", "B": "My App!"}], "My-App-"),
        ([{"A": "$(B:c99extidentifier)", "B": "2 b"}], "__b"),
        ([{"A": "$(B:lower)", "B": "AB"}], "ab"),
        ([{"A": "$$(B)"}], "$(B)"),
        ([{"A": "$("}], "$("),
        ([{"A": "1", "A[sdk=iphoneos*]": "2"}], "2"),
        ([{"A": "1", "A[sdk=macosx*]": "2"}], "1"),
        ([{"A": "1", "A[sdk=iphoneos*][arch=arm64]": "2"}], "2"),
        ([{"A": "1", "A[config=Debug]": "2"}], "1"),
        ([{"A[sdk=iphoneos*]": "2"}, {"A": "1"}], "1"),
    ],
)
def test_values(levels: list[dict[str, str]], expected: str) -> None:
    assert resolved(*levels)["A"] == expected


def test_loops_end() -> None:
    assert resolved({"A": "$(B)", "B": "$(A)"})["A"] == ""
    doubling = {f"V{n}": f"$(V{n + 1})$(V{n + 1})" for n in range(60)}
    assert len(resolved({**doubling, "V60": "x" * 1000})["V0"]) <= LENGTH_LIMIT


def test_lists_are_joined_and_quoted() -> None:
    made = Settings(SDKS["iphoneos"], "Release")
    made.push({"A": ["b", "c d"]})
    assert made["A"] == 'b "c d"'


def test_xcconfig_files(tmp_path: Path) -> None:
    (tmp_path / "Base.xcconfig").write_text('#include? "missing.xcconfig"\nA = base // a comment\nB = x;\n')
    (tmp_path / "Loop.xcconfig").write_text('#include "Loop.xcconfig"\n#include "Loop.xcconfig"\n')
    (tmp_path / "Top.xcconfig").write_text(
        '#include "Base.xcconfig"\n#include "Loop.xcconfig"\nA = $(inherited) top\nB[sdk=iphoneos*] = y\n\xff\n',
        encoding="latin-1",
    )
    target = Project(PROJECT).targets[0]
    made = target.settings(SDKS["iphoneos"], "Release", {}, tmp_path / "Top.xcconfig")
    assert (made["A"], made["B"]) == ("base top", "y")


def test_the_sample() -> None:
    project = Project(PROJECT)
    assert [target.name for target in project.targets] == ["Isometry", "Isometry-macOS"]
    for target, name in zip(project.targets, ("iphoneos", "macosx"), strict=True):
        assert target.platforms("Release") == [name]
        assert [path.name for path in target.members()] == ["PrivacyInfo.xcprivacy", "Assets.xcassets"]
        made = target.settings(SDKS[name], "Release", {})
        assert made["PRODUCT_BUNDLE_IDENTIFIER"] == "com.mshaler.isometry"
        assert (made["MARKETING_VERSION"], made["CURRENT_PROJECT_VERSION"]) == ("2.5.0", "250")
        with pytest.raises(BuildError, match='build configuration named "Nightly"'):
            target.settings(SDKS[name], "Nightly", {})


def test_synchronized_folders_and_their_exceptions(shared_data: Path) -> None:
    project = Project(shared_data / "isometry/2026-04/native/Isometry/Isometry.xcodeproj")
    (app,) = [target for target in project.targets if target.name == "Isometry"]
    assert {path.name for path in app.members()} >= {"PrivacyInfo.xcprivacy", "Assets.xcassets"}
    assert app.platforms("Release") == ["iphoneos", "macosx", "xros"]


def test_a_configuration_of_its_own(shared_data: Path) -> None:
    root = shared_data / "isometry/2026-02"
    project = Project(root / "native/IsometryiOS/IsometryiOS.xcodeproj", str(root))
    made = project.targets[0].settings(SDKS["iphoneos"], "Production", {})
    assert made["MARKETING_VERSION"] == "2.5.0"
    assert made["PRODUCT_BUNDLE_IDENTIFIER"] == "com.cardboard.isometry"
    assert made["DEVELOPMENT_TEAM"] == ""


TEXT = (PROJECT / "project.pbxproj").read_bytes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(TEXT) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_projects_are_read_or_refused(tmp_path: Path, at: int, byte: int, cut: bool) -> None:
    folder = tmp_path / "Isometry.xcodeproj"
    folder.mkdir(exist_ok=True)
    damaged = TEXT[:at] if cut else TEXT[:at] + bytes((byte,)) + TEXT[at + 1 :]
    (folder / "project.pbxproj").write_bytes(damaged)
    try:
        project = Project(folder)
        for target in project.targets:
            list(target.members())
            for name in SDKS:
                target.settings(SDKS[name], "Release", {})["PRODUCT_NAME"]
        assert isinstance(project.schemes, dict)
    except BuildError:
        pass  # said in xcodebuild's words; anything else fails the test


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_expanded(text: str) -> None:
    assert isinstance(resolved({"A": text, "B": f"$(A){text}"})["B"], str)


def test_the_sample_is_small_and_whole() -> None:
    files = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 60_000
    project = Project(PROJECT)
    for identifier, node in project.objects.items():
        if node["isa"] == "PBXFileReference" and node["sourceTree"] == "<group>":
            place = project.location(identifier)
            assert place is not None
            assert place.exists(), place


def test_the_sample_has_no_dangling_reference() -> None:
    project = Project(PROJECT)
    known = set(project.objects)

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in references(item)]
        if isinstance(value, list):
            return [found for item in value for found in references(item)]
        return [str(value)] if len(str(value)) == 24 and str(value).endswith("C0FFEE") else []

    mentioned = set(references(project.objects)) | {project.root["mainGroup"]}
    assert mentioned <= known
    reachable = mentioned | {identifier for identifier, node in project.objects.items() if node["isa"] == "PBXProject"}
    assert known == reachable


def test_the_samples_icons_have_no_alpha() -> None:
    icons = list(SAMPLE.rglob("icon-*.png"))
    assert len(icons) == 7
    for icon in icons:
        data = icon.read_bytes()
        side = int(icon.stem.removeprefix("icon-"))
        assert int.from_bytes(data[16:20], "big") == int.from_bytes(data[20:24], "big") == side
        assert data[25] == 2
        assert b"tRNS" not in data
