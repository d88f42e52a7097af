"""Observing: one reading per fact and lane, taken when first asked for, forgotten when the world has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.engine.wiring import Need, Registry
from pipeline.model import Interrupted, Lane, PipelineError, Reading, Scope, Source, weakest

if TYPE_CHECKING:
    from datetime import datetime

Ports = Callable[[Lane | None], Mapping[type, Any]]
Key = tuple[type, str]


class Observer:
    """Answers what verbs ask for.

    Attributes:
        faults: errors that kept facts from being seen, by fact and lane name.
    """

    def __init__(
        self,
        registry: Registry,
        ports: Ports,
        givens: Callable[[Lane | None], Mapping[type, Any]],
        now: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._ports = ports
        self._givens = givens
        self._now = now
        self._memory: dict[Key, Reading[Any]] = {}
        self._rests_on: dict[Key, frozenset[type]] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._master = threading.Lock()
        self.faults: dict[Key, PipelineError] = {}

    def reading(self, fact: type, lane: Lane | None) -> Reading[Any]:
        """The reading of one fact, taken now if it is not remembered."""
        given = self._givens(lane)
        if fact in given:
            return Reading(fact, given[fact], Source.LIVE)
        if fact is Lane:
            return Reading(Lane, lane, Source.LIVE)
        probe = self._registry.probes.get(fact)
        if probe is None:
            return Reading.unknown(fact, f"nothing observes {fact.__name__}", self._now())
        where = None if probe.scope is Scope.APP else lane
        key = (fact, where.name if where else "")
        with self._master:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._memory.get(key)
            if known is None:
                known = self._look(fact, where, key)
                self._rests_on[key] = self._ports_of(fact, where)
                self._memory[key] = known
            return known

    def _ports_of(self, fact: type, lane: Lane | None) -> frozenset[type]:
        """The ports that a fact rests on, its own and those of the facts it was made from."""
        offered, found = self._ports(lane), set[type]()
        for need in self._registry.probes[fact].needs:
            if need.wanted in offered:
                found.add(need.wanted)
            elif need.wanted in self._registry.probes:
                scope = self._registry.probes[need.wanted].scope
                found |= self._rests_on.get((need.wanted, "" if scope is Scope.APP or not lane else lane.name), set())
        return frozenset(found)

    def _look(self, fact: type, lane: Lane | None, key: Key) -> Reading[Any]:
        probe = self._registry.probes[fact]
        self.faults.pop(key, None)
        try:
            arguments, source, missing = self.arguments(probe.needs, lane)
            if missing is not None:
                return Reading.unknown(fact, missing.why, self._now(), missing.remedy)
            seen = probe.function(**arguments)
        except Interrupted:
            raise
        except PipelineError as fault:
            self.faults[key] = fault
            return Reading.unknown(fact, str(fault), self._now(), fault.remedy)
        if isinstance(seen, Reading):
            of_facts = weakest(
                self.reading(need.wanted, lane).source for need in probe.needs if need.wanted in self._registry.probes
            )
            if seen.source is Source.UNKNOWN:
                return Reading.unknown(fact, seen.why, self._now(), seen.remedy)
            return Reading(fact, seen.value, weakest((seen.source, of_facts)), self._now(), seen.why)
        return Reading(fact, seen, source, self._now())

    def arguments(
        self, needs: tuple[Need, ...], lane: Lane | None
    ) -> tuple[dict[str, Any], Source, Reading[Any] | None]:
        """What a verb asked for: arguments by name, the weakest source of them, and the first reading without value."""
        ports = self._ports(lane)
        arguments: dict[str, Any] = {}
        sources: list[Source] = []
        missing: Reading[Any] | None = None
        for need in needs:
            if need.wanted in ports:
                port = ports[need.wanted]
                arguments[need.name] = port
                sources.append(port.source)
                continue
            reading = self.reading(need.wanted, lane)
            if need.reading:
                arguments[need.name] = reading
                if reading.source is not Source.UNKNOWN:
                    sources.append(reading.source)
            elif reading.source is Source.UNKNOWN:
                missing = missing or reading
            else:
                arguments[need.name] = reading.value
                sources.append(reading.source)
        return arguments, weakest(sources), missing

    def forget(self, lane: Lane | None, touched: Iterable[type] = ()) -> None:
        """Drop what may have changed, of this lane and of the app.

        A lasting fact stays. Of the others, those go that rest on a port behind which others may change things (a
        service, a tool), or on a port that was `touched` by an action and that we change. So an artifact of two
        gigabytes is not read again for every question that is put to Apple.
        """
        names, after = {"", lane.name if lane else ""}, set(touched)
        moved = {
            kind
            for kind, port in self._ports(lane).items()
            if (who := getattr(port, "changed_by", "OTHERS")) == "OTHERS" or (who == "US" and kind in after)
        }
        with self._master:
            for key in list(self._memory):
                if key[1] in names and not self._registry.probes[key[0]].lasting and self._rests_on[key] & moved:
                    del self._memory[key]

    def remembered(self) -> list[tuple[str, str, Reading[Any]]]:
        """All readings that are remembered now: fact name, lane name, reading."""
        with self._master:
            return [(fact.__name__, lane, reading) for (fact, lane), reading in self._memory.items()]
