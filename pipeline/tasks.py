"""The menu: one task per verb. Each opens a world, walks a table of stages, prints a report and exits."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from invoke import Collection, Context, Task
from invoke.exceptions import Exit

from pipeline.model.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, PipelineError, UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.engine.runs import RunFolder
    from pipeline.world import World

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """One option, the same wherever it is offered. A tuple as default makes it repeatable."""

    help: str
    default: Any = ""


OPTIONS = {
    "app": Option(
        "folder with an Xcode project, or an app of config/pipeline.yaml [the only one there, else the sample]"
    ),
    "config": Option("configuration file [config/pipeline.yaml, or $PIPELINE_CONFIG]"),
    "runs": Option("folder of the runs [.runs, or $PIPELINE_RUNS]"),
    "dry_run": Option("rehearse: nothing reaches Apple; needs no credentials, no Xcode, no network", default=False),
    "lane": Option("only this lane: ios, macos, … (repeatable)", default=()),
    "project": Option("the .xcodeproj to release where there are several, relative to the app"),
    "configuration": Option("build configuration [Production, else Release]"),
    "ipa": Option("judge and upload this .ipa instead of building one"),
    "pkg": Option("judge and upload this .pkg instead of building one"),
    "archive": Option(
        "export this .xcarchive instead of building one; LANE=PATH where it is not plain (repeatable)", default=()
    ),
    "scenario": Option("what the simulated Apple does: a name of `simulator --list`, or a YAML file"),
    "until": Option("walk the table only up to this stage: preflight, signing, …, export, …"),
    "approved": Option("the run, or its folder, whose plan was approved"),
    "report": Option(
        "write a report, FORMAT=PATH: terminal, markdown, annotations, json, sarif, junit, html (repeatable)",
        default=(),
    ),
    "json": Option("print the JSON report instead of the one for people", default=False),
    "verbose": Option("log requests and tools to log.jsonl in the run's folder; live runs always do", default=False),
    "quiet": Option("print no progress, only the report", default=False),
    "run": Option("a run: its name, its beginning or its end [the newest]"),
    "by": Option("who approves [$GITHUB_ACTOR, else git's user.name]"),
    "yes": Option("approve without asking", default=False),
    "force": Option("write over what is there", default=False),
    "host": Option("address to listen on", default="127.0.0.1"),
    "port": Option("port to listen on; 0 takes a free one", default=8787),
    "state": Option("folder of the simulated Apple's state [a new one, removed at the end]"),
    "list": Option("list the scenarios and stop", default=False),
}

APP = ("app", "config", "runs")
LANES = ("lane", "project", "configuration")
ARTIFACTS = ("ipa", "pkg", "archive")
REPORTS = ("report", "json", "quiet")
PLAYED = (*APP, *LANES, *ARTIFACTS, "scenario", "verbose", *REPORTS)


def verb(*options: str, positional: tuple[str, ...] = ()) -> Callable[[Callable[[Options], int | None]], Task[Any]]:
    """A task that offers these options, tells errors as what, why and remedy, and exits with their code."""

    def made(function: Callable[[Options], int | None]) -> Task[Any]:
        def body(context: Context, **given: Any) -> None:
            chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
            raise Exit(code=_guarded(_refused if context.config.run.dry else function, chosen))

        own = [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=_default(name)) for name in (*positional, *options)
        ]
        body.__signature__ = Signature([Parameter("context", Parameter.POSITIONAL_OR_KEYWORD), *own])  # type: ignore[attr-defined]
        body.__name__, body.__doc__ = function.__name__, function.__doc__
        repeatable = [name for name in options if isinstance(OPTIONS[name].default, tuple)]
        return Task(
            body,
            positional=list(positional),
            iterable=repeatable,
            auto_shortflags=False,
            help={name.replace("_", "-"): OPTIONS[name].help for name in (*positional, *options)},
        )

    return made


def _refused(_options: Options) -> int:
    raise UsageFault(
        "--dry before the task is not a rehearsal",
        why="it is invoke's own flag, and only keeps invoke from running shell commands",
        remedy="write it behind the task: `release --dry-run`",
    )


def _default(name: str) -> Any:
    default = OPTIONS[name].default
    return [] if isinstance(default, tuple) else default


def _guarded(function: Callable[[Options], int | None], options: Options) -> int:
    try:
        return int(function(options) or 0)
    except PipelineError as fault:
        return _complain(fault)
    except KeyboardInterrupt:
        print("interrupted; `invoke resume` goes on from here", file=sys.stderr, flush=True)
        if threading.active_count() > 1:
            # A thread that waits for an answer would keep the process here; the journal is on disk already.
            os._exit(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as fault:  # noqa: BLE001 - the last door: our mistakes are kept in a file, not thrown at a person
        return _confess(fault)


def _complain(fault: PipelineError) -> int:
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    what = _harmless(fault.what)
    print(f"{chr(27)}[1;31merror{chr(27)}[0m: {what}" if colour else f"error: {what}", file=sys.stderr)
    if fault.why:
        print(f"  why: {_harmless(fault.why)}", file=sys.stderr)
    if fault.remedy:
        print(f"  help: {_harmless(fault.remedy)}", file=sys.stderr)
    return fault.exit_code


def _harmless(text: str) -> str:
    from pipeline.ports.secrets import without_credentials

    return without_credentials(text, dict(os.environ))


def _confess(fault: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="pipeline-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(_harmless("".join(traceback.format_exception(fault))))
    print(_harmless(f"error: an internal error: {type(fault).__name__}: {fault}"), file=sys.stderr)
    print("  why: this is a mistake in the pipeline, not in your app", file=sys.stderr)
    print(f"  help: report it with {file.name}; nothing was done that the journal does not say", file=sys.stderr)
    return EXIT_INTERNAL


def _world(options: Options, table: str, *, dry_run: bool) -> World:
    from pipeline.subject import Wishes
    from pipeline.world import open_world, runs_folder

    wished = {name: value for name, value in options.items() if name in Wishes.__dataclass_fields__}
    return open_world(
        Wishes(table=table, lanes=options.get("lane", ()), **wished), dry_run=dry_run, runs=runs_folder(options["runs"])
    )


def _folder(options: Options) -> RunFolder:
    from pipeline.engine.runs import find
    from pipeline.world import runs_folder

    return find(runs_folder(options["runs"]), options["run"])


# Releases ------------------------------------------------------------------------------------------------------------


@verb("dry_run", *PLAYED, "approved", "until")
def release(options: Options) -> int:
    """Release an app; with --dry-run, rehearse it.

    Every blocker is found in one run; each finding says where, why and what to do.

      release --dry-run                          the sample app, rehearsed
      release --dry-run --app ~/src/MyApp        your app: no configuration, no credentials, no Mac
      release --dry-run --ipa My.ipa --app .     judge what was built
      release --app myapp --approved RUN         for real, exactly as approved

    Exit codes: 0 clean, 1 findings that block, 2 usage, 3 refused (lease or approval), 4 Apple's failure, 5 internal.
    """
    from pipeline import play

    return play.table(_world(options, "release", dry_run=options["dry_run"]), options)


@verb(*PLAYED)
def plan(options: Options) -> int:
    """Rehearse a release and keep its plan for approval.

    plan --app myapp        then: approve, then: release --app myapp --approved RUN
    """
    from pipeline import play

    return play.table(_world(options, "release", dry_run=True), options)


@verb("runs", "by", "yes", positional=("run",))
def approve(options: Options) -> int:
    """Approve a plan: a live release performs nothing else.

    approve                 the newest run's plan, after showing it
    approve 3f2a --by Ann   a run by the end of its name
    """
    from pipeline import play

    return play.approve(_folder(options), options["by"], yes=options["yes"])


@verb("runs", "report", "json", positional=("run",))
def status(options: Options) -> int:
    """Where a run stands, and what stops it.

    status                  the newest run
    status 3f2a --json
    """
    from pipeline import play

    return play.show(_folder(options), options)


@verb("runs", *REPORTS, positional=("run",))
def resume(options: Options) -> int:
    """Go on with a run that was stopped or blocked.

    The world is looked at again; what is done already is not done twice.

      resume                  the newest run
    """
    from pipeline import play
    from pipeline.world import reopen, runs_folder

    return play.resume(reopen(_folder(options), runs_folder(options["runs"])), options)


@verb("app", "config", "force")
def init(options: Options) -> int:
    """Write config/pipeline.yaml as an app's project says.

    init --app ~/src/MyApp
    """
    from pipeline import play
    from pipeline.subject import Wishes

    return play.init(Wishes(app=options["app"]), options["config"], force=options["force"])


@verb("dry_run", *APP, *LANES, *REPORTS)
def doctor(options: Options) -> int:
    """What this machine and checkout lack for a release.

    doctor --app myapp
    """
    from pipeline import play

    return play.table(_world(options, "doctor", dry_run=options["dry_run"]), options)


@verb("host", "port", "scenario", "state", "list")
def simulator(options: Options) -> int:
    """Serve the simulated Apple to any HTTP client here.

    simulator --port 8787                        then: curl http://127.0.0.1:8787/
    simulator --scenario flaky --state ./apple   with faults, remembered
    """
    from pipeline.simulator.serving import serve_here

    return serve_here(
        options["host"], int(options["port"]), options["scenario"], options["state"], listed_only=options["list"]
    )


# Runs ----------------------------------------------------------------------------------------------------------------


@verb("runs", "json")
def runs_list(options: Options) -> int:
    """List the runs, newest first."""
    from pipeline import play
    from pipeline.engine.runs import runs_in
    from pipeline.world import runs_folder

    where = runs_folder(options["runs"])
    return play.runs_list(runs_in(where), where, json=options["json"])


@verb("runs", *REPORTS, positional=("run",))
def runs_show(options: Options) -> int:
    """Show a run's report, in any format.

    runs.show                          the newest run
    runs.show 3f2a --report html=run.html
    """
    from pipeline import play

    return play.show(_folder(options), options)


# Rooms ---------------------------------------------------------------------------------------------------------------


@verb("dry_run", *APP, *LANES, "scenario", *REPORTS)
def certs_check(options: Options) -> int:
    """Can this machine sign the app for the App Store?"""
    from pipeline import play

    return play.table(_world(options, "certs", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "scenario", *REPORTS)
def schema_check(options: Options) -> int:
    """Compare the CloudKit schema with production's."""
    from pipeline import play

    return play.table(_world(options, "schema", dry_run=options["dry_run"]), options)


@verb(*APP, *LANES, *REPORTS)
def build_check(options: Options) -> int:
    """Judge the Xcode project, before anything is built."""
    from pipeline import play

    return play.table(_world(options, "build", dry_run=True), options)


@verb(*APP, *LANES, *ARTIFACTS, *REPORTS)
def build_validate(options: Options) -> int:
    """Judge an .ipa, .pkg or .xcarchive.

    build.validate --ipa My.ipa --app ~/src/MyApp
    """
    from pipeline import play

    return play.table(_world(options, "bundle", dry_run=True), options)


@verb("dry_run", *APP, *LANES, "ipa", "pkg", "scenario", *REPORTS)
def upload_check(options: Options) -> int:
    """Would App Store Connect take this version and build?"""
    from pipeline import play

    return play.table(_world(options, "upload", dry_run=options["dry_run"]), options)


@verb("dry_run", *APP, *LANES, "scenario", *REPORTS)
def beta_check(options: Options) -> int:
    """Is the TestFlight group there that a release reaches?"""
    from pipeline import play

    return play.table(_world(options, "beta", dry_run=options["dry_run"]), options)


def _namespace() -> Collection:
    menu = Collection("pipeline", release, plan, approve, status, resume, init, doctor, simulator)
    for name, rooms in {
        "runs": {"list": runs_list, "show": runs_show},
        "certs": {"check": certs_check},
        "schema": {"check": schema_check},
        "build": {"check": build_check, "validate": build_validate},
        "upload": {"check": upload_check},
        "beta": {"check": beta_check},
    }.items():
        room = Collection(name)
        for verb_name, each in rooms.items():
            room.add_task(each, name=verb_name)
        menu.add_collection(room)
    return menu


namespace = _namespace()
