"""Patience with what was created a moment ago: App Store Connect may not know it everywhere yet."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from pipeline.apple.connect.client import ConnectFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports.clock import Clock

T = TypeVar("T")


def once_known(ask: Callable[[], T], clock: Clock, waits: tuple[float, ...]) -> T:
    """The answer, asked for again after each of these seconds while it is that there is no such thing.

    Only for what the same run has just created or seen: anywhere else "not found" is an answer. Never waits beyond the
    stage's deadline.

    Raises:
        ConnectFault: it is still not known, or anything else is wrong.

    """
    for seconds in waits:
        try:
            return ask()
        except ConnectFault as fault:
            unknown = fault.status == 404 or fault.says("ENTITY_ERROR.RELATIONSHIP.INVALID")
            late = clock.deadline is not None and clock.now() + timedelta(seconds=seconds) > clock.deadline
            if late or not unknown:
                raise
            clock.sleep(seconds)
    return ask()
