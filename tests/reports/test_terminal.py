"""The final report as terminals of all kinds show it."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from stories import STORIES, blocked, green

from pipeline.model.findings import Finding, Location
from pipeline.model.run import Run, Step
from pipeline.reports import render
from pipeline.reports.terminal import Look, look
from pipeline.reports.terminal import render as terminal
from pipeline.reports.text import cells

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A stream that says of itself what it is told to."""

    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty, self._encoding = tty, encoding

    def isatty(self) -> bool:
        return self._tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("tty", "environment", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_the_persons_choice(tty: bool, environment: dict[str, str], colour: bool) -> None:
    assert look(Screen(tty=tty), environment).colour is colour


@pytest.mark.parametrize(
    ("columns", "width"), [("", 80), ("100", 100), ("7", 40), ("9999", 110), ("-3", 80), ("x", 80), ("\u00b2", 80)]
)
def test_width_stays_readable(columns: str, width: int) -> None:
    assert look(Screen(tty=False), {"COLUMNS": columns}).width == width


def test_width_is_the_terminals() -> None:
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    try:
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 93, 0, 0))
        with os.fdopen(follower, "w", encoding="utf-8") as stream:
            assert look(stream, {"TERM": "xterm"}) == Look(colour=True, width=93, unicode=True, folded=True)
    finally:
        os.close(leader)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_is_no_unicode_terminal_gets_ascii(encoding: str) -> None:
    chosen = look(Screen(tty=True, encoding=encoding), {})
    told = terminal(blocked(), chosen)
    assert told.isascii()
    assert "BLOCKED" in told
    assert "Gr\\xfc\\xdfe" in told


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("width", [40, 60, 80])
def test_tables_keep_to_the_width(story: str, width: int) -> None:
    told = terminal(STORIES[story](), Look(width=width))
    table = told.split("\n\n")[1].splitlines()
    assert max(cells(line) for line in table) <= width


def test_colour_changes_nothing_but_colour() -> None:
    for story in STORIES.values():
        assert ANSI.sub("", terminal(story(), Look(colour=True))) == terminal(story(), Look())


def _one(excerpt: str, column: int | None, summary: str = "x") -> list[str]:
    found = Finding(summary, location=Location("a.txt", 3, column, excerpt), rule="R1", stage="s", lane="")
    return terminal(Run(steps=(Step("s", "", findings=(found,)),)), Look()).splitlines()


@pytest.mark.parametrize(
    ("excerpt", "column", "under"),
    [
        ("abcdef", 4, "d"),
        ("\tkey = value", 2, "k"),
        ("\u65e5\u672c = x", 6, "x"),
        ("a\x1bb", 3, "b"),
        ("." * 300 + "!" + "." * 300, 301, "!"),
    ],
)
def test_the_caret_points_at_the_column(excerpt: str, column: int, under: str) -> None:
    lines = _one(excerpt, column)
    caret = next(number for number, line in enumerate(lines) if line.endswith("^") and line.startswith("  |"))
    columns = [character for character in lines[caret - 1] for _ in range(cells(character))]
    assert columns[lines[caret].index("^")] == under
    assert cells(lines[caret - 1]) <= 80


@pytest.mark.parametrize("column", [None, 0, -4, 99])
def test_a_column_outside_the_line_has_no_caret(column: int | None) -> None:
    assert not any(line.endswith("^") for line in _one("abc", column))


def test_no_line_commands_a_runner() -> None:
    told = "\n".join(_one("x", None, "##[group]x") + _one("x", None, " ".join(["word"] * 30)))
    assert "##[" not in told
    found = Finding("s", remedy=f"{'w' * 70} ::set-output name=a::b", rule="R1")
    lines = terminal(Run(steps=(Step("s", "", findings=(found,)),)), Look()).splitlines()
    assert any(line.strip() == ": :set-output name=a::b" for line in lines)


def test_paths_are_the_repositorys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", "/home/ada")
    assert "::error file=isometry/native/Configurations/Production.xcconfig,line=16," in render(
        "annotations", blocked()
    )
    assert "(isometry/native/Configurations/Production.xcconfig#L16)" in render("markdown", blocked())
    assert '"uri": "isometry/native/Configurations/Production.xcconfig"' in render("sarif", blocked())
    monkeypatch.setenv("GITHUB_WORKSPACE", "/elsewhere")
    assert "::error file=native/Configurations/Production.xcconfig,line=16," in render("annotations", blocked())


def test_the_final_report_imports_no_heavy_library() -> None:
    code = (
        "import sys; from pipeline.model.run import replay; from pipeline.reports import render, terminal, live;"
        "render('terminal', replay([])); live.LiveTerminal(sys.stdout).close();"
        "print([m for m in ('rich', 'html', 'xml', 'urllib', 'shutil', 'tempfile', 'logging') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout == "[]\n"


def test_a_green_run_ends_with_plan_and_basis() -> None:
    assert render("terminal", green()).splitlines()[-3:] == [
        "Everything passed: 1 note.",
        "Plan 3f9a0c12b4de: 6 actions; approve with: invoke approve --run 20261120-120000-5e1f",
        "8 checks on live facts, 15 simulated",
    ]
