"""A stage names, in one value, what is judged, what is proposed, and what proves that it worked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import StrEnum
from types import ModuleType
from typing import Any

from pipeline.model.actions import Action
from pipeline.model.exhibits import Exhibit
from pipeline.values import dataclass


class Scope(StrEnum):
    """LANE: once per platform lane. APP: once per app. PRODUCT: once per build product that lies in the checkout."""

    LANE = "LANE"
    APP = "APP"
    PRODUCT = "PRODUCT"


def nothing() -> Iterable[Action]:
    """The plan of a stage that only judges."""
    return ()


@dataclass(frozen=True)
class Stage:
    """One row of a table of contents.

    `checks` may name modules, which stand for all their @check functions in order of definition. `proofs` are checks
    on facts observed afresh after the actions, repeated until they hold or `patience` is used up. `needless` is asked
    first: the text it returns says why there is nothing to judge or to do here; an empty text means that there is.
    `exhibits` are pure functions `(facts…) -> Exhibit` whose tables the reports show beside the findings. They are
    made after the checks, and again after the proofs of a step that acted; the function's name tells which is which.
    """

    name: str
    after: tuple[str, ...] = ()
    scope: Scope = Scope.LANE
    checks: tuple[ModuleType | Callable[..., Any], ...] = ()
    plan: Callable[..., Iterable[Action]] = nothing
    proofs: tuple[Callable[..., Any], ...] = ()
    patience: timedelta = timedelta(0)
    title: str = ""
    needless: Callable[..., str] | None = None
    exhibits: tuple[Callable[..., Exhibit], ...] = ()
