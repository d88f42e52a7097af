"""Lazy properties of two objects, each under a lock of its own, never wait for one another."""

from __future__ import annotations

from threading import Event, RLock, Thread

from pipeline.lazily import cached_property


class Sight:
    def __init__(self, computing: Event, asked: Event, lock: RLock) -> None:
        self.computing, self.asked, self.lock = computing, asked, lock
        self.times = 0

    @cached_property
    def project(self) -> int:
        """What takes the lock of a workspace."""
        self.times += 1
        self.computing.set()
        self.asked.wait(5)
        with self.lock:
            return self.times


def test_two_of_a_class_do_not_wait_for_each_other() -> None:
    computing, asked, lock = Event(), Event(), RLock()
    slow, other = Sight(computing, asked, lock), Sight(Event(), asked, lock)
    first = Thread(target=lambda: slow.project, daemon=True)
    with lock:
        first.start()
        assert computing.wait(5)
        asked.set()
        # Under the shared lock of functools this waited for the first, which waits for our lock.
        second = Thread(target=lambda: other.project, daemon=True)
        second.start()
        assert other.computing.wait(5)
    first.join(5)
    second.join(5)
    assert not first.is_alive()
    assert not second.is_alive()


def test_it_is_computed_once() -> None:
    done = Event()
    done.set()
    one = Sight(Event(), done, RLock())
    assert (one.project, one.project, one.times) == (1, 1, 1)
    assert isinstance(Sight.project, cached_property)
