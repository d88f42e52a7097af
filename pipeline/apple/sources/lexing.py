"""Separates code from comments and texts in Swift and C sources, so that what is searched is what is compiled.

The Swift grammar is that of "The Swift Programming Language", Lexical Structure; the C family's that of C17, 6.4.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from pipeline.apple.sources.conditions import Verdict, both, negated

DEPTH_LIMIT = 64
"""Texts inside interpolations inside texts; real code nests a few deep."""

_EXPRESSION_LIMIT = 4_000
"""Characters of a regular expression."""


class Directive(NamedTuple):
    """One `#if`, `#elseif`, `#else` or `#endif`: its word, its condition, and where its line begins and ends."""

    word: str
    condition: str
    start: int
    end: int


class Lexed(NamedTuple):
    """A source file after lexing.

    Attributes:
        code: the text with comments and the insides of texts blanked; lengths and lines are those of the source.
        texts: what is inside texts without interpolation, by the offset of their first quote or number sign.
        directives: the conditional directives, in order.
        spliced: texts with interpolation, by the same offsets, HOLE in place of what is interpolated.
    """

    code: str
    texts: dict[int, str]
    directives: tuple[Directive, ...]
    spliced: Mapping[int, str]


HOLE = "\ufffc"
"""Stands in a text for what is interpolated."""


class Source:
    """A source file whose conditions were evaluated.

    Args:
        lexed: the file.
        evaluate: what a condition comes to, given the directive's word and its text.
    """

    def __init__(self, lexed: Lexed, evaluate: Callable[[str, str], Verdict]) -> None:
        self.texts, self.spliced = lexed.texts, lexed.spliced
        self.code, self._unsure = _taken(lexed, evaluate)
        self._breaks: list[int] | None = None

    def line(self, offset: int) -> int:
        """The line, from 1."""
        if self._breaks is None:
            self._breaks = [match.start() for match in re.finditer("\n", self.code)]
        return bisect_right(self._breaks, offset - 1) + 1

    def certain(self, offset: int) -> bool:
        """Whether no undecided condition stands above the place."""
        return not any(start <= offset < end for start, end in self._unsure)

    def text_at(self, offset: int) -> str | None:
        """The text whose quote stands at the offset; None when it is none or is interpolated."""
        return self.texts.get(offset)


def _blank(text: str) -> str:
    return "\n".join([" " * len(line) for line in text.split("\n")])


def _taken(lexed: Lexed, evaluate: Callable[[str, str], Verdict]) -> tuple[str, list[tuple[int, int]]]:
    """The code without what is certainly not compiled, and the ranges of which nobody knows."""
    if not lexed.directives:
        return lexed.code, []
    left_out: list[tuple[int, int]] = []
    unsure: list[tuple[int, int]] = []
    # Of each open condition: whether an earlier branch was taken, what its present branch comes to, where that began.
    open_: list[tuple[Verdict, Verdict, int]] = []
    for word, condition, start, end in lexed.directives:
        if word in ("if", "ifdef", "ifndef"):
            verdict = evaluate(word, condition)
            open_.append((verdict, verdict, end))
            continue
        if not open_:
            continue
        before, verdict, began = open_.pop()
        _note(verdict, began, start, left_out, unsure)
        if word == "endif":
            continue
        holds = both(negated(before), True if word == "else" else evaluate("if", condition))
        known = True if True in (before, holds) else None if None in (before, holds) else False
        open_.append((known, holds, end))
    for _, verdict, began in open_:
        # A file that ends within a condition does not compile; what it holds is not judged as if it did.
        _note(None if verdict else verdict, began, len(lexed.code), left_out, unsure)
    return _without(lexed.code, left_out), unsure


def _note(
    verdict: Verdict, start: int, end: int, left_out: list[tuple[int, int]], unsure: list[tuple[int, int]]
) -> None:
    if verdict is False:
        left_out.append((start, end))
    elif verdict is None:
        unsure.append((start, end))


def _without(code: str, ranges: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in sorted(ranges):
        if end <= position:
            continue
        hidden = max(start, position)
        parts += [code[position:hidden], _blank(code[hidden:end])]
        position = end
    return "".join([*parts, code[position:]])


_IF = r"^[ \t]*#[ \t]*(?:if|elseif|else|endif)\b"
# A `/` opens a regular expression only where an operand may stand; a division always has an operand before it.
_BARE = r"(?:(?<=[(,\[=:] )|(?<=[(\[,]))/(?![\s/*])"
_SWIFT = re.compile(rf'//|/\*|#*"(?:"")?|#+/|{_IF}|{_BARE}', re.MULTILINE)
_SWIFT_INSIDE = re.compile(rf'//|/\*|#*"(?:"")?|#+/|{_IF}|{_BARE}|[()]', re.MULTILINE)
_BARE_WHOLE = re.compile(r"/(?:[^/\\\n\[]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n]){0,200}\]){1,400}/")
_COMMENT = re.compile(r"/\*|\*/")
_LINE = re.compile(r"[^\n]*")
_REST = re.compile(r"#[ \t]*([a-z]+)(.*)")


class _Frame(NamedTuple):
    """An open interpolation: the text that it stands in and where that began, and how many parentheses are open."""

    hashes: int
    multiline: bool
    depth: int
    opened: int


def swift(text: str) -> Lexed:
    """Lex Swift; never raises."""
    return _Swift(text).lexed()


class _Swift:
    def __init__(self, text: str) -> None:
        self._text = text
        self._parts: list[str] = []
        self._kept = 0
        self._texts: dict[int, str] = {}
        self._spliced: dict[int, str] = {}
        self._directives: list[Directive] = []
        self._frames: list[_Frame] = []

    def lexed(self) -> Lexed:
        text, position = self._text, 0
        while match := (_SWIFT_INSIDE if self._frames else _SWIFT).search(text, position):
            position = self._step(match)
        self._parts.append(text[self._kept :])
        return Lexed("".join(self._parts), self._texts, tuple(self._directives), self._spliced)

    def _step(self, match: re.Match[str]) -> int:
        found, start = match[0], match.start()
        if found == "//":
            return self._hide(start, _line_end(self._text, start))
        if found == "/*":
            return self._hide(start, _comment_end(self._text, match.end()))
        if found in ("(", ")"):
            return self._parenthesis(found, match.end())
        if found.endswith('"'):
            hashes = found.count("#")
            multiline = found.endswith('"""')
            if found.endswith('""') and not multiline:  # pragma: no cover  # the pattern takes one or three
                return match.end()
            return self._string(start, match.end(), hashes, multiline=multiline)
        if found.endswith("/"):
            return self._expression(start, found)
        return self._directive(match)

    def _hide(self, start: int, end: int) -> int:
        self._parts += [self._text[self._kept : start], _blank(self._text[start:end])]
        self._kept = end
        return end

    def _parenthesis(self, found: str, end: int) -> int:
        frame = self._frames.pop()
        depth = frame.depth + (1 if found == "(" else -1)
        if depth:
            self._frames.append(frame._replace(depth=depth))
            return end
        self._hide(end - 1, end)
        return self._string(frame.opened, end, frame.hashes, multiline=frame.multiline)

    def _string(self, opened: int, start: int, hashes: int, *, multiline: bool) -> int:
        """The inside of a text from `start` on; `opened` is where its delimiter began."""
        text, position = self._text, start
        while match := _inside(hashes, multiline).search(text, position):
            found = match[0]
            if found == "\n" or found.startswith('"'):
                end = match.start()
                if found != "\n":
                    self._keep(opened, text[start:end])
                self._hide(start, end)
                return match.end() if found != "\n" else end
            if found.endswith("(") and len(self._frames) < DEPTH_LIMIT:
                self._spliced[opened] = self._spliced.get(opened, "") + text[start : match.start()] + HOLE
                self._hide(start, match.end())
                self._frames.append(_Frame(hashes, multiline, 1, opened))
                return match.end()
            position = match.end()
        return self._hide(start, len(text))

    def _keep(self, opened: int, end: str) -> None:
        if opened in self._spliced:
            self._spliced[opened] += end
        else:
            self._texts[opened] = end

    def _expression(self, start: int, found: str) -> int:
        if found == "/":
            whole = _BARE_WHOLE.match(self._text, start)
            return self._hide(start, whole.end()) if whole else start + 1
        mark, begin = "/" + found[:-1], start + len(found)
        line_end = self._text.find("\n", begin, begin + _EXPRESSION_LIMIT)
        closing = self._text.find(mark, begin, line_end if line_end >= 0 else begin + _EXPRESSION_LIMIT)
        if closing < 0 <= line_end and not self._text[begin:line_end].strip():
            # Only one that begins with a line break may go over several lines.
            closing = self._text.find(mark, begin, begin + _EXPRESSION_LIMIT)
        if closing < 0:
            return begin
        return self._hide(start, closing + len(found))

    def _directive(self, match: re.Match[str]) -> int:
        start, end = match.start(), _line_end(self._text, match.end())
        self._directives.append(_directive(self._text[start:end], start, end))
        return end


def _directive(line: str, start: int, end: int) -> Directive:
    found = _REST.search(line)
    word, rest = (found[1], found[2]) if found else ("", "")
    rest = re.sub(r"/\*.*?(?:\*/|$)|//.*", " ", rest).strip()
    return Directive("elif" if word == "elseif" else word, rest, start, end)


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _comment_end(text: str, position: int) -> int:
    """The end of a comment that may hold others, as Swift's may."""
    depth = 1
    for match in _COMMENT.finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    return len(text)


@lru_cache(maxsize=32)
def _inside(hashes: int, multiline: bool) -> re.Pattern[str]:  # noqa: FBT001  # a key of the cache
    """What matters inside a text: interpolations, escapes, the closing delimiter, and a line's end."""
    mark = "#" * hashes
    quotes = '"""' if multiline else '"'
    ends = "" if multiline else "|\n"
    escaped = "[^\n]" if not multiline else r"[\s\S]"
    return re.compile(rf"\\{mark}\(|\\{mark}{escaped}|{quotes}{mark}{ends}")


_C = re.compile(
    r'//|/\*|\bR"(?=[^()\\\s]{0,16}\()|"|(?<![A-Za-z0-9_])[LuU]?\'|^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif|else|endif)\b',
    re.MULTILINE,
)
_C_STRING = re.compile(r'(?:[^"\\\n]|\\[\s\S])*')
_C_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")


def c_family(text: str) -> Lexed:
    """Lex C, Objective-C, C++ or Objective-C++; never raises. Macros are not expanded."""
    parts: list[str] = []
    texts: dict[int, str] = {}
    directives: list[Directive] = []
    kept = position = 0
    while match := _C.search(text, position):
        found, start = match[0], match.start()
        if found == "//":
            hidden, position = (start, _line_end(text, start)), _line_end(text, start)
        elif found == "/*":
            end = text.find("*/", match.end())
            position = len(text) if end < 0 else end + 2
            hidden = (start, position)
        elif found == 'R"':
            hidden = _raw(text, match.end())
            position = min(len(text), hidden[1] + 1)
        elif found == '"':
            end = _C_STRING.match(text, match.end()).end()  # type: ignore[union-attr]  # matches nothing at least
            texts[start] = text[match.end() : end]
            hidden, position = (match.end(), end), min(len(text), end + (text[end : end + 1] == '"'))
        elif found.endswith("'"):
            whole = _C_CHARACTER.match(text, match.end() - 1)
            position = whole.end() if whole else match.end()
            hidden = (start, position) if whole else (start, start)
        else:
            position = _continued_end(text, match.end())
            directives.append(_directive(text[start:position].replace("\\\n", "  "), start, position))
            continue
        parts += [text[kept : hidden[0]], _blank(text[hidden[0] : hidden[1]])]
        kept = hidden[1]
    parts.append(text[kept:])
    return Lexed("".join(parts), texts, tuple(directives), {})


def _raw(text: str, start: int) -> tuple[int, int]:
    delimiter = text[start : text.index("(", start)]
    end = text.find(f'){delimiter}"', start)
    return (start, len(text)) if end < 0 else (start, end + 1 + len(delimiter))


def _continued_end(text: str, position: int) -> int:
    end = _line_end(text, position)
    while text[end - 1 : end] == "\\" and end < len(text):
        end = _line_end(text, end + 1)
    return end
