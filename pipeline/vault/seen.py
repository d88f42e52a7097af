"""What was last seen of a vault on this machine: a ledger that is shorter or other than that was turned back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline import regular
from pipeline.vault.storage import private_folder

SIZE_LIMIT = 10_000
Last = tuple[int, str, str]
"""The number of a ledger's newest line, its digest, and when it was seen (ISO)."""


class Seen:
    """The newest line of each vault that was ever read here, in a folder of its own."""

    def __init__(self, folder: Path, place: str) -> None:
        self._path = folder / f"{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.json"
        self._place = place

    def fault(self, digests: Sequence[str], last: Last) -> str:
        """What is wrong with a ledger whose lines have these digests, by what was seen before; empty for nothing.

        `last` must be read before the ledger is: another process may see a newer one in between.
        """
        number, head, at = last
        if not number or (len(digests) >= number and digests[number - 1] == head):
            return ""
        when = f"was seen here on {at[:10]}" if at else "was seen here"
        if len(digests) < number:
            what = f"the vault is older than what {when}: its ledger had {number} lines, and now it has {len(digests)}"
        else:
            what = f"the vault is another than what {when}: line {number} of its ledger is not the same"
        return f"{what} (if that is meant, remove {self._path})"

    def remember(self, digests: Sequence[str]) -> None:
        """Keep the newest line, if it is newer than what is kept. A machine that cannot keep it goes without."""
        number, head, _ = self.last()
        if len(digests) < number or not digests or (len(digests) == number and digests[-1] == head):
            return
        told = {
            "place": self._place,
            "number": len(digests),
            "head": digests[-1],
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        with contextlib.suppress(OSError):
            private_folder(self._path.parent)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(told, file)
            fresh.replace(self._path)

    def last(self) -> Last:
        """What was seen last; a number of 0 for nothing."""
        try:
            with regular.opened(self._path) as file:
                told = json.loads(file.read(SIZE_LIMIT))
            number, head, at = told["number"], told["head"], told["at"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return 0, "", ""
        fits = isinstance(number, int) and isinstance(head, str) and isinstance(at, str)
        return (number, head, at) if fits else (0, "", "")
