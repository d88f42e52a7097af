"""Whatever a journal holds, every format stays well-formed and shows it as text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from markdown_it import MarkdownIt
from sarif_schema import SARIF

from pipeline.model.actions import Outcome, Risk
from pipeline.model.exhibits import Cell, Column, Exhibit, Tone
from pipeline.model.findings import Finding, Location, Severity
from pipeline.model.readings import Source
from pipeline.model.run import ActionRecord, ExhibitRecord, Judgement, ReadingRecord, Run, State, Step
from pipeline.reports import FORMATS, render
from pipeline.reports.annotations import PER_KIND
from pipeline.reports.markdown import LIMIT
from pipeline.reports.terminal import Look
from pipeline.reports.terminal import render as terminal
from pipeline.reports.text import cells, shown, wrapped

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></title></svg>",
    "]]></failure>",
    "[link](javascript:alert(1)) ![i](http://x) `` ` ~~~",
    "| a | b |\n|---|---|\n\n# head\n- item",
    "::error file=x::y\n::set-output name=a::b\r##[add-mask]x",
    "\x1b[31m\x1b]8;;http://x\x07\x9b2J\x00\x7f",
    "\u202egnp.exe\u2066\u200f\ufeff\U000e0041",
    "Gr\u00fc\u00dfe \u65e5\u672c\u8a9e \U0001f469\u200d\U0001f469 e\u0301 \udc80",
    "100% %0A, a:b &amp; &#60; ${{ x }}",
    "\ufffe\uffff",
    "",
    "x" * 300,
]
TEXT = st.one_of(st.sampled_from(PAYLOADS), st.text(st.characters(), max_size=12))
WORD = st.sampled_from(["preflight", "upload", "<b>", "a|b", "ios", "\x1bx"])
MOMENT = st.one_of(
    st.none(),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3), timezones=st.just(UTC)),  # noqa: DTZ001
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3)),  # noqa: DTZ001 - a broken journal may hold such moments
)
NUMBER = st.one_of(st.none(), st.integers(-1, 10**6))
PLACE = st.one_of(st.none(), st.builds(Location, path=TEXT, line=NUMBER, column=NUMBER, excerpt=TEXT))
FINDING = st.builds(
    Finding,
    summary=TEXT,
    severity=st.sampled_from(Severity),
    subject=TEXT,
    location=PLACE,
    remedy=TEXT,
    apple=TEXT,
    rule=TEXT,
    source=st.sampled_from(Source),
    stage=WORD,
    lane=WORD,
    waived=st.one_of(st.just(""), TEXT),
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXT, st.none(), st.floats(), st.binary(max_size=3), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)
ACTION = st.builds(
    ActionRecord,
    key=TEXT,
    promise=TEXT,
    describe=TEXT,
    risk=st.sampled_from(Risk),
    intended=st.booleans(),
    outcome=st.one_of(st.none(), st.sampled_from(Outcome)),
    source=st.one_of(st.none(), st.sampled_from(Source)),
    result=st.dictionaries(TEXT, JUNK, max_size=2),
    error=TEXT,
    began=MOMENT,
    ended=MOMENT,
)
JUDGEMENT = st.builds(
    Judgement, rule=TEXT, title=TEXT, source=st.sampled_from(Source), findings=st.just(1), why=TEXT, proof=st.booleans()
)
READING = st.builds(ReadingRecord, fact=TEXT, source=st.sampled_from(Source), why=TEXT, shown=TEXT)

CELL = st.builds(Cell, TEXT, st.sampled_from(Tone), st.one_of(st.none(), TEXT, st.floats(), st.booleans()))
COLUMN = st.builds(Column, TEXT, st.booleans(), st.booleans(), st.integers(0, 2))


@st.composite
def _exhibits(draw: st.DrawFn) -> ExhibitRecord:
    columns = tuple(draw(st.lists(COLUMN, max_size=4)))
    rows = draw(st.lists(st.tuples(*[CELL] * len(columns)), max_size=3))
    exhibit = Exhibit(draw(TEXT), columns, tuple(rows), draw(TEXT), draw(TEXT), tuple(draw(st.lists(TEXT, max_size=2))))
    return ExhibitRecord(draw(WORD), exhibit, draw(st.sampled_from(Source)), draw(MOMENT), draw(st.booleans()))


def _some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=2).map(tuple)


STEP = st.builds(
    Step,
    stage=WORD,
    lane=st.one_of(st.just(""), WORD),
    title=TEXT,
    after=_some(st.builds("{}/{}".format, WORD, WORD) | WORD),
    state=st.sampled_from(State),
    because=_some(TEXT),
    began=MOMENT,
    ended=MOMENT,
    waited=st.floats(0, 1e6),
    readings=_some(READING),
    judgements=_some(JUDGEMENT),
    findings=_some(FINDING),
    actions=_some(ACTION),
    proofs=_some(FINDING),
    attempts=st.integers(0, 9),
    exhibits=_some(_exhibits()),
)
RUN = st.builds(
    Run,
    id=TEXT,
    theatre=st.sampled_from(["live", "rehearsal", "shadow"]) | TEXT,
    app=TEXT,
    root=TEXT,
    version=TEXT,
    scenario=TEXT,
    note=TEXT,
    lanes=_some(st.fixed_dictionaries({"name": WORD, "platform": st.sampled_from(["IOS", "MAC_OS", "<x>"])})),
    steps=st.lists(STEP, max_size=3, unique_by=lambda step: step.name).map(tuple),
    began=MOMENT,
    ended=MOMENT,
    exit_code=st.sampled_from([None, 0, 1, 2, 3, 4, 5, 130, 99]),
    verdict=TEXT,
    digest=TEXT,
    complete=st.booleans(),
)
few = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)


class Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


TAGS = re.compile(
    "html|head|meta|title|style|body|a|header|h[123]|span|p|div|dl|dt|dd|nav|ul|li|main|section|svg|defs|pattern|line|rect|"
    "text|path|g|form|label|select|option|details|summary|code|pre|mark|table|thead|tbody|tr|th|td|br|strong|footer|script"
)


@few
@given(RUN)
def test_html_holds_only_its_own_elements(run: Run) -> None:
    page = Page()
    told = render("html", run)
    page.feed(told)
    page.close()
    assert page.open == []
    assert not [tag for tag in page.tags if not TAGS.fullmatch(tag)]
    assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert told.count("<script>") == told.count("<style>") == 1
    told.encode()


@few
@given(RUN)
def test_junit_is_well_formed_and_counts_right(run: Run) -> None:
    top = ET.fromstring(render("junit", run).encode())
    for suite in (top, *top.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        assert int(suite.get("tests", "-1")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "-1")) == sum(1 for case in cases for _ in case.iter(tag))
    judgements = sum(len(step.judgements) for step in run.steps)
    assert len(list(top.iter("testcase"))) >= judgements


@few
@given(RUN)
def test_json_parses_strictly(run: Run) -> None:
    def never(name: str) -> None:
        raise AssertionError(name)

    told = json.loads(render("json", run).encode(), parse_constant=never)
    assert len(told["findings"]) == len(run.findings)
    shown = [record.exhibit for step in run.steps for record in step.exhibits]
    for table, exhibit in zip(told["exhibits"], shown, strict=True):
        keys = [column["key"] for column in table["columns"]]
        assert len(set(keys)) == len(exhibit.columns)
        assert [list(row) for row in table["rows"]] == [keys] * len(exhibit.rows)
    assert list(told)[-1] == "basis"


@few
@given(RUN)
def test_sarif_keeps_to_the_schema(run: Run) -> None:
    told = json.loads(render("sarif", run).encode())
    Draft7Validator(SARIF).validate(told)
    (only,) = told["runs"]
    for result in only["results"]:
        assert only["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


COMMAND = re.compile(r"::(error|warning|notice) [a-z]+=[^\r\n]*::[^\r\n]*\Z")


@few
@given(RUN)
def test_annotations_are_one_command_a_line_and_few(run: Run) -> None:
    told = render("annotations", run)
    told.encode()
    kinds = [match[1] for line in told.removesuffix("\n").split("\n") if (match := COMMAND.match(line))]
    assert len(kinds) == told.count("\n")
    assert all(kinds.count(kind) <= PER_KIND for kind in set(kinds))


@few
@given(RUN)
def test_markdown_holds_no_markup_of_strangers(run: Run) -> None:
    told = render("markdown", run)
    assert len(told.encode()) <= LIMIT
    tokens = MarkdownIt("commonmark").enable("table").parse(told)
    inner = [child for token in tokens for child in token.children or ()]
    assert not [child.content for child in inner if child.type in ("html_inline", "image", "code_inline")]
    for token in tokens:
        if token.type == "html_block":
            assert re.fullmatch(r"<details( open)?><summary>[^<>]*</summary>\n|</details>\n?", token.content), (
                token.content
            )
    heads = [token for token in tokens if token.type == "heading_open"]
    assert all(head.tag in ("h2", "h3") for head in heads)
    tables = sum(len(step.exhibits) for step in run.steps)
    assert len(heads) <= 4 + tables
    links = [str(child.attrGet("href")) for child in inner if child.type == "link_open"]
    assert not [link for link in links if ":" in link.partition("/")[0]]


@few
@given(RUN, st.integers(40, 110), st.booleans(), st.booleans())
def test_terminal_shows_nothing_that_acts(run: Run, width: int, colour: bool, unicode: bool) -> None:
    told = terminal(run, Look(colour, width, unicode))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told) if colour else told
    assert shown(plain.replace("\n", "")) == plain.replace("\n", "")
    for line in plain.splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    if not unicode:
        assert plain.isascii()
    told.encode()


@few
@given(RUN)
def test_no_text_report_lets_an_escape_through(run: Run) -> None:
    for one in FORMATS:
        told = render(one, run)
        assert "\x1b" not in told, one
        assert "\x00" not in told, one
        if one != "json":
            assert "\u202e" not in told, one


@given(TEXT, st.integers(1, 40))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    lines = wrapped(shown(text), width)
    assert " ".join(lines).split() == shown(text).split()
    assert all(cells(line) <= width or " " not in line for line in lines)


def _many(count: int, excerpt: str) -> Run:
    found = tuple(
        Finding(f"finding {number}", Severity.ERROR, location=Location(f"f{number}", 1, 1, excerpt), rule="R1")
        for number in range(count)
    )
    return Run(steps=(Step("preflight", "", findings=found),), exit_code=1)


def test_markdown_is_cut_below_githubs_limit_and_says_so() -> None:
    told = render("markdown", _many(3000, "\u00e4" * 500))
    assert LIMIT - 4000 < len(told.encode()) <= LIMIT
    assert "This report was cut to fit" in told
    assert told.endswith("\n0 checks: nothing was judged\n")


def test_annotations_beyond_ten_are_told_in_a_notice() -> None:
    lines = render("annotations", _many(14, "x")).splitlines()
    assert sum(line.startswith("::error") for line in lines) == PER_KIND
    assert (
        lines[-2] == "::notice title=More findings::4 more findings did not fit here; the other reports have them all"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_huge_excerpts_are_cut(form: str) -> None:
    told = render(form, _many(1, "\x1b" * 1_000_000))
    assert len(told) < (7_000_000 if form == "json" else 100_000)


def test_circles_between_steps_can_be_drawn() -> None:
    steps = (Step("a", "", after=("b", "a")), Step("b", "", after=("a",)), Step("c", "", after=("b", "nowhere")))
    assert render("html", Run(steps=steps)).count('class="node') == 3
