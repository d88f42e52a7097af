"""What was observed, where it came from, and why there is no value when there is none."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

F = TypeVar("F")


class Source(StrEnum):
    """Where a fact came from. Order of strength: LIVE, then SIMULATED, then UNKNOWN."""

    LIVE = "LIVE"
    SIMULATED = "SIMULATED"
    UNKNOWN = "UNKNOWN"


_STRENGTH = {Source.UNKNOWN: 0, Source.SIMULATED: 1, Source.LIVE: 2}


def weakest(sources: Iterable[Source]) -> Source:
    """The weakest of the given sources; LIVE when there are none, for a judgement that rests on nothing observed."""
    return min(sources, key=_STRENGTH.__getitem__, default=Source.LIVE)


@dataclass(frozen=True)
class Reading(Generic[F]):
    """One observation of a fact.

    `value` is None exactly when `source` is UNKNOWN; `why` then says, in words for a person, what kept it from being
    seen, and `remedy` what would let it be seen. A missing credential is such a value, not an exception.
    """

    fact: type[F]
    value: F | None
    source: Source
    at: datetime | None = None
    why: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, value: F, source: Source = Source.LIVE, at: datetime | None = None) -> Reading[F]:
        """A reading that has a value."""
        return cls(type(value), value, source, at)

    @classmethod
    def unknown(cls, fact: type[F], why: str, at: datetime | None = None, remedy: str = "") -> Reading[F]:
        """A reading without a value, the reason, and what to do about it."""
        return cls(fact, None, Source.UNKNOWN, at, why, remedy)
