"""The run as one page that needs nothing else: no network, no fonts, no images, and no script to be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.readings import Source
from pipeline.reports import picture, words
from pipeline.reports.groups import Group, Table, counted, grouped, shows, tables, where
from pipeline.reports.text import clipped, encodable, markup, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.exhibits import Cell, Column
    from pipeline.model.run import ActionRecord, Run, Step

_GLYPH = {
    words.Tone.CLEAN: "✓",
    words.Tone.CAUTION: "!",
    words.Tone.BLOCKED: "✗",
    words.Tone.UNFINISHED: "…",
    words.Tone.EMPTY: "?",
}
_LONGEST = 4000
_WHOLE = 60
"""Characters of a cell that is not broken over lines."""


def render(run: Run) -> str:
    """The page. Its last visible line says how much was judged, and on what."""
    style, script = (Path(__file__).with_name(name).read_text("utf-8") for name in ("page.css", "page.js"))
    above = [("stages", "Stages", _stages(run)), ("tables", "Tables", _tables(run))]
    sections = [
        *(reversed(above) if shows(run) else above),
        ("findings", "Findings", _findings(run)),
        ("actions", "Actions", _actions(run)),
        ("timeline", "Timeline", _timeline(run)),
        ("facts", "What it rests on", _basis(run)),
        ("plan", "Plan", _plan(run)),
        ("steps", "Steps", "".join(_step(number, step) for number, step in enumerate(run.steps))),
    ]
    present = [(name, title, body) for name, title, body in sections if body]
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in present)
    bodies = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>\n{body}</section>'
        for name, title, body in present
    )
    return encodable(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{_told(words.headline(run))}: {_told(words.verdict(run))}</title>
<style>{style}</style>
</head>
<body>
{picture.PATTERNS}
<a class="skip" href="#main">Skip to the report</a>
<header>
{_header(run)}
<nav aria-label="Parts of the report"><ul>{links}</ul></nav>
</header>
<main id="main">
{bodies}
</main>
<footer><p>{_told(run.last_line)}</p></footer>
<script>{script}</script>
</body>
</html>
"""
    )


def _policy(style: str, script: str) -> str:
    from base64 import b64encode
    from hashlib import sha256

    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _header(run: Run) -> str:
    tone = words.tone(run)
    version = f' <span class="version">{_told(run.version)}</span>' if run.version else ""
    meta = [f"run {run.id}" if run.id else "", words.hour(run.began)]
    if run.began and run.ended:
        meta.append(words.duration(words.seconds(run.began, run.ended)))
    if run.resumed:
        meta.append(f"resumed {words.amount(run.resumed, 'time')}")
    numbers = [
        ("checks on live facts", run.checks_on(Source.LIVE)),
        ("checks on simulated facts", run.checks_on(Source.SIMULATED)),
        ("checks not judged", run.checks_on(Source.UNKNOWN)),
        ("actions", sum(len(step.actions) for step in run.steps)),
    ]
    told = "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for name, number in numbers)
    extra = "".join(
        f"<p>{_told(text)}</p>" for text in (run.scenario and f"Scenario: {run.scenario}", words.note(run)) if text
    )
    return (
        f"<h1>{_told(run.app) or 'An unnamed app'}{version}</h1>\n"
        f'<p class="meta">{_told(" · ".join(filter(None, meta)))}</p>\n'
        f'<div class="verdict {tone}"><span class="glyph" aria-hidden="true">{_GLYPH[tone]}</span>'
        f'<span>{_told(words.verdict(run))}<span class="count">{counted(run)}</span></span></div>\n'
        f'<p class="theatre">{_told(words.theatre(run))}</p>\n{extra}<dl class="numbers">{told}</dl>'
    )


def _stages(run: Run) -> str:
    if not run.steps:
        return ""
    return _scroll("Graph of the stages", picture.graph(run))


def _scroll(name: str, body: str) -> str:
    """What may be wider than a phone: it scrolls by itself, with the keyboard too."""
    return f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">{body}</div>\n'


def _tables(run: Run) -> str:
    return "".join(_exhibit(run, table) for table in tables(run))


def _exhibit(run: Run, table: Table) -> str:
    exhibit = table.exhibit
    remark = table.remark(run)
    beside = f' <span class="meta">{_told(remark)}</span>' if remark else ""
    parts = [f"<h3>{_told(table.title)}{beside}</h3>"]
    if table.instead:
        parts.append(f"<p>{_told(table.instead)}</p>")
    else:
        heads = "".join(f'<th scope="col"{_side(column)}>{_told(column.title)}</th>' for column in exhibit.columns)
        rows = "".join(
            f"<tr>{''.join(_cell(*each) for each in zip(exhibit.columns, row, strict=True))}</tr>\n"
            for row in exhibit.rows
        )
        body = f"<table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table>"
        parts.append(_scroll(_told(table.title), body))
    if exhibit.note:
        parts.append(f'<p class="meta">{_told(exhibit.note)}</p>')
    if exhibit.legend:
        parts.append(f'<ul class="legend">{"".join(f"<li>{_told(text)}</li>" for text in exhibit.legend)}</ul>')
    return "".join(parts)


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _cell(column: Column, cell: Cell) -> str:
    side = "right " if column.right else ""
    width = "folds" if column.wraps or len(cell.text) > _WHOLE else "whole"
    return f'<td class="{side}{width} tone-{cell.tone.lower()}">{_told(cell.text)}</td>'


def _findings(run: Run) -> str:
    groups = grouped(run)
    if not groups:
        return "<p>No findings.</p>\n"
    lanes = list(dict.fromkeys(lane for group in groups for _, lane in group.places))
    stages = list(dict.fromkeys(stage for group in groups for stage, _ in group.places))
    severities = list(dict.fromkeys(group.label for group in groups))
    form = "".join(
        [
            _select("severity", [(label, label) for label in severities]),
            _select("lane", [(f"l{n}", words.lane(run, lane) or "app") for n, lane in enumerate(lanes)]),
            _select("stage", [(f"s{n}", stage or "none") for n, stage in enumerate(stages)]),
        ]
    )
    told = "".join(_finding(run, group, lanes, stages) for group in groups)
    return f'<form id="filter" hidden>{form}<span id="told" class="meta" role="status"></span></form>\n{told}'


def _select(name: str, options: Iterable[tuple[str, str]]) -> str:
    told = "".join(f'<option value="{value}">{_told(text)}</option>' for value, text in options)
    return f'<label>{name}<select name="{name}"><option value="">all</option>{told}</select></label>'


def _finding(run: Run, group: Group, lanes: list[str], stages: list[str]) -> str:
    finding = group.finding
    place = finding.location
    opened = " open" if finding.blocks else ""
    at = " ".join(dict.fromkeys(f"l{lanes.index(lane)}" for _, lane in group.places))
    of = " ".join(dict.fromkeys(f"s{stages.index(stage)}" for stage, _ in group.places))
    rule = f'<code class="rule">{_told(finding.rule)}</code>' if finding.rule else ""
    file = f'<span class="place mono">{_told(str(place))}</span>' if place else ""
    told = {
        "Remedy": finding.remedy,
        "Apple": finding.apple,
        "Subject": finding.subject,
        "Waived": finding.waived,
        "On": where(run, group),
        "Facts": words.SOURCE[finding.source],
    }
    facts = "".join(f"<dt>{name}</dt><dd>{_told(text)}</dd>" for name, text in told.items() if text)
    return (
        f'<details class="finding" data-severity="{group.label}" data-lane="{at}" data-stage="{of}"{opened}>'
        f'<summary><span class="tag {group.label}">{group.label}</span>{rule}{_told(finding.summary)}{file}</summary>'
        f'<div class="inner">{_excerpt(group)}<dl class="facts">{facts}</dl></div></details>\n'
    )


def _excerpt(group: Group) -> str:
    place = group.finding.location
    if not place or not place.excerpt:
        return ""
    number = str(place.line) if place.line is not None else ""
    text = shown(place.excerpt)
    caret = ""
    if place.column is not None and 0 < place.column <= len(place.excerpt) + 1:
        before = " " * len(shown(place.excerpt[: place.column - 1]))
        caret = f'\n<span class="number">{" " * len(number)} | </span>{before}<mark>^</mark>'
    if len(text) > _LONGEST:
        text, caret = clipped(text, _LONGEST), ""
    # What scrolls must be reachable by keyboard (WCAG 2.1.1).
    return f'<pre tabindex="0"><span class="number">{number} | </span>{markup(text)}{caret}</pre>'


def _actions(run: Run) -> str:
    rows = [
        [_told(step.name), _told(action.describe), action.risk.lower(), _outcome(action)]
        for step in run.steps
        for action in step.actions
    ]
    return _scroll("Actions", _table(["step", "action", "risk", "outcome"], rows)) if rows else ""


def _outcome(action: ActionRecord) -> str:
    told = [_told(words.outcome(action))]
    if action.began and action.ended:
        told.append(f"in {words.duration(words.seconds(action.began, action.ended))}")
    if action.error:
        told.append(f"<br>{_told(action.error)}")
    if action.result:
        lines = "".join(
            f"<dt>{_told(str(name))}</dt><dd>{_told(str(value))}</dd>" for name, value in action.result.items()
        )
        told.append(
            f'<details><summary>receipt</summary><div class="inner"><dl class="facts">{lines}</dl></div></details>'
        )
    return " ".join(told)


def _timeline(run: Run) -> str:
    drawn = picture.timeline(run)
    if not drawn:
        return ""
    legend = (
        '<ul class="legend"><li><svg width="26" height="12" aria-hidden="true">'
        '<rect class="band" width="26" height="12"/><rect class="wait" width="26" height="12"/></svg>waiting</li>'
        '<li><svg width="26" height="12" aria-hidden="true"><rect class="act" y="5" width="26" height="3"/></svg>'
        "performing an action</li></ul>"
    )
    return _scroll("Timeline", drawn) + legend


def _basis(run: Run) -> str:
    facts = dict.fromkeys(Source, 0)
    seen = {(step.lane, told.fact): told.source for step in run.steps for told in step.readings}
    for source in seen.values():
        facts[source] += 1
    checks = {source: run.checks_on(source) for source in Source}
    parts = []
    for name, counts in (("Facts", facts), ("Checks", checks)):
        if sum(counts.values()):
            legend = "".join(
                f'<li><svg width="12" height="12" aria-hidden="true">'
                f'<rect class="b-{source.lower()}" width="12" height="12"/></svg>{number} {words.SOURCE[source]}</li>'
                for source, number in counts.items()
            )
            parts.append(f'<h3>{name}</h3>{picture.shares(counts, name)}<ul class="legend">{legend}</ul>')
    return "".join(parts) or "<p>Nothing was observed.</p>\n"


def _plan(run: Run) -> str:
    told = words.plan(run)
    if not told:
        return ""
    return f'<p>{_told(told)}</p><p class="digest"><code>{_told(words.digest(run))}</code></p>\n'


def _step(number: int, step: Step) -> str:
    told = [words.amount(len(step.judgements), "check"), words.amount(len(step.readings), "fact")]
    if step.began and step.ended:
        told.append(words.took(step))
    if step.attempts:
        told.append(words.amount(step.attempts, "round") + " of proof")
    checks = [
        [
            f"<code>{_told(judgement.rule)}</code>",
            _told(judgement.title) + (" (proof)" if judgement.proof else ""),
            words.SOURCE[judgement.source],
            _told(judgement.why) or words.amount(judgement.findings, "finding"),
        ]
        for judgement in step.judgements
    ]
    facts = [
        [_told(record.fact), words.SOURCE[record.source], _told(record.why or record.shown)] for record in step.readings
    ]
    parts = [f"<p>{_told(step.title)}</p>"] if step.title else []
    if step.because:
        parts.append(f"<p>{words.state(step)}{_told(words.because(step))}.</p>")
    if checks:
        parts.append("<h3>Checks</h3>" + _scroll("Checks", _table(["rule", "check", "facts", "result"], checks)))
    if facts:
        parts.append("<h3>Facts</h3>" + _scroll("Facts", _table(["fact", "source", "value"], facts)))
    return (
        f'<details><summary><span class="tag {_tag(step)}">{words.glyph(step)} {words.state(step)}</span>'
        f'<strong>{_told(step.name)}</strong> <span class="meta">{", ".join(told)}</span></summary>'
        f'<div class="inner" id="step-{number}">{"".join(parts) or "<p>Nothing happened here.</p>"}</div></details>\n'
    )


def _tag(step: Step) -> str:
    tags = {"passed": "clean", "blocked": "blocked", "failed": "blocked", "held": "caution", "began": "unfinished"}
    return "idle" if words.hollow(step) else tags.get(step.state.lower(), "idle")


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _told(text: str) -> str:
    return markup(clipped(shown(text), _LONGEST))
