"""The walk: every stage of a table on every lane, side by side where nothing forbids it, told to a journal as it goes.

A step is obstructed when a step before it is blocked. An obstructed step is still observed, judged and planned: if it
has nothing to do, it passes; if it has, its actions are held back. A step after one that was held back or blocked with
actions undone is skipped, because what it would judge was not made. So every cause is found in one run, and no
consequence is reported as one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.engine.exhibits import show
from pipeline.engine.judge import UNSEEN, Policy, Verdict, judge
from pipeline.engine.observe import Observer
from pipeline.engine.perform import TRIES, Hands, Rights, advice, receipt_told
from pipeline.engine.wiring import Registry, checks_of, needs_of
from pipeline.model import (
    Action,
    AppleFailure,
    Finding,
    Interrupted,
    Lane,
    Location,
    Outcome,
    PipelineError,
    Receipt,
    Refused,
    Scope,
    Source,
    Stage,
    UsageFault,
    nothing,
)
from pipeline.model.errors import (
    EXIT_APPLE,
    EXIT_BLOCKED,
    EXIT_CLEAN,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
)
from pipeline.model.findings import merged
from pipeline.model.run import Run, State, ended, finding_told, replay
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.journal import Journal
    from pipeline.ports.clock import Clock

SHOWN_LIMIT = 300
"""Characters of a fact that a report shows."""

_UNWORDED: object = object.__str__

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 1.0, 60.0, 1.7
"""Seconds between two rounds of proofs: short at first, then longer."""


@dataclass(frozen=True)
class Cast:
    """Everything a walk needs from the world.

    Attributes:
        lanes: what each stage of a lane is walked for.
        products: the build products that lie in the checkout, as lanes without a project.
        ports: the ports of a lane (or of the whole app, for None).
        givens: facts that need no probe, of a lane or of the app.
        clock: the clock of a lane or of the app.
        policy: changes a finding's severity or waives it, as `config/` decides.
        excerpt: the text of a place, for showing the offending line.
        stop: set when the person asked to stop.
        hands: how many steps may be played at the same time.
        praise: the verdict when all went well and nothing, or something, that was done was simulated.
    """

    stages: Sequence[Stage]
    lanes: Sequence[Lane]
    registry: Registry
    ports: Callable[[Lane | None], Mapping[type, Any]]
    givens: Callable[[Lane | None], Mapping[type, Any]]
    clock: Callable[[Lane | None], Clock]
    journal: Journal
    rights: Rights
    policy: Policy
    excerpt: Callable[[Location], str]
    stop: threading.Event
    hands: int = 4
    praise: tuple[str, str] = ("released", "this release would go through")
    products: Sequence[Lane] = ()


@dataclass
class _Node:
    name: str
    stage: Stage
    lane: Lane | None
    before: tuple[str, ...]
    state: State = State.WAITING
    undone: bool = False
    obstructed: bool = False
    fault: PipelineError | None = None


def nodes_of(stages: Iterable[Stage], lanes: Sequence[Lane], products: Sequence[Lane] = ()) -> list[_Node]:
    """The steps of a walk in the order of the table, each with the names of the steps before it."""
    walked: Mapping[Scope, Sequence[Lane | None]] = {Scope.LANE: lanes, Scope.PRODUCT: products, Scope.APP: (None,)}
    nodes: list[_Node] = []
    scopes: dict[str, Scope] = {}
    for stage in stages:
        scopes[stage.name] = stage.scope
        for lane in walked[stage.scope]:
            before: list[str] = []
            for earlier in stage.after:
                if earlier not in scopes:  # a table that starts in the middle, such as the check of one room
                    continue
                own = (lane,) if scopes[earlier] is stage.scope else walked[scopes[earlier]]
                before.extend(f"{earlier}/{each.name}" if each else earlier for each in own)
            nodes.append(_Node(f"{stage.name}/{lane.name}" if lane else stage.name, stage, lane, tuple(before)))
    return nodes


def steps_told(stages: Iterable[Stage], lanes: Sequence[Lane], products: Sequence[Lane] = ()) -> list[dict[str, Any]]:
    """The steps as the journal's first entry tells them."""
    return [
        {
            "stage": node.stage.name,
            "lane": node.lane.name if node.lane else "",
            "title": node.stage.title or node.stage.name,
            "after": list(node.before),
        }
        for node in nodes_of(stages, lanes, products)
    ]


def walk(cast: Cast) -> Run:
    """Walk the whole table once and return the run as the journal tells it.

    Walking a journal that already has entries resumes it: every step is looked at again, and what the world shows as
    done is not proposed again.
    """
    return _Walk(cast).go()


class _Walk:
    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.journal = cast.journal
        self.nodes = {node.name: node for node in nodes_of(cast.stages, cast.lanes, cast.products)}
        self.observer = Observer(cast.registry, cast.ports, cast.givens, cast.clock(None).now)
        self.hands = Hands(
            cast.registry,
            self.observer,
            cast.journal,
            cast.rights,
            earlier=replay(cast.journal.entries()),
            told=self._progress_of,
        )
        self.turn = threading.Condition()
        self.shown: set[tuple[str, str, str]] = set()
        self.unseen: set[tuple[str, str, str]] = set()

    def go(self) -> Run:
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(self.cast.hands, thread_name_prefix="step")
        futures: dict[str, Any] = {}
        try:
            while not all(node.state.over for node in self.nodes.values()):
                for node in self._ready(futures):
                    futures[node.name] = pool.submit(self._step, node)
                with self.turn:
                    if not self._ready(futures) and not all(n.state.over for n in self.nodes.values()):
                        self.turn.wait(0.2)
                for future in list(futures.values()):
                    if future.done():
                        future.result()
        except BaseException as fault:
            self.cast.stop.set()
            # Who asks a second time does not want to wait for an answer that may never come.
            pool.shutdown(wait=not isinstance(fault, KeyboardInterrupt), cancel_futures=True)
            raise
        pool.shutdown()
        return self._finish()

    def _ready(self, begun: Mapping[str, Any]) -> list[_Node]:
        return [
            node
            for node in self.nodes.values()
            if node.name not in begun and all(self.nodes[name].state.over for name in node.before)
        ]

    # One step ------------------------------------------------------------------------------------------------------

    def _step(self, node: _Node) -> None:
        state, because, waited = State.FAILED, [], 0.0
        try:
            earlier = [self.nodes[name] for name in node.before]
            node.obstructed = any(e.obstructed or e.state in (State.BLOCKED, State.FAILED) for e in earlier)
            unmade = [e.name for e in earlier if e.undone]
            if unmade:
                node.undone = True
                state, because = State.SKIPPED, unmade
                return
            self.journal.append("step", step=node.name, state=str(State.BEGAN))
            state, because, waited = self._judge_and_act(node, earlier)
        except PipelineError as fault:
            node.fault, node.undone = fault, True
            because = [advice(fault)]
            if isinstance(fault, Interrupted):
                state, because = State.HELD, ["the stop that was asked for"]
        except BaseException as fault:
            node.undone = True
            because = [f"internal error: {type(fault).__name__}"]
            raise
        finally:
            self.cast.clock(node.lane).deadline = None
            self.journal.append("end", step=node.name, state=str(state), because=because, waited=round(waited, 3))
            with self.turn:
                node.state = state
                self.turn.notify_all()

    def _judge_and_act(self, node: _Node, earlier: list[_Node]) -> tuple[State, list[str], float]:
        if why := self._needless(node):
            return State.PASSED, [why], 0.0
        verdicts = judge(checks_of(node.stage), self.observer, node.stage.name, node.lane, self._policy(node))
        blocked = self._tell_verdicts(node, verdicts)
        self._tell_exhibits(node)
        actions, missing = self._plan(node)
        self._tell_readings(node)
        if missing and not blocked:
            blocked = {missing: False}
        if blocked:
            node.undone = node.stage.plan is not nothing and (bool(actions) or bool(missing))
            # A step whose findings were all told by a step before it says at least why it is blocked.
            return State.BLOCKED, [] if any(blocked.values()) else list(blocked), 0.0
        if actions and node.obstructed:
            node.undone = True
            return State.HELD, self._causes(earlier), 0.0
        acted = self._act(node, actions)
        if not acted:
            node.undone = True
        ended = self._prove(node) if acted else (State.FAILED, [], 0.0)
        if actions and node.stage.exhibits:
            # An action that failed may have taken effect in part.
            self._tell_exhibits(node)
            self._tell_readings(node)
        return ended

    def _policy(self, node: _Node) -> Policy:
        """What is said of a product as a whole is said of the place where it lies, so that waivers can name it."""
        lane = node.lane
        if node.stage.scope is not Scope.PRODUCT or lane is None:
            return self.cast.policy

        def placed(finding: Finding) -> Finding:
            subject = lane.name if finding.subject.endswith(f"/{lane.name}") else finding.subject
            return self.cast.policy(replace(finding, subject=subject, location=finding.location or Location(lane.name)))

        return placed

    def _needless(self, node: _Node) -> str:
        if node.stage.needless is None:
            return ""
        arguments, _, missing = self.observer.arguments(needs_of(node.stage.needless), node.lane)
        return "" if missing is not None else node.stage.needless(**arguments)

    def _causes(self, earlier: list[_Node]) -> list[str]:
        causes: list[str] = []
        for node in earlier:
            if node.state in (State.BLOCKED, State.FAILED):
                causes.append(node.name)
            elif node.obstructed:
                causes.extend(self._causes([self.nodes[name] for name in node.before]))
        return list(dict.fromkeys(causes))

    def _plan(self, node: _Node) -> tuple[list[Action], str]:
        if node.stage.plan is nothing:
            return [], ""
        arguments, _, missing = self.observer.arguments(needs_of(node.stage.plan), node.lane)
        if missing is not None:
            return [], missing.why
        actions = list(node.stage.plan(**arguments))
        told = [{"key": a.key, "promise": a.promise, "describe": a.describe(), "risk": str(a.risk)} for a in actions]
        self.journal.append("plan", step=node.name, actions=told)
        return actions, ""

    def _act(self, node: _Node, actions: list[Action]) -> bool:
        clock = self.cast.clock(node.lane)
        clock.deadline = clock.now() + max(node.stage.patience, timedelta(hours=2))
        for action in actions:
            receipt = self._settle(node, action, clock)
            if receipt.outcome in (Outcome.FAILED, Outcome.UNCERTAIN):
                kind = UsageFault if receipt.result.get("usage") else AppleFailure
                node.fault = kind(receipt.error)
                return False
        return True

    def _settle(self, node: _Node, action: Action, clock: Clock) -> Receipt:
        """Perform an action; while its outcome is uncertain, look, and begin again only what is still asked for."""
        wanted = action
        for _ in range(TRIES):
            if self.cast.stop.is_set():
                raise Interrupted("stopped", why="you asked to stop", remedy="`invoke resume` goes on from here")
            receipt = self.hands.perform(node.name, node.stage.name, node.lane, wanted, clock)
            self.observer.forget(node.lane, self.hands.ports_of(wanted))
            if receipt.outcome is not Outcome.UNCERTAIN:
                break
            seen, still = self._look_again(node, wanted)
            if not seen:
                break  # Still uncertain: nothing is begun again that could not be looked for. A resume looks first.
            if still is None:
                receipt = Receipt(action.key, Outcome.DONE, receipt.source, {"settled": "seen at Apple"})
                self.journal.append("receipt", step=node.name, **receipt_told(receipt))
                break
            wanted = still
        return receipt

    def _look_again(self, node: _Node, action: Action) -> tuple[bool, Action | None]:
        """After an uncertain outcome: whether the facts could be seen, and what a plan from them says of it."""
        arguments, _, missing = self.observer.arguments(needs_of(node.stage.plan), node.lane)
        if missing is not None:
            return False, None
        return True, next((each for each in node.stage.plan(**arguments) if each.promise == action.promise), None)

    def _prove(self, node: _Node) -> tuple[State, list[str], float]:
        if not node.stage.proofs:
            return State.PASSED, [], 0.0
        clock = self.cast.clock(node.lane)
        began, pause, attempt = clock.now(), FIRST_PAUSE, 0
        deadline = began + node.stage.patience
        clock.deadline = deadline + timedelta(minutes=5)
        while True:
            attempt += 1
            self.observer.forget(node.lane)
            verdicts = judge(node.stage.proofs, self.observer, node.stage.name, node.lane, self.cast.policy)
            findings = [self._placed(f) for v in verdicts for f in v.findings]
            waited = (clock.now() - began).total_seconds()
            blocking = [f for f in findings if f.blocks]
            left = (deadline - clock.now()).total_seconds()
            over = not blocking or any(not self._may_mend(f) for f in blocking) or left <= 0
            if over and blocking and waited >= 1 and left <= 0:
                findings = [
                    replace(f, summary=f"{f.summary} (after waiting {_span(waited)})") if f.blocks else f
                    for f in findings
                ]
            self.journal.append(
                "proof",
                step=node.name,
                attempt=attempt,
                waited=round(waited, 3),
                findings=[finding_told(f) for f in findings],
            )
            if over:
                self.journal.extend(("judgement", _judged(node, verdict, (), proof=True)) for verdict in verdicts)
                self._tell_readings(node)
                node.undone = bool(blocking)
                return (State.BLOCKED if blocking else State.PASSED), [], waited
            if self.cast.stop.is_set():
                raise Interrupted("stopped", why="you asked to stop", remedy="`invoke resume` goes on waiting")
            clock.sleep(min(pause, max(left, 0.1)))
            pause = min(pause * GROWTH, LONGEST_PAUSE)

    def _may_mend(self, finding: Finding) -> bool:
        return finding.pending or any(
            isinstance(fault, AppleFailure) and str(fault) in finding.summary for fault in self.observer.faults.values()
        )

    # Telling -------------------------------------------------------------------------------------------------------

    def _tell_verdicts(self, node: _Node, verdicts: list[Verdict]) -> dict[str, bool]:
        """What blocks the step, and whether it is told here."""
        placed = [(verdict, [self._placed(f) for f in verdict.findings if self._new(f)]) for verdict in verdicts]
        self.journal.extend(("judgement", _judged(node, verdict, findings)) for verdict, findings in placed)
        told = {finding.summary for _, findings in placed for finding in findings}
        return {f.summary: f.summary in told for verdict in verdicts for f in verdict.findings if f.blocks}

    def _tell_exhibits(self, node: _Node) -> None:
        shown = show(node.stage.exhibits, self.observer, node.lane, self.journal.redacted)
        self.journal.extend(("exhibit", {"step": node.name, **each.told()}) for each in shown)

    def _new(self, finding: Finding) -> bool:
        """What could not be seen is said once a lane, however many steps it blocks."""
        if finding.rule != UNSEEN:
            return True
        said = (finding.lane, finding.subject, finding.summary)
        with self.turn:
            fresh = said not in self.unseen
            self.unseen.add(said)
        return fresh

    def _tell_readings(self, node: _Node) -> None:
        lane = node.lane.name if node.lane else ""
        entries: list[tuple[str, dict[str, Any]]] = []
        for fact, where, reading in self.observer.remembered():
            if where not in ("", lane):
                continue
            # A fact without words of its own would show a dump of its fields.
            worded = reading.value is not None and type(reading.value).__str__ is not _UNWORDED
            shown = self.journal.redacted(str(reading.value))[:SHOWN_LIMIT] if worded else ""
            told = (fact, where, f"{reading.source}{reading.why}{shown}")
            if told not in self.shown:
                self.shown.add(told)
                record = {"step": node.name, "fact": fact, "source": reading.source, "why": reading.why, "shown": shown}
                entries.append(("reading", record))
        self.journal.extend(entries)

    def _placed(self, finding: Finding) -> Finding:
        place = finding.location
        if place is None or place.line is None or place.excerpt:
            return finding
        return replace(finding, location=replace(place, excerpt=self.cast.excerpt(place)))

    def _progress_of(self, step: str, action: str) -> Callable[[str, float, float, str], None]:
        def told(text: str, done: float, total: float, unit: str) -> None:
            self.journal.tell("progress", step=step, action=action, text=text, done=done, total=total, unit=unit)

        return told

    def _finish(self) -> Run:
        run = replay(self.journal.entries())
        exit_code, verdict = self._verdict(run)
        complete = all(step.state is State.PASSED for step in run.steps) and bool(run.judgements)
        plan_digest = replace(run, complete=complete).plan.digest
        done = self.journal.append("done", exit_code=exit_code, verdict=verdict, digest=plan_digest, complete=complete)
        return ended(run, done)

    def _verdict(self, run: Run) -> tuple[int, str]:
        faults = [node.fault for node in self.nodes.values() if node.fault]
        refused = next((f for f in faults if isinstance(f, Refused) or f.exit_code == EXIT_REFUSED), None)
        blocking = [f for f in run.findings if f.blocks]
        if any(isinstance(f, Interrupted) for f in faults):
            return EXIT_INTERRUPTED, "stopped before the end; `invoke resume` goes on from here"
        if refused:
            return EXIT_REFUSED, f"refused: {refused}"
        failed = next((f for f in faults if isinstance(f, AppleFailure)), None)
        if failed:
            return EXIT_APPLE, f"Apple's side failed: {failed}"
        if faults:
            return faults[0].exit_code, str(faults[0])
        out_of_reach = next((f for f in self.observer.faults.values() if isinstance(f, AppleFailure)), None)
        if out_of_reach and not any(f.source is not Source.UNKNOWN for f in blocking):
            return EXIT_APPLE, f"Apple's side failed: {out_of_reach}"
        if blocking:
            count = sum(group[0].blocks for group in merged(run.findings))
            return EXIT_BLOCKED, f"blocked by {count} {'finding' if count == 1 else 'findings'}"
        if not run.judgements:
            return EXIT_BLOCKED, "nothing was judged, so nothing passed"
        if not any(step.actions for step in run.steps):
            return EXIT_CLEAN, "nothing stands in the way"
        simulated = any(action.source is Source.SIMULATED for step in run.steps for action in step.actions)
        return EXIT_CLEAN, self.cast.praise[simulated]


def _judged(node: _Node, verdict: Verdict, findings: Iterable[Finding], *, proof: bool = False) -> dict[str, Any]:
    told = {"step": node.name, "rule": verdict.rule, "title": verdict.title, "source": str(verdict.source)}
    return {
        **told,
        "findings": [finding_told(f) for f in findings],
        "why": verdict.why,
        **({"proof": True} if proof else {}),
    }


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
