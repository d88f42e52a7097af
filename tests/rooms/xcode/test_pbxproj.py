"""The project file reader: values, lines, and clear words for whatever is not a project file."""

from __future__ import annotations

import json
import plistlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.pbxproj import BrokenList, Table, parse, parse_value
from pipeline.apple.xcode.project import Project

SMALL = b"""// !$*UTF8*$!
{
	archiveVersion = 1;
	objects = {
		/* Begin */
		A1 /* Project object */ = {
			isa = PBXProject;
			"quoted key" = "a \\"quote\\"\\n and \\U00e9";
			empty = (
			);
			list = (
				one,
				"two words" /* comment, with comma */,
				<0a 0B>
			);
			path = ../App-Test_1.0/x.swift; // to the end
		};
	};
	rootObject = A1 /* Project object */;
}
"""


def test_values_and_lines() -> None:
    tree = parse(SMALL)
    project = tree.table("objects").table("A1")
    assert project["quoted key"] == 'a "quote"\n and é'
    assert project["list"] == ["one", "two words", b"\x0a\x0b"]
    assert project["empty"] == []
    assert project["path"] == "../App-Test_1.0/x.swift"
    assert tree.line("rootObject") == 19
    assert project.line("quoted key") == 8
    assert project.line("path") == 16
    assert project.line("nothing") is None


@pytest.mark.parametrize("missing", ["tail", "comma", "semicolon"])
def test_separators_before_a_bracket_may_be_missing(missing: str) -> None:
    text = {"tail": "{a = 1;}", "comma": "{a = (1, 2)}", "semicolon": "{a = {b = 1}}"}[missing]
    assert isinstance(parse_value(text), Table)


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (b"", "empty", None),
        (b"// !$*UTF8*$!\n{\n\ta = 1;\n\tb = {\n", "truncated", 4),
        (b"{\n\ta = 1;\n\tb 2;\n}", "unexpected 'b 2;'", 3),
        (b"{\n\ta = 1\n\tb = 2;\n}", "unexpected 'b = 2;'", 3),
        (b'{\n\ta = "never\nclosed;\n}', "never closed", 2),
        (b"{\n\t/* never closed\n a = 1;\n}", "comment that is never closed", 2),
        (b"{\n\ta = 1;\n<<<<<<< HEAD\n\tb = 2;\n=======\n\tb = 3;\n>>>>>>> theirs\n}", "merge conflict", 3),
        (b"{a = 1;}\n}", "after the end", 2),
        (b"{\n\ta = \xff\xfe;\n}", "not UTF-8", 2),
        (b"( one, two )", "dictionary is expected", 1),
        (b"{a = " + b"(" * 5000, "nested more than", 1),
        (b'{"archiveVersion": ', "not valid JSON", 1),
        (b"<?xml version='1.0'?><plist><dict><key>a</key></dict></plist>", "no value", 1),
    ],
)
def test_broken_files_say_why_and_where(data: bytes, reason: str, line: int | None) -> None:
    with pytest.raises(BrokenList) as caught:
        parse(data)
    assert reason in caught.value.reason
    assert caught.value.line == line


def test_converted_files_read_the_same() -> None:
    plain = {"archiveVersion": "1", "objects": {"A1": {"isa": "PBXProject", "list": ["one"], "flag": "YES"}}}
    assert parse(json.dumps(plain).encode()) == plain
    assert parse(plistlib.dumps(plain)) == plain
    assert parse(plistlib.dumps(plain, fmt=plistlib.FMT_BINARY)) == plain


def test_a_project_without_root_object_is_broken() -> None:
    with pytest.raises(BrokenList, match="rootObject"):
        Project("A.xcodeproj", parse(b"{objects = {A = {isa = PBXProject;};}; rootObject = B;}"))


def test_same_values_as_openstep_parser(shared_data: Path) -> None:
    from openstep_parser import OpenStepDecoder

    files = sorted(shared_data.glob("isometry/**/project.pbxproj"))
    if not files:
        pytest.skip("the real app's project files are not here")
    for file in files:
        data = file.read_bytes()
        assert parse(data) == OpenStepDecoder.ParseFromString(data.decode())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_never_surprise(data: st.DataObject) -> None:
    raw = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    try:
        Project("A.xcodeproj", parse(bytes(raw[:cut])))
    except BrokenList as fault:
        assert fault.reason  # noqa: PT017  # whether it is raised depends on the damage
        assert fault.line is None or 1 <= fault.line <= raw.count(b"\n") + 1  # noqa: PT017  # whether it is raised depends on the damage


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_what_is_written_is_read(value: object) -> None:
    assert parse_value(_written(value)) == value


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + "".join(f"{_written(key)} = {_written(inner)};\n" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "(" + "".join(f"{_written(inner)}, /* c */ " for inner in value) + ")"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_of_a_key_that_is_given_twice_the_last_value_counts() -> None:
    tree = parse(b"{\n\ta = 1;\n\ta = 2;\n}")
    assert tree["a"] == "2"
    assert tree.index is not None
    assert [(key, tree.index.at(offset)) for key, offset in tree.index.doubled] == [("a", 3)]
    with pytest.raises(BrokenList, match="occurs twice"):
        parse_value("{a = 1; a = 2;}")


def test_what_other_rooms_ask_a_project_for() -> None:
    found = Project("a/A.xcodeproj", parse(PHASES))
    (target,) = found.targets
    assert found.members(target, "PBXSourcesBuildPhase", "iphoneos") == (("a/m.swift", 6),)
    assert found.members(target, "PBXSourcesBuildPhase") == (("a/m.swift", 6), ("a/n.swift", 7))
    assert found.products(target) == ("GRDB",)
    assert found.objects.table("K").text("productName") == "GRDB"


PHASES = b"""{ rootObject = P; objects = {
  P = {isa = PBXProject; targets = (T); };
  T = {isa = PBXNativeTarget; name = A; buildPhases = (S); packageProductDependencies = (K, Q); };
  S = {isa = PBXSourcesBuildPhase; files = (B, C); };
  E = {isa = PBXFileReference; path = m.swift; sourceTree = SOURCE_ROOT; };
  B = {isa = PBXBuildFile; fileRef = E; };
  C = {isa = PBXBuildFile; fileRef = F; platformFilters = (macos, ); };
  F = {isa = PBXFileReference; path = n.swift; sourceTree = SOURCE_ROOT; };
  K = {isa = XCSwiftPackageProductDependency; productName = GRDB; };
  Q = {isa = XCSwiftPackageProductDependency; productName = "plugin:Lint"; };
}; }"""
