"""What a stage shows besides findings: tables of what was seen, in words, for every report format."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from pipeline.values import dataclass


class Tone(StrEnum):
    """How a cell is meant. Formats without colour leave it out, so the text must say the same."""

    PLAIN = "PLAIN"
    GOOD = "GOOD"
    CAUTION = "CAUTION"
    BAD = "BAD"
    QUIET = "QUIET"


@dataclass(frozen=True)
class Cell:
    """One value of a row, as a person reads it. `value` is what a program reads, where that differs (JSON)."""

    text: str = ""
    tone: Tone = Tone.PLAIN
    value: str | float | bool | None = None


@dataclass(frozen=True)
class Column:
    """A column: its heading, and what becomes of it where the page is narrow.

    Attributes:
        title: the heading; its lower-case form with underscores is the key in JSON.
        right: numbers are set to the right.
        wraps: its text may be broken over lines; the other columns keep theirs whole as long as they can.
        spare: the first to be left out where the page is too narrow even so: the highest goes first, 0 always stays.
    """

    title: str
    right: bool = False
    wraps: bool = False
    spare: int = 0


@dataclass(frozen=True)
class Exhibit:
    """A table that a stage shows. Every row has as many cells as there are columns.

    `empty` is said instead of a table without rows; `note` is a sentence below it.
    """

    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    empty: str = ""
    legend: tuple[str, ...] = field(default_factory=tuple)
