"""Mutations as values: what can be done, what was promised, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.model.readings import Source
from pipeline.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime


class Risk(StrEnum):
    """REVERSIBLE leaves nothing behind; GUARDED can be undone by a person; IRREVERSIBLE cannot."""

    REVERSIBLE = "REVERSIBLE"
    GUARDED = "GUARDED"
    IRREVERSIBLE = "IRREVERSIBLE"


class Outcome(StrEnum):
    """What came of an action. UNCERTAIN: it may have taken effect; observe again before doing anything."""

    DONE = "DONE"
    ALREADY = "ALREADY"
    FAILED = "FAILED"
    UNCERTAIN = "UNCERTAIN"


def late(default: Any = "") -> Any:
    """A field whose value is only known when the time comes: it is left out of the promise that a person approves."""
    return field(default=default, metadata={"late": True})


def digest(value: object) -> str:
    """SHA-256, in lower-case hex, of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


@dataclass(frozen=True)
class Action:
    """A mutation as a value. Subclasses are frozen dataclasses with a `risk`, a `subject` and a `describe`."""

    risk: ClassVar[Risk] = Risk.GUARDED

    @property
    def subject(self) -> str:
        """What it changes; the name of the lease that is taken while it is performed."""
        raise NotImplementedError

    def describe(self) -> str:
        """What it does, as a phrase: "upload build 2.5.0 (250) for iOS"."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Digest of all fields: the journal resumes by it."""
        return digest([type(self).__name__, {f.name: getattr(self, f.name) for f in fields(self)}])

    @property
    def wider(self) -> tuple[str, ...]:
        """Promises of actions that say less, and so permit this one too: the same, whatever the artifact."""
        return ()

    @property
    def promise(self) -> str:
        """Digest of the fields that are not late: an approval is compared with it."""
        held = {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata.get("late")}
        return digest([type(self).__name__, held])


@dataclass(frozen=True)
class Receipt:
    """What came of one action. `action` is its key; `result` holds plain JSON values and never a secret."""

    action: str
    outcome: Outcome
    source: Source
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True)
class Promise:
    """One line of a plan: an action as it was proposed, without the fields that are only known later."""

    stage: str
    lane: str
    describe: str
    risk: Risk
    promise: str


@dataclass(frozen=True)
class Plan:
    """What a rehearsal proposed. A plan with `complete` False can be read and never approved."""

    run: str
    app: str
    theatre: str
    promises: tuple[Promise, ...]
    complete: bool

    @property
    def digest(self) -> str:
        """What a person approves: changes with anything that a person reads of it, not with the run or the hour."""
        lines = sorted((p.stage, p.lane, p.promise, p.describe, str(p.risk)) for p in self.promises)
        return digest([self.app, self.complete, lines])
