"""Kills the menu with SIGKILL at its boundaries and goes on; run as a program, so that it may fork freely.

    python -m tests.rehearsals.signing_kills FOLDER PLAY WHERE COUNT

PLAY is one of PLAYS. WHERE is "journal" (before and after each write to the journal), "machine" (before whatever
changes something on this machine: a file that is opened for writing, renamed, linked or removed, a process that is
started) or "security" (before and after each call of `security`). COUNT boundaries are tried, evenly spread, beginning
with one that the process id chooses. What imports cost is paid once; the rest is what a person starts. Prints one JSON line.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.engine import journal
from pipeline.engine.runs import runs_in
from pipeline.simulator.machine.keychains import Keychains
from tests.rehearsals.killing import counted, summary
from tests.rehearsals.mac import Mac
from tests.rehearsals.material import Team, the_team
from tests.rehearsals.signer import Signer
from tests.rooms.vault.vaults import JANE, Person, at, new_place

RECORDS = "Library/Application Support/pipeline/signing"
CHANGES = frozenset({"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate", "subprocess.Popen"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MADE = re.compile(r"[0-9a-f]{40,64}|[0-9a-f]{8}(?=\.)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def armed_machine(deadly: int) -> Callable[[], int]:
    seen = [0]

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            changes = isinstance(args[2], int) and bool(args[2] & WRITES) and args[0] != os.devnull
        else:
            changes = event in CHANGES
        if changes:
            seen[0] += 1
            if seen[0] == deadly:
                die()

    sys.addaudithook(watch)
    return lambda: seen[0]


def armed_journal(deadly: int) -> Callable[[], int]:
    return counted(journal, "_write_all", deadly)


class Stage:
    """One play of the menu, in a folder of its own; every command is another process."""

    arguments: tuple[str, ...] = ()
    live = False

    def __init__(self, folder: Path, team: Team, mac: Mac, keys: list[bytes]) -> None:
        self.folder, self.team, self.mac, self.keys = folder, team, mac, keys
        self.signer = Signer(folder, mac=mac if self.live else None, team=team)
        self.prepare()

    def prepare(self) -> None:
        """What lies there before."""

    def run(self, *arguments: str, arm: Callable[[], Callable[[], int]] | None = None) -> tuple[int, int]:
        """The menu in a child; its wait status, and how many boundaries it came by."""
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                self._child(arguments, arm, write)
            except BaseException:  # noqa: BLE001 - a child must never run on into its parent's code
                traceback.print_exc()
                os._exit(99)
        os.close(write)
        told = b""
        while more := os.read(read, 64):
            told += more
        os.close(read)
        return os.waitpid(child, 0)[1], int(told or b"0")

    def _child(self, arguments: tuple[str, ...], arm: Callable[[], Callable[[], int]] | None, write: int) -> None:
        from pipeline.apple.portal import gateway
        from pipeline.apple.signing import trust
        from pipeline.menu import run

        environment = self.signer.environment
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(self.signer.desk)
        log = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        used = len(list(self.folder.glob("key-*")))

        def fresh_key() -> bytes:
            (self.folder / f"key-{len(list(self.folder.glob('key-*')))}").touch()
            return self.keys.pop(0)

        del self.keys[:used]
        gateway.new_key = fresh_key
        trust.APPLE_ROOTS = trust.APPLE_ROOTS.including("the tests' own root", self.team.root)
        for module in list(sys.modules.values()):
            if getattr(module, "APPLE_INTERMEDIATES", None) and module.__name__.startswith("pipeline.apple"):
                module.APPLE_INTERMEDIATES = (*module.APPLE_INTERMEDIATES, self.team.above)  # type: ignore[attr-defined]
        count = arm() if arm else int
        code = 0
        try:
            run(list(arguments))
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        os.write(write, str(count()).encode())
        os._exit(code)

    def well(self, *arguments: str) -> None:
        status, _ = self.run(*arguments)
        assert os.WIFEXITED(status), status
        assert os.WEXITSTATUS(status) == 0, (arguments, (self.folder / "said").read_text()[-3000:])

    def go_on(self, number: int) -> None:
        """After a kill: a resume where there is a run, else the same again."""
        self.between()
        begun = any((each.path / "journal.jsonl").exists() for each in runs_in(self.signer.runs))
        if begun and (number % 2 or not self.live):
            self.well("resume")
        else:
            self.well(*self.arguments)

    def between(self) -> None:
        """What must hold right after a kill."""

    def outcome(self) -> Any:
        """What there is at the end, in words that are the same for every run."""

    @property
    def newest(self) -> Path:
        """The folder of the run that went through."""
        return runs_in(self.signer.runs)[0].path


def settled(home: Path) -> list[str]:
    """The files of a home folder in which something was installed, with made-up names told alike."""
    found = (str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    # A write that was cut off leaves a hidden file, which the removal takes away with the rest.
    named = (each for each in found if "/." not in each)
    kept = [each for each in named if "rehearsal-authority" not in each and "com.apple.security" not in each]
    listed = [str(path).replace(str(home), "~") for path in Keychains(home).searched()]
    return [_MADE.sub("…", each) for each in (*sorted(kept), *listed)]


class RehearsedInstall(Stage):
    arguments = ("certs.install", "--dry-run", "--quiet")

    def outcome(self) -> Any:
        return settled(self.newest / "mac")


class RehearsedCreate(Stage):
    arguments = ("certs.create", "--dry-run", "--quiet")

    def outcome(self) -> Any:
        place = self.newest / "vault"
        person = Person("rehearsal", (place / "vault.key").read_text(), "")
        state = at(str(place / "vault"), person, self.folder / "looking").look()
        assert state.problems == ()
        paths = sorted(_MADE.sub("…", each.path) for each in state.entries)
        return [summary(self.newest), paths]


class RehearsedRenew(RehearsedCreate):
    arguments = ("certs.renew", "--dry-run", "--revoke", "--quiet")


class Sync(Stage):
    """Live: what is given arrives in the vault once."""

    live = True
    kind = "folder"

    def prepare(self) -> None:
        self.place = new_place(self.kind, self.folder)
        self.signer.configure(self.place, JANE)
        self.signer.env = {**self.team.secrets(), "SIGNING_VAULT_KEY": JANE.secret}

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("certs.sync", "--quiet")

    def outcome(self) -> Any:
        state = at(self.place, JANE, self.folder / "looking").look()
        assert state.problems == ()
        assert all(deed.proved for deed in state.deeds)
        return [[each.path for each in state.entries], [(deed.what, deed.put) for deed in state.deeds]]


class SyncRepository(Sync):
    kind = "bare"


class Install(Stage):
    """Live, with a `security` on PATH."""

    live = True
    arguments = ("certs.install", "--quiet")

    def prepare(self) -> None:
        self.signer.env = self.team.secrets()
        self.before = self.signer.files(self.signer.home)
        self.listed = Keychains(self.signer.home).searched()

    def between(self) -> None:
        """The search list is as it was, or complete."""
        now = Keychains(self.signer.home).searched()
        assert now[: len(self.listed)] == self.listed, now
        for path in now[len(self.listed) :]:
            assert path.is_file(), now
            assert sum(item.keyed for item in Keychains(self.signer.home).read(path).items) == 2, now

    def go_on(self, number: int) -> None:
        if number % 3 == 0:
            self.between()
            self.well("certs.uninstall", "--quiet")
            assert self.signer.files(self.signer.home) == self.before, "an uninstall right after a kill leaves nothing"
            self.well(*self.arguments)
        else:
            super().go_on(number)

    def outcome(self) -> Any:
        told = settled(self.signer.home)
        self.well("certs.uninstall", "--quiet")
        assert self.signer.files(self.signer.home) == self.before
        return told


class Uninstall(Install):
    arguments = ("certs.uninstall", "--quiet")

    def prepare(self) -> None:
        super().prepare()
        self.well("certs.install", "--quiet")

    def between(self) -> None:
        """The keychain is out of the search list before its file is gone."""
        assert all(path.exists() for path in Keychains(self.signer.home).searched())


PLAYS: dict[str, type[Stage]] = {
    "install --dry-run": RehearsedInstall,
    "create --dry-run": RehearsedCreate,
    "renew --dry-run": RehearsedRenew,
    "sync folder": Sync,
    "sync bare": SyncRepository,
    "install": Install,
    "uninstall": Uninstall,
}


def arming(where: str, deadly: int) -> Callable[[], Callable[[], int]] | None:
    arms = {"journal": armed_journal, "machine": armed_machine}
    return (lambda: arms[where](deadly)) if where in arms else None


@contextlib.contextmanager
def lethal(mac: Mac, where: str, deadly: int) -> Iterator[list[int]]:
    """Let `security` kill whoever calls it at the boundary of that number."""
    seen = [0]

    def decide(_number: int, _moment: str) -> bool:
        seen[0] += 1
        return seen[0] == deadly

    before = mac.deadly
    mac.deadly = decide if where == "security" else before
    try:
        yield seen
    finally:
        mac.deadly = before


def main() -> None:
    folder, play, where, count = Path(sys.argv[1]), PLAYS[sys.argv[2]], sys.argv[3], int(sys.argv[4])
    from pipeline.apple.signing.keys import new_key
    from pipeline.reports import brief, live, terminal  # noqa: F401 -- paid once
    from pipeline.stages import every_table
    from pipeline.world import registry

    every_table(), registry()
    team = the_team()
    keys = [new_key() for _ in range(8)] if "dry" in sys.argv[2] else []
    with Mac(team.root) as mac:
        whole = play(folder / "whole", team, mac, keys)
        with lethal(mac, where, 0) as calls:
            status, boundaries = whole.run(*whole.arguments, arm=arming(where, 0))
        assert status == 0, (status, (folder / "whole/said").read_text()[-3000:])
        boundaries = calls[0] if where == "security" else boundaries
        expected = whole.outcome()
        killed = 0
        step = max(boundaries // count, 1)
        chosen = range(1 + os.getpid() % step, boundaries + 1, step)
        for number in chosen:
            stage = play(folder / str(number), team, mac, keys)
            with lethal(mac, where, number):
                status, _ = stage.run(*stage.arguments, arm=arming(where, number))
            if os.WIFSIGNALED(status):
                killed += 1
            else:
                # Threads, or what lies in a cache, may make the boundaries a few more or less.
                assert os.WEXITSTATUS(status) == 0, (stage.folder / "said").read_text()[-3000:]
            stage.go_on(number)
            found = stage.outcome()
            assert found == expected, (number, boundaries, found, expected)
            shutil.rmtree(stage.folder)
    told = {"boundaries": boundaries, "tried": len(chosen), "killed": killed, "outcome": expected}
    print(json.dumps(told, default=list))  # noqa: T201


if __name__ == "__main__":
    main()
