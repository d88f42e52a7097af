"""Reading `config/pipeline.yaml`: every mistake is named with its line, and the nearest right word with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.configuration.settings import (
    AppSettings,
    LaneSettings,
    PolicySettings,
    ServiceSettings,
    Settings,
    SigningSettings,
    Waiver,
)
from pipeline.model import BuildPolicy, Platform, Severity, UsageFault
from pipeline.regular import opened

if TYPE_CHECKING:
    from datetime import date

    from yaml.nodes import Node

SIZE_LIMIT = 1_000_000
DEPTH_LIMIT = 12
WORD_LIMIT = 80
"""How much of a mistyped word is compared: likeness costs time with the square of the length."""

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

    by_sound = {each.lower(): each for each in sorted(map(str, words))}
    close = get_close_matches(word[:WORD_LIMIT].lower(), by_sound, 1, 0.6)
    return f"did you mean {by_sound[close[0]]!r}?" if close else f"known are: {', '.join(by_sound.values())}"


def read_settings(path: Path, rules: Callable[[], Collection[str]] | None = None) -> Settings:
    """Read a configuration file.

    Args:
        path: the file.
        rules: gives the rules that a policy may name; asked only where one is named. Without it any name will do.

    Raises:
        ConfigurationFault: it is missing, unreadable, not YAML, or holds an unknown key or a value of the wrong kind.
    """
    try:
        with opened(path) as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as fault:
        absent = isinstance(fault, FileNotFoundError)
        raise ConfigurationFault(
            f"{path} cannot be read",
            why=(fault.strerror if isinstance(fault, OSError) else None) or str(fault),
            remedy="check the path, or let `init` write one" if absent else "name a readable file with --config",
        ) from fault
    if len(data) > SIZE_LIMIT:
        raise ConfigurationFault(
            f"{path} is larger than {SIZE_LIMIT:,} bytes", remedy="name the right file with --config"
        )
    place = _Place(path)
    node = _composed(place, data)
    told = _fields(place, node, _FILE)
    if rules is not None:
        _rules_exist(place, node, rules)
    folder = path.resolve().parent
    base = folder.parent if folder.name == "config" else folder
    apps = {name: _rooted(replace(app, name=name), base) for name, app in told.get("apps", {}).items()}
    signing = told.get("signing", SigningSettings())
    return Settings(
        str(path),
        apps,
        told.get("policy", PolicySettings()),
        told.get("services", ServiceSettings()),
        replace(signing, vault=_vault_at(base, signing.vault)),
    )


def _vault_at(base: Path, told: str) -> str:
    """A folder's path is relative to the one that holds config/; the address of a repository stays as it is."""
    return told if not told or is_address(told) else _at(base, told)


def is_address(told: str) -> bool:
    """Whether a vault's place is the address of a repository, as git writes them, and no path."""
    return "://" in told or re.match(r"[\w.-]+@[\w.-]+:", told) is not None


def _rooted(app: AppSettings, base: Path) -> AppSettings:
    return replace(app, path=_at(base, app.path or "."), schema=_at(base, app.schema) if app.schema else "")


def _at(base: Path, path: str) -> str:
    full = base / os.path.expanduser(path)  # noqa: PTH111 - for Path, ./~ is somebody's home
    try:
        return str(full.resolve())
    except (OSError, RuntimeError):
        # A loop of links: whoever opens it says so.
        return str(full)


def _composed(place: _Place, data: bytes) -> Node | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _shallow(place, yaml.parse(data, Loader=loader))
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


def _shallow(place: _Place, events: Iterable[Any]) -> None:
    """Nodes are composed by recursion, in C without any limit: what is nested deeper than its stack is stopped here."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > DEPTH_LIMIT:
            raise _Place(place.path, (), event.start_mark.line + 1).fault(
                "nested too deeply", why=f"nothing here has more than {DEPTH_LIMIT} levels", remedy="mend that line"
            )


def _rules_exist(place: _Place, node: Any, rules: Callable[[], Collection[str]]) -> None:
    """Whether each rule that the policy names exists: a waiver of a mistyped one would never waive anything."""
    policy = next((value for key, _, value in _pairs(place, node) if key == "policy"), None)
    named: list[tuple[_Place, str]] = []
    for key, line, value in _pairs(place, policy):
        inner = place.into("policy", line).into(key, line)
        if key == "severity":
            named += [(inner.into(rule, at), rule) for rule, at, _ in _pairs(inner, value)]
        for waiver in value.value if key == "waivers" else ():
            named += [(inner.into(k, at), _text(inner, rule)) for k, at, rule in _pairs(inner, waiver) if k == "rule"]
    known = rules() if named else ()
    for where, rule in named:
        if rule not in known:
            raise where.fault(f"there is no rule {rule!r}", remedy=_nearest_rule(rule, known))


def _nearest_rule(rule: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(rule[:WORD_LIMIT].upper(), sorted(known), 3, 0.6)
    return f"did you mean {', '.join(close)}?" if close else "each report names the rule of every finding"


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
    pairs: list[tuple[str, int, Any]] = []
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise _Place(place.path, place.trail, line).fault(
                "a key must be a plain word", why=f"this is a {_KINDS[key.id]}", remedy="write `key: value`"
            )
        if not key.value.strip() or not key.value.isprintable():
            raise _Place(place.path, place.trail, line).fault(
                f"{key.value!r} is no name", why="it is empty or holds invisible characters", remedy="name it in words"
            )
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
        raise place.fault(
            "a single value is expected here", why=f"this is a {_KINDS[node.id]}", remedy="write `key: value`"
        )
    if "\0" in node.value:
        raise place.fault("the value holds a NUL character", remedy="write it without")
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


def _days(place: _Place, node: Any) -> int:
    text = _text(place, node)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000):
        raise place.fault(f"{text!r} is no number of days", remedy="write a whole number, such as 30")
    return int(text)


def _system(place: _Place, node: Any) -> tuple[int, ...]:
    """A version such as 15 or 15.0, as numbers. Nothing, for no line."""
    text = _text(place, node)
    if text and not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", text):
        raise place.fault(f"{text!r} is no version of a system", remedy="write it as 15.0")
    return tuple(map(int, text.split("."))) if text else ()


def _amount(place: _Place, node: Any) -> int:
    text = _text(place, node)
    if not (text.isascii() and text.isdigit() and len(text) < _LONGEST_AMOUNT):
        raise place.fault(f"{text!r} is no number", remedy="write a whole number; 0 draws no line")
    return int(text)


_LONGEST_AMOUNT = 8


def _recipient(place: _Place, node: Any) -> str:
    text = _text(place, node)
    if text.upper().startswith("AGE-SECRET-KEY-"):
        # The key itself is not repeated: errors are logged.
        raise place.fault(
            "this is a private key",
            why="a recipient is named by the public key; this file is read by everybody",
            remedy="write the public key (age1…) and make a new pair: this one has been written down",
        )
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{20,4000}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]{20,4000}( .*)?", text):
        raise place.fault("this is no public key of age", remedy="write age1… or an ssh-ed25519 or ssh-rsa public key")
    return text


def _address(place: _Place, node: Any) -> str:
    from urllib.parse import urlsplit

    text = _text(place, node)
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("https", "http") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        whole = False
    if text and not whole:
        raise place.fault(f"{text!r} is not an address", remedy="write it as http://127.0.0.1:8787")
    return text


def _named(reader: Reader, words: tuple[str, ...] = ()) -> Reader:
    """A mapping from names, of which only `words` are known if there are any."""

    def read(place: _Place, node: Any) -> dict[str, Any]:
        for key, line, _ in _pairs(place, node) if words else ():
            if key not in words:
                raise _Place(place.path, place.trail, line).fault(f"unknown key {key!r}", remedy=nearest(key, words))
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
        raise place.fault("a list is expected here", why=f"this is a {_KINDS[node.id]}", remedy="write `- item` lines")
    read = _made(Waiver, {"rule": _text, "reason": _text, "until": _day, "subject": _text, "path": _text})
    lines = [item.start_mark.line + 1 for item in node.value]
    return tuple(
        replace(read(place.into(str(index), line), item), line=line)
        for index, (line, item) in enumerate(zip(lines, node.value, strict=True))
    )


LANES = tuple(platform.replace("_", "").lower() for platform in Platform)
"""What lanes are called: ios, macos, …"""

_LANE: Mapping[str, Reader] = {
    "project": _text,
    "workspace": _text,
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
    "lanes": _named(_made(LaneSettings, _LANE), LANES),
}
_THRESHOLDS: Mapping[str, Reader] = {
    "oldest_ios": _system,
    "oldest_macos": _system,
    "oldest_tvos": _system,
    "oldest_visionos": _system,
    "newest_macos": _system,
    "largest_app": _amount,
    "most_frameworks": _amount,
}
_POLICY: Mapping[str, Reader] = {
    "severity": _named(_one_of(*Severity)),
    "waivers": _waivers,
    "approval": _one_of("always", "never"),
    "thresholds": _made(BuildPolicy, _THRESHOLDS),
}
_FILE: Mapping[str, Reader] = {
    "apps": _named(_made(AppSettings, _APP)),
    "policy": _made(PolicySettings, _POLICY),
    "signing": _made(SigningSettings, {"expires_within": _days, "vault": _text, "recipients": _named(_recipient)}),
    "services": _made(ServiceSettings, {"connect": _address, "cloudkit": _address}),
}
