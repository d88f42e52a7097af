"""A run as it can be told from its journal: steps, judgements, findings, actions and their receipts.

The journal is a sequence of entries, each a mapping with "kind", "at" (ISO 8601, UTC) and the fields below; reports
and consoles never read anything else. `replay` folds entries into a Run.

    run        {run, theatre, app, version, root, tool, lanes: [{name, platform, target, configuration, …}],
                beside: [as lanes: what is judged and not released],
                steps: [{stage, lane, title, after: [step]}], scenario, note}
    resume     {}
    step       {step, state: "BEGAN"}
    reading    {step, fact, source, why, shown}
    judgement  {step, rule, title, source, findings: [finding], why}
    exhibit    {step, name, source, title, columns: [{title, right, wraps, spare}], note, empty, legend: [text],
                rows: [[text or {text, tone, value}]]}     (takes the place of an earlier one of the same step and name)
    plan       {step, actions: [{key, promise, describe, risk}]}
    intent     {step, action}
    progress   {step, action, text, done, total, unit}        (told to listeners, not kept in the journal)
    receipt    {step, action, outcome, source, result, error, began, ended}
    proof      {step, attempt, waited, findings: [finding]}
    end        {step, state, because, waited}
    done       {exit_code, verdict, digest, complete}

A step's name is "stage" for an app-wide stage and "stage/lane" for a lane's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.model.actions import Outcome, Plan, Promise, Risk
from pipeline.model.exhibits import Exhibit, exhibit_from
from pipeline.model.findings import Finding, Location, Severity
from pipeline.model.readings import Source
from pipeline.values import dataclass

Entry = Mapping[str, Any]


class State(StrEnum):
    """How far a step is."""

    WAITING = "WAITING"
    BEGAN = "BEGAN"
    PASSED = "PASSED"
    BLOCKED = "BLOCKED"
    """Its own findings, or proofs that did not come true in time, stop the release here."""
    HELD = "HELD"
    """Nothing is wrong here, but an earlier step is blocked, so its actions were not performed."""
    SKIPPED = "SKIPPED"
    """It could not be judged because an earlier step did not act. A consequence, never a cause."""
    FAILED = "FAILED"
    """An action failed."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in this step."""
        return self not in (State.WAITING, State.BEGAN)


@dataclass(frozen=True)
class ReadingRecord:
    """One fact as it was observed."""

    fact: str
    source: Source
    why: str = ""
    shown: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Judgement:
    """One check as it was run. `source` is the weakest among its facts; UNKNOWN means that it was not run."""

    rule: str
    title: str
    source: Source
    findings: int
    why: str = ""
    proof: bool = False


@dataclass(frozen=True)
class ExhibitRecord:
    """One table as it was shown. `name` is that of its function; `source` is the weakest among its facts.

    UNKNOWN means that it could not be made: `exhibit.empty` says why. `past` means that something was begun in its step
    since, so that it shows what was there before.
    """

    name: str
    exhibit: Exhibit
    source: Source
    at: datetime | None = None
    past: bool = False


@dataclass(frozen=True)
class ActionRecord:
    """One action: proposed, perhaps intended, perhaps with a receipt."""

    key: str
    promise: str
    describe: str
    risk: Risk
    intended: bool = False
    outcome: Outcome | None = None
    source: Source | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    progress: tuple[str, float, float, str] = ("", 0.0, 0.0, "")


@dataclass(frozen=True)
class Step:
    """One stage on one lane (or on the whole app, when `lane` is empty)."""

    stage: str
    lane: str
    title: str = ""
    after: tuple[str, ...] = ()
    state: State = State.WAITING
    because: tuple[str, ...] = ()
    began: datetime | None = None
    ended: datetime | None = None
    waited: float = 0.0
    readings: tuple[ReadingRecord, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    findings: tuple[Finding, ...] = ()
    actions: tuple[ActionRecord, ...] = ()
    proofs: tuple[Finding, ...] = ()
    attempts: int = 0
    exhibits: tuple[ExhibitRecord, ...] = ()

    @property
    def name(self) -> str:
        """The stage, and the lane behind a slash where there is one."""
        return f"{self.stage}/{self.lane}" if self.lane else self.stage

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Findings of the checks, then those of the last round of proofs."""
        return self.findings + self.proofs


@dataclass(frozen=True)
class Run:
    """Everything that reports tell about one run."""

    id: str = ""
    theatre: str = ""
    app: str = ""
    root: str = ""
    version: str = ""
    """The app's version and build, "2.5.0 (250)", where all lanes have the same."""
    tool: str = ""
    """The version of the pipeline that played it."""
    scenario: str = ""
    note: str = ""
    lanes: tuple[Mapping[str, str], ...] = ()
    beside: tuple[Mapping[str, str], ...] = ()
    """Lanes, and build products as lanes, that are judged and not released."""
    steps: tuple[Step, ...] = ()
    began: datetime | None = None
    ended: datetime | None = None
    resumed: int = 0
    exit_code: int | None = None
    verdict: str = ""
    digest: str = ""
    complete: bool = False
    approval: bool = True
    """Whether its plan is for somebody to approve; what stays on this machine or in the team's vault needs nobody."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first, then in the order of the table."""
        found = [finding for step in self.steps for finding in step.all_findings]
        return tuple(sorted(found, key=lambda finding: -finding.severity.rank if not finding.waived else 1))

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """All checks that were asked for, proofs included."""
        return tuple(judgement for step in self.steps for judgement in step.judgements)

    @property
    def released(self) -> tuple[Step, ...]:
        """The steps of the app and of the lanes of which a release is made."""
        apart = {told.get("name", "") for told in self.beside}
        return tuple(step for step in self.steps if step.lane not in apart)

    @property
    def apart(self) -> tuple[Step, ...]:
        """The steps of what is only judged: other apps of the checkout, and products that lie in it."""
        apart = {told.get("name", "") for told in self.beside}
        return tuple(step for step in self.steps if step.lane in apart)

    def checks_on(self, source: Source) -> int:
        """How many checks rested on facts of that source."""
        return sum(1 for judgement in self.judgements if judgement.source is source)

    @property
    def last_line(self) -> str:
        """How much was judged, and on what: the last line of every report."""
        live, simulated, unknown = (self.checks_on(s) for s in (Source.LIVE, Source.SIMULATED, Source.UNKNOWN))
        if not live + simulated + unknown:
            return "0 checks: nothing was judged"
        text = f"{live} {'check' if live == 1 else 'checks'} on live facts, {simulated} simulated"
        return text + (f", {unknown} not judged" if unknown else "")

    @property
    def plan(self) -> Plan:
        """What the run proposed, step by step. It can be approved only when every step passed."""
        promises = tuple(
            Promise(step.stage, step.lane, action.describe, action.risk, action.promise)
            for step in self.steps
            for action in step.actions
        )
        return Plan(self.id, self.app, self.theatre, promises, self.complete)


def replay(entries: Iterable[Entry]) -> Run:
    """Fold journal entries into a Run. Unknown kinds are passed over, so that older readers bear newer journals."""
    run = Run()
    steps: dict[str, Step] = {}
    for entry in entries:
        kind, at = entry.get("kind"), moment(entry.get("at"))
        if kind == "run":
            steps = {}
            for told in entry.get("steps", ()):
                step = Step(told["stage"], told.get("lane", ""), told.get("title", ""), tuple(told.get("after", ())))
                steps[step.name] = step
            run = replace(
                run,
                id=entry.get("run", ""),
                theatre=entry.get("theatre", ""),
                app=entry.get("app", ""),
                root=entry.get("root", ""),
                version=entry.get("version", ""),
                tool=entry.get("tool", ""),
                scenario=entry.get("scenario", ""),
                note=entry.get("note", ""),
                approval=entry.get("approval") is not False,
                lanes=tuple(entry.get("lanes", ())),
                beside=tuple(entry.get("beside", ())),
                began=at,
            )
        elif kind == "resume":
            run = replace(run, resumed=run.resumed + 1, ended=None, exit_code=None, verdict="")
        elif kind == "done":
            run = ended(run, entry)
        elif (step_name := entry.get("step")) in steps:
            steps[step_name] = _fold(steps[step_name], str(kind), entry, at)
    return replace(run, steps=tuple(steps.values()))


def ended(run: Run, entry: Entry) -> Run:
    """The run after its "done" entry."""
    return replace(
        run,
        ended=moment(entry.get("at")),
        exit_code=entry.get("exit_code"),
        verdict=entry.get("verdict", ""),
        digest=entry.get("digest", ""),
        complete=bool(entry.get("complete")),
    )


def _fold(step: Step, kind: str, entry: Entry, at: datetime | None) -> Step:  # noqa: C901 - one paragraph for each kind of entry
    if kind == "step":
        # A step that is begun again after a crash is told anew; what it intended before is kept with its actions.
        kept = tuple(action for action in step.actions if action.intended)
        return Step(step.stage, step.lane, step.title, step.after, State.BEGAN, began=step.began or at, actions=kept)
    if kind == "reading":
        record = ReadingRecord(entry["fact"], Source(entry["source"]), entry.get("why", ""), entry.get("shown", ""), at)
        return replace(step, readings=(*step.readings, record))
    if kind == "judgement":
        found = tuple(finding_from(told) for told in entry.get("findings", ()))
        judgement = Judgement(
            entry["rule"],
            entry.get("title", ""),
            Source(entry["source"]),
            len(found),
            entry.get("why", ""),
            bool(entry.get("proof")),
        )
        return replace(step, judgements=(*step.judgements, judgement), findings=step.findings + found)
    if kind == "plan":
        known = {action.key: action for action in step.actions}
        for told in entry.get("actions", ()):
            known.setdefault(
                told["key"], ActionRecord(told["key"], told["promise"], told["describe"], Risk(told["risk"]))
            )
        return replace(step, actions=tuple(known.values()))
    if kind == "exhibit":
        return _with_exhibit(step, entry, at)
    if kind == "intent":
        before = tuple(replace(record, past=True) for record in step.exhibits)
        return replace(_with_action(step, entry["action"], intended=True, began=at), exhibits=before)
    if kind == "progress":
        told = (entry.get("text", ""), entry.get("done", 0.0), entry.get("total", 0.0), entry.get("unit", ""))
        return _with_action(step, entry["action"], progress=told)
    if kind == "receipt":
        return _with_action(
            step,
            entry["action"],
            outcome=Outcome(entry["outcome"]),
            source=Source(entry["source"]),
            result=entry.get("result", {}),
            error=entry.get("error", ""),
            began=moment(entry.get("began")),
            ended=moment(entry.get("ended")),
        )
    if kind == "proof":
        found = tuple(finding_from(told) for told in entry.get("findings", ()))
        return replace(step, proofs=found, attempts=entry.get("attempt", step.attempts + 1), waited=entry["waited"])
    if kind == "end":
        return replace(
            step,
            state=State(entry["state"]),
            because=tuple(entry.get("because", ())),
            ended=at,
            waited=entry.get("waited", step.waited),
        )
    return step


def _with_action(step: Step, key: str, **changes: Any) -> Step:
    return replace(
        step, actions=tuple(replace(action, **changes) if action.key == key else action for action in step.actions)
    )


def _with_exhibit(step: Step, entry: Entry, at: datetime | None) -> Step:
    exhibits = {record.name: record for record in step.exhibits}
    name = entry["name"]
    exhibits[name] = ExhibitRecord(name, exhibit_from(entry), Source(entry["source"]), at)
    return replace(step, exhibits=tuple(exhibits.values()))


def moment(text: object) -> datetime | None:
    """An ISO 8601 text as a datetime; None for anything else."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def finding_told(finding: Finding) -> dict[str, Any]:
    """A finding as plain JSON values; fields that say nothing are left out."""
    told: dict[str, Any] = {"rule": finding.rule, "severity": str(finding.severity), "summary": finding.summary}
    for name in ("subject", "remedy", "apple", "stage", "lane", "waived"):
        if value := getattr(finding, name):
            told[name] = value
    told["source"] = str(finding.source)
    if finding.pending:
        told["pending"] = True
    if finding.location:
        told["location"] = {
            f.name: value for f in fields(Location) if (value := getattr(finding.location, f.name)) not in (None, "")
        }
    return told


def finding_from(told: Mapping[str, Any]) -> Finding:
    """The inverse of `finding_told`."""
    place = told.get("location")
    return Finding(
        summary=told["summary"],
        severity=Severity(told["severity"]),
        subject=told.get("subject", ""),
        location=Location(**place) if place else None,
        remedy=told.get("remedy", ""),
        apple=told.get("apple", ""),
        pending=bool(told.get("pending")),
        rule=told.get("rule", ""),
        source=Source(told.get("source", "LIVE")),
        stage=told.get("stage", ""),
        lane=told.get("lane", ""),
        waived=told.get("waived", ""),
    )
