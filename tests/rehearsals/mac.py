"""A Mac's `security` for real processes: an executable on PATH that is started as Apple's is, and answers as Apple's does.

The executable hands its words, its environment and its standard input to this process, which answers with the simulated
Mac's own `security`. All state lies in the home folder, as it does on a Mac; nothing else of the simulator is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from pipeline.simulator.machine import security
from pipeline.simulator.machine.keychains import Keychains
from pipeline.simulator.machine.scenario import BARE
from pipeline.simulator.machine.security import lines_of, words_of

_TOOL = """#!{python} -IS
import _socket, os, sys
def read(name):
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError:
        return b""
def told(door, size):
    data = b""
    while len(data) < size:
        data += door.recv(size - len(data)) or sys.exit(70)
    return data
stdin = b""
while more := os.read(0, 65536):
    stdin += more
environment = read("/proc/self/environ") or b"\\0".join(b"%s=%s" % each for each in os.environb.items())
words = read("/proc/self/cmdline") or b"\\0".join(os.fsencode(each) for each in ("", "", *sys.argv)) + b"\\0"
door = _socket.socket(_socket.AF_UNIX)
door.connect({address!r})
for part in (words, environment, stdin, os.fsencode(os.getcwd()), b"%d" % os.getppid()):
    door.sendall(len(part).to_bytes(8, "big") + part)
status = told(door, 1)[0]
for number in (1, 2):
    data = told(door, int.from_bytes(told(door, 8), "big"))
    while data:
        data = data[os.write(number, data):]
sys.exit(status)
"""


@dataclass(frozen=True)
class Call:
    """One process that was started as `security`, as the system saw it."""

    words: tuple[str, ...]
    environment: bytes
    stdin: str
    files: tuple[tuple[str, int, int], ...] = ()
    """Each file that it was to read: path, its mode, and the mode of the folder in which it lay."""

    @property
    def command(self) -> tuple[str, ...]:
        """What it was told, on the command line or on standard input."""
        lines = list(lines_of(self.stdin)) if self.words == ("-i",) else []
        return tuple(words_of(lines[0])) if lines else self.words


class Mac:
    """Stands between a `security` on PATH and what it answers; may kill whoever has started it."""

    def __init__(self, root: bytes) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mac-"))  # the address of a socket has a hundred characters
        self.bin = self.folder / "bin"
        self.calls: list[Call] = []
        self.deadly: Callable[[int, str], bool] = lambda _number, _moment: False
        self.fails: Callable[[Call], bool] = lambda _call: False
        self._root = root
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.folder / "door"))
        self._door.listen(64)
        self.bin.mkdir()
        tool = self.bin / "security"
        # The interpreter itself: a virtual environment's starts a second time, and its way there is long.
        tool.write_text(_TOOL.format(python=os.path.realpath(sys.executable), address=str(self.folder / "door")))
        tool.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._door.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def furnish(self, home: Path) -> None:
        """A home as macOS makes it: a login keychain, and a search list that names it."""
        keychains = Keychains(home)
        keychains.search([keychains.login])
        keychains.login.parent.mkdir(parents=True, exist_ok=True)
        keychains.login.write_bytes(b"kych of somebody")
        keychains.login.chmod(0o600)

    def _serve(self) -> None:
        while True:
            try:
                door, _ = self._door.accept()
            except OSError:
                return
            with door, suppress(OSError):  # whoever asked was killed, or nothing can be written at home
                self._answer(door)

    def _answer(self, door: socket.socket) -> None:
        words, environment, stdin, folder, parent = (_part(door) for _ in range(5))
        # The interpreter, its option and the script stand before.
        own = tuple(os.fsdecode(each) for each in words.split(b"\0")[3:-1])
        call = Call(own, environment, stdin.decode("utf-8", "surrogateescape"))
        variables = dict(each.split(b"=", 1) for each in environment.split(b"\0") if b"=" in each)
        home, cwd = Path(os.fsdecode(variables.get(b"HOME", b"/nowhere"))), Path(os.fsdecode(folder))
        self.calls.append(replace(call, files=_files(call, cwd)))
        number = len(self.calls)
        if self.deadly(number, "before"):
            os.kill(int(parent), signal.SIGKILL)
            return
        if self.fails(call):
            answer = 1, "", "security: SecKeychainItemImport: an error\n"
        else:
            # A stand-in for the simulated Mac: only the home folder, the hour, and whom it trusts.
            machine: Any = SimpleNamespace(
                home=home,
                scenario=BARE,
                now=lambda: datetime.now(UTC),
                keychain=SimpleNamespace(identities=[], certificates=[]),
                authority=SimpleNamespace(root=self._root),
            )
            try:
                answer = security.run(machine, call.words, cwd, call.stdin)
            except OSError as fault:
                answer = 1, "", f"security: {fault.strerror}\n"
        if self.deadly(number, "after"):
            os.kill(int(parent), signal.SIGKILL)
            return
        status, out, err = answer
        door.sendall(bytes([status & 0xFF]))
        for text in (out, err):
            data = text.encode("utf-8", "surrogateescape")
            door.sendall(len(data).to_bytes(8, "big") + data)


def _part(door: socket.socket) -> bytes:
    return _exactly(door, int.from_bytes(_exactly(door, 8), "big"))


def _exactly(door: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = door.recv(size - len(data))
        if not more:
            raise OSError("whoever asked is gone")
        data += more
    return data


def _files(call: Call, cwd: Path) -> tuple[tuple[str, int, int], ...]:
    told = call.command
    if told[:1] != ("import",):
        return ()
    path = cwd / told[1]
    return ((str(path), stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)),)
