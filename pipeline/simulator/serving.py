"""`simulator`: the small Apple as a server on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipeline.simulator.evening import evening, listed

BUNDLE_ID = "com.mshaler.isometry"
CONTAINER = "iCloud.com.mshaler.isometry"
TEAM = "77CCZHWQL7"


def serve_here(host: str, port: int, scenario: str, state: str, *, listed_only: bool) -> int:
    """Serve until Ctrl-C. Without `state`, the account is forgotten at the end.

    Returns:
        the exit code of the process.
    """
    if listed_only:
        return _list()
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.server import serve

    services, _ = evening(scenario)
    account = services.with_apps(TEAM, [(BUNDLE_ID, "Isometry", ("IOS", "MAC_OS"))], {CONTAINER: (None, None)})
    with contextlib.ExitStack() as stack:
        folder = Path(state) if state else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apple-")))
        folder.mkdir(parents=True, exist_ok=True)
        apple = SimulatedApple(folder, account, now=lambda: datetime.now(UTC))
        try:
            server = stack.enter_context(serve(apple, host, port))
        except OSError as fault:
            print(f"error: cannot listen on {host}:{port}\n  why: {fault.strerror}", file=sys.stderr)
            print("  help: choose another with --port; 0 takes a free one", file=sys.stderr)
            return 2
        print(f"the simulated Apple listens on {server.url} (scenario {services.name}); Ctrl-C stops it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
    return 0


def _list() -> int:
    for name in listed():
        services, _ = evening(name)
        print(f"{name:<20} {services.about}")
    return 0
