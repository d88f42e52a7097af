"""One of several writers: puts files of its own into a vault, one by one, whoever else writes there."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from pipeline.ports.vault import Moved, VaultChange, VaultFile, VaultState, changed
from pipeline.vault.opening import opened


def main(place: str, cache: str, name: str, count: str) -> None:
    secret = sys.stdin.read()
    vault = opened(place, lambda: secret, cache=Path(cache))
    print("ready", flush=True)  # noqa: T201
    for number in range(int(count)):
        path = f"identities/{name}{number}.p8"

        def wanted(state: VaultState, path: str = path) -> VaultChange | None:
            if path in {each.path for each in state.entries}:
                return None
            return VaultChange(what=path, by=name, put={path: VaultFile(path.encode())})

        done = False
        while not done:
            with contextlib.suppress(Moved):
                changed(vault, wanted)
                done = True


if __name__ == "__main__":
    main(*sys.argv[1:])
