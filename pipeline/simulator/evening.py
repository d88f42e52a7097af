"""An evening at the theatre: from one name or file, what Apple's services do and what is wrong with the Mac."""

from __future__ import annotations

from dataclasses import fields
from enum import EnumType
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import regular
from pipeline.simulator import faults
from pipeline.simulator.faults import ScenarioFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.simulator.machine.scenario import Scenario as MachineScenario

FOLDER = Path(__file__).parent / "scenarios"


def evening(name: str) -> tuple[faults.Scenario, MachineScenario]:
    """The scenarios that a name or a YAML file stands for; the key `machine` holds what is wrong with the Mac.

    Raises:
        ScenarioFault: there is no such scenario, or it says something that is not understood.
    """
    from pipeline.simulator.machine.scenario import Scenario as MachineScenario

    if not name:
        return faults.Scenario(), MachineScenario()
    path = Path(name).expanduser() if "/" in name or name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if path.parent == FOLDER and not path.is_file():
        from difflib import get_close_matches

        close = get_close_matches(name, listed(), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(listed())}"
        raise ScenarioFault(f"there is no scenario {name!r}; {hint}")
    told = _mapping(path)
    machine = _machine(told.pop("machine", {}), path)
    told.setdefault("name", path.stem)
    try:
        return faults.Scenario.load(told), machine
    except ScenarioFault as fault:
        raise ScenarioFault(f"{path}: {fault}") from fault


def listed() -> list[str]:
    """The names of the scenarios that come with the simulator."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _mapping(path: Path) -> dict[str, Any]:
    import yaml

    try:
        told = yaml.safe_load(regular.read(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as fault:
        raise ScenarioFault(f"{path} cannot be read as YAML: {fault}") from fault
    if not isinstance(told, dict):
        raise ScenarioFault(f"{path} does not hold a mapping")
    return told


def _machine(told: Mapping[str, Any], path: Path) -> MachineScenario:
    from pipeline.simulator.machine.scenario import Scenario as MachineScenario
    from pipeline.simulator.machine.scenario import Standing

    if not isinstance(told, dict):
        raise ScenarioFault(f"{path}: machine must be a mapping")
    known = {f.name: f for f in fields(MachineScenario)}
    made: dict[str, Any] = {}
    for key, value in told.items():
        if key not in known:
            raise ScenarioFault(f"{path}: machine has an unknown key {key!r}; there are {', '.join(known)}")
        default = known[key].default
        if isinstance(type(default), EnumType):
            if value not in Standing.__members__:
                raise ScenarioFault(f"{path}: machine.{key} must be one of {', '.join(Standing.__members__)}")
            made[key] = Standing[value]
        elif isinstance(value, type(default)):
            made[key] = value
        elif isinstance(default, tuple) and isinstance(value, list):
            made[key] = tuple(str(item) for item in value)
        else:
            raise ScenarioFault(f"{path}: machine.{key} must be a {type(default).__name__}")
    return MachineScenario(**made)
