"""The picture of a run, drawn as SVG: the stages as a graph, the time they took, and what the judgements rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.readings import Source
from pipeline.reports import words
from pipeline.reports.text import cells, clipped, markup, shown
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pipeline.model.run import Run, Step

_WIDE, _HIGH, _GAP_X, _GAP_Y, _MARGIN, _HEAD = 106, 46, 26, 10, 12, 24
_LABELS, _CHART, _ROW, _AXIS = 140, 890, 26, 26
_LONGEST, _LETTER = 60, 7
"""A band's name: its most cells, and the pixels of each."""
_SHRINKS = 880
"""A picture wider than this many pixels may be scaled down to it before it has to be scrolled."""
_THINNEST = 3.0
_STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_TICKS = 6

PATTERNS = (
    '<svg width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="waiting" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern>'
    '<pattern id="unseen" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="unseen-line" x1="0" y1="0" x2="0" y2="7"/></pattern></defs></svg>'
)
"""The hatchings that the pictures and their legends share; a page holds them once."""


@dataclass(frozen=True)
class _Spot:
    """Where a step stands on the graph, in pixels from the upper left corner."""

    x: int
    y: int


@dataclass(frozen=True)
class _Scale:
    """How moments lie on the timeline: `pixels` for each second."""

    start: datetime
    end: datetime
    pixels: float

    def x(self, at: datetime | None) -> float:
        return _LABELS + words.seconds(self.start, at) * self.pixels


def graph(run: Run) -> str:
    """A band for each lane, a column for each depth; arrows from a step to the steps that come after it."""
    spots, bands, width, height = _places(run)
    steps = {step.name: step for step in run.steps}
    parts = [_opened(width, height, "Graph of the stages")]
    for lane, (top, tall) in bands.items():
        name = _band(run, lane)
        parts.append(f'<rect class="band" x="0" y="{top}" width="{width}" height="{tall}" rx="10"/>')
        parts.append(f'<text class="soft" x="{_MARGIN}" y="{top + 16}">{_text(name, _LONGEST)}</text>')
    parts += [
        _edge(spots[before], spots[name])
        for name, step in steps.items()
        for before in _direct(step, steps)
        if before in spots
    ]
    parts += [_node(number, step, spots[step.name]) for number, step in enumerate(run.steps)]
    return "".join([*parts, "</svg>"])


def _opened(width: int, height: int, name: str) -> str:
    css = ' class="wide"' if width > _SHRINKS else ""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg{css} {size} role="group" aria-label="{name}">'


def _places(run: Run) -> tuple[dict[str, _Spot], dict[str, tuple[int, int]], int, int]:
    depths = _depths(run.steps)
    spots: dict[str, _Spot] = {}
    bands: dict[str, tuple[int, int]] = {}
    top = 0
    for lane in dict.fromkeys(step.lane for step in run.steps):
        filled: dict[int, int] = {}
        for step in run.steps:
            if step.lane == lane:
                column = depths[step.name]
                row = filled[column] = filled.get(column, -1) + 1
                spots[step.name] = _Spot(_MARGIN + column * (_WIDE + _GAP_X), top + _HEAD + row * (_HIGH + _GAP_Y))
        tall = _HEAD + (max(filled.values()) + 1) * (_HIGH + _GAP_Y) + 2
        bands[lane] = (top, tall)
        top += tall + 10
    columns = max(depths.values(), default=0) + 1
    named = max((min(cells(_band(run, lane)), _LONGEST) for lane in bands), default=0) * _LETTER
    return spots, bands, 2 * _MARGIN + max(columns * (_WIDE + _GAP_X) - _GAP_X, named), max(10, top - 10)


def _band(run: Run, lane: str) -> str:
    return words.lane(run, lane) if lane else "app"


def _depths(steps: Iterable[Step]) -> dict[str, int]:
    """The length of the longest way to each step. A circle, which a broken journal may hold, ends the count."""
    named = {step.name: step for step in steps}
    depths = dict.fromkeys(named, 0)
    for _ in range(len(named)):
        changed = False
        for name, step in named.items():
            depth = max((depths[before] + 1 for before in step.after if before in named), default=0)
            if depths[name] < depth < len(named):
                depths[name], changed = depth, True
        if not changed:
            break
    return depths


def _direct(step: Step, steps: Mapping[str, Step]) -> list[str]:
    """The steps this one comes after, without those that another of them comes after anyway."""
    known = [before for before in step.after if before in steps and before != step.name]
    implied: set[str] = set()
    pending = [earlier for before in known for earlier in steps[before].after]
    while pending:
        earlier = pending.pop()
        if earlier in steps and earlier not in implied:
            implied.add(earlier)
            pending += steps[earlier].after
    return [before for before in known if before not in implied] or known


def _edge(a: _Spot, b: _Spot) -> str:
    x1, y1, x2, y2 = a.x + _WIDE, a.y + _HIGH // 2, b.x - 5, b.y + _HIGH // 2
    bend = max(14, min(60, abs(x2 - x1) // 2))
    return (
        f'<path class="edge" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'
        f'<path class="arrow" d="M{b.x - 1} {y2}l-7 -4v8z"/>'
    )


def _node(number: int, step: Step, spot: _Spot) -> str:
    full = markup(shown(f"{step.name}: {words.state(step)}"))
    return (
        f'<a href="#step-{number}" aria-label="{full}"><g class="node s-{_css(step)}"><title>{full}</title>'
        f'<rect x="{spot.x}" y="{spot.y}" width="{_WIDE}" height="{_HIGH}" rx="8"/>'
        f'<text class="name" x="{spot.x + 10}" y="{spot.y + 19}">{_text(step.stage, 14)}</text>'
        f'<text class="word" x="{spot.x + 10}" y="{spot.y + 36}">{words.glyph(step)} {words.state(step).lower()}</text>'
        f"</g></a>"
    )


def _css(step: Step) -> str:
    return "waiting" if words.hollow(step) else step.state.lower()


def timeline(run: Run) -> str:
    """A bar for each step; what was spent waiting is hatched, what was spent acting is underlined. "" without times."""
    timed = [(number, step) for number, step in enumerate(run.steps) if step.began]
    spans = [(run.began, run.ended), *((step.began, step.ended) for _, step in timed)]
    moments = [at for span in spans for at in span if at]
    if not timed or len({at.tzinfo is None for at in moments}) > 1:
        return ""
    start, end = min(moments), max(moments)
    whole = max(words.seconds(start, end), 0.001)
    height = _AXIS + len(timed) * _ROW + 6
    width = _LABELS + _CHART + 20
    parts = [_opened(width, height, "Time that each step took")]
    for tick in _ticks(whole):
        x = _LABELS + tick / whole * _CHART
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_AXIS - 6}" x2="{x:.1f}" y2="{height}"/>')
        side = ' text-anchor="end"' if x > _LABELS + _CHART - 50 else ""
        parts.append(f'<text class="soft" x="{x - 3 if side else x + 3:.1f}" y="14"{side}>{_span(tick)}</text>')
    for row, (number, step) in enumerate(timed):
        parts.append(_lasting(number, step, _AXIS + row * _ROW, _Scale(start, end, _CHART / whole)))
    return "".join([*parts, "</svg>"])


def _lasting(number: int, step: Step, y: int, scale: _Scale) -> str:
    x = scale.x(step.began)
    length = words.seconds(step.began, step.ended or scale.end)
    wide = max(_THINNEST, length * scale.pixels)
    took = words.took(step, scale.end)
    full = markup(shown(f"{step.name}: {words.state(step)}, {took}"))
    parts = [
        f'<a href="#step-{number}" aria-label="{full}"><title>{full}</title>',
        f'<text x="{_LABELS - 10}" y="{y + 16}" text-anchor="end">{_text(step.name, 22)}</text>',
        f'<rect class="s-{_css(step)}" x="{x:.1f}" y="{y + 4}" width="{wide:.1f}" height="{_ROW - 9}" rx="3"/>',
    ]
    if words.waited(step) and length:
        share = wide * min(1.0, max(0.0, step.waited / length))
        parts.append(
            f'<rect class="wait" x="{x + wide - share:.1f}" y="{y + 4}" width="{share:.1f}" height="{_ROW - 9}"/>'
        )
    for action in step.actions:
        if action.began and action.ended:
            long = max(_THINNEST, words.seconds(action.began, action.ended) * scale.pixels)
            parts.append(
                f'<rect class="act" x="{scale.x(action.began):.1f}" y="{y + _ROW - 8}" width="{long:.1f}" height="3"/>'
            )
    return "".join([*parts, "</a>"])


def _ticks(whole: float) -> list[float]:
    gap = next((step for step in _STEPS if whole / step <= _TICKS), whole / _TICKS)
    return [gap * number for number in range(int(whole / gap) + 1)]


def _span(length: float) -> str:
    return f"{length:g} s" if 1 <= length < 10 else words.duration(length) if length else "0"


def shares(counts: Mapping[Source, int], name: str) -> str:
    """A bar divided by source; UNKNOWN is hatched so that nobody needs colour to see it."""
    total = sum(counts.values())
    told = ", ".join(f"{number} {words.SOURCE[source]}" for source, number in counts.items())
    size = 'viewBox="0 0 1000 22" width="100%" height="22" preserveAspectRatio="none"'
    parts = [
        f'<svg {size} role="img" aria-label="{markup(name)}: {told}">',
        '<rect class="band" x="0" y="0" width="1000" height="22" rx="5"/>',
    ]
    x = 0.0
    for source, number in counts.items():
        if number:
            wide = number / total * 1000
            css = f"b-{source.lower()}"
            parts.append(f'<rect class="{css}" x="{x:.1f}" y="0" width="{max(1.0, wide - 2):.1f}" height="22" rx="3"/>')
            x += wide
    return "".join([*parts, "</svg>"])


def _text(text: str, room: int) -> str:
    """A label of about `room` characters of average width."""
    told = clipped(shown(text), room)
    while cells(told) > room:
        told = f"{told[:-2]}…"
    return markup(told)
