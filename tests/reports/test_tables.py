"""What a stage shows, on terminals of all widths and in files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from stories import HOLDINGS, STORIES, installed, table
from test_terminal import ANSI, Screen

from pipeline.engine.exhibits import bounded
from pipeline.model.exhibits import BETWEEN, Cell, Column, Exhibit, Tone, exhibit_from, exhibit_told
from pipeline.model.readings import Source
from pipeline.model.run import ExhibitRecord, Run, State, Step
from pipeline.reports import FORMATS, render
from pipeline.reports.columns import fit
from pipeline.reports.groups import shows, tables
from pipeline.reports.live import LiveTerminal
from pipeline.reports.terminal import Look
from pipeline.reports.terminal import render as terminal
from pipeline.reports.text import cells, clusters, folded, wrapped

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


def _run(exhibit: Exhibit, **told: object) -> Run:
    record = ExhibitRecord("seen", exhibit, Source.LIVE)
    return Run(app="x", steps=(Step("look", "", state=State.PASSED, exhibits=(record,)),), **told)  # type: ignore[arg-type]


def _drawn(exhibit: Exhibit, look: Look | None = None) -> list[str]:
    """The lines of the table alone."""
    return terminal(_run(exhibit), look or Look()).split("\n\n")[1].splitlines()


def _simple(*rows: tuple[str, ...], **columns: Column) -> Exhibit:
    return Exhibit("t", tuple(columns.values()), tuple(tuple(Cell(text) for text in row) for row in rows))


@pytest.mark.parametrize("width", [40, 41, 60, 80, 110, 160, 300])
def test_a_table_keeps_to_the_width_and_loses_no_word(width: int) -> None:
    lines = _drawn(HOLDINGS, Look(width=min(width, 110), across=width))
    # A text that would command a runner is told with a blank in it.
    assert max(cells(line) for line in lines) <= width + 1
    told = "".join("".join(lines).split())
    spared = re.search(r"Not shown in \d+ columns: (.*?)\.", " ".join(lines))
    names = spared[1].split(", ") if spared else []
    for number, column in enumerate(HOLDINGS.columns):
        if column.title not in names:
            for row in HOLDINGS.rows:
                for word in row[number].text.split():
                    if word.isalnum() and len(word) < 12:
                        assert word in told, (column.title, word)


def test_forty_columns_make_a_list() -> None:
    assert _drawn(HOLDINGS, Look(width=40))[:10] == [
        "What there is to sign with",
        "- Kind: distribution",
        "  Name: Apple Distribution: Ada Lovelace",
        "    (A1B2C3D4E5)",
        "  Team: A1B2C3D4E5",
        "  Where: keychain login, vault",
        "    identities/0f3c9e",
        "  Expires: 2027-03-01",
        "  Days: 101",
        "  Key: yes",
    ]


def test_eighty_columns_spare_the_highest_first() -> None:
    lines = _drawn(HOLDINGS)
    assert lines[1] == "Kind          Name                 Where                   Expires     Days  Key"
    assert lines[2] == "distribution  Apple Distribution:  keychain login, vault   2027-03-01   101  yes"
    assert lines[3] == "              Ada Lovelace         identities/0f3c9e"
    assert "Not shown in 80 columns: Team, SHA-1." in lines
    assert "Not shown in 100 columns: SHA-1." in _drawn(HOLDINGS, Look(width=100))
    assert not any("Not shown" in line for line in _drawn(HOLDINGS, Look(across=160)))


def test_what_wraps_is_broken_before_a_column_is_spared() -> None:
    exhibit = _simple(("word " * 12, "x" * 30), a=Column("A", wraps=True), b=Column("B", spare=1))
    assert fit(exhibit.columns, ["A", "B"], [["word " * 12, "x" * 30]], 60).widths == (28, 30)  # type: ignore[union-attr]
    lines = _drawn(exhibit, Look(width=60))
    assert lines[2] == "word word word word word      " + "x" * 30


def test_what_does_not_wrap_is_broken_when_there_is_no_other_way() -> None:
    exhibit = _simple(("a" * 50, "2026-11-20"), a=Column("A"), b=Column("B"))
    assert _drawn(exhibit, Look(width=40))[1:] == ["A" + " " * 29 + "B", "a" * 28 + "  2026-11-20", "  " + "a" * 22]


@pytest.mark.parametrize("room", range(1, 90, 4))
@pytest.mark.parametrize("spares", [(0, 0, 0), (0, 1, 2), (3, 1, 2)])
def test_what_fits_fits(room: int, spares: tuple[int, ...]) -> None:
    columns = [Column(f"c{number}", wraps=number == 1, spare=spare) for number, spare in enumerate(spares)]
    rows = [["x" * 20, "some words " * 5, "y" * 9], ["", "", ""]]
    fitted = fit(columns, ["c0", "c1", "c2"], rows, room)
    if fitted is None:
        assert room < 40
        return
    assert sum(fitted.widths) + 2 * (len(fitted.shown) - 1) <= room
    assert sorted(fitted.shown + fitted.spared) == [0, 1, 2]
    kept = [spares[number] for number in fitted.shown]
    assert all(spares[number] >= max(kept) for number in fitted.spared)


def test_columns_stand_under_each_other_whatever_is_in_them() -> None:
    names = [
        "ASCII",
        "日本語",
        "e\u0301a\u0308",
        FAMILY,
        "👍🏽",
        "❤️",
        "🇩🇪",
        "각\u1112\u1161\u11ab",
        "\x1b[31m",
        "a\nb\tc",
    ]
    exhibit = _simple(*((name, "|") for name in names), a=Column("A"), b=Column("|"))
    for line in _drawn(exhibit)[1:]:
        assert cells(line.removesuffix("|")) == 14, line


def test_numbers_stand_on_the_right() -> None:
    exhibit = _simple(("a", "7", "z"), ("b", "1,234", "z"), a=Column("A"), n=Column("N", right=True), z=Column("Z"))
    assert _drawn(exhibit)[1:] == ["A      N  Z", "a      7  z", "b  1,234  z"]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("日本", 4),
        ("e\u0301", 1),
        ("\u0939\u093f\u0928\u094d\u0926\u0941", 4),
        (FAMILY, 2),
        ("👍🏽", 2),
        ("☝🏽", 2),
        ("❤️", 2),
        ("❤", 1),
        ("1️⃣", 2),
        ("🇩🇪🇫🇷", 4),
        ("🇩", 1),
        ("\u1112\u1161\u11ab", 2),
        ("a\u200db", 2),
        ("日\u200d本", 4),
        ("a\ufe0f", 1),
        ("\u0301", 0),
        ("", 0),
    ],
)
def test_how_many_columns_a_text_takes(text: str, width: int) -> None:
    assert cells(text) == width


@given(st.text(st.characters(), max_size=30), st.integers(2, 12))
def test_folding_loses_nothing_and_keeps_to_the_width(text: str, width: int) -> None:
    lines = folded(text, width)
    assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert all(cells(line) <= width for line in lines)
    whole = [one for line in wrapped(text, width) for one, _ in clusters(line) if one != " "]
    assert [one for line in lines for one, _ in clusters(line) if one != " "] == whole, "a character was torn apart"


def test_long_words_are_broken_where_the_eye_expects_it() -> None:
    assert folded("~/Library/Developer/Xcode", 16) == ["~/Library/", "Developer/Xcode"]
    assert folded("0f3c9e1185a5c5e9", 10) == ["0f3c9e1185", "a5c5e9"]
    assert folded("a-" + "b" * 12, 10) == ["a-" + "b" * 8, "b" * 4]
    assert folded("0000:0\u0ea4", 2) == ["00", "00", ":", "0", "\u0ea4"]


def test_tones_are_colours_and_nothing_else() -> None:
    row = tuple(Cell(f"{tone.lower()} thing", tone) for tone in Tone)
    exhibit = Exhibit("t", tuple(Column(tone, wraps=True) for tone in Tone), (row,))
    told = "\n".join(_drawn(exhibit, Look(colour=True)))
    for text, code in (("good", "32"), ("caution", "33"), ("bad", "1;31"), ("quiet", "2")):
        assert f"\x1b[{code}m{text} thing\x1b[0m" in told
    assert "\x1b" not in "\n".join(_drawn(exhibit))
    for width in (40, 80):
        for story in (table, installed):
            painted = terminal(story(), Look(colour=True, width=width))
            assert ANSI.sub("", painted) == terminal(story(), Look(width=width))


def test_a_terminal_without_unicode_keeps_its_columns() -> None:
    exhibit = _simple(("日本", "|"), ("a", "|"), a=Column("Größe"), b=Column("|"))
    lines = _drawn(exhibit, Look(unicode=False))[1:]
    assert lines == ["Gr\\xf6\\xdfe   |", "\\u65e5\\u672c  |", "a             |"]


def test_a_wide_terminal_is_used_for_tables_alone() -> None:
    from pipeline.reports.terminal import look

    assert look(Screen(tty=False), {"COLUMNS": "160"}) == Look(width=110, across=160)
    assert look(Screen(tty=False), {"COLUMNS": "100"}) == Look(width=100)
    assert look(Screen(tty=False), {"COLUMNS": "20"}) == Look(width=40)


def test_a_run_that_shows_a_table_begins_with_it() -> None:
    lines = terminal(table(), Look()).splitlines()
    assert shows(table())
    assert lines[:5] == [
        "this Mac",
        "run 20261120-120000-5e1f · 2026-11-20 12:00:00 UTC · 26 ms",
        "Live: Apple, Xcode, files, git and clock were real; nothing was changed.",
        "",
        "What there is to sign with",
    ]
    assert lines[-2:] == ["Blocked by 1 finding: 1 error.", "1 check on live facts, 0 simulated"]
    assert not any("BLOCKED" in line for line in lines)
    page = render("html", table())
    assert page.index('id="tables"') < page.index('id="stages"')
    assert "### Stages" not in render("markdown", table())


def test_a_run_that_does_something_begins_with_its_stages() -> None:
    told = terminal(installed(), Look())
    assert not shows(installed())
    assert told.index("preflight   ✓ passed") < told.index("Keychain (iOS, simulated)") < told.index("Actions")
    page = render("html", installed())
    assert page.index('id="stages"') < page.index('id="tables"')
    page = render("markdown", installed())
    assert page.index("### Stages") < page.index("### Keychain") < page.index("### Actions")


def test_why_a_table_run_went_wrong_is_told() -> None:
    run = _run(HOLDINGS)
    run = replace(run, steps=(replace(run.steps[0], state=State.FAILED, because=("the disk is full. Make room",)),))
    assert "app: look failed: the disk is full. Make room" in terminal(run, Look())


def test_why_a_step_was_needless_reads_like_a_sentence() -> None:
    why = "nothing is revoked or deleted without --revoke"
    run = Run(steps=tuple(Step(name, "", state=State.PASSED, because=(why,)) for name in ("revoke", "tidy")))
    told = {form: render(form, run) for form in ("terminal", "markdown", "html", "junit")}
    assert f"app: revoke, tidy: {why}" in told["terminal"]
    assert not any("because of" in text for text in told.values())
    assert f"no checks: {why}" in told["html"]


def test_what_is_simulated_or_of_the_past_is_told_as_such() -> None:
    for form in ("terminal", "markdown", "html"):
        told = render(form, installed())
        assert re.search(r"Keychain\W.{0,24}macOS, simulated, as it was before the actions", told), form
    (seen,) = [one for one in json.loads(render("json", installed()))["exhibits"] if one["past"] and one["rows"]]
    assert (seen["step"], seen["source"], seen["name"]) == ("signing/mac", "SIMULATED", "keychain")


def test_the_same_table_on_two_lanes_is_shown_once() -> None:
    record = ExhibitRecord("seen", HOLDINGS, Source.LIVE)
    lanes = ({"name": "ios", "platform": "IOS"}, {"name": "mac", "platform": "MAC_OS"})
    run = Run(lanes=lanes, steps=tuple(Step("look", lane["name"], exhibits=(record,)) for lane in lanes))
    (only,) = tables(run)
    assert only.remark(run) == "iOS, macOS"
    assert len(json.loads(render("json", run))["exhibits"]) == 2


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
@pytest.mark.parametrize(
    ("exhibit", "said"),
    [
        (Exhibit("t", (Column("Heading"),), empty="there are no keys"), "there are no keys"),
        (Exhibit("t", (Column("Heading"),)), "nothing to show"),
        (Exhibit("t", rows=((), ())), "nothing to show"),
    ],
)
def test_a_table_without_rows_says_so(form: str, exhibit: Exhibit, said: str) -> None:
    told = render(form, _run(exhibit))
    assert said in told
    assert "Heading" not in told


def test_markdown_is_a_table_with_the_same_cells() -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(render("markdown", table()))
    start = next(number for number, token in enumerate(tokens) if token.type == "table_open")
    end = next(number for number, token in enumerate(tokens) if token.type == "table_close")
    told = ["".join(child.content for child in token.children or ()) for token in tokens[start:end] if token.children]
    assert told[:8] == [column.title for column in HOLDINGS.columns]
    assert "~/Library/Developer/Xcode/UserData/Provisioning Profiles/3f9a0c12-b4de-5577-9c11-85a5c5e9fc54" in told
    assert "<b>Ad|Hoc</b> `x` <U+001B>[31mred<U+001B>[0m ::error::x second line & @\u2060everyone" in told
    assert "| ---: |" in render("markdown", table())


def test_markdown_leaves_room_for_the_findings() -> None:
    exhibit = _simple(*((str(number),) for number in range(2000)), a=Column("A"))
    told = render("markdown", _run(exhibit))
    assert "| 499 |" in told
    assert "| 500 |" not in told
    assert "_1,500 more rows are in the JSON and HTML reports._" in told


def test_html_is_a_table_with_tones_and_text() -> None:
    told = render("html", table())
    assert '<td class="right whole tone-caution">8</td>' in told
    assert '<td class="folds tone-plain">&lt;b&gt;Ad|Hoc&lt;/b&gt; `x` &lt;U+001B&gt;[31mred' in told
    assert '<th scope="col" class="right">Days</th>' in told
    assert "<li>no: it is somewhere else</li>" in told


def test_json_rows_are_objects_with_values() -> None:
    first, second = json.loads(render("json", table()))["exhibits"]
    assert first["rows"][1] == {
        "kind": "DEVELOPMENT",
        "name": "Apple Development: 山田 太郎 👩\u200d💻 (Z9Y8X7W6V5)",
        "team": "A1B2C3D4E5",
        "where": "$SIGNING_CERTIFICATES",
        "expires": "2026-11-29T08:30:00+00:00",
        "days": 8,
        "key": False,
        "sha_1": "77aa02cc85a5c5e9fc54612808977ee8f548b225",
    }
    assert first["columns"][7] == {"key": "sha_1", "title": "SHA-1"}
    assert [first[name] for name in ("step", "stage", "lane", "name", "source", "past")] == [
        "holdings",
        "holdings",
        "",
        "holdings",
        "LIVE",
        False,
    ]
    assert (second["source"], second["rows"]) == ("UNKNOWN", [])
    assert second["empty"] == "certificates could not be observed: no key of App Store Connect is set"


def test_json_keys_are_told_apart() -> None:
    exhibit = _simple(("1", "2", "3", "4"), a=Column("A"), b=Column("a"), c=Column(""), d=Column("A 2"))
    (told,) = json.loads(render("json", _run(exhibit)))["exhibits"]
    assert told["rows"] == [{"a": "1", "a_2": "2", "column_3": "3", "a_2_4": "4"}]


def test_a_run_without_tables_has_none() -> None:
    told = json.loads(render("json", STORIES["green"]()))
    assert told["exhibits"] == []
    assert 'id="tables"' not in render("html", STORIES["green"]())


@pytest.mark.parametrize("form", FORMATS)
def test_a_large_table_is_told_quickly_enough_to_be_told_at_all(form: str) -> None:
    row = ("日本語 Apple Distribution " * 3, "x" * 2000, "2026-11-20", "~/a/long/path/" * 8)
    columns = {"a": Column("A", wraps=True), "b": Column("B", spare=1), "c": Column("C"), "d": Column("D", wraps=True)}
    assert render(form, _run(_simple(*[row] * 1000, **columns)))


def test_the_live_display_bears_exhibits() -> None:
    screen = Screen(tty=False)
    from stories import Story

    story = Story()
    story.begin("preflight")
    story.show("preflight", HOLDINGS)
    story.end("preflight")
    with LiveTerminal(screen, {}) as live:
        for entry in story.entries:
            live.on_entry(entry)
    assert screen.getvalue() == "· no checks preflight\n"


def test_several_texts_are_a_list_for_programs() -> None:
    shown = Exhibit(
        "t",
        (Column("Where"),),
        ((Cell("a, b", Tone.QUIET, f"a{BETWEEN}b, c", several=True),), (Cell("a", value="a", several=True),)),
    )
    kept = exhibit_from(json.loads(json.dumps(exhibit_told(shown))))
    assert kept == shown
    told = json.loads(render("json", _run(bounded(kept, lambda text: text.replace("c", "***")))))
    assert [row["where"] for row in told["exhibits"][0]["rows"]] == [["a", "b, ***"], ["a"]]
