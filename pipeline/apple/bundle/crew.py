"""Several hands for a large product: unpacking and hashing wait for nothing, and run side by side on several cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from pipeline.apple.bundle.faults import Malformed

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

WORTH_IT = 4 * 1024 * 1024
"""Bytes from which on several hands are faster than one."""
MOST_HANDS = 4
_LOT_BYTES = 2 * 1024 * 1024
_LOT = 200


class Crew:
    """Use it as a context manager. A product of less than `WORTH_IT` bytes is read by the caller alone.

    Attributes:
        turn: held by whoever does what only one should do at a time.
    """

    def __init__(self, size: int | None) -> None:
        self.turn = threading.Lock()
        self._many = (size is None or size >= WORTH_IT) and (os.cpu_count() or 1) > 1
        self._pool: Executor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def _hands(self) -> Executor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(min(MOST_HANDS, os.cpu_count() or 1))
        return self._pool

    def begin(self, work: Callable[..., T], *given: object) -> Callable[[], T]:
        """Begin a piece of work; the answer waits for its end, and raises what it raised."""
        if self._many:
            return self._hands().submit(work, *given).result
        done = work(*given)
        return lambda: done

    def gather(self, work: Callable[[str], T], names: Sequence[str], sizes: Sequence[int]) -> list[T | Malformed]:
        """The results for all names, in their order; Malformed where that was raised.

        The largest come first, because the last one decides about the end; small ones are handed out in lots.
        """

        def done(name: str) -> T | Malformed:
            try:
                return work(name)
            except Malformed as fault:
                return fault

        if not self._many or sum(sizes) < WORTH_IT:
            return [done(name) for name in names]

        results: dict[int, T | Malformed] = {}

        def take(lot: list[int]) -> None:
            for number in lot:
                results[number] = done(names[number])

        for each in [self._hands().submit(take, lot) for lot in _lots(sizes)]:
            each.result()
        return [results[number] for number in range(len(names))]


def _lots(sizes: Sequence[int]) -> Iterator[list[int]]:
    lot: list[int] = []
    size = 0
    for number in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        lot.append(number)
        size += sizes[number]
        if size >= _LOT_BYTES or len(lot) >= _LOT:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
