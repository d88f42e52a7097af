"""Tells which paths a script looks into, and which of them it writes itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipeline.apple.automation import shell
from pipeline.values import dataclass

_WRITERS = frozenset(
    ["cp", "mv", "mkdir", "install", "ditto", "rsync", "tee", "ln", "rm", "touch", "sed", "envsubst", "unzip", "curl"]
)
_TALKERS = frozenset({"echo", "printf", "log", "info", "warn", "warning", "error", "print"})
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_INSIDE = re.compile(r"\$\((\w[^()]*)\)")


@dataclass(frozen=True)
class Mention:
    """A path, or what holds one, in a command: as it is written, variables as ${name}. `line` counts from 1."""

    text: str
    line: int
    written: bool = False
    spoken: bool = False


def mentions(commands: tuple[shell.Command, ...], raw: Mapping[str, str]) -> Iterator[Mention]:
    """Every word of every command, with the variables of `raw` put in.

    Args:
        commands: a script.
        raw: variables that are set once, to the text that they are set to, as it is written.
    """
    for command in commands:
        first = (command.words[0].literal or "") if command.words else ""
        base = first.rpartition("/")[2]
        for _, word in command.assigned:
            yield Mention(_filled(word, raw), word.line)
        for word in command.words[1:]:
            yield Mention(_filled(word, raw), word.line, base in _WRITERS, speaks(base))
        for word in command.outputs:
            yield Mention(_filled(word, raw), word.line, written=True)
        yield from _in_text(command)


def speaks(base: str) -> bool:
    """Whether a command only prints, as its name says."""
    return base in _TALKERS or base.startswith(("log_", "print_", "echo_"))


def _in_text(command: shell.Command) -> Iterator[Mention]:
    """Commands within a here-document."""
    if command.text and "$(" in command.text:
        for number, line in enumerate(command.text.split("\n")):
            for match in _INSIDE.finditer(line[:2_000]):
                for inner in shell.read(match[1]):
                    first = (inner.words[0].literal or "") if inner.words else ""
                    for word in inner.words[1:]:
                        yield Mention(_filled(word, {}), command.text_line + number, first in _WRITERS)


def held_raw(commands: tuple[shell.Command, ...]) -> dict[str, str]:
    """The variables that are set once, each with what it is set to as it is written."""
    found: dict[str, list[str]] = {}
    for name, word in shell.assignments(commands):
        found.setdefault(name, []).append(written(word) if word is not None else "")
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1 and texts[0]}


def written(word: shell.Word) -> str:
    """A word as it is written: variables as ${name}, what only the shell can tell in full."""
    return "".join(text if kind in ("", "?") else f"${{{text}}}" for kind, text in word.parts)


def _filled(word: shell.Word, raw: Mapping[str, str]) -> str:
    text = written(word)
    for _ in range(4):
        before = text
        text = _VARIABLE.sub(lambda match: raw.get(match[1], match[0]), text)[:4_000]
        if text == before:
            break
    return text


_FUNCTION = re.compile(r"^[ \t]*(?:function[ \t]+)?(\w+)[ \t]*\(\)[ \t]*\{?[ \t]*$", re.MULTILINE)
_MOST = 8


def arguments(
    text: str, commands: tuple[shell.Command, ...], names: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Variables that hold an argument of a function, each with all values that the calls in the same script give it.

    Variables of which one value is not known are left out, and so are those that are set in any other way.
    """
    starts = [(text.count("\n", 0, match.start()) + 1, match[1]) for match in _FUNCTION.finditer(text)]
    if not starts:
        return
    sets: dict[str, list[tuple[str, int] | None]] = {}
    for name, word in shell.assignments(commands):
        position = _position(word)
        holder = next((function for line, function in reversed(starts) if word and line <= word.line), "")
        sets.setdefault(name, []).append((holder, position) if holder and position else None)
    for name, found in sets.items():
        values: dict[str, None] = {}
        for each in found:
            told = _given(commands, each[0], each[1], names) if each else None
            if told is None:
                break
            values.update(dict.fromkeys(told))
        else:
            if 0 < len(values) <= _MOST:
                yield name, tuple(values)


def _position(word: shell.Word | None) -> int:
    """Which argument a word is: 1 for "$1"; 0 for anything else."""
    parts = [part for part in word.parts if part != ("", "")] if word is not None else []
    if len(parts) == 1 and parts[0][0] == "?" and (match := re.fullmatch(r"\$\{?([1-9])\}?", parts[0][1])):
        return int(match[1])
    return 0


def _given(
    commands: tuple[shell.Command, ...], function: str, position: int, names: Mapping[str, str]
) -> list[str] | None:
    found: list[str] = []
    for command in commands:
        words = [word for word in command.words if word.literal != "!"]
        if not words or words[0].literal != function:
            continue
        value = words[position].resolved(names) if len(words) > position else None
        if value is None:
            return None
        found.append(value)
    return found or None
