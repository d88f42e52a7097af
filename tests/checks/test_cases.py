"""One runner for all rules: facts in, findings out. Each folder is a rule, each file a case."""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.engine.wiring import needs_of
from pipeline.model import Finding, Reading

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*.yaml"))


def built(kind: Any, value: Any) -> Any:  # noqa: C901 - one line for each kind of annotation
    """A value of an annotated type from plain YAML."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if value is None or kind is Any or kind is object:
        return value
    if origin in (typing.Union, types.UnionType):
        choices = [choice for choice in inner if choice is not type(None)]
        return built(choices[0], value) if len(choices) == 1 else value
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(built(inner[0], item) for item in value)
        return tuple(built(each, item) for each, item in zip(inner, value, strict=True))
    if origin is frozenset:
        return frozenset(built(inner[0], item) for item in value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {built(inner[0], key): built(inner[1], item) for key, item in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return made(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[value] if value in kind.__members__ else kind(value)
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if kind is timedelta:
        return timedelta(seconds=value)
    if kind is bytes and isinstance(value, str):
        return value.encode()
    if kind is str and not isinstance(value, str):
        raise TypeError(f"{value!r} should be quoted: a text is expected")
    return value


def made(kind: type, told: Mapping[str, Any]) -> Any:
    """A dataclass from a mapping of its fields."""
    if not isinstance(told, Mapping):
        raise TypeError(f"{kind.__name__} is built from a mapping of its fields, not from {told!r}")
    hints = typing.get_type_hints(kind, localns={"Any": Any, "Mapping": Mapping, "datetime": datetime})
    unknown = set(told) - {f.name for f in dataclasses.fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} has no field {min(unknown)!r}")
    return kind(**{name: built(hints[name], value) for name, value in told.items()})


def findings_of(case: Mapping[str, Any]) -> tuple[str, list[Finding]]:
    module, _, name = case["check"].partition(":")
    check = getattr(importlib.import_module(module), name)
    facts = case.get("facts") or {}
    arguments: dict[str, Any] = {}
    for need in needs_of(check):
        told = facts.get(need.wanted.__name__)
        if need.reading:
            unknown = isinstance(told, Mapping) and set(told) == {"unknown"}
            arguments[need.name] = (
                Reading.unknown(need.wanted, told["unknown"]) if unknown else Reading.of(made(need.wanted, told or {}))
            )
        else:
            arguments[need.name] = made(need.wanted, told if told is not None else {})
    return check.check_mark.rule, [each for each in check(**arguments) or () if isinstance(each, Finding)]


def agrees(finding: Finding, wanted: Mapping[str, Any]) -> bool:
    place = finding.location
    seen = {
        "severity": str(finding.severity),
        "subject": finding.subject,
        "apple": finding.apple,
        "pending": finding.pending,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "rule": finding.rule,
    }
    for key, value in wanted.items():
        if key in ("summary", "remedy"):
            if value not in getattr(finding, key):
                return False
        elif seen[key] != value:
            return False
    return True


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    rule, found = findings_of(case)
    assert rule == path.parent.name, f"{case['check']} judges {rule}"
    wanted = list(case["findings"] or ())
    assert len(found) == len(wanted), f"expected {len(wanted)} findings, got {found}"
    left = list(found)
    for each in wanted:
        match = next((finding for finding in left if agrees(finding, each)), None)
        assert match is not None, f"nothing agrees with {each} in {left}"
        left.remove(match)
    for finding in found:
        assert finding.summary
        assert finding.summary[-1] not in ".!", "a summary is a phrase without a full stop"
        assert finding.remedy or str(finding.severity) in ("NOTE", "UNKNOWN"), "what to do next is missing"
