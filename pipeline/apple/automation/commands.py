"""Tells what a command of a script does to an Apple project: which tool it calls, with which names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from pipeline.apple.automation.shell import Command, Word
from pipeline.values import dataclass

VALUED = frozenset(
    [
        "project",
        "workspace",
        "scheme",
        "target",
        "configuration",
        "sdk",
        "destination",
        "destination-timeout",
        "arch",
        "jobs",
        "toolchain",
        "xcconfig",
        "archivePath",
        "exportPath",
        "exportOptionsPlist",
        "derivedDataPath",
        "resultBundlePath",
        "resultBundleVersion",
        "testPlan",
        "xctestrun",
        "only-testing",
        "skip-testing",
        "only-test-configuration",
        "skip-test-configuration",
        "clonedSourcePackagesDirPath",
        "packageCachePath",
        "packageAuthorizationProvider",
        "defaultPackageRegistryURL",
        "authenticationKeyPath",
        "authenticationKeyID",
        "authenticationKeyIssuerID",
        "testProductsPath",
        "localizationPath",
        "exportLanguage",
        "maximum-concurrent-test-device-destinations",
        "maximum-concurrent-test-simulator-destinations",
        "maximum-parallel-testing-workers",
        "parallel-testing-enabled",
        "parallel-testing-worker-count",
        "test-iterations",
        "test-timeouts-enabled",
        "default-test-execution-time-allowance",
        "maximum-test-execution-time-allowance",
        "enableAddressSanitizer",
        "enableThreadSanitizer",
        "enableUndefinedBehaviorSanitizer",
        "enableCodeCoverage",
        "testLanguage",
        "testRegion",
        "framework",
        "library",
        "headers",
        "output",
        "find-executable",
        "find-library",
        "exportFormat",
        "exportProvisioningProfile",
        "exportSigningIdentity",
        "downloadPlatform",
        "buildVersion",
        "architectureVariant",
        "scmProvider",
        "skipPackageSignatureValidation",
        "collect-test-diagnostics",
        "test-enumeration-style",
        "test-enumeration-format",
        "test-enumeration-output-path",
    ]
) - {"skipPackageSignatureValidation"}
"""Options of xcodebuild that take a value (`xcodebuild -help`)."""

_SUDO = frozenset({"-E", "-H", "-n", "-S"})
_PREFIXES = frozenset({"sudo", "env", "time", "exec", "command", "nice", "caffeinate", "nohup", "builtin"})
_SETTING = re.compile(r"([A-Za-z_]\w*(?:\[[^\]]*\])*)=")
SELECTION = re.compile(r"/Xcode[_-]?(\d+(?:\.\d+)*)(?:\.app)?(?:/|$)")
"""The folder of a chosen Xcode, as GitHub's images and xcodes name it."""


@dataclass(frozen=True)
class Setting:
    """An option or a build setting of a command. `text` is None where only the shell knows it."""

    name: str
    text: str | None
    line: int


@dataclass(frozen=True)
class Invocation:
    """A call of xcodebuild.

    `open` says that a variable may add options, so that what is missing cannot be told.
    """

    line: int
    options: tuple[Setting, ...] = ()
    settings: tuple[Setting, ...] = ()
    actions: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    open: bool = False
    tolerated: bool = False

    def option(self, name: str) -> Setting | None:
        """The option of that name, the last one if it is given more than once."""
        return next((each for each in reversed(self.options) if each.name == name), None)

    def text(self, name: str) -> str:
        """Its literal value; "" where it is not given or not known."""
        found = self.option(name)
        return (found.text or "") if found else ""

    @property
    def archives(self) -> bool:
        """Whether it makes an archive of an app."""
        return "archive" in self.actions

    @property
    def exports(self) -> bool:
        """Whether it exports an archive."""
        return "-exportArchive" in self.flags


@dataclass
class _Draft:
    options: list[Setting] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    actions: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    open: bool = False


def tool_of(command: Command, names: Mapping[str, str]) -> tuple[str, tuple[Word, ...]]:
    """The tool that a command calls, without what stands before it, and the words after its name; "" if unknown."""
    words = list(command.words)
    for _ in range(12):
        if not words:
            return "", ()
        name = words[0].resolved(names)
        if name is None:
            return "", tuple(words[1:])
        base = name.rpartition("/")[2]
        if base in _PREFIXES:
            words = words[1:]
            while words and ((text := words[0].literal or "").startswith("-") or _SETTING.match(text)):
                takes = base == "sudo" and text in ("-u", "-g")
                words = words[2 if takes or (base == "nice" and text == "-n") else 1 :]
        elif base == "xcrun":
            words = _after_xcrun(words[1:])
        elif base == "bundle" and len(words) > 1 and words[1].literal == "exec":
            words = words[2:]
        elif base == "arch" and len(words) > 1:
            words = words[2 if (words[1].literal or "").startswith("-") else 1 :]
        else:
            return name, tuple(words[1:])
    return "", ()


def _after_xcrun(words: list[Word]) -> list[Word]:
    while words and (text := words[0].literal or "").startswith("-"):
        if text in ("--find", "-f", "--show-sdk-path", "--show-sdk-version", "--show-sdk-platform-path"):
            return []
        words = words[2 if text in ("--sdk", "-sdk", "--toolchain", "-toolchain") else 1 :]
    return words


def invocation(command: Command, words: tuple[Word, ...], names: Mapping[str, str]) -> Invocation:
    """The words after `xcodebuild` as options, build settings and actions."""
    draft = _Draft()
    pending = ""
    for word in words:
        text = word.resolved(names)
        if pending:
            draft.options.append(Setting(pending, text, word.line))
            pending = ""
        elif text is None:
            _take_open(draft, word, names)
        elif text.startswith("-"):
            name = text.lstrip("-")
            if name in VALUED:
                pending = name
            draft.flags.add(text)
        elif match := _SETTING.match(text):
            draft.settings.append(Setting(match[1], text[match.end() :], word.line))
        else:
            draft.actions.add(text)
    return Invocation(
        command.line,
        tuple(draft.options),
        tuple(draft.settings),
        frozenset(draft.actions),
        frozenset(draft.flags),
        draft.open,
        command.tolerated,
    )


def _take_open(draft: _Draft, word: Word, names: Mapping[str, str]) -> None:
    head = word.parts[0] if word.parts else ("?", "")
    if not head[0] and (match := _SETTING.match(head[1])):
        rest = Word((("", head[1][match.end() :]), *word.parts[1:]), word.line)
        draft.settings.append(Setting(match[1], rest.resolved(names), word.line))
    else:
        draft.open = True


def options(words: tuple[Word, ...], names: Mapping[str, str]) -> Iterator[Setting]:
    """Options of any other tool: each that begins with a dash, with the word after it unless that is an option too."""
    texts = [word.resolved(names) for word in words]
    for position, text in enumerate(texts):
        if text is not None and text.startswith("-") and len(text) > 1:
            name, equals, value = text.partition("=")
            following = texts[position + 1] if position + 1 < len(texts) else ""
            if equals:
                yield Setting(name, value, words[position].line)
            elif following is not None and following.startswith("-"):
                yield Setting(name, "", words[position].line)
            else:
                yield Setting(name, following, words[position].line)


PLATFORMS = {
    "ios": "ios",
    "iphoneos": "ios",
    "macos": "macos",
    "osx": "macos",
    "mac": "macos",
    "macosx": "macos",
    "tvos": "tvos",
    "appletvos": "tvos",
    "visionos": "visionos",
    "xros": "visionos",
}


def platform_of(call: Invocation) -> str:
    """The platform that xcodebuild is told to build for: ios, macos, tvos, visionos; "" where it is not told."""
    sdk = call.text("sdk").lower()
    match = re.search(r"platform=([A-Za-z]+)(\sSimulator)?", call.text("destination"))
    if match and not match[2]:
        return PLATFORMS.get(match[1].lower(), "")
    return PLATFORMS.get(re.sub(r"[0-9.]+$", "", sdk), "")
