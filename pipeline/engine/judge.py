"""Judging: every check on the facts it asked for; what could not be seen is said once and is no pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.engine.wiring import mark_of, needs_of
from pipeline.model import Finding, Lane, Severity, Source
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.observe import Observer

UNSEEN = "OBS001"

Policy = Callable[[Finding], Finding]


@dataclass(frozen=True)
class Verdict:
    """What one check said. UNKNOWN source: it was not run, and `why` says what could not be seen."""

    rule: str
    title: str
    source: Source
    findings: tuple[Finding, ...]
    why: str = ""


def judge(
    checks: Iterable[Callable[..., Any]], observer: Observer, stage: str, lane: Lane | None, policy: Policy
) -> list[Verdict]:
    """Run the checks in order. Facts that could not be observed become one finding each, after the checks."""
    verdicts: list[Verdict] = []
    unseen: dict[str, tuple[type, list[str]]] = {}
    for check in checks:
        mark = mark_of(check)
        arguments, source, missing = observer.arguments(needs_of(check), lane)
        if missing is not None:
            unseen.setdefault(missing.why, (missing.fact, []))[1].append(mark.rule)
            verdicts.append(Verdict(mark.rule, mark.title, Source.UNKNOWN, (), missing.why))
            continue
        found = tuple(
            policy(
                replace(
                    finding,
                    rule=finding.rule or mark.rule,
                    stage=stage,
                    lane=lane.name if lane else "",
                    source=Source.UNKNOWN if finding.severity is Severity.UNKNOWN else source,
                )
            )
            for finding in check(**arguments) or ()
        )
        verdicts.append(Verdict(mark.rule, mark.title, source, found))
    if unseen:
        verdicts.append(_unseen(unseen, stage, lane, policy))
    return verdicts


def _unseen(unseen: dict[str, tuple[type, list[str]]], stage: str, lane: Lane | None, policy: Policy) -> Verdict:
    findings = tuple(
        policy(
            Finding(
                summary=f"{words(fact)} could not be observed: {why}",
                severity=Severity.UNKNOWN,
                subject=fact.__name__,
                remedy=f"make it observable; until then not judged: {', '.join(sorted(set(rules)))}",
                rule=UNSEEN,
                source=Source.UNKNOWN,
                stage=stage,
                lane=lane.name if lane else "",
            )
        )
        for why, (fact, rules) in unseen.items()
    )
    return Verdict(UNSEEN, "what is needed for judging can be observed", Source.UNKNOWN, findings)


def words(fact: type) -> str:
    """A fact's name as words: AppRecord is "app record"."""
    out = ""
    for index, letter in enumerate(fact.__name__):
        out += f" {letter.lower()}" if letter.isupper() and index else letter.lower()
    return out
