"""What a sign is: how the table says that something is used, and the patterns that most signs share."""

from __future__ import annotations

import re

from pipeline.apple.sources.facts import Topic
from pipeline.lazily import cached_property
from pipeline.values import dataclass

IOS, MAC, TV, VISION = "IOS", "MAC_OS", "TV_OS", "VISION_OS"
PHONES = (IOS, VISION)
NOT_MAC = (IOS, TV, VISION)


@dataclass(frozen=True)
class Sign:
    """One way to use something.

    Attributes:
        name: what is needed; see Topic. "" where the source itself names it.
        symbol: how a person knows the use.
        trigger: a word, or the beginning of one, that stands wherever the sign does.
        swift, objc: patterns over lexed code; "" where the language has no such use. Where the source names what is
            needed, the pattern ends in front of the text's quote.
        beside: a pattern that has to match elsewhere in the same file, such as the import of the framework.
        platforms: where it matters; () for everywhere.
        certain: False where Apple does not say that it counts.
        shape: what a named text has to look like to count.
    """

    topic: Topic
    name: str
    symbol: str
    trigger: str
    swift: str = ""
    objc: str = ""
    beside: str = ""
    platforms: tuple[str, ...] = ()
    certain: bool = True
    shape: str = r"[\s\S]+"

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        """The compiled patterns: Swift's, and the C family's."""
        return re.compile(self.swift) if self.swift else None, re.compile(self.objc) if self.objc else None

    @cached_property
    def neighbour(self) -> re.Pattern[str] | None:
        """The compiled pattern of `beside`."""
        return re.compile(self.beside) if self.beside else None


def imports(module: str) -> str:
    return rf"\bimport\s+(?:(?:class|struct|enum|func|protocol)\s+)?<?(?:{module})\b"


MARKER = "<<<<<<<"
"""The trigger of a merge that was not brought to its end; it is no word, and begins a line."""

CALL = r"\s*(?:\(|\{)"


def made(name: str) -> tuple[str, str]:
    """Patterns for making an object of a class."""
    return rf"(?<![\w.]){name}\s*\(", rf"\[\s*{name}\s+(?:alloc|new)\b"


def asked(kind: str, method: str) -> tuple[str, str]:
    """Patterns for a class method."""
    return rf"(?<![\w.]){kind}\s*\.\s*{method}{CALL}", rf"\[\s*{kind}\s+{method}\w*:"
