"""A run in one screen: where it stands, what stops it in the order of the release, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.errors import EXIT_BLOCKED
from pipeline.model.run import State
from pipeline.reports import words
from pipeline.reports.groups import counted, grouped, where
from pipeline.reports.terminal import TONE, Look
from pipeline.reports.text import shown, wrapped
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.findings import Finding
    from pipeline.model.run import Run
    from pipeline.reports.groups import Group

MOST = 12
"""How many blockers are told in full; a longer list is left to the whole report."""

_UNSEEN = " could not be observed: "


@dataclass(frozen=True)
class Item:
    """One thing to mend. Facts that cannot be observed for the same reason are one thing."""

    what: str
    remedy: str
    on: str


def render(
    run: Run, look: Look | None = None, *, advice: str = "", head: Sequence[str] = (), clean: str = "", noun: str = ""
) -> str:
    """The brief report.

    Args:
        run: the run.
        look: what the terminal can show; without one, for a file.
        advice: what comes next.
        head: paragraphs to tell before the list.
        clean: what to say where nothing is to be mended; the run's verdict if empty.
        noun: what the things in the list are; "to mend" if empty.

    """
    look = look or Look()
    todo = items(run)
    title = f"{words.headline(run)}: {_title(run, len(todo), clean, noun)}"
    facts = " · ".join(filter(None, (f"run {shown(run.id)}", words.hour(run.began))))
    lines = [look.paint(line, TONE[words.tone(run)]) for line in wrapped(title, look.width)]
    lines += [look.paint(line, "dim") for line in wrapped(facts, look.width)]
    for line in (words.theatre(run), words.note(run), *head):
        lines += wrapped(line, look.width) if line else []
    if todo:
        lines.append("")
    for number, item in enumerate(todo[:MOST], start=1):
        lines += _told(number, item, look)
    if len(todo) > MOST:
        lines.append(f"    and {len(todo) - MOST} more; `invoke runs.show` tells all of them")
    if advice:
        # It holds a command to copy: it is left to the terminal to wrap.
        lines += ["", f"next: {advice}"]
    return look.sealed("\n".join([*lines, run.last_line])) + "\n"


def _title(run: Run, todo: int, clean: str, noun: str) -> str:
    if todo and run.exit_code == EXIT_BLOCKED:
        return f"{words.amount(todo, 'thing')} {noun or 'to mend'}"
    if clean and words.tone(run) is words.Tone.CLEAN:
        return clean
    said = words.verdict(run)
    return f"{said[:1].lower()}{said[1:]}" + ("" if ": " in said else f"; {counted(run)}")


def _told(number: int, item: Item, look: Look) -> list[str]:
    lead = f"{number:>2}. "
    first, *rest = wrapped(item.what, look.width - len(lead)) or [""]
    room = look.width - len(lead)
    remedy = wrapped(f"-> {item.remedy}", room) if item.remedy else []
    under = [*rest, *(look.paint(line, "green") for line in remedy)]
    under += [look.paint(line, "dim") for line in wrapped(item.on, room)]
    return [look.paint(lead, "bold") + first, *(" " * len(lead) + line for line in under)]


def items(run: Run) -> list[Item]:
    """What stops the run, in the order in which a release comes to it, and then the actions that failed."""
    stages = list(dict.fromkeys(step.stage for step in run.steps))
    causes: dict[tuple[str, ...], list[Group]] = {}
    for group in grouped(run):
        if group.finding.blocks:
            causes.setdefault(_cause(group.finding), []).append(group)
    found = [_item(run, groups) for groups in sorted(causes.values(), key=lambda groups: _earliest(groups, stages))]
    return found + [
        Item(f"{shown(action.describe)}: {shown(action.error)}", "", shown(step.name))
        for step in run.steps
        for action in step.actions
        if action.error and step.state is State.FAILED
    ]


def _cause(finding: Finding) -> tuple[str, ...]:
    why = _unseen(finding)
    return (why,) if why else (finding.rule, finding.summary, finding.subject, str(finding.location))


def _unseen(finding: Finding) -> str:
    """Why a fact was not observed; empty for any other finding."""
    return finding.summary.partition(_UNSEEN)[2] if finding.rule == "OBS001" else ""


def _earliest(groups: list[Group], stages: list[str]) -> int:
    return min((stages.index(stage) for group in groups for stage, _ in group.places), default=0)


def _item(run: Run, groups: list[Group]) -> Item:
    finding = groups[0].finding
    on = "; ".join(dict.fromkeys(where(run, group) for group in groups))
    why = _unseen(finding)
    if not why:
        place = f" ({shown(finding.location)})" if finding.location else ""
        return Item(f"{shown(finding.summary)}{place}", shown(finding.remedy), f"{shown(finding.rule)} on {on}")
    facts = dict.fromkeys(group.finding.summary.partition(_UNSEEN)[0] for group in groups)
    return Item(shown(why), shown(finding.remedy), f"not observed: {shown(', '.join(facts))}, on {on}")
