"""`build.explain`: every rule's page in a terminal, Apple's codes and words, and help for what was mistyped."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import explaining, regular
from pipeline.explaining import Pages, explain
from pipeline.model import UsageFault
from pipeline.reports.page import render, sections, title_of
from pipeline.reports.terminal import Look
from pipeline.reports.text import cells

PAGES = Pages.found()
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def said(capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    assert explain(options) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("rule", PAGES.names)
def test_every_page_can_be_read_in_a_terminal(rule: str) -> None:
    text = PAGES.text(rule)
    for width in (40, 80, 110):
        told = render(text, Look(width=width))
        prose = [line for line in told.splitlines() if not line.startswith("    ")]
        assert not [line for line in prose if cells(line) > width and " " in line.strip()]
        assert not re.search(r"^#{1,6} |^```|\*\*|\]\(", "\n".join(prose), re.MULTILINE), "Markdown shows through"
    coloured = render(text, Look(colour=True))
    assert ESCAPE.sub("", coloured) == render(text, Look())
    assert title_of(text).startswith(f"{rule}: ")
    assert "".join(sections(text)).count("Remedy") or "**Remedy:**" in sections(text)[""]


def test_code_is_kept_as_it_is() -> None:
    code = "KEY   =  value\n    deeper\n\n# no heading\n| no table |"
    told = render(f"# A001: t\n\n```text\n{code}\n```\n\nafter\n", Look(width=40))
    assert "".join(f"    {line}".rstrip() + "\n" for line in code.splitlines()) in told
    assert told.endswith("\n\nafter\n")


def test_an_open_fence_ends_with_the_page() -> None:
    assert render("# A001: t\n```\nlast", Look()).endswith("    last\n")


def test_marks_take_no_room_and_colour_only_what_they_mark() -> None:
    told = render("securityd is not `security`, and **this is strong**.", Look(colour=True, width=40))
    assert "securityd is not \x1b[36msecurity\x1b[0m," in told
    assert "\x1b[1mstrong\x1b[0m." in told


def test_lists_hang_and_links_are_told() -> None:
    told = render(
        "- one [page](https://example.com/a) and\n  more of it that is long\n- [BUND001](BUND001.md)", Look(width=40)
    )
    assert told == "- one page (https://example.com/a) and\n  more of it that is long\n- BUND001\n"


def test_what_acts_on_a_terminal_is_spelled_out() -> None:
    told = render("# A\x1b[31m001: t\n\n```\n\x1b]0;title\x07\n```\n\n`\x9b`\n", Look(colour=True))
    assert not ESCAPE.sub("", told).count("\x1b")
    assert "<U+001B>" in told


def test_a_rule_is_told_however_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, rule=("proj051",)) == said(capsys, rule=(" PROJ051 ",))


def test_several_rules_stand_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, rule=("PROJ051", "BUND009"))
    assert told.index("PROJ051: ") < told.index("BUND009: ")


def test_without_a_word_all_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2:3].isupper()] == list(PAGES.names)


@pytest.mark.parametrize("word", ["ITMS-90717", "90717", "itms-90717"])
def test_a_code_of_apples_names_the_rules(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, rule=(word,))
    assert told.startswith("ITMS-90717: ")
    assert "PROJ051" in told
    assert "`build.explain PROJ051`" in told


def test_a_code_is_told_with_all_rules_that_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, rule=("90164",), json=True))
    rules = [each["rule"] for each in document["answers"][0]["rules"]]
    assert rules[0] == "BUND009"
    assert set(PAGES.saying("90164")) <= set(rules)


def test_a_page_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (page,) = json.loads(said(capsys, rule=("PROJ051",), json=True))["rules"]
    assert page["rule"] == "PROJ051"
    assert page["title"] == PAGES.title("PROJ051")
    assert {"Wrong", "Right", "Remedy", "Source"} <= {section["heading"] for section in page["sections"]}


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(json.loads(said(capsys, json=True))["rules"]) == len(PAGES.names)


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("PROJ51", "PROJ051"),
        ("BUMD009", "BUND009"),
        ("nonsense", "`build.explain`"),
        ("", "`build.explain`"),
        ("../../etc/passwd", "`build.explain`"),
        ("90999", "--text"),
        ("A" * 100_000, "`build.explain`"),
    ],
)
def test_what_is_no_rule_is_refused_before_anything_is_told(
    word: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageFault) as refused:
        explain({"rule": ("PROJ051", word)})
    assert remedy in refused.value.remedy
    assert len(str(refused.value)) < 200
    assert capsys.readouterr().out == ""


def test_apples_words(capsys: pytest.CaptureFixture[str]) -> None:
    # fluttercommunity/flutter_launcher_icons#216, without its code
    text = "Invalid App Store Icon. The App Store Icon in 'A.app' can't be transparent nor contain an alpha channel."
    told = said(capsys, text=text)
    assert told.startswith("ITMS-90717: ")
    answers = json.loads(said(capsys, text=f"{text}\nERROR ITMS-90189: no", json=True))["answers"]
    assert [answer["code"] for answer in answers] == ["ITMS-90717", "ITMS-90189"]


def test_words_that_say_nothing_known() -> None:
    with pytest.raises(UsageFault, match="nothing that Apple"):
        explain({"text": "it failed"})
    with pytest.raises(UsageFault, match="ITMS-90999"):
        explain({"text": "ERROR ITMS-90999: no"})


def test_no_code_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    """As in fastlane/fastlane#10832, where five codes stand in one log."""
    text = "\n".join(f'ERROR ITMS-{code}: "no"' for code in ("90999", "90171", "90186", "90998"))
    told = said(capsys, text=text)
    assert (
        told.index("ITMS-90171: ") < told.index("ITMS-90186: ") < told.index("ITMS-90999, ITMS-90998: nothing is known")
    )
    answers = json.loads(said(capsys, text=text, json=True))["answers"]
    assert [each["code"] for each in answers] == ["ITMS-90171", "ITMS-90186", "ITMS-90999", "ITMS-90998"]
    assert answers[-1] == {"code": "ITMS-90998", "title": "", "rules": []}
    many = "\n".join(f"ITMS-{code}: no" for code in ("90186", *range(91900, 91999)))
    assert "ITMS-91904 and 94 more: nothing is known here" in " ".join(said(capsys, text=many).split())


def test_a_log_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "upload.log").write_bytes(b"Asset validation failed (90189) no\n" + b"x" * 2_000_000)
    (tmp_path / "long.log").write_bytes(b"x" * 5_000_000 + b"\xff\nAsset validation failed (90206) no")
    (tmp_path / "90717").write_text("ITMS-90189: no")
    assert said(capsys, text=str(tmp_path / "long.log")).startswith("ITMS-90206: ")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert said(capsys, text="~/long.log").startswith("ITMS-90206: ")
    monkeypatch.chdir(tmp_path)
    assert said(capsys, text="long.log") == said(capsys, text="./long.log")
    assert said(capsys, text="90717").startswith("ITMS-90189: ")
    with pytest.raises(UsageFault, match="nothing that Apple"):
        explain({"text": "upload.log"})  # what stands before the last two megabytes is not read


def test_of_a_long_file_no_more_than_its_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(io.FileIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size) or b""
            Counted.taken += len(data)
            return data

    path = tmp_path / "long.log"
    path.write_bytes(b"\nITMS-90189: no")
    os.truncate(path, 50_000_000)
    with path.open("ab") as file:
        file.write(b"\nITMS-90717: no")
    monkeypatch.setattr(regular, "opened", Counted)
    assert explain({"text": str(path)}) == 0
    assert Counted.taken == 2_000_000


@pytest.mark.parametrize(
    "text", ["ITMS-90189\0", "ITMS-90189: " + "a/" * 40_000, "~nobody-here/ITMS-90189: no", "ITMS-90189\n"]
)
def test_a_text_that_is_no_file_is_the_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, text=text).startswith("ITMS-90189: ")


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path, "directory"), (tmp_path / "pipe", "not a file")):
        with pytest.raises(UsageFault, match="cannot be read") as refused:
            explain({"text": str(path)})
        assert why in refused.value.why
        assert "--text -" in refused.value.remedy


def test_a_log_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log = b"x" * 3_000_000 + b"\xff\nAsset validation failed (90206) no"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(log)))
    assert said(capsys, text="-").startswith("ITMS-90206: ")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(UsageFault, match="standard input"):
        explain({"text": "-"})


def test_pages_of_an_installed_pipeline_come_before_those_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "TEST001.md").write_text("# TEST001: it holds\n", encoding="utf-8")
    (tmp_path / "pages" / "notes.md").write_text("# notes\n", encoding="utf-8")
    monkeypatch.setattr(explaining, "files", lambda _package: tmp_path)
    pages = Pages.found()
    assert pages.names == ("TEST001",)
    assert pages.title("TEST001") == "it holds"


def test_without_pages_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "files", lambda _package: tmp_path)
    monkeypatch.setattr(explaining, "__file__", str(tmp_path / "pipeline" / "explaining.py"))
    with pytest.raises(UsageFault, match="not here"):
        Pages.found()
