"""The resource seal of a bundle: _CodeSignature/CodeResources against the files that are really there.

Rules as in libsecurity_codesigning (ResourceBuilder, BundleDiskRep): the heaviest matching rule decides about a file;
the seal itself, the store receipt and the main executable are never sealed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.apple.bundle.containers import Entry

SEAL = "_CodeSignature/CodeResources"
_NEVER_SEALED = ("_CodeSignature/", "_MASReceipt/")
_STANDARD = frozenset(
    {
        "^.*",
        "^.*\\.lproj/",
        "^.*\\.lproj/locversion.plist$",
        "^Base\\.lproj/",
        ".*\\.dSYM($|/)",
        "^(.*/)?\\.DS_Store$",
        "^Info\\.plist$",
        "^PkgInfo$",
        "^version\\.plist$",
        "^version.plist$",
        "^embedded\\.provisionprofile$",
        "^[^/]+$",
        "^Resources/",
        "^Resources/.*\\.lproj/",
        "^Resources/.*\\.lproj/locversion.plist$",
        "^Resources/Base\\.lproj/",
        "^(Frameworks|SharedFrameworks|PlugIns|Plug-ins|XPCServices|Helpers|MacOS|Library/(Automator|Spotlight|LoginItems))/",
    }
)
_LONGEST_PATTERN = 200
_SHOWN = 5


@dataclass(frozen=True)
class SealJudgement:
    """What does not fit the seal, and what could not be judged."""

    flaws: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass
class _Tally:
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def judgement(self) -> SealJudgement:
        told = (
            (self.changed, "changed after signing"),
            (self.missing, "missing although sealed"),
            (self.added, "added after signing"),
        )
        flaws = tuple(f"{_some(paths)} {what}" for paths, what in told if paths)
        return SealJudgement(flaws, tuple(self.unseen))


def _listing(resources: Mapping[str, Any]) -> tuple[Any, Any]:
    """Files and rules of a seal: of the newer kind, where it has both."""
    if isinstance(resources.get("files2"), dict):
        return resources.get("files2"), resources.get("rules2")
    return resources.get("files"), resources.get("rules")


def hashes_of(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The files whose hashes a seal gives, each with the algorithm that it is judged by."""
    listed, _ = _listing(resources)
    for path, told in listed.items() if isinstance(listed, dict) else ():
        if not isinstance(told, dict):
            yield path, "sha1"
        elif "symlink" not in told and "cdhash" not in told:
            yield path, "sha256" if "hash2" in told else "sha1"


def judge_seal(
    resources: Mapping[str, Any],
    entries: Mapping[str, Entry],
    digest: Callable[[str, str], bytes],
    code: Callable[[str], frozenset[bytes] | None],
    executable: str,
) -> SealJudgement:
    """Compare a seal with the files of its bundle.

    Args:
        resources: the dictionary of CodeResources.
        entries: the files and links of the bundle by path relative to its resource base (Contents on macOS).
        digest: hash of a file: (relative path, "sha256" or "sha1") -> digest.
        code: the cdhashes of the nested code at a relative path; None when there is none that can be read.
        executable: relative path of the main executable, which its own signature covers.
    """
    listed, rules = _listing(resources)
    if not isinstance(listed, dict) or not isinstance(rules, dict):
        return SealJudgement((f"{SEAL} lists no files or has no rules",))
    tally = _Tally()
    nested = []
    for path, told in listed.items():
        if isinstance(told, dict) and "cdhash" in told:
            nested.append(path + "/")
            _judge_code(path, told, code, tally)
        else:
            _judge_file(path, told, entries, digest, tally)
    known = frozenset({*listed, executable, "CodeResources"})
    _find_added(entries, known, tuple(nested), _Rules(rules), tally)
    return tally.judgement()


def _judge_code(
    path: str, told: Mapping[str, Any], code: Callable[[str], frozenset[bytes] | None], tally: _Tally
) -> None:
    found = code(path)
    if found is None:
        tally.missing.append(path)
    elif not isinstance(told["cdhash"], bytes) or told["cdhash"] not in found:
        tally.changed.append(path)


def _judge_file(
    path: str, told: object, entries: Mapping[str, Entry], digest: Callable[[str, str], bytes], tally: _Tally
) -> None:
    details = told if isinstance(told, dict) else {"hash": told}
    entry = entries.get(path)
    if entry is None:
        if not details.get("optional"):
            tally.missing.append(path)
    elif "symlink" in details or entry.link:
        if entry.link != details.get("symlink"):
            tally.changed.append(path)
    elif "hash2" in details:
        if digest(path, "sha256") != details["hash2"]:
            tally.changed.append(path)
    elif digest(path, "sha1") != details.get("hash"):
        tally.changed.append(path)


def _find_added(
    entries: Mapping[str, Entry], known: frozenset[str], nested: tuple[str, ...], rules: _Rules, tally: _Tally
) -> None:
    if rules.untamed:
        tally.unseen.append(
            f"whether files were added to the seal: its rule {rules.untamed!r} is none of Apple's and costly to match"
        )
        return
    for path in entries:
        if path not in known and not path.startswith((*_NEVER_SEALED, *nested)) and rules.seals(path):
            tally.added.append(path)


class _Rules:
    """The rules of one seal. `untamed` is the first pattern that is not matched, because a hostile one never ends."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._rules: list[tuple[float, bool, re.Pattern[str]]] = []
        self.untamed = ""
        for pattern, told in rules.items():
            matcher = _compiled(pattern) if _is_tame(pattern) else None
            if matcher is None:
                self.untamed = self.untamed or pattern[:80]
                continue
            details = told if isinstance(told, dict) else {"omit": told is False}
            weight = details.get("weight", 1)
            heavy = float(weight) if isinstance(weight, (int, float)) else 1.0
            self._rules.append((heavy, bool(details.get("omit")), matcher))
        # Of rules with one weight Apple takes whichever its dictionary names first: a signer that left a file out was
        # as right as one that sealed it (ResourceBuilder::findRule; on watchOS leaving out wins by rule).
        self._rules.sort(key=lambda rule: (-rule[0], not rule[1]))

    def seals(self, path: str) -> bool:
        """Whether a file of that path belongs into the seal."""
        return next((not omit for _, omit, matcher in self._rules if matcher.search(path)), False)


def _is_tame(pattern: str) -> bool:
    """Whether matching ends soon: one of Apple's patterns, or one with a single repetition that nothing repeats."""
    if pattern in _STANDARD:
        return True
    repeats = sum(pattern.count(sign) for sign in "*+{")
    return len(pattern) <= _LONGEST_PATTERN and repeats <= 1 and not re.search(r"\)[*+{]", pattern)


@functools.cache
def _standard(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return _standard(pattern) if pattern in _STANDARD else re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _some(paths: list[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return (
        f"{shown} and {len(paths) - _SHOWN:,} more files were"
        if len(paths) > _SHOWN
        else (f"{shown} was" if len(paths) == 1 else f"{shown} were")
    )
