"""Performing: intent before, receipt after; an uncertain outcome is settled by looking, never by doing it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.engine.approval import Approval, demand
from pipeline.model import (
    Action,
    AppleFailure,
    Interrupted,
    Lane,
    Outcome,
    PipelineError,
    Receipt,
    Risk,
    Source,
    UsageFault,
    weakest,
)
from pipeline.ports.tenure import Tenure
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.journal import Journal
    from pipeline.engine.leases import Leases
    from pipeline.engine.observe import Observer
    from pipeline.engine.wiring import Registry
    from pipeline.model.run import Run
    from pipeline.ports.clock import Clock

TRIES = 3
"""How often one action is begun again after its outcome was uncertain and a fresh look still asked for it."""


@dataclass(frozen=True)
class Rights:
    """What a walk may change: the approved plan, whether one is needed, and the leases."""

    leases: Leases
    approval: Approval | None = None
    approval_needed: bool = False


class Hands:
    """Performs the actions of one walk."""

    def __init__(
        self,
        registry: Registry,
        observer: Observer,
        journal: Journal,
        rights: Rights,
        *,
        earlier: Run,
        told: Callable[[str, str], Callable[[str, float, float, str], None]],
    ) -> None:
        self._registry = registry
        self._observer = observer
        self._journal = journal
        self._rights = rights
        self._told = told
        self._done = {
            action.key: action
            for step in earlier.steps
            for action in step.actions
            if action.outcome in (Outcome.DONE, Outcome.ALREADY)
        }

    def perform(self, step: str, stage: str, lane: Lane | None, action: Action, clock: Clock) -> Receipt:
        """Perform one action under its lease, with its intent and its receipt on disk.

        Raises:
            Refused: it is not approved, or somebody else holds the lease.
        """
        lane_name = lane.name if lane else ""
        if self._rights.approval_needed:
            demand(self._rights.approval, stage, lane_name, action)
        before = self._done.get(action.key)
        if before is not None and action.risk is Risk.IRREVERSIBLE and before.source is self._source(action, lane):
            # It was done and cannot be done twice: Apple's side may only be slow to show it. The proofs will wait.
            return Receipt(action.key, Outcome.ALREADY, before.source or Source.UNKNOWN, before.result)
        with self._rights.leases.hold(action.subject) as lease:
            self._rights.leases.confirm(lease)
            self._journal.append("intent", step=step, action=action.key)
            leases = self._rights.leases
            receipt = self._do(step, lane, action, clock, Tenure(lambda: leases.renew(lease)))
            self._journal.append("receipt", step=step, **receipt_told(receipt))
            # Somebody who took the lease meanwhile may be changing the same thing: no further action without a look.
            self._rights.leases.confirm(lease)
        return receipt

    def _source(self, action: Action, lane: Lane | None) -> Source:
        """What a receipt of this action would rest on: a simulated one never stands for a live one."""
        performer = self._registry.performers.get(type(action))
        if performer is None:
            return Source.UNKNOWN
        _, source, _ = self._observer.arguments(performer.needs, lane)
        return source

    def ports_of(self, action: Action) -> tuple[type, ...]:
        """The types that its performer asks for: what it may have changed."""
        performer = self._registry.performers.get(type(action))
        return tuple(need.wanted for need in performer.needs) if performer else ()

    def _do(self, step: str, lane: Lane | None, action: Action, clock: Clock, tenure: Tenure) -> Receipt:
        performer = self._registry.performers.get(type(action))
        began = clock.now()
        if performer is None:
            text = f"nothing performs {type(action).__name__}"
            return Receipt(action.key, Outcome.FAILED, Source.UNKNOWN, {}, text, began, clock.now())
        arguments, source, missing = self._observer.arguments(performer.needs, lane)
        source = weakest(
            [
                source,
                *(value.source for value in arguments.values() if isinstance(getattr(value, "source", None), Source)),
            ]
        )
        if missing is not None:
            return Receipt(action.key, Outcome.FAILED, Source.UNKNOWN, {}, missing.why, began, clock.now())
        for need in performer.needs:
            port = arguments.get(need.name)
            if port is not None and hasattr(port, "for_action"):
                arguments[need.name] = port.for_action(self._told(step, action.key))
        if performer.tenure:
            arguments[performer.tenure] = tenure
        try:
            result: Mapping[str, Any] = performer.function(**{performer.parameter: action}, **arguments) or {}
        except AppleFailure as fault:
            outcome = Outcome.UNCERTAIN if fault.ambiguous else Outcome.FAILED
            return Receipt(action.key, outcome, source, {"code": fault.code}, advice(fault), began, clock.now())
        except Interrupted:
            raise
        except PipelineError as fault:
            told = {"usage": True} if isinstance(fault, UsageFault) else {}
            return Receipt(action.key, Outcome.FAILED, source, told, advice(fault), began, clock.now())
        outcome = Outcome.ALREADY if result.get("already") else Outcome.DONE
        plain = {key: value for key, value in result.items() if key != "already"}
        return Receipt(action.key, outcome, source, plain, "", began, clock.now())


def advice(fault: PipelineError) -> str:
    """What happened, why, and what to do about it, as one text."""
    return f"{fault}. {fault.remedy}" if fault.remedy else str(fault)


def receipt_told(receipt: Receipt) -> dict[str, Any]:
    """A receipt as plain JSON values."""
    return {
        "action": receipt.action,
        "outcome": str(receipt.outcome),
        "source": str(receipt.source),
        "result": dict(receipt.result),
        "error": receipt.error,
        "began": receipt.began.isoformat() if receipt.began else None,
        "ended": receipt.ended.isoformat() if receipt.ended else None,
    }
