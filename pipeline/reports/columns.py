"""Tables on a terminal: what wraps is broken, what can be spared is left out, and what is left becomes a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.exhibits import Tone
from pipeline.reports.text import cells, clipped, folded, shown, wrapped
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.exhibits import Cell, Column
    from pipeline.model.run import Run
    from pipeline.reports.groups import Table
    from pipeline.reports.terminal import Look

_GAP = 2
"""Blanks between two columns."""

_READABLE = 16
"""What a column that wraps is not narrowed below while there is a column to be spared."""

_SQUEEZED = 12
"""What any column can still be narrowed to; a table that does not fit even so is told as a list."""

_LONGEST = 400
"""Characters of a cell that are shown; the other formats have more."""

_STYLE = {Tone.GOOD: "green", Tone.CAUTION: "yellow", Tone.BAD: "bold red", Tone.QUIET: "dim"}


def drawn(run: Run, table: Table, look: Look) -> list[str]:
    """The lines of a table: title, the table or what is said instead, what was left out, note and legend."""
    remark = table.remark(run)
    title = f"{table.title} ({remark})" if remark else table.title
    lines = [look.paint(line, "bold") for line in wrapped(title, look.width)]
    exhibit, below = table.exhibit, [shown(table.exhibit.note)]
    if table.instead:
        lines += wrapped(table.instead, look.width)
    else:
        heads, *rows = [
            # What cannot be shown is spelled out before it is measured.
            [look.sealed(clipped(shown(text), _LONGEST)) for text in texts]
            for texts in (
                [column.title for column in exhibit.columns],
                *([c.text for c in row] for row in exhibit.rows),
            )
        ]
        room = look.across or look.width
        fitted = fit(exhibit.columns, heads, rows, room)
        if fitted is None:
            lines += _listed(heads, rows, exhibit.rows, look)
        else:
            styles = [["dim"] * len(heads), *([_STYLE.get(cell.tone, "") for cell in row] for row in exhibit.rows)]
            lines += _grid(exhibit.columns, [heads, *rows], styles, fitted, look)
            spared = ", ".join(heads[number] for number in fitted.spared)
            below.insert(0, f"Not shown in {room} columns: {spared}." if spared else "")
    for text in (*below, " · ".join(shown(each) for each in exhibit.legend)):
        lines += [look.paint(line, "dim") for line in wrapped(text, look.width) if line]
    return lines


@dataclass(frozen=True)
class Fit:
    """The numbers of the columns that are shown, how wide each is, and the numbers of those that are spared."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    spared: tuple[int, ...] = ()


def fit(columns: Sequence[Column], heads: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> Fit | None:
    """The columns that fit into `room`, in their order; None when the table cannot be shown as one."""
    whole = [max((cells(text) for text in texts), default=0) for texts in zip(heads, *rows, strict=True)]
    least = [
        min(wide, max(_READABLE, cells(head))) if column.wraps else wide
        for column, head, wide in zip(columns, heads, whole, strict=True)
    ]
    kept = list(range(len(columns)))
    while _total(kept, least) > room and any(columns[number].spare > 0 for number in kept):
        kept.remove(max(kept, key=lambda number: (columns[number].spare, number)))
    if _total(kept, least) > room:
        least = [min(wide, _SQUEEZED) for wide in whole]
    if not kept or _total(kept, least) > room:
        return None
    widths = {number: least[number] for number in kept}
    for wraps in (False, True):
        _grow(widths, [number for number in kept if columns[number].wraps is wraps], whole, room)
    return Fit(tuple(kept), tuple(widths.values()), tuple(n for n in range(len(columns)) if n not in widths))


def _total(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[number] for number in kept) + _GAP * (len(kept) - 1)


def _grow(widths: dict[int, int], among: list[int], whole: list[int], room: int) -> None:
    """Give what room is left, one by one, to the column whose texts are broken most often."""
    left = room - sum(widths.values()) - _GAP * (len(widths) - 1)
    while left > 0 and (narrow := [number for number in among if widths[number] < whole[number]]):
        widths[max(narrow, key=lambda number: whole[number] / max(1, widths[number]))] += 1
        left -= 1


def _grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], fitted: Fit, look: Look
) -> list[str]:
    lines: list[str] = []
    for texts, painted in zip(rows, styles, strict=True):
        cut = [
            _broken(texts[number], width, hanging=not place)
            for place, (number, width) in enumerate(zip(fitted.shown, fitted.widths, strict=True))
        ]
        for line in range(max(len(one) for one in cut)):
            parts = []
            for number, width, one in zip(fitted.shown, fitted.widths, cut, strict=True):
                text = one[line] if line < len(one) else ""
                blank = " " * (width - cells(text))
                told = look.paint(text, painted[number])
                parts.append(blank + told if columns[number].right else told + blank)
            lines.append((" " * _GAP).join(parts).rstrip())
    return lines


def _broken(text: str, width: int, *, hanging: bool) -> list[str]:
    """A cell's lines. What hangs is indented after its first line: it stands where the eye looks for the next row."""
    lines = folded(text, width)
    if not hanging or len(lines) == 1:
        return lines
    rest = " ".join(text.split())[len(lines[0]) :]
    return [lines[0], *(" " * _GAP + line for line in folded(rest, width - _GAP))]


def _listed(
    heads: Sequence[str], rows: Sequence[Sequence[str]], told: Sequence[Sequence[Cell]], look: Look
) -> list[str]:
    """The table where there is no room for one: a line for each value, and nothing left out."""
    lines: list[str] = []
    for row, marks in zip(rows, told, strict=True):
        lead = "- "
        for head, text, cell in zip(heads, row, marks, strict=True):
            if text.strip():
                style = _STYLE.get(cell.tone, "")
                first, *rest = _broken(f"{head}: {text}" if head else text, look.width - len(lead), hanging=True)
                lines += [
                    lead + look.paint(first, style),
                    *(" " * len(lead) + look.paint(line, style) for line in rest),
                ]
                lead = " " * len(lead)
    return lines
