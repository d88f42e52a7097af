"""The run as JUnit XML, for every CI that can show tests: a suite per step, a case per judgement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.model.actions import Outcome
from pipeline.model.readings import Source
from pipeline.model.run import State
from pipeline.reports import words
from pipeline.reports.text import clipped, markup, shown

if TYPE_CHECKING:
    from pipeline.model.findings import Finding
    from pipeline.model.run import ActionRecord, Judgement, Run, Step

_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0, section 2.2, does not allow, not even as a reference."""

_LONGEST = 10_000


class _Suite:
    """One testsuite under way: its cases and how they are counted."""

    def __init__(self, name: str, attributes: str = "") -> None:
        self.name = name
        self.attributes = attributes
        self.lines: list[str] = []
        self.tests = self.failures = self.errors = self.skipped = 0

    def case(self, name: str, outcome: str = "", message: str = "", detail: str = "", output: str = "") -> None:
        """Add a case; `outcome` is "", "failure", "error" or "skipped"."""
        self.tests += 1
        self.failures += outcome == "failure"
        self.errors += outcome == "error"
        self.skipped += outcome == "skipped"
        inner = []
        if outcome:
            inner.append(f"<{outcome} message={_quoted(message)}>{_escaped(detail)}</{outcome}>")
        if output:
            inner.append(f"<system-out>{_escaped(output)}</system-out>")
        head = f"    <testcase classname={_quoted(self.name)} name={_quoted(name)}"
        self.lines.append(f"{head}>{''.join(inner)}</testcase>" if inner else f"{head}/>")

    def told(self, last: str = "") -> str:
        counts = f'tests="{self.tests}" failures="{self.failures}" errors="{self.errors}" skipped="{self.skipped}"'
        end = f"\n    <system-out>{_escaped(last)}</system-out>" if last else ""
        body = "\n".join(self.lines)
        return f"  <testsuite name={_quoted(self.name)} {counts}{self.attributes}>\n{body}{end}\n  </testsuite>"


def render(run: Run) -> str:
    """A document that is red whenever the run is no pass; its last text says how much was judged, and on what."""
    suites = [_suite(step) for step in run.steps]
    whole = _whole(run)
    counts = " ".join(
        f'{name}="{sum(getattr(suite, name) for suite in (*suites, whole))}"'
        for name in ("tests", "failures", "errors", "skipped")
    )
    time = f'time="{words.seconds(run.began, run.ended):.3f}"'
    parts = [*(suite.told() for suite in suites), whole.told(run.last_line)]
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={_quoted(words.headline(run))} {counts} {time}>'
    return "\n".join([head, *parts, "</testsuites>"]) + "\n"


def _whole(run: Run) -> _Suite:
    """What no step can say: that there was an end, that something was judged, and what it came to."""
    suite = _Suite("run")
    tone = words.tone(run)
    suite.case("the run came to its end", "error" if tone is words.Tone.UNFINISHED else "", words.verdict(run))
    judged = run.checks_on(Source.LIVE) + run.checks_on(Source.SIMULATED)
    suite.case("something was judged", "" if judged else "failure", run.last_line)
    if tone is not words.Tone.UNFINISHED:
        failed = tone is not words.Tone.CLEAN
        suite.case("the run is a pass", "failure" if failed else "", words.verdict(run), words.theatre(run))
    return suite


def _suite(step: Step) -> _Suite:
    time = f' time="{words.seconds(step.began, step.ended):.3f}"'
    if step.began:
        time += f' timestamp="{words.utc(step.began).strftime("%Y-%m-%dT%H:%M:%S")}"'
    suite = _Suite(step.name, time)
    untold = list(step.all_findings)
    for judgement in step.judgements:
        found = [finding for finding in untold if _belongs(finding, judgement, step)]
        untold = [finding for finding in untold if not _belongs(finding, judgement, step)]
        _judged(suite, judgement, found)
    for finding in untold:
        _found(suite, finding.rule or "finding", [finding])
    for action in step.actions:
        _acted(suite, action)
    if step.state is not State.PASSED:
        _stopped(suite, step)
    elif not suite.tests:
        suite.case(step.title or step.stage, "skipped", "nothing was judged here")
    return suite


def _belongs(finding: Finding, judgement: Judgement, step: Step) -> bool:
    """A rule may judge before the actions and prove after them: its findings then lie in different places."""
    if finding.rule != judgement.rule:
        return False
    twice = {told.proof for told in step.judgements if told.rule == finding.rule}
    return len(twice) == 1 or judgement.proof == any(finding is proof for proof in step.proofs)


def _judged(suite: _Suite, judgement: Judgement, found: list[Finding]) -> None:
    name = " ".join(filter(None, (judgement.rule, judgement.title, "(proof)" if judgement.proof else "")))
    if judgement.source is Source.UNKNOWN and not found:
        suite.case(name, "skipped", f"not judged: {judgement.why}")
    else:
        _found(suite, name, found)


def _found(suite: _Suite, name: str, found: list[Finding]) -> None:
    blocking = [finding for finding in found if finding.blocks]
    told = "\n\n".join(_in_words(finding) for finding in found)
    if blocking:
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        suite.case(name, "failure", blocking[0].summary + more, told)
    else:
        suite.case(name, output=told)


def _in_words(finding: Finding) -> str:
    label = "waived" if finding.waived else finding.severity.lower()
    lines = [f"{label}: {finding.summary}"]
    if finding.location:
        lines.append(f"  --> {finding.location}")
        if finding.location.excerpt:
            lines.append(f"  | {finding.location.excerpt}")
    told = {"remedy": finding.remedy, "apple": finding.apple, "subject": finding.subject, "waived": finding.waived}
    lines += [f"  {name}: {text}" for name, text in told.items() if text]
    return "\n".join([*lines, f"  facts: {words.SOURCE[finding.source]}"])


def _acted(suite: _Suite, action: ActionRecord) -> None:
    if action.outcome in (Outcome.FAILED, Outcome.UNCERTAIN):
        suite.case(action.describe, "error", f"{words.outcome(action)}: {action.error}")
    elif action.outcome is None:
        suite.case(action.describe, "skipped", words.outcome(action))
    else:
        suite.case(action.describe, output=words.outcome(action))


def _stopped(suite: _Suite, step: Step) -> None:
    because = words.because(step)
    if step.state in (State.BLOCKED, State.FAILED):
        if not suite.failures + suite.errors:
            suite.case("step", "failure", f"{words.state(step)}{because}")
    elif step.state is State.BEGAN:
        suite.case("step", "error", "begun, and not brought to its end")
    else:
        suite.case("step", "skipped", f"{words.state(step)}{because}")


def _quoted(text: str) -> str:
    return f'"{_escaped(text, lines=False)}"'


def _escaped(text: str, *, lines: bool = True) -> str:
    return markup(_ILLEGAL.sub("\ufffd", clipped(shown(text, lines=lines), _LONGEST)))
