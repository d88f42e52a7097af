"""Runs of before: listed, shown, and their plans approved."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model import Interrupted, PipelineError, Refused, UsageFault
from pipeline.model.errors import EXIT_INTERRUPTED
from pipeline.telling import Options, again, report, wanted

if TYPE_CHECKING:
    from pipeline.engine.runs import RunFolder
    from pipeline.model import Plan
    from pipeline.model.run import Run


RESUMED = frozenset(
    {
        *("release", "build.archive", "build.export"),
        *("certs.install", "certs.uninstall", "certs.create", "certs.renew", "certs.sync"),
    }
)
"""Tasks that change something, here or at Apple."""


def show(folder: RunFolder, options: Options) -> int:
    """Report on a run from its journal; the exit code is the run's."""
    run = _told(folder)
    report(run, options, wanted(options))
    return run.exit_code or 0


def status(folder: RunFolder, options: Options) -> int:
    """Where a run stands, what stops it, and what comes next; the exit code is the run's."""
    run = _told(folder)

    def brief(run: Run) -> str:
        from pipeline.reports.brief import render
        from pipeline.reports.terminal import look

        return render(run, look(sys.stdout), advice=_next(folder, run))

    report(run, options, wanted(options), brief)
    return run.exit_code or 0


def _told(folder: RunFolder) -> Run:
    try:
        run = folder.run()
    except FileNotFoundError:
        run = None
    if run is None or not run.id:
        raise UsageFault(
            f"the run {folder.id} never began",
            why="its journal is empty",
            remedy=f"`invoke resume --run {folder.id}` begins it, `invoke runs.list` shows the others",
        )
    return run


_TASKS = {
    "release": "release",
    "doctor": "doctor",
    "certs": "certs.check",
    "holdings": "certs.table",
    "install": "certs.install",
    "uninstall": "certs.uninstall",
    "create": "certs.create",
    "renew": "certs.renew",
    "sync": "certs.sync",
    "schema": "schema.check",
    "build": "build.check",
    "bundle": "build.validate",
    "settings": "build.settings",
    "diff": "build.diff",
    "archive": "build.archive",
    "export": "build.export",
    "upload": "upload.check",
    "beta": "beta.check",
}
"""By table, the task that walks it."""

_WITHOUT_THEATRE = frozenset({"build.check", "build.validate", "build.settings", "build.diff"})
"""Tasks that look at files alone."""

_APPROVED = frozenset({"release", "certs.create", "certs.renew"})
"""Tasks that change something at Apple: live, they need an approved plan."""


def changes(folder: RunFolder) -> bool:
    """Whether the run's table changes something: what `resume` means when no run is named."""
    return _TASKS.get(str((folder.kept("wishes.json") or {}).get("table"))) in RESUMED


def _next(folder: RunFolder, run: Run) -> str:
    """The command that comes next."""
    from pipeline.subject import SAMPLE

    try:
        wishes = folder.wishes()
    except UsageFault:
        wishes = {}
    same = again(wishes, run)
    resume = f"`invoke resume --run {run.id}`"
    if run.exit_code is None or run.exit_code == EXIT_INTERRUPTED:
        return f"{resume} goes on"
    task = _TASKS.get(str(wishes.get("table")), "release")
    if run.root == str(SAMPLE) and task not in ("certs.install", "certs.uninstall", "certs.table", "certs.sync"):
        return f"`invoke {task} --dry-run --app PATH` rehearses yours; the sample is never released"
    live, acts = run.theatre == "live", task in RESUMED
    if run.exit_code or any(finding.blocks for finding in run.findings):
        repeated = f"`invoke {task}{'' if live or task in _WITHOUT_THEATRE else ' --dry-run'}{same}`"
        return f"mend it, then {resume if live and acts else repeated}"
    if live and acts:
        return "nothing; it is done"
    if task not in _APPROVED:
        return f"`invoke {task}{same}`" if acts else f"`invoke plan{same}`"
    if not run.complete or not run.plan.promises:
        return f"`invoke plan{same}`" if task == "release" else "nothing; there is nothing to do"
    if (folder.path / "approval.json").is_file():
        return f"`invoke {task}{same} --approved {run.id}`"
    return f"`invoke approve --run {run.id}`"


def runs_list(folders: Sequence[RunFolder], where: Path, *, json: bool) -> int:
    """One line a run."""
    rows: list[dict[str, Any]] = []
    for folder in folders:
        try:
            run = folder.run()
        except FileNotFoundError:
            rows.append({"run": folder.id, "state": "never began"})
            continue
        except (OSError, PipelineError) as fault:
            rows.append({"run": folder.id, "state": f"unreadable: {fault}"})
            continue
        unfinished = f"unfinished: `invoke resume --run {folder.id}` goes on" if run.id else "never began"
        state = run.verdict or unfinished
        rows.append(
            {
                "run": folder.id,
                "app": run.app,
                "theatre": run.theatre,
                "state": state,
                "exit_code": run.exit_code,
                "plan": run.digest[:12],
                "approved": (folder.path / "approval.json").is_file(),
                "basis": run.last_line,
            }
        )
    if json:
        from json import dumps

        print(dumps({"runs": rows}, indent=2, ensure_ascii=False))
        return 0
    if not rows:
        print(f"no runs in {where}; start one with `release --dry-run`")
    for row in rows:
        approved = ", approved" if row.get("approved") else ""
        print(f"{row['run']}  {row.get('theatre', ''):<9}  {row['state']}{approved}")
    return 0


def approve(folder: RunFolder, by: str, digest: str = "", *, yes: bool) -> int:
    """Show a run's plan and record that a person approves it."""
    from datetime import UTC, datetime

    from pipeline.engine.approval import approve as record
    from pipeline.engine.approval import plan_in
    from pipeline.reports.text import shown

    try:
        plan = plan_in(folder.path)
    except FileNotFoundError as fault:
        raise UsageFault(f"run {folder.id} has no plan", remedy="make one with `invoke plan`") from fault
    if digest and not (len(digest) >= SHORTEST_DIGEST and plan.digest.startswith(digest.lower())):
        raise Refused(
            f"the plan of run {folder.id} is not the one you name",
            why=f"its digest is {plan.digest[:12]}, yours begins with {shown(digest)[:64]}",
            remedy=f"read it with `invoke runs.show --run {folder.id}`; name at least {SHORTEST_DIGEST} letters",
        )
    by = by or os.environ.get("GITHUB_ACTOR", "") or _git_user()
    _print_plan(plan)
    if not plan.complete:
        # Said before somebody reads and answers for nothing.
        raise UsageFault(
            f"the plan of run {plan.run} cannot be approved",
            why="the rehearsal did not reach its end, so nobody knows all that it would do",
            remedy=f"`invoke status --run {folder.id}` tells what to mend; then `invoke plan` again",
        )
    if not yes:
        _ask(by)
    given = record(folder.path, plan, by, datetime.now(UTC))
    print(f"approved by {shown(given.by)}")
    try:
        print(f"next: {_next(folder, folder.run())}")
    except (OSError, PipelineError):
        print(f"next: `invoke release --app … --approved {folder.id}`")
    return 0


SHORTEST_DIGEST = 8


def _print_plan(plan: Plan) -> None:
    from pipeline.reports.terminal import look
    from pipeline.reports.text import shown, wrapped

    width = look(sys.stdout).width
    print(f"plan {plan.digest[:12]} of {shown(plan.app)}, from the {shown(plan.theatre)} {shown(plan.run)}")
    for promise in plan.promises:
        lead = f"  {promise.risk.lower():<12}  {shown(promise.lane) or 'app':<6}  "
        first, *rest = wrapped(shown(promise.describe), width - len(lead))
        print("\n".join([lead + first, *(" " * len(lead) + line for line in rest)]))


def _ask(by: str) -> None:
    from pipeline.reports.text import shown

    if not by.strip():
        raise UsageFault("an approval needs a name", remedy="say who approves with --by NAME")
    if not sys.stdin.isatty():
        raise Refused(
            "nobody is here to answer", why="standard input is no terminal", remedy="say --yes, and who with --by"
        )
    try:
        answer = input(f"Approve as {shown(by)}? [y/N] ")
    except EOFError:
        print()
        answer = ""
    except KeyboardInterrupt:
        print()
        raise Interrupted("not approved", why="you asked to stop", remedy="nothing was recorded") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise Refused("not approved", why="the answer was not yes", remedy="nothing was recorded; ask again any time")


def _git_user() -> str:
    import subprocess

    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
