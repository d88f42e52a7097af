"""Playing a table in a world: progress while it runs, reports at the end, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model import Interrupted, PipelineError, Refused, UsageFault
from pipeline.model.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from pipeline.engine.runs import RunFolder
    from pipeline.model import Plan
    from pipeline.model.run import Run
    from pipeline.reports.live import LiveTerminal
    from pipeline.subject import Wishes
    from pipeline.world import World

Options = Mapping[str, Any]


def table(world: World, options: Options) -> int:
    """Walk the world's table and report."""
    return _walk(world, options, resumed=False)


def resume(world: World, options: Options) -> int:
    """Walk the table of an earlier run again, from what its journal and the world show."""
    return _walk(world, options, resumed=True, told=_missing(world) if world.wishes.table == "doctor" else None)


def doctor(world: World, options: Options) -> int:
    """Walk the table and tell what is missing as a list, in the order in which a release would come to it."""
    return _walk(world, options, resumed=False, told=_missing(world))


def _missing(world: World) -> Callable[[Run], str]:
    def told(run: Run) -> str:
        from dataclasses import asdict

        from pipeline.reports.brief import render
        from pipeline.reports.groups import counted
        from pipeline.reports.terminal import look

        again = _again(asdict(world.wishes), run)
        cured = run.exit_code == 0 and not any(finding.blocks for finding in run.findings)
        if run.theatre != "live":
            clean, noun = "nothing is wrong with the app", "to mend"
            advice = f"`invoke doctor{again}` asks this machine, and Apple where there are credentials"
        else:
            clean, noun = "nothing is missing", "missing for a live release"
            advice = f"`invoke plan{again}` rehearses the release"
        return render(
            run,
            look(sys.stdout),
            head=[*_this_machine()],
            clean=f"{clean}; {counted(run)}",
            noun=noun,
            advice=advice if cured else f"mend the first, then ask again; {advice}",
        )

    return told


def _this_machine() -> Iterator[str]:
    if sys.platform != "darwin":
        yield (
            "This machine is no Mac: it can rehearse, judge, compare schemas and upload a finished .ipa or .pkg "
            "(--ipa, --pkg); it cannot sign and build. For that, run on a Mac with Xcode."
        )


def _walk(world: World, options: Options, *, resumed: bool, told: Callable[[Run], str] | None = None) -> int:
    from pipeline.engine.walk import walk
    from pipeline.stages import table as stages_of

    with ExitStack() as stack:
        try:
            wanted = _wanted(options)
            stages = stages_of(world.wishes.table, world.wishes.until)
            stack.enter_context(world.lease())
        except BaseException:
            if not resumed:
                # It never began: an empty folder would only stand in the way of the newest run that did.
                world.folder.discard()
            raise
        live = stack.enter_context(_watched(options))
        stack.enter_context(_stoppable(world, live))
        run = walk(world.cast(stages, live.on_entry if live else None, resumed=resumed))
    world.keep_plan(run)
    _report(run, options, wanted, told)
    return run.exit_code or 0


@contextmanager
def _stoppable(world: World, live: LiveTerminal | None) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the walk at the next safe place; a second Ctrl-C ends it where it is."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        if world.stop.is_set() and number == signal.SIGINT:
            # Not by an exception, which could be raised in the middle of an import and leave its lock behind. What the
            # journal says is on disk, and a run that was killed can be resumed.
            os.write(2, f"{SHOW_CURSOR if live and live.moving else ''}\n{STOPPED}\n".encode())
            os._exit(EXIT_INTERRUPTED)
        world.stop.set()
        if live and live.moving:
            live.notice = STOPPING
        else:
            # Past Python's own buffer: what was interrupted may have been writing into it.
            with suppress(OSError):
                os.write(2, f"\n{STOPPING}\n".encode())

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SHOW_CURSOR = "\x1b[?25h"
STOPPED = "stopped; `invoke resume` goes on from here"
STOPPING = "stopping at the next safe place; once more Ctrl-C to stop at once"


@contextmanager
def _watched(options: Options) -> Iterator[LiveTerminal | None]:
    if options.get("quiet") or options.get("json"):
        yield None
        return
    from pipeline.reports.live import LiveTerminal

    with LiveTerminal(sys.stderr) as live:
        yield live


def _wanted(options: Options) -> list[tuple[str, Path]]:
    """The reports that were asked for; told wrongly, that is said before anything is done."""
    from pipeline.reports import FORMATS

    wanted: list[tuple[str, Path]] = []
    for told in options.get("report", ()):
        name, separator, path = told.partition("=")
        if not separator or not path:
            raise UsageFault(
                f"--report {told!r} is not FORMAT=PATH",
                why=f"the formats are {', '.join(FORMATS)}",
                remedy="for instance --report html=run.html",
            )
        if name not in FORMATS:
            from pipeline.configuration.reading import nearest

            raise UsageFault(
                f"--report {told!r}: there is no format {name!r}",
                why=f"the formats are {', '.join(FORMATS)}",
                remedy=nearest(name, FORMATS),
            )
        wanted.append((name, _writable(Path(path))))
    return wanted


def _writable(path: Path) -> Path:
    """The path, where a file could be written as far as can be seen now: a release shall not end without its report."""
    full = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - a tilde before an unknown name stays one
    folder = next(each for each in full.parents if each.exists())
    if full.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageFault(
            f"a report cannot be written to {path}",
            why="it is a folder" if full.is_dir() else f"{folder} is no folder that you may write to",
            remedy="name a file in a folder you may write to",
        )
    return full


def _report(
    run: Run, options: Options, wanted: Sequence[tuple[str, Path]], told: Callable[[Run], str] | None = None
) -> None:
    """First what a person waits for, then the files: where one cannot be written, the rest was told."""
    from pipeline.reports import append_summary, render, write

    if options.get("json"):
        _print(render("json", run))
    elif told:
        _print(told(run))
    else:
        from pipeline.reports.terminal import look
        from pipeline.reports.terminal import render as painted

        _print(painted(run, look(sys.stdout)))
    for name, path in wanted:
        write(name, path, run)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        append_summary(Path(summary), render("markdown", run))
    if os.environ.get("GITHUB_ACTIONS") == "true" and not options.get("json"):
        _print(render("annotations", run))


def _print(text: str) -> None:
    """Whoever reads the output may have seen enough; that changes neither the reports nor the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _again(wishes: Mapping[str, Any], run: Run) -> str:
    """The options by which another command is about the same: the app, the lanes, the artifacts."""
    from pipeline.subject import SAMPLE

    config, app, root = (str(told or "") for told in (wishes.get("config"), wishes.get("app"), run.root))
    usual = str(Path(os.environ.get("PIPELINE_CONFIG") or "config/pipeline.yaml").absolute())
    told: list[tuple[str, str]] = []
    if not config or config == str(Path(root) / "config" / "pipeline.yaml") != usual:
        # The folder leads to its own configuration, from wherever the command is given.
        told += [("app", root or app)] if root != str(SAMPLE) else []
    else:
        told += [] if config == usual else [("config", config)]
        told.append(("app", app))
    for name in ("lanes", "project", "configuration", "ipa", "pkg", "archive"):
        value = wishes.get(name) or ()
        values = (value,) if isinstance(value, str) else value
        told += [(name.removesuffix("s"), str(each)) for each in values]
    return "".join(f" --{name} {_quoted(value)}" for name, value in told if value)


def _quoted(word: str) -> str:
    """A word for a command line that may be copied, with nothing in it that acts on a terminal."""
    from shlex import quote

    from pipeline.reports.text import shown

    return shown(quote(word))


# Beginning -----------------------------------------------------------------------------------------------------------


def init(wishes: Wishes, config: str, *, force: bool) -> int:
    """Write a configuration with what the app's project says."""
    from pipeline.configuration.beginning import written
    from pipeline.reports.text import shown
    from pipeline.subject import surveyed

    target = Path(os.path.expanduser(config or "config/pipeline.yaml"))  # noqa: PTH111 - a tilde may be a name
    name, app, lanes = surveyed(wishes, target)
    path = written(target, name, app, lanes, force=force)
    count = f"{len(lanes)} {'lane' if len(lanes) == 1 else 'lanes'}"
    print(f"wrote {shown(path)}: the app {name} with {count} ({', '.join(lanes)})")
    found = "" if path == Path("config/pipeline.yaml") else f" --config {_quoted(str(path))}"
    print(f"next: `invoke release --dry-run{found}`")
    return 0


# Runs ----------------------------------------------------------------------------------------------------------------


def show(folder: RunFolder, options: Options) -> int:
    """Report on a run from its journal; the exit code is the run's."""
    run = _told(folder)
    _report(run, options, _wanted(options))
    return run.exit_code or 0


def status(folder: RunFolder, options: Options) -> int:
    """Where a run stands, what stops it, and what comes next; the exit code is the run's."""
    run = _told(folder)

    def brief(run: Run) -> str:
        from pipeline.reports.brief import render
        from pipeline.reports.terminal import look

        return render(run, look(sys.stdout), advice=_next(folder, run))

    _report(run, options, _wanted(options), brief)
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
    "schema": "schema.check",
    "build": "build.check",
    "bundle": "build.validate",
    "upload": "upload.check",
    "beta": "beta.check",
}
"""By table, the task that walks it."""

_WITHOUT_THEATRE = frozenset({"build.check", "build.validate"})
"""Tasks that look at files alone."""


def _next(folder: RunFolder, run: Run) -> str:
    """The command that comes next."""
    from pipeline.subject import SAMPLE

    try:
        wishes = folder.wishes()
    except UsageFault:
        wishes = {}
    app = _again(wishes, run)
    resume = f"`invoke resume --run {run.id}`"
    if run.exit_code is None or run.exit_code == EXIT_INTERRUPTED:
        return f"{resume} goes on"
    if run.root == str(SAMPLE):
        return "`invoke release --dry-run --app PATH` rehearses yours; the sample is never released"
    live = run.theatre == "live"
    again = _TASKS.get(str(wishes.get("table")), "release")
    if run.exit_code or any(finding.blocks for finding in run.findings):
        same = f"`invoke {again}{'' if live or again in _WITHOUT_THEATRE else ' --dry-run'}{app}`"
        return f"mend it, then {resume if live and again == 'release' else same}"
    if live and again == "release":
        return "nothing; it is done"
    if not run.complete or not run.plan.promises:
        return f"`invoke plan{app}`"
    if (folder.path / "approval.json").is_file():
        return f"`invoke release{app} --approved {run.id}`"
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
    import json
    from datetime import UTC, datetime

    from pipeline.engine.approval import approve as record
    from pipeline.engine.approval import plan_from
    from pipeline.reports.text import shown

    path = folder.path / "plan.json"
    try:
        plan = plan_from(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as fault:
        raise UsageFault(
            f"run {folder.id} has no plan", why=fault.strerror or "", remedy="make one with `invoke plan`"
        ) from fault
    except ValueError as fault:
        raise UsageFault(f"{path} is not JSON", why=str(fault), remedy="make a new one with `invoke plan`") from fault
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
