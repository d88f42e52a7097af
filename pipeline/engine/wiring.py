"""Which probe observes a fact and which performer performs an action: found by the marks, asked for by annotation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from types import ModuleType
from typing import Any

from pipeline.model import Action, Exhibit, Lane, Reading, Scope, Stage
from pipeline.model.marks import CheckMark
from pipeline.ports.tenure import Tenure
from pipeline.values import dataclass


@dataclass(frozen=True)
class Need:
    """One parameter of a verb: the type it asks for, and whether it wants the reading instead of the value."""

    name: str
    wanted: Any
    reading: bool = False


@dataclass(frozen=True)
class Probe:
    """A way to observe one fact."""

    fact: type
    function: Callable[..., Any]
    needs: tuple[Need, ...]
    lasting: bool
    scope: Scope


@dataclass(frozen=True)
class Performer:
    """A way to perform one kind of action. `tenure` names the parameter that takes the right to do so, if it asks."""

    action: type[Action]
    function: Callable[..., Any]
    parameter: str
    needs: tuple[Need, ...]
    tenure: str = ""


@dataclass(frozen=True)
class Registry:
    """All verbs that touch the outside."""

    probes: Mapping[type, Probe] = field(default_factory=dict)
    performers: Mapping[type, Performer] = field(default_factory=dict)


class WiringError(TypeError):
    """A verb asks for something that nobody answers: a mistake in the code, found by a test."""


def needs_of(function: Callable[..., Any]) -> tuple[Need, ...]:
    """What a verb asks for, in order of its parameters."""
    needs = []
    for name, wanted in function.__annotations__.items():
        if name == "return":
            continue
        if isinstance(wanted, str):
            raise WiringError(f"{function.__module__}.{function.__name__}: annotations must be real objects")
        if getattr(wanted, "__origin__", None) is Reading:
            needs.append(Need(name, wanted.__args__[0], reading=True))
        else:
            needs.append(Need(name, wanted))
    return tuple(needs)


def registry_of(gateways: Iterable[ModuleType]) -> Registry:
    """Collect the marked functions of the gateways. Two probes for one fact are a WiringError."""
    probes: dict[type, Probe] = {}
    performers: dict[type, Performer] = {}
    for module in gateways:
        for function in vars(module).values():
            if getattr(function, "__module__", None) != module.__name__:
                continue
            if mark := getattr(function, "probe_mark", None):
                fact = _returned(function)
                if fact in probes:
                    raise WiringError(f"{fact.__name__} has two probes")
                probes[fact] = Probe(fact, function, needs_of(function), mark[0], Scope(mark[1]))
            elif getattr(function, "performer_mark", False):
                needs = needs_of(function)
                action = next(
                    need for need in needs if isinstance(need.wanted, type) and issubclass(need.wanted, Action)
                )
                if action.wanted in performers:
                    raise WiringError(f"{action.wanted.__name__} has two performers")
                others = tuple(need for need in needs if need is not action and need.wanted is not Tenure)
                tenure = next((need.name for need in needs if need.wanted is Tenure), "")
                performers[action.wanted] = Performer(action.wanted, function, action.name, others, tenure)
    return Registry(probes, performers)


def _returned(function: Callable[..., Any]) -> type:
    returned = function.__annotations__.get("return")
    for told in (returned, *getattr(returned, "__args__", ())):
        choice = told.__args__[0] if getattr(told, "__origin__", None) is Reading else told
        if isinstance(choice, type) and choice not in (type(None), Reading):
            return choice
    raise WiringError(f"{function.__module__}.{function.__name__}: a probe must name the fact it returns")


def checks_of(stage: Stage) -> tuple[Callable[..., Any], ...]:
    """The checks of a stage, modules opened, in order of definition."""
    found: list[Callable[..., Any]] = []
    for item in stage.checks:
        if isinstance(item, ModuleType):
            found.extend(
                value
                for value in vars(item).values()
                if hasattr(value, "check_mark") and getattr(value, "__module__", "").startswith(item.__name__)
            )
        else:
            found.append(item)
    return tuple(found)


def mark_of(check: Callable[..., Any]) -> CheckMark:
    """The identity of a check."""
    mark = getattr(check, "check_mark", None)
    if not isinstance(mark, CheckMark):
        raise WiringError(f"{check.__module__}.{check.__name__} is used as a check and has no @check mark")
    return mark


def verify_wiring(
    stages: Iterable[Stage], registry: Registry, ports: Iterable[type], givens: Iterable[type]
) -> list[str]:
    """What is asked for and answered by nobody; an empty list is what the test wants.

    Args:
        stages: the table.
        registry: the verbs of the gateways.
        ports: the port types a theatre offers.
        givens: the facts that the world supplies without a probe.
    """
    inspector = _Inspector(registry, frozenset(ports), frozenset(givens))
    names: set[str] = set()
    for stage in stages:
        for earlier in stage.after:
            if earlier not in names:
                inspector.wrong.append(f"{stage.name} comes after {earlier}, which is not before it")
        names.add(stage.name)
        inspector.stage(stage)
    for performer in registry.performers.values():
        inspector.needs(_named(performer.function), performer.needs, Scope.LANE, outside=True)
    return sorted(set(inspector.wrong))


def _named(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__name__}"


class _Inspector:
    def __init__(self, registry: Registry, ports: frozenset[type], givens: frozenset[type]) -> None:
        self._registry = registry
        self._ports = ports
        self._givens = givens
        self.wrong: list[str] = []

    def stage(self, stage: Stage) -> None:
        for check in (*checks_of(stage), *stage.proofs):
            mark_of(check)
            self.needs(_named(check), needs_of(check), stage.scope)
        for verb in (stage.plan, stage.needless, *stage.exhibits):
            if verb is not None:
                self.needs(_named(verb), needs_of(verb), stage.scope)
        self._exhibits(stage)

    def _exhibits(self, stage: Stage) -> None:
        names: set[str] = set()
        for function in stage.exhibits:
            if function.__annotations__.get("return") is not Exhibit:
                self.wrong.append(f"{_named(function)} is named as an exhibit and does not say that it returns one")
            if function.__name__ in names:
                self.wrong.append(f"{stage.name} names two exhibits {function.__name__}: one would replace the other")
            names.add(function.__name__)

    def needs(
        self, who: str, needs: Iterable[Need], scope: Scope, *, outside: bool = False, trail: tuple[type, ...] = ()
    ) -> None:
        """`outside` says whether the verb may touch a port; `trail` is the facts that led here."""
        for need in needs:
            if need.wanted is Lane:
                if scope is Scope.APP:
                    self.wrong.append(f"{who} is app-wide and asks for a lane")
            elif need.wanted in self._ports:
                if not outside:
                    self.wrong.append(f"{who} judges or proposes, and asks for the port {need.wanted.__name__}")
            elif need.wanted not in self._givens:
                self._fact(who, need.wanted, scope, trail)

    def _fact(self, who: str, fact: type, scope: Scope, trail: tuple[type, ...]) -> None:
        probe = self._registry.probes.get(fact)
        if probe is None:
            self.wrong.append(f"{who} asks for {getattr(fact, '__name__', fact)}, which no probe observes")
        elif fact in trail:
            self.wrong.append(f"{who}: {fact.__name__} is observed through itself")
        else:
            if scope is Scope.APP and probe.scope is Scope.LANE:
                self.wrong.append(f"{who} is app-wide and asks for {fact.__name__}, which belongs to a lane")
            self.needs(_named(probe.function), probe.needs, probe.scope, outside=True, trail=(*trail, fact))
