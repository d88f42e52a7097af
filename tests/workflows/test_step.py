"""The composite action's script with the real menu: arguments, outputs, exit codes, signals."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.model import UsageFault
from tests.workflows.runner import baited, made_environment


@pytest.fixture(scope="session")
def step(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("step", root / ".github/actions/pipeline/step.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runner(root: Path, tmp_path: Path) -> dict[str, str]:
    return made_environment(root, tmp_path) | {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


def perform(root: Path, runner: dict[str, str], **given: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outputs, and what was printed."""
    output = Path(runner["GITHUB_OUTPUT"])
    output.unlink(missing_ok=True)
    done = subprocess.run(
        [root / ".github/actions/pipeline/step"],
        env={**runner, **{f"STEP_{name.upper()}": value for name, value in given.items()}},
        cwd=runner["HOME"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    return done.returncode, dict(line.split("=", 1) for line in lines), done.stdout + done.stderr


def test_a_value_is_one_argument(step: ModuleType) -> None:
    given = {"STEP_TASK": "plan", "STEP_APP": "--yes", "STEP_CONFIG": "a b; $(id)", "STEP_LANE": "ios\n\nmacos\n"}
    assert step.command(given) == ["plan", "--app=--yes", "--config=a b; $(id)", "--lane=ios", "--lane=macos"]


def test_flags_are_true_or_false(step: ModuleType) -> None:
    assert step.command({"STEP_TASK": "approve", "STEP_YES": "true", "STEP_DRY_RUN": "false"}) == ["approve", "--yes"]
    with pytest.raises(UsageFault, match="yes is 'on'"):
        step.command({"STEP_TASK": "approve", "STEP_YES": "on"})


def test_files_and_kinds_are_one_a_line(step: ModuleType) -> None:
    given = {"STEP_TASK": "certs.renew", "STEP_FILE": "a b.p12\n\n*.cer\n", "STEP_KIND": "DISTRIBUTION\n"}
    more = {"STEP_WITHIN": "60", "STEP_VAULT": "git@host:team/vault.git", "STEP_REVOKE": "true"}
    assert sorted(step.command(given | more)) == [
        "--file=*.cer",
        "--file=a b.p12",
        "--kind=DISTRIBUTION",
        "--revoke",
        "--vault=git@host:team/vault.git",
        "--within=60",
        "certs.renew",
    ]


@pytest.mark.parametrize("task", ["", "  ", "--list"])
def test_a_task_is_needed(step: ModuleType, task: str) -> None:
    with pytest.raises(UsageFault, match="is not a task"):
        step.command({"STEP_TASK": task})


def test_an_option_that_the_menu_lacks_is_refused(step: ModuleType) -> None:
    assert step.command({"STEP_TASK": "plan", "STEP_NOVEL": ""}) == ["plan"]
    with pytest.raises(UsageFault, match="no option 'novel'"):
        step.command({"STEP_TASK": "plan", "STEP_NOVEL": "x"})


def test_a_folder_stands_for_the_artifact_in_it(step: ModuleType, tmp_path: Path) -> None:
    given = {"STEP_TASK": "release", "STEP_IPA": str(tmp_path), "STEP_PKG": str(tmp_path)}
    (tmp_path / "product-ios").mkdir()
    ipa = tmp_path / "product-ios" / "My App.ipa"
    ipa.touch()
    assert step.command(given) == ["release", f"--ipa={ipa}"]
    (tmp_path / "other.ipa").touch()
    with pytest.raises(UsageFault, match=r"holds 2 files that end in \.ipa"):
        step.command(given)


def test_a_plan_is_made_told_and_approved(root: Path, runner: dict[str, str], tmp_path: Path) -> None:
    code, told, printed = perform(root, runner, task="plan", report=f"html={tmp_path}/reports/plan.html")
    assert (code, told["exit-code"]) == (0, "0"), printed
    folder = tmp_path / "runs" / told["run"]
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert told["plan-digest"] == plan["digest"]
    assert json.loads(told["lanes"]) == ["ios", "macos"]
    assert told["verdict"]
    assert told["runs"] == str(tmp_path / "runs")
    assert (tmp_path / "reports/plan.html").is_file()
    assert plan["digest"][:12] in (tmp_path / "summary").read_text(encoding="utf-8")

    code, told, printed = perform(root, runner, task="approve", run=told["run"], by="Ann, gate of run 7", yes="true")
    assert (code, told["run"]) == (0, folder.name), printed
    approval = json.loads((folder / "approval.json").read_text(encoding="utf-8"))
    assert (approval["by"], approval["digest"]) == ("Ann, gate of run 7", plan["digest"])

    code, told, printed = perform(root, runner, task="runs.show", run=folder.name, report=f"json={tmp_path}/shown.json")
    assert (code, told["run"]) == (0, folder.name), printed
    assert json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))["plan"]["promises"]


def test_a_blocked_plan_ends_the_step_and_is_still_told(root: Path, runner: dict[str, str]) -> None:
    code, told, printed = perform(root, runner, task="plan", scenario="schema-behind")
    assert (code, told["exit-code"]) == (1, "1"), printed
    assert told["run"]
    assert json.loads(told["lanes"]) == ["ios", "macos"]


def test_a_mistake_is_told_with_its_exit_code(root: Path, runner: dict[str, str]) -> None:
    code, told, _ = perform(root, runner, task="status", by="nobody")
    assert (code, told["exit-code"], told["run"], told["lanes"]) == (2, "2", "", "[]")
    code, told, printed = perform(root, runner, task="")
    assert (code, told) == (2, {})
    assert "name one with the input `task`" in printed


def test_nothing_is_imported_from_the_checkout_of_an_app(root: Path, runner: dict[str, str], tmp_path: Path) -> None:
    app = tmp_path / "app"
    caught = baited(app)
    code, told, printed = perform(root, {**runner, "HOME": str(app), "PYTHONPATH": str(app)}, task="plan")
    assert not caught.exists(), caught.read_text(encoding="utf-8")
    assert (code, told["exit-code"]) == (0, "0"), printed
    assert told["verdict"]


def test_a_cancelled_step_passes_the_signal_on(root: Path, runner: dict[str, str]) -> None:
    menu = subprocess.Popen(
        [root / ".github/actions/pipeline/step"],
        env={**runner, "STEP_TASK": "simulator", "STEP_PORT": "0", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert menu.stdout
    for line in menu.stdout:
        if "127.0.0.1" in line:
            break
    menu.send_signal(signal.SIGINT)
    rest, _ = menu.communicate(timeout=30)
    # The pipe is only closed when the task itself has ended.
    assert "Traceback" not in rest
    assert "exit-code=" in Path(runner["GITHUB_OUTPUT"]).read_text(encoding="utf-8")
