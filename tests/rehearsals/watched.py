"""The menu under watch: what it starts is written down, and what it removes is kept for those who search afterwards.

    python -P -m tests.rehearsals.watched FOLDER ARGUMENTS…

FOLDER gets `started` (every process that is started: words and environment) and `graves/` (every file that was
removed or replaced, as it was). Where it holds `root.cer` and `above.cer`, this process takes them for Apple's; where it
holds `sabotage.py`, that is run first.
"""

from __future__ import annotations

import os
import runpy
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system")


def watch(folder: Path) -> None:
    log = os.open(folder / "started", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    graves = folder / "graves"
    graves.mkdir(exist_ok=True)
    busy = [False]

    def bury(path: Any, at: Any) -> None:
        with suppress(OSError, TypeError, ValueError):
            source = at if isinstance(at, int) and at >= 0 else None
            os.link(path, graves / os.urandom(8).hex(), src_dir_fd=source, follow_symlinks=False)

    def seen(event: str, args: tuple[Any, ...]) -> None:
        if busy[0]:
            return
        busy[0] = True
        try:
            if event in STARTS:
                environment = args[3] if event == "subprocess.Popen" else args[-1]
                inherited = environment if isinstance(environment, dict) else dict(os.environ)
                words = [each for arg in args[:2] for each in (arg if isinstance(arg, (list, tuple)) else [arg])]
                told = [*words, *(each for pair in inherited.items() for each in pair)]
                os.write(log, b"\0".join(os.fsencode(each) for each in told if isinstance(each, (str, bytes))) + b"\n")
            elif event == "os.remove":
                bury(args[0], args[1])
            elif event == "os.rename":
                bury(args[1], args[3])
        finally:
            busy[0] = False

    sys.addaudithook(seen)


def trust(root: bytes, above: bytes) -> None:
    """A live run trusts Apple's roots and knows Apple's intermediates; for the tests' authority to be Apple, both."""
    from pipeline.apple.signing import trust as known

    known.APPLE_ROOTS = known.APPLE_ROOTS.including("the tests' own root", root)
    known.APPLE_INTERMEDIATES = (*known.APPLE_INTERMEDIATES, above)


def main() -> None:
    folder = Path(sys.argv.pop(1))
    watch(folder)
    with suppress(FileNotFoundError):
        trust((folder / "root.cer").read_bytes(), (folder / "above.cer").read_bytes())
    with suppress(FileNotFoundError):
        exec((folder / "sabotage.py").read_text(encoding="utf-8"), {})
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
