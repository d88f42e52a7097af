"""Which probe observes a fact and which performer performs an action: found by the marks, asked for by annotation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pipeline.model import Action, Lane, Reading, Scope, Stage
from pipeline.model.marks import CheckMark


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
    """A way to perform one kind of action."""

    action: type[Action]
    function: Callable[..., Any]
    parameter: str
    needs: tuple[Need, ...]


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
                action = next(need for need in needs if isinstance(need.wanted, type) and issubclass(need.wanted, Action))
                if action.wanted in performers:
                    raise WiringError(f"{action.wanted.__name__} has two performers")
                others = tuple(need for need in needs if need is not action)
                performers[action.wanted] = Performer(action.wanted, function, action.name, others)
    return Registry(probes, performers)


def _returned(function: Callable[..., Any]) -> type:
    returned = function.__annotations__.get("return")
    for choice in (returned, *getattr(returned, "__args__", ())):
        if getattr(choice, "__origin__", None) is Reading:
            choice = choice.__args__[0]
        if isinstance(choice, type) and choice is not type(None):
            if choice is Reading:
                continue
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
    wrong: list[str] = []
    known_ports = {*ports, Lane}
    given = set(givens)
    names: set[str] = set()

    def look(who: str, needs: Iterable[Need], *, scope: Scope, may_use_ports: bool, trail: tuple[type, ...]) -> None:
        for need in needs:
            if need.wanted in given:
                continue
            if need.wanted in known_ports:
                if need.wanted is Lane and scope is Scope.APP:
                    wrong.append(f"{who} is app-wide and asks for a lane")
                elif not may_use_ports and need.wanted is not Lane:
                    wrong.append(f"{who} judges or proposes, and asks for the port {need.wanted.__name__}")
                continue
            probe = registry.probes.get(need.wanted)
            if probe is None:
                wrong.append(f"{who} asks for {getattr(need.wanted, '__name__', need.wanted)}, which no probe observes")
            elif probe.fact in trail:
                wrong.append(f"{who}: {probe.fact.__name__} is observed through itself")
            else:
                if scope is Scope.APP and probe.scope is Scope.LANE:
                    wrong.append(f"{who} is app-wide and asks for {probe.fact.__name__}, which belongs to a lane")
                look(
                    f"{probe.function.__module__}.{probe.function.__name__}",
                    probe.needs,
                    scope=probe.scope,
                    may_use_ports=True,
                    trail=(*trail, probe.fact),
                )

    for stage in stages:
        wrong.extend(f"{stage.name} comes after {earlier}, which is not before it" for earlier in stage.after if earlier not in names)
        names.add(stage.name)
        for check in (*checks_of(stage), *stage.proofs):
            mark_of(check)
            look(f"{check.__module__}.{check.__name__}", needs_of(check), scope=stage.scope, may_use_ports=False, trail=())
        for verb in (stage.plan, stage.needless):
            if verb is not None:
                who = f"{verb.__module__}.{verb.__name__}"
                look(who, needs_of(verb), scope=stage.scope, may_use_ports=False, trail=())
    for performer in registry.performers.values():
        look(
            f"{performer.function.__module__}.{performer.function.__name__}",
            performer.needs,
            scope=Scope.LANE,
            may_use_ports=True,
            trail=(),
        )
    return sorted(set(wrong))
