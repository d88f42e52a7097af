"""Approval: a person says yes to the digest of a plan, and a live run performs nothing that is not in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline import regular
from pipeline.engine.runs import RunFolder
from pipeline.model import Action, Plan, Promise, Refused, Risk, UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True)
class Approval:
    """An approved plan, as a live run carries it."""

    digest: str
    by: str
    at: str
    promises: frozenset[tuple[str, str, str]]
    """(stage, lane, promise) of every action that was approved."""

    def permits(self, stage: str, lane: str, action: Action) -> bool:
        """Whether this very action, on this stage and lane, was approved."""
        return any((stage, lane, promise) in self.promises for promise in (action.promise, *action.wider))


def demand(approval: Approval | None, stage: str, lane: str, action: Action) -> None:
    """Refuse an action that needs an approval and has none.

    Raises:
        Refused: there is no approved plan, or it does not hold this action.
    """
    if approval is None:
        raise Refused(
            f"not approved: {action.describe()}",
            why="a live run performs only what an approved plan names",
            remedy="rehearse it with --dry-run (`invoke plan` for a release), read the plan, "
            "`invoke approve --run RUN`, then give that run with `--approved RUN`",
        )
    where = f"{stage} on {lane}" if lane else stage
    if not approval.permits(stage, lane, action):
        raise Refused(
            f"the approved plan does not name: {action.describe()}",
            why=f"plan {approval.digest[:12]}, approved by {approval.by}, promises something else for {where}",
            remedy="the project or Apple's side changed since the plan was made: plan anew and approve that",
        )


def plan_told(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values."""
    return {
        "plan": 1,
        "run": plan.run,
        "app": plan.app,
        "theatre": plan.theatre,
        "digest": plan.digest,
        "complete": plan.complete,
        "promises": [
            {"stage": p.stage, "lane": p.lane, "describe": p.describe, "risk": str(p.risk), "promise": p.promise}
            for p in plan.promises
        ],
    }


def plan_from(told: Mapping[str, Any], where: str) -> Plan:
    """The inverse of `plan_told`; the digest is computed anew and compared.

    Raises:
        UsageFault: this is no plan, or it was changed by hand.
    """
    try:
        plan = Plan(
            told["run"],
            told["app"],
            told["theatre"],
            tuple(
                Promise(p["stage"], p["lane"], p["describe"], Risk(p["risk"]), p["promise"]) for p in told["promises"]
            ),
            bool(told["complete"]),
        )
        stated = told["digest"]
    except (KeyError, TypeError, ValueError) as fault:
        raise UsageFault(f"{where} is not a plan", why=str(fault), remedy="make one with `invoke plan`") from fault
    if plan.digest != stated:
        raise UsageFault(
            f"{where} does not have the digest that it states",
            why="it was changed after it was made",
            remedy="make a new one with `invoke plan`",
        )
    return plan


def plan_in(folder: Path) -> Plan:
    """The plan in a run's folder.

    Raises:
        FileNotFoundError: there is none.
        UsageFault: it cannot be read, is no plan, or was changed by hand.
    """
    path, remedy = folder / "plan.json", "make a new one with `invoke plan`"
    try:
        told = json.loads(regular.read(path, follow=False))
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise UsageFault(f"{path} cannot be read", why=fault.strerror or str(fault), remedy=remedy) from fault
    except ValueError as fault:
        raise UsageFault(f"{path} is not JSON", why=str(fault), remedy=remedy) from fault
    return plan_from(told, str(path))


def approve(folder: Path, plan: Plan, by: str, at: datetime) -> Approval:
    """Record the approval of a plan beside it, in `approval.json`.

    Raises:
        UsageFault: the plan is not complete, so nobody knows what it would do.
    """
    if not plan.complete:
        raise UsageFault(
            f"the plan of run {plan.run} cannot be approved",
            why="the rehearsal did not reach its end, so the plan is not complete",
            remedy="mend what blocks it, run `invoke plan` again, and approve that",
        )
    if not by.strip():
        raise UsageFault("an approval needs a name", remedy="say who approves with --by NAME")
    _as_rehearsed(folder, plan)
    told = {"approval": 1, "digest": plan.digest, "by": by, "at": at.isoformat()}
    RunFolder(folder).keep("approval.json", told)
    return _joined(plan, told)


def approved(folder: Path) -> Approval:
    """The approval in a run's folder.

    Raises:
        Refused: the plan was not approved, or was changed since.
    """
    try:
        plan = plan_in(folder)
    except FileNotFoundError as fault:
        raise Refused(f"{folder} holds no plan", remedy="make one with `invoke plan`") from fault
    try:
        told = json.loads(regular.read(folder / "approval.json", follow=False))
    except (OSError, ValueError) as fault:
        raise Refused(
            f"the plan of run {plan.run} is not approved",
            why="nobody has said yes to it yet",
            remedy=f"read it with `invoke runs.show --run {plan.run}`, then `invoke approve --run {plan.run}`",
        ) from fault
    stated = str(told.get("digest", "")) if isinstance(told, dict) else ""
    if stated != plan.digest:
        raise Refused(
            f"the plan of run {plan.run} is not the one that was approved",
            why=f"approved was {stated[:12] or 'nothing readable'}, the plan is {plan.digest[:12]}",
            remedy=f"read it anew, then `invoke approve --run {plan.run}`",
        )
    if not plan.complete:
        raise Refused(
            f"the plan of run {plan.run} is not complete",
            why="the rehearsal did not reach its end",
            remedy="mend what blocks it, run `invoke plan` again, and approve that",
        )
    _as_rehearsed(folder, plan)
    return _joined(plan, told)


def _as_rehearsed(folder: Path, plan: Plan) -> None:
    """A plan is the journal of a rehearsal: where the journal lies beside it, both must say the same."""
    rehearsed = RunFolder(folder)
    if rehearsed.journal.is_file() and (said := rehearsed.run().plan.digest) != plan.digest:
        raise UsageFault(
            f"the plan of run {plan.run} is not what the run rehearsed",
            why=f"the journal tells of {said[:12]}, the plan is {plan.digest[:12]}",
            remedy="make a new one with `invoke plan`",
        )


def _joined(plan: Plan, told: Mapping[str, Any]) -> Approval:
    promises = frozenset((p.stage, p.lane, p.promise) for p in plan.promises)
    return Approval(plan.digest, str(told.get("by", "")), str(told.get("at", "")), promises)
