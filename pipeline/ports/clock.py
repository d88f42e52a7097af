"""Time: what hour it is, and how to wait."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipeline.model import Interrupted, Source


class Clock(Protocol):
    """The hour, and waiting. `deadline` is the hour by which the current stage must be done; retries inherit it."""

    source: Source
    deadline: datetime | None

    def now(self) -> datetime:
        """The hour, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class LiveClock:
    """The machine's clock. Waiting ends with Interrupted when the person asks to stop."""

    source = Source.LIVE
    changed_by = "NOBODY"

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.deadline: datetime | None = None
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if self._stop.wait(max(0.0, seconds)):
            raise Interrupted(
                "stopped while waiting", why="you asked to stop", remedy="`invoke resume` goes on waiting"
            )


class BriskClock:
    """The machine's clock, except that waiting moves the hands instead of taking time.

    A rehearsal gives each lane its own, so that one lane's long wait does not use up another lane's deadline.
    """

    source = Source.LIVE
    changed_by = "NOBODY"

    def __init__(self) -> None:
        self.deadline: datetime | None = None
        self._skipped = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += timedelta(seconds=max(0.0, seconds))
