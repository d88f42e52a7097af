"""Somebody who signs: a home, an environment, a configuration, and the menu as that person starts it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.rehearsals.mac import Mac
from tests.rehearsals.material import Team
from tests.rehearsals.needles import Needles
from tests.rehearsals.theatre import ROOT, Told
from tests.rooms.vault.vaults import Person, git


class Signer:
    """Everything lies below one folder. `env` is what this person has exported; nothing else is inherited."""

    def __init__(self, folder: Path, *, mac: Mac | None = None, team: Team | None = None) -> None:
        self.folder = folder
        self.mac = mac
        self.env: dict[str, str] = {}
        self.said: list[bytes] = []
        for each in (self.home, self.temporary, self.desk, self.watched):
            each.mkdir(mode=0o700, parents=True)
        if team:
            (self.watched / "root.cer").write_bytes(team.root)
            (self.watched / "above.cer").write_bytes(team.above)
        if mac:
            mac.furnish(self.home)

    home = property(lambda self: self.folder / "home")
    temporary = property(lambda self: self.folder / "tmp")
    desk = property(lambda self: self.folder / "desk")
    watched = property(lambda self: self.folder / "watched")
    runs = property(lambda self: self.folder / "runs")
    cache = property(lambda self: self.folder / "cache")

    @property
    def environment(self) -> dict[str, str]:
        before = [str(self.mac.bin)] if self.mac else []
        return {
            "PATH": os.pathsep.join([*before, os.environ["PATH"]]),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self.cache),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIPELINE_RUNS": str(self.runs),
            **self.env,
        }

    def configure(self, vault: str, *people: Person, more: str = "") -> None:
        recipients = "".join(f"    {each.name}: {each.public}\n" for each in people)
        path = self.desk / "config" / "pipeline.yaml"
        path.parent.mkdir(exist_ok=True)
        where = f"  vault: {vault}\n" if vault else ""
        path.write_text(f"signing:\n{where}" + (f"  recipients:\n{recipients}" if people else "") + more)

    def argv(self, *arguments: str, watched: bool = True) -> list[str]:
        if not watched:
            return [sys.executable, "-P", "-m", "pipeline", *arguments]
        return [sys.executable, "-P", "-m", "tests.rehearsals.watched", str(self.watched), *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that is not waited for."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.desk,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __call__(
        self, *arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None, watched: bool = True
    ) -> Told:
        """A command, to its end. `code` is the exit code that it must have; None for any."""
        done = subprocess.run(
            self.argv(*arguments, watched=watched),
            cwd=self.desk,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        told = Told(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert "Traceback" not in told.err, told.err
        assert code is None or told.code == code, f"{arguments} ended with {told.code}:\n{told.out}\n{told.err}"
        return told

    # Looking afterwards ---------------------------------------------------------------------------------------------

    def files(self, folder: Path) -> dict[str, tuple[int, bytes]]:
        """Every file below a folder: mode and content."""
        return {
            str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def everything(self, *others: Path) -> Iterator[tuple[str, bytes]]:
        """All that was written, said and started."""
        for number, data in enumerate(self.said):
            yield f"output {number}", data
        for top in (self.runs, self.home, self.temporary, self.cache, self.desk, self.watched, *others):
            for path in sorted(top.rglob("*")):
                yield f"the name {path}", os.fsencode(path)
                if path.is_file():
                    yield str(path), path.read_bytes()
        for call in self.mac.calls if self.mac else ():
            yield f"the words of {call.words}", "\0".join(call.words).encode("utf-8", "surrogateescape")
            yield f"the environment of {call.words}", call.environment

    def leaks(self, needles: Needles, *others: Path) -> list[str]:
        return [f"{place}: {told}" for place, data in self.everything(*others) for told in needles.found(data)]


def objects_of(repository: Path) -> bytes:
    """Everything that a git repository holds, unpacked."""
    return git("cat-file", "--batch", "--batch-all-objects", cwd=repository).encode("latin-1")
