"""Shell scripts are read as they are written, and nothing in them is run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.automation import shell
from pipeline.apple.automation.commands import invocation, platform_of, tool_of


def words(script: str) -> list[list[str | None]]:
    return [[word.literal for word in command.words] for command in shell.read(script)]


def test_quotes_continuations_and_comments() -> None:
    script = 'xcodebuild -scheme "My App" \\\n  -sdk \'iphoneos\' # comment\n# xcrun altool\necho a#b "c\\"d" e\\ f'
    assert words(script) == [["xcodebuild", "-scheme", "My App", "-sdk", "iphoneos"], ["echo", "a#b", 'c"d', "e f"]]


def test_lines_are_those_of_the_text() -> None:
    found = shell.read("\n\nfoo \\\n  bar\n\nbaz")
    assert [(command.line, [word.line for word in command.words]) for command in found] == [(3, [3, 4]), (6, [6])]


def test_variables_are_followed_when_they_have_one_value() -> None:
    commands = shell.read(
        'A=x\nB="$A/y"\nC=1\nC=2\nD=$(date)\nfor E in 1 2; do :; done\nreadonly F=z\nfoo "$B" ${C} $D $E $F'
    )
    names = shell.constants(commands, {})
    assert [word.resolved(names) for word in commands[-1].words] == ["foo", "x/y", None, None, None, "z"]


def test_a_script_that_reads_another_one_keeps_no_variable() -> None:
    assert shell.constants(shell.read("A=x\n. ./env.sh"), {}) == {}


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ('"$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"', "\0/tools/ci"),
        ('"$(cd "$(dirname "$0")/.." && pwd)"', "\0/tools"),
        ("$(git rev-parse --show-toplevel)", "\0"),
        ('"$(cd "$(dirname "$0")/../../.." && pwd)"', None),
        ("$(mktemp -d)", None),
    ],
)
def test_the_usual_ways_to_find_the_repository(source: str, place: str | None) -> None:
    names = shell.constants(shell.read(f"ROOT={source}"), {}, "tools/ci")
    assert names.get("ROOT") == place


def test_a_folder_above_one_that_is_known() -> None:
    script = 'HERE="$(cd "$(dirname "$0")" && pwd)"\nROOT="$(dirname "$HERE")"\nTOP="$(cd "$HERE/../.." && pwd)"'
    names = shell.constants(shell.read(script), {}, "tools/ci")
    assert (names["ROOT"], names["TOP"]) == ("\0/tools", "\0")


def test_here_documents_belong_to_their_command() -> None:
    found = shell.read("cat > $DIR/E.plist <<'EOF'\n<plist/>\n$X\nEOF\necho done")
    assert (found[0].text, found[0].text_line) == ("<plist/>\n$X\n", 2)
    assert found[0].outputs[0].parts == (("$", "DIR"), ("", "/E.plist"))
    assert found[1].line == 5


def test_what_is_not_always_run_is_tolerated() -> None:
    script = "if [ -d A ]; then\n one\nfi\n[ -f B ] && two\nthree || true\ncd X && four\nfunction f {\n five\n}\ncase $1 in\n a) six ;;\nesac\nseven"
    found = {command.words[0].literal: command.tolerated for command in shell.read(script)}
    assert {name: found[name] for name in ("one", "two", "three", "four", "five", "six", "seven")} == {
        "one": True, "two": True, "three": True, "four": False, "five": False, "six": True, "seven": False,
    }  # fmt: skip


def test_folders_are_followed() -> None:
    commands = shell.read("cd native\n(cd inner; a)\nb\ncd ..\nc\ncd $X\nd")
    folder: str | None = ""
    seen = {}
    folders: dict[tuple[int, ...], str | None] = {(): ""}
    for command in commands:
        scope = command.scope
        while scope not in folders:
            scope = scope[:-1]
        folder = folders[scope]
        seen[command.words[0].literal] = folder
        folders[command.scope] = shell.folder_after(command, folder, {})
    assert {name: seen[name] for name in "abcd"} == {"a": "native/inner", "b": "native", "c": ".", "d": None}


def test_what_stands_before_a_tool_is_passed_over() -> None:
    for script in (
        "sudo -E xcrun --sdk iphoneos altool --x",
        "env A=b altool --x",
        "time bundle exec altool --x",
        "A=b /usr/bin/altool --x",
    ):
        command = shell.read(script)[0]
        tool, rest = tool_of(command, {})
        assert (tool.rpartition("/")[2], [word.literal for word in rest]) == ("altool", ["--x"])


def test_xcodebuild_is_taken_apart() -> None:
    command = shell.read(
        "xcodebuild archive -project A.xcodeproj -scheme 'My App' -destination 'generic/platform=iOS' "
        'CODE_SIGN_STYLE=Manual DEVELOPMENT_TEAM="$T" -archivePath "$P" $MORE'
    )[0]
    call = invocation(command, command.words[1:], {})
    assert (call.archives, call.exports, call.open, platform_of(call)) == (True, False, True, "ios")
    assert (call.text("scheme"), call.text("archivePath")) == ("My App", "")
    assert [(one.name, one.text) for one in call.settings] == [
        ("CODE_SIGN_STYLE", "Manual"),
        ("DEVELOPMENT_TEAM", None),
    ]


@given(st.text(alphabet="ab \"'`$(){}<>|&;\\\n#=-E\t!*[]", max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_script_makes_it_fail(script: str) -> None:
    commands = shell.read(script)
    shell.constants(commands, {}, "x")
    for command in commands:
        tool, rest = tool_of(command, {})
        invocation(command, rest, {})
        assert 1 <= command.line <= script.count("\n") + 1, tool


@pytest.mark.parametrize(
    "script", ["(" * 50_000, "$(" * 50_000, '"' * 50_001, "<<A\n" * 5_000, "a=(" * 20_000, "if " * 50_000]
)
def test_hostile_scripts_end(script: str) -> None:
    assert len(shell.read(script)) <= shell.COMMAND_LIMIT
