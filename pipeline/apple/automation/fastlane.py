"""Reads fastlane's Ruby files line by line, for what is written in them by literal. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pipeline.values import dataclass

SIZE_LIMIT = 512 * 1024
CALL_LIMIT = 1_000
SPAN_LIMIT = 80
"""Lines that one call may go over."""
LINE_LIMIT = 2_000
CALLS_A_LINE = 10
TEXT_LIMIT = 4_000

BUILDS = frozenset({"gym", "build_app", "build_ios_app", "build_mac_app"})
UPLOADS = frozenset({"pilot", "testflight", "upload_to_testflight", "deliver", "appstore", "upload_to_app_store"})
TESTS = frozenset({"scan", "run_tests", "snapshot", "capture_screenshots", "capture_ios_screenshots"})
SELECTS = frozenset({"xcversion", "xcodes", "xcode_select", "ensure_xcode_version"})

_LANE = re.compile(r"\s*(?:private_)?lane[\s(]+:(\w+)")
_PLATFORM = re.compile(r"\s*platform[\s(]+:(\w+)")
_CALL = re.compile(r"(?:^|[;={(|]|\bdo\b|\bthen\b|\belse\b)\s*([a-z_]\w*)[ (]")
_ARGUMENT = re.compile(
    r"""[(,{\s]:?["']?(\w+)["']?\s*(?::(?!:)|=>)\s*(?:"((?:[^"\\#]|\\.|\#(?!\{))*)"|'((?:[^'\\]|\\.)*)'|(:\w+|true|false|[A-Z][A-Z0-9_]*)\b)"""
)
_POSITIONAL = re.compile(r"""[\s(]*(?:\[\s*)?(?:"((?:[^"\\#]|\\.|\#(?!\{))*)"|'((?:[^'\\]|\\.)*)')""")
_CONSTANT = re.compile(r"""\s*([A-Z][A-Z0-9_]*)\s*=\s*(?:"([^"\\#]*)"|'([^'\\]*)')(?:\.freeze)?\s*(?:\#.*)?$""")
_WORD = re.compile(r"[a-z_]\w*[!?]?")


@dataclass(frozen=True)
class Argument:
    """A keyword argument with a literal value; `line` counts from 1."""

    name: str
    text: str
    line: int


@dataclass(frozen=True)
class RubyCall:
    """A call of an action. `lane` and `platform` say where it stands."""

    name: str
    line: int
    arguments: tuple[Argument, ...] = ()
    first: str = ""
    lane: str = ""
    platform: str = ""
    open: bool = False

    def get(self, name: str) -> Argument | None:
        """The argument of that name."""
        return next((each for each in self.arguments if each.name == name), None)


@dataclass(frozen=True)
class Script:
    """A file of fastlane: its calls, and for each lane every word that may be a call in it."""

    calls: tuple[RubyCall, ...] = ()
    lanes: tuple[tuple[str, str, frozenset[str]], ...] = ()

    def lane(self, name: str) -> frozenset[str]:
        """All words of a lane and of the lanes and methods that it names."""
        held: dict[str, frozenset[str]] = {}
        for lane, _, words in self.lanes:
            held[lane] = held.get(lane, frozenset()) | words
        found, pending = set[str](), [name]
        while pending and len(found) < 10_000:
            for word in held.pop(pending.pop(), ()):
                found.add(word)
                if word in held:
                    pending.append(word)
        return frozenset(found)

    def platform(self, name: str) -> str:
        """The platform block in which a lane stands; "" where it stands in none, or in several."""
        found = {platform for lane, platform, _ in self.lanes if lane == name}
        return found.pop() if len(found) == 1 else ""


def read(data: bytes) -> Script:
    """The calls of a file. Never fails: what is odd is left out."""
    lines = _uncommented(data[:SIZE_LIMIT].decode("utf-8", "replace"))
    constants: dict[str, set[str]] = {}
    for line in lines:
        if match := _CONSTANT.match(line):
            constants.setdefault(match[1], set()).add(match[2] or match[3] or "")
    known = {name: next(iter(texts)) for name, texts in constants.items() if len(texts) == 1}
    return Script(tuple(_calls(lines, known)), tuple(_lanes(lines)))


def _uncommented(text: str) -> list[str]:
    found, block = [], False
    for line in text.split("\n"):
        if line.startswith("=begin"):
            block = True
        found.append("" if block or line.lstrip().startswith("#") else _before_comment(line))
        if line.startswith("=end"):
            block = False
    return found


def _before_comment(line: str) -> str:
    position = line.find(" #")
    while position >= 0:
        before = line[:position]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return before
        position = line.find(" #", position + 2)
    return line


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """For each line its number, and the platform and lane around it, told by indentation as fastlane is written."""
    platform = lane = ""
    platform_indent = lane_indent = -1
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() == "end":
            if indent <= lane_indent:
                lane, lane_indent = "", -1
            if indent <= platform_indent:
                platform, platform_indent = "", -1
        if match := _PLATFORM.match(line):
            platform, platform_indent = match[1], indent
        elif (match := _LANE.match(line)) or (match := re.match(r"\s*def\s+(\w+[!?]?)", line)):
            lane, lane_indent = match[1], indent
        yield number, platform, lane


def _lanes(lines: list[str]) -> Iterator[tuple[str, str, frozenset[str]]]:
    held: dict[tuple[str, str], set[str]] = {}
    for number, platform, lane in _blocks(lines):
        if lane:
            words = held.setdefault((lane, platform), set())
            if not _LANE.match(lines[number]):
                words.update(_WORD.findall(lines[number]))
    for (lane, platform), words in held.items():
        yield lane, platform, frozenset(words)


def _calls(lines: list[str], constants: dict[str, str]) -> Iterator[RubyCall]:
    count = 0
    depths = [_depth(line[:LINE_LIMIT]) for line in lines]
    for number, platform, lane in _blocks(lines):
        for match in islice(_CALL.finditer(f"{lines[number][:LINE_LIMIT]} "), CALLS_A_LINE):
            if count >= CALL_LIMIT:
                return
            count += 1
            text = _span(lines, depths, number, match.end() - 1)
            yield _call(text, number, match, (platform, lane), constants)


def _call(text: str, number: int, match: re.Match[str], where: tuple[str, str], constants: dict[str, str]) -> RubyCall:
    first = _POSITIONAL.match(text)
    arguments = []
    for found in _ARGUMENT.finditer(text):
        value = found[2] if found[2] is not None else found[3]
        if value is None:
            value = found[4].removeprefix(":") if found[4][0] == ":" or found[4] in ("true", "false") else None
            value = constants.get(found[4]) if value is None else value
        if value is not None:
            arguments.append(Argument(found[1], value, number + 1 + text.count("\n", 0, found.start(1))))
    return RubyCall(
        match[1],
        number + 1,
        tuple(arguments),
        (first[1] or first[2] or "") if first else "",
        where[1],
        where[0],
        "**" in text,
    )


def _span(lines: list[str], depths: list[int], number: int, at: int) -> str:
    """The text of a call's arguments: to its closing parenthesis, or as long as lines end in a comma or an opener."""
    text = lines[number][at:LINE_LIMIT]
    opened = text.lstrip().startswith("(")
    taken = [text]
    depth = _depth(text)
    for position in range(number + 1, min(len(lines), number + SPAN_LIMIT)):
        following = lines[position][:LINE_LIMIT]
        if (depth <= 0) if opened else not (depth > 0 or taken[-1].rstrip().endswith((",", "{", "["))):
            break
        taken.append(following)
        depth += depths[position]
    return "\n".join(taken)[:TEXT_LIMIT]


def _depth(text: str) -> int:
    bare = re.sub(r"""(["'])(?:(?!\1)[^\\]|\\.)*\1""", "", text)
    return sum(bare.count(opener) for opener in "([{") - sum(bare.count(closer) for closer in ")]}")
