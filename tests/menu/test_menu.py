"""The menu itself: the same from every door, with help for everything, and whole in the wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from invoke import Task

from pipeline.model import errors
from pipeline.tasks import OPTIONS, named, namespace, offered
from tests.menu.shell import command, environment, refused, run
from tests.rehearsals.theatre import ROOT, menu

TASKS: dict[str, Task[Any]] = {name: namespace[name] for name in namespace.task_names}

LIST = """\
Subcommands:

  approve           Approve a plan: a live release performs nothing else.
  doctor            What is missing for a live release, and how to get it.
  init              Write config/pipeline.yaml as an app's project says.
  plan              Rehearse a release and keep its plan for approval.
  release           Release an app; with --dry-run, rehearse it.
  resume            Go on with a run that was stopped or blocked.
  simulator         Serve the simulated Apple to any HTTP client here.
  status            Where a run stands, what stops it, and what comes next.
  beta.check        Is the TestFlight group there that a release reaches?
  build.archive     Build the app and keep its archive; needs a Mac.
  build.check       Judge the Xcode project, before anything is built.
  build.diff        What changed between two builds.
  build.explain     What a rule means, or an answer of Apple's.
  build.export      Make and judge the .ipa or .pkg; needs a Mac.
  build.settings    Build settings as Xcode resolves them, with their places.
  build.validate    Judge a finished .ipa, .pkg, .app or .xcarchive.
  certs.check       Can the app be signed for the App Store?
  certs.create      Make the certificates and profiles that an app lacks.
  certs.install     Install identities and profiles on this Mac.
  certs.key         Make a key that opens the vault.
  certs.renew       Replace the certificates and profiles that expire soon.
  certs.sync        Bring the team's vault up to date, and show what it holds.
  certs.table       Every certificate and profile, and the days left.
  certs.uninstall   Take away what `certs.install` installed.
  runs.list         List the runs, newest first.
  runs.show         Show a run's report, in any format.
  schema.check      Compare the CloudKit schema with production's.
  upload.check      Would App Store Connect take this version and build?
"""


def test_the_list(tmp_path: Path) -> None:
    told = menu("--list", cwd=tmp_path)
    assert (told.code, told.err) == (0, "")
    assert "".join(f"{line.rstrip()}\n" for line in told.out.strip().splitlines()) == LIST


def test_both_doors_lead_to_the_same_menu(tmp_path: Path) -> None:
    plain = run([sys.executable, "-m", "invoke", "--list"])
    ours = menu("--list", cwd=tmp_path)
    lines = [{line.rstrip() for line in told.out.splitlines() if line.startswith("  ")} for told in (plain, ours)]
    assert plain.code == 0, plain.err
    assert lines[0] == lines[1]


def dashed(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", TASKS)
def test_every_option_is_explained_and_everywhere_alike(name: str, tmp_path: Path) -> None:
    """In columns as wide as any help, so that no text is broken by its neighbour."""
    told = run(command("--help", name), cwd=tmp_path, env=environment(COLUMNS="200"))
    assert (told.code, told.err) == (0, "")
    options = told.out.partition("Options:")[2]
    for option in offered(TASKS[name]):
        assert OPTIONS[option].help
        lines = re.search(rf"^  {dashed(option)}\b(?!-)(?:=\w+)?( .*\n(?:    +.*\n)*)", options, re.MULTILINE)
        assert lines, option
        assert plain(lines[1]) == plain(OPTIONS[option].help)
    assert len(re.findall(r"^  --", options, re.MULTILINE)) == len(offered(TASKS[name])), "one way to write an option"


def test_every_option_is_offered_somewhere() -> None:
    assert {option for task in TASKS.values() for option in offered(task)} == set(OPTIONS)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_tells_of_itself_in_one_line(name: str) -> None:
    first = (TASKS[name].__doc__ or "").partition("\n")[0]
    assert first.endswith((".", "?"))
    assert len(f"  {name:<16}  {first}") <= 80, "--list fits a terminal"


@pytest.mark.parametrize("name", TASKS)
def test_examples_give_options_that_there_are(name: str) -> None:
    examples = [
        line.strip() for line in (TASKS[name].__doc__ or "").splitlines() if line.strip().startswith(f"{name} ")
    ]
    for example in examples:
        own = re.split(r"\s{2,}", example)[0]
        for option in re.findall(r"--([a-z-]+)", own):
            assert option.replace("-", "_") in offered(TASKS[name]), example
        assert len(example) <= 77, "the longest line of a help text"


def test_the_exit_codes_are_told(tmp_path: Path) -> None:
    told = menu("--help", "release", cwd=tmp_path).out
    for name, code in vars(errors).items():
        if name.startswith("EXIT_"):
            assert re.search(rf"\b{code} [a-z A-Z]+", told), name


def test_the_rehearsal_of_invoke_is_not_ours(tmp_path: Path) -> None:
    refused(menu("--dry", "release", cwd=tmp_path), 2, "--dry-run")
    assert not (tmp_path / ".runs").exists()


def test_a_runs_name_may_stand_behind_its_task() -> None:
    assert named(["status", "3f2a"]) == ["status", "--run", "3f2a"]
    assert named(["status", "--run", "3f2a"]) == ["status", "--run", "3f2a"]
    assert named(["runs.show", "3f2a", "--json"]) == ["runs.show", "--run", "3f2a", "--json"]
    assert named(["status", "runs.list"]) == ["status", "runs.list"]
    assert named(["release", "3f2a"]) == ["release", "3f2a"]
    assert named(["runs.list"]) == ["runs.list"]


def test_several_words_may_stand_behind_a_task_that_takes_them() -> None:
    assert named(["build.explain", "PROJ051", "90717"]) == ["build.explain", "--rule", "PROJ051", "--rule", "90717"]
    assert named(["build.diff", "a", "b", "--json"]) == ["build.diff", "--artifact", "a", "--artifact", "b", "--json"]
    assert named(["build.diff", "--json", "a"]) == ["build.diff", "--json", "a"]
    assert named(["status", "3f2a", "4b1c"]) == ["status", "--run", "3f2a", "4b1c"]


# Completion ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_program(shell: str, tmp_path: Path) -> None:
    told = menu("--print-completion-script", shell, cwd=tmp_path)
    assert told.code == 0
    assert "release-pipeline" in told.out


def test_bash_completes(tmp_path: Path) -> None:
    program = tmp_path / "release-pipeline"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline "$@"\n')
    program.chmod(0o755)
    script = menu("--print-completion-script", "bash", cwd=tmp_path).out
    asked = """
COMP_LINE="release-pipeline $1"; COMP_WORDS=(release-pipeline $1); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
COMP_POINT=${#COMP_LINE}
_complete_release_pipeline release-pipeline "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""
    function = re.search(r"([\w-]+)\(\) \{", script)
    assert function
    asked = asked.replace("_complete_release_pipeline", function[1])
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for typed, found in (
        ("rel", {"release"}),
        ("runs.", {"runs.list", "runs.show"}),
        ("release --dr", {"--dry-run"}),
    ):
        told = run(["bash", "-c", script + asked, "bash", typed], cwd=tmp_path, env=environment(**path))
        assert set(told.out.split()) == found, (typed, told)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", set(TASKS)),
        ("release --", {dashed(option) for option in offered(TASKS["release"])}),
        ("status --", {"--run", "--runs", "--report", "--json"}),
    ],
)
def test_candidates(typed: str, found: set[str], tmp_path: Path) -> None:
    told = menu("--complete", "--", f"release-pipeline {typed}", cwd=tmp_path)
    assert told.code == 0
    assert found <= set(told.out.split())


# The wheel -----------------------------------------------------------------------------------------------------------


def ignored_by_git(paths: list[str]) -> set[str]:
    done = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        cwd=ROOT,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    return set(done.stdout.split("\n")) - {""}


def packed() -> list[Path]:
    """What hatchling puts into the wheel: all files of `packages` that git does not ignore (hatch.pypa.io, wheel)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel) == {"packages", "force-include"}, "another rule than the one that is followed here"
    found = [
        path.relative_to(ROOT)
        for package in wheel["packages"]
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not fnmatch(path.name, "*.py[cdo]") and "__pycache__" not in path.parts
    ]
    ignored = ignored_by_git([path.as_posix() for path in found])
    return [path for path in found if path.as_posix() not in ignored]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the wheel, and nothing else of the checkout."""
    place = tmp_path_factory.mktemp("site")
    for path in packed():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, place / path)
    return place


def test_everything_that_is_not_code_is_in_the_wheel() -> None:
    names = {path.as_posix() for path in packed()}
    kept = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "pipeline"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert names == {name for name in kept.stdout.splitlines() if (ROOT / name).is_file()}
    for needed in (
        "pipeline/simulator/sample/Isometry.xcodeproj/project.pbxproj",
        "pipeline/simulator/sample/config/pipeline.yaml",
        "pipeline/simulator/sample/Schema/isometry.ckdb",
        "pipeline/simulator/scenarios/green.yaml",
        "pipeline/simulator/contract-4.4.1.json",
        "pipeline/reports/page.css",
        "pipeline/reports/page.js",
    ):
        assert needed in names


def test_what_is_installed_rehearses(installed: Path, tmp_path: Path) -> None:
    more = environment(PYTHONPATH=str(installed))
    page = tmp_path / "run.html"
    told = run(command("release", "--dry-run", "--quiet", "--report", f"html={page}"), cwd=tmp_path, env=more)
    assert told.code == 0, told.out + told.err
    assert "87 checks" in told.out or "checks on live facts" in told.out
    assert "<style" in page.read_text(encoding="utf-8")
    for arguments in (["simulator", "--list"], ["release", "--dry-run", "--quiet", "--scenario", "throttled"]):
        assert run(command(*arguments), cwd=tmp_path, env=more).code == 0
    script = "import pipeline; print(pipeline.__file__)"
    where = run([sys.executable, "-c", script], cwd=tmp_path, env=more).out
    assert where.startswith(str(installed)), "the checkout was not what ran"


def test_the_console_command_is_a_door_that_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["scripts"]["release-pipeline"].partition(":")
    script = f"import sys; sys.argv = ['release-pipeline', '--version']; from {module} import {name}; {name}()"
    told = run([sys.executable, "-c", script], cwd=ROOT)
    assert told.code == 0
    assert re.match(r"Release-pipeline \d+\.\d+", told.out, re.IGNORECASE), told.out
