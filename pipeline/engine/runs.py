"""Run directories: where each run keeps its journal, its plan, its wishes and its products."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline import regular
from pipeline.engine.journal import read
from pipeline.model import UsageFault
from pipeline.model.run import Run, replay
from pipeline.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


TICKS = 0x10000
"""How many runs may begin in one second: as many as four hexadecimal digits name."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    journal.jsonl   what happened
    wishes.json     what was asked for, so that a resume asks for the same
    plan.json       what was proposed; approval.json beside it when a person said yes
    lanes/          products of the lanes
    apple/, mac/    the simulated Apple and the simulated Mac of a rehearsal
    """

    path: Path

    @property
    def id(self) -> str:
        """The run's name: day, hour, app, and four letters of its own."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The journal file."""
        return self.path / "journal.jsonl"

    def run(self) -> Run:
        """The run as its journal tells it.

        Raises:
            FileNotFoundError: it has no journal.
            UsageFault: its journal was changed, or something in the folder is a link.
        """
        _unlinked(self.path)
        return replay(read(self.journal))

    def wishes(self) -> dict[str, Any]:
        """What was asked for.

        Raises:
            UsageFault: the folder is not a run's, or something in it is a link.
        """
        _unlinked(self.path)
        try:
            told = json.loads(regular.read(self.path / "wishes.json", follow=False))
        except (OSError, ValueError) as fault:
            raise UsageFault(
                f"{self.path} is not the folder of a run", why=str(fault), remedy="`invoke runs.list` shows the runs"
            ) from fault
        if not isinstance(told, dict):
            raise UsageFault(f"{self.path} is not the folder of a run", remedy="`invoke runs.list` shows the runs")
        return told

    def keep(self, name: str, told: Mapping[str, Any]) -> None:
        """Write a JSON document of the run, whole or not at all, readable by its owner only."""
        fresh = self.path / f"{name}.new"
        fresh.unlink(missing_ok=True)  # what a crash has left, or a link that somebody put there
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            # In ASCII: a path whose bytes are no text can be kept in no other way.
            json.dump(told, file, indent=2)
            file.write("\n")
        fresh.replace(self.path / name)

    def kept(self, name: str) -> dict[str, Any] | None:
        """What `keep` has written under that name, or None."""
        try:
            told = json.loads(regular.read(self.path / name, follow=False))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def discard(self) -> None:
        """Remove the directory of a run that could not begin."""
        import shutil

        shutil.rmtree(self.path, ignore_errors=True)


def _unlinked(folder: Path, depth: int = 0) -> None:
    """Refuse links where a run keeps its own: what is read through one is not the run's, nor is what is overwritten.

    Below `lanes` it looks as deep as the products lie; an archive has links inside, and they stay inside.
    """
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return  # whoever needs what lies there says that it cannot be read
    for entry in entries:
        if entry.is_symlink():
            raise UsageFault(
                f"{entry.path} is a link",
                why="what belongs to a run lies in its own folder",
                remedy="find out who put it there; take it away, or start a new run",
            )
        if (0 < depth < _DEPTH or entry.name == "lanes") and entry.is_dir(follow_symlinks=False):
            _unlinked(folder / entry.name, depth + 1)


_DEPTH = 3
"""Folders below the run's in which products lie: lanes/NAME/export."""


def begin(runs: Path, app: str, at: datetime, wishes: Mapping[str, Any]) -> RunFolder:
    """Make the directory of a new run.

    Raises:
        UsageFault: the folder of runs cannot be written.
    """
    name = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-")[:40] or "app"
    try:
        folder = RunFolder(_made(runs, f"{at:%Y%m%d-%H%M%S}-{name}", at.microsecond * TICKS // 1_000_000))
        folder.keep("wishes.json", wishes)
    except OSError as fault:
        raise UsageFault(
            f"the folder of runs {runs} cannot be written",
            why=fault.strerror or str(fault),
            remedy="name a writable folder with --runs DIR or the variable PIPELINE_RUNS",
        ) from fault
    return folder


def _made(runs: Path, beginning: str, tick: int) -> Path:
    """A new directory. Its name ends with the fraction of the second, so that names sort as the runs began."""
    if not runs.is_dir():
        runs.mkdir(parents=True, exist_ok=True)
    while True:
        path = runs / f"{beginning}-{tick % TICKS:04x}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            tick += 1
        else:
            return path


def runs_in(runs: Path) -> list[RunFolder]:
    """All runs, newest first."""
    try:
        found = [RunFolder(path) for path in runs.iterdir() if (path / "wishes.json").is_file()]
    except OSError:
        return []
    return sorted(found, key=lambda folder: folder.id, reverse=True)


def find(runs: Path, name: str) -> RunFolder:
    """The run of that name, of a name that begins so, at that path, or the newest for an empty name.

    Raises:
        UsageFault: there is none, or more than one begins so.
    """
    known = runs_in(runs)
    if not name:
        if not known:
            raise UsageFault(f"there are no runs in {runs}", remedy="start one with `invoke release --dry-run`")
        return known[0]
    path = runs / name
    if (path / "wishes.json").is_file():
        return RunFolder(path)
    matching = [folder for folder in known if folder.id.startswith(name) or folder.id.endswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(folder.id for folder in matching[:5])
        raise UsageFault(f"{name!r} names more than one run: {names}", remedy="write more of the name")
    raise UsageFault(f"there is no run {name!r} in {runs}", remedy="`invoke runs.list` shows the runs")
