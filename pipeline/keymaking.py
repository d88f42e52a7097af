"""`certs.key`: a key pair for the vault; the private half goes into a file, the public half is shown."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pipeline.model import UsageFault
from pipeline.telling import quoted

USUAL = "~/.config/pipeline/vault.key"


def make(told: str, *, force: bool) -> int:
    """Make an age identity and write it where only its owner can read it.

    Raises:
        UsageFault: the file is there, or cannot be written.
    """
    from pipeline.vault.sealing import new_identity

    path = Path(os.path.expanduser(told or USUAL)).absolute()  # noqa: PTH111 - a tilde before an unknown name stays one
    if os.path.lexists(path) and not force:
        raise UsageFault(
            f"{path} is there already",
            why="a vault that only this key opens would be lost with it",
            remedy="name another file with --out, or write over it with --force",
        )
    secret, public = new_identity()
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(f"# public key: {public}\n{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as fault:
        with suppress(OSError):
            fresh.unlink()
        raise UsageFault(
            f"{path} cannot be written", why=fault.strerror or str(fault), remedy="name another file with --out"
        ) from fault
    print(f"wrote the private key to {path}: keep a copy where a fire or a thief does not find both")
    print(f"public key: {public}")
    print("next: add it to `signing: {recipients: …}` in config/; somebody who opens the vault runs certs.sync")
    print(f"then: export SIGNING_VAULT_KEY_FILE={quoted(str(path))}")
    return 0
