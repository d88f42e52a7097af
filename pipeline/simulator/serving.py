"""`simulator`: the small Apple as a server on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.simulator.evening import evening, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.simulator.server import Server

BUNDLE_ID = "com.mshaler.isometry"
CONTAINER = "iCloud.com.mshaler.isometry"
TEAM = "77CCZHWQL7"

AUTHORITY = "authority.json"
"""In the folder of the state: what was issued yesterday is of the same root today."""

CLEAN, USAGE = 0, 2


class Unserved(Exception):
    """The server cannot start: what, why and what to do."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.why, self.remedy = what, why, remedy


def serve_here(host: str, port: int, scenario: str, state: str, *, listed_only: bool) -> int:
    """Serve until Ctrl-C or SIGTERM. Without `state`, the account is forgotten at the end.

    Returns:
        the exit code of the process: 0, or 2 when an option is at fault.
    """
    if listed_only:
        return _list()
    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in both}
    try:
        with _serving(host, port, scenario, state) as server:
            _tell(server)
            server.wait()
    except KeyboardInterrupt:
        return CLEAN
    except Unserved as fault:
        print(f"error: {fault.what}\n  why: {fault.why}\n  help: {fault.remedy}", file=sys.stderr)
        return USAGE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return CLEAN


@contextlib.contextmanager
def _serving(host: str, port: int, scenario: str, state: str) -> Iterator[Server]:
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.authority import Authority
    from pipeline.simulator.faults import ScenarioFault
    from pipeline.simulator.issuing import AuthorityIssuer
    from pipeline.simulator.server import serve
    from pipeline.simulator.state import StateFault

    try:
        services, _ = evening(scenario)
    except ScenarioFault as fault:
        raise Unserved("the scenario cannot be played", str(fault), "`simulator --list` shows the scenarios") from fault
    account = services.with_apps(TEAM, [(BUNDLE_ID, "Isometry", ("IOS", "MAC_OS"))], {CONTAINER: (None, None)})
    with contextlib.ExitStack() as stack:
        folder = Path(state or stack.enter_context(tempfile.TemporaryDirectory(prefix="apple-"))).expanduser()
        try:
            stack.enter_context(_owned(folder))
            issuer = AuthorityIssuer(Authority(folder / AUTHORITY, datetime.now(UTC)))
            apple = stack.enter_context(
                contextlib.closing(SimulatedApple(folder, account, now=lambda: datetime.now(UTC), issuer=issuer))
            )
        except (OSError, StateFault, ValueError, KeyError) as fault:
            remedy = "name a folder of the simulator's own, or a new one, with --state"
            raise Unserved(f"{folder} cannot hold the state", _reason(fault), remedy) from fault
        try:
            server = stack.enter_context(serve(apple, host, port))
        except (OSError, OverflowError) as fault:
            remedy = "choose another with --port; 0 takes a free one"
            raise Unserved(f"cannot listen on {host}:{port}", _reason(fault), remedy) from fault
        yield server


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """The right to be the only server over this state. Raises OSError when another has it."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise OSError(fault.errno, "another simulator serves from it now") from fault
        yield
    finally:
        os.close(lock)


def _reason(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or str(fault)


def _tell(server: Server) -> None:
    name = server.apple.scenario.name
    print(f"the simulated Apple listens on {server.url} (scenario {name}); Ctrl-C stops it")
    print(f"{server.url}/ shows what it holds, and how to talk to it; for instance, in the next 20 minutes:")
    print(f"  TOKEN={server.token()}")
    print(f'  curl -H "Authorization: Bearer $TOKEN" {server.url}/v1/apps', flush=True)


def _list() -> int:
    for name in listed():
        services, _ = evening(name)
        print(f"{name:<20} {services.about}")
    return CLEAN
