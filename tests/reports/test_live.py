"""The display while a run happens, on a real pseudo-terminal and in a log."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import threading
from typing import TYPE_CHECKING, Any, TextIO

import pytest
from stories import KEY, Story

from pipeline.reports.live import LiveTerminal, amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE = 20.0


def _uploading() -> Story:
    story = Story(theatre="live")
    story.begin("upload/ios")
    story.judge("upload/ios", "UPLO001", "the build number is free")
    story.plan("upload/ios", "upload build [bold]2.5.0[/bold] (250) \x1b[31m", "IRREVERSIBLE")
    story.add("intent", step="upload/ios", action=KEY)
    for done in range(0, 48_000_000, 4_000_000):
        story.add("progress", step="upload/ios", action=KEY, text="sending", done=done, total=48_000_000, unit="bytes")
    story.begin("processing/mac")
    pending = {"severity": "ERROR", "summary": "still processing", "pending": True}
    story.wait("processing/mac", 3, 90.0, 30.0, [pending])
    return story


class Terminal:
    """The far side of a pseudo-terminal: what a person would have before their eyes."""

    def __init__(self) -> None:
        self._leader, follower = pty.openpty()
        self.stream: TextIO = os.fdopen(follower, "w", encoding="utf-8")
        self.seen = ""

    def until(self, text: str) -> str:
        """Read until that text was shown; fails when nothing more comes."""
        while text not in self.seen:
            ready, _, _ = select.select([self._leader], [], [], PATIENCE)
            assert ready, f"{text!r} was never shown, but {self.seen!r}"
            self.seen += ANSI.sub("", os.read(self._leader, 65536).decode("utf-8", "replace"))
        return self.seen

    def close(self) -> None:
        self.stream.close()
        os.close(self._leader)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_a_long_run_is_shown_as_it_moves(terminal: Terminal) -> None:
    with LiveTerminal(terminal.stream, {"TERM": "xterm", "COLUMNS": "110"}, delay=0.0) as display:
        for entry in _uploading().entries:
            display.on_entry(entry)
        seen = terminal.until("44.0 of 48.0 MB")
        seen = terminal.until("waiting for Apple, attempt 3, 1 min 30 s")
        seen = terminal.until("0 of 18 steps")
    assert "upload build [bold]2.5.0[/bold] (250) <U+001B>[31m: sending" in seen
    assert "1 check" in seen


def test_a_quick_run_never_sees_the_moving_picture(terminal: Terminal) -> None:
    with LiveTerminal(terminal.stream, {"TERM": "xterm"}, delay=3600.0) as display:
        for entry in _uploading().entries:
            display.on_entry(entry)
    terminal.stream.write("END")
    terminal.stream.flush()
    assert terminal.until("END") == "END"


def test_what_comes_after_the_end_is_not_shown() -> None:
    stream = io.StringIO()
    display = LiveTerminal(stream, {})
    display.close()
    display.close()
    for entry in _uploading().entries:
        display.on_entry(entry)
    assert stream.getvalue() == ""


def _log(entries: list[dict[str, Any]]) -> list[str]:
    stream = io.StringIO()
    with LiveTerminal(stream, {}) as display:
        for entry in entries:
            display.on_entry(entry)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_per_event() -> None:
    story = _uploading()
    story.act("upload/ios", "FAILED", "LIVE", error="Apple answered 409\n::error::x")
    story.end("upload/ios", "FAILED")
    story.end("processing/ios", "SKIPPED", because=["upload/ios"])
    assert _log([entry for entry in story.entries if entry["kind"] != "proof"]) == [
        "  upload/ios: upload build [bold]2.5.0[/bold] (250) <U+001B>[31m ...",
        "  upload/ios: upload build [bold]2.5.0[/bold] (250) <U+001B>[31m ...",
        "  upload/ios: FAILED: Apple answered 409 ::error::x",
        "FAILED upload/ios (1 check)",
        "skipped processing/ios (because of upload/ios)",
    ]


def test_a_long_wait_does_not_fill_the_log() -> None:
    story = Story()
    story.begin("processing/ios")
    for attempt in range(1, 200):
        story.wait("processing/ios", attempt, 60.0 * attempt, 60.0, [{"severity": "ERROR", "summary": "x"}])
    assert len(_log(story.entries)) == 8


def test_entries_may_come_from_many_threads() -> None:
    stream = io.StringIO()
    story = Story()
    display = LiveTerminal(stream, {})
    display.on_entry(story.entries[0])

    def lane(name: str) -> None:
        for _ in range(50):
            display.on_entry({"kind": "step", "step": name, "state": "BEGAN"})
            display.on_entry({"kind": "end", "step": name, "state": "PASSED"})

    threads = [threading.Thread(target=lane, args=(name,)) for name in ("signing/ios", "signing/mac")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    display.close()
    assert sorted(set(stream.getvalue().splitlines())) == ["no checks signing/ios", "no checks signing/mac"]
    assert stream.getvalue().count("\n") == 200 // 2


@pytest.mark.parametrize(
    ("done", "total", "unit", "said"),
    [
        (12e6, 48.5e6, "bytes", "12.0 of 48.5 MB"),
        (5e8, 2e9, "bytes", "0.5 of 2.0 GB"),
        (10, 999, "bytes", "10 of 999 bytes"),
        (3, 8, "parts", "3 of 8 parts"),
    ],
)
def test_amounts(done: float, total: float, unit: str, said: str) -> None:
    assert amounts(done, total, unit) == said
