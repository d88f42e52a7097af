"""Resolves build settings as Xcode does, and says of every value where it was written.

Levels and operators: swift-build, Sources/SWBCore/Settings/Settings.swift 3096 and 3360,
Sources/SWBMacro/MacroEvaluationProgram.swift 223-330, MacroValueAssignmentTable.swift 93.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from fnmatch import fnmatchcase

from pipeline.apple.xcode.pbxproj import Table
from pipeline.apple.xcode.xcconfig import Assignment, Conditions, split_key
from pipeline.values import dataclass

TEXT_LIMIT = 64 * 1024
EXPANSION_LIMIT = 20_000
DEPTH_LIMIT = 80


class Level(StrEnum):
    """Where an assignment stands; later members win over earlier ones."""

    PLATFORM = "platform default"
    PROJECT_FILE = "project xcconfig"
    PROJECT = "project settings"
    TARGET_FILE = "target xcconfig"
    TARGET = "target settings"
    COMMAND = "command line"


@dataclass(frozen=True)
class Resolved:
    """A value after expansion, and the assignment that decided it. `undefined` names what expanded to nothing.

    `hidden` names the configuration files that were not read and could make another value of it: it is not known.
    """

    text: str
    written: str = ""
    path: str = ""
    line: int | None = None
    level: Level | None = None
    undefined: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether the project itself, not Xcode's defaults, assigns it."""
        return self.level not in (None, Level.PLATFORM)


@dataclass(frozen=True)
class Gap:
    """A configuration file that was not read, and its place: it would win over the first `after` settings of a level.

    Without an `optional` one the checkout builds too, so that it only makes known what otherwise is empty.
    """

    path: str
    level: Level
    after: int = 0
    optional: bool = False

    def may_give(self, key: str) -> bool:
        """Whether the file could hold that setting; what CocoaPods writes says nothing of what the product is."""
        return "Pods" not in self.path.split("/") or not key.startswith(_OF_THE_PRODUCT)


_OF_THE_PRODUCT = (
    *("PRODUCT_BUNDLE", "PRODUCT_NAME", "MARKETING_VERSION", "CURRENT_PROJECT_VERSION", "VERSIONING_SYSTEM"),
    *("DEVELOPMENT_TEAM", "CODE_SIGN_", "PROVISIONING_PROFILE", "ENABLE_APP_SANDBOX", "INFOPLIST_", "GENERATE_INFO"),
    *("ASSETCATALOG_", "TARGETED_DEVICE_FAMILY", "SUPPORTED_PLATFORMS", "SUPPORTS_MACCATALYST", "DERIVE_MACCATALYST"),
    *("IPHONEOS_DEPLOYMENT", "MACOSX_DEPLOYMENT", "TVOS_DEPLOYMENT", "WATCHOS_DEPLOYMENT", "XROS_DEPLOYMENT"),
)


@dataclass(frozen=True)
class Context:
    """What conditions are compared with. `sdk` is a name such as iphoneos or macosx; "" matches no sdk condition."""

    sdk: str = ""
    configuration: str = ""
    arch: str = "arm64"

    def admits(self, conditions: Conditions) -> bool:
        """Whether all conditions of an assignment hold."""
        return all(self._holds(parameter, pattern) for parameter, pattern in conditions)

    def _holds(self, parameter: str, pattern: str) -> bool:
        known = {"sdk": self.sdk, "arch": self.arch, "config": self.configuration, "variant": "normal"}
        value = known.get(parameter, "")
        return bool(value) and (value == pattern or fnmatchcase(value, pattern))


def settings_of(table: Table, path: str) -> tuple[Assignment, ...]:
    """The buildSettings dictionary of a project file as assignments.

    Keys are sorted, so that `KEY[sdk=…]` comes after `KEY` and wins (swift-build, MacroNamespace.swift 414).
    """
    found = []
    for key in sorted(table):
        value = table[key]
        name = split_key(key)
        if name is not None:
            found.append(Assignment(name[0], name[1], _flat(value), path, table.line(key)))
    return tuple(found)


def _flat(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_quoted(str(item)) for item in value)
    return value if isinstance(value, str) else ""


def _quoted(item: str) -> str:
    return f'"{item}"' if " " in item and not item.startswith('"') else item


@dataclass
class _Walk:
    """One evaluation: what is being expanded, what turned out undefined or not known, and how much work is left."""

    active: dict[str, int] = field(default_factory=dict)
    undefined: dict[str, None] = field(default_factory=dict)
    hidden: dict[str, None] = field(default_factory=dict)
    steps: int = EXPANSION_LIMIT
    depth: int = 0


class Settings:
    """The settings of one target in one configuration, for one SDK.

    Args:
        levels: assignments, weakest level first.
        context: what conditions are compared with.
        defaults: Xcode's own values.
        assigned: tells the names that the project assigns anywhere. A setting that another configuration assigns is
            left empty here on purpose (a suffix of test builds, say), so it does not count as undefined.
        gaps: the configuration files that were not read.
    """

    def __init__(
        self,
        levels: Sequence[tuple[Level, Iterable[Assignment]]],
        context: Context,
        defaults: Mapping[str, str],
        assigned: Callable[[], Container[str]] = frozenset,
        gaps: Sequence[Gap] = (),
    ) -> None:
        self.context = context
        self._assigned = assigned
        self._gaps = tuple(((_ORDER[gap.level], gap.after), gap) for gap in gaps)
        self._stacks: dict[str, list[tuple[Assignment, Level]]] = {
            key: [(Assignment(key, (), value, "", None), Level.PLATFORM)] for key, value in defaults.items()
        }
        self._resolved: dict[str, Resolved] = {}
        for level, assignments in levels:
            for assignment in assignments:
                if not assignment.conditions or context.admits(assignment.conditions):
                    self._stacks.setdefault(assignment.key, []).append((assignment, level))
        self._orders = self._ordered(levels, defaults) if gaps else {}

    def _ordered(
        self, levels: Sequence[tuple[Level, Iterable[Assignment]]], defaults: Iterable[str]
    ) -> dict[str, list[tuple[int, int]]]:
        """The place among the levels of each assignment of a stack. Only gaps make it worth knowing."""
        orders = {key: [_LOWEST] for key in defaults}
        for level, assignments in levels:
            for number, assignment in enumerate(assignments):
                if not assignment.conditions or self.context.admits(assignment.conditions):
                    orders.setdefault(assignment.key, []).append((_ORDER[level], number))
        return orders

    def __contains__(self, key: str) -> bool:
        return key in self._stacks

    def __iter__(self) -> Iterator[str]:
        """The names of all settings that apply here."""
        return iter(self._stacks)

    def get(self, key: str) -> Resolved:
        """The value of a setting; an empty one when nothing assigns it, as Xcode has it."""
        known = self._resolved.get(key)
        if known is None:
            known = self._resolved[key] = self._resolve(key)
        return known

    def text(self, key: str) -> str:
        """The expanded text of a setting."""
        return self.get(key).text

    def flag(self, key: str) -> bool:
        """Whether a boolean setting is on: YES, or any of the spellings that Xcode takes for it."""
        return self.text(key).upper() in ("YES", "TRUE", "1")

    def expand(self, text: str) -> Resolved:
        """A text that refers to settings, such as a value in an Info.plist."""
        if "$" not in text:
            return Resolved(text, text)
        walk = _Walk()
        found = self._expand(text, walk, "")
        return Resolved(found, text, undefined=tuple(walk.undefined), hidden=tuple(walk.hidden))

    def with_value(self, key: str, value: str) -> Settings:
        """The same settings, but for one that has this value whatever the project assigns; `$$` stands for a dollar."""
        found = Settings((), self.context, {}, self._assigned)
        found._stacks = {**self._stacks, key: [(Assignment(key, (), value, "", None), Level.COMMAND)]}
        found._gaps, found._orders = self._gaps, {**self._orders, key: [_HIGHEST]}
        return found

    def assignments(self, key: str) -> tuple[tuple[Assignment, Level], ...]:
        """All assignments that apply here, weakest first."""
        return tuple(self._stacks.get(key, ()))

    def expanded_at(self, key: str, position: int) -> str:
        """What the setting would be if the assignments after `position` were not there."""
        return self._value(key, position, _Walk())

    def _resolve(self, key: str) -> Resolved:
        stack = self._stacks.get(key)
        walk = _Walk()
        if not stack:
            self._look_behind(key, -1, "", walk)
            return Resolved("", hidden=tuple(walk.hidden))
        text = self._value(key, len(stack) - 1, walk)
        # `KEY = $(inherited)` decides nothing: the place that a person has to change is the one it inherits from.
        position = len(stack) - 1
        while position > 0 and stack[position][0].value.strip() in ("$(inherited)", "${inherited}", f"$({key})"):
            position -= 1
        assignment, level = stack[position]
        undefined, hidden = tuple(walk.undefined), tuple(walk.hidden)
        return Resolved(text, assignment.value, assignment.path, assignment.line, level, undefined, hidden)

    def _look_behind(self, key: str, position: int, text: str, walk: _Walk) -> None:
        """Notes which files that were not read could stand between an assignment and the next stronger one."""
        if not self._gaps or key in _FIXED:
            return
        orders = self._orders.get(key, [])
        below = orders[position] if position >= 0 else _LOWEST
        above = orders[position + 1] if position + 1 < len(orders) else _HIGHEST
        for place, gap in self._gaps:
            if below < place <= above and not (gap.optional and text) and gap.may_give(key):
                walk.hidden[gap.path] = None

    def _value(self, key: str, position: int, walk: _Walk) -> str:
        text = self._expanded(key, position, walk)
        self._look_behind(key, position, text, walk)
        return text

    def _expanded(self, key: str, position: int, walk: _Walk) -> str:
        stack = self._stacks.get(key)
        if not stack or position < 0:
            return ""
        value = stack[position][0].value
        if "$" not in value:
            return value
        before = walk.active.get(key)
        walk.active[key] = position
        text = self._expand(value, walk, key)
        if before is None:
            del walk.active[key]
        else:
            walk.active[key] = before
        return text

    def _lookup(self, name: str, walk: _Walk, within: str) -> str:
        if name in ("inherited", "value"):
            return self._value(within, walk.active.get(within, 0) - 1, walk) if within else ""
        if name in walk.active:
            # A setting met again while it is being expanded stands for its next weaker value, which ends every loop.
            return self._value(name, walk.active[name] - 1, walk)
        stack = self._stacks.get(name)
        if stack is None:
            if not _is_xcodes(name) or name.endswith(_DEPLOYMENT):
                self._look_behind(name, -1, "", walk)
            if name and not _is_xcodes(name) and (name == TEAM or name not in self._assigned()):
                walk.undefined[name] = None
            return ""
        value = self._value(name, len(stack) - 1, walk)
        if name == TEAM and not value:
            # Whatever is made of an empty team is not what will be built.
            walk.undefined[TEAM] = None
        return value

    def _expand(self, text: str, walk: _Walk, within: str) -> str:
        parts: list[str] = []
        position = size = 0
        while (dollar := text.find("$", position)) >= 0 and size < TEXT_LIMIT:
            parts.append(text[position:dollar])
            name, operators, position = _reference(text, dollar)
            if name is None:
                parts.append("$" if text[dollar:position] == "$$" else text[dollar:position])
                continue
            walk.steps -= 1
            if walk.steps <= 0 or walk.depth > DEPTH_LIMIT:
                return ""
            walk.depth += 1
            if text[dollar + 1] in _CLOSERS:
                value = self._referred(name, operators, walk, within)
            else:
                value = self._bare(name, walk, within)
            walk.depth -= 1
            parts.append(value)
            size += len(value)
        parts.append(text[position:])
        return "".join(parts)[:TEXT_LIMIT]

    def _bare(self, name: str, walk: _Walk, within: str) -> str:
        """`$NAME`, which stays as it is where there is no such setting."""
        name = self._expand(name, walk, within) if "$" in name else name
        known = name in ("inherited", "value") or name in self._stacks
        return self._lookup(name, walk, within) if known else f"${name}"

    def _referred(self, name: str, operators: list[str], walk: _Walk, within: str) -> str:
        known = len(walk.undefined)
        value = self._lookup(self._expand(name, walk, within) if "$" in name else name, walk, within)
        if any(operator.startswith("default=") for operator in operators):
            # What has a default is provided for, so it does not count as undefined.
            while len(walk.undefined) > known:
                walk.undefined.popitem()
        for operator in operators:
            value = self._operate(operator, value, walk, within)
        return value

    def _operate(self, operator: str, value: str, walk: _Walk, within: str) -> str:
        name, equals, operand = operator.partition("=")
        if not equals:
            function = _RETRIEVAL.get(name)
            return function(value) if function else value
        if name == "default":
            return value or self._expand(operand, walk, within)
        return _replaced(name, value, self._expand(operand, walk, within))


# Lists that quote are rare: these are compiled when one is met.
_WORD = r"""(?s)(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*+"|'[^']*+')++"""
_PIECE = r"""(?s)\\(.)|"((?:[^"\\]|\\.)*+)"|'([^']*+)'"""


def words(text: str) -> tuple[str, ...]:
    """The items of a list setting, which are quoted as for a shell."""
    if not any(mark in text for mark in "\\\"'"):
        return tuple(text.split())
    return tuple(re.sub(_PIECE, lambda m: m[1] or m[2] or m[3] or "", word) for word in re.findall(_WORD, text))


TEAM = "DEVELOPMENT_TEAM"

_ORDER = {level: number for number, level in enumerate(Level)}
_LOWEST, _HIGHEST = (-1, 0), (len(_ORDER), 0)
_FIXED_NAMES = (
    "ACTION CFBundleIdentifier CONFIGURATION CURRENT_ARCH DEVELOPMENT_LANGUAGE EFFECTIVE_PLATFORM_NAME "
    "EXECUTABLE_NAME EXECUTABLE_PREFIX EXECUTABLE_SUFFIX LOCAL_APPS_DIR PLATFORM_NAME "
    "PRODUCT_BUNDLE_PACKAGE_TYPE PROJECT PROJECT_DIR PROJECT_FILE_PATH PROJECT_NAME SDK_NAME "
    "SOURCE_ROOT SRCROOT TARGET_NAME TARGETNAME WRAPPER_EXTENSION WRAPPER_NAME"
)
_FIXED = frozenset(_FIXED_NAMES.split())
"""Defaults that follow from the project and its target, and that no configuration file is expected to change."""

_OF_XCODE = frozenset(
    [
        "ARCHS",
        "BUILD_DIR",
        "BUILD_ROOT",
        "CACHE_ROOT",
        "CONFIGURATION_BUILD_DIR",
        "CONFIGURATION_TEMP_DIR",
        "CURRENT_VARIANT",
        "DERIVED_FILE_DIR",
        "DSTROOT",
        "GROUP",
        "HOME",
        "INSTALL_DIR",
        "LOCROOT",
        "MACH_O_TYPE",
        "NATIVE_ARCH",
        "OBJROOT",
        "PODS_ROOT",
        "PRODUCT_TYPE",
        "PROJECT_TEMP_DIR",
        "SDKROOT",
        "SHARED_PRECOMPS_DIR",
        "SYMROOT",
        "TARGET_BUILD_DIR",
        "TARGET_TEMP_DIR",
        "TEMP_DIR",
        "UID",
        "USER",
        "VERSIONPLIST_PATH",
    ]
)
_PREFIXES = ("ARCHS_", "BUILT_PRODUCTS_", "DEVELOPER_", "DT_", "MAC_OS_X_", "PLATFORM_", "SDK_", "TOOLCHAIN", "XCODE_")
_DEPLOYMENT = "_DEPLOYMENT_TARGET"
_SUFFIXES = (_DEPLOYMENT, "_FOLDER_PATH", "_FOLDER_NAME")


def _is_xcodes(name: str) -> bool:
    """Whether Xcode itself gives the setting a value while it builds, so that it cannot be told here."""
    return name in _OF_XCODE or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES)


_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9._]*")
"""A name without parentheses (swift-build, MacroExpressionParsing.swift 516-525)."""
_CLOSERS = {"(": ")", "{": "}", "[": "]"}


def _reference(text: str, dollar: int) -> tuple[str | None, list[str], int]:
    """The name, the operators and the end of the reference at `dollar`; no name when it is a plain dollar sign."""
    opener = text[dollar + 1 : dollar + 2]
    closer = _CLOSERS.get(opener)
    if closer is None:
        match = _BARE.match(text, dollar + 1)
        if match is None:
            return None, [], dollar + (2 if opener == "$" else 1)
        end = match.end()
        if text.startswith("$(", end):
            # `$A$(B)` is one name (the same file as above, 277).
            end = _reference(text, end)[2]
        return text[dollar + 1 : end], [], end
    depth, start, parts = 0, dollar + 2, []
    for end in range(dollar + 2, len(text)):
        character = text[end]
        if character in "({[" and text[end - 1] == "$":
            depth += 1
        elif depth and character in ")}]":
            depth -= 1
        elif character == closer:
            parts.append(text[start:end])
            return parts[0], parts[1:], end + 1
        elif character == ":" and not depth:
            parts.append(text[start:end])
            start = end + 1
    return None, [], len(text)


def _identifier(value: str, kept: str, other: str) -> str:
    return "".join(
        c if (c.isascii() and c.isalpha()) or c in kept or (c.isascii() and c.isdigit() and i) else other
        for i, c in enumerate(value)
    )


def _directory(value: str) -> str:
    folder = posixpath.dirname(value)
    return f"{folder.rstrip('/')}/" if folder else "./"


_RETRIEVAL = {
    "upper": str.upper,
    "lower": str.lower,
    "identifier": lambda value: _identifier(value, "_", "_"),
    "c99extidentifier": lambda value: "".join(
        c if c == "_" or c.isalpha() or (c.isalnum() and i) else "_" for i, c in enumerate(value)
    ),
    "rfc1034identifier": lambda value: _identifier(value, "-", "-"),
    "dir": _directory,
    "file": posixpath.basename,
    "base": lambda value: posixpath.splitext(posixpath.basename(value))[0],
    "suffix": lambda value: posixpath.splitext(value)[1],
    "stripslash": lambda value: value.removeprefix("/"),
    "standardizepath": lambda value: posixpath.normpath(value) if value else "",
    "not": lambda value: "NO" if value == "YES" else "YES",
    "truncatedversion": lambda value: ".".join(value.split(".")[:3]),
    "quote": lambda value: value.replace(" ", "\\ "),
}


def _replaced(name: str, value: str, by: str) -> str:
    if not value:
        return value
    if name == "dir":
        return posixpath.join(by, posixpath.basename(value))
    if name == "file":
        return posixpath.join(posixpath.dirname(value), by)
    if name == "base":
        return posixpath.join(posixpath.dirname(value), by) + posixpath.splitext(value)[1]
    if name == "suffix":
        return f"{posixpath.splitext(value)[0]}.{by.rpartition('.')[2]}"
    return value
