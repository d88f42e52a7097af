"""What a stage shows besides findings: tables of what was seen, in words, for every report format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from pipeline.values import dataclass


class Tone(StrEnum):
    """How a cell is meant. Formats without colour leave it out, so the text must say the same."""

    PLAIN = "PLAIN"
    GOOD = "GOOD"
    CAUTION = "CAUTION"
    BAD = "BAD"
    QUIET = "QUIET"


BETWEEN = "\0"
"""What parts the texts of a list: no path and no name holds it. One text is redacted and bounded as any other."""


@dataclass(frozen=True)
class Cell:
    """One value of a row, as a person reads it.

    Attributes:
        value: what a program reads, where that differs (JSON).
        several: whether the value is a list of texts, with BETWEEN between them.
    """

    text: str = ""
    tone: Tone = Tone.PLAIN
    value: str | float | bool | None = None
    several: bool = False


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

    @property
    def key(self) -> str:
        """The title in lower case, with underscores for what is neither letter nor digit: "Team ID" is team_id."""
        return "_".join("".join(one if one.isalnum() else " " for one in self.title.lower()).split())


@dataclass(frozen=True)
class Exhibit:
    """A table that a stage shows. Every row has as many cells as there are columns.

    `empty` is said instead of a table without rows; `note` is a sentence below it; `legend` explains the table's words
    and marks, one at a time.

    Raises:
        ValueError: a row does not have as many cells as there are columns.
    """

    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    empty: str = ""
    legend: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: row {number} has {len(row)} cells for {len(self.columns)} columns")


def exhibit_told(exhibit: Exhibit) -> dict[str, Any]:
    """An exhibit as plain JSON values; what says nothing is left out, and a cell that is only a text is that text."""
    told: dict[str, Any] = {
        "title": exhibit.title,
        "columns": [_column_told(column) for column in exhibit.columns],
        "rows": [[_cell_told(cell) for cell in row] for row in exhibit.rows],
    }
    for name in ("note", "empty"):
        if value := getattr(exhibit, name):
            told[name] = value
    if exhibit.legend:
        told["legend"] = list(exhibit.legend)
    return told


def _column_told(column: Column) -> dict[str, Any]:
    kept = {name: value for name in ("right", "wraps", "spare") if (value := getattr(column, name))}
    return {"title": column.title, **kept}


def _cell_told(cell: Cell) -> str | dict[str, Any]:
    if cell.tone is Tone.PLAIN and cell.value is None:
        return cell.text
    told: dict[str, Any] = {"text": cell.text}
    if cell.tone is not Tone.PLAIN:
        told["tone"] = str(cell.tone)
    if cell.value is not None:
        told["value"] = cell.value
    if cell.several:
        told["several"] = True
    return told


def exhibit_from(told: Mapping[str, Any]) -> Exhibit:
    """The inverse of `exhibit_told`."""
    return Exhibit(
        title=told.get("title", ""),
        columns=tuple(Column(**column) for column in told.get("columns", ())),
        rows=tuple(tuple(_cell_from(cell) for cell in row) for row in told.get("rows", ())),
        note=told.get("note", ""),
        empty=told.get("empty", ""),
        legend=tuple(told.get("legend", ())),
    )


def _cell_from(told: str | Mapping[str, Any]) -> Cell:
    if isinstance(told, str):
        return Cell(told)
    tone = Tone(told.get("tone", Tone.PLAIN))
    return Cell(told.get("text", ""), tone, told.get("value"), told.get("several") is True)
