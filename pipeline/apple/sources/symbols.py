"""The table of signs as a whole, ready to be searched for.

Listed is what certainly needs something: the call that asks for access or takes it. To mention a class, to ask whether
access was given, and to show a picker that runs outside the app need nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from posixpath import commonprefix

from pipeline.apple.sources.capabilities import CAPABILITIES
from pipeline.apple.sources.names import COMPARED, CONFLICTS, NAMED, OTHERS_GROUPS, WEB
from pipeline.apple.sources.purposes import PURPOSES
from pipeline.apple.sources.reasons import REASONS
from pipeline.apple.sources.signs import MARKER, Sign

SIGNS: tuple[Sign, ...] = (*PURPOSES, *REASONS, *CAPABILITIES, *NAMED, *COMPARED, *OTHERS_GROUPS, *WEB, *CONFLICTS)


@cache
def by_trigger(platform: str) -> dict[str, tuple[Sign, ...]]:
    """The signs that matter on a platform (a Platform's value), by their trigger."""
    found: dict[str, list[Sign]] = {}
    for sign in SIGNS:
        if not sign.platforms or platform in sign.platforms:
            found.setdefault(sign.trigger, []).append(sign)
    return {trigger: tuple(signs) for trigger, signs in found.items()}


@cache
def triggers(platform: str) -> re.Pattern[bytes]:
    """One pattern over bytes for all triggers of a platform, and for imports.

    Built as a tree, and anchored at the beginning of a word: that is three times as fast as a plain alternation.
    """
    words = [trigger.encode() for trigger in by_trigger(platform) if trigger != MARKER]
    return re.compile(
        rb"\b(?:import[ \t]+<?(?:(?:class|struct|enum|func|protocol)[ \t]+)?\w+|(?:" + _tree(words) + rb"))"
    )


def _tree(words: Iterable[bytes]) -> bytes:
    """An alternation in which words share their beginnings; the longest word wins."""
    branches: dict[bytes, list[bytes]] = {}
    for word in words:
        branches.setdefault(word[:1], []).append(word)
    # The empty word, where one word begins another, comes last.
    return b"|".join(_branch(held) for first, held in sorted(branches.items(), reverse=True))


def _branch(words: list[bytes]) -> bytes:
    shared = words[0][: len(commonprefix([word.decode() for word in words]))]
    rest = [word[len(shared) :] for word in words]
    return re.escape(shared) + (b"(?:" + _tree(rest) + b")" if len(rest) > 1 else b"")
