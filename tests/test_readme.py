"""What the documents show is what happens: printed blocks, examples, tables, links, and the story in CONTRIBUTING."""

from __future__ import annotations

import difflib
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from invoke.parser import Parser

from pipeline.configuration.reading import read_settings
from pipeline.engine.walk import walk
from pipeline.engine.wiring import registry_of
from pipeline.model import Source, errors
from pipeline.ports.files import Files, LiveFiles
from pipeline.ports.products import Products
from pipeline.reports import FORMATS
from pipeline.tasks import namespace
from tests.checks.test_cases import agrees, findings_of
from tests.engine import toy
from tests.workflows.folder import Document, Folder, read
from tests.workflows.house_rules import tasks
from tests.workflows.runner import made_environment

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/dependencies.md",
    "docs/limits.md",
    "docs/github.md",
    "docs/signing.md",
    "docs/vault.md",
)
PRINTED = re.compile(r"<!-- printed by: (.+?) -->\n```text\n(.*?)```", re.DOTALL)
EXAMPLE = re.compile(r"<!-- example: (.+?) -->\n```yaml\n(.*?)```", re.DOTALL)
CHANGING = (
    (r"\d{8}-\d{6}-([a-z0-9-]+)-[0-9a-f]{4}", r"RUN-\1"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "MOMENT"),
    (r"\d[\d.]* m?s\b", "TIME"),
    (r"\b[0-9a-f]{12}\b", "DIGEST"),
)

HOSTS_AND_MACHINES = "|".join(("py" + r"pi\.", "python" + "hosted", "npm" + "js", "/wor" + "k/", "/tm" + "p/"))
"""What no page names, in pieces so that this file does not name it either."""


def text_of(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def settled(text: str) -> str:
    for pattern, instead in CHANGING:
        text = re.sub(pattern, instead, text)
    return text


# What is printed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["release --dry-run", "--list"])
def test_the_readme_shows_what_is_printed(root: Path, tmp_path: Path, update: bool, arguments: str) -> None:
    done = subprocess.run(
        [root / "scripts/run", *shlex.split(arguments)],
        env=made_environment(root, tmp_path),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.strip().splitlines())
    text = text_of(root, "README.md")
    shown = dict(PRINTED.findall(text))[arguments]
    if update and settled(shown) != settled(printed):
        head = f"<!-- printed by: {arguments} -->\n```text\n"
        (root / "README.md").write_text(text.replace(f"{head}{shown}```", f"{head}{printed}```"), encoding="utf-8")
        shown = printed
    difference = difflib.unified_diff(settled(shown).splitlines(), settled(printed).splitlines(), "README", "printed")
    assert settled(shown) == settled(printed), "\n".join(difference)


def test_what_changes_from_run_to_run_is_all_that_is_overlooked() -> None:
    one = "run 20261120-110804-isometry-f788 · 2026-11-20 11:08:04 UTC · 192 ms\nPlan defc2d57fba6: 8 actions"
    other = "run 20270101-000000-isometry-0000 · 2027-01-01 00:00:00 UTC · 1.2 s\nPlan 000000000000: 8 actions"
    assert settled(one) == settled(other)
    assert settled(one) != settled(other.replace("8 actions", "7 actions"))
    assert settled(one) != settled(other.replace("isometry", "another"))


# Commands and tables -------------------------------------------------------------------------------------------------


def commands(root: Path) -> Iterator[tuple[str, list[str]]]:
    for name in DOCUMENTS:
        for block in blocks(text_of(root, name), "console"):
            for line in block.replace("\\\n", " ").splitlines():
                program, *arguments = shlex.split(line.removeprefix("$ "), comments=True)
                if program in ("scripts/run", "invoke"):
                    yield name, arguments


def test_every_command_that_is_shown_is_one_that_the_menu_takes(root: Path) -> None:
    shown = list(commands(root))
    assert len(shown) >= 8
    for name, arguments in shown:
        if arguments != ["--list"]:
            parsed = Parser(contexts=namespace.to_contexts()).parse_argv(arguments)
            assert parsed[0].name in namespace.task_names, (name, arguments)


def test_the_exit_codes_are_those_of_the_errors(root: Path) -> None:
    told = [int(code) for code in re.findall(r"^\| (\d+) \| ", text_of(root, "README.md"), re.MULTILINE)]
    assert told == sorted(value for name, value in vars(errors).items() if name.startswith("EXIT_"))


def test_every_family_of_rules_is_named(root: Path) -> None:
    told = re.findall(r"^\| `([A-Z]{4})` \| ", text_of(root, "README.md"), re.MULTILINE)
    assert set(told) == {path.name[:4] for path in (root / "docs/rules").glob("*.md")} - {"OBS0"}


def test_every_report_format_is_named(root: Path) -> None:
    section = text_of(root, "README.md").partition("## Reports")[2].partition("## ")[0]
    assert set(re.findall(r"`(\w+)`[,.]", section)) == set(FORMATS)


def test_every_link_leads_somewhere(root: Path) -> None:
    found = 0
    for name in (*DOCUMENTS, "docs/architecture.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text_of(root, name)):
            found += 1
            assert ((root / name).parent / target).exists(), f"{name}: {target}"
    assert found > 10


def test_every_dependency_has_a_row_and_every_row_the_locked_version(root: Path) -> None:
    told = dict(re.findall(r"^\| ([a-z][\w-]*) ([\d.]+) \| ", text_of(root, "docs/dependencies.md"), re.MULTILINE))
    project = tomllib.loads(text_of(root, "pyproject.toml"))
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert set(told) == {re.split(r"[<>=]", name)[0] for name in named}
    lock = text_of(root, "requirements/test.lock")
    for name, version in told.items():
        assert re.search(rf"^{re.escape(name)}=={re.escape(version)}\b", lock, re.MULTILINE), name


# Examples ------------------------------------------------------------------------------------------------------------


def test_the_configuration_is_read_as_it_stands(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "config" / "pipeline.yaml"
    path.parent.mkdir()
    path.write_text(dict(EXAMPLE.findall(text_of(root, "README.md")))["config/pipeline.yaml"], encoding="utf-8")
    settings = read_settings(path)
    assert list(settings.apps) == ["myapp"]
    assert settings.apps["myapp"].path == str(tmp_path.parent / "MyApp")
    assert settings.policy.waivers[0].rule == "PROJ020"
    assert (root / f"docs/rules/{settings.policy.waivers[0].rule}.md").is_file()


def test_the_github_examples_fit_our_action_and_workflow(root: Path, tmp_path: Path) -> None:
    ours = read(root / ".github")
    release = next(workflow for workflow in ours.workflows if workflow.name == "release")
    text = text_of(root, "README.md") + text_of(root, "docs/github.md")
    steps = [yaml.safe_load(example)[0] for kind, example in EXAMPLE.findall(text) if kind == "step"]
    called = [yaml.safe_load(example)["jobs"]["release"] for kind, example in EXAMPLE.findall(text) if kind == "job"]
    assert (len(steps), len(called)) == (2, 2)
    for step in steps:
        assert step["uses"] == "OWNER/REPO/.github/actions/pipeline@SHA"
        step["uses"] = "$/.github/actions/pipeline"
        shown = Document(tmp_path / "workflows/shown.yml", "", {"on": {}, "jobs": {"shown": {"steps": [step]}}})
        assert list(tasks(Folder((shown,), ours.actions))) == []
    granted = {scope for job in release.jobs.values() for scope in job["permissions"]}
    for job in called:
        assert job["uses"] == "OWNER/REPO/.github/workflows/release.yml@SHA"
        assert set(job["with"]) <= set(release.inputs("workflow_call"))
        assert set(job["permissions"]) == granted
        if job["secrets"] != "inherit":
            assert set(job["secrets"]) <= set(release.data["on"]["workflow_call"]["secrets"])


def test_every_secret_and_environment_is_explained(root: Path) -> None:
    release = next(workflow for workflow in read(root / ".github").workflows if workflow.name == "release")
    text = text_of(root, "docs/github.md")
    for name in release.data["on"]["workflow_call"]["secrets"]:
        assert f"`{name}`" in text
    for name, told in release.inputs("workflow_call").items():
        assert f"`{name}`" in text
        if name.endswith("-environment"):
            assert f"`{told['default']}`" in text


# The story in CONTRIBUTING -------------------------------------------------------------------------------------------


@pytest.fixture
def story(root: Path, tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "story.py"
    path.write_text("\n".join(blocks(text_of(root, "CONTRIBUTING.md"), "python")), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("story", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["story"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["story"]


def test_the_story_runs_as_it_stands(story: ModuleType, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for at, notes in enumerate((None, "", "Mended the sync.", "Mended the sync.")):
        if notes is not None:
            (app / "NOTES.md").write_text(notes, encoding="utf-8")
        folder = tmp_path / str(at)
        folder.mkdir()
        cast = replace(
            toy.cast(folder, toy.Jug(), stages=(story.NOTES,)),
            registry=registry_of([story]),
            ports=lambda lane: {
                Files: LiveFiles(app),
                **({Products: Products(tmp_path / "products" / lane.name, Source.LIVE)} if lane else {}),
            },
        )
        run = walk(cast)
        states, rules = set(toy.states(run).values()), {finding.rule for finding in run.findings}
        outcomes = [str(action.outcome) for step in run.steps for action in step.actions]
        expected = {
            None: ({"BLOCKED"}, {"OBS001"}, []),
            "": ({"PASSED"}, {"PREF099"}, []),
            "Mended the sync.": ({"PASSED"}, set(), ["DONE", "DONE"] if at == 2 else []),
        }
        assert (states, rules, outcomes) == expected[notes]
        assert story.render(run).splitlines()[0] == f"notes/left,{next(iter(states))}"
    assert (tmp_path / "products/left/notes.txt").read_text(encoding="utf-8") == "Mended the sync."


def test_the_case_in_the_story_agrees(root: Path, story: ModuleType) -> None:
    (text,) = blocks(text_of(root, "CONTRIBUTING.md"), "yaml")
    case = yaml.safe_load(text)
    case["check"] = f"story:{case['check'].partition(':')[2]}"
    rule, found = findings_of(case)
    assert rule == text.splitlines()[0].split("/")[2]
    assert len(found) == len(case["findings"]) == 1
    assert agrees(found[0], case["findings"][0])


def test_the_files_that_the_story_names_are_there(root: Path) -> None:
    named = re.findall(r"^# (pipeline/\S+\.py)$", text_of(root, "CONTRIBUTING.md"), re.MULTILINE)
    assert len(named) >= 6
    for name in named:
        assert (root / name).parent.is_dir()


def test_no_document_names_a_registry_or_a_machine(root: Path) -> None:
    for name in DOCUMENTS:
        text = text_of(root, name)
        assert not re.search(HOSTS_AND_MACHINES, text), name
