"""Where reports are put down: a file is replaced whole, a job summary is appended to and never overfilled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.model.errors import UsageFault
from pipeline.reports.text import encodable

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY_LIMIT = 1024 * 1024
"""GitHub refuses a step's whole summary above this many bytes (GitHub docs, workflow commands, job summaries)."""


def put(path: Path, text: str) -> None:
    """Write a file through a temporary one beside it, so that a reader never sees half of it.

    A device or pipe such as /dev/stdout cannot be replaced and is written to.

    Raises:
        UsageFault: the path cannot be written.

    """
    data = encodable(text).encode()
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                device.write(data)
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data)
    except (OSError, ValueError, RuntimeError) as fault:
        raise _fault(path, fault) from fault


def _replace(target: Path, data: bytes) -> None:
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    draft = target.with_name(f".{target.name[:100]}.{os.getpid()}")
    try:
        with draft.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append(path: Path, text: str) -> None:
    """Append to a job summary. Where the limit would be passed, a note takes the text's place; its last line stays.

    Raises:
        UsageFault: the path cannot be written.

    """
    body = encodable(text).strip("\n")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            before = file.tell()
            lead = "\n" if before else ""
            if before + len((lead + body).encode()) + 1 > SUMMARY_LIMIT:
                body = f"The report did not fit into this summary.\n\n{body.rsplit(chr(10), 1)[-1]}"
            data = f"{lead}{body}\n".encode()
            if before + len(data) <= SUMMARY_LIMIT:
                file.write(data)
    except (OSError, ValueError) as fault:
        raise _fault(path, fault) from fault


def _fault(path: Path, fault: Exception) -> UsageFault:
    why = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    return UsageFault(
        f"the report cannot be written to {path}", why=why, remedy="name a file in a folder you may write to"
    )
