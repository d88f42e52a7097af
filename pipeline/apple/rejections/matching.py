"""Finds what Apple means in what its tools, services and mails print.

How codes are printed: `ERROR ITMS-90087: "…"` (Transporter, mail), `Asset validation failed (90206) …` and `… (90208)`
at the end of a message (altool), `STATE_ERROR.VALIDATION_ERROR.90205` (Xcode, fastlane), `"code" : "90035"`; and with
less to be known by `Error 90725: SDK …` and `90626: Invalid …` at the beginning of a line (App Store Connect). Newer
tools print `Validation failed (409) <text> (ID: …)` without any code: that is told by its text.

Every phrase is looked for once in the whole text, so the time grows with the text and not with its lines.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from pipeline.apple.rejections.catalogue import REJECTIONS, Rejection

TEXT_LIMIT = 2_000_000
"""Characters that are looked at: a build log is long, and Apple's answer stands at its end."""
_GAP = 300
"""Characters between the parts of a phrase, at most: bundle paths and lists of orientations."""

_NUMBER = r"(9[01]\d{3})(?!\d)"
_CODE = re.compile(
    rf"(?:\bi?tms[- ]|_error\.|\"code\"\s{{0,4}}:\s{{0,4}}\"?){_NUMBER}"
    rf"|(?:\bfailed|[a-z\"')][.!][\"']?|\(id: [0-9a-f-]{{8,40}}\)|^)\s{{0,4}}\({_NUMBER}\)"
)
"""A code where a code stands, in a plain text. In brackets behind anything else it is a number of some build."""
_LISTED = re.compile(r"failed \((9[01]\d{3}(?:\s{0,4},\s{0,4}9[01]\d{3}){1,99})")
_ABOUT = (
    r"apps?|applications?|bundles?|builds?|binary|sdk|xcode|icons?|info\.plist|plist|keys?|signatures?|signed|signing"
    r"|profiles?|entitlements?|executables?|frameworks?|extensions?|packages?|manifests?|api|swift|versions?|support"
)
_NUMBERED = re.compile(
    rf"(?:^[\t ]{{0,20}}|\b(?i:error):?[\t ]{{1,4}})(?P<said>{_NUMBER} ?: [\"“]?[A-Z])"
    rf"(?=[^\n]{{0,120}}?\b(?i:{_ABOUT})\b)",
    re.MULTILINE,
)
"""A number before a sentence, which is Apple's only where that begins as one and is about an app."""
_BARE = re.compile(rf"\s*(?:itms-)?{_NUMBER}\s*", re.IGNORECASE)
_BEGINS = re.compile(
    r"\bi?tms[- ]9|\berror itms|\bwarning itms|(?<!title=)\b(?:asset )?validation failed\b|\berror: |\*\*\* error\b"
    r"|\berror \d{5}:"
)
"""Where another statement begins: a code in one says nothing about the next."""
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})
_ESCAPED = re.compile(r"\\u0{0,4}201([89cd])|\\([\"'])", re.IGNORECASE)
_QUOTES = {"8": "'", "9": "'", "c": '"', "d": '"'}


def codes_in(text: str) -> tuple[str, ...]:
    """Apple's codes in a text, five digits each, in order, each once; a text that is nothing but a code counts too."""
    if bare := _BARE.fullmatch(text[:40]):
        return (bare[1],)
    lines = text[-TEXT_LIMIT:]
    plain = _plain(lines)
    return tuple(dict.fromkeys(code for _, code in sorted([*_codes_at(plain), *_numbered(lines, plain)])))


def explain_rejection(text: str) -> tuple[Rejection, ...]:
    """What Apple says in a text, in the order in which it is said, each once.

    In every statement a known code decides; where it has none, its words do. Where the same words may mean several
    things and the text has the code of one of them, or words that mean that one alone, they mean that one. Of a text
    longer than TEXT_LIMIT only the end is looked at.
    """
    lines = text[-TEXT_LIMIT:]
    if bare := _BARE.fullmatch(lines[:40]):
        return tuple(filter(None, [_known().get(bare[1])]))
    plain = _plain(lines)
    begins = [match.start() for match in _BEGINS.finditer(plain)]
    # A number before a sentence is seen while there are lines; its place in the plain text is found again.
    coded = [(at, _known()[code]) for at, code in _codes_at(plain) if code in _known()]
    led = [(at, _known()[code]) for at, code in _numbered(lines, plain) if code in _known()]
    begins = sorted({*begins, *(at for at, _ in led)})
    said = sorted([*coded, *led], key=lambda each: each[0])
    decided = {bisect_right(begins, at) for at, _ in said}
    named = {rejection.key for _, rejection in said}
    said += _by_words(plain, begins, decided, named)
    return tuple({each.key: each for _, each in sorted(said, key=lambda each: each[0])}.values())


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


def _plain(text: str) -> str:
    """A text without the accidents of where it was printed: line breaks, capitals, kinds of quotes, escapes of them."""
    if "\\" in text:
        text = _ESCAPED.sub(lambda match: _QUOTES[match[1].lower()] if match[1] else match[2], text)
    return " ".join(text.translate(_STRAIGHT).lower().split())


def _codes_at(text: str) -> list[tuple[int, str]]:
    found = [(match.start(match.lastindex or 0), match[match.lastindex or 0]) for match in _CODE.finditer(text)]
    for match in _LISTED.finditer(text):
        found += [(match.start(1), each.strip()) for each in match[1].split(",")]
    return sorted(found, key=lambda each: each[0])


def _numbered(lines: str, plain: str) -> Iterator[tuple[int, str]]:
    after = 0
    for match in _NUMBERED.finditer(lines):
        at = plain.find(_plain(match["said"]), after)
        if at >= 0:
            yield at, match[2]
            after = at + 1


@cache
def _known() -> Mapping[str, Rejection]:
    return {code: rejection for rejection in REJECTIONS for code in rejection.codes}


@cache
def _meanings() -> Mapping[str, list[Rejection]]:
    """The entries of each phrase, by the phrase as a plain text has it; those that mean one thing come first."""
    meanings: dict[str, list[Rejection]] = {}
    for rejection in REJECTIONS:
        for phrase in rejection.phrases:
            meanings.setdefault(phrase.lower(), []).append(rejection)
    return dict(sorted(meanings.items(), key=lambda each: len(each[1])))


def _by_words(plain: str, begins: list[int], decided: set[int], named: set[str]) -> list[tuple[int, Rejection]]:
    """What is said in statements that no code decides. `named` are the keys of what the text's codes mean."""
    found: list[tuple[int, Rejection]] = []
    told = set(named)
    for phrase, meanings in _meanings().items():
        at = next((at for at in _places(plain, phrase, begins) if bisect_right(begins, at) not in decided), None)
        if at is not None and not any(
            rejection.key in (named if len(meanings) == 1 else told) for rejection in meanings
        ):
            found += [(at, rejection) for rejection in meanings]
            if len(meanings) == 1:
                told.add(meanings[0].key)
    return found


def _places(plain: str, phrase: str, begins: list[int]) -> Iterator[int]:
    """Where the parts of a phrase stand in order within one statement, none further than a gap from the one before."""
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
            if bisect_right(begins, at) == bisect_right(begins, end - 1):
                yield at
        at = plain.find(first, at + len(first))
