"""Kills a writer at each of its file operations, in processes forked from this one, and looks at what is left.

Prints one JSON line for each operation: its number and name, whether the change was there, and what is wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.ports.vault import Vault, VaultChange, VaultFile, VaultState
from pipeline.vault.folder import STALE
from pipeline.vault.opening import opened
from tests.rooms.vault.vaults import BOB, JANE

OPERATIONS = ("open", "write", "fsync", "link", "unlink", "mkdir", "fchmod", "replace", "rename")


def change_of(kind: str, head: str) -> VaultChange:
    if kind == "make":
        return VaultChange("", "make", "j", {"identities/aa.p8": VaultFile(b"aa")}, recipients=(JANE.recipient,))
    if kind == "reseal":
        return VaultChange(head, "reseal", "j", recipients=(JANE.recipient, BOB.recipient))
    put = {"identities/aa.p8": VaultFile(b"new"), "identities/bb.cer": VaultFile(b"bb", sealed=False)}
    return VaultChange(head, "put", "j", put, drop=("identities/cc.p8",))


def armed(at: int) -> list[str]:
    """From now on, the operation of that number is the last thing this process sees; half of them never begin."""
    seen: list[str] = []

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **named: Any) -> Any:
            reading = name == "open" and not (arguments[1:] and arguments[1] & os.O_CREAT)
            if not reading:
                seen.append(name)
                if len(seen) == at:
                    if name == "write":
                        real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return operation

    for name in OPERATIONS:
        setattr(os, name, wrapped(name, getattr(os, name)))
    return seen


def at(place: Path) -> Vault:
    return opened(str(place), lambda: JANE.secret, cache=place.with_name(f"{place.name}-cache"))


def killed_at(number: int, kind: str, place: Path) -> int:
    vault = at(place)
    head = vault.look().head
    child = os.fork()
    if not child:
        armed(number)
        vault.publish(change_of(kind, head))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status


def judged(kind: str, place: Path, before: VaultState) -> dict[str, Any]:
    vault = at(place)
    state = vault.look()
    new = state.head != before.head
    told = {"new": new, "problems": list(state.problems), "openable": state.openable or not state.head}
    told["contents"] = {each.path: vault.read(each.path).decode() for each in state.entries}
    if not new:
        vault.publish(change_of(kind, state.head))
    # A day passes, and somebody writes.
    for path in place.rglob("*"):
        if path.is_file() and path.parent != place:
            info = path.stat()
            os.utime(path, (info.st_atime - STALE - 60, info.st_mtime - STALE - 60))
    state = vault.look()
    vault.publish(VaultChange(state.head, "next", "j", {"identities/zz.p8": VaultFile(b"zz")}))
    state = vault.look()
    told["after"] = {each.path: vault.read(each.path).decode() for each in state.entries}
    told["problems"] += state.problems
    files = [path for path in place.rglob("*") if path.is_file() and path.name != ".gitattributes"]
    told["left"] = len(files) - len(state.deeds) - len(state.entries) - 1
    return told


def main(kind: str, scratch: str) -> None:
    base = Path(scratch) / "base"
    if kind != "make":
        put = {"identities/aa.p8": VaultFile(b"aa"), "identities/cc.p8": VaultFile(b"cc")}
        at(base).publish(VaultChange("", "begin", "j", put, recipients=(JANE.recipient,)))
    before = at(base).look()
    for number in range(1, 200):
        place = Path(scratch) / f"vault-{number}"
        if base.exists():
            shutil.copytree(base, place)
        status = killed_at(number, kind, place)
        print(json.dumps({"number": number, "killed": status == signal.SIGKILL, **judged(kind, place, before)}))  # noqa: T201
        if not status:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
