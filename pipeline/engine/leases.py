"""Leases: one owner at a time per thing that is changed, with an expiry, and an epoch that fences off a late owner."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.model import PipelineError, Refused, UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

HORIZON = 24 * 3600.0
"""Seconds into the future that no clock of a colleague's machine is wrong by."""

TERM = 60.0
"""Seconds until a lease that nobody renews runs out."""


class LeaseLost(PipelineError):
    """The lease ran out and somebody else took it: whatever is being done must stop."""

    exit_code = Refused.exit_code


@dataclass(frozen=True)
class Lease:
    """The right to change one subject, until it is released."""

    subject: str
    owner: str
    epoch: int


class Leases:
    """Leases as files in one folder, shared by all runs on this machine that name the same folder."""

    def __init__(self, folder: Path, owner: str, term: float = TERM) -> None:
        self._folder = folder
        self._owner = owner
        self._term = term
        self._queues: dict[str, threading.Lock] = {}
        self._master = threading.Lock()

    def acquire(self, subject: str) -> Lease:
        """Take the lease.

        Raises:
            Refused: somebody else holds it; the error says who, since when, and what to do.
        """
        with self._locked():
            held = self._read(subject)
            if held and held["owner"] != self._owner and not self._over(held):
                since = time.strftime("%H:%M:%S", time.gmtime(held["taken"]))
                raise Refused(
                    f"{subject} is being changed by another run",
                    why=f"{held['owner']} (process {held['pid']} on {held['host']}) holds the lease since {since} UTC",
                    remedy="wait until it has finished, or stop it; a lease whose owner died runs out by itself",
                )
            epoch = (held["epoch"] if held else 0) + 1
            self._write(subject, epoch)
            return Lease(subject, self._owner, epoch)

    def renew(self, lease: Lease) -> None:
        """Put the expiry off. Raises LeaseLost when it is no longer ours."""
        with self._locked():
            self._ours(lease)
            self._write(lease.subject, lease.epoch)

    def release(self, lease: Lease) -> None:
        """Give it back; nothing happens when it is no longer ours."""
        with self._locked():
            held = self._read(lease.subject)
            if held and (held["owner"], held["epoch"]) == (lease.owner, lease.epoch):
                self._write(lease.subject, lease.epoch, expires=0.0)

    @contextlib.contextmanager
    def hold(self, subject: str) -> Iterator[Lease]:
        """Hold the lease for the length of a block; a thread renews it meanwhile.

        Two lanes of one run that want the same subject take turns; another run is refused.
        """
        with self._master:
            queue = self._queues.setdefault(subject, threading.Lock())
        with queue:
            lease = self.acquire(subject)
            done = threading.Event()
            keeper = threading.Thread(target=self._keep, args=(lease, done), daemon=True)
            keeper.start()
            try:
                yield lease
            finally:
                done.set()
                self.release(lease)

    def confirm(self, lease: Lease) -> None:
        """Raises LeaseLost unless the lease is still ours: asked right before an irreversible effect."""
        with self._locked():
            self._ours(lease)

    def _keep(self, lease: Lease, done: threading.Event) -> None:
        while not done.wait(self._term / 3):
            with contextlib.suppress(PipelineError, OSError):
                self.renew(lease)

    def _ours(self, lease: Lease) -> None:
        held = self._read(lease.subject)
        if not held or (held["owner"], held["epoch"]) != (lease.owner, lease.epoch):
            raise LeaseLost(
                f"the lease on {lease.subject} was lost",
                why=f"{held['owner']} took it" if held else "its file is gone",
                remedy="look at that run first; then `invoke resume`",
            )

    def _over(self, held: dict[str, Any]) -> bool:
        if held["expires"] <= time.time():
            return True
        return held["host"] == socket.gethostname() and not _alive(held["pid"])

    def _path(self, subject: str) -> Path:
        return self._folder / f"{hashlib.sha256(subject.encode()).hexdigest()[:32]}.json"

    def _read(self, subject: str) -> dict[str, Any] | None:
        try:
            held = json.loads(self._path(subject).read_text())
        except (OSError, ValueError):
            return None
        texts, numbers = ("owner", "host"), ("epoch", "expires", "pid", "taken")
        whole = (
            isinstance(held, dict)
            and all(isinstance(held.get(name), str) for name in texts)
            and all(isinstance(held.get(name), int | float) for name in numbers)
        )
        # An hour that cannot be, or an expiry far beyond our term, was not written by us.
        sound = whole and 0 <= held["taken"] <= time.time() + HORIZON and held["expires"] <= time.time() + HORIZON
        return held if sound else None

    def _write(self, subject: str, epoch: int, expires: float | None = None) -> None:
        now = time.time()
        told = {
            "subject": subject,
            "owner": self._owner,
            "epoch": epoch,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "taken": now,
            "expires": now + self._term if expires is None else expires,
        }
        path = self._path(subject)
        fresh = path.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(json.dumps(told))
        fresh.replace(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            guard = os.open(self._folder / "guard", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise UsageFault(
                f"the folder of leases {self._folder} cannot be written",
                why=fault.strerror or str(fault),
                remedy="name a writable folder with --runs DIR or the variable PIPELINE_RUNS",
            ) from fault
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            os.close(guard)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
