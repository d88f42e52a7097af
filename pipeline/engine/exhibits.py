"""Exhibits: the tables that a stage shows, made of what was observed, and kept to a size that a journal can carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.engine.judge import words
from pipeline.engine.wiring import needs_of
from pipeline.model import Cell, Exhibit, Lane, Reading, Source
from pipeline.model.exhibits import exhibit_told
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.observe import Observer

ROWS = 5_000
"""Rows of one exhibit that are kept."""

LETTERS = 2_000_000
"""Characters of one exhibit's cells that are kept: rows of long texts are fewer."""

LONGEST = 2_000
"""Characters of one text that are kept."""


@dataclass(frozen=True)
class Shown:
    """What one exhibit's function made of the facts, or why it could make nothing."""

    name: str
    exhibit: Exhibit
    source: Source

    def told(self) -> dict[str, Any]:
        """The exhibit as plain JSON values."""
        return {"name": self.name, "source": str(self.source), **exhibit_told(self.exhibit)}


def show(
    functions: Iterable[Callable[..., Exhibit]], observer: Observer, lane: Lane | None, redact: Callable[[str], str]
) -> list[Shown]:
    """Every exhibit in order. One that needs a fact that could not be observed shows the reason in its place.

    Texts are redacted before they are cut: what is left of a secret that was cut would not be recognised. One without
    rows and without words is left out: it has nothing to say here.
    """
    made = (_shown(function, observer, lane, redact) for function in functions)
    return [each for each in made if each.exhibit.rows or each.exhibit.empty or each.exhibit.note]


def _shown(
    function: Callable[..., Exhibit], observer: Observer, lane: Lane | None, redact: Callable[[str], str]
) -> Shown:
    arguments, source, missing = observer.arguments(needs_of(function), lane)
    if missing is not None:
        return Shown(function.__name__, bounded(_unseen(function, missing), redact), Source.UNKNOWN)
    return Shown(function.__name__, bounded(function(**arguments), redact), source)


def _unseen(function: Callable[..., Exhibit], missing: Reading[Any]) -> Exhibit:
    title = function.__name__.replace("_", " ").strip().capitalize()
    empty = f"{words(missing.fact)} could not be observed: {missing.why}"
    return Exhibit(title, empty=empty, note=missing.remedy)


def bounded(exhibit: Exhibit, redact: Callable[[str], str]) -> Exhibit:
    """The exhibit with texts of at most LONGEST characters and as many rows as fit; its note says what was left out."""

    def kept(text: str) -> str:
        text = redact(text)
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

    rows: list[tuple[Cell, ...]] = []
    room = LETTERS
    for row in exhibit.rows[:ROWS]:
        cells = tuple(replace(cell, text=kept(cell.text), value=_value(cell.value, kept)) for cell in row)
        room -= sum(len(cell.text) + (len(cell.value) if isinstance(cell.value, str) else 0) for cell in cells)
        if room < 0:
            break
        rows.append(cells)
    left = len(exhibit.rows) - len(rows)
    more = f"{left:,} more {'row is' if left == 1 else 'rows are'} left out." if left else ""
    return Exhibit(
        title=kept(exhibit.title),
        columns=tuple(replace(column, title=kept(column.title)) for column in exhibit.columns),
        rows=tuple(rows),
        note=" ".join(filter(None, (kept(exhibit.note), more))),
        empty=kept(exhibit.empty),
        legend=tuple(kept(text) for text in exhibit.legend),
    )


def _value(value: object, kept: Callable[[str], str]) -> str | float | bool | None:
    """What a program reads, as JSON can hold it."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return kept(str(value))
