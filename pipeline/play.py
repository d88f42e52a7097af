"""Playing a table in a world: progress while it runs, reports at the end, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model import Refused, UsageFault

if TYPE_CHECKING:
    from pipeline.engine.runs import RunFolder
    from pipeline.model.run import Entry, Run
    from pipeline.subject import Wishes
    from pipeline.world import World

Options = Mapping[str, Any]


def table(world: World, options: Options) -> int:
    """Walk the world's table and report."""
    return _walk(world, options, resumed=False)


def resume(world: World, options: Options) -> int:
    """Walk the table of an earlier run again, from what its journal and the world show."""
    return _walk(world, options, resumed=True)


def _walk(world: World, options: Options, *, resumed: bool) -> int:
    from pipeline.engine.approval import plan_told
    from pipeline.engine.walk import walk
    from pipeline.stages import table as stages_of

    wanted = _wanted(options)
    stages = stages_of(world.wishes.table, world.wishes.until)
    with world.lease(), _stoppable(world), _watched(options) as listener:
        run = walk(world.cast(stages, listener, resumed=resumed))
    if world.rehearsed and run.plan.promises:
        world.folder.keep("plan.json", plan_told(run.plan))
    _report(run, options, wanted)
    return run.exit_code or 0


@contextmanager
def _stoppable(world: World) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the walk at the next safe place; a second Ctrl-C ends it where it is."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        if world.stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        world.stop.set()
        print("\nstopping at the next safe place; once more Ctrl-C to stop at once", file=sys.stderr)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched(options: Options) -> Iterator[Callable[[Entry], None] | None]:
    if options.get("quiet") or options.get("json"):
        yield None
        return
    from pipeline.reports.live import LiveTerminal

    with LiveTerminal(sys.stderr) as live:
        yield live.on_entry


def _wanted(options: Options) -> list[tuple[str, Path]]:
    """The reports that were asked for; told wrongly, that is said before anything is done."""
    from pipeline.reports import FORMATS

    wanted: list[tuple[str, Path]] = []
    for told in options.get("report", ()):
        name, separator, path = told.partition("=")
        if not separator or not path or name not in FORMATS:
            raise UsageFault(
                f"--report {told!r} is not FORMAT=PATH",
                why=f"the formats are {', '.join(FORMATS)}",
                remedy="for instance --report html=run.html",
            )
        wanted.append((name, Path(path).expanduser()))
    return wanted


def _report(run: Run, options: Options, wanted: Sequence[tuple[str, Path]]) -> None:
    from pipeline.reports import append_summary, render, write

    for name, path in wanted:
        write(name, path, run)
    if options.get("json"):
        sys.stdout.write(render("json", run))
    else:
        from pipeline.reports.terminal import look
        from pipeline.reports.terminal import render as painted

        sys.stdout.write(painted(run, look(sys.stdout)))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        append_summary(Path(summary), render("markdown", run))
    if os.environ.get("GITHUB_ACTIONS") == "true" and not options.get("json"):
        sys.stdout.write(render("annotations", run))


# Beginning -----------------------------------------------------------------------------------------------------------


def init(wishes: Wishes, config: str, *, force: bool) -> int:
    """Write a configuration with what the app's project says."""
    from pipeline.configuration.beginning import written
    from pipeline.subject import surveyed

    target = Path(config or "config/pipeline.yaml").expanduser()
    name, app, lanes = surveyed(wishes, target)
    path = written(target, name, app, lanes, force=force)
    print(
        f"wrote {path}: the app {name} with {len(lanes)} {'lane' if len(lanes) == 1 else 'lanes'} ({', '.join(lanes)})"
    )
    print(f"next: `release --dry-run --app {name}`")
    return 0


# Runs ----------------------------------------------------------------------------------------------------------------


def show(folder: RunFolder, options: Options) -> int:
    """Report on a run from its journal; the exit code is the run's."""
    run = folder.run()
    if not run.id:
        raise UsageFault(f"the journal of {folder.id} is empty", remedy="`invoke resume` begins it again")
    wanted = _wanted(options)
    _report(run, options, wanted)
    return run.exit_code or 0


def runs_list(folders: Sequence[RunFolder], where: Path, *, json: bool) -> int:
    """One line a run."""
    from pipeline.model import PipelineError

    rows: list[dict[str, Any]] = []
    for folder in folders:
        try:
            run = folder.run()
        except (OSError, PipelineError) as fault:
            rows.append({"run": folder.id, "state": f"unreadable: {fault}"})
            continue
        state = run.verdict or ("unfinished: `invoke resume` goes on" if run.id else "never began")
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


def approve(folder: RunFolder, by: str, *, yes: bool) -> int:
    """Show a run's plan and record that a person approves it."""
    import json
    from datetime import UTC, datetime

    from pipeline.engine.approval import approve as record
    from pipeline.engine.approval import plan_from

    path = folder.path / "plan.json"
    try:
        plan = plan_from(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as fault:
        raise UsageFault(
            f"run {folder.id} has no plan", why=fault.strerror or "", remedy="make one with `invoke plan`"
        ) from fault
    except ValueError as fault:
        raise UsageFault(f"{path} is not JSON", why=str(fault), remedy="make a new one with `invoke plan`") from fault
    by = by or os.environ.get("GITHUB_ACTOR", "") or _git_user()
    print(f"plan {plan.digest[:12]} of {plan.app}, made by run {plan.run} ({plan.theatre})")
    for promise in plan.promises:
        print(f"  {promise.risk:<12}  {promise.lane or 'app':<8}  {promise.describe}")
    if not yes:
        if not sys.stdin.isatty():
            raise Refused(
                "nobody is here to answer", why="standard input is no terminal", remedy="say --yes, and who with --by"
            )
        if input(f"Approve as {by or 'nobody'}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refused("not approved", remedy="nothing was recorded")
    given = record(folder.path, plan, by, datetime.now(UTC))
    print(f"approved by {given.by}: perform it with `release --app {plan.app} --approved {folder.id}`")
    return 0


def _git_user() -> str:
    import subprocess

    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
