"""Our `.github` folder before the validators at hand and before the rules of the house."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.folder import read
from tests.workflows.house_rules import complaints

BIN = Path(sys.executable).parent
SCRIPTS = (
    "actions/pipeline/step",
    "../scripts/run",
    "../scripts/test",
    "../scripts/bench",
)


@pytest.fixture(scope="session")
def github(root: Path) -> Path:
    return root / ".github"


def test_there_is_something_to_judge(github: Path) -> None:
    folder = read(github)
    assert {workflow.name for workflow in folder.workflows} == {"certificates", "ci", "release"}
    assert set(folder.actions) == {"pipeline"}
    assert len(list(folder.steps())) > 20


def test_the_rules_of_the_house_hold(github: Path) -> None:
    assert complaints(read(github)) == []


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", "workflows/*.yml"),
        ("vendor.github-actions", "actions/*/action.yml"),
        ("vendor.dependabot", "dependabot.yml"),
    ],
)
def test_the_schemas_hold(github: Path, schema: str, pattern: str) -> None:
    paths = sorted(map(str, github.glob(pattern)))
    assert paths
    done = run(BIN / "check-jsonschema", "--builtin-schema", schema, *paths)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(github: Path) -> None:
    done = run(BIN / "zizmor", "--offline", "--persona", "auditor", "--no-progress", "--format", "json", str(github))
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stdout


def test_shellcheck_finds_nothing(github: Path, tmp_path: Path) -> None:
    extracted = []
    for at, (_, _, _, step) in enumerate(read(github).steps()):
        if "run" in step:
            path = tmp_path / f"{at}.sh"
            path.write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{step['run']}\n", encoding="utf-8")
            extracted.append(str(path))
    assert len(extracted) >= 5
    done = run(BIN / "shellcheck", "-x", *extracted, *(str(github / name) for name in SCRIPTS), cwd=github.parent)
    assert done.returncode == 0, done.stdout


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
