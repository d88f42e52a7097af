"""Progress of long work, as seen by the person who waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.model import Source


class Progress(Protocol):
    """Tells how far an action is. Calling it often is cheap."""

    source: Source

    def amount(self, done: float, total: float, unit: str = "bytes") -> None:
        """How much is done of how much."""
        ...

    def say(self, text: str) -> None:
        """What is happening now, as a short phrase."""
        ...


class ToldProgress:
    """Hands progress to whoever listens: `listener(text, done, total, unit)`."""

    source = Source.LIVE
    changed_by = "NOBODY"

    def __init__(self, listener: Callable[[str, float, float, str], None] | None = None) -> None:
        self._listener = listener or _nobody
        self._text = ""

    def for_action(self, listener: Callable[[str, float, float, str], None]) -> ToldProgress:
        """The progress of one action; the engine calls this before it hands the port to a performer."""
        return ToldProgress(listener)

    def amount(self, done: float, total: float, unit: str = "bytes") -> None:
        self._listener(self._text, done, total, unit)

    def say(self, text: str) -> None:
        self._text = text
        self._listener(text, 0, 0, "")


def _nobody(text: str, done: float, total: float, unit: str) -> None:
    """Nobody listens."""
