"""Reading `config/pipeline.yaml`: every mistake is named with its line, and the nearest right word with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.configuration.settings import (
    AppSettings,
    LaneSettings,
    PolicySettings,
    ServiceSettings,
    Settings,
    Waiver,
)
from pipeline.model import Platform, Severity, UsageFault

if TYPE_CHECKING:
    from datetime import date

    from yaml.nodes import Node

SIZE_LIMIT = 1_000_000
DEPTH_LIMIT = 12

Reader = Callable[["_Place", Any], Any]


class ConfigurationFault(UsageFault):
    """A configuration file says something that cannot be meant."""


class _Place:
    """Where in the file we are, for the error that may have to be told."""

    def __init__(self, path: Path, trail: tuple[str, ...] = (), line: int = 1) -> None:
        self.path, self.trail, self.line = path, trail, line

    def into(self, key: str, line: int) -> _Place:
        return _Place(self.path, (*self.trail, key), line)

    def fault(self, what: str, *, why: str = "", remedy: str = "") -> ConfigurationFault:
        where = ".".join(self.trail)
        return ConfigurationFault(
            f"{self.path}:{self.line}: {where + ': ' if where else ''}{what}", why=why, remedy=remedy
        )


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a mistyped word: what it may have meant, or the list of the right ones."""
    from difflib import get_close_matches

    known = sorted(words)
    close = get_close_matches(word, known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def read_settings(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        ConfigurationFault: it is missing, unreadable, not YAML, or holds an unknown key or a value of the wrong kind.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as fault:
        raise ConfigurationFault(
            f"{path} cannot be read", why=fault.strerror or str(fault), remedy="`invoke init` writes one"
        ) from fault
    if len(data) > SIZE_LIMIT:
        raise ConfigurationFault(
            f"{path} is larger than {SIZE_LIMIT:,} bytes", remedy="name the right file with --config"
        )
    place = _Place(path)
    told = _fields(place, _composed(place, data), _FILE)
    folder = path.resolve().parent
    base = folder.parent if folder.name == "config" else folder
    apps = {name: _rooted(replace(app, name=name), base) for name, app in told.get("apps", {}).items()}
    return Settings(str(path), apps, told.get("policy", PolicySettings()), told.get("services", ServiceSettings()))


def _rooted(app: AppSettings, base: Path) -> AppSettings:
    root = (base / (app.path or ".")).resolve()
    schema = str((base / app.schema).resolve()) if app.schema else ""
    return replace(app, path=str(root), schema=schema)


def _composed(place: _Place, data: bytes) -> Node | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node: Node | None = yaml.compose(data, Loader=loader)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(fault, "problem", None) or str(fault)
        raise _Place(place.path, (), line).fault(
            "this is not YAML", why=str(problem), remedy="mend that line"
        ) from fault
    except (UnicodeDecodeError, RecursionError, ValueError) as fault:
        raise place.fault("this is not readable YAML", why=type(fault).__name__) from fault
    return node


def _fields(place: _Place, node: Node | None, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """A mapping with known keys."""
    told: dict[str, Any] = {}
    for key, line, value in _pairs(place, node):
        inner = place.into(key, line)
        if key not in readers:
            raise _Place(place.path, place.trail, line).fault(f"unknown key {key!r}", remedy=nearest(key, readers))
        told[key] = readers[key](inner, value)
    return told


def _pairs(place: _Place, node: Any) -> list[tuple[str, int, Any]]:
    if node is None or (node.id == "scalar" and node.value in ("", "~", "null")):
        return []
    if node.id != "mapping":
        raise place.fault(
            "a mapping is expected here", why=f"this is a {_KINDS[node.id]}", remedy="write `key: value` lines"
        )
    if len(place.trail) > DEPTH_LIMIT:
        raise place.fault("nested too deeply")
    pairs: list[tuple[str, int, Any]] = []
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise _Place(place.path, place.trail, line).fault("a key must be a plain word")
        if key.value in seen:
            raise _Place(place.path, place.trail, line).fault(
                f"the key {key.value!r} stands here twice", remedy="keep one of the two"
            )
        seen.add(key.value)
        pairs.append((key.value, line, value))
    return pairs


_KINDS = {"scalar": "single value", "sequence": "list", "mapping": "mapping"}


def _text(place: _Place, node: Any) -> str:
    if node.id != "scalar":
        raise place.fault("a single value is expected here", why=f"this is a {_KINDS[node.id]}")
    return "" if node.tag.endswith(":null") else str(node.value)


def _texts(place: _Place, node: Any) -> tuple[str, ...]:
    if node.id == "scalar":
        text = _text(place, node)
        return (text,) if text else ()
    if node.id != "sequence":
        raise place.fault("a list is expected here", why=f"this is a {_KINDS[node.id]}", remedy="write `- item` lines")
    return tuple(_text(place.into(str(index), item.start_mark.line + 1), item) for index, item in enumerate(node.value))


def _one_of(*words: str) -> Reader:
    def read(place: _Place, node: Any) -> str:
        text = _text(place, node)
        if text not in words:
            raise place.fault(f"{text!r} is not a choice here", remedy=nearest(text, words))
        return text

    return read


def _many_of(*words: str) -> Reader:
    one = _one_of(*words)

    def read(place: _Place, node: Any) -> tuple[str, ...]:
        items = node.value if node.id == "sequence" else [node]
        return tuple(one(place.into(str(index), item.start_mark.line + 1), item) for index, item in enumerate(items))

    return read


def _day(place: _Place, node: Any) -> date:
    from datetime import date

    text = _text(place, node)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise place.fault(f"{text!r} is not a day", remedy="write it as 2026-12-31") from None


def _named(reader: Reader) -> Reader:
    def read(place: _Place, node: Any) -> dict[str, Any]:
        return {key: reader(place.into(key, line), value) for key, line, value in _pairs(place, node)}

    return read


def _made(kind: type, readers: Mapping[str, Reader]) -> Reader:
    def read(place: _Place, node: Any) -> Any:
        told = _fields(place, node, readers)
        missing = [f.name for f in fields(kind) if f.name in readers and _required(f) and f.name not in told]
        if missing:
            raise place.fault(
                f"{missing[0]!r} is missing", remedy=f"a {kind.__name__.lower()} needs {', '.join(missing)}"
            )
        return kind(**told)

    return read


def _required(field: Any) -> bool:
    from dataclasses import MISSING

    return field.default is MISSING and field.default_factory is MISSING


def _waivers(place: _Place, node: Any) -> tuple[Waiver, ...]:
    if node.id != "sequence":
        raise place.fault("a list is expected here", why=f"this is a {_KINDS[node.id]}")
    read = _made(Waiver, {"rule": _text, "reason": _text, "until": _day, "subject": _text, "path": _text})
    return tuple(read(place.into(str(index), item.start_mark.line + 1), item) for index, item in enumerate(node.value))


_LANE: Mapping[str, Reader] = {
    "project": _text,
    "target": _text,
    "scheme": _text,
    "configuration": _text,
    "bundle_id": _text,
    "version": _text,
    "build": _text,
}
_APP: Mapping[str, Reader] = {
    "path": _text,
    "bundle_id": _text,
    "team_id": _text,
    "version": _text,
    "build": _text,
    "containers": _texts,
    "schema": _text,
    "tag": _text,
    "groups": _texts,
    "platforms": _many_of(*Platform),
    "lanes": _named(_made(LaneSettings, _LANE)),
}
_POLICY: Mapping[str, Reader] = {
    "severity": _named(_one_of(*Severity)),
    "waivers": _waivers,
    "approval": _one_of("always", "never"),
}
_FILE: Mapping[str, Reader] = {
    "apps": _named(_made(AppSettings, _APP)),
    "policy": _made(PolicySettings, _POLICY),
    "services": _made(ServiceSettings, {"connect": _text, "cloudkit": _text}),
}
