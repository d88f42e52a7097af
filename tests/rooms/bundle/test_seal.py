"""The resource seal: files that changed, went or came, and patterns that would never end."""

from __future__ import annotations

import hashlib
import plistlib
from typing import Any

import pytest

from pipeline.apple.bundle.containers import Entry
from pipeline.apple.bundle.seal import SealJudgement, judge_seal
from tests.rooms.bundle import foundry

FILES = {"Assets.car": b"car", "en.lproj/A.strings": b"a", "sub/B": b"b"}


def judged(
    sealed: dict[str, bytes], there: dict[str, bytes], *, links: dict[str, str] | None = None, change: Any = None
) -> SealJudgement:
    resources = plistlib.loads(foundry.seal(sealed))
    if change:
        change(resources)
    entries = {path: Entry(path, len(data)) for path, data in there.items()}
    entries |= {path: Entry(path, 0, target) for path, target in (links or {}).items()}
    return judge_seal(
        resources,
        entries,
        lambda path, algorithm: hashlib.new(algorithm, there[path]).digest(),
        lambda path: frozenset({b"c" * 20}) if path == "Frameworks/A.framework" else None,
        "Example",
    )


def test_a_whole_seal() -> None:
    there = {
        **FILES,
        "Info.plist": b"",
        "PkgInfo": b"",
        "Example": b"",
        "_CodeSignature/CodeResources": b"",
        "_MASReceipt/receipt": b"",
        "sub/.DS_Store": b"",
        "en.lproj/locversion.plist": b"",
    }
    assert judged(FILES, there) == SealJudgement()


def test_changed_missing_and_added_files_are_told() -> None:
    there = {"Assets.car": b"other", "sub/B": b"b", "New": b"", "sub/New": b""}
    sealed = {**FILES, "Gone": b""}
    assert judged(sealed, there).flaws == (
        "Assets.car was changed after signing",
        "Gone, en.lproj/A.strings were missing although sealed",
        "New, sub/New were added after signing",
    )


def test_of_two_rules_with_one_weight_the_one_that_leaves_out_may_have_won() -> None:
    """Xcode 9 and earlier gave "^" the weight 20 that the rule for Info.plist has too, and left the file out."""

    def tied(resources: dict[str, Any]) -> None:
        told = {"omit": True, "weight": 20.0}
        resources["rules2"] = {"^": {"weight": 20.0}, "^Info\\.plist$": told, "^PkgInfo$": told}

    there = {**FILES, "Info.plist": b"", "PkgInfo": b"", "Example": b""}
    assert judged(FILES, there, change=tied) == SealJudgement()
    assert judged(FILES, {**there, "New": b""}, change=tied).flaws == ("New was added after signing",)


def test_optional_files_may_go() -> None:
    def optional(resources: dict[str, Any]) -> None:
        resources["files2"]["Assets.car"]["optional"] = True

    assert judged({"Assets.car": b""}, {}, change=optional) == SealJudgement()


def test_old_seals_are_read() -> None:
    def old(resources: dict[str, Any]) -> None:
        resources["files"] = {path: hashlib.sha1(data).digest() for path, data in FILES.items()}
        resources["rules"] = resources.pop("rules2")
        del resources["files2"]

    assert judged(FILES, FILES, change=old) == SealJudgement()
    assert judged(FILES, {**FILES, "sub/B": b"other"}, change=old).flaws == ("sub/B was changed after signing",)


def test_links_are_compared_by_target() -> None:
    def linked(resources: dict[str, Any]) -> None:
        resources["files2"]["Current"] = {"symlink": "A"}

    assert judged({}, {}, links={"Current": "A"}, change=linked) == SealJudgement()
    assert judged({}, {}, links={"Current": "B"}, change=linked).flaws == ("Current was changed after signing",)
    assert judged({}, {"Current": b"A"}, change=linked).flaws == ("Current was changed after signing",)


@pytest.mark.parametrize(
    ("path", "cdhash", "expected"),
    [
        ("Frameworks/A.framework", b"c" * 20, ()),
        ("Frameworks/A.framework", b"d" * 20, ("Frameworks/A.framework was changed after signing",)),
        ("Frameworks/B.framework", b"c" * 20, ("Frameworks/B.framework was missing although sealed",)),
    ],
)
def test_nested_code_is_compared_by_its_identity(path: str, cdhash: bytes, expected: tuple[str, ...]) -> None:
    def nested(resources: dict[str, Any]) -> None:
        resources["files2"][path] = {"cdhash": cdhash, "requirement": "anchor apple generic"}

    assert judged({}, {f"{path}/inside": b""}, change=nested).flaws == expected


@pytest.mark.parametrize("told", [1, True, "text", [], {}, {"cdhash": []}, {"hash2": 1}, {"symlink": 5}, {"hash": "x"}])
def test_entries_of_other_shapes_are_changes(told: Any) -> None:
    def odd(resources: dict[str, Any]) -> None:
        resources["files2"]["Frameworks/A.framework"] = told

    there = {"Frameworks/A.framework": b""}
    assert judged({}, there, change=odd).flaws == ("Frameworks/A.framework was changed after signing",)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(.*)*x", "a*a*a*b", "(", "x" * 500])
def test_hostile_patterns_are_not_matched(pattern: str) -> None:
    def hostile(resources: dict[str, Any]) -> None:
        resources["rules2"][pattern] = True

    judgement = judged(FILES, FILES, change=hostile)
    assert judgement.flaws == ()
    assert len(judgement.unseen) == 1


def test_tame_patterns_of_others_are_matched() -> None:
    def more(resources: dict[str, Any]) -> None:
        resources["rules2"]["^Unsealed/.*"] = {"omit": True, "weight": 30}

    assert judged(FILES, {**FILES, "Unsealed/x": b""}, change=more) == SealJudgement()


@pytest.mark.parametrize("resources", [{}, {"files2": 1, "rules2": {}}, {"files2": {}, "rules2": []}])
def test_seals_without_lists_are_flaws(resources: dict[str, Any]) -> None:
    judgement = judge_seal(resources, {}, lambda *_: b"", lambda _: None, "")
    assert judgement.flaws
