"""Finds what Apple means in what its tools, services and mails print.

How codes are printed: `ERROR ITMS-90087: "…"` (Transporter, mail), `Asset validation failed (90206) …` and `… (90208)`
at the end (altool), `STATE_ERROR.VALIDATION_ERROR.90205` (Xcode, fastlane), `Error 90725:`, `"code" : "90035"`. Newer
tools print `Validation failed (409) <text> (ID: …)` without any code: that is told by its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from pipeline.apple.rejections.catalogue import REJECTIONS, Rejection

TEXT_LIMIT = 2_000_000
"""Characters that are looked at: a build log is long, and Apple's answer stands at its end."""
_GAP = 300
"""Characters between the parts of a phrase, at most: bundle paths and lists of orientations."""

_NUMBER = r"(9[01]\d{3})(?!\d)"
_CODE = re.compile(
    rf"(?:\bITMS-|_ERROR\.|\b[Ee][Rr][Rr][Oo][Rr]:?\s{{1,4}}|\bcode\"?\s{{0,4}}[:=]\s{{0,4}}\"?|(?<!\d\s)\(){_NUMBER}"
)
"""A code where a code stands. In brackets behind a digit it may be a build number: 2.5.0 (90206)."""
_LISTED = re.compile(r"failed \((9[01]\d{3}(?:\s*,\s*9[01]\d{3})*)")
_BARE = re.compile(rf"\s*(?:[Ii][Tt][Mm][Ss]-)?{_NUMBER}\s*")
_BEGINS = re.compile(
    r"(?=\bITMS-9)|(?=\bERROR ITMS-)|(?=\bWARNING ITMS-)|(?=\b(?:Asset v|V)alidation failed\b)|(?=\berror: )"
    r"|(?=\*\*\* Error\b)|(?=\bError \d{5}:)"
)
"""Where another statement begins: a code in one says nothing about the next."""
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})


def codes_in(text: str) -> tuple[str, ...]:
    """Apple's codes in a text, five digits each, in order, each once; a text that is nothing but a code counts too."""
    if bare := _BARE.fullmatch(text[:40]):
        return (bare[1],)
    found = [(match.start(1), match[1]) for match in _CODE.finditer(text)]
    for match in _LISTED.finditer(text):
        found += [(match.start(1), each.strip()) for each in match[1].split(",")]
    return tuple(dict.fromkeys(code for _, code in sorted(found, key=lambda each: each[0])))


def explain_rejection(text: str) -> tuple[Rejection, ...]:
    """What Apple says in a text, in the order in which it is said, each once.

    In every statement a known code decides; where it has none, its words do. Of a text longer than TEXT_LIMIT only the
    end is looked at.
    """
    known: dict[Rejection, None] = {}
    for statement in _statements(text[-TEXT_LIMIT:]):
        for rejection in _by_code(statement) or _by_words(statement):
            known[rejection] = None
    return tuple(known)


def rules_for(texts: Iterable[str]) -> tuple[str, ...]:
    """Our rules that find before an upload what Apple says in these texts, the nearest first."""
    found = (rejection for text in texts for rejection in explain_rejection(text))
    return tuple(dict.fromkeys(rule for rejection in found for rule in rejection.rules))


def advice(*texts: str) -> str:
    """A sentence on where to read about what Apple says: "`build.explain PROJ051` tells how to mend it"; or ""."""
    rules = rules_for(texts)[:MOST_RULES]
    return f"`build.explain {' '.join(rules)}` tells how to mend it" if rules else ""


MOST_RULES = 3
"""Rules that one sentence names: the nearest come first, and the others are told with them."""


def _statements(text: str) -> Iterator[str]:
    return (part for part in _BEGINS.split(text) if part.strip())


def _by_code(statement: str) -> list[Rejection]:
    table = _codes()
    return [table[code] for code in codes_in(statement) if code in table]


@cache
def _codes() -> dict[str, Rejection]:
    return {code: rejection for rejection in REJECTIONS for code in rejection.codes}


def _by_words(statement: str) -> list[Rejection]:
    plain = " ".join(statement.translate(_STRAIGHT).lower().split())
    return [rejection for rejection in REJECTIONS if any(_says(plain, phrase) for phrase in rejection.phrases)]


def _says(plain: str, phrase: str) -> bool:
    """Whether the parts of a phrase stand in a text in order, none further than a gap from the one before."""
    first, *rest = phrase.split(" … ")
    at = plain.find(first)
    while at >= 0:
        end = at + len(first)
        for part in rest:
            found = plain.find(part, end, end + _GAP + len(part))
            if found < 0:
                break
            end = found + len(part)
        else:
            return True
        at = plain.find(first, at + 1)
    return False
