"""Judging: every check on the facts it asked for; what could not be seen is said once and is no pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.engine.wiring import mark_of, needs_of
from pipeline.model import Finding, Lane, Reading, Severity, Source, Unjudged
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.observe import Observer

UNSEEN = "OBS001"
LISTED = 4
"""How many rules are listed by name; more are counted."""

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
    unseen: dict[str, tuple[Reading[Any], list[str]]] = {}
    for check in checks:
        mark = mark_of(check)
        arguments, source, missing = observer.arguments(needs_of(check), lane)
        if missing is not None:
            unseen.setdefault(missing.why, (missing, []))[1].append(mark.rule)
            verdicts.append(Verdict(mark.rule, mark.title, Source.UNKNOWN, (), missing.why))
            continue
        said = tuple(check(**arguments) or ())
        moot = next((each.why for each in said if isinstance(each, Unjudged)), "")
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
            for finding in said
            if isinstance(finding, Finding)
        )
        verdicts.append(Verdict(mark.rule, mark.title, Source.UNKNOWN if moot else source, found, moot))
    if unseen:
        verdicts.append(_unseen(unseen, stage, lane, policy))
    return verdicts


def _unseen(
    unseen: dict[str, tuple[Reading[Any], list[str]]], stage: str, lane: Lane | None, policy: Policy
) -> Verdict:
    findings = tuple(
        policy(
            Finding(
                summary=f"{words(reading.fact)} could not be observed: {why}",
                severity=Severity.UNKNOWN,
                subject=reading.fact.__name__,
                remedy=f"{reading.remedy or 'mend what kept it from being seen'}; until then {_unjudged(rules)}",
                rule=UNSEEN,
                source=Source.UNKNOWN,
                stage=stage,
                lane=lane.name if lane else "",
            )
        )
        for why, (reading, rules) in unseen.items()
    )
    return Verdict(UNSEEN, "what is needed for judging can be observed", Source.UNKNOWN, findings)


def _unjudged(rules: list[str]) -> str:
    names = sorted(set(rules))
    listed = ", ".join(names) if len(names) <= LISTED else f"{len(names)} checks ({names[0]} to {names[-1]})"
    return f"{listed} {'is' if len(names) == 1 else 'are'} not judged"


def words(fact: type) -> str:
    """A fact's name as words: AppRecord is "app record"."""
    out = ""
    for index, letter in enumerate(fact.__name__):
        out += f" {letter.lower()}" if letter.isupper() and index else letter.lower()
    return out
