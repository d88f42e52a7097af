"""One task of the menu as one step of a job: options from the environment, outputs from the run's journal."""
# ruff: noqa: INP001

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.engine.runs import RunFolder, find
from pipeline.model import PipelineError, UsageFault
from pipeline.tasks import OPTIONS
from pipeline.world import runs_folder

PREFIX = "STEP_"


def command(given: Mapping[str, str]) -> list[str]:
    """The arguments of the menu. Each value is one argument that cannot be taken for an option.

    Raises:
        UsageFault: no task is named, something is given that the menu does not know, or a folder holds two artifacts.
    """
    told = {name[len(PREFIX) :].lower(): value.strip() for name, value in given.items() if name.startswith(PREFIX)}
    task = told.pop("task", "")
    if not task or task.startswith("-"):
        raise UsageFault(f"{task!r} is not a task", remedy="name one with the input `task`")
    unknown = [name for name, value in told.items() if name not in OPTIONS and value]
    if unknown:
        raise UsageFault(f"the menu has no option {unknown[0]!r}", remedy="use an action and a menu of one version")
    return [task, *(argument for name in OPTIONS for argument in _arguments(name, told.get(name, "")))]


def _arguments(name: str, value: str) -> Iterator[str]:
    flag, default = f"--{name.replace('_', '-')}", OPTIONS[name].default
    if isinstance(default, bool):
        if value == "true":
            yield flag
        elif value not in ("", "false"):
            raise UsageFault(f"{name} is {value!r}", remedy="write true or false")
        return
    values = value.splitlines() if isinstance(default, tuple) else [value]
    if name in ("ipa", "pkg"):
        values = [str(_only(Path(value), f".{name}") or "")] if value else []
    yield from (f"{flag}={each.strip()}" for each in values if each.strip())


def _only(path: Path, suffix: str) -> Path | None:
    """The path itself; of a folder the one artifact below it, or None. An artifact travels between jobs in a folder."""
    if not path.is_dir():
        return path
    found = sorted(path.rglob(f"*{suffix}"))
    if len(found) > 1:
        raise UsageFault(f"{path} holds {len(found)} files that end in {suffix}", remedy="name one of them")
    return found[0] if found else None


def perform(arguments: list[str]) -> int:
    """Run the menu; a signal is passed on, so that a cancelled job stops at a safe place and keeps its journal."""
    # -P: the current folder is the checkout of an app, and nothing is imported from there.
    menu = subprocess.Popen([sys.executable, "-P", "-m", "pipeline", *arguments])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda given, _frame: menu.send_signal(given))
    code = menu.wait()
    return code if code >= 0 else 128 - code


def outputs(code: int, runs: Path, before: set[str], named: str) -> dict[str, str]:
    """What later steps and jobs may ask for; all of it is told by the journal of the run that was begun or named."""
    told = {"exit-code": str(code), "runs": str(runs), "run": "", "verdict": "", "plan-digest": "", "lanes": "[]"}
    begun = sorted(set(_names(runs)) - before)
    if not begun and not named:
        return told
    folder: RunFolder = find(runs, begun[-1] if begun else named)
    run = folder.run()
    lanes = [str(lane.get("name", "")) for lane in run.lanes]
    return told | {
        "run": folder.id,
        "verdict": " ".join(run.verdict.split()),
        "plan-digest": run.digest,
        "lanes": json.dumps(lanes, separators=(",", ":")),
    }


def _names(runs: Path) -> Iterator[str]:
    if runs.is_dir():
        yield from (path.parent.name for path in runs.glob("*/wishes.json"))


def main() -> int:
    """Run the task that the environment names, tell the outputs, and answer with the task's exit code."""
    runs = runs_folder()
    before = set(_names(runs))
    try:
        code = perform(command(os.environ))
        told = outputs(code, runs, before, os.environ.get("STEP_RUN", "").strip())
    except PipelineError as fault:
        sys.stderr.write(f"error: {fault.what}\n  help: {fault.remedy}\n")
        return fault.exit_code
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in told.items())
    return code


if __name__ == "__main__":
    sys.exit(main())
