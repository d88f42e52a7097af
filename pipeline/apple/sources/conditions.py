"""Tells which `#if` conditions hold in a release build, as far as that is certain.

Swift: "The Swift Programming Language", Conditional Compilation Block. C: C17, 6.10.1; TargetConditionals.h.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.model import Platform
from pipeline.values import dataclass

Verdict = bool | None
"""True, False, or None where nobody can tell."""

LENGTH_LIMIT = 2_000
DEPTH_LIMIT = 32


def negated(value: Verdict) -> Verdict:
    """Not, of three values."""
    return None if value is None else not value


def both(left: Verdict, right: Verdict) -> Verdict:
    """And, of three values."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Verdict, right: Verdict) -> Verdict:
    """Or, of three values."""
    return negated(both(negated(left), negated(right)))


_OS = {
    Platform.IOS: ("iOS",),
    Platform.MAC_OS: ("macOS", "OSX"),
    Platform.TV_OS: ("tvOS",),
    Platform.VISION_OS: ("visionOS", "xrOS"),
}
_TARGETS = {
    "TARGET_OS_IPHONE": (Platform.IOS, Platform.TV_OS, Platform.VISION_OS),
    "TARGET_OS_IOS": (Platform.IOS,),
    "TARGET_OS_OSX": (Platform.MAC_OS,),
    "TARGET_OS_TV": (Platform.TV_OS,),
    "TARGET_OS_VISION": (Platform.VISION_OS,),
    "TARGET_OS_WATCH": (),
    "TARGET_OS_SIMULATOR": (),
    "TARGET_IPHONE_SIMULATOR": (),
    "TARGET_OS_MAC": tuple(Platform),
}
_EVERYWHERE = ("Foundation", "Darwin", "SwiftUI", "Combine", "CoreGraphics", "CloudKit", "Security", "Dispatch")
_ONLY_MAC = ("AppKit", "Cocoa", "Carbon")
_NOWHERE = ("Glibc", "Musl", "WinSDK", "FoundationNetworking", "FoundationXML", "Android", "Bionic", "WASILibc")
_TOKEN = re.compile(r"\s*(\|\||&&|!(?!=)|[()]|[A-Za-z_]\w*|\d\w*|[<>=!]=|\S)")
_SURE_COMPILER = 5.9
"""Apple has taken no upload from an older compiler since April 2025 (Xcode 16 brings 6.0)."""


@dataclass(frozen=True)
class Conditions:
    """What decides about the code of one module in one configuration.

    Attributes:
        platform: the lane's.
        flags: Swift's active compilation conditions, and the macros that are defined to something else than 0.
        complete: whether there can be no other Swift flags: every setting that decides was resolved.
        catalyst: whether the target is built with Mac Catalyst, so that it is both iOS and macOS.
    """

    platform: Platform
    flags: frozenset[str] = frozenset()
    complete: bool = True
    catalyst: bool = False

    def swift(self, _word: str, condition: str) -> Verdict:
        """What a Swift condition comes to."""
        return _Expression(condition, self._swift_flag, self._swift_call).value()

    def _swift_flag(self, name: str) -> Verdict:
        if name in ("true", "false"):
            return name == "true"
        return True if name in self.flags else False if self.complete else None

    def _swift_call(self, name: str, argument: str) -> Verdict:
        if name == "os":
            return argument in _OS[self.platform] if not self.catalyst else None
        if name == "targetEnvironment":
            return None if self.catalyst and argument == "macCatalyst" else False
        if name == "canImport":
            return self._can_import(argument)
        if name == "arch":
            return argument == "arm64" if self.platform is not Platform.MAC_OS and not self.catalyst else None
        if name == "compiler" and (found := re.fullmatch(r"(>=|<)\s*(\d+(?:\.\d+)?)[\d.]*", argument)):
            return (found[1] == ">=") if float(found[2]) <= _SURE_COMPILER else None
        return None

    def _can_import(self, module: str) -> Verdict:
        mac = self.platform is Platform.MAC_OS
        if module in _EVERYWHERE:
            return True
        if module in _NOWHERE:
            return False
        if self.catalyst:
            return None
        if module == "UIKit":
            return not mac
        return mac if module in _ONLY_MAC else None

    def c_family(self, word: str, condition: str) -> Verdict:
        """What a condition of the preprocessor comes to. Headers may define anything, so that most cannot be told."""
        if word in ("ifdef", "ifndef"):
            held = self._macro_defined(condition.partition(" ")[0])
            return negated(held) if word == "ifndef" else held
        return _Expression(condition, self._macro, self._macro_call).value()

    def _macro(self, name: str) -> Verdict:
        if name.isdecimal():
            return int(name[:18]) != 0
        if name in _TARGETS:
            return None if self.catalyst else self.platform in _TARGETS[name]
        return True if name in self.flags else False if name == "DEBUG" and self.complete else None

    def _macro_call(self, name: str, argument: str) -> Verdict:
        return self._macro_defined(argument) if name == "defined" else None

    def _macro_defined(self, name: str) -> Verdict:
        if name in _TARGETS or name == "__APPLE__":
            return True
        return True if name in self.flags else False if name == "DEBUG" and self.complete else None


class _Expression:
    """A condition: or over and over not over names and calls. What it does not understand cannot be told."""

    def __init__(self, text: str, flag: Callable[[str], Verdict], call: Callable[[str, str], Verdict]) -> None:
        self._tokens = _TOKEN.findall(text) if len(text) <= LENGTH_LIMIT else ["?"]
        self._position = 0
        self._flag = flag
        self._call = call

    def value(self) -> Verdict:
        found = self._alternatives(0)
        return found if self._position == len(self._tokens) and self._tokens else None

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _alternatives(self, depth: int) -> Verdict:
        found = self._parts(depth)
        while self._peek() == "||":
            self._position += 1
            found = either(found, self._parts(depth))
        return found

    def _parts(self, depth: int) -> Verdict:
        found = self._part(depth)
        while self._peek() == "&&":
            self._position += 1
            found = both(found, self._part(depth))
        return found

    def _part(self, depth: int) -> Verdict:
        nots = 0
        while self._peek() == "!":
            nots += 1
            self._position += 1
        found = self._primary(depth)
        if self._peek() not in ("", "&&", "||", ")"):
            self._skip()
            found = None
        return negated(found) if nots % 2 else found

    def _primary(self, depth: int) -> Verdict:
        word = self._peek()
        if word == "(" and depth < DEPTH_LIMIT:
            self._position += 1
            found = self._alternatives(depth + 1)
            if self._peek() != ")":
                return None
            self._position += 1
            return found
        if not (word[:1].isalnum() or word[:1] == "_"):
            return None
        self._position += 1
        if self._peek() == "(":
            return self._call(word, self._argument())
        if word == "defined" and self._peek():
            self._position += 1
            return self._call(word, self._tokens[self._position - 1])
        return self._flag(word)

    def _argument(self) -> str:
        """The tokens between the parentheses that come now, run together."""
        depth, start = 0, self._position + 1
        while word := self._peek():
            self._position += 1
            depth += (word == "(") - (word == ")")
            if not depth:
                return "".join(self._tokens[start : self._position - 1])
        return "?"

    def _skip(self) -> None:
        """On to what ends this part: arithmetic and comparisons cannot be told."""
        depth = 0
        while word := self._peek():
            if not depth and word in ("&&", "||", ")"):
                return
            depth += (word == "(") - (word == ")")
            self._position += 1
