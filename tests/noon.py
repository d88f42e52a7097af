"""One clock for all tests of signing material: it is noon, and only waiting moves the hands."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.ports.clock import BriskClock

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""The day after the tests' certificates were made."""


class NoonClock(BriskClock):
    """It is noon when it is made."""

    def now(self) -> datetime:
        return NOON + self._skipped
