"""A world small enough to see through: a jug that is filled to a mark, by an engine that knows nothing of Apple."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pipeline.engine.journal import Journal
from pipeline.engine.leases import Leases
from pipeline.engine.perform import Rights
from pipeline.engine.walk import Cast, steps_told
from pipeline.engine.wiring import Registry, registry_of
from pipeline.model import (
    Action,
    AppleFailure,
    Finding,
    Lane,
    Platform,
    Reading,
    Risk,
    Scope,
    Source,
    Stage,
    check,
    error,
    late,
    performer,
    probe,
    warning,
)
from pipeline.ports.clock import BriskClock
from pipeline.ports.tenure import Tenure


class Jug:
    """The outside: how full the jug of each lane is, and what was done to it."""

    source = Source.SIMULATED

    def __init__(self) -> None:
        self.level: dict[str, int] = {}
        self.settling: dict[str, int] = {}
        self.poured: list[str] = []
        self.broken: dict[str, AppleFailure] = {}
        self.lost: set[str] = set()
        self.crack = False
        self.before_pouring: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Level:
    pints: int
    settled: bool = True

    def __str__(self) -> str:
        return f"{self.pints} pints"


@dataclass(frozen=True)
class Shelf:
    sound: bool


@dataclass(frozen=True)
class Mark:
    pints: int


@dataclass(frozen=True)
class Pour(Action):
    risk: ClassVar[Risk] = Risk.IRREVERSIBLE
    lane: str
    pints: int
    seen: int = late(0)

    @property
    def subject(self) -> str:
        return f"jug of {self.lane}"

    def describe(self) -> str:
        return f"pour {self.pints} pints into the jug of {self.lane}"


@probe
def level(jug: Jug, lane: Lane) -> Level:
    if lane.name in jug.broken:
        raise jug.broken[lane.name]
    if jug.settling.get(lane.name, 0) > 0:
        jug.settling[lane.name] -= 1
        return Level(jug.level.get(lane.name, 0), settled=False)
    return Level(jug.level.get(lane.name, 0))


@probe(lasting=True, scope="APP")
def shelf(jug: Jug) -> Shelf:
    return Shelf(not jug.crack)


@performer
def pour(action: Pour, jug: Jug, tenure: Tenure) -> Mapping[str, Any]:
    jug.before_pouring()
    tenure.confirm()
    jug.poured.append(action.lane)
    jug.level[action.lane] = jug.level.get(action.lane, 0) + action.pints
    if action.lane in jug.lost:
        jug.lost.discard(action.lane)
        raise AppleFailure("the answer was lost", ambiguous=True)
    return {"level": jug.level[action.lane]}


@check("TOY001", "the shelf is sound")
def shelf_is_sound(shelf: Shelf) -> Iterator[Finding]:
    if not shelf.sound:
        yield error("the shelf is cracked", remedy="mend the shelf")


@check("TOY002", "the jug is not too full")
def jug_is_not_too_full(level: Level, mark: Mark) -> Iterator[Finding]:
    if level.pints > mark.pints:
        yield error(f"{level.pints} pints are more than {mark.pints}", remedy="pour some out")
    elif level.pints:
        yield warning("the jug is not empty", remedy="empty it first")


@check("TOY003", "the jug is full")
def jug_is_full(level: Level, mark: Mark) -> Iterator[Finding]:
    if not level.settled:
        yield error("the foam has not settled", remedy="wait", pending=True)
    elif level.pints != mark.pints:
        yield error(f"{level.pints} pints instead of {mark.pints}", remedy="pour again")


@check("TOY004", "somebody drank")
def somebody_drank(reading: Reading[Level]) -> Iterator[Finding]:
    if reading.value is not None and reading.value.pints == 0:
        yield warning("the jug is empty", remedy="drink slower")


def plan(level: Level, mark: Mark, lane: Lane) -> Iterator[Action]:
    if level.pints < mark.pints:
        yield Pour(lane.name, mark.pints - level.pints, level.pints)


LOOK = Stage("look", scope=Scope.APP, checks=(shelf_is_sound,))
FILL = Stage(
    "fill",
    after=("look",),
    checks=(jug_is_not_too_full,),
    plan=plan,
    proofs=(jug_is_full,),
    patience=timedelta(minutes=10),
)
TASTE = Stage("taste", after=("fill",), checks=(somebody_drank,))
TABLE = (LOOK, FILL, TASTE)

LANES = (
    Lane("left", Platform.IOS, "a", "a", "Release"),
    Lane("right", Platform.MAC_OS, "b", "b", "Release"),
)


def registry() -> Registry:
    import sys

    return registry_of([sys.modules[__name__]])


def cast(
    folder: Path,
    jug: Jug,
    *,
    stages: tuple[Stage, ...] = TABLE,
    lanes: tuple[Lane, ...] = LANES,
    mark: int = 3,
    rights: Rights | None = None,
    listener: Any = None,
    resume: bool = False,
    **changes: Any,
) -> Cast:
    clocks: dict[str, BriskClock] = {}

    def clock(lane: Lane | None) -> BriskClock:
        return clocks.setdefault(lane.name if lane else "", BriskClock())

    journal = Journal(folder / "journal.jsonl", listener=listener)
    if resume:
        journal.append("resume")
    else:
        journal.append(
            "run",
            run="r1",
            theatre="rehearsal",
            app="toy",
            root="",
            version="",
            lanes=[],
            steps=steps_told(stages, lanes),
        )
    return Cast(
        stages=stages,
        lanes=lanes,
        registry=registry(),
        ports=lambda lane: {Jug: jug},
        givens=lambda lane: {Mark: Mark(mark)},
        clock=clock,
        journal=journal,
        rights=rights or Rights(Leases(folder / "leases", "r1")),
        policy=changes.pop("policy", lambda finding: finding),
        excerpt=lambda place: "",
        stop=changes.pop("stop", threading.Event()),
        **changes,
    )


def states(run: Any) -> dict[str, str]:
    return {step.name: str(step.state) for step in run.steps}


__all__ = ["LANES", "TABLE", "Jug", "Pour", "SimpleNamespace", "cast", "registry", "states"]
