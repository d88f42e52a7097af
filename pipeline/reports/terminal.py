"""The run on a terminal: what happened, findings as a compiler would tell them, and the verdict where the eye ends.

Written with a few ANSI codes of its own instead of rich: this report ends every run, and rich takes longer to import
than a whole rehearsal's report takes to render. rich draws the live display, which only long runs reach.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from pipeline.model.actions import Outcome
from pipeline.model.findings import Severity
from pipeline.model.readings import Source
from pipeline.model.run import State
from pipeline.reports import words
from pipeline.reports.groups import Group, counted, grouped, shows, tables, where
from pipeline.reports.text import cells, clipped, encodable, padded, shown, wrapped
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.model.findings import Finding
    from pipeline.model.run import Run, Step

WIDTH = 80
_NARROWEST, _WIDEST = 40, 110
_SCREENFUL = 8
"""How many findings one can still see at once."""

_CODES = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
}

_LABEL = {
    Severity.ERROR: "bold red",
    Severity.UNKNOWN: "bold magenta",
    Severity.WARNING: "bold yellow",
    Severity.NOTE: "bold cyan",
}

_STATE = {
    State.PASSED: "green",
    State.BLOCKED: "bold red",
    State.FAILED: "bold red",
    State.HELD: "yellow",
    State.SKIPPED: "dim",
    State.BEGAN: "bold magenta",
    State.WAITING: "dim",
}

TONE = {
    words.Tone.CLEAN: "bold green",
    words.Tone.CAUTION: "bold yellow",
    words.Tone.BLOCKED: "bold red",
    words.Tone.UNFINISHED: "bold magenta",
    words.Tone.EMPTY: "bold magenta",
}

_OUTCOME = {
    Outcome.DONE: "green",
    Outcome.ALREADY: "green",
    Outcome.FAILED: "bold red",
    Outcome.UNCERTAIN: "bold magenta",
}

_COMMAND = re.compile(r"^(?:\s|\x1b\[[0-9;]*m)*::|##\[", re.MULTILINE)
"""How a line of a job's log becomes a command to GitHub's runner (actions/runner, ActionCommand.cs)."""


@dataclass(frozen=True)
class Look:
    """What the terminal can show."""

    colour: bool = False
    width: int = WIDTH
    unicode: bool = True
    folded: bool = False
    """Whether summaries are broken at blanks: for eyes, and not where somebody may search the lines."""
    across: int = 0
    """Columns for tables where they have more than `width`, beyond which sentences are hard to read."""

    def paint(self, text: str, style: str) -> str:
        """The text in that style: names of _CODES with spaces between."""
        if not (self.colour and style and text):
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in style.split())}m{text}\x1b[0m"

    def state(self, step: Step) -> str:
        """Glyph and word; the word alone where glyphs cannot be shown."""
        return f"{words.glyph(step)} {words.state(step)}" if self.unicode else words.state(step)

    def sealed(self, text: str) -> str:
        """The text as it may go out: no line of it commands a CI runner, and ASCII where nothing else can be shown."""
        text = encodable(_COMMAND.sub(lambda found: found[0].replace("::", ": :").replace("##[", "## ["), text))
        if self.unicode:
            return text
        text = text.replace("…", "...").replace("·", "-")
        return text.encode("ascii", "backslashreplace").decode("ascii")


def look(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Look:
    """What may be sent to that stream, by NO_COLOR, FORCE_COLOR, TERM, COLUMNS and its encoding."""
    tty = stream.isatty()
    colour = tty and environment.get("TERM") != "dumb"
    if environment.get("FORCE_COLOR", "") not in ("", "0"):
        colour = True
    if environment.get("NO_COLOR"):
        colour = False
    columns = _columns(stream, environment, tty=tty)
    width = max(_NARROWEST, min(_WIDEST, columns))
    return Look(colour, width, _speaks_unicode(stream), tty, columns if columns > width else 0)


def _columns(stream: TextIO, environment: Mapping[str, str], *, tty: bool) -> int:
    told = environment.get("COLUMNS", "")
    width = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0
    if not width and tty:
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            width = 0
    return width or WIDTH


def _speaks_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def render(run: Run, look: Look | None = None) -> str:
    """The final report; without a look, for a file: no colour, 80 columns, Unicode."""
    look = look or Look()
    sections = [_header(run, look), *_shown(run, look)]
    sections += [_finding(run, group, look) for group in grouped(run)]
    sections += [_actions(run, look), _end(run, look)]
    return look.sealed("\n\n".join("\n".join(section) for section in sections if section)) + "\n"


def _shown(run: Run, look: Look) -> list[list[str]]:
    """The stages and the tables. Who asked for a table wants that, and of the stages only what went wrong."""
    if not (found := tables(run)):
        return [_stages(run, look)]
    from pipeline.reports.columns import drawn

    drawings = [drawn(run, table, look) for table in found]
    return [*drawings, _consequences(run, look)[1:]] if shows(run) else [_stages(run, look), *drawings]


def _header(run: Run, look: Look) -> list[str]:
    title = look.paint(words.headline(run), "bold")
    facts = [f"run {shown(run.id)}" if run.id else "", words.hour(run.began)]
    if run.began and run.ended:
        facts.append(words.duration(words.seconds(run.began, run.ended)))
    if run.resumed:
        facts.append(f"resumed {run.resumed} times" if run.resumed > 1 else "resumed once")
    lines = [title, *(look.paint(line, "dim") for line in wrapped(" · ".join(filter(None, facts)), look.width) if line)]
    lines += wrapped(words.theatre(run), look.width)
    for name, told in (("Scenario: ", run.scenario), ("", words.note(run))):
        if told:
            lines += wrapped(name + shown(told), look.width)
    return lines


def _stages(run: Run, look: Look) -> list[str]:
    steps = run.released
    lanes = list(dict.fromkeys(step.lane for step in steps))
    stages = list(dict.fromkeys(step.stage for step in steps))
    table: dict[tuple[str, str], tuple[str, str]] = {}
    for step in steps:
        waited = f", waited {words.waited(step)}" if words.waited(step) else ""
        table[step.stage, step.lane] = (look.state(step) + waited, _style(step))
    heads = {lane: words.lane(run, lane) if lane else "app" for lane in lanes}
    first = max((cells(shown(stage)) for stage in stages), default=0)
    widths = {
        lane: max(cells(heads[lane]), *(cells(table.get((stage, lane), ("", ""))[0]) for stage in stages))
        for lane in lanes
    }
    if not stages:
        return []
    if first + sum(widths.values()) + 2 * len(lanes) > look.width:
        return [*_listed(steps, look), *_apart(run, look), *_consequences(run, look)]
    lines = [look.paint(_row([" " * first, *(padded(heads[lane], widths[lane]) for lane in lanes)]), "dim")]
    for stage in stages:
        row = [padded(shown(stage), first)]
        for lane in lanes:
            text, style = table.get((stage, lane), ("", ""))
            row.append(look.paint(text, style) + " " * (widths[lane] - cells(text)))
        lines.append(_row(row))
    return [*lines, *_apart(run, look), *_consequences(run, look)]


def _apart(run: Run, look: Look) -> list[str]:
    """A line for each thing that is judged and not released."""
    if not run.apart:
        return []
    lines = [f"{look.paint(look.state(step), _style(step))} {shown(step.lane)}" for step in run.apart]
    return ["", look.paint(words.APART, "dim"), *lines]


def _style(step: Step) -> str:
    return "dim" if words.hollow(step) else _STATE[step.state]


def _row(parts: list[str]) -> str:
    return "  ".join(parts).rstrip()


def _listed(steps: Iterable[Step], look: Look) -> list[str]:
    """The table for a terminal that is too narrow for one: a line per step."""
    return [f"{look.paint(look.state(step), _style(step))} {shown(step.name)}" for step in steps]


def _consequences(run: Run, look: Look) -> list[str]:
    """One line a lane, or for all lanes that fared alike: what did not happen, and the cause where it begins."""
    undone = {step.name for step in run.steps if step.state in (State.HELD, State.SKIPPED)}
    parts: dict[str, dict[str, list[str]]] = {}
    for step in run.steps:
        if step.because:
            follows = step.state is State.SKIPPED and undone.issuperset(step.because)
            because = () if follows else tuple(each.removesuffix(f"/{step.lane}") for each in step.because)
            # That a stage passed stands above; here it is only said why nothing was to be done.
            state = "" if step.state is State.PASSED else f" {step.state.lower()}"
            parts.setdefault(step.lane, {}).setdefault(state + words.because(step, because), []).append(step.stage)
    alike: dict[str, list[str]] = {}
    for lane, told in parts.items():
        text = "; ".join(f"{', '.join(stages)}{what}" for what, stages in told.items())
        alike.setdefault(text, []).append(words.lane(run, lane) if lane else "app")
    lines: list[str] = []
    for text, lanes in alike.items():
        lines += [look.paint(line, "dim") for line in wrapped(f"{', '.join(lanes)}: {shown(text)}", look.width)]
    return ["", *lines] if lines else []


def _finding(run: Run, group: Group, look: Look) -> list[str]:
    finding = group.finding
    style = "dim" if finding.waived else _LABEL[finding.severity]
    label = f"{group.label}[{shown(finding.rule)}]" if finding.rule else group.label
    summary = shown(finding.summary)
    first, *rest = wrapped(summary, look.width - len(label) - 2) if look.folded else [summary]
    lines = [f"{look.paint(label, style)}{look.paint(': ' + first, 'bold')}"]
    lines += [look.paint(" " * (len(label) + 2) + line, "bold") for line in rest]
    place = finding.location
    gutter = len(str(place.line)) if place and place.line is not None else 1
    bar = look.paint(f"{' ' * gutter} |", "blue")
    if place:
        lines.append(f"{' ' * gutter}{look.paint('-->', 'blue')} {shown(place)}")
        if place.excerpt:
            lines += [bar, *_excerpt(finding, gutter, bar, look), bar]
    for name, told in _remarks(run, group):
        lines += _remark(name, shown(told), gutter, look)
    return lines


def _excerpt(finding: Finding, gutter: int, bar: str, look: Look) -> list[str]:
    """The offending line, cut to the window around its column, and a caret under the column."""
    place = finding.location
    if place is None:
        return []
    number = str(place.line) if place.line is not None else ""
    room = max(20, look.width - gutter - 3)
    column = place.column or 0
    start = max(0, column - room // 2) if column > room - 4 else 0
    window = shown(place.excerpt[start : start + 4 * room])
    lead = "…" if start else ""
    text = clipped(lead + window, room)
    lines = [f"{look.paint(f'{number:>{gutter}} |', 'blue')} {text}"]
    if 0 < column <= len(place.excerpt) + 1:
        before = cells(lead + shown(place.excerpt[start : column - 1]))
        if before < room:
            lines.append(f"{bar} {' ' * before}{look.paint('^', _LABEL[finding.severity])}")
    return lines


def _remarks(run: Run, group: Group) -> list[tuple[str, str]]:
    finding = group.finding
    on = f"{where(run, group)}, {words.SOURCE[finding.source]}"
    told = [
        ("help", finding.remedy),
        ("apple", finding.apple),
        ("subject", finding.subject),
        ("waived", finding.waived),
    ]
    return [(name, text) for name, text in told if text] + [("on", on)]


def _remark(name: str, text: str, gutter: int, look: Look) -> list[str]:
    lead = f"{' ' * gutter} = {name}: "
    first, *rest = wrapped(text, look.width - len(lead))
    head = f"{' ' * gutter} {look.paint('=', 'blue')} {look.paint(name, 'bold')}: {first}"
    return [head, *(" " * len(lead) + line for line in rest)]


def _actions(run: Run, look: Look) -> list[str]:
    rows = [(step.name, action) for step in run.steps for action in step.actions]
    if not rows:
        return []
    lines = [look.paint("Actions", "bold")]
    for name, action in rows:
        style = _OUTCOME.get(action.outcome, "") if action.outcome else ""
        if action.source is Source.SIMULATED and action.outcome in (Outcome.DONE, Outcome.ALREADY):
            style = "cyan"
        told = look.paint(words.outcome(action), style)
        lead = f"  {shown(name)}: {shown(action.describe)}"
        tail = f"{action.risk.lower()}, "
        if cells(f"{lead} ({tail}{words.outcome(action)})") > look.width:
            lines += [*_indented(lead.strip(), 2, look), f"    ({tail}{told})"]
        else:
            lines.append(f"{lead} ({tail}{told})")
        if action.error:
            lines += _indented(shown(action.error), 4, look)
    return lines


def _indented(text: str, by: int, look: Look) -> list[str]:
    first, *rest = wrapped(text, look.width - by - 2)
    return [" " * by + first, *(" " * (by + 2) + line for line in rest)]


def _end(run: Run, look: Look) -> list[str]:
    said = words.verdict(run)
    told = f"{said}{'; ' if ': ' in said else ': '}{counted(run)}."
    lines = [look.paint(line, TONE[words.tone(run)]) for line in wrapped(told, look.width)]
    if words.tone(run) is words.Tone.BLOCKED and len(grouped(run)) > _SCREENFUL:
        lines += wrapped("`invoke status` tells what blocks, alone and in order.", look.width)
    # The plan's line holds a command to copy: it is left to the terminal to wrap.
    return [*lines, *filter(None, [words.plan(run)]), run.last_line]
