"""Playing a table in a world: progress while it runs, reports at the end, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.model.errors import EXIT_INTERRUPTED
from pipeline.telling import Options, again, report, wanted

if TYPE_CHECKING:
    from pipeline.model.run import Run
    from pipeline.reports.live import LiveTerminal
    from pipeline.world import World


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

        same = again(asdict(world.wishes), run)
        cured = run.exit_code == 0 and not any(finding.blocks for finding in run.findings)
        if run.theatre != "live":
            clean, noun = "nothing is wrong with the app", "to mend"
            advice = f"`invoke doctor{same}` asks this machine, and Apple where there are credentials"
        else:
            clean, noun = "nothing is missing", "missing for a live release"
            advice = f"`invoke plan{same}` rehearses the release"
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
            asked = wanted(options)
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
    report(run, options, asked, told)
    if world.subject.files.memory is not None:
        from pipeline.apple.xcode.discovery import WORKSPACES

        WORKSPACES.keep(world.subject.files)
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
