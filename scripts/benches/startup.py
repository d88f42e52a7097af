"""How long a person waits: the menu and a whole rehearsal, beside the help text of codemagic-cli-tools."""

from __future__ import annotations

import argparse
import sys
import tempfile

from pairing import Side, compare, peer_environment

PEER = "codemagic-cli-tools==0.70.0"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=9, help="counted runs of each command (at least 5)")
    runs = max(5, options.parse_args().runs)
    environment = peer_environment(PEER)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        menu = Side("invoke --list", [sys.executable, "-m", "invoke", "--list"])
        play = [sys.executable, "-m", "pipeline", "release", "--dry-run", "--runs", folder]
        rehearsal = Side("release --dry-run (two lanes)", play)
        script = environment / "bin" / "app-store-connect"
        peer = Side("app-store-connect --help", [str(script), "--help"])
        met = compare([menu, rehearsal], peer, runs=runs, goals={menu.name: 0.3, rehearsal.name: 1.0})
    small = max(rehearsal.memory) <= 120
    print(f"goals: {'met' if met and small else 'MISSED'} (ratios above; at most 120 MB for the rehearsal)")
    return 0 if met and small else 1


if __name__ == "__main__":
    sys.exit(main())
