"""The run as GitHub-flavoured Markdown, for job summaries and comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.run import State
from pipeline.reports import words
from pipeline.reports.checkout import in_repository
from pipeline.reports.groups import Group, Table, counted, grouped, shows, tables, where
from pipeline.reports.text import clipped, encodable, markup, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.findings import Location
    from pipeline.model.run import Run, Step

LIMIT = 1024 * 1024 - 64
"""Bytes of UTF-8: GitHub's limit for a summary, less what joins it to what is there already."""

_MARK = {
    State.PASSED: "✅",
    State.BLOCKED: "❌",
    State.FAILED: "❌",
    State.HELD: "⏸️",
    State.SKIPPED: "➖",
    State.BEGAN: "⏳",
    State.WAITING: "⚪",
}

_TONE = {
    words.Tone.CLEAN: "✅",
    words.Tone.CAUTION: "⚠️",
    words.Tone.BLOCKED: "❌",
    words.Tone.UNFINISHED: "⏳",
    words.Tone.EMPTY: "❔",
}

_LABEL = {"error": "❌ error", "unknown": "❔ unknown", "warning": "⚠️ warning", "note": "ℹ️ note", "waived": "🤝 waived"}

_COLOUR = {
    State.PASSED: "#1a7f37",
    State.BLOCKED: "#c4281c",
    State.FAILED: "#c4281c",
    State.HELD: "#8a5a00",
    State.BEGAN: "#7b3fb8",
    State.SKIPPED: "#6b7280",
    State.WAITING: "#6b7280",
}

_SPECIAL = frozenset("\\`*_{}[]<>#|~!$")
_LONGEST = 2000
_LARGEST_GRAPH = 80
_MOST_ROWS = 500
"""Rows of one table: the findings after it must have room as well."""


def render(run: Run) -> str:
    """The page. What does not fit into a job summary is left out from the end, and said so."""
    last = f"\n{_told(run.last_line)}\n"
    note = "\n_This report was cut to fit: the JSON and HTML reports are whole._\n"
    room = LIMIT - len((last + note).encode())
    parts: list[str] = []
    cut = False
    for part in _parts(run):
        size = len(encodable(part).encode())
        cut = cut or size > room
        if not cut:
            parts.append(part)
            room -= size
    return encodable("".join(parts) + (note if cut else "") + last)


def _parts(run: Run) -> Iterator[str]:
    """The page in pieces that each stand on their own, the most wanted first."""
    yield f"## {_TONE[words.tone(run)]} {_told(words.headline(run))}\n\n"
    yield f"**{_told(words.verdict(run))}**: {counted(run)}.\n\n{_told(words.theatre(run))}\n"
    for name, told in (("Scenario: ", run.scenario), ("", words.note(run))):
        if told:
            yield f"\n{name}{_told(told)}\n"
    if plan := words.plan(run):
        yield f"\n{_told(plan)}\n"
    if not shows(run):
        yield _stages(run)
    for table in tables(run):
        yield from _shown(run, table)
    yield from _findings(run)
    yield _actions(run)
    if not shows(run):
        yield _graph(run)
    yield from (_details(step) for step in run.steps)


def _stages(run: Run) -> str:
    lanes = list(dict.fromkeys(step.lane for step in run.released))
    steps = {(step.stage, step.lane): step for step in run.released}
    if not steps:
        return ""
    heads = ["stage", *(_told(words.lane(run, lane)) if lane else "app" for lane in lanes)]
    rows = [
        [_told(stage), *(_state(steps.get((stage, lane))) for lane in lanes)]
        for stage in dict.fromkeys(step.stage for step in run.released)
    ]
    apart = [[_told(step.lane), _state(step)] for step in run.apart]
    return "\n### Stages\n\n" + _table(heads, rows) + (f"\n{_table([words.APART, ''], apart)}" if apart else "")


def _shown(run: Run, table: Table) -> Iterator[str]:
    remark = table.remark(run)
    yield f"\n### {_told(table.title)}{f' ({_told(remark)})' if remark else ''}\n\n"
    exhibit = table.exhibit
    if table.instead:
        yield f"{_told(table.instead)}\n"
    else:
        sides = ["---:" if column.right else "---" for column in exhibit.columns]
        yield _line([_told(column.title) for column in exhibit.columns]) + _line(sides)
        for row in exhibit.rows[:_MOST_ROWS]:
            yield _line([_told(cell.text) for cell in row])
    if (left := len(exhibit.rows) - _MOST_ROWS) > 0:
        yield f"\n_{left:,} more {'row is' if left == 1 else 'rows are'} in the JSON and HTML reports._\n"
    for text in filter(None, (exhibit.note, " · ".join(exhibit.legend))):
        yield f"\n{_told(text)}\n"


def _line(told: list[str]) -> str:
    return f"| {' | '.join(told)} |\n"


def _state(step: Step | None) -> str:
    if step is None:
        return ""
    waited = f", waited {words.waited(step)}" if words.waited(step) else ""
    because = _told(words.because(step))
    mark = _MARK[State.WAITING if words.hollow(step) else step.state]
    return f"{mark} {words.state(step)}{waited}{because}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return "".join(_line(line) for line in (heads, ["---"] * len(heads), *rows))


def _findings(run: Run) -> Iterator[str]:
    groups = grouped(run)
    if not groups:
        return
    yield "\n### Findings\n\n" + _table(["", "rule", "finding", "place", "on"], [])
    for group in groups:
        finding = group.finding
        place = _place(run, finding.location) if finding.location else _told(finding.subject)
        row = [_LABEL[group.label], _told(finding.rule), _told(finding.summary), place, _told(where(run, group))]
        yield _line(row)
    for group in groups:
        yield _explained(group)


def _place(run: Run, place: Location) -> str:
    """A link that works in a repository's own pages; a job summary shows it as text."""
    line = f"#L{place.line}" if place.line is not None else ""
    from urllib.parse import quote

    target = quote(encodable(in_repository(run, place.path)), safe="/")
    return f"[{_told(str(place))}]({target}{line})"


def _explained(group: Group) -> str:
    finding = group.finding
    opened = " open" if finding.blocks else ""
    summary = markup(f"{group.label}[{_cut(finding.rule)}] {_cut(finding.summary)}")
    lines = [f"\n<details{opened}><summary>{summary}</summary>\n"]
    if finding.location and finding.location.excerpt:
        lines.append(_fenced(_cut(finding.location.excerpt)))
    told = {
        "help": finding.remedy,
        "apple": finding.apple,
        "subject": finding.subject,
        "waived": finding.waived,
        "facts": words.SOURCE[finding.source],
    }
    lines += [f"- **{name}:** {_told(text)}" for name, text in told.items() if text]
    return "\n".join([*lines, "\n</details>\n"])


def _fenced(text: str) -> str:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def _actions(run: Run) -> str:
    rows = [
        [
            _told(step.name),
            _told(action.describe),
            action.risk.lower(),
            _told(words.outcome(action) + (f": {action.error}" if action.error else "")),
        ]
        for step in run.steps
        for action in step.actions
    ]
    return "\n### Actions\n\n" + _table(["step", "action", "risk", "outcome"], rows) if rows else ""


def _graph(run: Run) -> str:
    """The stages as a Mermaid graph; left out where it would be too large to read."""
    if not run.steps or len(run.steps) > _LARGEST_GRAPH:
        return ""
    numbers = {step.name: number for number, step in enumerate(run.steps)}
    lines = ["graph LR"]
    lines += [f'  s{number}["{_label(name)}"]' for name, number in numbers.items()]
    lines += [f"  s{numbers[a]} --> s{numbers[step.name]}" for step in run.steps for a in step.after if a in numbers]
    for state, colour in _COLOUR.items():
        named = [f"s{numbers[step.name]}" for step in run.steps if step.state is state]
        if named:
            lines.append(f"  style {named[0]} stroke:{colour},stroke-width:2px" if len(named) == 1 else "")
            if len(named) > 1:
                lines += [f"  classDef {state.lower()} stroke:{colour},stroke-width:2px"]
                lines += [f"  class {','.join(named)} {state.lower()}"]
    body = "\n".join(line for line in lines if line)
    return f"\n<details><summary>Graph of the stages</summary>\n\n```mermaid\n{body}\n```\n\n</details>\n"


def _label(text: str) -> str:
    """Mermaid reads quotes, hashes and brackets as its own: only plain characters stay."""
    return "".join(one if one.isalnum() or one in " /_.-" else "?" for one in clipped(shown(text), 60))


def _details(step: Step) -> str:
    if not (step.judgements or step.readings):
        return ""
    counts = f"{words.amount(len(step.judgements), 'check')}, {words.amount(len(step.readings), 'fact')}"
    head = f"\n<details><summary>{markup(_cut(step.name))}: {words.state(step)} ({counts})</summary>\n\n"
    checks = [
        [
            _told(judgement.rule),
            _told(judgement.title) + (" (proof)" if judgement.proof else ""),
            words.SOURCE[judgement.source],
            _told(judgement.why) or words.amount(judgement.findings, "finding"),
        ]
        for judgement in step.judgements
    ]
    facts = [[_told(told.fact), words.SOURCE[told.source], _told(told.why or told.shown)] for told in step.readings]
    parts = [head]
    if checks:
        parts.append(_table(["rule", "check", "facts", "result"], checks))
    if facts:
        parts.append("\n" + _table(["fact", "source", "value"], facts))
    return "".join([*parts, "\n</details>\n"])


def _cut(text: str) -> str:
    return clipped(shown(text), _LONGEST)


def _told(text: str) -> str:
    """The text as it stands: nothing in it is formatting, a table's cell, markup or a mention."""
    told = []
    before = " "
    for character in _cut(text):
        if character == "&":
            told.append("&amp;")
        elif character in _SPECIAL:
            told.append("&lt;" if character == "<" else f"\\{character}")
        elif character == "@" and not before.isalnum():
            # A word joiner keeps GitHub from notifying whoever bears that name.
            told.append("@\u2060")
        else:
            told.append(character)
        before = character
    return "".join(told)
