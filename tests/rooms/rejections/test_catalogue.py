"""The catalogue is whole, names rules that exist, and rules that name a code of Apple's are named by it."""

from __future__ import annotations

import ast
import json
import os
import re
from collections import defaultdict
from datetime import date
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.apple.rejections.catalogue import REJECTIONS, Fate, Rejection

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "rules"
DATA = ROOT / "pipeline" / "apple" / "rejections" / "catalogue.json"
KNOWN = {rejection.key: rejection for rejection in REJECTIONS}
NUMBER = re.compile(r"(?<![\d./#-])(?:ITMS-)?(9[01]\d{3})(?!\d)")


def facts() -> Path:
    named = os.environ.get("SHARED_FACTS")
    return Path(named) if named else ROOT.parent / "shared" / "facts"


ROWS = facts() / "signing" / "rejections.md"


@cache
def pages() -> dict[str, set[str]]:
    """The codes that each rule's page names."""
    return {page.stem: set(NUMBER.findall(page.read_text(encoding="utf-8"))) for page in PAGES.glob("*.md")}


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda rejection: rejection.key)
def test_an_entry(rejection: Rejection) -> None:
    assert rejection.codes or rejection.phrases or rejection.fate is Fate.SILENT, "nothing would ever find it"
    assert rejection.title
    assert rejection.remedy.endswith(".")
    assert rejection.rules or rejection.not_decided, "neither decided nor said why not"
    assert all(re.fullmatch(r"9[01]\d{3}", code) for code in rejection.codes)
    assert all(phrase.strip() == phrase and not set(phrase) & set("“”‘’\n") for phrase in rejection.phrases)
    assert bool(rejection.formerly) == bool(rejection.since)
    assert not rejection.since or re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", rejection.since)
    assert len(set(rejection.rules)) == len(rejection.rules)


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda rejection: rejection.key)
def test_an_entry_has_sources(rejection: Rejection) -> None:
    assert rejection.sources
    for source in rejection.sources:
        assert urlsplit(source.url).scheme == "https", source.url
        assert date.fromisoformat(source.seen) <= date(2030, 1, 1)
    assert len({source.url for source in rejection.sources}) == len(rejection.sources)


def test_every_entry_has_a_key_of_its_own() -> None:
    assert len(KNOWN) == len(REJECTIONS)
    codes = [code for rejection in REJECTIONS for code in rejection.codes]
    assert len(codes) == len(set(codes))


def test_the_file_has_no_field_that_nobody_reads() -> None:
    fields = {
        "code", "name", "title", "becomes", "since", "before", "phrases", "project", "artifact", "others",
        "not_decided", "remedy", "unproved", "sources",
    }  # fmt: skip
    for entry in json.loads(DATA.read_text(encoding="utf-8")):
        assert set(entry) <= fields
        assert ("code" in entry) != ("name" in entry)


def test_what_apple_changed_is_told_with_its_day() -> None:
    assert KNOWN["90725"].told == "refused at the upload since 2026-04-28 (before: kept, with a warning by mail)"
    assert KNOWN["90534"].told == "refused at the upload; or taken, then refused in processing or review"
    assert KNOWN["90890"].told == str(Fate.MAILED)


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda rejection: rejection.key)
def test_a_rule_that_the_catalogue_names_has_a_page_that_names_the_code(rejection: Rejection) -> None:
    for rule in rejection.rules:
        assert rule in pages(), rule
        assert set(rejection.codes) <= pages()[rule], f"{rule}.md does not name {rejection.codes}"


def test_rules_of_projects_and_of_artifacts_stand_where_they_belong() -> None:
    for rejection in REJECTIONS:
        assert all(rule.startswith(("PROJ", "SRCE", "AUTO")) for rule in rejection.project), rejection.key
        assert all(rule.startswith("BUND") for rule in rejection.artifact), rejection.key
        assert not any(rule.startswith(("PROJ", "SRCE", "AUTO", "BUND")) for rule in rejection.others), rejection.key


def test_every_code_that_a_page_names_points_back_at_its_rule() -> None:
    lost = {
        (rule, code)
        for rule, codes in pages().items()
        for code in codes
        if code not in KNOWN or rule not in KNOWN[code].rules
    }
    assert not lost


@cache
def found_by_rules() -> dict[str, set[str]]:
    """The codes in the functions of our checks, and in the module's constants that they use, by the rule's name."""
    found = defaultdict(set)
    for path in modules_of_checks():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: set(re.findall(r"ITMS-(9[01]\d{3})", ast.unparse(node.value)))
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and (rule := rule_of(node)):
                used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                found[rule] |= set(re.findall(r"ITMS-(9[01]\d{3})", ast.unparse(node)))
                found[rule].update(*(constants[name] for name in used & set(constants)))
    return dict(found)


def modules_of_checks() -> list[Path]:
    modules = (ROOT / "pipeline").rglob("*.py")
    return [path for path in modules if "checks" in path.parts or path.stem in {"checks", "proofs"}]


def rule_of(node: ast.FunctionDef) -> str:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "check" and isinstance(mark.args[0], ast.Constant):
            return str(mark.args[0].value)
    return ""


def test_the_codes_of_findings_are_seen() -> None:
    assert "90725" not in found_by_rules().get("BUND023", set())
    assert "90534" in found_by_rules()["BUND023"]
    assert found_by_rules()["BUND029"] == {"90056", "90057", "90060"}
    assert sum(map(bool, found_by_rules().values())) > 50


def test_every_code_that_a_finding_has_points_back_at_its_rule() -> None:
    lost = {
        (rule, code)
        for rule, codes in found_by_rules().items()
        for code in codes
        if code not in KNOWN or rule not in KNOWN[code].rules
    }
    assert not lost


@pytest.mark.skipif(not ROWS.is_file(), reason=f"{ROWS} is not here")
def test_every_row_of_the_facts_is_in_the_catalogue() -> None:
    missing = []
    rows = re.findall(r"^\| (\d+) \| ([^|]*)\|.*\| ([^|]*) \|$", ROWS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 97
    for number, code, source in rows:
        for wanted in re.findall(r"9[01]\d{3}", code):
            if wanted not in KNOWN:
                missing.append((number, wanted))
        if not re.search(r"9[01]\d{3}", code):
            threads = set(re.findall(r"gh:([\w.-]+/[\w.-]+)#(\d+)", source))
            if not any(
                source_of.url.endswith(f"/{thread}") and f"github.com/{repository}/" in source_of.url
                for repository, thread in threads
                for rejection in REJECTIONS
                if not rejection.codes
                for source_of in rejection.sources
            ):
                missing.append((number, source))
    assert not missing
