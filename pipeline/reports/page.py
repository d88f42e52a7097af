"""A page of docs/ for a terminal: Markdown as it is written there, wrapped, with its code kept as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.reports.terminal import Look
from pipeline.reports.text import cells, folded, padded, shown, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$")
_RULE_LINE = re.compile(r"^\|?[\s:|-]*-[\s:|-]*$")
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]*)\]\(([^)\s]*)\)|<(https?://[^>\s]+)>")
_NARROWEST_CELL = 12


def title_of(text: str) -> str:
    """The page's first heading, without its mark; empty when it has none."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    found = _HEADING.match(first)
    return found[2] if found else ""


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level, by heading; "" is what stands before the first."""
    found: dict[str, list[str]] = {"": []}
    lines, heading, fenced = text.splitlines(), "", False
    for line in lines[1:] if title_of(text) else lines:
        fenced ^= bool(_FENCE.match(line))
        mark = None if fenced else _HEADING.match(line)
        if mark and len(mark[1]) == 2:
            heading = mark[2]
            found.setdefault(heading, [])
        else:
            found[heading].append(line)
    return {name: "\n".join(below).strip() for name, below in found.items()}


def render(text: str, look: Look | None = None) -> str:
    """The page: headings, paragraphs, lists and tables wrapped to the look's width, code as it is.

    Whatever is no Markdown that the pages of docs/ use is told as a paragraph.
    """
    look = look or Look()
    lines = [line for block in _blocks(text) for line in (*_told(block, look), "")]
    return look.sealed("\n".join(lines).rstrip("\n")) + "\n"


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines of one kind: code, heading, table, list, paragraph."""
    kind, held = "", list[str]()
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            if mark and line.strip() == fence:
                yield "code", held
                kind, held, fence = "", [], ""
            else:
                held.append(line)
            continue
        of_line = _kind(line, kind)
        if mark or (of_line != kind and kind):
            if held:
                yield kind, held
            held = []
        kind = of_line
        if mark:
            fence, kind = mark[1], "code"
        elif kind:
            held.append(line)
    if held:
        yield kind or "text", held


def _kind(line: str, before: str) -> str:
    if not line.strip():
        return ""
    if _HEADING.match(line):
        return "heading"
    if line.lstrip().startswith("|"):
        return "table"
    if _ITEM.match(line) or (before == "list" and line.startswith(" ")):
        return "list"
    return "text"


def _told(block: tuple[str, Sequence[str]], look: Look) -> list[str]:
    kind, lines = block
    if kind == "code":
        # Longer lines than the page is wide are left to the terminal: they are to be copied.
        return [look.paint(f"    {shown(line)}".rstrip(), "cyan") for line in lines]
    if kind == "heading":
        return [each for line in lines for each in _heading(line, look)]
    if kind == "table":
        return _table(lines, look)
    if kind == "list":
        return [each for item in _items(lines) for each in _item(item, look)]
    return _paragraph(" ".join(line.strip() for line in lines), look.width, look)


def _heading(line: str, look: Look) -> list[str]:
    found = _HEADING.match(line)
    text = _plain(found[2]) if found else line
    return [look.paint(each, "bold") for each in wrapped(shown(text), look.width)]


def _items(lines: Sequence[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        if _ITEM.match(line) or not items:
            items.append(line)
        else:
            items[-1] += f" {line.strip()}"
    return items


def _item(line: str, look: Look) -> list[str]:
    found = _ITEM.match(line)
    if not found:
        return _paragraph(line, look.width, look)
    lead = f"{found[1]}{found[2]} "
    first, *rest = _paragraph(found[3], max(20, look.width - len(lead)), look)
    return [lead + first, *(" " * len(lead) + each for each in rest)]


def _paragraph(text: str, width: int, look: Look) -> list[str]:
    """Broken where words end. Marks stand around every marked word until then, and take no room."""
    lines: list[str] = []
    line, used = "", 0
    for word in shown(_marked(text)).split():
        size = cells(_unmarked(word))
        if line and used + 1 + size > width:
            lines.append(line)
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    return [_MARKS.sub(lambda found: look.paint(found[2], _STYLES[found[1]]), each) for each in (*lines, line)]


_CODE, _STRONG, _END = "\ue000", "\ue001", "\ue002"
"""Private characters of Unicode, which no page has: where code or strong words begin, and where they end."""
_STYLES = {_CODE: "cyan", _STRONG: "bold"}
_MARKS = re.compile(f"([{_CODE}{_STRONG}])([^{_END}]*){_END}")


def _marked(text: str) -> str:
    """The text as it is read, with what is code or strong between marks, word by word."""

    def read(found: re.Match[str]) -> str:
        code, strong, name, target, address = found.groups()
        if code or strong:
            mark = _CODE if code else _STRONG
            return " ".join(f"{mark}{word}{_END}" for word in (code or strong).split())
        if address:
            return str(address)
        # A page beside this one is named by its rule; another is told with its address.
        return f"{name} ({target})" if "://" in target and name != target else name or target

    return _SPAN.sub(read, _unmarked(text))


def _unmarked(text: str) -> str:
    return text.translate(_WITHOUT)


_WITHOUT = dict.fromkeys(map(ord, (_CODE, _STRONG, _END)))


def _plain(text: str) -> str:
    return _unmarked(_marked(text))


def _table(lines: Sequence[str], look: Look) -> list[str]:
    rows = [_cells(line) for line in lines if not _RULE_LINE.match(line.strip())]
    across = max(len(row) for row in rows)
    rows = [row + [""] * (across - len(row)) for row in rows]
    widths = _widths(rows, look.width)
    told: list[str] = []
    for number, row in enumerate(rows):
        columns = [folded(text, width) for text, width in zip(row, widths, strict=True)]
        for index in range(max(map(len, columns))):
            cut = [column[index] if index < len(column) else "" for column in columns]
            line = "  ".join(padded(text, width) for text, width in zip(cut, widths, strict=True)).rstrip()
            told.append(look.paint(line, "bold") if number == 0 else line)
    return told


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|").removesuffix("|")
    return [shown(_plain(each.replace("\\|", "|").strip())) for each in re.split(r"(?<!\\)\|", inside)]


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """As wide as their texts; where that is too much, the widest give way."""
    wanted = [max(1, *(cells(row[index]) for row in rows)) for index in range(len(rows[0]))]
    room = width - 2 * (len(wanted) - 1)
    while sum(wanted) > room and max(wanted) > _NARROWEST_CELL:
        widest = wanted.index(max(wanted))
        others = sum(wanted) - wanted[widest]
        second = max((each for index, each in enumerate(wanted) if index != widest), default=0)
        wanted[widest] = max(_NARROWEST_CELL, min(wanted[widest] - 1, max(room - others, second)))
    return wanted
