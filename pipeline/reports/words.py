"""The words that every report uses for the same thing: theatres, states, outcomes, verdicts, lengths of time."""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.model.actions import Outcome
from pipeline.model.errors import (
    EXIT_APPLE,
    EXIT_BLOCKED,
    EXIT_CLEAN,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
)
from pipeline.model.lanes import Platform
from pipeline.model.readings import Source
from pipeline.model.run import State
from pipeline.reports.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.model.run import ActionRecord, Run, Step

GLYPH = {
    State.WAITING: "·",
    State.BEGAN: "…",
    State.PASSED: "✓",
    State.BLOCKED: "✗",
    State.HELD: "‖",
    State.SKIPPED: "–",
    State.FAILED: "✗",
}

SOURCE = {Source.LIVE: "live", Source.SIMULATED: "simulated", Source.UNKNOWN: "not observed"}

APPROVE = "invoke approve --run {run}"
"""The command by which a person approves the plan of a run."""

_THEATRES = {
    "live": "Live: Apple, Xcode, files, git and clock were real; actions took effect.",
    "rehearsal": (
        "Rehearsal: Apple and Xcode were simulated, and waiting took no time; the app's files and git were real."
    ),
    "shadow": "Shadow: Apple was read with real credentials, then simulated like Xcode; nothing was changed.",
}

_ENDS = {
    EXIT_BLOCKED: "Blocked",
    EXIT_USAGE: "Not started: the input is at fault",
    EXIT_REFUSED: "Refused",
    EXIT_APPLE: "Apple's side failed",
    EXIT_INTERRUPTED: "Interrupted",
}


class Tone(StrEnum):
    """How a verdict is to be coloured. Only CLEAN is green."""

    CLEAN = "clean"
    CAUTION = "caution"
    BLOCKED = "blocked"
    UNFINISHED = "unfinished"
    EMPTY = "empty"


def tone(run: Run) -> Tone:
    """Green needs an end, a clean exit, at least one check that was judged, and nothing that stops a live run."""
    if run.exit_code is None:
        return Tone.UNFINISHED
    if run.exit_code != EXIT_CLEAN or any(step.state in (State.BLOCKED, State.FAILED) for step in run.steps):
        return Tone.BLOCKED
    if not run.checks_on(Source.LIVE) + run.checks_on(Source.SIMULATED):
        return Tone.EMPTY
    return Tone.CAUTION if any(finding.blocks for finding in run.findings) else Tone.CLEAN


def verdict(run: Run) -> str:
    """The end of the run in one sentence."""
    how = tone(run)
    if how is Tone.EMPTY:
        return "Nothing was judged, and that is no pass"
    if how is Tone.UNFINISHED:
        open_steps = [step.name for step in run.steps if step.state is State.BEGAN]
        return "The run has not come to its end" + (
            f": it stands at {shown(', '.join(open_steps))}" if open_steps else ""
        )
    if how is Tone.CAUTION:
        return "No pass: what was found would stop a live run"
    if run.verdict:
        said = shown(run.verdict)
        return said[:1].upper() + said[1:]
    if how is Tone.CLEAN:
        return "Passed"
    return _ENDS.get(run.exit_code or EXIT_BLOCKED, "The pipeline itself failed")


def theatre(run: Run) -> str:
    """What was real and what was not, as a sentence: the run's own note where it says so."""
    if _names_theatre(run):
        return shown(run.note)
    if run.theatre == "live" and run.exit_code is not None and not any(step.actions for step in run.steps):
        return "Live: Apple, Xcode, files, git and clock were real; nothing was changed."
    return _THEATRES.get(run.theatre, shown(run.theatre) or "It is not known in which theatre this ran.")


def note(run: Run) -> str:
    """What else the run says of itself; empty when `theatre` has told it already."""
    return "" if _names_theatre(run) else shown(run.note)


def _names_theatre(run: Run) -> bool:
    return bool(run.theatre) and run.note.lower().startswith(f"{run.theatre.lower()}:")


def headline(run: Run) -> str:
    """The app and its version."""
    return " ".join(filter(None, (shown(run.app), shown(run.version)))) or "an unnamed app"


def lane(run: Run, name: str) -> str:
    """A lane as a person calls it: by its platform, where no other lane has the same, and else by its name."""
    platforms = {told.get("name", ""): told.get("platform", "") for told in run.lanes}
    platform = platforms.get(name, "")
    if not platform or list(platforms.values()).count(platform) > 1:
        return shown(name)
    return Platform(platform).label if platform in Platform.__members__ else shown(platform)


APART = "judged, not released:"


def hollow(step: Step) -> bool:
    """Whether a step passed without a single check that was judged or action that was done: it may not look green."""
    judged = any(judgement.source is not Source.UNKNOWN for judgement in step.judgements)
    return step.state is State.PASSED and not judged and not any(action.outcome for action in step.actions)


def state(step: Step) -> str:
    """The state as a lower-case word, loud where a person must act."""
    if hollow(step):
        return "no checks"
    return step.state if step.state in (State.BLOCKED, State.FAILED) else step.state.lower()


def because(step: Step, causes: Sequence[str] | None = None) -> str:
    """What follows the state: " because of" the steps that kept it from being taken, or a colon and a reason in words.

    `causes` stand in for the step's own, where they are told shorter.
    """
    told = shown(", ".join(step.because if causes is None else causes))
    if not told:
        return ""
    return f" because of {told}" if step.state in (State.HELD, State.SKIPPED) else f": {told}"


def glyph(step: Step) -> str:
    """The state as one character that common fonts have and that takes one column of a terminal."""
    return GLYPH[State.WAITING if hollow(step) else step.state]


def waited(step: Step) -> str:
    """How long was waited for proofs; empty when that is less than a second."""
    return duration(step.waited) if step.waited >= 1 else ""


def took(step: Step, until: datetime | None = None) -> str:
    """How long the step took, and how much of that was waiting; a rehearsal's waits pass on its own clock."""
    length = seconds(step.began, step.ended or until)
    if not (wait := waited(step)):
        return duration(length)
    if step.waited <= length + 1:
        return f"{duration(length)}, {wait} of it waiting"
    return f"{duration(length)}, and {wait} of waiting that the rehearsal skipped"


def outcome(action: ActionRecord) -> str:
    """What came of an action. A simulated success is "rehearsed": no report says "done" of what Apple never saw."""
    simulated = action.source is Source.SIMULATED
    if action.outcome is Outcome.DONE:
        return "rehearsed" if simulated else "done"
    if action.outcome is Outcome.ALREADY:
        return "already so (simulated)" if simulated else "already so"
    if action.outcome is not None:
        return f"{action.outcome} (simulated)" if simulated else str(action.outcome)
    return "begun, no receipt" if action.intended else "planned"


def digest(run: Run) -> str:
    """What a person approves: as the run's end told it, or, for a run without an end, as its actions make it."""
    if run.digest or not run.plan.promises:
        return shown(run.digest)
    try:
        return run.plan.digest
    except UnicodeEncodeError:
        # A name that no encoding can hold has no digest; the run's own end would have failed on it as well.
        return "unknown"


def plan(run: Run) -> str:
    """The plan's digest and what can be done with it, or why nothing can; empty when nothing was proposed."""
    promises = run.plan.promises
    if not promises:
        return ""
    named = digest(run)[:12]
    told = f"Plan {named}: {amount(len(promises), 'action')}"
    if run.theatre == "live" or not run.approval:
        return told
    return (
        f"{told}; approve with: {APPROVE.format(run=shown(run.id))}"
        if run.complete
        else f"{told}; it cannot be approved"
    )


def amount(number: int, noun: str) -> str:
    """Number and noun: "1 check", "2 checks"."""
    return f"{number} {noun}" if number == 1 or noun == "unknown" else f"{number} {noun}s"


def seconds(began: datetime | None, ended: datetime | None) -> float:
    """The time between; 0 when either end is not known, or the clock went backwards."""
    try:
        return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
    except TypeError:
        # One of the two carries no time zone: nothing true can be said of their distance.
        return 0.0


def duration(length: float) -> str:
    """A length in seconds as a person says it: "50 ms", "1.2 s", "12 s", "4 min 10 s", "2 h 05 min"."""
    if length < 0.9995:
        return f"{length * 1000:.0f} ms"
    if length < 9.95:
        return f"{length:.1f} s"
    whole = round(length)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def utc(at: datetime) -> datetime:
    """The moment in UTC; one without a zone is taken as it stands."""
    return at.astimezone(UTC) if at.tzinfo is not None else at


def hour(at: datetime | None) -> str:
    """A moment as text, to the second; empty when it is not known."""
    return utc(at).strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if at.tzinfo is not None else "") if at else ""
