"""The run while it happens: a moving picture on a terminal, one line per event in a log.

A quick run never sees the moving picture: it starts after a moment, and rich is imported only then.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.model.actions import Outcome
from pipeline.model.run import Entry, State, replay
from pipeline.reports import words
from pipeline.reports.terminal import look
from pipeline.reports.text import clipped, shown

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Group, RenderableType
    from rich.live import Live

    from pipeline.model.run import ActionRecord, Run, Step

DELAY = 0.3
"""Seconds after which the moving picture starts."""

_KEPT = frozenset(
    {"run", "resume", "step", "plan", "intent", "progress", "receipt", "proof", "end", "done", "judgement"}
)
_BAR = 28


class LiveTerminal:
    """Listens to a run's entries, from any thread, and shows them.

    `on_entry` is what the engine calls for each journal entry and each "progress". Use as a context manager, or call
    `close` before anything else is written to the stream.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
        *,
        delay: float = DELAY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._look = look(self._stream, environment)
        self._delay = delay
        self._clock = clock
        self._lock = threading.RLock()
        self._entries: dict[tuple[str, ...], Entry] = {}
        self._began: dict[str, float] = {}
        self._start = 0.0
        self._moving = self._stream.isatty() and environment.get("TERM") != "dumb" and not environment.get("CI")
        self._timer: threading.Timer | None = None
        self._live: Live | None = None
        self._spinner: Any = None
        self._closed = False
        self.notice = ""
        """A line to show below the picture. It may be set from a signal's handler: nothing is locked or written."""

    @property
    def moving(self) -> bool:
        """Whether a picture stands on the terminal, so that nothing else may be written to it."""
        return self._live is not None

    def on_entry(self, entry: Entry) -> None:
        """Take note of one entry."""
        with self._lock:
            if self._closed or entry.get("kind") not in _KEPT:
                return
            self._note(entry)
            if not self._moving:
                self._say(entry)
            elif self._timer is None:
                self._timer = threading.Timer(self._delay, self._begin)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Stop, and leave the terminal as it was."""
        with self._lock:
            self._closed = True
            live, self._live = self._live, None
            if self._timer:
                self._timer.cancel()
        if live:
            live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, entry: Entry) -> None:
        now = self._clock()
        if not self._entries:
            self._start = now
        kind, step = str(entry.get("kind")), str(entry.get("step", ""))
        if kind == "step":
            self._began[step] = now
        # Of a long upload's progress only the last word counts; everything else is told once.
        key = (kind, step, str(entry.get("action", ""))) if kind == "progress" else (str(len(self._entries)),)
        self._entries[key] = entry

    def _run(self) -> Run:
        return replay(self._entries.values())

    # A log -----------------------------------------------------------------------------------------------------------

    def _say(self, entry: Entry) -> None:
        tellers = {"intent": self._intended, "receipt": self._received, "proof": self._proved, "end": self._ended}
        teller = tellers.get(str(entry.get("kind")))
        if teller and (line := teller(entry)):
            try:
                self._stream.write(self._look.sealed(clipped(line, 400)) + "\n")
                self._stream.flush()
            except OSError:
                # Whoever listened is gone. That must not stop a walk in the middle of what it does.
                self._closed = True

    def _step_of(self, entry: Entry) -> Step | None:
        """The entry's step as it stands; only its own entries are folded, since a log asks for one at every event."""
        name = entry.get("step")
        run = replay(told for told in self._entries.values() if told.get("kind") == "run" or told.get("step") == name)
        return next((step for step in run.steps if step.name == name), None)

    def _ended(self, entry: Entry) -> str:
        step = self._step_of(entry)
        if step is None:
            return ""
        told = [words.amount(len(step.judgements), "check")] if step.judgements else []
        if step.all_findings:
            told.append(words.amount(len(step.all_findings), "finding"))
        if words.waited(step):
            told.append(f"waited {words.waited(step)}")
        if step.because:
            told.append(words.because(step).removeprefix(":").strip())
        details = f" ({shown(', '.join(told))})" if told else ""
        return f"{self._look.state(step)} {shown(step.name)}{details}"

    def _intended(self, entry: Entry) -> str:
        action = self._action(entry)
        return f"  {shown(entry.get('step'))}: {shown(action.describe)} …" if action else ""

    def _received(self, entry: Entry) -> str:
        action = self._action(entry)
        if action is None:
            return ""
        fault = f": {shown(action.error)}" if action.outcome in (Outcome.FAILED, Outcome.UNCERTAIN) else ""
        return f"  {shown(entry.get('step'))}: {words.outcome(action)}{fault}"

    def _proved(self, entry: Entry) -> str:
        attempt = entry.get("attempt", 0)
        # Waiting for an hour at a poll a minute must not fill the log: attempts 1, 2, 4, 8 … are told.
        waited = float(entry.get("waited", 0.0))
        if not entry.get("findings") or waited < 1 or not isinstance(attempt, int) or attempt & (attempt - 1):
            return ""
        return f"  {shown(entry.get('step'))}: waiting, {words.duration(waited)} so far"

    def _action(self, entry: Entry) -> ActionRecord | None:
        step = self._step_of(entry)
        return next((action for action in step.actions if action.key == entry.get("action")), None) if step else None

    # A moving picture ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        console = Console(
            file=self._stream,
            width=self._look.width,
            force_terminal=True,
            no_color=not self._look.colour,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._spinner = Spinner("dots" if self._look.unicode else "line")
        live = Live(
            get_renderable=self._picture,
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self._lock:
            if self._closed:
                return
            self._live = live
            live.start()

    def _picture(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            run, now, began = self._run(), self._clock(), dict(self._began)
        running = [step for step in run.steps if step.state is State.BEGAN]
        over = sum(step.state.over for step in run.steps)
        rows: list[RenderableType] = [
            row for step in running for row in self._step(step, now - began.get(step.name, now))
        ]
        told = [
            f"{over} of {len(run.steps)} steps",
            words.amount(len(run.judgements), "check"),
            words.amount(len(run.findings), "finding"),
            words.duration(now - self._start),
        ]
        if self.notice:
            rows.append(Text(self._look.sealed(self.notice), style="yellow"))
        return Group(*rows, Text(self._look.sealed(" · ".join(told)), style="dim", no_wrap=True, overflow="ellipsis"))

    def _step(self, step: Step, length: float) -> list[RenderableType]:
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1, 0, 0))
        busy = [action for action in step.actions if action.intended and action.outcome is None]
        told = f"waiting for Apple, attempt {step.attempts}, {words.duration(step.waited)}" if step.proofs else ""
        told = told or ("" if busy else clipped(shown(step.title), 60))
        name = Text(self._look.sealed(shown(step.name)), style="bold", no_wrap=True)
        rest = Text(self._look.sealed(told), no_wrap=True, overflow="ellipsis")
        line.add_row(self._spinner, name, rest, Text(words.duration(length), style="dim", no_wrap=True))
        return [line, *(self._busy(action) for action in busy)]

    def _busy(self, action: ActionRecord) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        text, done, total, unit = action.progress
        row = Table.grid(padding=(0, 1, 0, 0))
        told = f"  {shown(action.describe)}" + (f": {shown(text)}" if text else "")
        cells: list[RenderableType] = [Text(self._look.sealed(told), no_wrap=True, overflow="ellipsis")]
        if total > 0:
            cells += [self._bar(done / total), Text(amounts(done, total, unit), no_wrap=True)]
        row.add_row(*cells)
        return row

    def _bar(self, share: float) -> RenderableType:
        from rich.progress_bar import ProgressBar

        return ProgressBar(total=1.0, completed=min(1.0, max(0.0, share)), width=min(_BAR, self._look.width // 4))


def amounts(done: float, total: float, unit: str) -> str:
    """How much of how much: "12.0 of 48.5 MB", "3 of 8 parts"."""
    if unit != "bytes":
        return shown(f"{done:g} of {total:g} {unit}")
    for name, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if total >= size:
            return f"{done / size:.1f} of {total / size:.1f} {name}"
    return f"{done:.0f} of {total:.0f} bytes"
