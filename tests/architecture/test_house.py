"""The promises of the house, kept by tests: wiring, one boundary, a page and cases for every rule."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import pipeline
from pipeline.engine.judge import UNSEEN
from pipeline.engine.wiring import checks_of, verify_wiring
from pipeline.stages import every_table
from pipeline.world import PORTS, given_facts, registry

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "pipeline").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
MODULES = sorted(module.name for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."))


def marked_checks() -> dict[str, list[object]]:
    """All @check functions of the project, by rule."""
    found: dict[str, dict[int, object]] = {}
    for name in MODULES:
        if re.search(r"\.(checks|proofs)(\.|$)", name):
            for value in vars(importlib.import_module(name)).values():
                if mark := getattr(value, "check_mark", None):
                    found.setdefault(mark.rule, {})[id(value)] = value
    return {rule: list(each.values()) for rule, each in found.items()}


CHECKS = marked_checks()
TABLES = every_table()


@pytest.mark.parametrize("table", TABLES)
def test_everything_asked_for_is_answered(table: str) -> None:
    stages = TABLES[table]
    if table != "release":  # the check of one room starts in the middle
        names = {stage.name for stage in stages}
        from dataclasses import replace

        stages = tuple(replace(s, after=tuple(a for a in s.after if a in names)) for s in stages)
    assert verify_wiring(stages, registry(), PORTS, given_facts()) == []


def test_a_rule_is_judged_by_one_check() -> None:
    assert {rule: each for rule, each in CHECKS.items() if len(each) > 1} == {}


def test_every_check_is_in_a_table() -> None:
    stages = [stage for table in TABLES.values() for stage in table]
    used = {check.check_mark.rule for stage in stages for check in (*checks_of(stage), *stage.proofs)}
    assert set(CHECKS) - used == set(), "a check that nobody runs"


@pytest.mark.parametrize("rule", sorted({*CHECKS, UNSEEN}))
def test_every_rule_has_a_page(rule: str) -> None:
    page = (ROOT / "docs" / "rules" / f"{rule}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {rule}: "), "a page begins with the rule and one line"
    assert "emedy" in page
    assert "Source" in page or "source" in page, "where the fact comes from is missing"


def test_every_page_has_a_rule() -> None:
    assert {path.stem for path in (ROOT / "docs" / "rules").glob("*.md")} == {*CHECKS, UNSEEN}


@pytest.mark.parametrize("rule", sorted(CHECKS))
def test_every_rule_has_a_case_that_fires_and_one_that_does_not(rule: str) -> None:
    cases = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "tests/checks" / rule).glob("*.yaml")]
    assert any(case["findings"] for case in cases), "nothing shows that it fires"
    assert any(not case["findings"] for case in cases), "nothing shows that it is silent where nothing is wrong"


def names_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.arg, line
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name, line
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            yield node.value, line


THEATRE_NAMES = re.compile(
    r"^(is_)?_?(dry_?run|rehears(al|ing)_?mode|simulat(ed|ing)_?mode|is_(live|rehearsal|simulated))$", re.IGNORECASE
)


def asking(tree: ast.AST) -> list[tuple[str, int]]:
    """Names with which code would ask which theatre is played, and comparisons that ask it."""
    named = [(name, line) for name, line in names_in(tree) if THEATRE_NAMES.match(name)]
    for node in ast.walk(tree):
        if (isinstance(node, ast.Attribute) and node.attr == "rehearsed" and ast.unparse(node.value) == "world") or (
            isinstance(node, ast.Compare)
            and {"live", "rehearsal", "shadow"}
            & {each.value for each in (node.left, *node.comparators) if isinstance(each, ast.Constant)}
        ):
            named.append((ast.unparse(node), node.lineno))
    return named


def test_nobody_but_the_world_can_ask_which_theatre_is_played() -> None:
    # Reports, and what is said of runs of before, tell in which theatre a finished run was played: they read its record.
    allowed, telling = {"tasks.py", "world.py"}, {"reports", "play.py", "records.py"}
    found = {
        str(path.relative_to(ROOT)): each
        for path, tree in TREES.items()
        if path.name not in allowed
        and (each := [(n, line) for n, line in asking(tree) if not (telling & set(path.parts) and "theatre" in n)])
    }
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "if dry_run: pass",
        "x.dry_run",
        "f(dryRun=1)",
        "def f(is_live): ...",
        "o['dry_run']",
        "world.rehearsed",
        "x == 'live'",
    ],
)
def test_that_watch_sees_what_it_watches_for(code: str) -> None:
    assert asking(ast.parse(code))


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in SOURCES
        if p.name == "gateway.py" or "checks" in p.parts or p.name in ("checks.py", "proofs.py") or "stages" in p.parts
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_verbs_have_real_annotations(path: Path) -> None:
    """The engine wires by annotation objects, which `from __future__ import annotations` would turn into texts."""
    for function in vars(
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    ).values():
        if hasattr(function, "check_mark") or hasattr(function, "probe_mark") or hasattr(function, "performer_mark"):
            assert not any(isinstance(each, str) for each in function.__annotations__.values()), function


def test_a_module_opens_with_the_sentence_that_says_why_it_exists() -> None:
    assert [str(p.relative_to(ROOT)) for p, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_no_room_for_what_has_no_name() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "manager", "core", "misc", "base", "shared"}
    assert [name for name in MODULES if name.rpartition(".")[2] in banned] == []


def test_no_two_modules_say_the_same_of_themselves() -> None:
    said = Counter((ast.get_docstring(tree) or "").partition("\n")[0] for tree in TREES.values())
    assert [line for line, count in said.items() if count > 1] == []


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_the_project_speaks_of_itself_alone() -> None:
    """No host of a package registry, no path of somebody's machine, no key."""
    banned = [
        "py" + "pi.org",
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
        "deb." + "debian.org",
        "/" + "work/main",
        "/home/" + "runner/",
        "BEGIN EC PRIVATE" + " KEY",
    ]
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [(str(path.relative_to(ROOT)), word) for word in banned if word in text]
    assert found == []


def test_the_list_of_rules_is_whole(update: bool) -> None:
    titles = {
        path.stem: path.read_text(encoding="utf-8").partition("\n")[0].partition(": ")[2]
        for path in (ROOT / "docs/rules").glob("*.md")
    }
    rows = [
        f"| [{rule}](rules/{rule}.md) | {title.replace('|', chr(92) + '|')} |" for rule, title in sorted(titles.items())
    ]
    text = "\n".join(
        [
            "# Rules",
            "",
            "What a release is judged by; each rule has a page.",
            "",
            "| rule | what holds |",
            "|---|---|",
            *rows,
            "",
        ]
    )
    page = ROOT / "docs" / "rules.md"
    if update:
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text, "run the tests with --update"
