"""What a person asks for, as plain values that are kept with the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pipeline.model import UsageFault
from pipeline.values import dataclass


@dataclass(frozen=True)
class Wishes:
    """What a person asked for, as plain values: kept with the run, so that a resume asks for the same."""

    app: str = ""
    config: str = ""
    theatre: str = ""
    table: str = "release"
    lanes: tuple[str, ...] = ()
    project: str = ""
    configuration: str = ""
    ipa: str = ""
    pkg: str = ""
    archive: tuple[str, ...] = ()
    scenario: str = ""
    approved: str = ""
    until: str = ""
    verbose: bool = False
    file: tuple[str, ...] = ()
    vault: str = ""
    within: str = ""
    kind: tuple[str, ...] = ()
    revoke: bool = False
    key: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    artifact: tuple[str, ...] = ()

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> Wishes:
        """The inverse of `asdict`; keys of a newer version are passed over.

        Raises:
            UsageFault: a wish is not what it should be: the file was changed by hand.
        """
        plain = cls()
        wished: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            value, usual = told.get(name, ""), getattr(plain, name)
            if isinstance(usual, tuple):
                value = tuple(value) if isinstance(value, (list, tuple)) else value
                fits = not value or (isinstance(value, tuple) and all(isinstance(each, str) for each in value))
            else:
                fits = name not in told or isinstance(value, type(usual))
            if not fits:
                raise _changed_by_hand(f"{name} is {value!r:.60}")
            wished[name] = value or usual
        if wished["table"] not in _tables():
            raise _changed_by_hand(f"there is no table {wished['table']!r:.60}")
        if wished["theatre"] not in THEATRES:
            raise _changed_by_hand(f"there is no theatre {wished['theatre']!r:.60}")
        return cls(**wished)


APPLESS = frozenset({"holdings", "install", "uninstall", "sync", "diff"})
"""Tables about what is named, or about signing material alone: they need no app."""

READING = frozenset({"build", "bundle", "settings", "diff"})
"""Tables that judge or show files, and ask neither Apple nor Xcode."""

LOCAL = APPLESS | READING | {"archive", "export"}
"""Tables that change nothing at Apple, so that nobody has to approve what they do."""

THEATRES = ("live", "rehearsal", "shadow")
"""What a run that has begun was played in."""


def _tables() -> Collection[str]:
    from pipeline.stages import NAMES

    return NAMES


def _changed_by_hand(why: str) -> UsageFault:
    return UsageFault(
        "what was asked of this run is not readable",
        why=f"in its wishes.json {why}",
        remedy="restore that file from a copy, or start a new run",
    )
